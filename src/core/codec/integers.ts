import { blocksCost, differencesCost, readBlocks, writeBlocks } from './blocks.ts';
import type { ByteReader, ByteWriter } from './bytes.ts';

/** Whole numbers nearer to 0 than this can be differenced twice without a rounding. */
export const INTEGER_LIMIT = 2 ** 50;

/** The values are written in their order. */
const WHOLE = 0;
/**
 * The first values of all runs are written, then the steps from value to value within the runs. Either may be
 * differenced.
 */
const SPLIT = 1;
const FIRSTS_DIFFERENCED = 2;
const STEPS_DIFFERENCED = 4;

/**
 * Writes the first `count` whole numbers in whichever way is smallest. They are made up of `runs`, whose
 * lengths add up to the count: values of one run resemble each other, and its first value resembles the first
 * values of other runs.
 *
 * `spare` must have room for `count` numbers. Both arrays are changed.
 */
export function writeIntegers(
  bytes: ByteWriter,
  values: Float64Array,
  count: number,
  runs: ArrayLike<number>,
  spare: Float64Array,
): void {
  const firsts = countFilled(runs);
  split(values, runs, spare, firsts);
  const firstsCost = blocksCost(spare, 0, firsts);
  const firstsSaving = Math.max(0, firstsCost - differencesCost(spare, 0, firsts));
  const stepsCost = blocksCost(spare, firsts, count);
  const stepsSaving = Math.max(0, stepsCost - differencesCost(spare, firsts, count));
  if (blocksCost(values, 0, count) <= firstsCost - firstsSaving + stepsCost - stepsSaving) {
    bytes.byte(WHOLE);
    writeBlocks(bytes, values, 0, count);
    return;
  }
  bytes.byte(SPLIT | (firstsSaving > 0 ? FIRSTS_DIFFERENCED : 0) | (stepsSaving > 0 ? STEPS_DIFFERENCED : 0));
  if (firstsSaving > 0) difference(spare, 0, firsts);
  if (stepsSaving > 0) difference(spare, firsts, count);
  writeBlocks(bytes, spare, 0, firsts);
  writeBlocks(bytes, spare, firsts, count);
}

/** Reads into `values` what `writeIntegers` wrote, given the same count and runs. `spare` is changed. */
export function readIntegers(
  bytes: ByteReader,
  values: Float64Array,
  count: number,
  runs: ArrayLike<number>,
  spare: Float64Array,
): void {
  const how = bytes.byte();
  if (how === WHOLE) {
    readBlocks(bytes, values, 0, count);
    return;
  }
  if ((how & SPLIT) === 0 || how > (SPLIT | FIRSTS_DIFFERENCED | STEPS_DIFFERENCED)) {
    throw bytes.fault(`whole numbers of unknown kind ${how}`);
  }
  const firsts = countFilled(runs);
  readBlocks(bytes, spare, 0, firsts);
  readBlocks(bytes, spare, firsts, count);
  if ((how & FIRSTS_DIFFERENCED) !== 0) integrate(spare, 0, firsts);
  if ((how & STEPS_DIFFERENCED) !== 0) integrate(spare, firsts, count);
  join(spare, firsts, runs, values);
}

/** Returns how many runs have values. */
export function countFilled(runs: ArrayLike<number>): number {
  let filled = 0;
  for (let run = 0; run < runs.length; run++) if ((runs[run] as number) > 0) filled++;
  return filled;
}

function split(values: Float64Array, runs: ArrayLike<number>, parts: Float64Array, firsts: number): void {
  let first = 0;
  let step = firsts;
  let at = 0;
  for (let run = 0; run < runs.length; run++) {
    const end = at + (runs[run] as number);
    if (at < end) parts[first++] = values[at++] as number;
    for (; at < end; at++) parts[step++] = (values[at] as number) - (values[at - 1] as number);
  }
}

function join(parts: Float64Array, firsts: number, runs: ArrayLike<number>, values: Float64Array): void {
  let first = 0;
  let step = firsts;
  let at = 0;
  for (let run = 0; run < runs.length; run++) {
    const end = at + (runs[run] as number);
    if (at === end) continue;
    let value = parts[first++] as number;
    values[at++] = value;
    for (; at < end; at++) {
      value += parts[step++] as number;
      values[at] = value;
    }
  }
}

function difference(values: Float64Array, from: number, to: number): void {
  for (let i = to - 1; i > from; i--) values[i] = (values[i] as number) - (values[i - 1] as number);
}

function integrate(values: Float64Array, from: number, to: number): void {
  let value = 0;
  for (let i = from; i < to; i++) {
    value += values[i] as number;
    values[i] = value;
  }
}
