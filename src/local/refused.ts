import type { Poison } from '../engine/group/group.ts';
import { decodeRecord } from '../engine/intake/decode.ts';
import type { Pipeline } from '../pipeline/pipeline.ts';
import type { SourceRecord } from '../ports/source.ts';
import type { InputRecord } from './input.ts';

/** A record of an input that is refused, as the one who gave the input is shown it, and nobody else. */
export interface RefusedLine {
  /** Where it stands in the input, from 1, as far as that is known. */
  readonly line?: number | undefined;
  /** Which of the record's children is refused, from 0, where it has several. */
  readonly child?: number | undefined;
  readonly reason: string;
  readonly data: Uint8Array;
}

/** Those of one code: how many there are, and the first few. */
export interface Refused {
  readonly times: number;
  readonly first: readonly RefusedLine[];
}

export type RefusedByCode = ReadonlyMap<string, Refused>;

const MOST_SHOWN = 3;

/** Counts one more, and keeps what is shown of it if it is one of the first. */
export function addRefused(byCode: Map<string, Refused>, code: string, shown: () => RefusedLine): void {
  const { times, first } = byCode.get(code) ?? { times: 0, first: [] };
  byCode.set(code, { times: times + 1, first: times < MOST_SHOWN ? [...first, shown()] : first });
}

/** What is shown of a record that is refused as it is read, with the name that was perhaps meant. */
export const refusedLine = (
  pipeline: Pipeline,
  { line, data, fault }: InputRecord,
  source: SourceRecord,
  { reason }: Poison,
): RefusedLine => ({
  line,
  reason: fault ?? `${reason}${suggestion(pipeline, source)}`,
  data,
});

/**
 * The refused records with their lines, for which the input is read once more: what is refused only as it is folded has its
 * position on the stream alone.
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

/** Those of one count under each code, or else of the other: the first knows lines, the second all that was refused. */
export function eitherRefused(read: RefusedByCode, committed: RefusedByCode): RefusedByCode {
  const all = new Map(read);
  for (const [code, { times, first }] of committed) {
    const known = read.get(code);
    all.set(code, { times: Math.max(times, known?.times ?? 0), first: known?.first ?? first });
  }
  return all;
}

const SHOWN_CHARACTERS = 80;

/** The first characters of a record, without any that a terminal would obey. */
export function beginningOf(data: Uint8Array): string {
  // A character is four bytes at most.
  const text = Buffer.from(data.subarray(0, 4 * SHOWN_CHARACTERS + 4)).toString();
  const characters = Array.from(text);
  const shown = visible(characters.slice(0, SHOWN_CHARACTERS).join(''));
  return characters.length > SHOWN_CHARACTERS ? `${shown}…` : shown;
}

/** Control characters, marks of direction and breaks of lines as dots. */
export const visible = (text: string): string => text.replace(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu, '·');

/** A name that a definition asks for, of an object in a record that does not have it. */
interface Missing {
  readonly name: string;
  /** The names that the object has. */
  readonly fields: readonly string[];
  /** What else it is asked for. */
  readonly asked: ReadonlySet<string>;
}

/** The name that a record has, where the definition that refuses it asks for one much like it that it lacks. */
function suggestion(pipeline: Pipeline, source: SourceRecord): string {
  const missing: Missing[] = [];
  const watch = { reshape: (value: unknown) => watched(value, missing) };
  const steps = [watch, ...pipeline.source.steps.flatMap((step) => [step, watch])];
  decodeRecord({ ...pipeline, source: { ...pipeline.source, steps } }, source);
  // What it is refused for is asked for last.
  for (const { name, fields, asked } of missing.reverse()) {
    const closest = closestTo(
      name,
      fields.filter((field) => !asked.has(field)),
    );
    if (closest !== undefined) return `; the record has no "${name}": did you mean ${closest}?`;
  }
  return '';
}

/** The same plain value, noting what it is asked for and does not have. */
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

/** The field whose name differs least, if by no more than one slip in three characters; case and dashes count for nothing. */
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
 * The fewest characters to be put in, left out, replaced, or exchanged with the next, that make one text the other.
 *
 * Optimal string alignment: Damerau, "A technique for computer detection and correction of spelling errors", CACM 1964.
 */
function slips(one: string, other: string): number {
  const rows = [Array.from({ length: other.length + 1 }, (_, at) => at)];
  for (let i = 1; i <= one.length; i++) {
    const [above, row] = [rows[i - 1] as number[], [i]];
    for (let j = 1; j <= other.length; j++) {
      const isSame = one[i - 1] === other[j - 1];
      const isExchanged = i > 1 && j > 1 && one[i - 1] === other[j - 2] && one[i - 2] === other[j - 1];
      row[j] = Math.min(
        (above[j] as number) + 1,
        (row[j - 1] as number) + 1,
        (above[j - 1] as number) + (isSame ? 0 : 1),
        isExchanged ? ((rows[i - 2] as number[])[j - 2] as number) + 1 : Number.POSITIVE_INFINITY,
      );
    }
    rows.push(row);
  }
  return rows[one.length]?.[other.length] as number;
}
