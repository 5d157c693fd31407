import type { Poison } from '../engine/group/group.ts';
import { decodeRecord, type PlacedPart } from '../engine/intake/decode.ts';
import { type FoundMember, membersIn } from '../engine/intake/members.ts';
import type { Decoder } from '../pipeline/decoders.ts';
import type { Pipeline } from '../pipeline/pipeline.ts';
import { type SourceRecord, withData } from '../ports/source.ts';
import type { InputRecord } from './input.ts';

/** A refused record of an input. It is shown to the person who gave the input, and to nobody else. */
export interface RefusedLine {
  /** The line of the input on which the record begins, from 1; undefined where it is not known. */
  readonly line?: number | undefined;
  /** Which member of the record is refused, from 0; undefined where the record has only one. */
  readonly member?: number | undefined;
  /** Which child of the record is refused, from 0; undefined where the record has only one. */
  readonly child?: number | undefined;
  readonly reason: string;
  readonly data: Uint8Array;
}

/** The refused records of one code: their number, and the first few of them. */
export interface Refused {
  readonly times: number;
  readonly first: readonly RefusedLine[];
}

export type RefusedByCode = ReadonlyMap<string, Refused>;

const MOST_SHOWN = 3;

/** Counts one more refused record of a code, and keeps it to be shown if it is one of the first. */
export function addRefused(byCode: Map<string, Refused>, code: string, shown: () => RefusedLine): void {
  const { times, first } = byCode.get(code) ?? { times: 0, first: [] };
  byCode.set(code, { times: times + 1, first: times < MOST_SHOWN ? [...first, shown()] : first });
}

/** What is shown of a record that is refused as it is read, with the field name that was perhaps meant. */
export const refusedLine = (
  pipeline: Pipeline,
  { line, data, fault }: InputRecord,
  source: SourceRecord,
  part: PlacedPart,
  { reason }: Poison,
): RefusedLine => ({
  line,
  reason: fault ?? `${reason}${suggestion(pipeline, source, part)}`,
  data,
});

/**
 * Returns the refused records with their lines, for which it reads the input once more: a record that is
 * refused only when it is folded is known by its position on the stream alone.
 */
export async function withLines(
  refused: RefusedByCode,
  readAgain: () => AsyncIterable<InputRecord>,
): Promise<RefusedByCode> {
  const sought = new Set([...refused.values()].flatMap(({ first }) => first.filter(({ line }) => !line)));
  const lines = new Map<RefusedLine, number>();
  if (sought.size === 0) return refused;
  for await (const { line, data } of readAgain()) {
    const found = [...sought].find((record) => Buffer.compare(record.data, data) === 0);
    if (found === undefined) continue;
    lines.set(found, line);
    sought.delete(found);
    if (sought.size === 0) break;
  }
  const placed = (record: RefusedLine) => ({ ...record, line: record.line ?? lines.get(record) });
  return new Map([...refused].map(([code, { times, first }]) => [code, { times, first: first.map(placed) }]));
}

/**
 * Merges two counts, and prefers the records of the first: `read` knows lines, `committed` has all that was
 * refused.
 */
export function eitherRefused(read: RefusedByCode, committed: RefusedByCode): RefusedByCode {
  const all = new Map(read);
  for (const [code, { times, first }] of committed) {
    const refusedAtRead = read.get(code);
    all.set(code, {
      times: Math.max(times, refusedAtRead?.times ?? 0),
      first: refusedAtRead?.first ?? first,
    });
  }
  return all;
}

const SHOWN_CHARACTERS = 80;

/** The first characters of a record, without any that a terminal would obey. */
export function beginningOf(data: Uint8Array): string {
  // UTF-8 takes at most four bytes for a character.
  const text = Buffer.from(data.subarray(0, 4 * SHOWN_CHARACTERS + 4)).toString();
  const characters = Array.from(text);
  const shown = visible(characters.slice(0, SHOWN_CHARACTERS).join(''));
  return characters.length > SHOWN_CHARACTERS ? `${shown}…` : shown;
}

/** Replaces control characters, marks of direction and line breaks by dots. */
export const visible = (text: string): string => text.replace(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu, '·');

/** A name that a definition reads from an object in a record, and that the object does not have. */
interface Missing {
  readonly name: string;
  /** The names that the object has. */
  readonly fields: readonly string[];
  /** All names that the definition reads from the object. */
  readonly asked: ReadonlySet<string>;
}

/**
 * Suggests a field of the record whose name is close to the missing name for which the definition refuses a part
 * of it. That part is decoded alone, as other parts lack other names.
 */
