import type { PartAggregate, Parts } from '../aggregate.ts';
import type { Plain } from '../plain.ts';
import {
  type NumberSelector,
  nameOf,
  numberInput,
  type OrNothing,
  type PlainInvalid,
  plainInput,
  type Selected,
  type ValueOptions,
  type ValueSelector,
} from '../select.ts';
import type { EpochMillis } from '../time.ts';

/** A value, the number that it was chosen by, and its event time. */
type Chosen = readonly [by: number, at: EpochMillis, value: Plain];

class LeastBy implements Parts<Chosen | null, number, Plain> {
  readonly identity = null;

  lift(by: number, value: Plain, time: EpochMillis): Chosen {
    return [by, time, value];
  }

  combine(earlier: Chosen | null, later: Chosen | null): Chosen | null {
    if (earlier === null || later === null) return earlier ?? later;
    return later[0] < earlier[0] || (later[0] === earlier[0] && later[1] < earlier[1]) ? later : earlier;
  }
}

class GreatestBy implements Parts<Chosen | null, number, Plain> {
  readonly identity = null;

  lift(by: number, value: Plain, time: EpochMillis): Chosen {
    return [by, time, value];
  }

  combine(earlier: Chosen | null, later: Chosen | null): Chosen | null {
    if (earlier === null || later === null) return earlier ?? later;
    return later[0] > earlier[0] || (later[0] === earlier[0] && later[1] < earlier[1]) ? later : earlier;
  }
}

const LEAST_BY = new LeastBy() as unknown as Parts;
const GREATEST_BY = new GreatestBy() as unknown as Parts;

/**
 * The value of the record whose number is least: of several the one with the earliest event time, then the first in source
 * order. Of nothing null. One value, a number and a time; 5 ns a record.
 */
export const minBy = <
  Rec,
  Select extends ValueSelector<NoInfer<Rec>, NoInfer<On>>,
  On extends PlainInvalid = 'poison',
>(
  number: NumberSelector<NoInfer<Rec>, NoInfer<On>>,
  value: Select,
  { invalid }: ValueOptions<On> = {},
): PartAggregate<Rec, Selected<Rec, Select> | OrNothing<On>> => ({
  signature: `minBy(${nameOf(number)},${nameOf(value, invalid)})`,
  inputs: [numberInput<Rec>(number, invalid), plainInput<Rec>(value, invalid)],
  parts: LEAST_BY,
  lower: valueOfChosen,
});

/**
 * The value of the record whose number is greatest: of several the one with the earliest event time, then the first in
 * source order. Of nothing null. One value, a number and a time; 5 ns a record.
 */
export const maxBy = <
  Rec,
  Select extends ValueSelector<NoInfer<Rec>, NoInfer<On>>,
  On extends PlainInvalid = 'poison',
>(
  number: NumberSelector<NoInfer<Rec>, NoInfer<On>>,
  value: Select,
  { invalid }: ValueOptions<On> = {},
): PartAggregate<Rec, Selected<Rec, Select> | OrNothing<On>> => ({
  signature: `maxBy(${nameOf(number)},${nameOf(value, invalid)})`,
  inputs: [numberInput<Rec>(number, invalid), plainInput<Rec>(value, invalid)],
  parts: GREATEST_BY,
  lower: valueOfChosen,
});

const valueOfChosen = <Value>(chosen: Plain): Value => ((chosen as Chosen | null)?.[2] ?? null) as Value;
