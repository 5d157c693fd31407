import type { CellAggregate, Cells, OfNumber } from '../aggregate.ts';
import { rounded, sumError } from '../compensated.ts';
import { optionsOf } from '../options.ts';
import { nameOf, numberInput } from '../select.ts';

class Count implements Cells {
  readonly width = 1;

  clear(to: Float64Array, at: number): void {
    to[at] = 0;
  }

  add(to: Float64Array, at: number): void {
    to[at] = (to[at] as number) + 1;
  }

  join(to: Float64Array, at: number, from: Float64Array, place: number): void {
    to[at] = (to[at] as number) + (from[place] as number);
  }
}

const COUNT: Cells = new Count();

/** How many records. One cell. */
export const count = (): CellAggregate<unknown, number> => ({
  signature: 'count',
  inputs: [],
  cells: COUNT,
  lower: (from, at) => from[at] as number,
});

/**
 * A count and a sum: the rounded sum, what its additions lost, and what adding that up lost.
 *
 * Only what is added to the last is rounded, so n values x are off by some n³·2^-159·Σ|x| before the one rounding at the
 * end, however they are bracketed. No addition waits for the one before it: this is faster than keeping
 * a normalised pair. The last cell is 0 as long as the errors themselves add up exactly, as those of values of one size do.
 * Klein, "A generalized Kahan-Babuška-summation-algorithm", Computing 76, 2006.
 */
class Sums implements Cells {
  readonly width = 4;

  clear(to: Float64Array, at: number): void {
    to[at] = 0;
    to[at + 1] = 0;
    to[at + 2] = 0;
    to[at + 3] = 0;
  }

  add(to: Float64Array, at: number, x: number): void {
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

  join(to: Float64Array, at: number, from: Float64Array, place: number): void {
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

/** The sum in the cells of `Sums`. */
const total = (from: Float64Array, at: number): number =>
  rounded(from[at + 1] as number, from[at + 2] as number, from[at + 3] as number);

const ofSums =
  (kind: string, lower: (from: Float64Array, at: number) => number): OfNumber =>
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
 * The sum of a number; of nothing 0. Rounded once, as if added exactly: within 1e-12 of the exact sum of a million values
 * wherever that is more than 1e-17 of their magnitudes. Past the largest double it is an infinity. Four cells, those of
 * `mean`; 3 ns a record.
 *
 * @throws TypeError for an option that there is not
 */
export const sum: OfNumber = ofSums('sum', total);

/**
 * The arithmetic mean of a number; of nothing NaN. As exact as `sum`, and rounded once more. Past the largest double the sum
 * is an infinity, and so is the mean. Four cells, those of `sum`; 3 ns a record.
 *
 * @throws TypeError for an option that there is not
 */
export const mean: OfNumber = ofSums('mean', (from, at) => total(from, at) / (from[at] as number));
