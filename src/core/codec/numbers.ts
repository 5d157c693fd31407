import { readBlocks, writeBlocks } from './blocks.ts';
import type { ByteReader, ByteWriter } from './bytes.ts';
import { INTEGER_LIMIT, readIntegers, writeIntegers } from './integers.ts';
import { readXored, trailingZeros, writeXored } from './xored.ts';

/**
 * Columns of doubles are written as bytes that return every bit (every NaN comes back as a NaN). Each column
 * begins with one of these kinds, which says how the rest is written.
 */
const RAW = 0;
const CONSTANT = 1;
/** Each double is xored with the double before it. */
const XOR = 2;
/** Whole numbers m stand for m / 10^k. The low bits of the kind hold k. */
const DECIMAL = 0x10;
/** Whole numbers m stand for m · 2^e, where e follows the kind. */
const BINARY = 0x20;
/** The values of a DECIMAL are off by some units in the last place, which follow. */
const WITH_ULPS = 0x40;
/** A DECIMAL or BINARY does not fit some values, which follow. */
const WITH_OTHERS = 0x80;

const KIND = 0x30;
const PLACES = 0x0f;

const MAX_PLACES = 12;
const POWERS_OF_TEN: readonly number[] = Array.from({ length: MAX_PLACES + 1 }, (_, k) => Number(`1e${k}`));
const powerOfTen = (places: number): number => POWERS_OF_TEN[places] as number;

/** The most significant bits of a BINARY: more are rarely worth it. */
const MAX_BINARY_BITS = 40;
/** The exponents up to which 2^e and 2^-e are both normal doubles. */
const MAX_EXPONENT = 1_022;

/** A value that is further off than this is no worn decimal. */
const MAX_ULPS = 2 ** 31;

/** How many values are looked at to recognise worn decimals. */
const SAMPLE = 32;

/** At most one value in this many is written apart. */
const OTHERS_SHARE = 4;

/**
 * Writes columns, each in the first of these ways that fits most of its values: a single value; decimals; few
 * significant bits, as the rounding errors of sums have; worn decimals, off by some units in the last place,
 * as sums of decimals are; xored. A column that would become larger than its doubles is written as those.
 *
 * Decimals, with the values that do not fit apart: Afroozeh, Kuffó, Boncz, "ALP: Adaptive Lossless
 * Floating-Point Compression", SIGMOD 2023.
 */
export class NumberWriter {
  readonly #bytes: ByteWriter;
  readonly #double = new DataView(new ArrayBuffer(16));
  /** The whole numbers of the column that is being written. */
  #integers = new Float64Array(0);
  /** By how many units in the last place each of its values is off. */
  #ulps = new Float64Array(0);
  #spare = new Float64Array(0);

  constructor(bytes: ByteWriter) {
    this.#bytes = bytes;
  }

  /**
   * Writes the first `count` values, at least one. They are made up of `runs` of related values, whose
   * lengths add up to the count.
   */
  write(values: Float64Array, count: number, runs: ArrayLike<number>): void {
    if (isConstant(values, count)) {
      this.#bytes.byte(CONSTANT);
      this.#bytes.double(values[0] as number);
      return;
    }
    const start = this.#bytes.length;
    if (!this.#scaled(values, count, runs)) this.#xored(values, count);
    if (this.#bytes.length - start > 8 * count) {
      this.#bytes.truncate(start);
      this.#raw(values, count);
    }
  }

  #xored(values: Float64Array, count: number): void {
    this.#bytes.byte(XOR);
    writeXored(this.#bytes, values, count);
  }

  #raw(values: Float64Array, count: number): void {
    this.#bytes.byte(RAW);
    for (let i = 0; i < count; i++) this.#bytes.double(values[i] as number);
  }

