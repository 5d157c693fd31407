import type { Aggregate } from '../aggregate.ts';
import { type NumberSelector, nameOf, numberFrom } from '../select.ts';

/** How many records. Up to 5 bytes of state. */
export const count = (): Aggregate<unknown, number, null, number> => ({
  signature: 'count',
  identity: 0,
  select: () => null,
  lift: () => 1,
  combine: (earlier, later) => earlier + later,
  lower: (total) => total,
});

/**
 * A sum carried as an unevaluated pair: the rounded sum, and what rounding it lost.
 *
 * Each addition is Knuth's error-free two-sum, so the error does not grow with the number of records.
 * Dekker, "A floating-point technique for extending the available precision", 1971.
 */
type PairSum = readonly [rounded: number, lost: number];

const ZERO: PairSum = [0, 0];

function add([a, lostA]: PairSum, [b, lostB]: PairSum): PairSum {
  const sum = a + b;
  const bPart = sum - a;
  const lost = a - (sum - bPart) + (b - bPart) + lostA + lostB;
  const rounded = sum + lost;
  // Past the largest double the correction is NaN; the sum itself is the infinity that the reader should see.
  return Number.isFinite(rounded) ? [rounded, lost - (rounded - sum)] : [sum, 0];
}

/** The sum of a number. Up to 18 bytes of state. */
export const sum = <Rec>(select: NumberSelector<NoInfer<Rec>>): Aggregate<Rec, number, number, PairSum> => ({
  signature: `sum(${nameOf(select)})`,
  identity: ZERO,
  select: numberFrom(select),
  lift: (value) => [value, 0],
  combine: add,
  lower: ([rounded]) => rounded,
});

/** The arithmetic mean of a number. Up to 24 bytes of state. */
export const mean = <Rec>(
  select: NumberSelector<NoInfer<Rec>>,
): Aggregate<Rec, number, number, readonly [count: number, sum: PairSum]> => ({
  signature: `mean(${nameOf(select)})`,
  identity: [0, ZERO],
  select: numberFrom(select),
  lift: (value) => [1, [value, 0]],
  combine: ([countA, sumA], [countB, sumB]) => [countA + countB, add(sumA, sumB)],
  lower: ([n, [rounded]]) => rounded / n,
});
