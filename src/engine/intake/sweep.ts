import { LoggableError } from '../../core/loggable.ts';
import { before, type EpochMillis, millis } from '../../core/time.ts';
import { inTime } from '../../ports/clock.ts';
import { Budget, FEW, inParallel } from '../../ports/in-parallel.ts';
import type { Ports } from '../../ports/index.ts';
import { LIMITS } from '../../ports/limits.ts';
import { nextEntry } from '../format/next-entry.ts';
import { present } from '../group/deployment.ts';
import type { Group } from '../group/group.ts';
import { mustRenew } from '../group/lifetimes.ts';
import { leaveOut, roomUsed } from '../group/room.ts';
import { bytesOf } from '../log/group-cache.ts';
import { type GroupLogs, unchanged } from '../log/group-logs.ts';
import { foldIdle } from './fold.ts';

type SweepPorts = Pick<Ports, 'arrivals' | 'clock' | 'telemetry' | 'limits' | 'swept'>;

/**
 * Allows for a difference between the clocks of the source and of the sweeper, and for arrival times that
 * are approximate.
 */
const MARGIN = millis('10s');

export interface Sweep {
  /** The number of windows that hold records and have not closed. */
  readonly open: number;
  readonly panes: number;
  /**
   * The instant up to which silence was counted, or undefined when the source cannot tell what still waits
   * in it.
   */
  readonly now: EpochMillis | undefined;
}

/**
 * Visits every group: closes the windows of keys that have gone silent, forgets keys, and renews what must
 * not expire. Where one group cannot be swept, the others are swept before its error is thrown.
 *
 * A key is only silent if none of its records is waiting. So silence is counted up to the time before which
 * the source has been wholly committed, and not at all where that time is unknown.
 *
 * What must not expire is renewed whatever the source does. No group waits for the source before its
 * snapshot is renewed, and the source has a third of the time to answer. All groups share the remaining
 * time.
 *
 * @param deadline no group is visited at or after it, and nobody waits for a visit that is under way then;
 * each minute begins with another group, so that all have their turn
 */
export async function sweep(ports: SweepPorts, logs: GroupLogs, deadline: EpochMillis): Promise<Sweep> {
  const clock = ports.clock.now();
  const silence = silenceUpTo(ports, clock, deadline);
  const { groups } = present(logs.deployment);
  const first = Math.floor(clock / EVERY) % groups;
  const { held } = ports.limits ?? LIMITS;
  const budget = new Budget(held);
  const faults: unknown[] = [];
  const swept = await inParallel(
    Array.from({ length: groups }, (_, at) => (first + at) % groups),
    async (index) => {
      const place = { log: logs.nameOf(index) };
      const size = logs.sizeOf(index) ?? held / FEW;
      const holds = await new Promise<(bytes: number) => void>((begin) => budget.enter(size, begin));
      try {
        if (ports.clock.now() >= deadline) return UNVISITED;
        const swept = sweepGroup(ports, logs, index, silence, deadline, holds);
        return await inTime(ports.clock, deadline, swept, () => {
          ports.telemetry.fault('sweep', stillUnderWay(index), place);
          return UNVISITED;
        });
      } catch (cause) {
        ports.telemetry.fault('sweep', cause, place);
        faults.push(cause);
        return UNVISITED;
      } finally {
        holds(0);
      }
    },
  );
  if (faults.length > 0) throw faults[0];
  const now = await silence;
  tellState(ports, swept);
  if (now !== undefined && swept.every(({ isWhole }) => isWhole)) await noted(ports, now, deadline);
  return {
    open: swept.reduce((total, { open }) => total + open, 0),
    panes: swept.reduce((total, { panes }) => total + panes, 0),
    now,
  };
}

/** Tells that all groups were visited, and how they are; nothing where one was not. */
function tellState({ telemetry, clock }: SweepPorts, swept: readonly Visit[]): void {
  const found = swept.flatMap(({ found }) => found ?? []);
  if (found.length < swept.length) return;
  const now = clock.now();
  telemetry.count('sweeps', 1);
  const ages = found.map(({ snapshotAt = now }) => Math.max(0, now - snapshotAt));
  telemetry.measure('oldestSnapshot', Math.max(...ages));
  telemetry.measure('roomUsed', Math.round(1_000 * Math.max(...found.map(({ room }) => room))) / 10);
  telemetry.measure(
    'keys',
    found.reduce((total, { keys }) => total + keys, 0),
  );
}

/**
 * Returns the instant up to which keys without new records have been silent. Where the source cannot tell
 * what waits, or not in its share of the time, no time passes by itself.
 */