  /** Writes the values as whole numbers, if those fit most of them. It returns false where they do not. */
  #scaled(values: Float64Array, count: number, runs: ArrayLike<number>): boolean {
    const exact = decimalPlaces(values, count);
    if (exact < 0) {
      const exponent = this.#commonExponent(values, count);
      if (exponent !== undefined) return this.#binaries(values, count, runs, exponent);
    }
    const places = exact < 0 ? nearDecimalPlaces(values, count) : exact;
    return places >= 0 && this.#decimals(values, count, runs, places);
  }

  #decimals(values: Float64Array, count: number, runs: ArrayLike<number>, places: number): boolean {
    this.#grow(count);
    const power = powerOfTen(places);
    const integers = this.#integers;
    const ulps = this.#ulps;
    const others: number[] = [];
    let isOff = false;
    let last = 0;
    for (let i = 0; i < count; i++) {
      const value = values[i] as number;
      const integer = Math.round(value * power);
      const off = integer / power === value ? 0 : this.#distance(value, integer / power);
      if (Math.abs(integer) < INTEGER_LIMIT && Math.abs(off) < MAX_ULPS && !Object.is(value, -0)) {
        last = integer;
        ulps[i] = off;
        if (off !== 0) isOff = true;
      } else {
        others.push(i);
        ulps[i] = 0;
      }
      integers[i] = last;
    }
    if (others.length * OTHERS_SHARE > count) return false;
    this.#head(DECIMAL | places | (isOff ? WITH_ULPS : 0), others);
    writeIntegers(this.#bytes, integers, count, runs, this.#spare);
    if (isOff) writeBlocks(this.#bytes, ulps, 0, count);
    this.#writeOthers(values, others);
    return true;
  }

  #binaries(values: Float64Array, count: number, runs: ArrayLike<number>, exponent: number): boolean {
    this.#grow(count);
    const scale = 2 ** -exponent;
    const integers = this.#integers;
    const others: number[] = [];
    let last = 0;
    for (let i = 0; i < count; i++) {
      const value = values[i] as number;
      if (isSpecial(value)) others.push(i);
      else last = value * scale;
      integers[i] = last;
    }
    if (others.length * OTHERS_SHARE > count) return false;
    this.#head(BINARY, others);
    this.#bytes.signed(exponent);
    writeIntegers(this.#bytes, integers, count, runs, this.#spare);
    this.#writeOthers(values, others);
    return true;
  }

  #head(kind: number, others: readonly number[]): void {
    this.#bytes.byte(others.length > 0 ? kind | WITH_OTHERS : kind);
  }

  #writeOthers(values: Float64Array, others: readonly number[]): void {
    if (others.length === 0) return;
    this.#bytes.varint(others.length);
    let next = 0;
    for (const at of others) {
      this.#bytes.varint(at - next);
      next = at + 1;
    }
    const column = Float64Array.from(others, (at) => values[at] as number);
    this.write(column, column.length, [column.length]);
  }

  /**
   * Returns a distance in units in the last place. Between two signs, or from 0, whose sign would be lost, it
   * is greater than any that is written.
   */
  #distance(value: number, from: number): number {
    if (from === 0) return Number.POSITIVE_INFINITY;
    const double = this.#double;
    double.setFloat64(0, value);
    double.setFloat64(8, from);
    return (double.getInt32(0) - double.getInt32(8)) * 2 ** 32 + double.getUint32(4) - double.getUint32(12);
  }

  /**
   * Returns the greatest e for which all values are whole multiples of 2^e, or undefined if those multiples
   * are large.
   */
  #commonExponent(values: Float64Array, count: number): number | undefined {
    const double = this.#double;
    let least = MAX_EXPONENT;
    let end = -MAX_EXPONENT;
    for (let i = 0; i < count; i++) {
      const value = values[i] as number;
      if (value === 0 || isSpecial(value)) continue;
      double.setFloat64(0, value);
      const high = double.getInt32(0);
      const low = double.getInt32(4);
      const exponent = ((high >>> 20) & 0x7ff) - 1_023;
      const zeros = low !== 0 ? trailingZeros(low) : 32 + trailingZeros(high | 0x10_0000);
      least = Math.min(least, exponent - 52 + zeros);
      end = Math.max(end, exponent + 1);
      if (end - least > MAX_BINARY_BITS || least < -MAX_EXPONENT) return undefined;
    }
    return least;
  }

  #grow(count: number): void {
    if (count <= this.#integers.length) return;
    this.#integers = new Float64Array(count);
    this.#ulps = new Float64Array(count);
    this.#spare = new Float64Array(count);
  }
}

/** Reads what a NumberWriter wrote. */
export class NumberReader {
  readonly #bytes: ByteReader;
  readonly #double = new DataView(new ArrayBuffer(8));
  #spare = new Float64Array(0);

  constructor(bytes: ByteReader) {
    this.#bytes = bytes;
  }

