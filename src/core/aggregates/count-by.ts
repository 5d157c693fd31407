import type { PartAggregate, Parts } from '../aggregate.ts';
import { canonicalJson } from '../hash.ts';
import { optionsOf } from '../options.ts';
import type { Plain } from '../plain.ts';
import {
  type Allowed,
  nameOf,
  type PlainInvalid,
  plainInput,
  type ValueOptions,
  type ValuePath,
} from '../select.ts';
import { lowerBound, unionOf } from './sorted.ts';

/**
 * The number of records for each text, in the order of the texts, and the number of records with any further
 * text.
 */
export type CountsByText = {
  readonly counts: { readonly [text: string]: number };
  readonly other: number;
};

export interface CountByOptions<On extends PlainInvalid> extends ValueOptions<On> {
  /** The greatest number of texts that are counted one by one: from 1 to 10,000 (default 1,000). */
  readonly limit?: number;
}

/**
 * Counts the records of each value, exactly, by the text of the value: `{ counts: { paid: 3, void: 1 },
 * other: 0 }`. The result is `{ counts: {}, other: 0 }` when there is no record. A number, a boolean or null
 * counts as its text in JSON, an object or a list as its canonical JSON.
 *
 * With more than `limit` different texts, only the first `limit` in the order of their UTF-16 code units are
 * counted one by one; the records of all further texts add up in `other`. A text that is among the first of
 * all is among the first of every part that has it, so none of its records is ever dropped. To count the most
 * frequent values, use `topK`.
 *
 * The result is the same to the bit however the records are cut into parts. A text costs its own length and 1
 * to 3 bytes. A record takes about 25 ns with five different texts, and about 100 ns with a thousand.
 *
 * @throws RangeError when `limit` is not a whole number from 1 to 10,000; TypeError for an unknown option
 *
 * @example
 * ```ts
 * countBy('state') // of 'idle', 'busy', 'idle': { counts: { busy: 1, idle: 2 }, other: 0 }
 * ```
 */
export function countBy<Rec, On extends PlainInvalid = 'poison'>(
  select: `${ValuePath<NoInfer<Rec>, NoInfer<On>>}` | ((record: NoInfer<Rec>) => Allowed<Plain, NoInfer<On>>),
  options: CountByOptions<On> = {},
): PartAggregate<Rec, CountsByText> {
  const { limit = DEFAULT_LIMIT, invalid } = optionsOf('countBy', options, 'limit');
  if (!Number.isInteger(limit) || limit < 1 || limit > 10_000) {
    throw new RangeError(`Cannot count by ${limit} texts as limit must be a whole number from 1 to 10,000`);
  }
  return {
    signature: `countBy(${nameOf(select, invalid)},${limit})`,
    inputs: [plainInput<Rec>(select, invalid)],
    parts: limit === DEFAULT_LIMIT ? OF_A_THOUSAND : new Counting(limit),
    lower: (partial: Counts | null) => {
      const [texts, counts, other] = partial ?? [[], [], 0];
      return { counts: Object.fromEntries(texts.map((text, at) => [text, counts[at] as number])), other };
    },
  };
}

const DEFAULT_LIMIT = 1_000;

/** The texts in order, the count of each, and the number of records with any further text. */
type Counts = readonly [texts: readonly string[], counts: readonly number[], other: number];
type OwnCounts = [texts: string[], counts: number[], other: number];

class Counting implements Parts<Counts | null, Plain> {
  readonly identity = null;
  readonly #limit: number;

  constructor(limit: number) {
    this.#limit = limit;
  }

  lift(x: Plain): Counts {
    return [[textOf(x)], [1], 0];
  }

  add(partial: OwnCounts | null, x: Plain): Counts {
    if (partial === null) return this.lift(x);
    const [texts, counts] = partial;
    const text = textOf(x);
    const at = lowerBound(texts, text);
    if (texts[at] === text) {
      counts[at] = (counts[at] as number) + 1;
    } else {
      texts.splice(at, 0, text);
      counts.splice(at, 0, 1);
      if (texts.length > this.#limit) {
        texts.pop();
        partial[2] += counts.pop() as number;
      }
    }
    return partial;
  }

  combine(earlier: Counts | null, later: Counts | null): Counts | null {
    if (earlier === null || later === null) return earlier ?? later;
    const [texts, counts] = unionOf(earlier, later);
    const beyond = counts.splice(this.#limit);
    return [
      texts.slice(0, this.#limit),
      counts,
      beyond.reduce((total, count) => total + count, earlier[2] + later[2]),
    ];
  }
}

const OF_A_THOUSAND = new Counting(DEFAULT_LIMIT);

const textOf = (value: Plain): string => (typeof value === 'string' ? value : canonicalJson(value));
