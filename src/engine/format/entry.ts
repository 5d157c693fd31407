import { CodecError, decode, encode, frame, unframe } from '../../core/codec.ts';
import type { Plain } from '../../core/plain.ts';
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
import {
  COUNTERS,
  LATE,
  REACHED,
  REFUSED_RECORD,
  STATE,
  type WrittenCounters,
  type WrittenLate,
  type WrittenState,
  type WrittenWindow,
} from './layout.ts';
import { deflate, inflate } from './packed.ts';
import { readPanesOf, writePanes } from './pane-columns.ts';
import type { Placed } from './places.ts';

/**
 * The body of a key group's entry is a version byte and, framed, the state and the panes. Each is deflated by
 * itself, so that a reader of one never inflates the other. Each is plain data followed by tables.
 *
 * The state is that of the whole group (a snapshot), or what has changed since the entry before (a delta):
 * for each key that was touched, which rows its tables lost at the front and which were appended.
 */
const VERSION = 6;

/**
 * Writes late records with the names of their windows, as the code that reads them may have other windows.
 */
export function writtenLate(late: readonly LateRecord[]): Placed<WrittenLate> {
  const windows = [...new Set(late.flatMap((record) => record.windows))];
  const places = new Map(windows.map((window, place) => [window, place]));
  return LATE.write({
    keys: late.map(({ key }) => key),
    at: late.map(({ at }) => at),
    lineages: late.map(({ lineage }) => lineage),
    positions: late.map(({ position }) => position),
    watermarks: late.map(({ watermark }) => watermark),
    refusing: late.map((record) => record.windows.map((window) => places.get(window) as number)),
    applied: late.map(({ applied }) => applied),
    windows,
  });
}

export const writtenCounters = (counters: Counters): Placed<WrittenCounters> =>
  COUNTERS.write({ ...counters, late: Object.entries(counters.late) });

export function countersOf(written: Placed<WrittenCounters>): Counters {
  const { applied, lateForAll, poison, late } = COUNTERS.read(written);
  return { applied, lateForAll, poison, late: Object.fromEntries(late) };
}

/** Returns the body of a state and panes. */
export function bodyOf(state: Uint8Array, emitted: GroupPanes): Uint8Array {
  const panes = section(writePanes(emitted));
  const framed = frame([state, panes]);
  const body = new Uint8Array(1 + framed.length);
  body[0] = VERSION;
  body.set(framed, 1);
  return body;
}

/** Writes plain data and the tables beside it as one section. They may not be larger than a section may. */
export const section = ([plain, tables]: readonly [plain: Plain, tables: Uint8Array]): Uint8Array =>
  deflate(joined(encode(plain), tables));

/** Describes a snapshot as the entry that is read first, with one entry after it. */
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

export const windowsOf = ({ pipeline, epochs }: Deployment): WrittenWindow[] =>
  pipeline.rules.windows.map(({ name, operator: { signature, layout } }, at) => ({
    name,
    signature,
    epoch: epochs[at] as number,
    tables: layout.length,
  }));

/** Returns the ordinal from which a reader of an entry's group must begin. */
export const baseOf = (entry: LogEntry): number => wellFormed(entry, () => stateOf(entry).written.base);

/** Reads an entry. Any failure on contents that nothing here wrote becomes an error that says so. */
export function wellFormed<Result>({ ordinal }: LogEntry, read: () => Result): Result {
  try {
    return read();
  } catch (error) {
    if ([CodecError, LogLostError, OutdatedError].some((kind) => error instanceof kind)) throw error;
    throw new CodecError(`Cannot read entry ${ordinal} as its contents must be those of an entry`, {
      cause: error,
    });
  }
}

export const reachedOf = (written: WrittenState['positions']): (readonly [string, Reached])[] =>
  written.map(REACHED.read).map(({ lineage, position, arrival }) => [lineage, { position, arrival }]);

/** Returns the panes that an entry emits, in order, whatever pipeline wrote it. */
export function decodePanes(entry: LogEntry): readonly GroupPane[] {
  return wellFormed(entry, () => {
    const [plain, tables] = parted(inflate(sectionsOf(entry)[1]));
    return listPanes(readPanesOf(decode(plain), tables));
  });
}

/** What an entry says of its group's records. */
export interface Ledger {
  readonly counters: Group['counters'];
  /** For an ordered source, the positions that moved; in a snapshot, all positions. */
  readonly positions: Group['positions'];
  /**
   * The refused records that it moved past without taking them in. The late records include those that some
   * window took.
   */
  readonly poison: readonly Pick<GroupRecord, 'lineage' | 'position'>[];
  /** The object that holds the refused records, as lines; undefined where there are none. */
  readonly poisonObject: string | undefined;
  readonly late: readonly LateRecord[];
}

export function decodeLedger(entry: LogEntry): Ledger {
  return wellFormed(entry, () => ledgerOf(stateOf(entry).written));
}

function ledgerOf({ counters, positions, poison, poisonObject, late }: WrittenState): Ledger {
  const columns = LATE.read(late);
  return {
    counters: countersOf(counters),
    positions: new Map(reachedOf(positions)),
    poison: poison.map(REFUSED_RECORD.read),
    poisonObject: poisonObject ?? undefined,
    late: columns.keys.map(
      (key, n) =>
        ({
          key,
          at: columns.at[n],
          lineage: columns.lineages[n],
          position: columns.positions[n],
          watermark: columns.watermarks[n],
          windows: columns.refusing[n]?.map((place) => columns.windows[place]),
          applied: columns.applied[n],
        }) as LateRecord,
    ),
  };
}

/** Returns the state of an entry: its plain part, its tables, and how it is stored there. */
export function stateOf(entry: LogEntry) {
  const [state] = sectionsOf(entry);
  const [written, tables] = parted(inflate(state));
  return { written: STATE.read(decode(written) as unknown as Placed<WrittenState>), tables, state };
}

function sectionsOf({ body }: LogEntry): readonly [state: Uint8Array, panes: Uint8Array] {
  if (body[0] !== VERSION) {
    throw new CodecError(
      `Cannot read an entry of format ${body[0] ?? 'none'} as this code reads format ${VERSION} alone: give the pipeline another name, so that it begins anew, or run it with the release that wrote the entry`,
    );
  }
  const [state, panes, ...others] = unframe(body.subarray(1));
  if (state === undefined || panes === undefined || others.length > 0) {
    throw new CodecError('Cannot read an entry as it must have two sections');
  }
  return [state, panes];
}

const LENGTH_BYTES = 4;

/** Joins two strings of bytes into one; `parted` undoes it. */
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
