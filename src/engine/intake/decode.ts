import type { StandardSchemaV1 } from '@standard-schema/spec';
import { loggable } from '../../core/loggable.ts';
import { MAX_PARTS } from '../../core/position.ts';
import { RecordRows, RowRecord } from '../../core/record.ts';
import { after, type EpochMillis, isInstant, isoTime, parseIsoTime } from '../../core/time.ts';
import { type Decoder, makesSeveral } from '../../pipeline/decoders.ts';
import type { Pipeline } from '../../pipeline/pipeline.ts';
import { copyData, lengthOf, type SourceRecord, withData } from '../../ports/source.ts';
import type { DecodedRecord, Poison, PoisonCode } from '../group/group.ts';
import { MAX_KEY_BYTES } from '../group/key-group.ts';
import {
  BACKSLASH,
  CLOSE_LIST,
  CLOSE_MAP,
  COMMA,
  isBlank,
  MAX_JSON_DEPTH,
  MAX_RECORD_BYTES,
  nesting,
  OPEN_LIST,
  OPEN_MAP,
  QUOTE,
} from './json-bytes.ts';
import { membersIn } from './members.ts';
import { Scanner } from './scan.ts';

/**
 * How many parts of a record may be refused one by one. A record of more is refused as a whole, as each costs
 * many times what it takes to send: a record of two kilobytes can hold a million of them.
 */
export const MAX_REFUSED_PARTS = 10_000;

/** The outcome for one source record, or for a part of it. */
export type DecodedPart =
  | DecodedRecord
  | { readonly outcome: 'filtered' }
  | { readonly outcome: 'poison'; readonly poison: Poison };

/** The outcome for one source record, or for one member of it, with an outcome for each child where expanded. */
type DecodedMember =
  | DecodedPart
  | { readonly outcome: 'expanded'; readonly children: readonly DecodedPart[] };

/** A member of a record, with its own partition key if its producer packed it into the record. */
interface PackedMember {
  readonly partitionKey: string | undefined;
  readonly decoded: DecodedMember;
}

/** The outcome for one source record. A record of several members has an outcome for each of them. */
export type Decoded =
  | DecodedMember
  | { readonly outcome: 'packed'; readonly members: readonly PackedMember[] };

/** A part of a record, and where in the record it stands. */
export interface PlacedPart {
  readonly member: number;
  readonly child: number;
  /** Whether it is a child that `expand` made, and not the whole of the record's member. */
  readonly expanded: boolean;
  readonly partitionKey: string;
  readonly part: DecodedPart;
}

/**
 * Returns the parts of a record: the children of its members, its members, or the record itself. What has no
 * parts, a record without members or a member without children, counts as filtered.
 */
export function placedParts(
  { partitionKey }: Pick<SourceRecord, 'partitionKey'>,
  decoded: Decoded,
): readonly PlacedPart[] {
  if (decoded.outcome !== 'packed') return placedMember(decoded, 0, partitionKey);
  if (decoded.members.length === 0) return placedMember(FILTERED, 0, partitionKey);
  return decoded.members.flatMap((member, at) =>
    placedMember(member.decoded, at, member.partitionKey ?? partitionKey),
  );
}

function placedMember(decoded: DecodedMember, member: number, partitionKey: string): readonly PlacedPart[] {
  const expanded = decoded.outcome === 'expanded';
  const children = expanded ? decoded.children : [decoded];
  if (children.length === 0) return [{ member, child: 0, expanded, partitionKey, part: FILTERED }];
  return children.map((part, child) => ({ member, child, expanded, partitionKey, part }));
}

/**
 * Decodes records in order, a chunk at a time, without side effects. A chunk of none says that a record of
 * many members is under way.
 */
export function* decodeAll(
  pipeline: Pipeline,
  sources: readonly SourceRecord[],
): Generator<readonly Decoded[]> {
  const keys: Keys = new Map();
  const scanner = Scanner.of(pipeline);
  for (let from = 0; from < sources.length; ) {
    const source = sources[from] as SourceRecord;
    if (!isPlain(pipeline, source)) {
      yield [yield* decodeMembers(pipeline, source, keys)];
      from++;
      continue;
    }
    let to = endOfChunk(sources, from);
    for (let at = from + 1; at < to; at++) if (!isPlain(pipeline, sources[at] as SourceRecord)) to = at;
    yield decodePlain(pipeline, sources, from, to, keys, scanner);
    from = to;
  }
}