function suggestion(pipeline: Pipeline, source: SourceRecord, { member, child }: PlacedPart): string {
  const found = memberOf(pipeline.source.decoder, source.data, member);
  const expansions = pipeline.source.steps.filter((step) => 'expand' in step).length;
  // Of several expansions nobody can tell which children of the first the others have made one.
  if (found === undefined || expansions > 1) return '';
  const missing: Missing[] = [];
  const watch = { reshape: (value: unknown) => watched(value, missing) };
  const steps = [watch, ...pipeline.source.steps.flatMap((step) => [onlyChild(step, child), watch])];
  const decoder: Decoder = { unpack: [], into: found instanceof Uint8Array ? 'json' : () => found.value };
  const data = found instanceof Uint8Array ? found : found.bytes;
  decodeRecord({ ...pipeline, source: { ...pipeline.source, decoder, steps } }, withData(source, data));
  // The name for which the record is refused was read last.
  for (const { name, fields, asked } of missing.reverse()) {
    const closest = closestTo(
      name,
      fields.filter((field) => !asked.has(field)),
    );
    if (closest !== undefined) return `; the record has no "${name}": did you mean ${closest}?`;
  }
  return '';
}

/** Returns a member of a record; undefined where the record cannot be taken apart that far. */
function memberOf(decoder: Decoder, data: Uint8Array, member: number): FoundMember | undefined {
  let at = 0;
  try {
    for (const found of membersIn(decoder, data)) if (at++ === member) return found;
  } catch {
    // What its decoder refuses lacks no name.
  }
  return undefined;
}

type Step = Pipeline['source']['steps'][number];

/** Has an expansion answer with one of its children alone. */
function onlyChild(step: Step, child: number): Step {
  if (!('expand' in step)) return step;
  return {
    expand(record: never) {
      const children = step.expand(record);
      return Array.isArray(children) ? children.filter((_, at) => at === child) : children;
    },
  };
}

/** Wraps a plain value so that `missing` gets each name that is read from it and that it does not have. */
function watched(value: unknown, missing: Missing[]): unknown {
  if (typeof value !== 'object' || value === null) return value;
  if (![Object.prototype, Array.prototype, null].includes(Object.getPrototypeOf(value))) return value;
  const asked = new Set<string>();
  const note = (name: string | symbol): void => {
    if (typeof name !== 'string' || name in value) return;
    missing.push({ name, fields: Object.keys(value), asked });
  };
  return new Proxy(value, {
    get(target, name) {
      note(name);
      if (typeof name === 'string') asked.add(name);
      return watched(Reflect.get(target, name), missing);
    },
    has(target, name) {
      note(name);
      return Reflect.has(target, name);
    },
    getOwnPropertyDescriptor(target, name) {
      note(name);
      return Reflect.getOwnPropertyDescriptor(target, name);
    },
  });
}

/**
 * The field whose name differs least, by at most one slip in three characters. Case, dashes, underscores and
 * blanks do not count.
 */
function closestTo(name: string, fields: readonly string[]): string | undefined {
  const plain = plainly(name);
  let closest: string | undefined;
  let least = Math.floor(plain.length / 3) + 1;
  for (const field of fields) {
    const candidate = plainly(field);
    if (Math.abs(candidate.length - plain.length) >= least) continue;
    const distance = slips(plain, candidate);
    if (distance < least) [closest, least] = [field, distance];
  }
  return closest;
}

const plainly = (name: string): string => name.toLowerCase().replace(/[_\s-]/g, '');

/**
 * The smallest number of insertions, deletions, replacements and swaps of neighbouring characters that turn
 * one text into the other.
 *
 * Optimal string alignment: Damerau, "A technique for computer detection and correction of spelling errors",
 * CACM 1964.
 */
function slips(from: string, to: string): number {
  const rows = [Array.from({ length: to.length + 1 }, (_, at) => at)];
  for (let i = 1; i <= from.length; i++) {
    const [above, row] = [rows[i - 1] as number[], [i]];
    for (let j = 1; j <= to.length; j++) {
      const isSame = from[i - 1] === to[j - 1];
      const isExchanged = i > 1 && j > 1 && from[i - 1] === to[j - 2] && from[i - 2] === to[j - 1];
      row[j] = Math.min(
        (above[j] as number) + 1,
        (row[j - 1] as number) + 1,
        (above[j - 1] as number) + (isSame ? 0 : 1),
        isExchanged ? ((rows[i - 2] as number[])[j - 2] as number) + 1 : Number.POSITIVE_INFINITY,
      );
    }
    rows.push(row);
  }
  return rows[from.length]?.[to.length] as number;
}
