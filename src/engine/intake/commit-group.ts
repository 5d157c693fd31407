import { allRowsOf } from '../../core/codec.ts';
import { LoggableError, loggable } from '../../core/loggable.ts';
import type { EpochMillis } from '../../core/time.ts';
import type { Ports } from '../../ports/index.ts';
import { LIMITS, type Limits } from '../../ports/limits.ts';
import type { Tracer } from '../../ports/tracer.ts';
import { type KeysAndIds, slotsOf, storedUnder } from '../format/group-tables.ts';
import { type Draft, draftEntry } from '../format/next-entry.ts';
import type { Deployment } from '../group/deployment.ts';
import { type Folded, type Group, type GroupRecord, lateByWindow, type PoisonCode } from '../group/group.ts';
import { leaveOut, stateWeight } from '../group/room.ts';
import { newsOf, REFUSED, withoutOld, withoutRoom } from '../group/taken.ts';
import { weightOf } from '../group/weight.ts';
import type { GroupLogs } from '../log/group-logs.ts';
import { fold, foldBefore } from './fold.ts';
import { keepLate, keepRefused } from './poison.ts';

type CommitPorts = Pick<Ports, 'objects' | 'clock' | 'telemetry' | 'limits' | 'tracer'>;

/** How far a group's records got: all of them are committed, or all before `uncommitted`, with the cause. */
export type GroupOutcome =
  | { readonly outcome: 'committed' }
  | { readonly outcome: 'stopped'; readonly uncommitted: readonly GroupRecord[]; readonly cause: unknown };

/**
 * The part of its remaining time that a batch spends on folding, at most, before it commits: one in this
 * many.
 */
const FOLDING = 2;

/**
 * A writer loses a race only to a writer that got further, so this many losses in a row mean that something
 * else is wrong.
 */
const MAX_CONFLICTS = 20;

/** What a commit depends on beside the group and its records. */
export interface CommitOptions {
  /** No commit begins at or after this instant. */
  readonly deadline: EpochMillis;
  /** How many groups share that time, one after the other. */
  readonly groups: number;
  /** Called after each commit with the records that are not committed yet. */
  onCommit(uncommitted: readonly GroupRecord[]): void;
}

/**
 * Commits a group's records in order: waits for the group, folds them, and appends the result as the next
 * entry of the group's log.
 *
 * It drops records that the group holds already. Where another writer was first, it adopts that writer's
 * entry and folds the remaining records again. Records take several commits where one would be too large,
 * would refuse more records than one object holds, or would take too long. What is committed stays
 * committed, however little time remains.
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
  const { limits = LIMITS, tracer } = ports;
  const log = logs.nameOf(index);
  let uncommitted = records;
  let accounted = 0;
  const account: Account = (metric, by) => {
    ports.telemetry.count(metric, by);
    accounted += by;
  };
  try {
    let group = await loading;
    let conflicts = 0;
    let atMost = records.length;
    for (;;) {
      const news = newsOf(pipeline, group, uncommitted);
      account('duplicate', uncommitted.length - news.length);
      const { admitted, crowdedOut } = pipeline.source.lineage.ordered
        ? withoutRoom(group, news, limits)
        : { admitted: news, crowdedOut: [] };
      uncommitted = [...admitted, ...crowdedOut];
      if (uncommitted.length === 0) return { outcome: 'committed' };
      if (admitted.length === 0) throw noRoomForLineages(group, crowdedOut, limits);

      const now = ports.clock.now();
      const pause = now + (deadline - now) / (FOLDING * groups);
      const isOver = () => ports.clock.now() >= pause;
      const some = admitted.slice(0, atMost);
      const { folded, draft, taken, repeated, cutPanes } = tracer
        ? tracedFold(tracer, log, deployment, group, some, now, limits, isOver)
        : foldToFit(deployment, group, some, now, limits, isOver);
      const { poison, late, lateRecords } = folded;
      const ordinal = group.ordinal + 1;
      const [kept] = await Promise.all([
        poison.length > 0 ? keepRefused(ports.objects, log, ordinal, poison) : undefined,
        late.length > 0
          ? keepLate(ports.objects, log, { ordinal, committedAt: now }, late, lateRecords)
          : undefined,
      ]);
      const next = draft.write(kept);
      if (ports.clock.now() >= deadline)
        throw new LoggableError('Cannot commit as the time of this invocation is up');
      const appending = tracer ? tracedAppend(tracer, log, logs, index, next) : logs.append(index, next);
      if ((await appending) === 'conflict') {
        ports.telemetry.count('conflicts', 1);
        if (++conflicts > MAX_CONFLICTS)
          throw new LoggableError(`Cannot commit as ${conflicts} appends in a row lost a race`);
        group = await logs.load(index);
        continue;
      }
      countCommit(ports, account, group, folded);
      account('duplicate', repeated);
      ports.telemetry.count('crowded', draft.weight.state >= limits.crowded ? 1 : 0);
      ports.telemetry.count('cutPanes', cutPanes);
      group = next.group;
      uncommitted = uncommitted.slice(taken);
      onCommit(uncommitted);
      atMost = Math.max(1, 2 * taken);
      conflicts = 0;
    }
  } catch (cause) {
    return { outcome: 'stopped', uncommitted, cause };
  } finally {
    ports.telemetry.count('unaccounted', Math.abs(records.length - uncommitted.length - accounted));
  }
}

/** Counts what became of records that a group has left: each is in one of these. */
type Account = (metric: 'applied' | 'late' | 'poison' | 'duplicate', by: number) => void;

