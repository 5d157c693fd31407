import { allRowsOf } from '../../core/codec.ts';
import { LoggableError, loggable } from '../../core/loggable.ts';
import type { EpochMillis } from '../../core/time.ts';
import type { Ports } from '../../ports/index.ts';
import { LIMITS, type Limits } from '../../ports/limits.ts';
import { type KeysAndIds, slotsOf } from '../format/group-tables.ts';
import { type Draft, draftEntry } from '../format/next-entry.ts';
import type { Deployment } from '../group/deployment.ts';
import { type Folded, type Group, type GroupRecord, lateByWindow } from '../group/group.ts';
import { leaveOut, stateWeight } from '../group/room.ts';
import { newsOf, REFUSED, withoutOld, withoutRoom } from '../group/taken.ts';
import { weightOf } from '../group/weight.ts';
import type { GroupLogs } from '../log/group-logs.ts';
import { fold, foldBefore, refused } from './fold.ts';
import { keepRefused } from './poison.ts';

type CommitPorts = Pick<Ports, 'objects' | 'clock' | 'telemetry' | 'limits'>;

/** How far a group's records got: all of them, or those before `rest`, with the reason. */
export type GroupOutcome =
  | { readonly outcome: 'committed' }
  | { readonly outcome: 'stopped'; readonly rest: readonly GroupRecord[]; readonly cause: unknown };

/** A batch spends at most one part in so many of the time it has left on folding, before it commits. */
const FOLDING = 2;

/** A race is lost only to a writer that got further, so this many in a row means something else is wrong. */
const MAX_CONFLICTS = 20;

/** What a commit has to go by, beside the group and its records. */
export interface CommitOptions {
  /** No commit is begun at or after it. */
  readonly deadline: EpochMillis;
  /** How many groups have that time, one after the other. */
  readonly groups: number;
  /** Is told of what is left after each commit. */
  onCommit(rest: readonly GroupRecord[]): void;
}

/**
 * Commits a group's records in order, once it is loaded: folds them, and appends the result as the next entry of the group's
 * log. Records that the group holds already are dropped. Where another writer was first, its entry is adopted and the rest
 * folded again. Where a commit would be too large, would refuse more records than one object holds, or would take too long, the
 * records go in several: what is committed stays so, however little time is left.
 */
export async function commitGroup(
  ports: CommitPorts,
  logs: GroupLogs,
  index: number,
  loading: Promise<Group>,
  records: readonly GroupRecord[],
  { deadline, groups, onCommit }: CommitOptions,
): Promise<GroupOutcome> {
  const { deployment } = logs;
  const { pipeline } = deployment;
  const { limits = LIMITS } = ports;
  let rest = records;
  try {
    let group = await loading;
    let conflicts = 0;
    let atMost = records.length;
    for (;;) {
      const news = newsOf(pipeline, group, rest);
      ports.telemetry.count('duplicate', rest.length - news.length);
      const { others, left } = pipeline.source.lineage.ordered
        ? withoutRoom(group, news, limits)
        : { others: news, left: [] };
      rest = [...others, ...left];
      if (rest.length === 0) return { outcome: 'committed' };
      if (others.length === 0) throw noRoomForLineages(group, left, limits);

      const now = ports.clock.now();
      const pause = now + (deadline - now) / (FOLDING * groups);
      const isOver = () => ports.clock.now() >= pause;
      const some = others.slice(0, atMost);
      const { folded, draft, taken, cutPanes } = foldToFit(deployment, group, some, now, limits, isOver);
      const { poison } = folded;
      const kept = poison.length > 0 ? await keepRefused(ports.objects, pipeline.name, poison) : undefined;
      const next = draft.write(kept);
      if (ports.clock.now() >= deadline)
        throw new LoggableError('Cannot commit as the time of this invocation is up');
      if ((await logs.append(index, next)) === 'conflict') {
        ports.telemetry.count('conflicts', 1);
        if (++conflicts > MAX_CONFLICTS)
          throw new LoggableError(`Cannot commit as ${conflicts} appends in a row lost a race`);
        group = await logs.load(index);
        continue;
      }
      countCommit(ports, group, folded);
      ports.telemetry.count('crowded', draft.weight.state >= limits.crowded ? 1 : 0);
      ports.telemetry.count('cutPanes', cutPanes);
      group = next.group;
      rest = rest.slice(taken);
      onCommit(rest);
      atMost = Math.max(1, 2 * taken);
      conflicts = 0;
    }
  } catch (cause) {
    return { outcome: 'stopped', rest, cause };
  }
}

/** A fold that fits an entry, and how many of the records it took in. */
interface Fitting {
  readonly folded: Folded;
  readonly draft: Draft;
  readonly taken: number;
  readonly cutPanes: number;
}

