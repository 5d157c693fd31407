import type { StandardSchemaV1 } from '@standard-schema/spec';
import type { KeyRecord } from '../../core/key.ts';
import { loggable } from '../../core/loggable.ts';
import { MAX_PARTS } from '../../core/position.ts';
import { after, type EpochMillis, isInstant, isoTime, parseIsoTime } from '../../core/time.ts';
import type { Pipeline } from '../../pipeline/pipeline.ts';
import type { SourceRecord } from '../../ports/source.ts';
import type { Poison, PoisonCode } from '../group/group.ts';
import {
  BACKSLASH,
  CLOSE_LIST,
  CLOSE_MAP,
  COMMA,
  isBlank,
  OPEN_LIST,
  OPEN_MAP,
  QUOTE,
} from './json-bytes.ts';

/** The bounds of what is decoded: Kinesis' own for a record, and twice what any hand-written JSON nests. */
export const MAX_RECORD_BYTES = 1_048_576;
export const MAX_JSON_DEPTH = 64;
export const MAX_KEY_BYTES = 1_024;

/** What became of one source record, or of one child of it. */
export type DecodedPart =
  | { readonly outcome: 'record'; readonly key: string; readonly record: KeyRecord }
  | { readonly outcome: 'filtered' }
  | { readonly outcome: 'poison'; readonly poison: Poison };

/** What became of one source record: where it was expanded, of each of its children. */
export type Decoded =
  | DecodedPart
  | { readonly outcome: 'expanded'; readonly children: readonly DecodedPart[] };

/** The parts of a record: its children, or itself. A record that has no children is filtered as a whole. */
export function decodedParts(decoded: Decoded): readonly DecodedPart[] {
  if (decoded.outcome !== 'expanded') return [decoded];
  return decoded.children.length === 0 ? [FILTERED] : decoded.children;
}

/** Decodes records in their order, a chunk at a time. No side effects. */
export function* decodeAll(
  pipeline: Pipeline,
  sources: readonly SourceRecord[],
): Generator<readonly Decoded[]> {
  const keys: Keys = new Map();
  for (let from = 0; from < sources.length; ) {
    const to = endOfChunk(sources, from);
    yield decodeChunk(pipeline, sources.slice(from, to), keys);
    from = to;
  }
}

function decodeChunk(pipeline: Pipeline, sources: readonly SourceRecord[], keys: Keys): readonly Decoded[] {
  const values = parseTogether(sources);
  return sources.map((source, at) =>
    values ? decodeValue(pipeline, values[at], source, keys) : decodeRecord(pipeline, source, keys),
  );
}

/** Decodes one record. */
export function decodeRecord(pipeline: Pipeline, source: SourceRecord, keys: Keys = new Map()): Decoded {
  const { data } = source;
  let step: PoisonCode = 'not-json';
  let value: unknown;
  try {
    if (data.length > MAX_RECORD_BYTES) {
      step = 'too-large';
      throw new Error(`the record is ${data.length} bytes; at most ${MAX_RECORD_BYTES} are read`);
    }
    const text = utf8.decode(data);
    if (nesting(text) > MAX_JSON_DEPTH) {
      step = 'too-deep';
      throw new Error(`nested deeper than ${MAX_JSON_DEPTH}`);
    }
    value = JSON.parse(text);
  } catch (error) {
    return refused(step, error);
  }
  return decodeValue(pipeline, value, source, keys);
}

const refused = (code: PoisonCode, error: unknown): DecodedPart => ({
  outcome: 'poison',
  poison: { code, reason: messageOf(error) },
});

const utf8 = new TextDecoder('utf-8', { fatal: true });

/** Large enough that a call for each record costs little, small enough for the fastest memory. */
const CHUNK_BYTES = 32_768;

function endOfChunk(sources: readonly SourceRecord[], from: number): number {
  let to = from;
  for (let bytes = 0; to < sources.length && bytes < CHUNK_BYTES; to++) {
    bytes += (sources[to] as SourceRecord).data.length;
  }
  return to;
}

/**
 * What `JSON.parse` makes of each record, from one text of all, as a call for each is most of what a small one costs. Undefined
 * where one of them is no JSON, or no object, or out of bounds: they are then decoded one by one.
 */
function parseTogether(sources: readonly SourceRecord[]): readonly unknown[] | undefined {
  const length = sources.reduce((total, { data }) => total + data.length + 1, 1);
  if (length > MAX_RECORD_BYTES) return undefined;
  const bytes = new Uint8Array(length);
  bytes[0] = OPEN_LIST;
  let at = 1;
  for (let place = 0; place < sources.length; place++) {
    const { data } = sources[place] as SourceRecord;
    bytes.set(data, at);
    const end = at + data.length;
    if (!isWhole(bytes, at, end)) return undefined;
    bytes[end] = COMMA;
    at = end + 1;
  }
  bytes[length - 1] = CLOSE_LIST;
  try {
    return JSON.parse(utf8.decode(bytes)) as readonly unknown[];
  } catch {
    return undefined;
  }
}