  /** Sets the first `count` values. The caller must have claimed room for them. */
  read(values: Float64Array, count: number, runs: ArrayLike<number>): void {
    if (count === 0) return;
    const bytes = this.#bytes;
    const kind = bytes.byte();
    if (kind === RAW) for (let i = 0; i < count; i++) values[i] = bytes.double();
    else if (kind === CONSTANT) values.fill(bytes.double(), 0, count);
    else if (kind === XOR) readXored(bytes, values, count);
    else if ((kind & KIND) === DECIMAL && (kind & PLACES) <= MAX_PLACES)
      this.#decimals(values, count, runs, kind);
    else if ((kind & ~WITH_OTHERS) === BINARY) this.#binaries(values, count, runs);
    else throw bytes.fault(`numbers of unknown kind ${kind}`);
    if ((kind & WITH_OTHERS) !== 0) this.#readOthers(values, count);
  }

  #decimals(values: Float64Array, count: number, runs: ArrayLike<number>, kind: number): void {
    readIntegers(this.#bytes, values, count, runs, this.#room(count));
    const power = powerOfTen(kind & PLACES);
    if (power > 1) for (let i = 0; i < count; i++) values[i] = (values[i] as number) / power;
    if ((kind & WITH_ULPS) === 0) return;
    const ulps = this.#room(count);
    readBlocks(this.#bytes, ulps, 0, count);
    for (let i = 0; i < count; i++) {
      const off = ulps[i] as number;
      if (off !== 0) values[i] = this.#shifted(values[i] as number, off);
    }
  }

  #binaries(values: Float64Array, count: number, runs: ArrayLike<number>): void {
    const exponent = this.#bytes.signed();
    if (Math.abs(exponent) > MAX_EXPONENT) throw this.#bytes.fault(`an exponent of ${exponent}`);
    readIntegers(this.#bytes, values, count, runs, this.#room(count));
    const scale = 2 ** exponent;
    for (let i = 0; i < count; i++) values[i] = (values[i] as number) * scale;
  }

  #readOthers(values: Float64Array, count: number): void {
    const bytes = this.#bytes;
    const others = bytes.count();
    // Each level holds at most a quarter of the values of the level above, so that there are few levels.
    if (others * OTHERS_SHARE > count) throw bytes.fault('too many values that do not fit');
    const places = new Float64Array(others);
    let next = 0;
    for (let i = 0; i < others; i++) {
      const place = next + bytes.varint();
      if (place >= count) throw bytes.fault('a value after the last one');
      places[i] = place;
      next = place + 1;
    }
    const column = new Float64Array(others);
    this.read(column, others, [others]);
    for (let i = 0; i < others; i++) values[places[i] as number] = column[i] as number;
  }

  /** Returns the double that is `ulps` units in the last place after `from`. */
  #shifted(from: number, ulps: number): number {
    const double = this.#double;
    double.setFloat64(0, from);
    const low = double.getUint32(4) + ulps;
    double.setUint32(0, double.getUint32(0) + Math.floor(low / 2 ** 32));
    double.setUint32(4, low);
    return double.getFloat64(0);
  }

  #room(count: number): Float64Array {
    if (count > this.#spare.length) this.#spare = new Float64Array(count);
    return this.#spare;
  }
}

function isConstant(values: Float64Array, count: number): boolean {
  for (let i = 1; i < count; i++) if (!Object.is(values[i], values[0])) return false;
  return true;
}

/** Says whether no whole number can stand for the value. */
const isSpecial = (value: number): boolean => value - value !== 0 || Object.is(value, -0);

const isDecimal = (value: number, power: number): boolean => {
  const integer = Math.round(value * power);
  return integer / power === value && Math.abs(integer) < INTEGER_LIMIT;
};

/** Returns the fewest decimal places that write every value that is not special, or -1. */
function decimalPlaces(values: Float64Array, count: number): number {
  let places = 0;
  let power = 1;
  for (let i = 0; i < count; i++) {
    const value = values[i] as number;
    while (!isDecimal(value, power)) {
      if (isSpecial(value)) break;
      if (places === MAX_PLACES) return -1;
      power = powerOfTen(++places);
    }
  }
  return places;
}

/** Returns the fewest decimal places that nearly write most values, or -1. */
function nearDecimalPlaces(values: Float64Array, count: number): number {
  const step = Math.ceil(count / SAMPLE);
  let most = Math.ceil(count / step / 2);
  let best = -1;
  for (let places = 0; places <= MAX_PLACES; places++) {
    const power = powerOfTen(places);
    let near = 0;
    for (let i = 0; i < count; i += step) {
      const value = values[i] as number;
      const off = Math.abs(value - Math.round(value * power) / power);
      if (off <= Math.abs(value) * 2 ** -42 && off * power <= 2 ** -8) near++;
    }
    if (near > most) {
      best = places;
      most = near + 1;
    }
  }
  return best;
}
