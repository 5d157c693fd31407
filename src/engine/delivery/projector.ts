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
  /**
   * When the oldest commit was made whose panes the step left for another, or at the latest; undefined where it left
   * none, or where that is not known.
   */
  readonly leftFrom: EpochMillis | undefined;
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
  leftFrom: more ? oldestLeft(to, entries) : undefined,
});

/**
 * Returns when the oldest entry was committed of those that a stretch does not cover to their end; where it covers all
 * that were read, when the last of these was: what was not read is younger, as far as clocks agree.
 */
function oldestLeft(to: Stretch['to'], entries: Stretch['entries']): EpochMillis | undefined {
  const commits = (of: Stretch['entries']) => of.map(({ committedAt }) => committedAt);
  const left = commits(entries.filter(({ log, ordinal }) => ordinal > (to.get(log) ?? BEGINNING)[0]));
  if (left.length > 0) return Math.min(...left) as EpochMillis;
  return entries.length > 0 ? (Math.max(...commits(entries)) as EpochMillis) : undefined;
}

/**
 * A step that covered nothing, as it had to note where the projector begins, or another projector was faster.
 */
export const TO_BE_REPEATED: Step = {
  moved: true,
  more: true,
  entries: 0,
  panes: 0,
  arrivals: [],
  leftFrom: undefined,
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
 * how long each delivery took, and how long panes have waited that it leaves.
 *
 * @param deadline the time at and after which no step is begun
 * @param sink the name of the sink
 * @param ofAll whether the projector covers all groups: only then does it know how long panes have waited
 * @returns how many entries and panes it covered
 */
export async function deliver(
  ports: Pick<EnginePorts, 'clock' | 'telemetry'>,
  projector: Projector,
  deadline: EpochMillis,
  sink: string,
  ofAll: boolean,
): Promise<Pick<Step, 'entries' | 'panes'>> {
  const { clock, telemetry } = ports;
  const delivered = { entries: 0, panes: 0 };
  let taken: Step = TO_BE_REPEATED;
  const last = await stepUntil(ports, projector, deadline, (step) => {
    const { entries, panes, arrivals, moved } = step;
    const now = clock.now();
    taken = step;
    delivered.entries += entries;
    delivered.panes += panes;
    for (const arrival of arrivals) telemetry.countDelivery(sink, arrival, now);
    return !moved;
  });
  if (last !== undefined) tellGaps(telemetry, last.gaps);
  const { more, leftFrom = more ? undefined : clock.now() } = taken;
  if (ofAll && leftFrom !== undefined) telemetry.measureLag(sink, Math.max(0, clock.now() - leftFrom));
  return delivered;
}

/** Reports each log that cannot be read on, as entries expired before they were read. */
export function tellGaps(telemetry: EnginePorts['telemetry'], gaps: readonly Error[]): void {
  for (const gap of gaps) telemetry.fault('deliver what a group committed', gap);
  telemetry.count('gaps', gaps.length);
}
