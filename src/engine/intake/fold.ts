import { KeyState, type StoredKey } from '../../core/key.ts';
import { type PaneLayout, Panes, SEQUENCE } from '../../core/panes.ts';
import type { EpochMillis } from '../../core/time.ts';
import type { Pipeline } from '../../pipeline/pipeline.ts';
import { LIMITS, type Limits } from '../../ports/limits.ts';
import { OWN_TABLES } from '../format/group-tables.ts';
import type { BatchKey } from '../group/batch-key.ts';
import type { Deployment } from '../group/deployment.ts';
import {
  type Folded,
  type Group,
  type GroupPanes,
  type GroupRecord,
  type LateRecord,
  lateByWindow,
  sumOfCounters,
} from '../group/group.ts';
import { PersistentMap } from '../group/persistent-map.ts';
import { paneRowsWeight, stateWeight } from '../group/room.ts';
import { isAhead, keepsIds, reachedBy, TakenIds, withoutPassed } from '../group/taken.ts';
import { NAME_BYTES, NUMBER_BYTES, TABLE_BYTES, textBytes } from '../group/weight.ts';
import { messageOf } from './decode.ts';
import { keptBytes } from './poison.ts';

/** The result of folding the first of some records, and how many of them it took. */
export interface FoldedRecords extends Folded {
  readonly taken: number;
  /** How many of these change nothing, as a record of the same id is in already. */
  readonly repeated: number;
}

/** How many records are taken in between two looks at whether time is up. */
const RECORDS_PER_LOOK = 16;

/**
 * Takes records in, in order: all of them, or as many as one commit may refuse or the time allows, and at
 * least the first.
 *
 * The fold is pure: the same group and as many records give the same result, and neither is changed. So a
 * batch whose append lost its race or its answer is simply folded again. A record on which an author's
 * function throws is refused, and leaves no other trace.
 *
 * @param records records that the group has not taken in: see `newsOf`
 */
export function fold(
  deployment: Deployment,
  group: Group,
  records: readonly GroupRecord[],
  limits: Limits = LIMITS,
  isOver: () => boolean = () => false,
): FoldedRecords {
  const admitted = refuseNewKeys(deployment.pipeline, group, records, limits);
  try {
    return foldAll(deployment, group, admitted, limits, isOver);
  } catch {
    const tried = refuseThrowing(deployment.pipeline, group, admitted, limits, isOver);
    return foldAll(deployment, group, tried, limits);
  }
}

