import type { Store } from './gate.ts';
import type { Random } from './random.ts';

/** What can happen to a call, and to whoever makes it. */
export const FAULT_KINDS = [
  /** The call is not carried out, and fails. */
  'refused',
  /** The call is carried out, and fails. */
  'answer lost',
  /** The environment ends before the call is carried out. */
  'crash before',
  /** The environment ends after the call is carried out. */
  'crash after',
  /** The call fails, and is carried out some steps later. */
  'lands late',
  /**
   * The invocation counts as timed out, so that its batch is redelivered; it does not know, and is held up.
   */
  'zombie',
  /** The call is carried out and sent once more, and the second answer arrives. */
  'sent twice',
  /** The call is carried out, and once more some steps later. */
  'echo',
  /** The answer comes some steps later. */
  'slow answer',
] as const;

export type FaultKind = (typeof FAULT_KINDS)[number];

/**
 * What happens to the call of a step. It is plain data, so that a seed and a list of faults are a whole
 * schedule.
 */
export interface Fault {
  /** The number of the call, among all of the schedule's calls, from 0. */
  readonly step: number;
  readonly kind: FaultKind;
  /** How many steps later a delayed effect comes. */
  readonly delay: number;
  /** The fault only applies to calls of this store, which has a brownout. */
  readonly store?: Store;
}

/** Most schedules end before this many steps. Later steps have no faults. */
const MOST_STEPS = 4_000;

/** Faults that end an environment are rarer, as otherwise little else would get far. */
const WEIGHTED: readonly FaultKind[] = [
  ...FAULT_KINDS,
  'refused',
  'refused',
  'answer lost',
  'answer lost',
  'lands late',
  'sent twice',
  'slow answer',
];

const BROWNOUT: readonly FaultKind[] = ['refused', 'refused', 'answer lost', 'lands late', 'slow answer'];

/** Draws the faults of a schedule, in the order of their steps. */
export function drawFaults(random: Random): readonly Fault[] {
  const rate = random.pick([0, 0.03, 0.1, 0.2, 0.3, 0.4]);
  const faults = new Map<number, Fault>();
  if (random.chance(0.3)) {
    for (let brownouts = random.whole(1, 2); brownouts > 0; brownouts--) {
      const store = random.pick(['log', 'log', 'objects', 'rows', 'progress', 'arrivals'] as const);
      const from = random.whole(0, 600);
      const steps = Array.from({ length: random.whole(20, 120) }, (_, at) => from + at);
      for (const step of steps) {
        if (random.chance(0.7)) {
          faults.set(step, { step, kind: random.pick(BROWNOUT), delay: random.whole(1, 60), store });
        }
      }
    }
  }
  for (let step = gap(random, rate); step < MOST_STEPS; step += 1 + gap(random, rate)) {
    if (!faults.has(step)) {
      faults.set(step, { step, kind: random.pick(WEIGHTED), delay: random.whole(1, 120) });
    }
  }
  return [...faults.values()].sort((a, b) => a.step - b.step);
}

/** Draws the number of steps before the next fault. */
function gap(random: Random, rate: number): number {
  if (rate === 0) return MOST_STEPS;
  let steps = 0;
  while (!random.chance(rate)) steps++;
  return steps;
}
