import type { EpochMillis } from '../../core/time.ts';
import type { EnginePorts } from '../../ports/index.ts';
import { BEGINNING, type Stretch } from './stretch.ts';

/** Brings a sink up to date with the logs of a pipeline, step by step. */
export interface Projector {
  /** The log in which the projector notes how far it has covered the panes. */
  readonly log: string;
  /**
   * Covers the next stretch of panes. A step that is taken twice, or by two projectors at once, has the same
   * result.
   */
  readonly step: () => Promise<Step>;
}

/** The result of one step of a projector. */
export interface Step {
  /** Whether another step should follow at once. */
  readonly moved: boolean;
  /** Whether there may be panes after those that are covered now. */
  readonly more: boolean;
  /** How many entries the step covered to their end. */
  readonly entries: number;
  /** How many panes the step covered. */
  readonly panes: number;
  /**
   * For each entry whose last panes the step delivered, when the earliest of the entry's records arrived.
   * Panes that silence brought are of no record.
   */
  readonly arrivals: readonly EpochMillis[];
  readonly gaps: Stretch['gaps'];
}

/** Returns the result of a step that covers a stretch. */
export const stepOf = ({ from, to, panes, entries, more, gaps }: Stretch): Step => ({
  moved: to.size > 0,
  more,
  gaps,
  entries: [...to].reduce(
    (total, [name, [ordinal]]) => total + ordinal - (from.get(name) ?? BEGINNING)[0],
    0,
  ),
  panes: panes.length,
  arrivals: entries.flatMap(({ log, ordinal, arrived, panes }) => {
    const isWhole = ordinal <= (to.get(log) ?? BEGINNING)[0];
    return arrived !== undefined && panes.length > 0 && isWhole ? [arrived] : [];
  }),
});

/**
 * A step that covered nothing, as it had to note where the projector begins, or another projector was faster.
 */
export const TO_BE_REPEATED: Step = {
  moved: true,
  more: true,
  entries: 0,
  panes: 0,
  arrivals: [],
  gaps: [],
};

/**
 * Lets a projector take one step after the other, up to the first step for which `isLast` holds.
 *
 * @param deadline the time at and after which no step is begun
 * @returns that step; undefined where the deadline came first
 */
export async function stepUntil(
  { clock }: Pick<EnginePorts, 'clock'>,
  { step }: Projector,
  deadline: EpochMillis,
  isLast: (done: Step) => boolean,
): Promise<Step | undefined> {
  while (clock.now() < deadline) {
    const done = await step();
    if (isLast(done)) return done;
  }
  return undefined;
}

/**
 * Lets a projector take steps until none moves it, and then reports each log that it cannot read on. It notes
 * how long each delivery took.
 *
 * @param deadline the time at and after which no step is begun
 * @param sink the name of the sink
 * @returns how many entries and panes it covered
 */
export async function deliver(
  ports: Pick<EnginePorts, 'clock' | 'telemetry'>,
  projector: Projector,
  deadline: EpochMillis,
  sink: string,
): Promise<Pick<Step, 'entries' | 'panes'>> {
  const { clock, telemetry } = ports;
  const delivered = { entries: 0, panes: 0 };
  const last = await stepUntil(ports, projector, deadline, ({ entries, panes, arrivals, moved }) => {
    const now = clock.now();
    delivered.entries += entries;
    delivered.panes += panes;
    for (const arrival of arrivals) telemetry.countDelivery(sink, arrival, now);
    return !moved;
  });
  if (last !== undefined) tellGaps(telemetry, last.gaps);
  return delivered;
}

/** Reports each log that cannot be read on, as entries expired before they were read. */
export function tellGaps(telemetry: EnginePorts['telemetry'], gaps: readonly Error[]): void {
  for (const gap of gaps) telemetry.fault('deliver what a group committed', gap);
  telemetry.count('gaps', gaps.length);
}
