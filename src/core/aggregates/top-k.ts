import type { PartAggregate, Parts } from '../aggregate.ts';
import { canonicalJson } from '../hash.ts';
import { optionsOf } from '../options.ts';
import type { Plain } from '../plain.ts';
import {
  type Allowed,
  type NumberPath,
  nameOf,
  numberInput,
  type PlainInvalid,
  plainInput,
  type Selected,
  type ValueOptions,
  type ValuePath,
} from '../select.ts';

/**
 * A value, the most often that it can have occurred (or the most that its weights can add up to), and by how much
 * that count may be too high.
 */
export type TopValue<Value> = {
  readonly value: Value;
  readonly count: number;
  readonly error: number;
};

export interface TopKOptions<Rec, On extends PlainInvalid> extends ValueOptions<On> {
  /**
   * The weight of a record, 0 or more: values are ranked by the sum of their weights. Without it each record weighs
   * 1.
   */
  readonly by?:
    | `${NumberPath<NoInfer<Rec>, NoInfer<On>>}`
    | ((record: NoInfer<Rec>) => Allowed<number, NoInfer<On>>);
  /**
   * How many values have a counter: at least k and 10, at most 1,000 (default 10 for each of the k, but at
   * least 100).
   */
  readonly capacity?: number;
}

/**
 * Lists the k most frequent values, the most frequent first. The list is empty when there is no record.
 * Values of equal counts are ranked by the lesser error, then by the value.
 *
 * As long as there are at most `capacity` different values (default 10 for each of the k, but at least 100)
 * the counts are exact: each `error` is 0, and the result is the same to the bit however the records are cut
 * into parts. With more different values, of n records: each value occurred at most `count` and at least
 * `count − error` times; `error` is at most n / capacity; and a value that occurred more than n / capacity
 * times has a counter. These bounds hold however the records are cut into parts, while counts and errors
 * themselves may differ.
 *
 * With `by` a record counts as much as its weight: `count` is the sum of a value's weights, and n the sum of all.
 * Where weights are not whole, sums are those of doubles: of m records a count is within m·2^-53 of itself, and
 * is the same to the bit only where the records are cut alike. A record with a negative weight is refused.
 *
 * Two objects are equal if their fields are; a result shows their fields in the order of name. A value with a
 * counter costs its own length and about 2 to 4 bytes. A record takes about 20 to 60 ns if its value is
 * frequent; if its value has no counter yet, about 0.7 µs for each 100 counters.
 *
 * SpaceSaving: Metwally, Agrawal, El Abbadi, "Efficient Computation of Frequent and Top-k Elements in Data
 * Streams", 2005. Parts are combined as in Cafaro, Pulimeno, Tempesta, "A parallel space saving algorithm for
 * frequent items and the Hurwitz zeta distribution", 2016, after Agarwal et al., "Mergeable Summaries", 2012.
 *
 * @throws RangeError when k is not a whole number from 1 to 100, or `capacity` is not a whole number from k
 * and 10 to 1,000; TypeError for an unknown option
 *
 * @example
 * ```ts
 * topK('state', 1) // of 'idle', 'busy', 'idle': [{ value: 'idle', count: 2, error: 0 }]
 * topK('machineId', 1, { by: 'celsius' }) // of 20, 22: [{ value: 'pump', count: 42, error: 0 }]
 * ```
 */
export function topK<
  Rec,
  Select extends
    | `${ValuePath<NoInfer<Rec>, NoInfer<On>>}`
    | ((record: NoInfer<Rec>) => Allowed<Plain, NoInfer<On>>),
  On extends PlainInvalid = 'poison',
>(
  select: Select,
  k: number,
  options: TopKOptions<Rec, On> = {},
): PartAggregate<Rec, readonly TopValue<Selected<Rec, Select>>[]> {
  const {
    by,
    capacity = Math.max(10 * k, DEFAULT_CAPACITY),
    invalid,
  } = optionsOf('topK', options, 'by', 'capacity');
  if (!Number.isInteger(k) || k < 1 || k > 100) {
    throw new RangeError(`Cannot rank the top ${k} values as k must be a whole number from 1 to 100`);
  }
  const least = Math.max(k, 10);
  if (!Number.isInteger(capacity) || capacity < least || capacity > 1_000) {
    throw new RangeError(
      `Cannot count ${capacity} values as capacity must be a whole number from ${least} to 1,000 ` +
        `where k is ${k}`,
    );
  }
  return {
    signature: `topK(${nameOf(select, invalid)},${k},${capacity}${by === undefined ? '' : `,by ${nameOf(by)}`})`,
    inputs: [plainInput<Rec>(select, invalid), ...(by === undefined ? [] : [numberInput<Rec>(by, invalid)])],
    parts: capacity === DEFAULT_CAPACITY ? OF_A_HUNDRED : new SpaceSaving(capacity),
    lower: (counters: Counters | null) => top<Selected<Rec, Select>>(counters, k),
  };
}

const DEFAULT_CAPACITY = 100;

/** Stands for a value where values are compared. A text, number, boolean or null is its own key. */
type Key = string | number | boolean | null;

/** The counters, side by side, in the order of their rank. */
type Counters = readonly [keys: readonly Key[], counts: readonly number[], errors: readonly number[]];
type OwnCounters = readonly [keys: Key[], counts: number[], errors: number[]];

interface Counter {
  readonly key: Key;
  readonly count: number;
  readonly error: number;
}

/**
 * Once there are `capacity` counters, a value without a counter may have occurred as often as the lowest
 * counter says.
 */
