import { LoggableError } from '../loggable.ts';

export class CodecError extends LoggableError {
  override readonly name = 'CodecError';
}

/**
 * How many doubles one call of a decoder allocates at most: 64 MiB. The number of bytes cannot bound it, as a
 * column that repeats one value costs no bytes.
 */
export const MAX_NUMBERS = 8 * 1_048_576;

/** Returns every NaN as the same NaN, as machines differ in which NaN an operation makes. */
export const canonical = (value: number): number => (Number.isNaN(value) ? Number.NaN : value);

/** The most bits that fit into 31 beside the at most 7 that wait for their byte. */
const NARROW = 24;
const NARROW_MASK = 0xff_ffff;

/** Writes bytes one after another into a buffer that grows. */
export class ByteWriter {
  #buffer = new Uint8Array(1_024);
  #view = new DataView(this.#buffer.buffer);
  #length = 0;
  #numbersLeft = MAX_NUMBERS;
  /** The bits that do not fill a byte yet, the first one lowest. */
  #bits = 0;
  /** How many bits those are. */
  #waiting = 0;

  get length(): number {
    return this.#length;
  }

  /** Returns a copy of what was written. */
  bytes(): Uint8Array {
    return this.#buffer.slice(0, this.#length);
  }

  /**
   * Counts doubles that a reader will allocate. The writer must call it before it writes as many as the
   * reader claims.
   *
   * @throws CodecError when they are more than a reader accepts
   */
  claim(numbers: number): void {
    this.#numbersLeft -= numbers;
    if (this.#numbersLeft < 0) throw new CodecError(`Cannot encode more than ${MAX_NUMBERS} numbers`);
  }

  /** Takes back all bytes from `length` on. */
  truncate(length: number): void {
    this.#length = length;
  }

  byte(byte: number): void {
    this.#reserve(1);
    this.#buffer[this.#length++] = byte;
  }

  append(bytes: Uint8Array): void {
    this.#reserve(bytes.length);
    this.#buffer.set(bytes, this.#length);
    this.#length += bytes.length;
  }

  /**
   * Writes the length of a text, and a byte for each character. It returns false, and writes nothing, where a
   * character is not ASCII.
   */
  ascii(text: string): boolean {
    const start = this.#length;
    this.varint(text.length);
    this.#reserve(text.length);
    for (let at = 0; at < text.length; at++) {
      const unit = text.charCodeAt(at);
      if (unit >= 0x80) {
        this.#length = start;
        return false;
      }
      this.#buffer[this.#length++] = unit;
    }
    return true;
  }

  double(value: number): void {
    this.#reserve(8);
    this.#view.setFloat64(this.#length, canonical(value), true);
    this.#length += 8;
  }

  /** Writes a whole number from 0 to 2^53 - 1 in seven bits a byte, the lowest first. */
  varint(value: number): void {
    let rest = value;
    while (rest >= 128) {
      this.byte((rest % 128) + 128);
      rest = Math.floor(rest / 128);
    }
    this.byte(rest);
  }

  /** Writes a whole number from -2^52 to 2^52 - 1: 0, -1, 1, -2, … are written as 0, 1, 2, 3, … */
  signed(value: number): void {
    this.varint(value < 0 ? -2 * value - 1 : 2 * value);
  }

  /** Writes the `width` lowest bits of at most 32. The caller must `flush` before it writes anything else. */
  bits(value: number, width: number): void {
    if (width > NARROW) {
      this.#narrow(value & NARROW_MASK, NARROW);
      this.#narrow(value >>> NARROW, width - NARROW);
    } else {
      this.#narrow(value, width);
    }
  }

  flush(): void {
    if (this.#waiting > 0) this.byte(this.#bits);
    this.#bits = 0;
    this.#waiting = 0;
  }

  /**
   * Writes the whole numbers `values[from, to)`, none below 0, in `width` bits each, and fills up the last
   * byte.
   */
  packed(values: Float64Array, from: number, to: number, width: number): void {
    if (width > NARROW) {
      for (let i = from; i < to; i++) this.#wide(values[i] as number, width);
      this.flush();
      return;
    }
    this.#reserve(Math.ceil(((to - from) * width) / 8));
    const buffer = this.#buffer;
    let length = this.#length;
    let bits = 0;
    let waiting = 0;
    for (let i = from; i < to; i++) {
      bits |= (values[i] as number) << waiting;
      waiting += width;
      while (waiting >= 8) {
        buffer[length++] = bits;
        bits >>>= 8;
        waiting -= 8;
      }
    }
    if (waiting > 0) buffer[length++] = bits;
    this.#length = length;
  }

  #wide(value: number, width: number): void {
    const high = Math.floor(value / 2 ** NARROW);
    this.#narrow(value - high * 2 ** NARROW, NARROW);
    this.bits(high, width - NARROW);
  }

  #narrow(value: number, width: number): void {
    this.#reserve(4);
    this.#bits |= value << this.#waiting;
    this.#waiting += width;
    while (this.#waiting >= 8) {
      this.#buffer[this.#length++] = this.#bits;
      this.#bits >>>= 8;
      this.#waiting -= 8;
    }
  }

