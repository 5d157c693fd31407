import { type KeyRecord, type KeyRules, KeyState, type StoredKey } from '../core/key.ts';
import { type KeyPane, type PaneLayout, Panes, readPanes } from '../core/panes.ts';
import { isAfter, type Position } from '../core/position.ts';
import type { Table } from '../core/table.ts';
import type { EpochMillis } from '../core/time.ts';
import type { Pipeline } from '../pipeline/pipeline.ts';
import { messageOf, type Poison } from './decode.ts';

/** One key group as of one entry of its log. */
export interface Group {
  /** The ordinal of that entry; 0 before the first. */
  readonly ordinal: number;
  readonly committedAt: EpochMillis | undefined;
  /** Per lineage, the last record that is in. */
  readonly positions: ReadonlyMap<string, Position>;
  readonly keys: ReadonlyMap<string, StoredKey>;
  readonly counters: Counters;
}

/** Records of the group since it began. */
export interface Counters {
  readonly applied: number;
  readonly late: number;
  readonly poison: number;
}

export const EMPTY_GROUP: Group = {
  ordinal: 0,
  committedAt: undefined,
  positions: new Map(),
  keys: new Map(),
  counters: { applied: 0, late: 0, poison: 0 },
};

/** A record of one group: for a key's windows, or refused. */
export interface GroupRecord {
  readonly lineage: string;
  readonly position: Position;
  /** Its bytes, to be kept if it is refused. */
  readonly data: Uint8Array;
  readonly content:
    | { readonly outcome: 'record'; readonly key: string; readonly record: KeyRecord }
    | { readonly outcome: 'poison'; readonly poison: Poison };
}

/** A record that all of its windows refused, as it came late. */
export interface LateRecord {
  readonly key: string;
  readonly at: EpochMillis;
  readonly lineage: string;
  readonly position: Position;
  /** Its key's watermark when it came. */
  readonly watermark: EpochMillis;
}

/** What is needed to read a window's panes, and to know them apart. */
export interface GroupLayout extends PaneLayout {
  /** Whether they follow the order of the source rather than time. */
  readonly ordered: boolean;
}

/** A pane, and the key it is of. */
export interface GroupPane extends KeyPane {
  readonly key: string;
  readonly layout: GroupLayout;
}

/** The panes of some keys as columns, in which a key is its place in `keys`. */
export interface GroupPanes {
  readonly keys: readonly string[];
  readonly layouts: readonly GroupLayout[];
  readonly tables: readonly Table[];
  readonly length: number;
}

/** What a fold makes of a group: its next state, less the ordinal, and what the commit emits. */
export interface Folded {
  readonly positions: Group['positions'];
  readonly keys: Group['keys'];
  readonly counters: Counters;
  readonly panes: GroupPanes;
  readonly poison: readonly GroupRecord[];
  readonly late: readonly LateRecord[];
}

/** Whether the group has taken a record in already. */
export function holds(group: Group, { lineage, position }: GroupRecord): boolean {
  const last = group.positions.get(lineage);
  return last !== undefined && !isAfter(position, last);
}

/** The panes one by one, in the order they were emitted in. */
export function listPanes({ keys, layouts, tables }: Omit<GroupPanes, 'length'>): readonly GroupPane[] {
  const layoutOf = new Map(layouts.map((layout) => [layout.name, layout]));
  return readPanes(layouts, tables).map(({ key, pane }) => ({
    ...pane,
    key: keys[key] as string,
    layout: layoutOf.get(pane.window) as GroupLayout,
  }));
}

/**
 * Takes records in, in order. Pure: the same group and records give the same result, and neither is changed, so a batch
 * that lost a race or an answer is simply folded again.
 *
 * A record on which an author's function throws is refused, and leaves no trace but that.
 */
export function fold(pipeline: Pipeline, group: Group, records: readonly GroupRecord[]): Folded {
  try {
    return foldAll(pipeline, group, records);
  } catch {
    return foldAll(pipeline, group, refuseThrowing(pipeline, group, records));
  }
}