function foldAll(
  deployment: Deployment,
  group: Group,
  records: readonly GroupRecord[],
  limits: Limits,
  isOver: () => boolean = () => false,
): FoldedRecords {
  const { rules, source } = deployment.pipeline;
  const panes = new Panes(rules, records.length);
  /** The keys that records touch, by their order, their numbers in the group, and their states. */
  const touched: BatchKey[] = [];
  const numbers: (number | undefined)[] = [];
  const states: KeyState[] = [];
  const poison: GroupRecord[] = [];
  const late: LateRecord[] = [];
  const lateRecords: GroupRecord[] = [];
  let lateForAll = 0;
  const ids = takenIds(deployment.pipeline, group, limits);
  let repeated = 0;
  let poisonBytes = 0;
  let lateBytes = 0;
  let taken = 0;
  for (; taken < records.length && lateBytes <= limits.poison && !isDue(taken, isOver); taken++) {
    const groupRecord = records[taken] as GroupRecord;
    if (groupRecord.content.outcome === 'poison') {
      poisonBytes += keptBytes(groupRecord, [groupRecord.content.poison.reason], poison.at(-1));
      if (poison.length > 0 && poisonBytes > limits.poison) break;
      poison.push(groupRecord);
      ids?.refuse(groupRecord);
      continue;
    }
    const { record } = groupRecord.content;
    const { text: key } = groupRecord.key;
    let place = groupRecord.key.placeIn(touched);
    const number = place === undefined ? numberIn(group, groupRecord.key) : undefined;
    const state =
      place === undefined
        ? new KeyState(rules, number === undefined ? undefined : group.keys.valueAt(number))
        : (states[place] as KeyState);
    const reached = ids && state.reachedBy(record);
    if (reached !== undefined && ids?.isRepeated(groupRecord, key, reached)) {
      repeated++;
      continue;
    }
    if (place === undefined) {
      place = groupRecord.key.addTo(touched);
      states.push(state);
      numbers.push(number);
    }
    panes.key = place;
    const refusing = state.apply(record, panes);
    if (reached !== undefined && state.watermark < reached) ids?.beginAnew(key);
    const applied = refusing < rules.windows.length;
    if (refusing > 0) {
      const { at: time } = record;
      const { lineage, position } = groupRecord;
      const { watermark } = state;
      const windows = panes.refusing.slice(0, refusing).map((place) => nameIn(rules, place));
      late.push({ key, at: time, lineage, position, watermark, windows, applied });
      lateBytes += keptBytes(groupRecord, windows, lateRecords.at(-1));
      lateRecords.push(groupRecord);
    }
    if (applied) {
      ids?.take(groupRecord, key, record.at, state.watermark);
    } else {
      lateForAll++;
      ids?.refuse(groupRecord);
    }
  }

  const keys = touched.map(({ text }) => text);
  const changed = states.map((state, place) => {
    panes.key = place;
    state.update(panes);
    ids?.forget(keys[place] as string, state.watermark);
    return state.freeze() as StoredKey;
  });
  const positions = source.lineage.ordered
    ? reachedBy(source, group, records.slice(0, taken))
    : group.positions;
  const applied = taken - repeated - lateForAll - poison.length;
  const counted = { applied, lateForAll, poison: poison.length, late: lateByWindow(late) };
  return {
    taken,
    repeated,
    positions,
    inherited: group.inherited.filter((part) => isAhead(part, positions)),
    keys: group.keys.withColumns(keys, numbers, changed),
    // A definition without ids keeps none of those that the definition before it kept.
    ids: ids?.taken() ?? NO_IDS,
    counters: sumOfCounters([group.counters, counted]),
    panes: columnsOf(deployment, keys, panes),
    poison,
    late,
    lateRecords,
  };
}

const NO_IDS: Group['ids'] = PersistentMap.of();

/** Returns the number of a key in a group, and keeps it for the next batch. */
function numberIn({ keys }: Group, { text, interned }: BatchKey): number | undefined {
  const number = keys.numberOf(text, interned?.numberInGroup);
  if (interned && number !== undefined) interned.numberInGroup = number;
  return number;
}

const takenIds = (pipeline: Pipeline, { ids }: Group, { refusedIds }: Limits): TakenIds | undefined =>
  keepsIds(pipeline) ? new TakenIds(pipeline, ids, refusedIds) : undefined;

const isDue = (taken: number, isOver: () => boolean): boolean =>
  taken > 0 && taken % RECORDS_PER_LOOK === 0 && isOver();

const nameIn = ({ windows }: Pipeline['rules'], place: number): string =>
  (windows[place] as (typeof windows)[number]).name;

const columnsOf = ({ pipeline, epochs }: Deployment, keys: readonly string[], panes: Panes): GroupPanes => ({
  keys,
  layouts: pipeline.rules.windows.map(({ operator: { ordered } }, at) => ({
    ...(panes.layouts[at] as PaneLayout),
    ordered,
    epoch: epochs[at] as number,
  })),
  tables: panes.tables,
  length: panes.length,
});

/**
 * The bytes that the first record of a new key adds at most: a key of the longest text, and the tables of a
 * few windows.
 */
const MOST_OF_A_NEW_KEY = 2_048;

/**
 * Refuses the records of new keys from where the group has no room for more keys, and returns the other
 * records as they are. A group stops taking in new keys long before it is full, so that the keys it holds
 * can go on.
 */
function refuseNewKeys(
  { rules }: Pipeline,
  group: Group,
  records: readonly GroupRecord[],
  { newKeys }: Limits,
): readonly GroupRecord[] {
  let weight = stateWeight(group);
  if (weight + records.length * MOST_OF_A_NEW_KEY < newKeys) return records;
  const tables = rules.windows.reduce((total, { operator }) => total + operator.layout.length, OWN_TABLES);
  const added = new Set<string>();
  return records.map((record) => {
    const { content } = record;
    if (content.outcome === 'poison' || group.keys.has(content.key) || added.has(content.key)) return record;
    if (weight >= newKeys) {
      return record.refused(
        'no-room',
        `the group of its key has no room for another key: a state must weigh < ${newKeys} bytes for that, and it weighs ${weight}; more groups have more room`,
      );
    }
    added.add(content.key);
    weight += Buffer.byteLength(content.key) + NAME_BYTES + tables * NUMBER_BYTES + TABLE_BYTES;
    return record;
  });
}

