import {
  CodecError,
  decode,
  decodeTables,
  encode,
  encodeRows,
  frame,
  type Rows,
  rowsOf,
  unframe,
} from '../core/codec.ts';
import { cutOf, patched } from '../core/delta.ts';
import type { StoredKey } from '../core/key.ts';
import type { Plain } from '../core/plain.ts';
import type { Position } from '../core/position.ts';
import { relate, unrelate } from '../core/related.ts';
import { Table } from '../core/table.ts';
import type { EpochMillis } from '../core/time.ts';
import { type LogEntry, LogLostError } from '../ports/commit-log.ts';
import { type Deployment, OutdatedError } from './deployment.ts';
import {
  type Base,
  EMPTY_GROUP,
  type Folded,
  type Group,
  type GroupPane,
  type GroupRecord,
  type LateRecord,
  listPanes,
  type Reached,
} from './group.ts';
import { ID_WIDTH, REFUSED } from './news.ts';
import { deflate, inflate, MAX_INFLATED_BYTES, mustRenew } from './packed.ts';
import { readPanesOf, writePanes } from './pane-columns.ts';

/**
 * The body of a key group's entry: a version byte, and framed the state and the panes, each deflated by itself, so that who
 * needs the one never inflates the other. Each is plain data followed by tables.
 *
 * The state is that of the whole group (a snapshot), or what has changed since the entry before (a delta): of each key that
 * was touched, what its tables lost at the front and what was put at their ends.
 */
const VERSION = 3;

/** What the state of a group may take up as a whole, so that panes have room beside it. */
export const MAX_STATE_BYTES = 14_000_000;

/**
 * A snapshot is due once the entries since the last are so many times its size. To write a kilobyte costs twenty times what
 * it costs to read one, and each cold start reads the tail: so deltas cost at most a quarter more for the snapshots among
 * them, and a cold start reads at most five times the state.
 */
const TAIL_PER_STATE = 4;

/** However small they are: what one cold start decodes. */
const MAX_TAIL_ENTRIES = 128;

/** A window as an entry holds it: what it is, when it began, and how many tables it has for each key. */
type WrittenWindow = readonly [name: string, signature: string, epoch: number, tables: number];

/** Late records, a list for each of their fields. */
type LateColumns = readonly [
  keys: readonly string[],
  at: readonly EpochMillis[],
  lineages: readonly string[],
  positions: readonly Position[],
  watermarks: readonly EpochMillis[],
];

type WrittenReached = readonly (readonly [lineage: string, position: Position, arrival: EpochMillis])[];

/**
 * The plain part of a state.
 *
 * `version` is that of the definition, `base` the ordinal of the last snapshot: its own, if it is one. A snapshot says
 * everything; a delta what differs: `changed` and `gone` are places among the names before it, `keys` are those that are new.
 */
type WrittenState = readonly [
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
  counters: readonly [applied: number, late: number, poison: number],
  poison: readonly (readonly [lineage: string, position: Position])[],
  late: LateColumns,
  /** Of the times of a key after the first, whether they are written as what they are above that. */
  related: readonly boolean[],
];
const [BASE, POSITIONS, COUNTERS, POISON, LATE, RELATED] = [1, 4, 10, 11, 12, 13] as const;

/** An entry to be appended to a group's log, and the group as of it. */
export interface Appendable {
  readonly entry: LogEntry;
  readonly group: Group;
}

/**
 * What a fold comes to as the next entry: a delta, or where that is due, or no larger, a snapshot. The body is too large for
 * any log where it holds more than could be read back.
 */