function foldAll({ rules }: Pipeline, group: Group, records: readonly GroupRecord[]): Folded {
  const positions = new Map(group.positions);
  const panes = new Panes(rules);
  const touched = new Map<string, { readonly number: number; readonly state: KeyState }>();
  const poison: GroupRecord[] = [];
  const late: LateRecord[] = [];
  let last: GroupRecord | undefined;
  for (const one of records) {
    if (last !== undefined && last.lineage !== one.lineage) positions.set(last.lineage, last.position);
    last = one;
    if (one.content.outcome === 'poison') {
      poison.push(one);
      continue;
    }
    const { key, record } = one.content;
    let known = touched.get(key);
    if (known === undefined) {
      known = { number: touched.size, state: new KeyState(rules, group.keys.get(key)) };
      touched.set(key, known);
    }
    panes.key = known.number;
    if (known.state.apply(record, panes) === 'late') {
      const { watermark } = known.state;
      late.push({ key, at: record.at, lineage: one.lineage, position: one.position, watermark });
    }
  }
  if (last !== undefined) positions.set(last.lineage, last.position);

  const keys = new Map(group.keys);
  for (const [key, { number, state }] of touched) {
    panes.key = number;
    state.update(panes);
    keys.set(key, state.freeze() as StoredKey);
  }
  const { counters } = group;
  return {
    positions,
    keys,
    counters: {
      applied: counters.applied + records.length - late.length - poison.length,
      late: counters.late + late.length,
      poison: counters.poison + poison.length,
    },
    panes: columnsOf(rules, [...touched.keys()], panes),
    poison,
    late,
  };
}

const columnsOf = ({ windows }: KeyRules, keys: readonly string[], panes: Panes): GroupPanes => ({
  keys,
  layouts: windows.map(({ operator: { ordered } }, at) => ({
    ...(panes.layouts[at] as PaneLayout),
    ordered,
  })),
  tables: panes.tables,
  length: panes.length,
});

/**
 * The same records, those refused on which an author's function throws: each is taken in with its key's state from before
 * at hand, as a state that something threw in is of no more use.
 */
function refuseThrowing(
  { rules }: Pipeline,
  group: Group,
  records: readonly GroupRecord[],
): readonly GroupRecord[] {
  const keys = new Map(group.keys);
  const panes = new Panes(rules);
  return records.map((one) => {
    if (one.content.outcome === 'poison') return one;
    const { key, record } = one.content;
    try {
      const state = new KeyState(rules, keys.get(key));
      state.apply(record, panes);
      keys.set(key, state.freeze() as StoredKey);
      return one;
    } catch (error) {
      const poison = { code: 'fold', reason: messageOf(error) } as const;
      return { ...one, content: { outcome: 'poison', poison } };
    } finally {
      panes.clear();
    }
  });
}

/**
 * What the passing of time alone makes of a group: `folded` where it emits panes or forgets keys, at most about
 * `maxPanes` of the panes, `more` when there are others.
 */
export function foldIdle(
  { rules }: Pipeline,
  group: Group,
  now: EpochMillis,
  maxPanes: number,
): Folded & { readonly changed: boolean; readonly more: boolean; readonly open: number } {
  const { positions, counters } = group;
  const keys = new Map(group.keys);
  const panes = new Panes(rules);
  const emitting: string[] = [];
  let more = false;
  let open = 0;
  for (const [key, stored] of group.keys) {
    if (panes.length >= maxPanes) {
      more = true;
      break;
    }
    const state = new KeyState(rules, stored);
    const before = panes.length;
    panes.key = emitting.length;
    state.idle(now, panes);
    open += state.open();
    const next = state.freeze(now);
    if (panes.length > before) emitting.push(key);
    if (next === undefined) keys.delete(key);
    else if (panes.length > before) keys.set(key, next);
  }
  const changed = panes.length > 0 || keys.size < group.keys.size;
  const emitted = columnsOf(rules, emitting, panes);
  return { positions, keys, counters, panes: emitted, poison: [], late: [], changed, more, open };
}