/**
 * Whether an object begins at `from` and ends at `to`, but for blanks, if there is JSON between them, and nests no deeper than it
 * may: so that one record can be neither several values nor a part of one.
 */
function isWhole(bytes: Uint8Array, from: number, to: number): boolean {
  if (bytes[from] !== OPEN_MAP) return false;
  let depth = 0;
  for (let at = from; at < to; at++) {
    const byte = bytes[at];
    if (byte === QUOTE) {
      for (at++; at < to && bytes[at] !== QUOTE; at++) {
        if (bytes[at] === BACKSLASH) at++;
      }
    } else if (byte === OPEN_MAP || byte === OPEN_LIST) {
      if (++depth > MAX_JSON_DEPTH) return false;
    } else if ((byte === CLOSE_MAP || byte === CLOSE_LIST) && --depth === 0) {
      for (at++; at < to && isBlank(bytes[at]); at++);
      return at === to;
    }
  }
  return false;
}

/**
 * What is thrown on the way, most often by an author's function, is the record's fault, under the code of the step; behind an
 * `expand` it is the fault of that child alone.
 *
 * @param first of the source's steps the first that is still to be done
 */
function decodeValue(
  pipeline: Pipeline,
  parsed: unknown,
  source: SourceRecord,
  keys: Keys,
  first = 0,
): Decoded {
  const { arrival, data } = source;
  let step: PoisonCode = 'map';
  try {
    let value = parsed;
    const { steps } = pipeline.source;
    for (let at = first; at < steps.length; at++) {
      const one = steps[at] as (typeof steps)[number];
      if ('expand' in one) {
        step = 'expand';
        return expanded(answered(one.expand(value as never)), (child) =>
          decodeValue(pipeline, child, source, keys, at + 1),
        );
      }
      step = 'reshape' in one ? 'map' : 'schema';
      value = 'reshape' in one ? answered(one.reshape(value as never)) : validated(one.validate, value);
    }
    step = 'filter';
    if (pipeline.filter && !answered(pipeline.filter(value))) return FILTERED;
    step = 'key';
    const given = pipeline.key(value);
    const key = keys.get(given) ?? checkedKey(given, data, keys);
    step = 'event-time';
    const at = checkedTime(pipeline.eventTime(value));
    step = 'future';
    if (at > after(arrival, pipeline.maxFutureSkew)) {
      throw new Error(`the event time ${isoTime(at)} is too far ahead of the arrival, ${isoTime(arrival)}`);
    }
    step = 'select';
    return { outcome: 'record', key, record: { at, arrival, values: pipeline.rules.inputs.read(value) } };
  } catch (error) {
    if (error === ANSWERS_LATER) throw error;
    return refused(step, error);
  }
}

const FILTERED: DecodedPart = { outcome: 'filtered' };

/** The children that an author's `expand` answers with, and theirs in place of those that are expanded again. */
function expanded(answer: unknown, decodeChild: (child: unknown) => Decoded): Decoded {
  if (!Array.isArray(answer)) {
    const given = answer === null ? 'null' : typeof answer;
    throw new Error(`it answers with ${given}, not with a list of records`);
  }
  const children: DecodedPart[] = [];
  const take = (child: DecodedPart): void => {
    children.push(child);
    checkChildren(children.length);
  };
  checkChildren(answer.length);
  for (let at = 0; at < answer.length; at++) {
    const decoded = decodeChild(answer[at]);
    if (decoded.outcome === 'expanded') decoded.children.forEach(take);
    else take(decoded);
  }
  return { outcome: 'expanded', children };
}

function checkChildren(count: number): void {
  if (count > MAX_PARTS) throw new Error(`a record must have at most ${MAX_PARTS} children: it has ${count}`);
}

const ANSWERS_LATER = loggable(
  new TypeError('Cannot validate with a schema that answers later as records are folded in order, at once'),
);

function validated(schema: StandardSchemaV1, value: unknown): unknown {
  const result = schema['~standard'].validate(value);
  if (isPromise(result)) throw ANSWERS_LATER;
  if (result.issues) throw new Error(result.issues.map(told).join('; '));
  return result.value;
}

/** What an author's function answers, unless that is to be waited for. */
function answered<Answer>(answer: Answer): Answer {
  if (isPromise(answer)) throw new Error('it answers with a promise, for which nobody waits');
  return answer;
}

