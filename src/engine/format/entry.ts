import { CodecError, decode, encode, frame, unframe } from '../../core/codec.ts';
import type { Plain } from '../../core/plain.ts';
import type { Position } from '../../core/position.ts';
import type { EpochMillis } from '../../core/time.ts';
import { type LogEntry, LogLostError } from '../../ports/commit-log.ts';
import { type Deployment, OutdatedError } from '../group/deployment.ts';
import {
  type Base,
  type Counters,
  type Group,
  type GroupPane,
  type GroupPanes,
  type GroupRecord,
  type LateRecord,
  listPanes,
  type Reached,
} from '../group/group.ts';
import { deflate, inflate } from './packed.ts';
import { readPanesOf, writePanes } from './pane-columns.ts';

/**
 * The body of a key group's entry: a version byte, and framed the state and the panes, each deflated by itself, so that who
 * needs the one never inflates the other. Each is plain data followed by tables.
 *
 * The state is that of the whole group (a snapshot), or what has changed since the entry before (a delta): of each key that
 * was touched, what its tables lost at the front and what was put at their ends.
 */
const VERSION = 4;

/** A window as an entry holds it: what it is, when it began, and how many tables it has for each key. */
export type WrittenWindow = readonly [name: string, signature: string, epoch: number, tables: number];

/** Late records, a list for each of their fields; and the windows that refused any, which `refusing` has the places of. */
type LateColumns = readonly [
  keys: readonly string[],
  at: readonly EpochMillis[],
  lineages: readonly string[],
  positions: readonly Position[],
  watermarks: readonly EpochMillis[],
  refusing: readonly (readonly number[])[],
  applied: readonly boolean[],
  windows: readonly string[],
];

/** Written with the names of windows, as by the time that it is read the code may have others. */
export function writtenLate(late: readonly LateRecord[]): LateColumns {
  const windows = [...new Set(late.flatMap((one) => one.windows))];
  const places = new Map(windows.map((window, place) => [window, place]));
  return [
    late.map(({ key }) => key),
    late.map(({ at }) => at),
    late.map(({ lineage }) => lineage),
    late.map(({ position }) => position),
    late.map(({ watermark }) => watermark),
    late.map((one) => one.windows.map((window) => places.get(window) as number)),
    late.map(({ applied }) => applied),
    windows,
  ];
}

type WrittenCounters = readonly [
  applied: number,
  lateForAll: number,
  poison: number,
  late: readonly (readonly [window: string, count: number])[],
];

export const writtenCounters = ({ applied, lateForAll, poison, late }: Counters): WrittenCounters => [
  applied,
  lateForAll,
  poison,
  Object.entries(late),
];

export const countersOf = ([applied, lateForAll, poison, late]: WrittenCounters): Counters => ({
  applied,
  lateForAll,
  poison,
  late: Object.fromEntries(late),
});

export type WrittenReached = readonly (readonly [
  lineage: string,
  position: Position,
  arrival: EpochMillis,
])[];

/**
 * The plain part of a state.
 *
 * `version` is that of the definition, `base` the ordinal of the last snapshot: its own, if it is one. A snapshot says
 * everything; a delta what differs: `changed` and `gone` are places among the names before it, `keys` are those that are new.
 */
export type WrittenState = readonly [
  version: number,
  base: number,
  sealed: boolean,
  windows: readonly WrittenWindow[],
  positions: WrittenReached,
  forgotten: readonly string[],
  changed: readonly number[],
  gone: readonly number[],
  keys: readonly string[],
  inherited: readonly (readonly [groups: number, group: number, positions: WrittenReached])[],
  counters: WrittenCounters,
  poison: readonly (readonly [lineage: string, position: Position])[],
  poisonObject: string | null,
  late: LateColumns,
  /** Of the times of a key after the first, whether they are written as what they are above that. */
  related: readonly boolean[],
];
const [BASE, POSITIONS, COUNTERS, POISON, POISON_OBJECT, LATE] = [1, 4, 10, 11, 12, 13] as const;
export const RELATED = 14;

/** The body of a state and panes. */
export function bodyOf(state: Uint8Array, emitted: GroupPanes): Uint8Array {
  const panes = section(writePanes(emitted));
  const framed = frame([state, panes]);
  const body = new Uint8Array(1 + framed.length);
  body[0] = VERSION;
  body.set(framed, 1);
  return body;
}