/** A fold that fits an entry, and the number of records that it took in. */
interface Fitting {
  readonly folded: Folded;
  readonly draft: Draft;
  readonly taken: number;
  readonly repeated: number;
  readonly cutPanes: number;
}

/**
 * Folds as many of the records as make an entry that fits.
 *
 * Where the state has no room for more, it refuses the records that would make the state larger. They are
 * kept, so that they can be taken in once there is room, and they hold up no other record. Where a single
 * record emits too many panes, it lets a part of the time pass first that the record makes pass.
 */
function foldToFit(
  deployment: Deployment,
  group: Group,
  records: readonly GroupRecord[],
  now: EpochMillis,
  limits: Limits,
  isOver: () => boolean,
): Fitting {
  const fitted = (folded: Folded, taken: number, repeated: number, cutPanes = 0): Fitting => {
    const kept = withoutOld(folded, deployment.pipeline, now);
    const arrived = firstArrival(records, Math.max(1, taken));
    const draft = draftEntry(deployment, group, { ...folded, ...kept }, now, { arrived });
    return { folded, draft, taken, repeated, cutPanes };
  };
  let batch = records;
  for (;;) {
    const { taken, repeated, ...folded } = fold(deployment, group, batch, limits, isOver);
    const fitting = fitted(folded, taken, repeated);
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
      batch = batch.map((record) =>
        growing.has(keyOf(record)) ? record.refused('no-room', reason) : record,
      );
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
      ? fitted(before, 0, 0, leaveOut(before.panes, limits))
      : fitted(folded, 1, repeated, leaveOut(folded.panes, limits));
  }
}

/** Returns when the earliest of the first `count` records arrived. */
function firstArrival(records: readonly GroupRecord[], count: number): EpochMillis {
  let first = (records[0] as GroupRecord).arrival;
  for (let at = 1; at < count; at++) {
    const { arrival } = records[at] as GroupRecord;
    if (arrival < first) first = arrival;
  }
  return first;
}

/** Folds within a span. Only here do traces cost anything: without a tracer, not even a function is made. */
function tracedFold(tracer: Tracer, log: string, ...folding: Parameters<typeof foldToFit>): Fitting {
  return tracer.span('fold', { log, records: folding[2].length }, (span) => {
    const fitting = foldToFit(...folding);
    span.set({ taken: fitting.taken, panes: fitting.folded.panes.length });
    return fitting;
  });
}

