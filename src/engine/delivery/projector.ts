import type { EpochMillis } from '../../core/time.ts';
import type { EnginePorts } from '../../ports/index.ts';
import { BEGINNING, type Stretch } from './stretch.ts';

/** What brings a sink up to the logs of a pipeline, step by step. */
export interface Projector {
  /** The log in which it notes how far it has covered the panes. */
  readonly log: string;
  /** Covers the next stretch of panes. Where a step is done twice, or by two projectors at once, it comes to the same. */
  readonly step: () => Promise<Step>;
}

/** What one step of a projector came to. */
export interface Step {
  /** Whether there is a point in another step at once. */
  readonly moved: boolean;
  /** Whether there may be panes after those that are covered now. */
  readonly more: boolean;
  /** Entries that are covered to their end now, and were not before. */
  readonly entries: number;
  readonly panes: number;
  readonly gaps: Stretch['gaps'];
}

export const stepOf = ({ from, to, panes, more, gaps }: Stretch): Step => ({
  moved: to.size > 0,
  more,
  gaps,
  entries: [...to].reduce(
    (total, [name, [ordinal]]) => total + ordinal - (from.get(name) ?? BEGINNING)[0],
    0,
  ),
  panes: panes.length,
});

/** A step that covered nothing: a beginning had to be written down first, or another projector was first. */
export const TO_BE_REPEATED: Step = { moved: true, more: true, entries: 0, panes: 0, gaps: [] };

/**
 * Has a projector take one step after the other.
 *
 * @param deadline no step is begun at or after it
 * @returns the first step that is the last; undefined where the deadline came before it
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

/** Has a projector step for as long as there is a point in another step, and tells once what it cannot read on. */
export async function deliver(
  ports: Pick<EnginePorts, 'clock' | 'telemetry'>,
  projector: Projector,
  deadline: EpochMillis,
): Promise<void> {
  const last = await stepUntil(ports, projector, deadline, ({ moved }) => !moved);
  if (last === undefined) return;
  for (const gap of last.gaps) ports.telemetry.fault('deliver what a group committed', gap);
  ports.telemetry.count('gaps', last.gaps.length);
}
