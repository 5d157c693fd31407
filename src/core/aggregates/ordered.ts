import type { Aggregate } from '../aggregate.ts';
import { nameOf, type Selected, type ValueSelector, valueFrom } from '../select.ts';
import type { EpochMillis } from '../time.ts';

/** A value and its event time. Values order by event time; equal times keep the order of their source. */
type Timed<Value> = readonly [at: EpochMillis, value: Value];

/** The value with the earliest event time. One value and up to 9 bytes of state. */
export const first = <Rec, Select extends ValueSelector<NoInfer<Rec>>>(
  select: Select,
): Aggregate<Rec, Selected<Rec, Select>> =>
  oneOf(`first(${nameOf(select)})`, select, (earlier, later) => later[0] < earlier[0]);

/** The value with the latest event time. One value and up to 9 bytes of state. */
export const last = <Rec, Select extends ValueSelector<NoInfer<Rec>>>(
  select: Select,
): Aggregate<Rec, Selected<Rec, Select>> =>
  oneOf(`last(${nameOf(select)})`, select, (earlier, later) => later[0] >= earlier[0]);

const oneOf = <Rec, Select extends ValueSelector<Rec>>(
  signature: string,
  select: Select,
  prefersLater: (earlier: Timed<unknown>, later: Timed<unknown>) => boolean,
): Aggregate<Rec, Selected<Rec, Select>, Selected<Rec, Select>, Timed<Selected<Rec, Select>> | null> => ({
  signature,
  identity: null,
  select: valueFrom<Rec, Select>(select),
  lift: (value, at) => [at, value],
  combine: (earlier, later) =>
    earlier === null || (later !== null && prefersLater(earlier, later)) ? later : earlier,
  lower: (timed) => (timed as Timed<Selected<Rec, Select>>)[1],
});

/**
 * The values themselves by event time: the latest `limit` of them (100 unless told, 10,000 at most). Costs what the
 * values cost, and up to 9 bytes each.
 *
 * @throws RangeError when the limit is not a whole number from 1 to 10,000
 */
export function collect<Rec, Select extends ValueSelector<NoInfer<Rec>>>(
  select: Select,
  { limit = 100 }: { readonly limit?: number } = {},
): Aggregate<
  Rec,
  readonly Selected<Rec, Select>[],
  Selected<Rec, Select>,
  readonly Timed<Selected<Rec, Select>>[]
> {
  if (!Number.isInteger(limit) || limit < 1 || limit > 10_000) {
    throw new RangeError(`Cannot collect ${limit} values as limit must be a whole number from 1 to 10,000`);
  }
  return {
    signature: `collect(${nameOf(select)},${limit})`,
    identity: [],
    select: valueFrom(select),
    lift: (value, at) => [[at, value]],
    combine: (earlier, later) => merge(earlier, later).slice(-limit),
    lower: (values) => values.map(([, value]) => value),
  };
}

function merge<Value>(earlier: readonly Timed<Value>[], later: readonly Timed<Value>[]): Timed<Value>[] {
  const merged: Timed<Value>[] = [];
  let taken = 0;
  for (const one of later) {
    while (taken < earlier.length && (earlier[taken] as Timed<Value>)[0] <= one[0]) {
      merged.push(earlier[taken++] as Timed<Value>);
    }
    merged.push(one);
  }
  return merged.concat(earlier.slice(taken));
}
