import { deflateRawSync, inflateRawSync } from 'node:zlib';
import { CodecError, decode, encode } from '../core/codec.ts';
import type { StoredKey } from '../core/key.ts';
import type { Plain } from '../core/plain.ts';
import type { Position } from '../core/position.ts';
import type { EpochMillis } from '../core/time.ts';
import type { Pipeline } from '../pipeline/pipeline.ts';
import { ENTRY_LIFETIME, type LogEntry } from '../ports/commit-log.ts';
import { EMPTY_GROUP, type Folded, type Group, type GroupPane } from './group.ts';

/**
 * The body of a key group's entry: a version byte, the length of the state, the state, the panes; both deflated, so that
 * who needs the one never inflates the other.
 */
const VERSION = 1;
const HEADER_BYTES = 5;

/** No state or panes of one entry inflate to more: deflate's worst ratio would make 400 KB of bytes 400 MB. */
const MAX_INFLATED_BYTES = 64 * 1_048_576;

export function encodeEntry(pipeline: Pipeline, folded: Folded): Uint8Array {
  const state = pack([
    signatures(pipeline),
    [...folded.positions],
    [...folded.keys],
    [folded.counters.applied, folded.counters.late, folded.counters.poison],
    folded.poison.map(({ lineage, position }) => [lineage, position]),
  ]);
  const panes = pack(folded.panes as unknown as Plain);
  const body = new Uint8Array(HEADER_BYTES + state.length + panes.length);
  new DataView(body.buffer).setUint8(0, VERSION);
  new DataView(body.buffer).setUint32(1, state.length, true);
  body.set(state, HEADER_BYTES);
  body.set(panes, HEADER_BYTES + state.length);
  return body;
}

/**
 * The group as of an entry. A window that is new begins without state; one that is gone loses its own.
 *
 * @throws CodecError when the body was not written by `encodeEntry`, or by a newer version of it; RangeError when a window
 * has changed under its name, as its panes would be confused with those before
 */
export function decodeGroup(pipeline: Pipeline, entry: LogEntry): Group {
  const [written, positions, keys, [applied, late, poison]] = unpack(sections(entry).state) as unknown as [
    readonly (readonly [name: string, signature: string])[],
    readonly (readonly [string, Position])[],
    readonly (readonly [string, StoredKey])[],
    readonly [number, number, number],
  ];
  const present = signatures(pipeline);
  for (const [name, signature] of written) {
    const now = present.find(([other]) => other === name)?.[1];
    if (now !== undefined && now !== signature) {
      throw new RangeError(
        `Cannot go on with window "${name}" as a window must keep its definition, or get another name: it was ${signature} and is ${now}`,
      );
    }
  }
  const kept = present.map(([name]) => written.findIndex(([other]) => other === name));
  const same = kept.length === written.length && kept.every((from, to) => from === to);
  return {
    ordinal: entry.ordinal,
    committedAt: entry.committedAt,
    positions: new Map(positions),
    keys: new Map(same ? keys : keys.map(([key, stored]) => [key, rearrange(stored, kept)])),
    counters: { applied, late, poison },
  };
}

/** The group as of the last entry of its log. */
export const groupAt = (pipeline: Pipeline, entry: LogEntry | undefined): Group =>
  entry === undefined ? EMPTY_GROUP : decodeGroup(pipeline, entry);

/** The panes that an entry emits, in order. */
export const decodePanes = (entry: LogEntry): readonly GroupPane[] =>
  unpack(sections(entry).panes) as unknown as readonly GroupPane[];

const signatures = (pipeline: Pipeline): readonly (readonly [name: string, signature: string])[] =>
  pipeline.rules.windows.map(({ name, operator }) => [name, operator.signature] as const);

const rearrange = ([max, arrival, watermark, windows]: StoredKey, kept: readonly number[]): StoredKey => [
  max,
  arrival,
  watermark,
  kept.map((from) => windows[from] ?? null),
];

function sections({ body }: LogEntry): { readonly state: Uint8Array; readonly panes: Uint8Array } {
  const view = new DataView(body.buffer, body.byteOffset, body.byteLength);
  if (body.length < HEADER_BYTES || view.getUint8(0) !== VERSION) {
    throw new CodecError(
      `Cannot read an entry of version ${body[0] ?? 'none'}: this code reads version ${VERSION}`,
    );
  }
  const boundary = HEADER_BYTES + view.getUint32(1, true);
  if (boundary > body.length) throw new CodecError('Cannot read an entry that is shorter than it says');
  return { state: body.subarray(HEADER_BYTES, boundary), panes: body.subarray(boundary) };
}

/** Whether the last entry of a log is so old that it must be appended anew, long before it expires. */
export const mustRenew = (last: Pick<Group, 'committedAt'> | undefined, now: EpochMillis): boolean =>
  last?.committedAt !== undefined && now - last.committedAt >= ENTRY_LIFETIME / 4;

/**
 * A value as deflated bytes; used for every log. One that would be refused when it is read stays as large as it is, and so
 * fits no entry.
 */
export function pack(value: Plain): Uint8Array {
  const encoded = encode(value);
  return encoded.length > MAX_INFLATED_BYTES ? encoded : deflateRawSync(encoded, { level: 1 });
}

export function unpack(bytes: Uint8Array): Plain {
  let inflated: Uint8Array;
  try {
    inflated = inflateRawSync(bytes, { maxOutputLength: MAX_INFLATED_BYTES });
  } catch {
    throw new CodecError('Cannot inflate an entry');
  }
  return decode(inflated);
}