/** Whether an answer is a promise. Nobody waits for it, so that its failure would be the process's. */
function isPromise(answer: unknown): answer is Promise<unknown> {
  try {
    if (!(answer instanceof Promise)) return false;
  } catch {
    // It lets nobody look.
    return false;
  }
  answer.catch(() => {});
  return true;
}

const told = ({ path = [], message }: StandardSchemaV1.Issue): string => {
  const names = path.map((part) => String(typeof part === 'object' ? part.key : part));
  return names.length === 0 ? message : `${names.join('.')}: ${message}`;
};

/** The keys of records so far, under themselves: of equal keys all records have one text, which is hashed once. */
type Keys = Map<unknown, string>;

function checkedKey(key: unknown, data: Uint8Array, keys: Keys): string {
  if (typeof key !== 'string') throw new Error(`the key is ${typeof answered(key)}, not a string`);
  // Three bytes a code unit at most.
  const isTooLong = 3 * key.length > MAX_KEY_BYTES && Buffer.byteLength(key) > MAX_KEY_BYTES;
  if (key === '' || isTooLong || !key.isWellFormed()) {
    throw new Error(`a key must be 1 to ${MAX_KEY_BYTES} bytes of well-formed Unicode`);
  }
  // Whether such a key has all its digits is a matter of each record.
  if (MAYBE_ROUNDED.test(key)) checkDigits(key, data);
  else keys.set(key, key);
  return key;
}

/** What `String` makes of a whole number past 2^53, of which a double does not hold every one. */
const MAYBE_ROUNDED = /\d{16}|\de\+\d/;

/** What a record has somewhere that has such a number; most texts of digits do not look like it. */
const MAYBE_LARGE = /(?<!["\d.])\d{16}|\d[eE]/;

const STRINGS_AND_NUMBERS = /"[^"\\]*(?:\\.[^"\\]*)*"|\d[\d.eE+-]*/g;

/**
 * Refuses a key that holds such a number, unless the record has its digits in a text, too: two numbers that JSON reads as
 * the same double would make one key.
 */
function checkDigits(key: string, data: Uint8Array): void {
  const text = Buffer.from(data.buffer, data.byteOffset, data.length).toString('latin1');
  if (!MAYBE_LARGE.test(text)) return;
  const found = text.match(STRINGS_AND_NUMBERS) ?? [];
  for (const number of found) {
    const value = number.startsWith('"') ? 0 : Number(number);
    if (!Number.isInteger(value) || Number.isSafeInteger(value)) continue;
    const shown = [String(value), String(BigInt(value))].find((digits) => key.includes(digits));
    if (shown === undefined || found.some((one) => one.startsWith('"') && one.includes(shown))) continue;
    throw new Error(
      `the key holds ${shown}, which was sent as a whole number past 2^53: of these JSON keeps the first digits alone, so send it as a text`,
    );
  }
}

function checkedTime(given: unknown): EpochMillis {
  const at = instantOf(answered(given));
  if (typeof at !== 'number' || !isInstant(at)) {
    const shown = typeof given === 'string' ? `"${given}"` : typeof at === 'number' ? at : typeof given;
    throw new Error(
      `the event time ${shown} is neither whole epoch milliseconds nor an ISO 8601 date-time with a zone`,
    );
  }
  return at;
}

function instantOf(given: unknown): unknown {
  if (typeof given === 'string') return parseIsoTime(given);
  return typeof given === 'object' &&
    given !== null &&
    'getTime' in given &&
    typeof given.getTime === 'function'
    ? given.getTime()
    : given;
}

/** How deep the brackets of a JSON text nest, those inside of strings left out. */
function nesting(text: string): number {
  let depth = 0;
  let deepest = 0;
  for (let at = 0; at < text.length; at++) {
    const character = text.charCodeAt(at);
    if (character === QUOTE) {
      for (at++; at < text.length && text.charCodeAt(at) !== QUOTE; at++) {
        if (text.charCodeAt(at) === BACKSLASH) at++;
      }
    } else if (character === OPEN_LIST || character === OPEN_MAP) {
      deepest = Math.max(deepest, ++depth);
    } else if (character === CLOSE_LIST || character === CLOSE_MAP) {
      depth--;
    }
  }
  return deepest;
}

/** Characters of a reason: a schema may find as many faults as a record has fields. */
const MAX_REASON = 1_000;

/** What an error says, or the beginning of it, whatever was thrown. */
export function messageOf(error: unknown): string {
  try {
    return (error instanceof Error ? String(error.message) : typeof error)
      .slice(0, MAX_REASON)
      .toWellFormed();
  } catch {
    return 'what cannot be shown';
  }
}
