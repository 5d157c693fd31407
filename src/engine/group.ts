import { type KeyPane, type KeyRecord, KeyState, type StoredKey } from '../core/key.ts';
import { isAfter, type Position } from '../core/position.ts';
import type { EpochMillis } from '../core/time.ts';
import type { Pipeline } from '../pipeline/pipeline.ts';
import type { Poison } from './decode.ts';

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

/** A pane and the key it is of. */
export interface GroupPane extends KeyPane {
  readonly key: string;
}

/** What a fold makes of a group: its next state, less the ordinal, and what the commit emits. */
export interface Folded {
  readonly positions: Group['positions'];
  readonly keys: Group['keys'];
  readonly counters: Counters;
  readonly panes: readonly GroupPane[];
  readonly poison: readonly GroupRecord[];
}

/** Whether the group has taken a record in already. */
export function holds(group: Group, { lineage, position }: GroupRecord): boolean {
  const last = group.positions.get(lineage);
  return last !== undefined && !isAfter(position, last);
}

/**
 * Takes records in, in order. Pure: the same group and records give the same result, and neither is changed, so a batch
 * that lost a race or an answer is simply folded again.
 */
export function fold(pipeline: Pipeline, group: Group, records: readonly GroupRecord[]): Folded {
  const positions = new Map(group.positions);
  const touched = new Map<string, KeyState>();
  const panes: GroupPane[] = [];
  const poison: GroupRecord[] = [];
  let { applied, late } = group.counters;
  for (const one of records) {
    positions.set(one.lineage, one.position);
    if (one.content.outcome === 'poison') {
      poison.push(one);
      continue;
    }
    const { key, record } = one.content;
    let state = touched.get(key);
    if (state === undefined) {
      state = new KeyState(pipeline.rules, group.keys.get(key));
      touched.set(key, state);
    }
    if (state.apply(record, (pane) => panes.push({ ...pane, key })) === 'late') late++;
    else applied++;
  }
  const keys = new Map(group.keys);
  for (const [key, state] of touched) keys.set(key, state.freeze() as StoredKey);
  const counters = { applied, late, poison: group.counters.poison + poison.length };
  return { positions, keys, counters, panes, poison };
}

/**
 * What the passing of time alone makes of a group: `folded` where it emits panes or forgets keys, at most about
 * `maxPanes` of the panes, `more` when there are others.
 */
export function foldIdle(
  pipeline: Pipeline,
  group: Group,
  now: EpochMillis,
  maxPanes: number,
): Folded & { readonly changed: boolean; readonly more: boolean; readonly open: number } {
  const { positions, counters } = group;
  const keys = new Map(group.keys);
  const panes: GroupPane[] = [];
  let more = false;
  let open = 0;
  for (const [key, stored] of group.keys) {
    if (panes.length >= maxPanes) {
      more = true;
      break;
    }
    const state = new KeyState(pipeline.rules, stored);
    const before = panes.length;
    state.idle(now, (pane) => panes.push({ ...pane, key }));
    open += state.open();
    const next = state.freeze(now);
    if (next === undefined) keys.delete(key);
    else if (panes.length > before) keys.set(key, next);
  }
  const changed = panes.length > 0 || keys.size < group.keys.size;
  return { positions, keys, counters, panes, poison: [], changed, more, open };
}
