import type { CellAggregate, Cells } from '../aggregate.ts';
import { accumulate, accumulateProduct, productError, sumError } from '../compensated.ts';
import { optionsOf } from '../options.ts';
import { type Invalid, type NumberOptions, type NumberSelector, nameOf, numberInput } from '../select.ts';

/**
 * The count, a shift K, and the sums of d = x − K and of d², each a rounded sum and what its additions lost.
 *
 * K is the first value taken in, and so one of the values: (K − mean)² is at most n² times their variance, and no more than
 * a factor of about n is lost when the sums are set off against each other. Parts are re-centred on the earlier one's K as
 * they join, in pairs of doubles.
 * Chan, Golub & LeVeque, "Algorithms for Computing the Sample Variance", The American Statistician 37, 1983.
 */
class Moments implements Cells {
  readonly width = 6;

  clear(to: Float64Array, at: number): void {
    to.fill(0, at, at + 6);
  }

  add(to: Float64Array, at: number, x: number): void {
    const n = to[at] as number;
    const shift = n === 0 ? x : (to[at + 1] as number);
    const d = x - shift;
    const lowD = sumError(x, -shift, d);
    to[at] = n + 1;
    to[at + 1] = shift;
    accumulate(to, at + 2, d, lowD);
    accumulateProduct(to, at + 4, d, lowD, d, lowD);
  }

  join(to: Float64Array, at: number, from: Float64Array, place: number): void {
    const n = from[place] as number;
    if (n === 0) return;
    if (to[at] === 0) {
      for (let k = 0; k < 6; k++) to[at + k] = from[place + k] as number;
      return;
    }
    // With D = K' − K: the sum of x − K is S1 + nD, and that of (x − K)² is S2 + D(2·S1 + nD).
    const shift = to[at + 1] as number;
    const otherShift = from[place + 1] as number;
    const moved = otherShift - shift;
    const lowMoved = sumError(otherShift, -shift, moved);
    const allMoved = n * moved;
    const lowAllMoved = productError(n, moved, allMoved) + n * lowMoved;
    const otherFirst = from[place + 2] as number;
    const lowOtherFirst = from[place + 3] as number;
    const factor = 2 * otherFirst + allMoved;
    const lowFactor = sumError(2 * otherFirst, allMoved, factor) + (2 * lowOtherFirst + lowAllMoved);
    to[at] = (to[at] as number) + n;
    accumulate(to, at + 2, otherFirst, lowOtherFirst);
    accumulate(to, at + 2, allMoved, lowAllMoved);
    accumulate(to, at + 4, from[place + 4] as number, from[place + 5] as number);
    accumulateProduct(to, at + 4, moved, lowMoved, factor, lowFactor);
  }
}

const MOMENTS: Cells = new Moments();

/** Whether the values are all there is (`population`, divided by n) or drawn from it (`sample`, divided by n − 1). */
type Spread = 'sample' | 'population';

export interface SpreadOptions<On extends Invalid> extends NumberOptions<On> {
  /** `sample` unless told. */
  readonly of?: Spread;
}

type OfSpread = <Rec, On extends Invalid = 'poison'>(
  select: NumberSelector<NoInfer<Rec>, NoInfer<On>>,
  options?: SpreadOptions<On>,
) => CellAggregate<Rec, number>;

/** How many fewer than there are values a sum of squares is divided by. */
export function fewerOf(kind: string, of: Spread): 0 | 1 {
  if (of !== 'sample' && of !== 'population') {
    throw new RangeError(`Cannot take the ${kind} of a "${of}" as it must be of a "sample" or "population"`);
  }
  return of === 'sample' ? 1 : 0;
}

const spread =
  (kind: string, shown: (squared: number) => number): OfSpread =>
  (select, options = {}) => {
    const { of = 'sample', invalid } = optionsOf(kind, options, 'of');
    const fewer = fewerOf(kind, of);
    return {
      signature: `${kind}(${nameOf(select, invalid)},${of})`,
      inputs: [numberInput(select, invalid)],
      cells: MOMENTS,
      lower: (from, at) => shown(squaredDeviations(from, at) / ((from[at] as number) - fewer)),
    };
  };

/**
 * The variance of a number, in its unit squared; NaN of nothing, and of a lone value unless it is the population.
 *
 * Before it is rounded it is within some n³·2^-106 of the exact variance of the n doubles, whatever they have in common:
 * 1e-14 for a million of them at worst. Values more than 1e148 apart may have none: NaN. Six cells, those of `stddev`; 5 ns a
 * record, 9 ns to join.
 *
 * @throws RangeError when `of` is neither `sample` nor `population`; TypeError for an option that there is not
 */
export const variance: OfSpread = spread('variance', (squared) => squared);

/**
 * The standard deviation of a number, in its unit: the root of its `variance`, and as exact.
 *
 * @throws RangeError when `of` is neither `sample` nor `population`; TypeError for an option that there is not
 */
export const stddev: OfSpread = spread('stddev', Math.sqrt);

/** The sum of squared deviations from the mean: S2 − S1²/n, in pairs of doubles; of nothing NaN. */
function squaredDeviations(from: Float64Array, at: number): number {
  const n = from[at] as number;
  const first = (from[at + 2] as number) + (from[at + 3] as number);
  const lowFirst = sumError(from[at + 2] as number, from[at + 3] as number, first);
  const square = first * first;
  const lowSquare = productError(first, first, square) + 2 * first * lowFirst;
  // One step of long division.
  const share = square / n;
  const product = share * n;
  const lowShare = (square - product - productError(share, n, product) + lowSquare) / n;
  const second = from[at + 4] as number;
  const difference = second - share;
  const lost = sumError(second, -share, difference) + ((from[at + 5] as number) - lowShare);
  return Math.max(0, difference + lost);
}
