import type { PartAggregate, Parts } from '../aggregate.ts';
import { optionsOf } from '../options.ts';
import type { Plain } from '../plain.ts';
import {
  type Allowed,
  nameOf,
  type OrNothing,
  type PlainInvalid,
  plainInput,
  type Selected,
  type ValueOptions,
  type ValuePath,
} from '../select.ts';
import type { EpochMillis } from '../time.ts';
import { insert, merge, type OwnTimeline, type Timeline } from './timeline.ts';

/**
 * A value and its event time. Values are ordered by event time; values of equal times keep the order of their
 * source.
 */
type Timed = readonly [at: EpochMillis, value: Plain];

class First implements Parts<Timed | null, Plain> {
  readonly identity = null;

  lift(x: Plain, _y: unknown, time: EpochMillis): Timed {
    return [time, x];
  }

  combine(earlier: Timed | null, later: Timed | null): Timed | null {
    return earlier === null || (later !== null && later[0] < earlier[0]) ? later : earlier;
  }

  add(partial: Timed | null, x: Plain, _y: unknown, time: EpochMillis): Timed {
    return partial === null || time < partial[0] ? [time, x] : partial;
  }
}

class Last implements Parts<Timed | null, Plain> {
  readonly identity = null;

  lift(x: Plain, _y: unknown, time: EpochMillis): Timed {
    return [time, x];
  }

  combine(earlier: Timed | null, later: Timed | null): Timed | null {
    return earlier === null || (later !== null && later[0] >= earlier[0]) ? later : earlier;
  }

  add(partial: Timed | null, x: Plain, _y: unknown, time: EpochMillis): Timed {
    return partial === null || time >= partial[0] ? [time, x] : partial;
  }
}

/** An aggregate that shows the value of a single record. */
type OneOf = <
  Rec,
  Select extends
    | `${ValuePath<NoInfer<Rec>, NoInfer<On>>}`
    | ((record: NoInfer<Rec>) => Allowed<Plain, NoInfer<On>>),
  On extends PlainInvalid = 'poison',
>(
  select: Select,
  options?: ValueOptions<On>,
) => PartAggregate<Rec, Selected<Rec, Select> | OrNothing<On>>;

const oneOf =
  (kind: string, parts: Parts<Timed | null>): OneOf =>
  (select, options = {}) => {
    const { invalid } = optionsOf(kind, options);
    return {
      signature: `${kind}(${nameOf(select, invalid)})`,
      inputs: [plainInput(select, invalid)],
      parts,
      lower: (timed: Timed | null) => (timed?.[1] ?? null) as never,
    };
  };

/**
 * Returns the value with the earliest event time (among equal times the first in source order). It is null
 * when there is no record. The state is one value and its time.
 *
 * @throws TypeError for an unknown option
 *
 * @example
 * ```ts
 * first('state') // of 'idle', 'busy': 'idle'
 * ```
 */
export const first: OneOf = oneOf('first', new First());

/**
 * Returns the value with the latest event time (among equal times the last in source order). It is null when
 * there is no record. The state is one value and its time.
 *
 * @throws TypeError for an unknown option
 *
 * @example
 * ```ts
 * last('state') // of 'idle', 'busy': 'busy'
 * ```
 */
export const last: OneOf = oneOf('last', new Last());

/** Keeps the latest `limit` values by event time. */
class Latest implements Parts<Timeline<Plain> | null, Plain> {
  readonly identity = null;
  readonly #limit: number;

  constructor(limit: number) {
    this.#limit = limit;
  }

  lift(x: Plain, _y: unknown, time: EpochMillis): Timeline<Plain> {
    return [[time], [x]];
  }

  combine(earlier: Timeline<Plain> | null, later: Timeline<Plain> | null): Timeline<Plain> | null {
    if (earlier === null || later === null) return earlier ?? later;
    const [times, values] = merge(earlier, later);
    return [times.slice(-this.#limit), values.slice(-this.#limit)];
  }

  add(partial: OwnTimeline<Plain> | null, x: Plain, _y: unknown, time: EpochMillis): Timeline<Plain> {
    if (partial === null) return [[time], [x]];
    insert(partial, time, x);
    const [times, values] = partial;
    if (times.length > this.#limit) {
      times.shift();
      values.shift();
    }
    return partial;
  }
}

/**
 * Lists the values themselves in the order of event time: the latest `limit` of them (default 100, at most
 * 10,000). The list is empty when there is no record. The state is those values and a time for each.
 *
 * @throws RangeError when `limit` is not a whole number from 1 to 10,000; TypeError for an unknown option
 *
 * @example
 * ```ts
 * collect('celsius', { limit: 2 }) // of 20, 22, 27: [22, 27]
 * ```
 */
export function collect<
  Rec,
  Select extends
    | `${ValuePath<NoInfer<Rec>, NoInfer<On>>}`
    | ((record: NoInfer<Rec>) => Allowed<Plain, NoInfer<On>>),
  On extends PlainInvalid = 'poison',
>(
  select: Select,
  options: ValueOptions<On> & { readonly limit?: number } = {},
): PartAggregate<Rec, readonly Selected<Rec, Select>[]> {
  const { limit = 100, invalid } = optionsOf('collect', options, 'limit');
  if (!Number.isInteger(limit) || limit < 1 || limit > 10_000) {
    throw new RangeError(`Cannot collect ${limit} values as limit must be a whole number from 1 to 10,000`);
  }
  return {
    signature: `collect(${nameOf(select, invalid)},${limit})`,
    inputs: [plainInput<Rec>(select, invalid)],
    parts: new Latest(limit),
    // The result is a copy, as later records may still be added to the partial.
    lower: (timeline: Timeline<Plain> | null) => (timeline?.[1].slice() ?? []) as Selected<Rec, Select>[],
  };
}