async function silenceUpTo(
  { arrivals, clock, telemetry }: SweepPorts,
  now: EpochMillis,
  deadline: EpochMillis,
): Promise<EpochMillis | undefined> {
  try {
    const patience = (now + (deadline - now) * SOURCE_SHARE) as EpochMillis;
    const frontier = await inTime(clock, patience, arrivals.frontier(now), () => {
      throw new LoggableError(
        'Cannot wait for the source any longer as the groups need the rest of the time',
      );
    });
    if (frontier !== undefined) telemetry.measure('sourceAge', Math.max(0, now - frontier));
    return frontier && before(Math.min(now, frontier) as EpochMillis, MARGIN);
  } catch (cause) {
    telemetry.fault('tell what waits at the source', cause);
    return undefined;
  }
}

/** Notes how far all groups are swept, for pipelines that read the panes. Where that fails, the next sweep notes it. */
async function noted(
  { swept, clock, telemetry }: SweepPorts,
  silence: EpochMillis,
  deadline: EpochMillis,
): Promise<void> {
  if (swept === undefined) return;
  try {
    await inTime(clock, deadline, swept.note(silence), () => {});
  } catch (cause) {
    telemetry.fault('note how far all groups are swept', cause);
  }
}

/** What came of the visit of one group. */
interface Visit {
  readonly open: number;
  readonly panes: number;
  /** Whether all of its keys have passed by the whole silence. */
  readonly isWhole: boolean;
  /** How the group was found; undefined where it was not visited. */
  readonly found: Found | undefined;
}

/** A group in figures, as its memory is needed for others. */
interface Found {
  readonly snapshotAt: EpochMillis | undefined;
  /** The share that is used of the room for new keys. */
  readonly room: number;
  readonly keys: number;
}

const UNVISITED: Visit = { open: 0, panes: 0, isWhole: false, found: undefined };

async function sweepGroup(
  ports: SweepPorts,
  logs: GroupLogs,
  index: number,
  silence: Promise<EpochMillis | undefined>,
  deadline: EpochMillis,
  holds: (bytes: number) => void,
): Promise<Visit> {
  const { limits = LIMITS } = ports;
  const { deployment } = logs;
  const loaded = await logs.load(index);
  holds(bytesOf(loaded));
  let group = await renewed(ports, logs, index, loaded);
  const found = {
    snapshotAt: group.base?.committedAt,
    room: roomUsed(group, limits),
    keys: group.keys.size,
  };
  const now = (await silence) ?? NEVER;
  let panes = 0;
  for (;;) {
    const passed = foldIdle(deployment, group, now, limits);
    if (passed.failed > 0) {
      const place = { log: logs.nameOf(index) };
      ports.telemetry.fault('close windows', keysThatThrow(index, passed.failed), place);
      ports.telemetry.count('authorFaults', passed.failed);
    }
    const cutPanes = leaveOut(passed.panes, limits);
    const committedAt = ports.clock.now();
    if (!passed.changed) return { open: passed.open, panes, isWhole: true, found };
    const next = nextEntry(deployment, group, passed, committedAt);
    // The writer that was first has taken records in, or swept. What remains for a sweep waits for the next
    // one.
    if ((await logs.append(index, next)) === 'conflict') {
      return { open: passed.open + passed.panes.length, panes, isWhole: false, found };
    }
    ports.telemetry.count('panes', passed.panes.length);
    ports.telemetry.count('cutPanes', cutPanes);
    panes += passed.panes.length;
    if (!passed.more || committedAt >= deadline)
      return { open: passed.open, panes, isWhole: !passed.more, found };
    group = next.group;
  }
}

/**
 * Returns the group with a snapshot that is young enough. Where another writer was first, the next sweep
 * looks again.
 */
async function renewed({ clock }: SweepPorts, logs: GroupLogs, index: number, group: Group): Promise<Group> {
  const now = clock.now();
  if (group.base === undefined || !mustRenew(group.base.committedAt, now)) return group;
  const next = nextEntry(logs.deployment, group, unchanged(group), now);
  return (await logs.append(index, next)) === 'committed' ? next.group : group;
}

/**
 * The fault of a sweep that takes too long. The group's sweep goes on by itself, or the next sweep does it
 * again, so no other group need wait.
 */
const stillUnderWay = (group: number): Error =>
  new LoggableError(
    `Cannot wait for the sweep of group ${group} any longer as the time of this invocation is up`,
  );

/** The fault of keys whose windows throw. What they threw may quote records, so it is not shown. */
const keysThatThrow = (group: number, keys: number): Error =>
  new LoggableError(
    `Cannot close the windows of ${keys} keys of group ${group} as something in them throws: the others go on`,
  );

/** An instant before any arrival, by which no key has been silent. */
const NEVER = Number.NEGATIVE_INFINITY as EpochMillis;

/** The share of a sweep's time that the source has to tell what waits. */
const SOURCE_SHARE = 1 / 3;

/** How often the sweeper comes. */
const EVERY = millis('1m');