export function nextEntry(
  deployment: Deployment,
  before: Group,
  folded: Folded,
  committedAt: EpochMillis,
  { sealed = false } = {},
): Appendable {
  const ordinal = before.ordinal + 1;
  const { version } = deployment.pipeline;
  const due = sealed || snapshotDue(before, version, committedAt);
  const delta = due ? undefined : deltaFrom(deployment, before, folded);
  const { base } = before;
  const isDelta = delta !== undefined && base !== undefined;
  const keys = isDelta ? delta : snapshotOf(deployment, folded);
  const state = isDelta
    ? writeState(deployment, before, folded, keys, base.ordinal)
    : writeState(deployment, EMPTY_GROUP, folded, keys, ordinal, sealed);
  const panes = section(() => {
    const [plain, tables] = writePanes(folded.panes);
    return [encode(plain), tables];
  });
  const framed = frame([state, panes]);
  const body = new Uint8Array(1 + framed.length);
  body[0] = VERSION;
  body.set(framed, 1);
  const entry = { ordinal, committedAt, body };
  return {
    entry,
    group: {
      ordinal,
      committedAt,
      version,
      sealed,
      base: isDelta ? withTail(base, entry) : newBase(entry, state),
      positions: folded.positions,
      inherited: folded.inherited,
      keys: folded.keys,
      ids: folded.ids,
      counters: folded.counters,
      mostBytes: keys.mostBytes,
    },
  };
}

const newBase = ({ ordinal, committedAt }: LogEntry, state: Uint8Array): Base => ({
  ordinal,
  committedAt,
  stateBytes: state.length,
  tailBytes: 0,
});

const withTail = (base: Base, { body }: LogEntry): Base => ({
  ...base,
  tailBytes: base.tailBytes + body.length,
});

function writeState(
  deployment: Deployment,
  before: Group,
  { positions, inherited, counters, poison, late }: Folded,
  { changed, gone, keys, times, cuts, slots }: WrittenKeys,
  base: number,
  sealed = false,
): Uint8Array {
  const written: WrittenState = [
    deployment.pipeline.version,
    base,
    sealed,
    before === EMPTY_GROUP ? writtenWindows(deployment) : [],
    writtenReached(positions, before.positions),
    [...before.positions.keys()].filter((lineage) => !positions.has(lineage)),
    changed,
    gone,
    keys,
    inherited.map(({ groups, group, positions }) => [groups, group, writtenReached(positions, new Map())]),
    [counters.applied, counters.late, counters.poison],
    poison.map(({ lineage, position }) => [lineage, position]),
    [
      late.map(({ key }) => key),
      late.map(({ at }) => at),
      late.map(({ lineage }) => lineage),
      late.map(({ position }) => position),
      late.map(({ watermark }) => watermark),
    ],
    Array.from({ length: TIMES - 1 }, (_, at) => relate(times, at + 1, 0)),
  ];
  return section(() => [
    encode(written as unknown as Plain),
    encodeRows([rowsOf([times]), rowsOf(cuts ? [cuts] : []), ...slots]),
  ]);
}

function snapshotDue({ base, version, ordinal }: Group, present: number, now: EpochMillis): boolean {
  return (
    base === undefined ||
    version !== present ||
    mustRenew(base.committedAt, now) ||
    base.tailBytes >= TAIL_PER_STATE * base.stateBytes ||
    ordinal - base.ordinal >= MAX_TAIL_ENTRIES
  );
}

/** What is written of a group's keys. */
interface WrittenKeys {
  readonly changed: readonly number[];
  readonly gone: readonly number[];
  readonly keys: readonly string[];
  /** A row a key. */
  readonly times: Table;
  /** Of a delta, a row a key: of each of its tables how many rows are gone at the front, and how many stay. */
  readonly cuts: Table | undefined;
  /** Of each table of all keys the rows; of a delta what comes in place of those that do not stay. */
  readonly slots: readonly Rows[];
  /** Of the group as a whole. */
  readonly mostBytes: number;
}

type Kept = Pick<Group, 'keys' | 'ids'>;

/** Every name that tables are kept under: the keys, and `REFUSED` last if there are ids under it. */
const namesOf = ({ keys, ids }: Kept): string[] => [...keys.keys(), ...(ids.has(REFUSED) ? [REFUSED] : [])];