/**
 * Folds as many of the records as make an entry that fits. Where the state has no room for more, the
 * records that would make it larger are refused: kept, they can be taken in once there is room, and they hold up no other.
 * Where the panes of a single record are too many, a part of the time passes first that it makes pass.
 */
function foldToFit(
  deployment: Deployment,
  group: Group,
  records: readonly GroupRecord[],
  now: EpochMillis,
  limits: Limits,
  isOver: () => boolean,
): Fitting {
  const fitted = (folded: Folded, taken: number, cutPanes = 0): Fitting => {
    const kept = withoutOld(folded, deployment.pipeline, now);
    return { folded, draft: draftEntry(deployment, group, { ...folded, ...kept }, now), taken, cutPanes };
  };
  let batch = records;
  for (;;) {
    const { taken, ...folded } = fold(deployment, group, batch, limits, isOver);
    const fitting = fitted(folded, taken);
    const { draft } = fitting;
    batch = batch.slice(0, taken);
    const { weight } = draft;
    const share = Math.min(
      limits.panes / weight.panes,
      limits.lists / weight.lists,
      roomLeft(group, weight.state, limits),
    );
    if (share < 1 && batch.length > 1 && share >= LEAST_SHARE) {
      batch = batch.slice(0, Math.max(1, Math.floor(0.9 * share * batch.length)));
      continue;
    }
    const growing = growingMost(deployment, group, folded, weight.state - limits.state);
    if (growing.size > 0) {
      const reason = `the state of its group has no room for it: it must weigh <= ${limits.state} bytes, and would weigh ${weight.state}; more groups have more room`;
      batch = batch.map((one) => (growing.has(keyOf(one)) ? refused(one, 'no-room', reason) : one));
      continue;
    }
    const isLong = weight.panes > limits.panes || weight.lists > limits.lists;
    if (isLong && batch.length > 1) {
      batch = batch.slice(0, Math.ceil(batch.length * LEAST_SHARE));
      continue;
    }
    if (weight.panes <= limits.panes) return fitting;
    const before = foldBefore(deployment, group, batch[0] as GroupRecord, limits);
    return before
      ? fitted(before, 0, leaveOut(before.panes, limits))
      : fitted(folded, 1, leaveOut(folded.panes, limits));
  }
}

/** No less of a batch is tried before records are refused, or one by one: so a full group costs as few folds as an empty one. */
const LEAST_SHARE = 1 / 8;

/** What share of the growth of a state there is room for. */
function roomLeft(before: Group, after: number, { state }: Limits): number {
  const weight = stateWeight(before);
  return after <= state || after <= weight ? 1 : Math.max(0, state - weight) / (after - weight);
}

const keyOf = ({ content }: GroupRecord): string => (content.outcome === 'record' ? content.key : REFUSED);

/** The keys that grow most in a fold: so many that without them a state is smaller by `excess` bytes. */
function growingMost(
  { pipeline }: Deployment,
  before: Group,
  after: Folded,
  excess: number,
): ReadonlySet<string> {
  if (excess <= 0) return new Set();
  const weigh = (kept: KeysAndIds, key: string) =>
    kept.keys.has(key) ? weightOf([key], slotsOf(pipeline, kept, [key]).map(allRowsOf)).whole : 0;
  const growths = [...after.keys.keys()]
    .filter((key) => after.keys.get(key) !== before.keys.get(key))
    .map((key) => ({ key, growth: weigh(after, key) - weigh(before, key) }))
    .filter(({ growth }) => growth > 0)
    .sort((a, b) => b.growth - a.growth);
  const growing = new Set<string>();
  let left = excess;
  for (const { key, growth } of growths) {
    if (left <= 0) break;
    growing.add(key);
    left -= growth;
  }
  return growing;
}

const noRoomForLineages = (group: Group, left: readonly GroupRecord[], { newKeys }: Limits): RangeError =>
  loggable(
    new RangeError(
      `Cannot take in ${left.length} records as their group has no room for more lineages: a state must weigh < ${newKeys} bytes for that, and it weighs ${stateWeight(group)} with ${group.positions.size} of them; more groups have more room`,
    ),
  );

function countCommit(
  { telemetry }: Pick<Ports, 'telemetry'>,
  before: Group,
  { counters, panes, poison, late }: Folded,
): void {
  telemetry.count('applied', counters.applied - before.counters.applied);
  telemetry.count('late', counters.lateForAll - before.counters.lateForAll);
  for (const [window, count] of Object.entries(lateByWindow(late))) telemetry.countLate(window, count);
  telemetry.count('poison', counters.poison - before.counters.poison);
  telemetry.count('panes', panes.length);
  telemetry.count('noRoom', poison.filter(isWithoutRoom).length);
}

const isWithoutRoom = ({ content }: GroupRecord): boolean =>
  content.outcome === 'poison' && content.poison.code === 'no-room';
