import { deflateRawSync, inflateRawSync } from 'node:zlib';
import { CodecError, decode, decodeTables, encode, encodeTables, frame, unframe } from '../core/codec.ts';
import type { StoredKey } from '../core/key.ts';
import type { Plain } from '../core/plain.ts';
import type { Position } from '../core/position.ts';
import { Table } from '../core/table.ts';
import type { EpochMillis } from '../core/time.ts';
import type { WindowOperator } from '../core/window.ts';
import type { Pipeline } from '../pipeline/pipeline.ts';
import { ENTRY_LIFETIME, type LogEntry } from '../ports/commit-log.ts';
import {
  EMPTY_GROUP,
  type Folded,
  type Group,
  type GroupLayout,
  type GroupPane,
  type GroupRecord,
  type LateRecord,
  listPanes,
} from './group.ts';

/**
 * The body of a key group's entry: a version byte, and framed the state and the panes, each deflated by itself, so that who
 * needs the one never inflates the other. Each is plain data followed by tables.
 */
const VERSION = 2;

/** No state or panes of one entry inflate to more: deflate's worst ratio would make 400 KB of bytes 400 MB. */
const MAX_INFLATED_BYTES = 64 * 1_048_576;

/** A window as an entry holds it: how many tables it has for each key. */
type WrittenWindow = readonly [name: string, signature: string, tables: number];

/** Late records, a list for each of their fields. */
type LateColumns = readonly [
  keys: readonly string[],
  at: readonly EpochMillis[],
  lineages: readonly string[],
  positions: readonly Position[],
  watermarks: readonly EpochMillis[],
];

/** The plain part of a state. */
type WrittenState = readonly [
  windows: readonly WrittenWindow[],
  positions: readonly (readonly [lineage: string, position: Position])[],
  keys: readonly string[],
  counters: readonly [applied: number, late: number, poison: number],
  poison: readonly (readonly [lineage: string, position: Position])[],
  late: LateColumns,
];

type TimesOfKey = readonly [maxEventTime: EpochMillis, lastArrival: EpochMillis, watermark: EpochMillis];

/** The plain part of panes. */
type WrittenPanes = readonly [layouts: readonly WrittenLayout[], keys: readonly string[]];
type WrittenLayout = readonly [
  name: string,
  identity: GroupLayout['identity'],
  ordered: boolean,
  results: GroupLayout['results'],
];

/** The body of an entry; too large for one where it holds more than could be read back. */
export function encodeEntry(pipeline: Pipeline, folded: Folded): Uint8Array {
  const framed = frame([
    section(() => [encode(stateOf(pipeline, folded) as unknown as Plain), stateTables(pipeline, folded)]),
    section(() => [encode(panesOf(folded) as unknown as Plain), paneTables(folded)]),
  ]);
  const body = new Uint8Array(1 + framed.length);
  body[0] = VERSION;
  body.set(framed, 1);
  return body;
}

function section(parts: () => readonly [Uint8Array, Uint8Array]): Uint8Array {
  try {
    return deflate(joined(...parts()));
  } catch (error) {
    if (error instanceof CodecError) return new Uint8Array(MAX_INFLATED_BYTES);
    throw error;
  }
}

const stateOf = (pipeline: Pipeline, { positions, keys, counters, poison, late }: Folded): WrittenState => [
  pipeline.rules.windows.map(({ name, operator }) => [name, operator.signature, operator.layout.length]),
  [...positions],
  [...keys.keys()],
  [counters.applied, counters.late, counters.poison],
  poison.map(({ lineage, position }) => [lineage, position]),
  [
    late.map(({ key }) => key),
    late.map(({ at }) => at),
    late.map(({ lineage }) => lineage),
    late.map(({ position }) => position),
    late.map(({ watermark }) => watermark),
  ],
];

/** Of each key its times, and then its windows' tables, in the order of the pipeline's windows. */
function stateTables({ rules }: Pipeline, folded: Folded): Uint8Array {
  const keys = [...folded.keys.values()];
  const slots = rules.windows.flatMap(({ operator }, at) =>
    operator.layout.map(({ width, plainWidth }, place) => {
      const none = new Table(width, plainWidth);
      return keys.map(({ windows }) => windows[at]?.[place] ?? none);
    }),
  );
  return encodeTables([keys.map(timesOf), ...slots]);
}

const timesOf = ({ maxEventTime, lastArrival, watermark }: StoredKey): Table => {
  const times = new Table(3, 0, 1);
  times.numbers.set([maxEventTime, lastArrival, watermark] satisfies TimesOfKey);
  times.rows = 1;
  return times;
};

const panesOf = ({ panes }: Folded): WrittenPanes => [
  panes.layouts.map(({ name, identity, ordered, results }) => [name, identity, ordered, results]),
  panes.keys,
];

const paneTables = ({ panes }: Folded): Uint8Array => encodeTables(panes.tables.map((table) => [table]));

/**
 * The group as of an entry. A window that is new begins without state; one that is gone loses its own.
 *
 * @throws CodecError when the body was not written by `encodeEntry`, or by a newer version of it; RangeError when a window
 * has changed under its name, as its panes would be confused with those before
 */