function snapshotOf(deployment: Deployment, folded: Folded): WrittenKeys {
  const keys = namesOf(folded);
  const slots = slotsOf(deployment, folded, keys).map(rowsOf);
  const mostBytes = mostBytesOf(slots);
  return { changed: [], gone: [], keys, times: timesOf(folded, keys), cuts: undefined, slots, mostBytes };
}

const has = ({ keys, ids }: Kept, name: string): boolean => (name === REFUSED ? ids : keys).has(name);

const isUntouched = (before: Kept, after: Kept, name: string): boolean =>
  before.keys.get(name) === after.keys.get(name) && before.ids.get(name) === after.ids.get(name);

/** Undefined where a snapshot is about as small, or would not be possible later: none must be due that cannot be written. */
function deltaFrom(deployment: Deployment, before: Group, after: Kept): WrittenKeys | undefined {
  const changed: number[] = [];
  const gone: number[] = [];
  const lost: string[] = [];
  const written: string[] = [];
  for (const [place, name] of namesOf(before).entries()) {
    if (!has(after, name)) {
      gone.push(place);
      lost.push(name);
    } else if (!isUntouched(before, after, name)) {
      changed.push(place);
      written.push(name);
    }
  }
  const keys = namesOf(after).filter((name) => !has(before, name));
  written.push(...keys);
  const earlier = slotsOf(deployment, before, written);
  const later = slotsOf(deployment, after, written);
  const cuts = new Table(2 * later.length, 0, written.length);
  cuts.rows = written.length;
  let mostBytes =
    before.mostBytes + KEY_BYTES * keys.length - mostBytesOf(slotsOf(deployment, before, lost).map(rowsOf));
  const slots = later.map((tables, slot): Rows => {
    const from = new Float64Array(tables.length);
    const to = new Float64Array(tables.length);
    for (let key = 0; key < tables.length; key++) {
      const [table, other] = [tables[key] as Table, earlier[slot]?.[key] as Table];
      const { drop, keep } = cutOf(other, table);
      const at = key * cuts.width + 2 * slot;
      cuts.numbers[at] = drop;
      cuts.numbers[at + 1] = keep;
      from[key] = keep;
      to[key] = table.rows;
      mostBytes += rowBytes(table, 0, table.rows) - rowBytes(other, 0, other.rows);
    }
    return { tables, from, to };
  });
  if (mostBytesOf(slots) > ENOUGH * mostBytes || mostBytes > MAX_STATE_BYTES) return undefined;
  return { changed, gone, keys, times: timesOf(after, written), cuts, slots, mostBytes };
}

/** What share of a group's tables a delta may write. */
const ENOUGH = 0.9;

/** What keys take up at worst, before they are deflated: nine bytes a number, three a character. */
function mostBytesOf(slots: readonly Rows[]): number {
  let bytes = KEY_BYTES * (slots[0]?.tables.length ?? 0);
  for (const { tables, from, to } of slots) {
    for (let key = 0; key < tables.length; key++) {
      bytes += rowBytes(tables[key] as Table, from[key] as number, to[key] as number);
    }
  }
  return bytes;
}

function rowBytes({ width, plains, plainWidth }: Table, from: number, to: number): number {
  const bytes = 9 * (to - from) * width;
  return plainWidth === 0 ? bytes : bytes + plainBytes(plains.slice(from * plainWidth, to * plainWidth));
}

function plainBytes(plain: Plain): number {
  if (typeof plain === 'string') return 9 + 3 * plain.length;
  if (typeof plain !== 'object' || plain === null) return 9;
  let bytes = 9;
  if (!Array.isArray(plain)) for (const name of Object.keys(plain)) bytes += plainBytes(name);
  for (const value of Object.values<Plain>(plain)) bytes += plainBytes(value);
  return bytes;
}

/** The tables of a key: its ids, and those of its windows in the order of the definition. */
type KeyTables = readonly Table[];

