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
import { canBeWritten, type EntryWeight, listsWeight, panesWeight, stateWeight } from '../group/room.ts';
import { REFUSED } from '../group/taken.ts';
import { NAME_BYTES, Scale, TIMES, type Weight, weightOf } from '../group/weight.ts';
import { bodyOf, newBase, section, windowsOf, withTail, writtenCounters, writtenLate } from './entry.ts';
import { type KeysAndIds, namesOf, slotsOf, timesOf } from './group-tables.ts';
import { INHERITED, REACHED, REFUSED_RECORD, STATE, WINDOW, type WrittenState } from './layout.ts';

/**
 * A snapshot is due once the entries since the last are so many times its size. To write a kilobyte costs twenty times what
 * it costs to read one, and each cold start reads the tail: so deltas cost at most a quarter more for the snapshots among
 * them, and a cold start reads at most five times the state.
 */
const TAIL_PER_STATE = 4;

/** However small they are: what one cold start decodes. */
const MAX_TAIL_ENTRIES = 128;

/** An entry to be appended to a group's log, and the group as of it. */
export interface Appendable {
  readonly entry: LogEntry;
  readonly group: Group;
}

/** An entry before it is written: what it would weigh, and the writing, which takes most of the time. */
export interface Draft {
  readonly weight: EntryWeight;
  /**
   * Its weight must be such that it can be written.
   *
   * @param poisonObject what holds the records that it refuses
   */
  write(poisonObject?: string): Appendable;
}

/** What a fold comes to as the next entry: a delta, or where that is due, or no larger, a snapshot. */
export function draftEntry(
  deployment: Deployment,
  before: Group,
  folded: Folded,
  committedAt: EpochMillis,
  { sealed = false } = {},
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
    const entry = { ordinal, committedAt, body: bodyOf(state, folded.panes) };
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

/** The next entry itself, of a fold that is sure to fit. */
export const nextEntry = (...given: Parameters<typeof draftEntry>): Appendable =>
  draftEntry(...given).write();

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
    inherited: inherited.map((one) =>
      INHERITED.write({ ...one, positions: writtenReached(one.positions, new Map()) }),
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
  /** A row a key. */
  readonly times: Table;
  /** Of a delta, a row a key: of each of its tables how many rows are gone at the front, and how many stay. */
  readonly cuts: Table | undefined;
  /** Of each table of all keys the rows; of a delta what comes in place of those that do not stay. */
  readonly slots: readonly Rows[];
  /** Of the group as a whole. */
  readonly weight: Weight;
}

function snapshotOf(deployment: Deployment, folded: Folded): WrittenKeys {
  const keys = namesOf(folded);
  const slots = slotsOf(deployment.pipeline, folded, keys).map(allRowsOf);
  const weight = weightOf(keys, slots);
  return { changed: [], gone: [], keys, times: timesOf(folded, keys), cuts: undefined, slots, weight };
}

/** What there is of a name, if it has a place among the names. */
const keptOf = ({ keys, ids }: KeysAndIds, name: string) => (name === REFUSED ? ids : keys).get(name);

/** Undefined where a snapshot is about as small. */
function deltaFrom(deployment: Deployment, before: Group, after: KeysAndIds): WrittenKeys | undefined {
  const changed: number[] = [];
  const gone: number[] = [];
  const lost: string[] = [];
  const written: string[] = [];
  const names = namesOf(before);
  for (let place = 0; place < names.length; place++) {
    const name = names[place] as string;
    const kept = keptOf(after, name);
    if (kept === undefined) {
      gone.push(place);
      lost.push(name);
    } else if (kept !== keptOf(before, name) || before.ids.get(name) !== after.ids.get(name)) {
      changed.push(place);
      written.push(name);
    }
  }
  const keys = namesOf(after).filter((name) => keptOf(before, name) === undefined);
  written.push(...keys);
  const earlier = slotsOf(deployment.pipeline, before, written);
  const later = slotsOf(deployment.pipeline, after, written);
  const cuts = new Table(2 * later.length, 0, written.length);
  cuts.rows = written.length;
  const freed = weightOf(lost, slotsOf(deployment.pipeline, before, lost).map(allRowsOf));
  const weight = new Scale({
    content: before.weight.content - freed.content,
    whole: before.weight.whole - freed.whole,
  });
  for (const name of keys) weight.name(name);
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
      // A new key has had no tables.
      if (key < changed.length) weight.rows(other, 0, other.rows, -1);
      weight.rows(table, 0, table.rows);
    }
    return { tables, from, to };
  });
  const own = weightOf(keys, slots);
  const others = NAME_BYTES * changed.length;
  const isWritable = own.whole + others + cuts.numbers.byteLength <= MAX_SECTION_BYTES;
  if (own.content + others > ENOUGH * weight.content || !isWritable) return undefined;
  return { changed, gone, keys, times: timesOf(after, written), cuts, slots, weight };
}

/** What share of a group's tables a delta may write. */
const ENOUGH = 0.9;

/** Those that differ from the ones before. */
const writtenReached = (
  positions: Group['positions'],
  before: Group['positions'],
): WrittenState['positions'] =>
  [...positions].flatMap(([lineage, { position, arrival }]) =>
    before.get(lineage)?.position === position ? [] : [REACHED.write({ lineage, position, arrival })],
  );
