import { KeyState, type StoredKey } from '../core/key.ts';
import { type PaneLayout, Panes } from '../core/panes.ts';
import type { EpochMillis } from '../core/time.ts';
import type { Pipeline } from '../pipeline/pipeline.ts';
import { messageOf } from './decode.ts';
import type { Deployment } from './deployment.ts';
import type { Folded, Group, GroupPanes, GroupRecord, LateRecord } from './group.ts';
import { forgetPassed, isAhead, reachedBy, TakenIds } from './news.ts';

/**
 * Takes records in, in order. Pure: the same group and records give the same result, and neither is changed, so a batch
 * that lost a race or an answer is simply folded again.
 *
 * A record on which an author's function throws is refused, and leaves no trace but that.
 *
 * @param records none of which is in: see `newsOf`
 */
export function fold(deployment: Deployment, group: Group, records: readonly GroupRecord[]): Folded {
  try {
    return foldAll(deployment, group, records);
  } catch {
    return foldAll(deployment, group, refuseThrowing(deployment.pipeline, group, records));
  }
}

function foldAll(deployment: Deployment, group: Group, records: readonly GroupRecord[]): Folded {
  const { rules, source } = deployment.pipeline;
  const panes = new Panes(rules);
  const touched = new Map<string, { readonly number: number; readonly state: KeyState }>();
  const poison: GroupRecord[] = [];
  const late: LateRecord[] = [];
  const ids = source.ordered ? undefined : new TakenIds(deployment.pipeline, group.ids);
  for (let at = 0; at < records.length; at++) {
    const one = records[at] as GroupRecord;
    if (one.content.outcome === 'poison') {
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
    if (known.state.apply(record, panes) === 'late') {
      const { watermark } = known.state;
      late.push({ key, at: record.at, lineage: one.lineage, position: one.position, watermark });
      ids?.refuse(one);
    } else {
      ids?.take(one, key, record.at);
    }
  }

  const keys = new Map(group.keys);
  for (const [key, { number, state }] of touched) {
    panes.key = number;
    state.update(panes);
    keys.set(key, state.freeze() as StoredKey);
    ids?.forget(key, state.watermark);
  }
  const positions = source.ordered ? reachedBy(group, records) : group.positions;
  const { counters } = group;
  return {
    positions,
    inherited: group.inherited.filter((one) => isAhead(one, positions)),
    keys,
    ids: ids?.taken() ?? group.ids,
    counters: {
      applied: counters.applied + records.length - late.length - poison.length,
      late: counters.late + late.length,
      poison: counters.poison + poison.length,
    },
    panes: columnsOf(deployment, [...touched.keys()], panes),
    poison,
    late,
  };
}

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
  deployment: Deployment,
  group: Group,
  now: EpochMillis,
  maxPanes: number,
): Folded & { readonly changed: boolean; readonly more: boolean; readonly open: number } {
  const { rules } = deployment.pipeline;
  const { positions, inherited, counters } = group;
  const keys = new Map(group.keys);
  const ids = new Map(group.ids);
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
    if (next === undefined) {
      keys.delete(key);
      ids.delete(key);
    } else if (panes.length > before) {
      keys.set(key, next);
      forgetPassed(ids, key, next.watermark);
    }
  }
  const changed = panes.length > 0 || keys.size < group.keys.size;
  const emitted = columnsOf(deployment, emitting, panes);
  return {
    positions,
    inherited,
    keys,
    ids,
    counters,
    panes: emitted,
    poison: [],
    late: [],
    changed,
    more,
    open,
  };
}