/** How many numbers a key has besides its tables. */
const TIMES = 3;
const KEY_BYTES = 9 * TIMES;

/** How many tables of a key come before those of its windows. */
const OWN_TABLES = 1;

type Layout = readonly { readonly width: number; readonly plainWidth: number }[];

/** The tables of some names: of each slot one a name. */
function slotsOf({ pipeline }: Deployment, { keys, ids }: Kept, names: readonly string[]): Table[][] {
  const noIds = new Table(ID_WIDTH, 0);
  const stored = names.map((name) => keys.get(name));
  const windows = pipeline.rules.windows.flatMap(({ operator }, window) =>
    operator.layout.map(({ width, plainWidth }, table) => {
      const none = new Table(width, plainWidth);
      return stored.map((key) => key?.windows[window]?.[table] ?? none);
    }),
  );
  return [names.map((name) => ids.get(name) ?? noIds), ...windows];
}

function timesOf({ keys }: Kept, names: readonly string[]): Table {
  const times = new Table(TIMES, 0, names.length);
  times.rows = names.length;
  for (const [row, name] of names.entries()) {
    const stored = keys.get(name);
    if (stored === undefined) continue;
    times.numbers[row * TIMES] = stored.maxEventTime;
    times.numbers[row * TIMES + 1] = stored.lastArrival;
    times.numbers[row * TIMES + 2] = stored.watermark;
  }
  return times;
}

const writtenWindows = ({ pipeline, epochs }: Deployment): WrittenWindow[] =>
  pipeline.rules.windows.map(({ name, operator }, at) => [
    name,
    operator.signature,
    epochs[at] as number,
    operator.layout.length,
  ]);

/** Those that differ from the ones before. */
const writtenReached = (positions: Group['positions'], before: Group['positions']): WrittenReached =>
  [...positions].flatMap(([lineage, { position, arrival }]) =>
    before.get(lineage)?.position === position ? [] : [[lineage, position, arrival] as const],
  );

function section(parts: () => readonly [Uint8Array, Uint8Array]): Uint8Array {
  try {
    return deflate(joined(...parts()));
  } catch (error) {
    if (error instanceof CodecError) return new Uint8Array(MAX_INFLATED_BYTES);
    throw error;
  }
}

/** The ordinal at which reading of an entry's group must begin. */
export const baseOf = (entry: LogEntry): number => wellFormed(entry, () => writtenOf(entry)[BASE]);

/**
 * The group as of the last of some entries, which follow each other: on from a group, or the first of them is a snapshot. A
 * window that began in a later version than they were written by has no state, one that is gone loses its own.
 *
 * @throws CodecError when a body was not written by `nextEntry`, or by a newer version of it; LogLostError when they do not
 * follow each other; OutdatedError when a newer version of the definition wrote them
 */
export function readGroup(deployment: Deployment, from: Group, entries: readonly LogEntry[]): Group {
  if (entries.length === 0) return from;
  const reading = new Reading(deployment, from);
  for (const entry of entries) wellFormed(entry, () => reading.read(entry));
  return wellFormed(entries.at(-1) as LogEntry, () => reading.group());
}

/** Reads an entry: whatever else fails on contents that nothing here wrote says so. */
function wellFormed<Result>({ ordinal }: LogEntry, read: () => Result): Result {
  try {
    return read();
  } catch (error) {
    if ([CodecError, LogLostError, OutdatedError].some((known) => error instanceof known)) throw error;
    throw new CodecError(`Cannot read entry ${ordinal} as its contents must be those of an entry`);
  }
}

/** A group while its entries are read. */
class Reading {
  readonly #deployment: Deployment;
  readonly #positions: Map<string, Reached>;
  #windows: readonly WrittenWindow[];
  readonly #times: Map<string, Times>;
  #tables: Map<string, KeyTables>;
  #last: Omit<Group, 'positions' | 'keys' | 'ids' | 'mostBytes'>;