  #reserve(bytes: number): void {
    if (this.#length + bytes <= this.#buffer.length) return;
    const larger = new Uint8Array(2 * (this.#length + bytes));
    larger.set(this.#buffer);
    this.#buffer = larger;
    this.#view = new DataView(larger.buffer);
  }
}

/** Reads what a ByteWriter wrote. Every method throws a CodecError for bytes that no ByteWriter wrote. */
export class ByteReader {
  readonly #bytes: Uint8Array;
  readonly #view: DataView;
  #at = 0;
  #bits = 0;
  #waiting = 0;
  #numbersLeft = MAX_NUMBERS;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }

  end(): void {
    if (this.#at !== this.#bytes.length) throw this.fault('bytes follow the value');
  }

  byte(): number {
    const byte = this.#bytes[this.#at++];
    if (byte === undefined) throw this.fault('the bytes end inside a value');
    return byte;
  }

  /** Returns the next bytes, in place. */
  take(length: number): Uint8Array {
    const from = this.#at;
    this.#skip(length);
    return this.#bytes.subarray(from, this.#at);
  }

  double(): number {
    this.#skip(8);
    return this.#view.getFloat64(this.#at - 8, true);
  }

  varint(): number {
    let value = 0;
    for (let scale = 1; ; scale *= 128) {
      const byte = this.byte();
      value += (byte % 128) * scale;
      if (!Number.isSafeInteger(value) || scale > Number.MAX_SAFE_INTEGER)
        throw this.fault('a whole number over 2^53');
      if (byte < 128) return value;
    }
  }

  signed(): number {
    const value = this.varint();
    return value % 2 === 0 ? value / 2 : -(value + 1) / 2;
  }

  /** Reads a number of items that take at least a byte each. */
  count(): number {
    const count = this.varint();
    if (count > this.#bytes.length - this.#at)
      throw this.fault('a count larger than the bytes that are left');
    return count;
  }

  /** Counts doubles against the limit. The caller must call it before it allocates them. */
  claim(numbers: number): void {
    this.#numbersLeft -= numbers;
    if (!(this.#numbersLeft >= 0)) throw this.fault(`more than ${MAX_NUMBERS} numbers`);
  }

  /** Reads bits as a number from 0 to 2^32 - 1. */
  bits(width: number): number {
    if (width <= NARROW) return this.#narrow(width);
    const low = this.#narrow(NARROW);
    return (low | (this.#narrow(width - NARROW) << NARROW)) >>> 0;
  }

  /** Moves on to the next whole byte. */
  align(): void {
    this.#bits = 0;
    this.#waiting = 0;
  }

  packed(values: Float64Array, from: number, to: number, width: number): void {
    if (width > NARROW) {
      for (let i = from; i < to; i++) values[i] = this.#wide(width);
      this.align();
      return;
    }
    const start = this.#at;
    this.#skip(Math.ceil(((to - from) * width) / 8));
    const bytes = this.#bytes;
    const mask = (1 << width) - 1;
    let at = start;
    let bits = 0;
    let waiting = 0;
    for (let i = from; i < to; i++) {
      while (waiting < width) {
        bits |= (bytes[at++] as number) << waiting;
        waiting += 8;
      }
      values[i] = bits & mask;
      bits >>>= width;
      waiting -= width;
    }
  }

  fault(what: string): CodecError {
    return new CodecError(`Cannot decode ${this.#bytes.length} bytes: ${what}, at byte ${this.#at}`);
  }

  #skip(length: number): void {
    if (length > this.#bytes.length - this.#at) throw this.fault('the bytes end inside a value');
    this.#at += length;
  }

  #wide(width: number): number {
    const low = this.#narrow(NARROW);
    return low + this.bits(width - NARROW) * 2 ** NARROW;
  }

  #narrow(width: number): number {
    while (this.#waiting < width) {
      this.#bits |= this.byte() << this.#waiting;
      this.#waiting += 8;
    }
    const value = this.#bits & ((1 << width) - 1);
    this.#bits >>>= width;
    this.#waiting -= width;
    return value;
  }
}