/** Tells whether the bytes of a record are one JSON text, and nothing else is to be said of it. */
const isPlain = ({ source: { decoder } }: Pipeline, { members, unidentified }: SourceRecord): boolean =>
  members === undefined && !unidentified && decoder.into === 'json' && decoder.unpack.length === 0;

/** The bytes of a member as a record of their own, and its value or its fault where that is known by then. */
interface Found extends SourceRecord {
  readonly known?: { readonly value: unknown } | { readonly poison: DecodedPart };
}

/** Decodes a record member by member. It pauses after each chunk of members. */
function* decodeMembers(
  pipeline: Pipeline,
  record: SourceRecord,
  keys: Keys,
): Generator<readonly never[], Decoded> {
  const { decoder } = pipeline.source;
  if (record.unidentified) {
    return refused('no-id', new Error('the record has no id by which it is known when it comes again'));
  }
  const members: PackedMember[] = [];
  let refusedParts = 0;
  for (const chunk of chunksOf(findMembers(decoder, record))) {
    if (members.length + chunk.length > MAX_PARTS) {
      return refused('decode', new Error(`a record must have at most ${MAX_PARTS} members: it has more`));
    }
    if (members.length > 0) yield [];
    const decoded = chunk.some(({ known }) => known)
      ? chunk.map((member) => decodeFound(pipeline, member, keys))
      : decodeChunk(pipeline, chunk, keys);
    for (let at = 0; at < chunk.length; at++) {
      const partitionKey = record.members && (chunk[at] as Found).partitionKey;
      const member = decoded[at] as DecodedMember;
      members.push({ partitionKey, decoded: member });
      refusedParts += refusedIn(member);
    }
    if (refusedParts > MAX_REFUSED_PARTS) return refused('decode', tooManyRefused('members'));
  }
  const isAlone = record.members === undefined && !makesSeveral(decoder);
  const [first] = members;
  return isAlone && first ? first.decoded : { outcome: 'packed', members };
}

function* chunksOf(members: Iterable<Found>): Generator<readonly Found[]> {
  let chunk: Found[] = [];
  let bytes = 0;
  for (const member of members) {
    chunk.push(member);
    bytes += member.data.length + RECORD_BYTES;
    if (bytes < CHUNK_BYTES) continue;
    yield chunk;
    [chunk, bytes] = [[], 0];
  }
  if (chunk.length > 0) yield chunk;
}

/** How many parts of a member are refused. */
const refusedIn = (member: DecodedMember): number =>
  member.outcome === 'expanded'
    ? member.children.filter(({ outcome }) => outcome === 'poison').length
    : Number(member.outcome === 'poison');

const tooManyRefused = (parts: string): Error =>
  new Error(`a record must have at most ${MAX_REFUSED_PARTS} ${parts} that are refused: it has more`);

function* findMembers(decoder: Decoder, record: SourceRecord): Generator<Found> {
  for (const { partitionKey, data } of record.members ?? [record]) {
    const found = { ...withData(record, data), partitionKey };
    try {
      for (const member of membersIn(decoder, data)) {
        yield member instanceof Uint8Array
          ? { ...found, data: member }
          : { ...found, data: member.bytes, known: { value: answered(member.value) } };
      }
    } catch (error) {
      yield { ...found, known: { poison: refused('decode', error) } };
    }
  }
}

function decodeFound(pipeline: Pipeline, member: Found, keys: Keys): DecodedMember {
  const { known } = member;
  if (known === undefined) return decodeText(pipeline, member, keys);
  return 'poison' in known ? known.poison : decodeValue(pipeline, known.value, member, keys);
}

/** Decodes the records `[from, to)`, whose bytes are one JSON text each: from the bytes themselves where that can be. */
function decodePlain(
  pipeline: Pipeline,
  sources: readonly SourceRecord[],
  from: number,
  to: number,
  keys: Keys,
  scanner: Scanner | undefined,
): readonly DecodedMember[] {
  if (scanner === undefined) return decodeChunk(pipeline, sources.slice(from, to), keys);
  const scanned = scanner.decode(sources, from, to);
  if (!scanned.includes(undefined)) return scanned as readonly DecodedRecord[];
  const left = sources.slice(from, to).filter((_, at) => scanned[at] === undefined);
  const parsed = decodeChunk(pipeline, left, keys).values();
  return scanned.map((one) => one ?? (parsed.next().value as DecodedMember));
}

