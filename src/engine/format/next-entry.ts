import { allRowsOf, encodeRows, type Rows } from '../../core/codec.ts';
import { cutOf } from '../../core/delta.ts';
import { invariant, type Plain } from '../../core/plain.ts';
import { relate } from '../../core/related.ts';
import { Table } from '../../core/table.ts';
import type { EpochMillis } from '../../core/time.ts';
import { type LogEntry, MAX_SECTION_BYTES } from '../../ports/commit-log.ts';
import type { Deployment } from '../group/deployment.ts';
import { EMPTY_GROUP, type Folded, type Group } from '../group/group.ts';
import { mustRenew } from '../group/lifetimes.ts';
import type { Changes } from '../group/persistent-map.ts';
import { canBeWritten, type EntryWeight, listsWeight, panesWeight, stateWeight } from '../group/room.ts';
import { REFUSED } from '../group/taken.ts';
import { NAME_BYTES, Scale, TIMES, type Weight, weightOf } from '../group/weight.ts';
import { bodyOf, newBase, section, windowsOf, withTail, writtenCounters, writtenLate } from './entry.ts';
import { type KeysAndIds, namesOf, type Stored, slotsOf, storedUnder, timesOf } from './group-tables.ts';
import { INHERITED, REACHED, REFUSED_RECORD, STATE, WINDOW, type WrittenState } from './layout.ts';

/**
 * A snapshot is due once the entries since the last snapshot are this many times its size. To write a
 * kilobyte costs twenty times what it costs to read one, and each cold start reads these entries. So
 * snapshots add at most a quarter to the cost of the deltas, and a cold start reads at most five times the
 * state.
 */
const TAIL_PER_STATE = 4;

/**
 * A snapshot is also due after this many entries, however small they are, as a cold start decodes them all.
 */
const MAX_TAIL_ENTRIES = 128;

/** An entry to be appended to a group's log, and the group as of it. */
export interface Appendable {
  readonly entry: LogEntry;
  readonly group: Group;
}

/** An entry before it is written: its weight, and the writing, which takes most of the time. */
export interface Draft {
  readonly weight: EntryWeight;
  /**
   * Writes the entry. Its weight must be such that it can be written.
   *
   * @param poisonObject the object that holds the records which the entry refuses
   */
  write(poisonObject?: string): Appendable;
}

/** Drafts the next entry from a fold: a delta, or a snapshot where one is due or is no larger. */
export function draftEntry(
  deployment: Deployment,
  before: Group,
  folded: Folded,
  committedAt: EpochMillis,
  { sealed = false, arrived }: { readonly sealed?: boolean; readonly arrived?: EpochMillis } = {},
): Draft {
  const ordinal = before.ordinal + 1;
  const { version } = deployment.pipeline;
  const due = sealed || snapshotDue(before, version, committedAt);
  const delta = due ? undefined : deltaFrom(deployment, before, folded);
  const { base } = before;
  const isDelta = delta !== undefined && base !== undefined;
  const keys = isDelta ? delta : snapshotOf(deployment, folded);
  const { positions, inherited, counters, ids } = folded;
  const weight = {
    state: stateWeight({ weight: keys.weight, positions, inherited }),
    lists: listsWeight(folded),
    panes: panesWeight(folded.panes),
  };
  const write = (poisonObject?: string): Appendable => {
    invariant(canBeWritten(weight), 'a group takes in no more than can be written');
    const state = isDelta
      ? writeState(deployment, before, folded, keys, base.ordinal, { poisonObject })
      : writeState(deployment, EMPTY_GROUP, folded, keys, ordinal, { sealed, poisonObject });
    const body = bodyOf(state, folded.panes);
    const entry = { ordinal, committedAt, ...(arrived !== undefined && { arrived }), body };
    return {
      entry,
      group: {
        ordinal,
        committedAt,
        version,
        sealed,
        base: isDelta ? withTail(base, entry) : newBase(entry, state),
        positions,
        inherited,
        keys: folded.keys,
        ids,
        counters,
        weight: keys.weight,
      },
    };
  };
  return { weight, write };
}