  constructor(deployment: Deployment, from: Group) {
    this.#deployment = deployment;
    this.#last = from;
    this.#windows = writtenWindows(deployment);
    this.#positions = new Map(from.positions);
    this.#times = new Map(from.keys);
    const names = namesOf(from);
    const slots = slotsOf(deployment, from, names);
    this.#tables = new Map(keysOf(slots, names.length).map((tables, at) => [names[at] as string, tables]));
  }

  read(entry: LogEntry): void {
    const { ordinal, committedAt } = entry;
    const { written, tables: bytes, state } = stateOf(entry);
    const [version, base, sealed, windows, positions, forgotten, changed, gone, keys, inherited, counters] =
      written;
    const { pipeline } = this.#deployment;
    if (version > pipeline.version) {
      throw new OutdatedError(
        `Cannot read on in a log of "${pipeline.name}" as its entries must be of version ${pipeline.version} or lower: entry ${ordinal} is of version ${version}`,
      );
    }
    const isSnapshot = base === ordinal;
    if (!isSnapshot && (ordinal !== this.#last.ordinal + 1 || base !== this.#last.base?.ordinal)) {
      throw new LogLostError(
        `Cannot read on in a log as entries must follow each other from the last snapshot: entry ${ordinal} came after ${this.#last.ordinal}`,
      );
    }
    const [times = [], cuts = [], ...slots] = decodeTables(bytes);
    for (let time = 1; time < TIMES; time++) {
      if (written[RELATED][time - 1] && times[0]) unrelate(times[0], time, 0);
    }
    if (isSnapshot) {
      this.#windows = windows;
      this.#times.clear();
      this.#tables = new Map(keysOf(slots, keys.length).map((tables, at) => [keys[at] as string, tables]));
      this.#positions.clear();
      this.#setTimes(keys, times);
    } else {
      this.#patch(changed, gone, keys, times, cuts, slots);
      for (const lineage of forgotten) this.#positions.delete(lineage);
    }
    for (const [lineage, reached] of reachedOf(positions)) this.#positions.set(lineage, reached);
    const [applied, late, poison] = counters;
    const { base: before } = this.#last;
    this.#last = {
      ordinal,
      committedAt,
      version,
      sealed,
      base: isSnapshot || before === undefined ? newBase(entry, state) : withTail(before, entry),
      inherited: inherited.map(([groups, group, own]) => ({
        groups,
        group,
        positions: new Map(reachedOf(own)),
      })),
      counters: { applied, late, poison },
    };
  }