class SpaceSaving implements Parts<Counters | null, Plain, number | null> {
  readonly identity = null;
  readonly #capacity: number;

  constructor(capacity: number) {
    this.#capacity = capacity;
  }

  lift(x: Plain, weight: number | null): Counters {
    return [[keyOf(x)], [checked(weight)], [0]];
  }

  add(partial: OwnCounters | null, x: Plain, weight: number | null): Counters {
    if (partial === null) return this.lift(x, weight);
    const [keys, counts, errors] = partial;
    const by = checked(weight);
    const key = keyOf(x);
    const at = keys.indexOf(key);
    if (at >= 0) {
      settle(partial, at, key, (counts[at] as number) + by, errors[at] as number);
    } else if (keys.length < this.#capacity) {
      settle(partial, keys.length, key, by, 0);
    } else {
      const last = keys.length - 1;
      const least = counts[last] as number;
      // A weight that adds nothing to the least count does not take a counter from a value that is surer of it.
      if (rank(least, errors[last] as number, keys[last] as Key, least + by, least, key) > 0) {
        settle(partial, last, key, least + by, least);
      }
    }
    return partial;
  }

  combine(earlier: Counters | null, later: Counters | null): Counters | null {
    if (earlier === null || later === null) return earlier ?? later;
    const uncountedEarlier = this.#uncounted(earlier);
    const uncountedLater = this.#uncounted(later);
    const ofLater = new Map(listOf(later).map((counter) => [counter.key, counter]));
    const onlyEarlier: Counter[] = [];
    const both: Counter[] = [];
    for (const counter of listOf(earlier)) {
      const other = ofLater.get(counter.key);
      if (other === undefined) {
        onlyEarlier.push(raised(counter, uncountedLater, uncountedLater));
      } else {
        both.push(raised(counter, other.count, other.error));
        ofLater.delete(counter.key);
      }
    }
    const onlyLater = [...ofLater.values()].map((counter) =>
      raised(counter, uncountedEarlier, uncountedEarlier),
    );
    // The counters of only one part are in order already, as all of them grew by the same amount. That makes
    // the sort quick.
    const ranked = [...onlyEarlier, ...onlyLater, ...both]
      .sort((a, b) => rank(a.count, a.error, a.key, b.count, b.error, b.key))
      .slice(0, this.#capacity);
    return [ranked.map(({ key }) => key), ranked.map(({ count }) => count), ranked.map(({ error }) => error)];
  }

  /** Returns how often a value without a counter can have occurred at most. */
  #uncounted([keys, counts]: Counters): number {
    return keys.length < this.#capacity ? 0 : (counts[keys.length - 1] as number);
  }
}

/** Returns the weight of a record, which is 1 where records are not weighed. */
function checked(weight: number | null): number {
  if (weight === null) return 1;
  if (weight >= 0) return weight + 0;
  throw new RangeError('Cannot rank a value by its weight as weights must be 0 or more: it is negative');
}

const OF_A_HUNDRED = new SpaceSaving(DEFAULT_CAPACITY);

const listOf = ([keys, counts, errors]: Counters): Counter[] =>
  keys.map((key, at) => ({ key, count: counts[at] as number, error: errors[at] as number }));

const raised = ({ key, count, error }: Counter, byCount: number, byError: number): Counter => ({
  key,
  count: count + byCount,
  error: error + byError,
});

/** Writes a counter over the counter at `from`, and moves it up to its rank. */
function settle(
  [keys, counts, errors]: OwnCounters,
  from: number,
  key: Key,
  count: number,
  error: number,
): void {
  let at = from;
  for (; at > 0; at--) {
    const before = at - 1;
    if (rank(counts[before] as number, errors[before] as number, keys[before] as Key, count, error, key) < 0)
      break;
    keys[at] = keys[before] as Key;
    counts[at] = counts[before] as number;
    errors[at] = errors[before] as number;
  }
  keys[at] = key;
  counts[at] = count;
  errors[at] = error;
}

/**
 * Returns a negative number where the first counter ranks before the second: by a greater count, a lesser
 * error, a lesser value.
 */
const rank = (countA: number, errorA: number, a: Key, countB: number, errorB: number, b: Key): number =>
  countB - countA || errorA - errorB || compare(a, b);

/**
 * Orders null before booleans, numbers by size, and texts by code unit. No two counters have the same key.
 */
function compare(a: Key, b: Key): number {
  if (typeof a === 'string' && typeof b === 'string') return a < b ? -1 : 1;
  return KINDS.indexOf(typeof a) - KINDS.indexOf(typeof b) || Number(a) - Number(b);
}

const KINDS: readonly string[] = ['object', 'boolean', 'number', 'string'];

/**
 * Begins the key of a list or an object, before its JSON, and the key of a text that itself begins with this
 * mark.
 */
const MARK = '\0';

const keyOf = (value: Plain): Key => {
  if (typeof value === 'string') return value.startsWith(MARK) ? MARK + canonicalJson(value) : value;
  if (typeof value === 'number') return value + 0;
  return value === null || typeof value === 'boolean' ? value : MARK + canonicalJson(value);
};

const valueFrom = (key: Key): Plain =>
  typeof key === 'string' && key.startsWith(MARK) ? JSON.parse(key.slice(MARK.length)) : key;

const top = <Value>(counters: Counters | null, k: number): TopValue<Value>[] =>
  listOf(counters ?? [[], [], []])
    .slice(0, k)
    .map(({ key, count, error }) => ({ value: valueFrom(key) as Value, count, error }));
