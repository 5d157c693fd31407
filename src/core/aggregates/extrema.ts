import type { Aggregate } from '../aggregate.ts';
import { type NumberSelector, nameOf, numberFrom } from '../select.ts';

/** The least of a number. Up to 9 bytes of state. */
export const min = <Rec>(select: NumberSelector<NoInfer<Rec>>): Aggregate<Rec, number, number, number> => ({
  signature: `min(${nameOf(select)})`,
  identity: Number.POSITIVE_INFINITY,
  select: numberFrom(select),
  lift: (value) => value,
  combine: Math.min,
  lower: (least) => least,
});

/** The greatest of a number. Up to 9 bytes of state. */
export const max = <Rec>(select: NumberSelector<NoInfer<Rec>>): Aggregate<Rec, number, number, number> => ({
  signature: `max(${nameOf(select)})`,
  identity: Number.NEGATIVE_INFINITY,
  select: numberFrom(select),
  lift: (value) => value,
  combine: Math.max,
  lower: (greatest) => greatest,
});

/** The greatest less the least of a number. Up to 19 bytes of state. */
export const range = <Rec>(
  select: NumberSelector<NoInfer<Rec>>,
): Aggregate<Rec, number, number, readonly [least: number, greatest: number]> => ({
  signature: `range(${nameOf(select)})`,
  identity: [Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY],
  select: numberFrom(select),
  lift: (value) => [value, value],
  combine: ([leastA, greatestA], [leastB, greatestB]) => [
    Math.min(leastA, leastB),
    Math.max(greatestA, greatestB),
  ],
  lower: ([least, greatest]) => greatest - least,
});