/**
 * Refuses the records on which an author's function throws, and returns the other records as they are, or
 * as many as the time allows. It takes each record in with a fresh state of its key, as a state in which
 * something threw is of no more use.
 */
function refuseThrowing(
  pipeline: Pipeline,
  group: Group,
  records: readonly GroupRecord[],
  limits: Limits,
  isOver: () => boolean,
): readonly GroupRecord[] {
  const { rules } = pipeline;
  const ids = takenIds(pipeline, group, limits);
  const changed = new Map<string, StoredKey>();
  const panes = new Panes(rules);
  const tried: GroupRecord[] = [];
  for (; tried.length < records.length && !isDue(tried.length, isOver); panes.clear()) {
    const groupRecord = records[tried.length] as GroupRecord;
    if (groupRecord.content.outcome === 'poison') {
      tried.push(groupRecord);
      continue;
    }
    const { key, record } = groupRecord.content;
    try {
      const state = new KeyState(rules, changed.get(key) ?? group.keys.get(key));
      tried.push(groupRecord);
      const reached = state.reachedBy(record);
      if (ids?.isRepeated(groupRecord, key, reached)) continue;
      const isApplied = state.apply(record, panes) < rules.windows.length;
      if (state.watermark < reached) ids?.beginAnew(key);
      if (isApplied) ids?.take(groupRecord, key, record.at, state.watermark);
      changed.set(key, state.freeze() as StoredKey);
    } catch (error) {
      tried[tried.length - 1] = groupRecord.refused('fold', messageOf(error));
    }
  }
  return tried;
}

/** The result of letting time pass for a group, or for a part of it. */
export interface Passed extends Folded {
  /** Whether it emits panes or forgets keys. If not, there is nothing to commit. */
  readonly changed: boolean;
  /** Whether more is to be done up to the same time, as one entry holds no more panes. */
  readonly more: boolean;
  /** The number of windows that hold records and have not closed. */
  readonly open: number;
  /**
   * The number of keys whose time cannot pass as their windows throw. They stay as they are, and hold up no
   * other key.
   */
  readonly failed: number;
}

/**
 * Lets time pass for the keys of a group, without records. One step is bounded by the bytes of its panes,
 * not by a number of keys. Where the panes of a single key are too many, its time passes up to the end of
 * one of its windows, and goes on from there in the next step.
 *
 * A key costs a look at two numbers where a call before has found that nothing happens to it yet. The numbers stand
 * beside its value in the map of keys.
 *
 * @param now the instant up to which silence counts; event time passes only for keys that are silent by
 * then
 */
export function foldIdle(
  deployment: Deployment,
  group: Group,
  now: EpochMillis,
  { panes: maxBytes }: Pick<Limits, 'panes'> = LIMITS,
): Passed {
  const { rules } = deployment.pipeline;
  const passed = new Map<string, StoredKey>();
  const forgotten = new Set<string>();
  const notes = group.keys.notes(rules, 2);
  const panes = new Panes(rules);
  const emitting: string[] = [];
  let bytes = 0;
  let more = false;
  let open = 0;
  let failed = 0;
  for (let number = 0; number < group.keys.size; number++) {
    const note = number * notes.width;
    if ((notes.numbers[note + RESTS_UNTIL] as number) > now) {
      open += notes.numbers[note + OPEN] as number;
      continue;
    }
    const key = group.keys.keyAt(number) as string;
    const stored = group.keys.peekAt(number);
    const before = panes.length;
    panes.key = emitting.length;
    try {
      let state = new KeyState(rules, stored);
      state.idle(now, panes);
      bytes += panes.length > before ? textBytes(key) + panesWeightSince(panes, before) : 0;
      if (bytes > maxBytes) {
        panes.cut(before);
        more = true;
        // The next step begins with this key.
        if (before > 0) break;
        const target = new KeyState(rules, stored).reached(now);
        state = passInPart(deployment, stored, [{ until: target, shown: undefined }], maxBytes, panes);
      }
      const stillOpen = state.open();
      open += stillOpen;
      const restsUntil = state.restsUntil();
      const next = state.freeze(now);
      if (panes.length > before) emitting.push(key);
      if (next === undefined) forgotten.add(key);
      else if (panes.length > before) passed.set(key, next);
      else {
        notes.numbers[note + RESTS_UNTIL] = restsUntil;
        notes.numbers[note + OPEN] = stillOpen;
      }
      if (more) break;
    } catch {
      panes.cut(before);
      failed++;
    }
  }
  const changed = panes.length > 0 || forgotten.size > 0;
  const { positions, inherited, counters } = group;
  return {
    positions,
    inherited,
    keys: group.keys.without(forgotten).with(passed),
    ids: withoutPassed(
      group.ids,
      forgotten,
      [...passed].map(([key, { watermark }]) => [key, watermark]),
    ),
    counters,
    panes: columnsOf(deployment, emitting, panes),
    poison: [],
    late: [],
    lateRecords: [],
    changed,
    more,
    open,
    failed,
  };
}