export function decodeGroup(pipeline: Pipeline, entry: LogEntry): Group {
  const [plain, tables] = sections(entry).state();
  const [written, positions, names, [applied, late, poison]] = decode(plain) as unknown as WrittenState;
  const [times = [], ...slots] = decodeTables(tables);
  const stored = pipeline.rules.windows.map(({ name, operator }) => {
    const at = written.findIndex(([other]) => other === name);
    if (at < 0) return undefined;
    const [, signature, count] = written[at] as WrittenWindow;
    if (signature !== operator.signature) {
      throw new RangeError(
        `Cannot go on with window "${name}" as a window must keep its definition, or get another name: it was ${signature} and is ${operator.signature}`,
      );
    }
    const before = written.slice(0, at).reduce((total, [, , other]) => total + other, 0);
    const own = slots.slice(before, before + count);
    if (!isLaidOut(own, operator, names.length)) {
      throw new CodecError(`Cannot read window "${name}" as its tables must be those that its kind stores`);
    }
    return own;
  });
  const keys = names.map((key, at): [string, StoredKey] => {
    const [maxEventTime, lastArrival, watermark] = (times[at] as Table).numbers as unknown as TimesOfKey;
    const windows = stored.map((own) => own?.map((slot) => slot[at] as Table));
    return [key, { maxEventTime, lastArrival, watermark, windows }];
  });
  return {
    ordinal: entry.ordinal,
    committedAt: entry.committedAt,
    positions: new Map(positions),
    keys: new Map(keys),
    counters: { applied, late, poison },
  };
}

const isLaidOut = (slots: readonly (readonly Table[])[], { layout }: WindowOperator, keys: number): boolean =>
  slots.length === layout.length &&
  layout.every(({ width, plainWidth }, at) => {
    const slot = slots[at] as readonly Table[];
    return (
      slot.length === keys && slot.every((table) => table.width === width && table.plainWidth === plainWidth)
    );
  });

/** The group as of the last entry of its log. */
export const groupAt = (pipeline: Pipeline, entry: LogEntry | undefined): Group =>
  entry === undefined ? EMPTY_GROUP : decodeGroup(pipeline, entry);

/** The panes that an entry emits, in order, whatever pipeline it was written by. */
export function decodePanes(entry: LogEntry): readonly GroupPane[] {
  const [plain, tables] = sections(entry).panes();
  const [layouts, keys] = decode(plain) as unknown as WrittenPanes;
  return listPanes({
    keys,
    layouts: layouts.map(([name, identity, ordered, results]) => ({ name, identity, ordered, results })),
    tables: decodeTables(tables).flat(),
  });
}

/** The records that an entry moved past and did not take in. */
export function decodeLedger(entry: LogEntry): {
  readonly poison: readonly Pick<GroupRecord, 'lineage' | 'position'>[];
  readonly late: readonly LateRecord[];
} {
  const [plain] = sections(entry).state();
  const [, , , , poison, [keys, at, lineages, positions, watermarks]] = decode(
    plain,
  ) as unknown as WrittenState;
  return {
    poison: poison.map(([lineage, position]) => ({ lineage, position })),
    late: keys.map(
      (key, n) =>
        ({
          key,
          at: at[n],
          lineage: lineages[n],
          position: positions[n],
          watermark: watermarks[n],
        }) as LateRecord,
    ),
  };
}

/** The sections of an entry, inflated when they are asked for. */
function sections({ body }: LogEntry) {
  if (body[0] !== VERSION) {
    throw new CodecError(
      `Cannot read an entry of version ${body[0] ?? 'none'}: this code reads version ${VERSION}`,
    );
  }
  const [state, panes, ...others] = unframe(body.subarray(1));
  if (state === undefined || panes === undefined || others.length > 0) {
    throw new CodecError('Cannot read an entry as it must have two sections');
  }
  return { state: () => parted(inflate(state)), panes: () => parted(inflate(panes)) };
}

/** Whether the last entry of a log is so old that it must be appended anew, long before it expires. */
export const mustRenew = (last: Pick<Group, 'committedAt'> | undefined, now: EpochMillis): boolean =>
  last?.committedAt !== undefined && now - last.committedAt >= ENTRY_LIFETIME / 4;

/** A value as deflated bytes, for every log but those of groups. */
export const pack = (value: Plain): Uint8Array => deflate(encode(value));

export const unpack = (bytes: Uint8Array): Plain => decode(inflate(bytes));

const LENGTH_BYTES = 4;

/** Two strings of bytes as one, and back. */
function joined(first: Uint8Array, second: Uint8Array): Uint8Array {
  const both = new Uint8Array(LENGTH_BYTES + first.length + second.length);
  new DataView(both.buffer).setUint32(0, first.length, true);
  both.set(first, LENGTH_BYTES);
  both.set(second, LENGTH_BYTES + first.length);
  return both;
}

function parted(both: Uint8Array): readonly [Uint8Array, Uint8Array] {
  if (both.length < LENGTH_BYTES) throw new CodecError('Cannot read an entry that is shorter than it says');
  const boundary =
    LENGTH_BYTES + new DataView(both.buffer, both.byteOffset, both.byteLength).getUint32(0, true);
  if (boundary > both.length) throw new CodecError('Cannot read an entry that is shorter than it says');
  return [both.subarray(LENGTH_BYTES, boundary), both.subarray(boundary)];
}

/** What would be refused when it is read stays as large as it is, and so fits no entry. */
const deflate = (bytes: Uint8Array): Uint8Array =>
  bytes.length > MAX_INFLATED_BYTES ? bytes : deflateRawSync(bytes, { level: 1 });

function inflate(bytes: Uint8Array): Uint8Array {
  try {
    return inflateRawSync(bytes, { maxOutputLength: MAX_INFLATED_BYTES });
  } catch {
    throw new CodecError('Cannot inflate an entry');
  }
}