/** Decodes records whose bytes are one JSON text each, together. */
function decodeChunk(
  pipeline: Pipeline,
  sources: readonly SourceRecord[],
  keys: Keys,
): readonly DecodedMember[] {
  const values = parseTogether(sources);
  if (values === undefined) return sources.map((source) => decodeText(pipeline, source, keys));
  const { inputs } = pipeline.rules;
  const rows = inputs.areNumbers ? new RecordRows(sources.length, inputs.length) : undefined;
  return sources.map((source, at) => decodeValue(pipeline, values[at], source, keys, 0, undefined, rows, at));
}

/** Decodes one record. */
export function decodeRecord(pipeline: Pipeline, source: SourceRecord): Decoded {
  const keys: Keys = new Map();
  if (isPlain(pipeline, source)) return decodeText(pipeline, source, keys);
  const members = decodeMembers(pipeline, source, keys);
  for (;;) {
    const step = members.next();
    if (step.done) return step.value;
  }
}

/** Decodes a record whose bytes are one JSON text. */
function decodeText(pipeline: Pipeline, source: SourceRecord, keys: Keys): DecodedMember {
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

/**
 * The size of a chunk: large enough that a call for each record costs little, and small enough for the
 * fastest memory.
 */
const CHUNK_BYTES = 32_768;

/** What a record counts beside its bytes, as thousands of tiny ones take longer than one of their size. */
const RECORD_BYTES = 16;

function endOfChunk(sources: readonly SourceRecord[], from: number): number {
  let to = from;
  for (let bytes = 0; to < sources.length && bytes < CHUNK_BYTES; to++) {
    bytes += lengthOf(sources[to] as SourceRecord) + RECORD_BYTES;
  }
  return to;
}

/**
 * Parses records together, as one text: a call of `JSON.parse` for each is most of what a small record
 * costs.
 *
 * @returns the value of each record; undefined where one of them is not JSON, not an object or out of
 * bounds, so that they must be decoded one by one
 */
function parseTogether(sources: readonly SourceRecord[]): readonly unknown[] | undefined {
  const length = sources.reduce((total, source) => total + lengthOf(source) + 1, 1);
  if (length > MAX_RECORD_BYTES) return undefined;
  const bytes = new Uint8Array(length);
  bytes[0] = OPEN_LIST;
  let at = 1;
  for (let place = 0; place < sources.length; place++) {
    const source = sources[place] as SourceRecord;
    copyData(source, bytes, at);
    const end = at + lengthOf(source);
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
 * Tells whether the bytes between `from` and `to` begin and end with the same object, apart from blanks, if
 * they are JSON at all, and nest no deeper than they may. Then one record can be neither several values nor
 * a part of one.
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
 * Decodes a parsed value.
 *
 * Whatever is thrown on the way, most often by an author's function, is the record's fault, and has the
 * code of the step. After an `expand` it is the fault of that child alone.
 *
 * @param first the first of the source's steps that is still to be done
 * @param idOf returns the id by which the steps so far know the record
 * @param rows takes what windows read, in this row, where all of it are numbers
 */
function decodeValue(
  pipeline: Pipeline,
  parsed: unknown,
  source: SourceRecord,
  keys: Keys,
  first = 0,
  idOf?: () => string,
  rows?: RecordRows,
  row = 0,
): DecodedMember {
  const { arrival, waitedSince = arrival } = source;
  let step: PoisonCode = 'map';
  try {
    let value = parsed;
    let identify = idOf;
    const { steps } = pipeline.source;
    for (let at = first; at < steps.length; at++) {
      const transform = steps[at] as (typeof steps)[number];
      if ('expand' in transform) {
        step = 'expand';
        const whole = identify;
        return expanded(answered(transform.expand(value as never)), (child, place) =>
          decodeValue(pipeline, child, source, keys, at + 1, whole && (() => `${whole()}\n${place}`)),
        );
      }
      if ('identify' in transform) {
        const identified = value;
        identify = () => checkedText('id', answered(transform.identify(identified as never)), source);
        continue;
      }
      step = 'reshape' in transform ? 'map' : 'schema';
      value =
        'reshape' in transform
          ? answered(transform.reshape(value as never))
          : validated(transform.validate, value);
    }
    step = 'filter';
    if (pipeline.filter && !answered(pipeline.filter(value))) return FILTERED;
    step = 'id';
    const id = identify?.();
    step = 'key';
    const answer = pipeline.key(value);
    const key = keys.get(answer) ?? checkedKey(answer, source, keys, pipeline.fields.key);
    step = 'event-time';
    const at = checkedTime(pipeline.eventTime(value), pipeline.fields.eventTime);
    step = 'future';
    if (at > after(arrival, pipeline.maxFutureSkew)) {
      throw new Error(`the event time ${isoTime(at)} is too far ahead of the arrival, ${isoTime(arrival)}`);
    }
    step = 'past';
    if (pipeline.maxPast !== undefined && after(at, pipeline.maxPast) < waitedSince) {
      throw new Error(`the event time ${isoTime(at)} is too far before the arrival, ${isoTime(waitedSince)}`);
    }
    step = 'select';
    const { inputs } = pipeline.rules;
    const waited = source.waitedSince !== undefined;
    if (rows === undefined || waited)
      return { outcome: 'record', key, record: { at, arrival, waited, values: inputs.read(value) }, id };
    const record = new ParsedRecord(rows, row, key, id);
    rows.numbers[record.begin] = at;
    rows.numbers[record.begin + 1] = arrival;
    inputs.readNumbers(value, rows.numbers, record.begin + 2);
    return record;
  } catch (error) {
    if (error === ANSWERS_LATER) throw error;
    return refused(step, error);
  }
}

const FILTERED: DecodedPart = { outcome: 'filtered' };

/** A record that was parsed, and whose numbers stand in a row. */
class ParsedRecord extends RowRecord implements DecodedRecord {
  readonly key: string;
  readonly id: string | undefined;

  constructor(rows: RecordRows, row: number, key: string, id: string | undefined) {
    super(rows, row);
    this.key = key;
    this.id = id;
  }

  get outcome(): 'record' {
    return 'record';
  }

  get record(): RowRecord {
    return this;
  }
}

/**
 * Decodes the children with which an author's `expand` answers. Where a child is expanded in turn, its
 * children take its place.
 */
function expanded(
  answer: unknown,
  decodeChild: (child: unknown, place: number) => DecodedMember,
): DecodedMember {
  if (!Array.isArray(answer)) {
    const type = answer === null ? 'null' : typeof answer;
    throw new Error(`it answers with ${type}, not with a list of records`);
  }
  const children: DecodedPart[] = [];
  let refusedChildren = 0;
  const take = (child: DecodedPart): void => {
    children.push(child);
    checkChildren(children.length);
    if (child.outcome === 'poison') refusedChildren++;
    if (refusedChildren > MAX_REFUSED_PARTS) throw tooManyRefused('children');
  };
  checkChildren(answer.length);
  for (let at = 0; at < answer.length; at++) {
    const decoded = decodeChild(answer[at], at);
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
  if (result.issues) throw new Error(result.issues.map(issueText).join('; '));
  return result.value;
}

/** Returns the answer of an author's function, and throws if that is a promise. */
function answered<Answer>(answer: Answer): Answer {
  if (isPromise(answer)) throw new Error('it answers with a promise, for which nobody waits');
  return answer;
}

/**
 * Tells whether an answer is a promise. Nobody waits for it, so its failure is caught here: otherwise it
 * would end the process.
 */
function isPromise(answer: unknown): answer is Promise<unknown> {
  try {
    if (!(answer instanceof Promise)) return false;
  } catch {
    // The answer, such as a proxy, lets nobody look at its prototype.
    return false;
  }
  answer.catch(() => {});
  return true;
}

const issueText = ({ path = [], message }: StandardSchemaV1.Issue): string => {
  const names = path.map((part) => String(typeof part === 'object' ? part.key : part));
  return names.length === 0 ? message : `${names.join('.')}: ${message}`;
};

/**
 * The keys of the records so far, by themselves. All records of equal keys then share one text, which is
 * hashed once.
 */
type Keys = Map<unknown, string>;

function checkedKey(answer: unknown, source: SourceRecord, keys: Keys, field: string | undefined): string {
  const key = checkedText('key', answer, source, field);
  // A key that may be a rounded number is not remembered, as it is checked against the digits of each record.
  if (!MAYBE_ROUNDED.test(key)) keys.set(key, key);
  return key;
}

/** Checks what tells records apart: a key or an id. `field` is the name or path by which it was read. */
function checkedText(name: 'key' | 'id', text: unknown, source: SourceRecord, field?: string): string {
  if (typeof text !== 'string') {
    throw new Error(`the ${name}${readBy(field)} is ${typeof answered(text)}, not a string`);
  }
  // A code unit takes at most three bytes, so a short text need not be measured.
  const isTooLong = 3 * text.length > MAX_KEY_BYTES && Buffer.byteLength(text) > MAX_KEY_BYTES;
  if (text === '' || isTooLong || !text.isWellFormed()) {
    const article = name === 'id' ? 'an' : 'a';
    throw new Error(`${article} ${name} must be 1 to ${MAX_KEY_BYTES} bytes of well-formed Unicode`);
  }
  if (MAYBE_ROUNDED.test(text)) checkDigits(name, text, source);
  return text;
}

/** Matches what `String` makes of a whole number past 2^53, not each of which a double can hold. */
const MAYBE_ROUNDED = /\d{16}|\de\+\d/;

/** Matches somewhere in each record that holds such a number, and in few texts that hold digits otherwise. */
const MAYBE_LARGE = /(?<!["\d.])\d{16}|\d[eE]/;

const STRINGS_AND_NUMBERS = /"[^"\\]*(?:\\.[^"\\]*)*"|\d[\d.eE+-]*/g;

/**
 * Refuses a key or an id that holds such a number, unless the record also has its digits in a text. Otherwise
 * two numbers that JSON reads as the same double would become one key, or two records one record.
 */
function checkDigits(name: 'key' | 'id', key: string, { data }: SourceRecord): void {
  const text = Buffer.from(data.buffer, data.byteOffset, data.length).toString('latin1');
  if (!MAYBE_LARGE.test(text)) return;
  const found = text.match(STRINGS_AND_NUMBERS) ?? [];
  for (const number of found) {
    const value = number.startsWith('"') ? 0 : Number(number);
    if (!Number.isInteger(value) || Number.isSafeInteger(value)) continue;
    const shown = [String(value), String(BigInt(value))].find((digits) => key.includes(digits));
    if (shown === undefined || found.some((token) => token.startsWith('"') && token.includes(shown)))
      continue;
    throw new Error(
      `the ${name} holds ${shown}, which was sent as a whole number past 2^53: of these JSON keeps the first digits alone, so send it as a text`,
    );
  }
}

/** Names the field of a value that is refused. */
const readBy = (field: string | undefined): string => (field === undefined ? '' : `, field "${field}",`);

function checkedTime(answer: unknown, field: string | undefined): EpochMillis {
  const at = instantOf(answered(answer));
  if (typeof at !== 'number' || !isInstant(at)) {
    const shown = typeof answer === 'string' ? `"${answer}"` : typeof at === 'number' ? at : typeof answer;
    throw new Error(
      `the event time ${shown}${readBy(field)} is neither whole epoch milliseconds nor an ISO 8601 date-time with a zone`,
    );
  }
  return at;
}

function instantOf(answer: unknown): unknown {
  if (typeof answer === 'string') return parseIsoTime(answer);
  return typeof answer === 'object' &&
    answer !== null &&
    'getTime' in answer &&
    typeof answer.getTime === 'function'
    ? answer.getTime()
    : answer;
}

/** The most characters that a reason has, as a schema may find as many faults as a record has fields. */
const MAX_REASON = 1_000;

/** Returns the beginning of what an error says, whatever was thrown. */
export function messageOf(error: unknown): string {
  try {
    return (error instanceof Error ? String(error.message) : typeof error)
      .slice(0, MAX_REASON)
      .toWellFormed();
  } catch {
    return 'what cannot be shown';
  }
}
