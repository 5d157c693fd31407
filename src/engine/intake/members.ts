import { gunzipSync } from 'node:zlib';
import type { Decoder, LogEvent } from '../../pipeline/decoders.ts';
import {
  BACKSLASH,
  CLOSE_LIST,
  CLOSE_MAP,
  isBlank,
  LINE_FEED,
  MAX_JSON_DEPTH,
  nesting,
  OPEN_LIST,
  OPEN_MAP,
  QUOTE,
} from './json-bytes.ts';

/**
 * How many bytes a record may unpack to: sixteen times what a record may hold, as logs and lines of JSON
 * shrink to a tenth.
 */
export const MAX_UNPACKED_BYTES = 16_777_216;

/** A member as its decoder finds it: the bytes of a JSON text, or a value and the bytes that it stems from. */
export type FoundMember = Uint8Array | { readonly value: unknown; readonly bytes: Uint8Array };

/**
 * Returns the members that a decoder finds in the bytes of a record, one by one.
 *
 * @throws Error when the bytes as a whole are not what the decoder reads; whatever the author's function
 * throws
 */
export function membersIn({ unpack, into }: Decoder, data: Uint8Array): Iterable<FoundMember> {
  const bytes = unpack.reduce((packed, format) => UNPACK[format](packed), data);
  return typeof into === 'function' ? [{ value: into(bytes), bytes: NONE }] : FIND[into](bytes);
}

/** Nobody can tell where in the bytes an author's function finds a number. */
const NONE = new Uint8Array();

const UNPACK: { readonly [Format in Decoder['unpack'][number]]: (packed: Uint8Array) => Uint8Array } = {
  gzip: gunzip,
  base64: fromBase64,
};

const FIND: {
  readonly [Format in Extract<Decoder['into'], string>]: (bytes: Uint8Array) => Iterable<FoundMember>;
} = {
  json: (bytes) => [bytes],
  lines: linesOf,
  texts: textsOf,
  'log-events': logEventsOf,
};

/** What zlib answers with the option `info`, which its types leave out. */
interface Unzipped {
  readonly buffer: Buffer;
  readonly engine: { readonly bytesWritten: number };
}

function gunzip(packed: Uint8Array): Uint8Array {
  const options = { maxOutputLength: MAX_UNPACKED_BYTES, info: true };
  let unzipped: Unzipped;
  try {
    unzipped = gunzipSync(packed, options) as unknown as Unzipped;
  } catch (error) {
    if ((error as { code?: unknown }).code !== 'ERR_BUFFER_TOO_LARGE') throw error;
    throw new Error(`the record unpacks to more than ${MAX_UNPACKED_BYTES} bytes`);
  }
  const rest = packed.length - unzipped.engine.bytesWritten;
  // zlib passes over whatever follows a zero byte after the end.
  if (rest > 0) throw new Error(`${rest} bytes follow the end of the gzip data`);
  return unzipped.buffer;
}

function fromBase64(packed: Uint8Array): Uint8Array {
  const text = Buffer.from(packed.buffer, packed.byteOffset, packed.length).toString('latin1');
  const bare = text.replace(/[ \t\r\n]+/g, '');
  // Buffer.from passes over whatever is not base64.
  if (bare.length % 4 === 1 || !/^[A-Za-z0-9+/]*={0,2}$/.test(bare)) throw new Error('it is not base64');
  return Buffer.from(bare, 'base64');
}

function* linesOf(bytes: Uint8Array): Generator<Uint8Array> {
  for (let from = 0; from < bytes.length; ) {
    const found = bytes.indexOf(LINE_FEED, from);
    const to = found < 0 ? bytes.length : found;
    let [first, end] = [from, to];
    while (first < end && isBlank(bytes[first])) first++;
    while (first < end && isBlank(bytes[end - 1])) end--;
    if (first < end) yield bytes.subarray(first, end);
    from = to + 1;
  }
}

function* textsOf(bytes: Uint8Array): Generator<Uint8Array> {
  for (let at = 0; at < bytes.length; ) {
    if (isBlank(bytes[at])) {
      at++;
      continue;
    }
    const end = endOfText(bytes, at);
    yield bytes.subarray(at, end);
    at = end;
  }
}

/** Returns where the JSON text ends that begins at `from`, if it is one: after a bracket, a quote or a word. */
function endOfText(bytes: Uint8Array, from: number): number {
  let depth = 0;
  for (let at = from; at < bytes.length; at++) {
    const byte = bytes[at];
    if (byte === QUOTE) {
      if (depth === 0 && at > from) return at;
      for (at++; at < bytes.length && bytes[at] !== QUOTE; at++) {
        if (bytes[at] === BACKSLASH) at++;
      }
      if (depth === 0) return Math.min(at + 1, bytes.length);
    } else if (byte === OPEN_MAP || byte === OPEN_LIST) {
      if (depth === 0 && at > from) return at;
      depth++;
    } else if (byte === CLOSE_MAP || byte === CLOSE_LIST) {
      if (--depth <= 0) return at + 1;
    } else if (depth === 0 && isBlank(byte)) {
      return at;
    }
  }
  return bytes.length;
}

const utf8 = new TextDecoder('utf-8', { fatal: true });

/** The envelope that CloudWatch Logs documents for subscription filters. */
interface Envelope extends Omit<LogEvent, 'id' | 'timestamp' | 'message'> {
  readonly messageType: string;
  readonly logEvents: readonly (Partial<LogEvent> | null)[];
}

function* logEventsOf(bytes: Uint8Array): Generator<FoundMember> {
  const text = utf8.decode(bytes);
  // Millions of levels take seconds to parse.
  if (nesting(text) > MAX_JSON_DEPTH) throw new Error(`nested deeper than ${MAX_JSON_DEPTH}`);
  const envelope = JSON.parse(text) as Envelope | null;
  const { messageType, logEvents, owner, logGroup, logStream, subscriptionFilters } = envelope ?? {};
  if (messageType === 'CONTROL_MESSAGE') return;
  if (messageType !== 'DATA_MESSAGE' || !Array.isArray(logEvents)) {
    throw new Error('it is not an envelope of CloudWatch Logs: it has no data message with "logEvents"');
  }
  for (const event of logEvents) {
    const { id, timestamp, message } = event ?? {};
    const value = { id, timestamp, message, owner, logGroup, logStream, subscriptionFilters };
    yield { value, bytes: typeof message === 'string' ? Buffer.from(message) : NONE };
  }
}
