import type { StandardSchemaV1 } from '@standard-schema/spec';
import type { KeyRecord } from '../core/key.ts';
import { after, type EpochMillis, isInstant, isoTime, parseIsoTime } from '../core/time.ts';
import type { Pipeline } from '../pipeline/pipeline.ts';
import type { SourceRecord } from '../ports/source.ts';

/** The bounds of what is decoded: Kinesis' own for a record, and twice what any hand-written JSON nests. */
export const MAX_RECORD_BYTES = 1_048_576;
export const MAX_JSON_DEPTH = 64;
export const MAX_KEY_BYTES = 1_024;

/** What became of one source record. */
export type Decoded =
  | { readonly outcome: 'record'; readonly key: string; readonly record: KeyRecord }
  | { readonly outcome: 'filtered' }
  | { readonly outcome: 'poison'; readonly poison: Poison };

/** Why a record is refused. The reason may quote the record: it is kept beside the record, and nowhere else. */
export interface Poison {
  readonly code: PoisonCode;
  readonly reason: string;
}

export type PoisonCode =
  | 'too-large'
  | 'not-json'
  | 'too-deep'
  | 'schema'
  | 'map'
  | 'filter'
  | 'key'
  | 'event-time'
  | 'future'
  | 'select'
  | 'fold'
  | 'no-room';

class Refused extends Error {
  readonly poison: Poison;
  constructor(code: PoisonCode, reason: string) {
    super(reason);
    this.poison = { code, reason };
  }
}

/** The record for its key's windows, if it is one. No side effects. */
export function decode(pipeline: Pipeline, source: SourceRecord): Decoded {
  try {
    const value = reshape(pipeline, parse(source.data));
    if (pipeline.filter && !run('filter', () => pipeline.filter?.(value))) return { outcome: 'filtered' };
    const key = keyOf(pipeline, value);
    const at = eventTimeOf(pipeline, value, source.arrival);
    const values = run('select', () => pipeline.rules.inputs.read(value));
    return { outcome: 'record', key, record: { at, arrival: source.arrival, values } };
  } catch (error) {
    if (error instanceof Refused) return { outcome: 'poison', poison: error.poison };
    throw error;
  }
}

const utf8 = new TextDecoder('utf-8', { fatal: true });

function parse(data: Uint8Array): unknown {
  if (data.length > MAX_RECORD_BYTES) {
    throw new Refused(
      'too-large',
      `the record is ${data.length} bytes; at most ${MAX_RECORD_BYTES} are read`,
    );
  }
  try {
    const text = utf8.decode(data);
    if (nesting(text) > MAX_JSON_DEPTH) throw new Refused('too-deep', `nested deeper than ${MAX_JSON_DEPTH}`);
    return JSON.parse(text);
  } catch (error) {
    throw error instanceof Refused ? error : new Refused('not-json', messageOf(error));
  }
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

const QUOTE = 0x22;
const BACKSLASH = 0x5c;
const OPEN_LIST = 0x5b;
const CLOSE_LIST = 0x5d;
const OPEN_MAP = 0x7b;
const CLOSE_MAP = 0x7d;

function reshape(pipeline: Pipeline, value: unknown): unknown {
  return pipeline.source.steps.reduce((record, step) => {
    if ('reshape' in step) return run('map', () => step.reshape(record as never));
    const result = run('schema', () => step.validate['~standard'].validate(record));
    if (result instanceof Promise) {
      throw new TypeError(
        'Cannot validate with a schema that answers later as records are folded in order, at once',
      );
    }
    if (result.issues) throw new Refused('schema', result.issues.map(told).join('; '));
    return result.value;
  }, value);
}

const told = ({ path = [], message }: StandardSchemaV1.Issue): string => {
  const names = path.map((part) => String(typeof part === 'object' ? part.key : part));
  return names.length === 0 ? message : `${names.join('.')}: ${message}`;
};

function keyOf(pipeline: Pipeline, value: unknown): string {
  const key = run('key', () => pipeline.key(value));
  if (typeof key !== 'string') throw new Refused('key', `the key is ${typeof key}, not a string`);
  if (key === '' || !key.isWellFormed() || Buffer.byteLength(key) > MAX_KEY_BYTES) {
    throw new Refused('key', `a key must be 1 to ${MAX_KEY_BYTES} bytes of well-formed Unicode`);
  }
  return key;
}

function eventTimeOf(pipeline: Pipeline, value: unknown, arrival: EpochMillis): EpochMillis {
  const given = run('event-time', () => pipeline.eventTime(value));
  const at = run('event-time', () => instantOf(given));
  if (typeof at !== 'number' || !isInstant(at)) {
    const shown = typeof given === 'string' ? `"${given}"` : typeof at === 'number' ? at : typeof given;
    throw new Refused(
      'event-time',
      `the event time ${shown} is neither whole epoch milliseconds nor an ISO 8601 date-time with a zone`,
    );
  }
  if (at > after(arrival, pipeline.maxFutureSkew)) {
    throw new Refused(
      'future',
      `the event time ${isoTime(at)} is too far ahead of the arrival, ${isoTime(arrival)}`,
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

/** Runs an author's function: what it throws is the record's fault. */
function run<Result>(code: PoisonCode, step: () => Result): Result {
  try {
    return step();
  } catch (error) {
    throw new Refused(code, messageOf(error));
  }
}

/** What an error says, whatever was thrown. */
export function messageOf(error: unknown): string {
  try {
    return error instanceof Error ? String(error.message) : typeof error;
  } catch {
    return 'what cannot be shown';
  }
}