/** Returns the next entry of a fold that is sure to fit. */
export const nextEntry = (...draft: Parameters<typeof draftEntry>): Appendable =>
  draftEntry(...draft).write();

function writeState(
  deployment: Deployment,
  before: Group,
  { positions, inherited, counters, poison, late }: Folded,
  { changed, gone, keys, times, cuts, slots }: WrittenKeys,
  base: number,
  { sealed = false, poisonObject }: { readonly sealed?: boolean; readonly poisonObject: string | undefined },
): Uint8Array {
  const written = STATE.write({
    version: deployment.pipeline.version,
    base,
    sealed,
    windows: before === EMPTY_GROUP ? windowsOf(deployment).map(WINDOW.write) : [],
    positions: writtenReached(positions, before.positions),
    forgotten: [...before.positions.keys()].filter((lineage) => !positions.has(lineage)),
    changed,
    gone,
    keys,
    inherited: inherited.map((group) =>
      INHERITED.write({ ...group, positions: writtenReached(group.positions, new Map()) }),
    ),
    counters: writtenCounters(counters),
    poison: poison.map(REFUSED_RECORD.write),
    poisonObject: poisonObject ?? null,
    late: writtenLate(late),
    related: Array.from({ length: TIMES - 1 }, (_, at) => relate(times, at + 1, 0)),
  });
  return section([
    written as unknown as Plain,
    encodeRows([allRowsOf([times]), allRowsOf(cuts ? [cuts] : []), ...slots]),
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
  /** One row for each key. */
  readonly times: Table;
  /**
   * In a delta, one row for each key: for each of its tables, how many rows are dropped at the front and how
   * many are kept.
   */
  readonly cuts: Table | undefined;
  /** For each table of all keys its rows; in a delta, the rows that replace those that are not kept. */
  readonly slots: readonly Rows[];
  /** The weight of the whole group. */
  readonly weight: Weight;
}

function snapshotOf(deployment: Deployment, folded: Folded): WrittenKeys {
  const keys = namesOf(folded);
  const stored = storedUnder(folded, keys);
  const slots = slotsOf(deployment.pipeline, stored).map(allRowsOf);
  const weight = weightOf(keys, slots);
  return { changed: [], gone: [], keys, times: timesOf(stored), cuts: undefined, slots, weight };
}

/** Returns what is kept under a name, if anything is. */
const keptOf = ({ keys, ids }: KeysAndIds, name: string) => (name === REFUSED ? ids : keys).get(name);

/** What differs between two groups: the places of the names that have changed or are gone, and the names that are new. */
interface Difference extends Pick<WrittenKeys, 'changed' | 'gone' | 'keys'> {
  /** What was and what is kept under the names that have changed, and then those that are new. */
  readonly earlier: Stored;
  readonly later: Stored;
}

function differenceOf(before: Group, after: KeysAndIds): Difference {
  const known = knownDifference(before, after);
  if (known) return known;
  const changed: number[] = [];
  const gone: number[] = [];
  const names = namesOf(before);
  // One version after the other, as each takes over from the other what differs.
  const later = names.map((name) => keptOf(after, name));
  for (const [place, name] of names.entries()) {
    const kept = later[place];
    if (kept === undefined) gone.push(place);
    else if (kept !== keptOf(before, name) || before.ids.get(name) !== after.ids.get(name))
      changed.push(place);
  }
  const keys = namesOf(after).filter((name) => keptOf(before, name) === undefined);
  const written = [...changed.map((place) => names[place] as string), ...keys];
  return { changed, gone, keys, earlier: storedUnder(before, written), later: storedUnder(after, written) };
}

/** Returns the difference where the maps of a group know it: mostly. Then it takes as long as it is large. */
function knownDifference(before: Group, after: KeysAndIds): Difference | undefined {
  const keepsIds = before.ids.size + after.ids.size > 0;
  const known = keepsIds ? changesWithIds(before, after) : after.keys.changesSince(before.keys);
  if (known === undefined) return undefined;
  const { changed, added } = known;
  const names = keepsIds && [...changed.map((place) => before.keys.keyAt(place) ?? REFUSED), ...added];
  // What is new has the numbers behind those before.
  const numbers = [...changed, ...added.map((_, at) => before.keys.size + at)];
  const keptIn = ({ keys, ids }: KeysAndIds): Stored => ({
    keys: numbers.map((number, at) => (names && names[at] === REFUSED ? undefined : keys.valueAt(number))),
    ids: numbers.map((_, at) => (names ? ids.get(names[at] as string) : undefined)),
  });
  return { changed, gone: [], keys: added, earlier: keptIn(before), later: keptIn(after) };
}

/** Returns the places of names of which a key or its ids have changed, and the names that are new. */
function changesWithIds(before: Group, after: KeysAndIds): Changes<string> | undefined {
  const keys = after.keys.changesSince(before.keys);
  const ids = after.ids.changesSince(before.ids);
  if (keys === undefined || ids === undefined) return undefined;
  const changed = new Set(keys.changed);
  const added = [...keys.added];
  for (const name of [...ids.changed.map((number) => before.ids.keyAt(number) as string), ...ids.added]) {
    const number = before.keys.numberOf(name);
    if (number !== undefined) changed.add(number);
    // The ids of a new key are written with it.
    else if (name !== REFUSED) continue;
    else if (before.ids.has(REFUSED)) changed.add(before.keys.size);
    else added.push(REFUSED);
  }
  return { changed: [...changed].sort((a, b) => a - b), added };
}

/** Returns the keys as a delta, or undefined where a snapshot is about as small. */
function deltaFrom(deployment: Deployment, before: Group, after: KeysAndIds): WrittenKeys | undefined {
  const { pipeline } = deployment;
  const { changed, gone, keys, ...stored } = differenceOf(before, after);
  const earlier = slotsOf(pipeline, stored.earlier);
  const later = slotsOf(pipeline, stored.later);
  const cuts = new Table(2 * later.length, 0, changed.length + keys.length);
  cuts.rows = changed.length + keys.length;
  const lost = gone.map((place) => before.keys.keyAt(place) ?? REFUSED);
  const freed = weightOf(lost, slotsOf(pipeline, storedUnder(before, lost)).map(allRowsOf));
  const weight = new Scale({
    content: before.weight.content - freed.content,
    whole: before.weight.whole - freed.whole,
  });
  for (const name of keys) weight.name(name);
  const slots = later.map((tables, slot): Rows => {
    const from = new Float64Array(tables.length);
    const to = new Float64Array(tables.length);
    for (let key = 0; key < tables.length; key++) {
      const table = tables[key] as Table;
      const tableBefore = earlier[slot]?.[key] as Table;
      const at = key * cuts.width + 2 * slot;
      // Mostly the one that stands for all without rows.
      if (table === tableBefore && key < changed.length) {
        cuts.numbers[at + 1] = from[key] = to[key] = table.rows;
        continue;
      }
      const { drop, keep } = cutOf(tableBefore, table);
      cuts.numbers[at] = drop;
      cuts.numbers[at + 1] = keep;
      from[key] = keep;
      to[key] = table.rows;
      // A new key had no tables before.
      if (key < changed.length) weight.rows(tableBefore, 0, tableBefore.rows, -1);
      weight.rows(table, 0, table.rows);
    }
    return { tables, from, to };
  });
  const keysWeight = weightOf(keys, slots);
  const others = NAME_BYTES * changed.length;
  const isWritable = keysWeight.whole + others + 8 * cuts.numbers.length <= MAX_SECTION_BYTES;
  if (keysWeight.content + others > ENOUGH * weight.content || !isWritable) return undefined;
  return { changed, gone, keys, times: timesOf(stored.later), cuts, slots, weight };
}

/** The share of a group's tables above which a snapshot is written instead of a delta. */
const ENOUGH = 0.9;

/** Returns the positions that differ from those before. */
const writtenReached = (
  positions: Group['positions'],
  before: Group['positions'],
): WrittenState['positions'] =>
  [...positions].flatMap(([lineage, { position, arrival }]) =>
    before.get(lineage)?.position === position ? [] : [REACHED.write({ lineage, position, arrival })],
  );
