import { before, type EpochMillis, millis } from '../core/time.ts';
import type { Pipeline } from '../pipeline/pipeline.ts';
import { MAX_BODY_BYTES } from '../ports/commit-log.ts';
import { inParallel } from '../ports/in-parallel.ts';
import type { Ports } from '../ports/index.ts';
import { groupLog } from '../wiring/names.ts';
import { loadGroup, tooLarge } from './commit-group.ts';
import { encodeEntry, mustRenew } from './entry.ts';
import { foldIdle } from './group.ts';

type SweepPorts = Pick<Ports, 'log' | 'arrivals' | 'clock' | 'telemetry'>;

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
 */
export async function sweep(ports: SweepPorts, pipeline: Pipeline): Promise<Sweep> {
  const clock = ports.clock.now();
  const frontier = await frontierOf(ports, clock);
  const now = frontier && before(Math.min(clock, frontier) as EpochMillis, MARGIN);
  const groups = Array.from({ length: pipeline.groups }, (_, index) => index);
  const faults: unknown[] = [];
  const swept = await inParallel(groups, async (index) => {
    try {
      return await sweepGroup(ports, pipeline, index, now);
    } catch (cause) {
      ports.telemetry.fault('sweep', cause);
      faults.push(cause);
      return { open: 0, panes: 0 };
    }
  });
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
  pipeline: Pipeline,
  index: number,
  now: EpochMillis | undefined,
): Promise<{ readonly open: number; readonly panes: number }> {
  let group = await loadGroup(ports, pipeline, index);
  let panes = 0;
  for (let maxPanes = Number.POSITIVE_INFINITY; ; ) {
    const folded = foldIdle(pipeline, group, now ?? NEVER, maxPanes);
    if (!folded.changed && !mustRenew(group, ports.clock.now())) return { open: folded.open, panes };
    const body = encodeEntry(pipeline, folded);
    if (body.length > MAX_BODY_BYTES) {
      if (maxPanes === 1 || folded.panes.length <= 1) throw tooLarge('the panes of one key', body, folded);
      // One key may emit more than is asked for, so that asking for half of what came need not ask for less.
      maxPanes = Math.ceil(Math.min(folded.panes.length, maxPanes) / 2);
      continue;
    }
    const next = { ordinal: group.ordinal + 1, committedAt: ports.clock.now(), body };
    const outcome = await ports.log.append(groupLog(pipeline.name, index), next);
    // Whoever was first has taken records in, or swept: what is left for a sweep is left for the next one.
    if (outcome === 'conflict') return { open: folded.open + folded.panes.length, panes };
    ports.telemetry.count('panes', folded.panes.length);
    panes += folded.panes.length;
    if (!folded.more) return { open: folded.open, panes };
    group = { ...folded, ordinal: next.ordinal, committedAt: next.committedAt };
  }
}

/** Before any arrival: no key has been silent by then. */
const NEVER = Number.NEGATIVE_INFINITY as EpochMillis;
