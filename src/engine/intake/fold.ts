import { KeyState, type StoredKey } from '../../core/key.ts';
import { type PaneLayout, Panes, SEQUENCE } from '../../core/panes.ts';
import type { EpochMillis } from '../../core/time.ts';
import type { Pipeline } from '../../pipeline/pipeline.ts';
import { LIMITS, type Limits } from '../../ports/limits.ts';
import { OWN_TABLES } from '../format/group-tables.ts';
import type { Deployment } from '../group/deployment.ts';
import {
  type Folded,
  type Group,
  type GroupPanes,
  type GroupRecord,
  type LateRecord,
  lateByWindow,
  type PoisonCode,
  sumOfCounters,
} from '../group/group.ts';
import { paneRowsWeight, stateWeight } from '../group/room.ts';
import { forgetPassed, isAhead, reachedBy, TakenIds } from '../group/taken.ts';
import { NAME_BYTES, NUMBER_BYTES, TABLE_BYTES, textBytes } from '../group/weight.ts';
import { messageOf } from './decode.ts';
import { refusedBytes } from './poison.ts';

/** What a fold makes of the first records it was given, and how many those are. */
export interface FoldedRecords extends Folded {
  readonly taken: number;
}

/** After so many records it is asked whether time is up. */
const RECORDS_PER_LOOK = 16;

/**
 * Takes records in, in order: all of them, or as many as one commit may refuse or there is time for, and at least the first. Pure:
 * the same group and as many records give the same result, and neither is changed, so a batch that lost a race or an answer is
 * simply folded again.
 *
 * A record on which an author's function throws is refused, and leaves no trace but that.
 *
 * @param records none of which is in: see `newsOf`
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
    return foldAll(deployment, group, refuseThrowing(deployment.pipeline, group, admitted, isOver), limits);
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
  const panes = new Panes(rules);
  const touched = new Map<string, { readonly number: number; readonly state: KeyState }>();
  const poison: GroupRecord[] = [];
  const late: LateRecord[] = [];
  let lateForAll = 0;
  const ids = source.lineage.ordered
    ? undefined
    : new TakenIds(deployment.pipeline, group.ids, limits.refusedIds);
  let poisonBytes = 0;
  let taken = 0;
  for (; taken < records.length && !isDue(taken, isOver); taken++) {
    const one = records[taken] as GroupRecord;
    if (one.content.outcome === 'poison') {
      poisonBytes += refusedBytes(one, one.content.poison, poison.at(-1));
      if (poison.length > 0 && poisonBytes > limits.poison) break;
      poison.push(one);
      ids?.refuse(one);
      continue;
    }
    const { key, record } = one.content;
    let known = touched.get(key);
    if (known === undefined) {
      known = { number: touched.size, state: new KeyState(rules, group.keys.get(key)) };
      touched.set(key, known);
    }
    panes.key = known.number;
    const refusing = known.state.apply(record, panes);
    const applied = refusing < rules.windows.length;
    if (refusing > 0) {
      const { at: time } = record;
      const { lineage, position } = one;
      const { watermark } = known.state;
      const windows = panes.refusing.slice(0, refusing).map((place) => nameIn(rules, place));
      late.push({ key, at: time, lineage, position, watermark, windows, applied });
    }
    if (applied) {
      ids?.take(one, key, record.at);
    } else {
      lateForAll++;
      ids?.refuse(one);
    }
  }

  const keys = new Map(group.keys);
  for (const [key, { number, state }] of touched) {
    panes.key = number;
    state.update(panes);
    keys.set(key, state.freeze() as StoredKey);
    ids?.forget(key, state.watermark);
  }
  const positions = source.lineage.ordered ? reachedBy(group, records.slice(0, taken)) : group.positions;
  const applied = taken - lateForAll - poison.length;
  const counted = { applied, lateForAll, poison: poison.length, late: lateByWindow(late) };
  return {
    taken,
    positions,
    inherited: group.inherited.filter((one) => isAhead(one, positions)),
    keys,
    ids: ids?.taken() ?? group.ids,
    counters: sumOfCounters([group.counters, counted]),
    panes: columnsOf(deployment, [...touched.keys()], panes),
    poison,
    late,
  };
}

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

/** A key of the longest text, and tables of the first record of some windows. */
const MOST_OF_A_NEW_KEY = 2_048;

/**
 * The same records, those of new keys refused from where the group has no room for more keys: it stops growing in keys long
 * before it is full, so that those which are there go on.
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
  const admitted = new Set<string>();
  return records.map((one) => {
    const { content } = one;
    if (content.outcome === 'poison' || group.keys.has(content.key) || admitted.has(content.key)) return one;
    if (weight >= newKeys) {
      return refused(
        one,
        'no-room',
        `the group of its key has no room for another key: a state must weigh < ${newKeys} bytes for that, and it weighs ${weight}; more groups have more room`,
      );
    }
    admitted.add(content.key);
    weight += Buffer.byteLength(content.key) + NAME_BYTES + tables * NUMBER_BYTES + TABLE_BYTES;
    return one;
  });
}

export const refused = (one: GroupRecord, code: PoisonCode, reason: string): GroupRecord => ({
  ...one,
  content: { outcome: 'poison', poison: { code, reason } },
});

/**
 * The same records, those refused on which an author's function throws, or as many as there is time for: each is taken in with its
 * key's state from before at hand, as a state that something threw in is of no more use.
 */
