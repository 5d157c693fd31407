import type { ByteReader, ByteWriter } from './bytes.ts';

/** Small, as one far value widens its whole block; large, as each has a base and a width of its own. */
const BLOCK = 64;
const MAX_WIDTH = 53;

/** A block whose distances are multiples of a unit: the unit follows. */
const WITH_UNIT = 0x40;

/**
 * Whole numbers in frames of reference: of each block the least value, then how many units every value is above it, in as
 * many bits as the largest needs. The unit is the greatest that divides all. Leaves the values changed.
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

/** The bits that `writeBlocks` would take with units of 1, but for rounding up to bytes. */
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

/** The same for each value's difference from the one before it. */
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

/** The greatest whole number that divides `values[from, to)`, one of which is `of`; 1 if all are 0. */
function commonDivisor(values: Float64Array, from: number, to: number, of: number): number {
  let divisor = of;
  for (let i = from; i < to && divisor > 1; i++) divisor = gcd(divisor, values[i] as number);
  return Math.max(divisor, 1);
}

function gcd(a: number, b: number): number {
  if (a >= 2 ** 31 || b >= 2 ** 31) return b === 0 ? a : gcd(b, a % b);
  // Many times as fast as with doubles.
  let divisor = a | 0;
  let rest = b | 0;
  while (rest > 0) {
    const next = divisor % rest;
    divisor = rest;
    rest = next;
  }
  return divisor;
}

/** The bits that a whole number below 2^53 takes. */
const widthOf = (value: number): number =>
  value < 2 ** 32 ? 32 - Math.clz32(value) : 64 - Math.clz32(value / 2 ** 32);
