import type { ByteReader, ByteWriter } from './bytes.ts';

/**
 * The number of values of a block. It is small, as one far value widens its whole block, and large, as each
 * block has a base and a width of its own.
 */
const BLOCK = 64;
const MAX_WIDTH = 53;

/** Marks a block whose distances are multiples of a unit, which follows. */
const WITH_UNIT = 0x40;

/**
 * Writes whole numbers as frames of reference: for each block its least value, and then how many units each
 * value is above it, in as many bits as the largest distance needs. The unit is the greatest common divisor
 * of the distances. The values are changed in place.
 *
 * Goldstein, Ramakrishnan, Shaft, "Compressing Relations and Indexes", ICDE 1998.
 */
export function writeBlocks(bytes: ByteWriter, values: Float64Array, from: number, to: number): void {
  for (let start = from; start < to; start += BLOCK) {
    const end = Math.min(start + BLOCK, to);
    const base = least(values, start, end);
    let range = 0;
    for (let i = start; i < end; i++) {
      const above = (values[i] as number) - base;
      if (above > range) range = above;
      values[i] = above;
    }
    const unit = commonDivisor(values, start, end, range);
    if (unit > 1) for (let i = start; i < end; i++) values[i] = (values[i] as number) / unit;
    const width = widthOf(range / unit);
    bytes.byte(unit > 1 ? width | WITH_UNIT : width);
    if (unit > 1) bytes.varint(unit);
    bytes.signed(base);
    bytes.packed(values, start, end, width);
  }
}

export function readBlocks(bytes: ByteReader, values: Float64Array, from: number, to: number): void {
  for (let start = from; start < to; start += BLOCK) {
    const end = Math.min(start + BLOCK, to);
    const head = bytes.byte();
    const unit = head < WITH_UNIT ? 1 : bytes.varint();
    const width = head % WITH_UNIT;
    if (head >= 2 * WITH_UNIT || width > MAX_WIDTH)
      throw bytes.fault(`whole numbers of unknown width ${head}`);
    const base = bytes.signed();
    bytes.packed(values, start, end, width);
    for (let i = start; i < end; i++) values[i] = base + (values[i] as number) * unit;
  }
}

/** Returns the bits that `writeBlocks` would take with units of 1, without rounding up to bytes. */
export function blocksCost(values: Float64Array, from: number, to: number): number {
  let bits = 0;
  for (let start = from; start < to; start += BLOCK) {
    const end = Math.min(start + BLOCK, to);
    let least = values[start] as number;
    let greatest = least;
    for (let i = start + 1; i < end; i++) {
      const value = values[i] as number;
      if (value < least) least = value;
      else if (value > greatest) greatest = value;
    }
    bits += blockCost(least, greatest, end - start);
  }
  return bits;
}

/** Returns the same cost for the differences of each value from the value before it. */
export function differencesCost(values: Float64Array, from: number, to: number): number {
  let bits = 0;
  let last = 0;
  for (let start = from; start < to; start += BLOCK) {
    const end = Math.min(start + BLOCK, to);
    let least = Number.POSITIVE_INFINITY;
    let greatest = Number.NEGATIVE_INFINITY;
    for (let i = start; i < end; i++) {
      const value = values[i] as number;
      const step = value - last;
      last = value;
      if (step < least) least = step;
      if (step > greatest) greatest = step;
    }
    bits += blockCost(least, greatest, end - start);
  }
  return bits;
}

const blockCost = (least: number, greatest: number, count: number): number =>
  16 + widthOf(Math.abs(least)) + widthOf(greatest - least) * count;

function least(values: Float64Array, from: number, to: number): number {
  let least = values[from] as number;
  for (let i = from + 1; i < to; i++) {
    const value = values[i] as number;
    if (value < least) least = value;
  }
  return least;
}

/**
 * Returns the greatest whole number that divides `values[from, to)`, of which `of` is one; 1 if all are 0.
 */
function commonDivisor(values: Float64Array, from: number, to: number, of: number): number {
  let divisor = of;
  for (let i = from; i < to && divisor > 1; i++) divisor = gcd(divisor, values[i] as number);
  return Math.max(divisor, 1);
}

function gcd(a: number, b: number): number {
  if (a >= 2 ** 31 || b >= 2 ** 31) return b === 0 ? a : gcd(b, a % b);
  // Integers below 2^31 make the remainder many times as fast as doubles do.
  let divisor = a | 0;
  let rest = b | 0;
  while (rest > 0) {
    const next = divisor % rest;
    divisor = rest;
    rest = next;
  }
  return divisor;
}

/** Returns the number of bits of a whole number below 2^53. */
const widthOf = (value: number): number =>
  value < 2 ** 32 ? 32 - Math.clz32(value) : 64 - Math.clz32(value / 2 ** 32);