function refuseThrowing(
  { rules }: Pipeline,
  group: Group,
  records: readonly GroupRecord[],
  isOver: () => boolean,
): readonly GroupRecord[] {
  const keys = new Map(group.keys);
  const panes = new Panes(rules);
  const tried: GroupRecord[] = [];
  for (; tried.length < records.length && !isDue(tried.length, isOver); panes.clear()) {
    const one = records[tried.length] as GroupRecord;
    if (one.content.outcome === 'poison') {
      tried.push(one);
      continue;
    }
    const { key, record } = one.content;
    try {
      const state = new KeyState(rules, keys.get(key));
      state.apply(record, panes);
      keys.set(key, state.freeze() as StoredKey);
      tried.push(one);
    } catch (error) {
      tried.push(refused(one, 'fold', messageOf(error)));
    }
  }
  return tried;
}

/** What the passing of time makes of a group, or of a part of it. */
export interface Passed extends Folded {
  /** Whether it emits panes or forgets keys: if not there is nothing to commit. */
  readonly changed: boolean;
  /** Whether there is more to come at the same time, as no more panes go into one entry. */
  readonly more: boolean;
  /** Windows that hold records and have not closed. */
  readonly open: number;
  /** Keys whose time cannot pass as their windows throw: they stay as they are, and hold up no other. */
  readonly failed: number;
}

/**
 * What the passing of time alone makes of a group. Panes are bounded in bytes, not in keys: where a single key's are too many,
 * its time passes up to the end of one of its windows, and on from there in the next step.
 *
 * @param now each key that is silent by then has its event time pass
 */
export function foldIdle(
  deployment: Deployment,
  group: Group,
  now: EpochMillis,
  { panes: maxBytes }: Pick<Limits, 'panes'> = LIMITS,
): Passed {
  const { rules } = deployment.pipeline;
  const keys = new Map(group.keys);
  const ids = new Map(group.ids);
  const panes = new Panes(rules);
  const emitting: string[] = [];
  let bytes = 0;
  let more = false;
  let open = 0;
  let failed = 0;
  for (const [key, stored] of group.keys) {
    const before = panes.length;
    panes.key = emitting.length;
    try {
      let state = new KeyState(rules, stored);
      state.idle(now, panes);
      bytes += panes.length > before ? textBytes(key) + panesWeightSince(panes, before) : 0;
      if (bytes > maxBytes) {
        panes.cut(before);
        more = true;
        // It comes first in the next step.
        if (before > 0) break;
        const target = new KeyState(rules, stored).reached(now);
        state = passInPart(deployment, stored, [{ until: target, shown: undefined }], maxBytes, panes);
      }
      open += state.open();
      const next = state.freeze(now);
      if (panes.length > before) emitting.push(key);
      if (next === undefined) {
        keys.delete(key);
        ids.delete(key);
      } else if (panes.length > before) {
        keys.set(key, next);
        forgetPassed(ids, key, next.watermark);
      }
      if (more) break;
    } catch {
      panes.cut(before);
      failed++;
    }
  }
  const changed = panes.length > 0 || keys.size < group.keys.size;
  const { positions, inherited, counters } = group;
  return {
    positions,
    inherited,
    keys,
    ids,
    counters,
    panes: columnsOf(deployment, emitting, panes),
    poison: [],
    late: [],
    changed,
    more,
    open,
    failed,
  };
}

/** How far time passes, and the watermark that panes carry until then; without one, each that at which it is due. */
interface Passage {
  readonly until: EpochMillis;
  readonly shown: EpochMillis | undefined;
}

/**
 * Lets a part of the time pass that a record makes pass before it is taken in: as much as its panes leave room for, beside
 * nothing else. What it emits is what it would emit with the record.
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
  const silence = new KeyState(rules, stored).reached(record.arrival);
  const own = Math.max(silence, record.at - rules.time.outOfOrderness) as EpochMillis;
  const passages = [
    { until: silence, shown: undefined },
    { until: own, shown: own },
  ];
  const state = passInPart(deployment, stored, passages, maxBytes, panes);
  if (panes.length === 0) return undefined;
  const ids = new Map(group.ids);
  forgetPassed(ids, key, state.watermark);
  const { positions, inherited, counters } = group;
  return {
    positions,
    inherited,
    keys: new Map(group.keys).set(key, state.freeze() as StoredKey),
    ids,
    counters,
    panes: columnsOf(deployment, [key], panes),
    poison: [],
    late: [],
  };
}

/** A key whose time has passed up to when one of its windows is due: the last of which the panes until then are not too large, or the first. */
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

/** What the panes weigh that were added since there were so many. */
function panesWeightSince({ tables }: Panes, length: number): number {
  let bytes = 0;
  for (const table of tables) {
    let first = table.rows;
    while (first > 0 && (table.numbers[(first - 1) * table.width + SEQUENCE] as number) >= length) first--;
    bytes += paneRowsWeight(table, first, table.rows);
  }
  return bytes;
}