/**
 * The columns of what is noted of a key for the sweeps after: until when it emits nothing and is not forgotten, and
 * how many of its windows are open until then.
 */
const RESTS_UNTIL = 0;
const OPEN = 1;

/**
 * How far time passes, and the watermark that panes carry until then. Without one, each pane carries the
 * watermark at which it is due.
 */
interface Passage {
  readonly until: EpochMillis;
  readonly shown: EpochMillis | undefined;
}

/**
 * Lets a part of the time pass that a record makes pass, before the record is taken in: as much as there is
 * room for in an entry that holds nothing else. It emits the same panes as the record would.
 *
 * @returns undefined where no window ends before the record is taken in
 */
export function foldBefore(
  deployment: Deployment,
  group: Group,
  { content }: GroupRecord,
  { panes: maxBytes }: Limits,
): Folded | undefined {
  if (content.outcome === 'poison') return undefined;
  const { rules } = deployment.pipeline;
  const { key, record } = content;
  const stored = group.keys.get(key);
  if (stored === undefined) return undefined;
  const panes = new Panes(rules);
  const silence = new KeyState(rules, stored).reachedBy(record);
  const byRecord = Math.max(silence, record.at - rules.time.outOfOrderness) as EpochMillis;
  const passages = [
    { until: silence, shown: undefined },
    { until: byRecord, shown: byRecord },
  ];
  const state = passInPart(deployment, stored, passages, maxBytes, panes);
  if (panes.length === 0) return undefined;
  const { positions, inherited, counters } = group;
  return {
    positions,
    inherited,
    keys: group.keys.with(new Map([[key, state.freeze() as StoredKey]])),
    ids: withoutPassed(group.ids, new Set(), [[key, state.watermark]]),
    counters,
    panes: columnsOf(deployment, [key], panes),
    poison: [],
    late: [],
    lateRecords: [],
  };
}

/**
 * Lets the time of a key pass up to when one of its windows is due. This is the last window of which the
 * panes until then are not too large, or else the first window.
 */
function passInPart(
  { pipeline: { rules } }: Deployment,
  stored: StoredKey,
  passages: readonly Passage[],
  maxBytes: number,
  panes: Panes,
): KeyState {
  const { watermark } = stored;
  const until = (passages.at(-1) as Passage).until;
  const listed = new KeyState(rules, stored).listOpen().flat();
  const dues = [...new Set(listed.map(({ due = Number.POSITIVE_INFINITY as EpochMillis }) => due))]
    .filter((due) => due > watermark && due <= until)
    .sort((a, b) => a - b);
  for (let count = dues.length; ; count = Math.ceil(count / 2)) {
    const state = new KeyState(rules, stored);
    const to = dues[count - 1] ?? until;
    for (const { until, shown } of passages) state.pass(Math.min(until, to) as EpochMillis, shown, panes);
    if (count <= 1 || panesWeightSince(panes, 0) <= maxBytes) return state;
    panes.cut(0);
  }
}

/** Weighs the panes from number `length` on. */
function panesWeightSince({ tables }: Panes, length: number): number {
  let bytes = 0;
  for (const table of tables) {
    let first = table.rows;
    while (first > 0 && (table.numbers[(first - 1) * table.width + SEQUENCE] as number) >= length) first--;
    bytes += paneRowsWeight(table, first, table.rows);
  }
  return bytes;
}