/** Plain data and the tables beside it, which weigh no more than a section may. */
export const section = ([plain, tables]: readonly [plain: Plain, tables: Uint8Array]): Uint8Array =>
  deflate(joined(encode(plain), tables));

/** A snapshot as what is read first, and with an entry after it. */
export const newBase = ({ ordinal, committedAt }: LogEntry, state: Uint8Array): Base => ({
  ordinal,
  committedAt,
  stateBytes: state.length,
  tailBytes: 0,
});

export const withTail = (base: Base, { body }: LogEntry): Base => ({
  ...base,
  tailBytes: base.tailBytes + body.length,
});

export const writtenWindows = ({ pipeline, epochs }: Deployment): WrittenWindow[] =>
  pipeline.rules.windows.map(({ name, operator }, at) => [
    name,
    operator.signature,
    epochs[at] as number,
    operator.layout.length,
  ]);

/** The ordinal at which reading of an entry's group must begin. */
export const baseOf = (entry: LogEntry): number => wellFormed(entry, () => writtenOf(entry)[BASE]);

/** Reads an entry: whatever else fails on contents that nothing here wrote says so. */
export function wellFormed<Result>({ ordinal }: LogEntry, read: () => Result): Result {
  try {
    return read();
  } catch (error) {
    if ([CodecError, LogLostError, OutdatedError].some((known) => error instanceof known)) throw error;
    throw new CodecError(`Cannot read entry ${ordinal} as its contents must be those of an entry`, {
      cause: error,
    });
  }
}

export const reachedOf = (written: WrittenReached): (readonly [string, Reached])[] =>
  written.map(([lineage, position, arrival]) => [lineage, { position, arrival }]);

/** The panes that an entry emits, in order, whatever pipeline it was written by. */
export function decodePanes(entry: LogEntry): readonly GroupPane[] {
  return wellFormed(entry, () => {
    const [plain, tables] = parted(inflate(sectionsOf(entry)[1]));
    return listPanes(readPanesOf(decode(plain), tables));
  });
}

/** What an entry says of its group's records. */
export interface Ledger {
  readonly counters: Group['counters'];
  /** Of an ordered source, those that moved; of a snapshot, all. */
  readonly positions: Group['positions'];
  /** The records that it moved past and did not take in; of those that came late, also the ones that some window took. */
  readonly poison: readonly Pick<GroupRecord, 'lineage' | 'position'>[];
  /** What holds the refused ones, as lines; undefined where there are none. */
  readonly poisonObject: string | undefined;
  readonly late: readonly LateRecord[];
}

export function decodeLedger(entry: LogEntry): Ledger {
  return wellFormed(entry, () => ledgerOf(writtenOf(entry)));
}

function ledgerOf(written: WrittenState): Ledger {
  const [keys, at, lineages, positions, watermarks, refusing, applied, windows] = written[LATE];
  return {
    counters: countersOf(written[COUNTERS]),
    positions: new Map(reachedOf(written[POSITIONS])),
    poison: written[POISON].map(([lineage, position]) => ({ lineage, position })),
    poisonObject: written[POISON_OBJECT] ?? undefined,
    late: keys.map(
      (key, n) =>
        ({
          key,
          at: at[n],
          lineage: lineages[n],
          position: positions[n],
          watermark: watermarks[n],
          windows: refusing[n]?.map((place) => windows[place]),
          applied: applied[n],
        }) as LateRecord,
    ),
  };
}

const writtenOf = (entry: LogEntry): WrittenState => stateOf(entry).written;

/** The state of an entry: its plain part, its tables, and how it stands there. */
export function stateOf(entry: LogEntry) {
  const [state] = sectionsOf(entry);
  const [written, tables] = parted(inflate(state));
  return { written: decode(written) as unknown as WrittenState, tables, state };
}

function sectionsOf({ body }: LogEntry): readonly [state: Uint8Array, panes: Uint8Array] {
  if (body[0] !== VERSION) {
    throw new CodecError(
      `Cannot read an entry of version ${body[0] ?? 'none'}: this code reads version ${VERSION}`,
    );
  }
  const [state, panes, ...others] = unframe(body.subarray(1));
  if (state === undefined || panes === undefined || others.length > 0) {
    throw new CodecError('Cannot read an entry as it must have two sections');
  }
  return [state, panes];
}

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
