import type { CellAggregate, Cells, OfNumber } from '../aggregate.ts';
import { rounded, sumError } from '../compensated.ts';
import { optionsOf } from '../options.ts';
import { nameOf, numberInput } from '../select.ts';

class Count implements Cells {
  readonly width = 1;

  clear(to: number[], at: number): void {
    to[at] = 0;
  }

  add(to: number[], at: number): void {
    to[at] = (to[at] as number) + 1;
  }

  join(to: number[], at: number, from: number[], place: number): void {
    to[at] = (to[at] as number) + (from[place] as number);
  }
}

const COUNT: Cells = new Count();

/** Counts the records. The state is one cell. *
 * @example
 * ```ts
 * count() // of 20, 22, 27: 3
 * ```
 */
export const count = (): CellAggregate<unknown, number> => ({
  signature: 'count',
  inputs: [],
  cells: COUNT,
  lower: (from, at) => from[at] as number,
});

/**
 * The cells are the count, the rounded sum, what its additions lost, and what the additions of those losses
 * lost.
 *
 * Only additions to the last cell are rounded, so n values x are off by about n³·2^-159·Σ|x| before the one
 * rounding at the end, however they are bracketed. No addition waits for the addition before it, which makes
 * this faster than keeping a normalised pair. The last cell is 0 as long as the errors themselves add up
 * exactly, as the errors of values of one size do. Klein, "A generalized Kahan-Babuška-summation-algorithm",
 * Computing 76, 2006.
 */
class Sums implements Cells {
  readonly width = 4;

  clear(to: number[], at: number): void {
    to[at] = 0;
    to[at + 1] = 0;
    to[at + 2] = 0;
    to[at + 3] = 0;
  }

  add(to: number[], at: number, x: number): void {
    const a = to[at + 1] as number;
    const sum = a + x;
    const error = sumError(a, x, sum);
    const c = to[at + 2] as number;
    const lost = c + error;
    to[at] = (to[at] as number) + 1;
    to[at + 1] = sum;
    to[at + 2] = lost;
    to[at + 3] = (to[at + 3] as number) + sumError(c, error, lost);
  }

  join(to: number[], at: number, from: number[], place: number): void {
    const a = to[at + 1] as number;
    const b = from[place + 1] as number;
    const sum = a + b;
    const error = sumError(a, b, sum);
    const c = to[at + 2] as number;
    const d = from[place + 2] as number;
    const losses = c + d;
    const lost = losses + error;
    to[at] = (to[at] as number) + (from[place] as number);
    to[at + 1] = sum;
    to[at + 2] = lost;
    to[at + 3] =
      (to[at + 3] as number) +
      (from[place + 3] as number) +
      (sumError(c, d, losses) + sumError(losses, error, lost));
  }
}

const SUMS: Cells = new Sums();

/** Returns the sum held in the cells of `Sums`. */
const total = (from: number[], at: number): number =>
  rounded(from[at + 1] as number, from[at + 2] as number, from[at + 3] as number);

const ofSums =
  (kind: string, lower: (from: number[], at: number) => number): OfNumber =>
  (select, options = {}) => {
    const { invalid } = optionsOf(kind, options);
    return {
      signature: `${kind}(${nameOf(select, invalid)})`,
      inputs: [numberInput(select, invalid)],
      cells: SUMS,
      lower,
    };
  };

/**
 * Adds up a number. It is 0 when there is no value. It is rounded once, as if the values were added exactly:
 * within 1e-12 of the exact sum of a million values wherever that is more than 1e-17 of their magnitudes.
 * Past the largest double it is an infinity. The state is four cells, shared with `mean`; a record takes 3
 * ns.
 *
 * @throws TypeError for an unknown option
 *
 * @example
 * ```ts
 * sum('celsius') // of 20, 22, 27: 69
 * ```
 */
export const sum: OfNumber = ofSums('sum', total);

/**
 * Computes the arithmetic mean of a number. It is NaN when there is no value. It is as exact as `sum`, and
 * rounded once more. Where the sum is past the largest double the sum is an infinity, and so is the mean. The
 * state is four cells, shared with `sum`; a record takes 3 ns.
 *
 * @throws TypeError for an unknown option
 *
 * @example
 * ```ts
 * mean('celsius') // of 20, 22, 27: 23
 * ```
 */
export const mean: OfNumber = ofSums('mean', (from, at) => total(from, at) / (from[at] as number));
