import type { CellAggregate, Cells } from '../aggregate.ts';
import { accumulate, productError, rounded, sumError } from '../compensated.ts';
import { optionsOf } from '../options.ts';
import {
  type Allowed,
  type Invalid,
  type NumberOptions,
  type NumberPath,
  nameOf,
  numberInput,
} from '../select.ts';

/**
 * The cells are the sum of weighted values (the rounded sum, what its additions lost, and what the additions
 * of those losses lost) and the sum of the weights (the rounded sum and what its additions lost). Products
 * are error-free: Dekker, 1971.
 */
class WeightedSums implements Cells {
  readonly width = 5;

  clear(to: number[], at: number): void {
    to.fill(0, at, at + 5);
  }

  add(to: number[], at: number, x: number, weight: number): void {
    const product = x * weight;
    addWeighted(to, at, product, productError(x, weight, product), 0);
    accumulate(to, at + 3, weight, 0);
  }

  join(to: number[], at: number, from: number[], place: number): void {
    addWeighted(to, at, from[place] as number, from[place + 1] as number, from[place + 2] as number);
    accumulate(to, at + 3, from[place + 3] as number, from[place + 4] as number);
  }
}

function addWeighted(to: number[], at: number, sum: number, lost: number, rest: number): void {
  const a = to[at] as number;
  const nextSum = a + sum;
  const error = sumError(a, sum, nextSum);
  const losses = lost + error;
  const c = to[at + 1] as number;
  const nextLost = c + losses;
  to[at] = nextSum;
  to[at + 1] = nextLost;
  to[at + 2] =
    (to[at + 2] as number) + rest + (sumError(lost, error, losses) + sumError(c, losses, nextLost));
}

const WEIGHTED_SUMS: Cells = new WeightedSums();

/**
 * Computes the mean of a number in which each value counts as much as its weight: Σwx / Σw, such as the price
 * by volume traded. It is NaN when there is no value, and where all weights are 0.
 *
 * With weights of one sign it is within 1e-12 of the exact mean of a million values wherever that is more
 * than 1e-17 of the mean of magnitudes. It is infinite where a weighted sum is past the largest double;
 * values or weights over 1e300 are only as exact as plain addition. The state is five cells; a record takes 6
 * ns.
 *
 * @throws TypeError for an unknown option
 *
 * @example
 * ```ts
 * weightedMean('celsius', 'rpm') // of 10, 30: 25
 * ```
 */
export function weightedMean<Rec, On extends Invalid = 'poison'>(
  value:
    | `${NumberPath<NoInfer<Rec>, NoInfer<On>>}`
    | ((record: NoInfer<Rec>) => Allowed<number, NoInfer<On>>),
  weight:
    | `${NumberPath<NoInfer<Rec>, NoInfer<On>>}`
    | ((record: NoInfer<Rec>) => Allowed<number, NoInfer<On>>),
  options: NumberOptions<On> = {},
): CellAggregate<Rec, number> {
  const { invalid } = optionsOf('weightedMean', options);
  return {
    signature: `weightedMean(${nameOf(value)},${nameOf(weight, invalid)})`,
    inputs: [numberInput<Rec>(value, invalid), numberInput<Rec>(weight, invalid)],
    cells: WEIGHTED_SUMS,
    lower: (from, at) =>
      rounded(from[at] as number, from[at + 1] as number, from[at + 2] as number) /
      rounded(from[at + 3] as number, from[at + 4] as number, 0),
  };
}