  group(): Group {
    const { pipeline, epochs } = this.#deployment;
    const windows = pipeline.rules.windows.map(({ name, operator }, at) => {
      const place = this.#windows.findIndex(([other]) => other === name);
      const [, signature, epoch, tables = 0] = this.#windows[place] ?? [];
      if (signature !== operator.signature || epoch !== epochs[at]) return undefined;
      const from =
        OWN_TABLES + this.#windows.slice(0, place).reduce((total, [, , , other]) => total + other, 0);
      return { name, layout: operator.layout, from, to: from + tables };
    });
    const keys = new Map<string, StoredKey>();
    const ids = new Map<string, Table>();
    for (const [name, tables] of this.#tables) {
      const [own] = tables;
      if (own && own.rows > 0) ids.set(name, own);
      const times = this.#times.get(name);
      if (times === undefined) continue;
      const { maxEventTime, lastArrival, watermark } = times;
      const stored = windows.map((window) => window && laidOut(tables.slice(window.from, window.to), window));
      keys.set(name, { maxEventTime, lastArrival, watermark, windows: stored });
    }
    let mostBytes = 0;
    for (const tables of this.#tables.values()) {
      mostBytes += KEY_BYTES;
      for (const table of tables) mostBytes += rowBytes(table, 0, table.rows);
    }
    return { ...this.#last, positions: this.#positions, keys, ids, mostBytes };
  }

  #patch(
    changed: readonly number[],
    gone: readonly number[],
    added: readonly string[],
    times: readonly Table[],
    [cut]: readonly Table[],
    tails: readonly (readonly Table[])[],
  ): void {
    // As the writer counted them: `REFUSED` last, though it came before some of the keys.
    const names = [...this.#tables.keys()].toSorted((a, b) => Number(a === REFUSED) - Number(b === REFUSED));
    const nameOf = (place: number): string => {
      const name = names[place];
      if (name === undefined)
        throw new CodecError('Cannot read an entry that changes a key which is not there');
      return name;
    };
    const deltas = keysOf(tails, changed.length + added.length);
    if (cut?.rows !== deltas.length || cut.width !== 2 * tails.length) {
      throw new CodecError('Cannot read an entry as it must say what is kept of each table');
    }
    const touched = [...changed.map(nameOf), ...added];
    this.#setTimes(touched, times);
    for (const [at, name] of touched.entries()) {
      const earlier = this.#tables.get(name);
      const later = (deltas[at] as KeyTables).map((tail, slot) => {
        const place = at * cut.width + 2 * slot;
        const [drop, keep] = [cut.numbers[place] as number, cut.numbers[place + 1] as number];
        return patched(earlier?.[slot] ?? new Table(tail.width, tail.plainWidth), { drop, keep }, tail);
      });
      this.#tables.set(name, later);
    }
    for (const name of gone.map(nameOf)) {
      this.#tables.delete(name);
      this.#times.delete(name);
    }
  }

  #setTimes(names: readonly string[], [times]: readonly Table[]): void {
    if (times?.rows !== names.length || times.width !== TIMES) {
      throw new CodecError('Cannot read an entry as it must have the times of its keys');
    }
    for (const [row, name] of names.entries()) {
      const [maxEventTime, lastArrival, watermark] = times.numbers.subarray(row * TIMES) as unknown as [
        EpochMillis,
        EpochMillis,
        EpochMillis,
      ];
      if (name !== REFUSED) this.#times.set(name, { maxEventTime, lastArrival, watermark });
    }
  }
}

type Times = Pick<StoredKey, 'maxEventTime' | 'lastArrival' | 'watermark'>;

/** Of each key its tables, of slots that hold one of each. */
function keysOf(slots: readonly (readonly Table[])[], keys: number): KeyTables[] {
  if (slots.length < OWN_TABLES || slots.some((slot) => slot.length !== keys)) {
    throw new CodecError(`Cannot read an entry as it must have the tables of ${keys} keys`);
  }
  return Array.from({ length: keys }, (_, at) => slots.map((slot) => slot[at] as Table));
}

function laidOut(
  tables: KeyTables,
  { name, layout }: { readonly name: string; readonly layout: Layout },
): KeyTables {
  const fits =
    tables.length === layout.length &&
    layout.every(
      ({ width, plainWidth }, at) => tables[at]?.width === width && tables[at]?.plainWidth === plainWidth,
    );
  if (!fits)
    throw new CodecError(`Cannot read window "${name}" as its tables must be those that its kind stores`);
  return tables;
}

const reachedOf = (written: WrittenReached): (readonly [string, Reached])[] =>
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
  /** The records that it moved past and did not take in. */
  readonly poison: readonly Pick<GroupRecord, 'lineage' | 'position'>[];
  readonly late: readonly LateRecord[];
}

export function decodeLedger(entry: LogEntry): Ledger {
  return wellFormed(entry, () => ledgerOf(writtenOf(entry)));
}

function ledgerOf(written: WrittenState): Ledger {
  const [keys, at, lineages, positions, watermarks] = written[LATE];
  const [applied, late, poison] = written[COUNTERS];
  return {
    counters: { applied, late, poison },
    positions: new Map(reachedOf(written[POSITIONS])),
    poison: written[POISON].map(([lineage, position]) => ({ lineage, position })),
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

const writtenOf = (entry: LogEntry): WrittenState => stateOf(entry).written;

function stateOf(entry: LogEntry) {
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
