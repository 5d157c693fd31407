import { before, type EpochMillis, millis } from '../core/time.ts';
import { inParallel } from '../ports/in-parallel.ts';
import type { Ports } from '../ports/index.ts';
import { LIMITS } from '../ports/limits.ts';
import { type Deployment, present } from './deployment.ts';
import { foldIdle } from './fold.ts';
import type { GroupCache } from './group-cache.ts';
import { appendTo, loadGroup } from './group-log.ts';
import { nextEntry } from './next-entry.ts';
import { mustRenew } from './packed.ts';
import { leaveOut } from './room.ts';

type SweepPorts = Pick<Ports, 'log' | 'arrivals' | 'clock' | 'telemetry' | 'limits'>;

/** Allows for the clocks of the source and of the sweeper to differ, and for arrival times that are approximate. */
const MARGIN = millis('10s');

export interface Sweep {
  /** Windows that hold records and have not closed. */
  readonly open: number;
  readonly panes: number;
  /** Up to when silence was counted; undefined when it cannot be told what still waits at the source. */
  readonly now: EpochMillis | undefined;
}

/**
 * Visits every group: closes the windows of keys that have gone silent, forgets keys, keeps what must not expire. Where a
 * group cannot be swept the others still are, before the reason is thrown.
 *
 * Silence is only silence if nothing is waiting: it is counted up to the time before which the source has been wholly
 * committed, and not at all where that is unknown.
 *
 * @param deadline no group is visited at or after it; each minute begins with another group, so that all have their turn
 */
export async function sweep(
  ports: SweepPorts,
  deployment: Deployment,
  deadline: EpochMillis,
  cache?: GroupCache,
): Promise<Sweep> {
  const clock = ports.clock.now();
  const frontier = await frontierOf(ports, clock);
  const now = frontier && before(Math.min(clock, frontier) as EpochMillis, MARGIN);
  const { groups } = present(deployment);
  const first = Math.floor(clock / EVERY) % groups;
  const faults: unknown[] = [];
  const swept = await inParallel(
    Array.from({ length: groups }, (_, at) => (first + at) % groups),
    async (index) => {
      if (ports.clock.now() >= deadline) return { open: 0, panes: 0 };
      try {
        return await sweepGroup(ports, deployment, index, now, deadline, cache);
      } catch (cause) {
        ports.telemetry.fault('sweep', cause);
        faults.push(cause);
        return { open: 0, panes: 0 };
      }
    },
  );
  if (faults.length > 0) throw faults[0];
  return {
    open: swept.reduce((total, { open }) => total + open, 0),
    panes: swept.reduce((total, { panes }) => total + panes, 0),
    now,
  };
}

/** Where the source cannot be asked what waits, no time passes by itself; the rest of the sweep goes on. */
async function frontierOf(
  { arrivals, telemetry }: SweepPorts,
  now: EpochMillis,
): Promise<EpochMillis | undefined> {
  try {
    return await arrivals.frontier(now);
  } catch (cause) {
    telemetry.fault('tell what waits at the source', cause);
    return undefined;
  }
}

async function sweepGroup(
  ports: SweepPorts,
  deployment: Deployment,
  index: number,
  now: EpochMillis | undefined,
  deadline: EpochMillis,
  cache: GroupCache | undefined,
): Promise<{ readonly open: number; readonly panes: number }> {
  const { limits = LIMITS } = ports;
  let group = await loadGroup(ports, deployment, index, cache);
  let panes = 0;
  for (;;) {
    const passed = foldIdle(deployment, group, now ?? NEVER, limits);
    if (passed.failed > 0) ports.telemetry.fault('close windows', keysThatThrow(index, passed.failed));
    const cutPanes = leaveOut(passed.panes, limits);
    const committedAt = ports.clock.now();
    const mustRewrite = group.base !== undefined && mustRenew(group.base.committedAt, committedAt);
    if (!passed.changed && !mustRewrite) return { open: passed.open, panes };
    const next = nextEntry(deployment, group, passed, committedAt);
    // Whoever was first has taken records in, or swept: what is left for a sweep is left for the next one.
    if ((await appendTo(ports, deployment, index, next, cache)) === 'conflict') {
      return { open: passed.open + passed.panes.length, panes };
    }
    ports.telemetry.count('panes', passed.panes.length);
    ports.telemetry.count('cutPanes', cutPanes);
    panes += passed.panes.length;
    if (!passed.more || committedAt >= deadline) return { open: passed.open, panes };
    group = next.group;
  }
}

/** What a key's windows threw may quote its records: it is not shown. */
const keysThatThrow = (group: number, keys: number): Error =>
  new Error(
    `Cannot close the windows of ${keys} keys of group ${group} as something in them throws: the others go on`,
  );

/** Before any arrival: no key has been silent by then. */
const NEVER = Number.NEGATIVE_INFINITY as EpochMillis;

/** How often the sweeper comes. */
const EVERY = millis('1m');