/** Appends within a span. A race that was lost is no failure. */
function tracedAppend(
  tracer: Tracer,
  log: string,
  logs: GroupLogs,
  ...[index, next]: Parameters<GroupLogs['append']>
): ReturnType<GroupLogs['append']> {
  return tracer.span('commit', { log, bytes: next.entry.body.length }, async (span) => {
    const outcome = await logs.append(index, next);
    span.set({ outcome });
    return outcome;
  });
}

/**
 * The least share of a batch that is tried before records are refused or taken one by one. So a full group
 * costs as few folds as an empty one.
 */
const LEAST_SHARE = 1 / 8;

/** Returns the share of a state's growth for which there is room. */
function roomLeft(before: Group, after: number, { state }: Limits): number {
  const weight = stateWeight(before);
  return after <= state || after <= weight ? 1 : Math.max(0, state - weight) / (after - weight);
}

const keyOf = ({ content }: GroupRecord): string => (content.outcome === 'record' ? content.key : REFUSED);

/**
 * Returns the keys that grow most in a fold: as many as make the state smaller by `excess` bytes if they
 * are left out.
 */
function growingMost(
  { pipeline }: Deployment,
  before: Group,
  after: Folded,
  excess: number,
): ReadonlySet<string> {
  if (excess <= 0) return new Set();
  const weigh = (kept: KeysAndIds, key: string) =>
    kept.keys.has(key)
      ? weightOf([key], slotsOf(pipeline, storedUnder(kept, [key])).map(allRowsOf)).whole
      : 0;
  // One version after the other, as each takes over from the other what differs.
  const earlier = new Map(before.keys);
  const changed = [...after.keys].filter(([key, stored]) => stored !== earlier.get(key));
  const weights = changed.map(([key]) => weigh(after, key));
  const growths = changed
    .map(([key], at) => ({ key, growth: (weights[at] as number) - weigh(before, key) }))
    .filter(({ growth }) => growth > 0)
    .sort((a, b) => b.growth - a.growth);
  const growing = new Set<string>();
  let surplus = excess;
  for (const { key, growth } of growths) {
    if (surplus <= 0) break;
    growing.add(key);
    surplus -= growth;
  }
  return growing;
}

const noRoomForLineages = (
  group: Group,
  crowdedOut: readonly GroupRecord[],
  { newKeys }: Limits,
): RangeError =>
  loggable(
    new RangeError(
      `Cannot take in ${crowdedOut.length} records as their group has no room for more lineages: a state must weigh < ${newKeys} bytes for that, and it weighs ${stateWeight(group)} with ${group.positions.size} of them; more groups have more room`,
    ),
  );

function countCommit(
  { telemetry }: Pick<Ports, 'telemetry'>,
  account: Account,
  before: Group,
  { counters, panes, poison, late }: Folded,
): void {
  account('applied', counters.applied - before.counters.applied);
  account('late', counters.lateForAll - before.counters.lateForAll);
  for (const [window, count] of Object.entries(lateByWindow(late))) telemetry.countLate(window, count);
  account('poison', counters.poison - before.counters.poison);
  telemetry.count('panes', panes.length);
  telemetry.count('commits', 1);
  telemetry.count('noRoom', refusedAs(poison, NO_ROOM));
  telemetry.count('authorFaults', refusedAs(poison, BY_AUTHOR));
}

const NO_ROOM: ReadonlySet<PoisonCode> = new Set(['no-room']);

/** What refuses a record where a function of the definition threw, or answered with what no record can have. */
const BY_AUTHOR: ReadonlySet<PoisonCode> = new Set([
  'map',
  'expand',
  'filter',
  'id',
  'key',
  'event-time',
  'select',
  'fold',
]);

const refusedAs = (poison: readonly GroupRecord[], codes: ReadonlySet<PoisonCode>): number =>
  poison.filter(({ content }) => content.outcome === 'poison' && codes.has(content.poison.code)).length;
