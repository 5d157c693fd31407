import type { Plain } from './plain.ts';

/**
 * Plain data as bytes, exactly: every double comes back bit for bit, and a string that occurs again costs a reference.
 *
 * One tag byte a value, then its body; counts and whole numbers are little-endian base-128 varints.
 */
export function encode(value: Plain): Uint8Array {
  const writer = new Writer();
  writer.value(value);
  return writer.bytes();
}

/**
 * The value that `encode` wrote.
 *
 * @throws CodecError for any other bytes: it neither reads past them, nor nests deeper than 64, nor makes room for more
 * items than there are bytes
 */
export function decode(bytes: Uint8Array): Plain {
  const reader = new Reader(bytes);
  const value = reader.value(0);
  reader.end();
  return value;
}

export class CodecError extends Error {
  override readonly name = 'CodecError';
}

const NULL = 0;
const FALSE = 1;
const TRUE = 2;
const DOUBLE = 3;
const POSITIVE = 4;
const NEGATIVE = 5;
const TEXT = 6;
const SAME_TEXT = 7;
const LIST = 8;
const MAP = 9;
/** Tags from here on are small whole numbers themselves: `SMALL` is -64. */
const SMALL = 64;
const SMALLEST = -64;
const LARGEST_SMALL = SMALLEST + 255 - SMALL;

const MAX_DEPTH = 64;

class Writer {
  #buffer = new Uint8Array(1_024);
  #view = new DataView(this.#buffer.buffer);
  #length = 0;
  readonly #texts = new Map<string, number>();
  readonly #utf8 = new TextEncoder();

  bytes(): Uint8Array {
    return this.#buffer.slice(0, this.#length);
  }

  value(value: Plain): void {
    if (value === null) this.#byte(NULL);
    else if (typeof value === 'boolean') this.#byte(value ? TRUE : FALSE);
    else if (typeof value === 'number') this.#number(value);
    else if (typeof value === 'string') this.#text(value);
    else if (isList(value)) this.#list(value);
    else this.#map(value);
  }

  #list(list: readonly Plain[]): void {
    this.#byte(LIST);
    this.#varint(list.length);
    for (const item of list) this.value(item);
  }

  #map(map: { readonly [name: string]: Plain }): void {
    const entries = Object.entries(map);
    this.#byte(MAP);
    this.#varint(entries.length);
    for (const [name, item] of entries) {
      this.#text(name);
      this.value(item);
    }
  }

  #number(value: number): void {
    if (!Number.isSafeInteger(value) || Object.is(value, -0)) {
      this.#byte(DOUBLE);
      this.#reserve(8);
      this.#view.setFloat64(this.#length, value, true);
      this.#length += 8;
    } else if (value >= SMALLEST && value <= LARGEST_SMALL) {
      this.#byte(SMALL + value - SMALLEST);
    } else {
      this.#byte(value > 0 ? POSITIVE : NEGATIVE);
      this.#varint(Math.abs(value));
    }
  }

  #text(text: string): void {
    const seen = this.#texts.get(text);
    if (seen !== undefined) {
      this.#byte(SAME_TEXT);
      this.#varint(seen);
      return;
    }
    this.#texts.set(text, this.#texts.size);
    const bytes = this.#utf8.encode(text);
    this.#byte(TEXT);
    this.#varint(bytes.length);
    this.#reserve(bytes.length);
    this.#buffer.set(bytes, this.#length);
    this.#length += bytes.length;
  }

  #varint(value: number): void {
    let rest = value;
    while (rest >= 128) {
      this.#byte((rest % 128) + 128);
      rest = Math.floor(rest / 128);
    }
    this.#byte(rest);
  }

  #byte(byte: number): void {
    this.#reserve(1);
    this.#buffer[this.#length++] = byte;
  }

  #reserve(bytes: number): void {
    if (this.#length + bytes <= this.#buffer.length) return;
    const larger = new Uint8Array(2 * (this.#length + bytes));
    larger.set(this.#buffer);
    this.#buffer = larger;
    this.#view = new DataView(larger.buffer);
  }
}

const isList = (value: Plain): value is readonly Plain[] => Array.isArray(value);

class Reader {
  readonly #bytes: Uint8Array;
  readonly #view: DataView;
  #at = 0;
  readonly #texts: string[] = [];
  readonly #utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }

  end(): void {
    if (this.#at !== this.#bytes.length) throw this.#fault('bytes follow the value');
  }

  value(depth: number): Plain {
    if (depth > MAX_DEPTH) throw this.#fault(`nested deeper than ${MAX_DEPTH}`);
    const tag = this.#byte();
    if (tag >= SMALL) return tag - SMALL + SMALLEST;
    switch (tag) {
      case NULL:
        return null;
      case FALSE:
        return false;
      case TRUE:
        return true;
      case DOUBLE:
        return this.#double();
      case POSITIVE:
        return this.#varint();
      case NEGATIVE:
        return -this.#varint();
      case TEXT:
      case SAME_TEXT:
        return this.#text(tag);
      case LIST:
        return this.#items(() => this.value(depth + 1));
      case MAP:
        return Object.fromEntries(
          this.#items(() => [this.#text(this.#byte()), this.value(depth + 1)] as const),
        );
      default:
        throw this.#fault(`unknown tag ${tag}`);
    }
  }

  /** Grows as it reads, so that a count makes room only for what the bytes bear out. */
  #items<Item>(read: () => Item): Item[] {
    const items: Item[] = [];
    for (let left = this.#count(); left > 0; left--) items.push(read());
    return items;
  }

  #double(): number {
    if (this.#at + 8 > this.#bytes.length) throw this.#fault('the bytes end inside a number');
    const value = this.#view.getFloat64(this.#at, true);
    this.#at += 8;
    return value;
  }

  #text(tag: number): string {
    if (tag === SAME_TEXT) {
      const text = this.#texts[this.#varint()];
      if (text === undefined) throw this.#fault('a reference to no text');
      return text;
    }
    if (tag !== TEXT) throw this.#fault('a name that is not text');
    const length = this.#count();
    const bytes = this.#bytes.subarray(this.#at, this.#at + length);
    this.#at += length;
    try {
      const text = this.#utf8.decode(bytes);
      this.#texts.push(text);
      return text;
    } catch {
      throw this.#fault('text that is not UTF-8');
    }
  }

  /** A number of things that take at least a byte each. */
  #count(): number {
    const count = this.#varint();
    if (count > this.#bytes.length - this.#at)
      throw this.#fault('a count larger than the bytes that are left');
    return count;
  }

  #varint(): number {
    let value = 0;
    for (let scale = 1; ; scale *= 128) {
      const byte = this.#byte();
      value += (byte % 128) * scale;
      if (!Number.isSafeInteger(value) || scale > Number.MAX_SAFE_INTEGER)
        throw this.#fault('a whole number over 2^53');
      if (byte < 128) return value;
    }
  }

  #byte(): number {
    const byte = this.#bytes[this.#at++];
    if (byte === undefined) throw this.#fault('the bytes end inside a value');
    return byte;
  }

  #fault(what: string): CodecError {
    return new CodecError(`Cannot decode ${this.#bytes.length} bytes: ${what}, at byte ${this.#at}`);
  }
}
