import type { Store } from './gate.ts';
import type { Random } from './random.ts';

/** What can happen to a call, and to whoever makes it. */
export const FAULT_KINDS = [
  /** It is not carried out, and fails. */
  'refused',
  /** It is carried out, and fails. */
  'answer lost',
  /** The environment ends before it is carried out, or after. */
  'crash before',
  'crash after',
  /** It fails, and is carried out some steps later. */
  'lands late',
  /** The invocation counts as timed out, so that its batch comes again; it knows nothing, and is held up. */
  'zombie',
  /** It is carried out and sent once more: the second answer is the one that arrives. */
  'sent twice',
  /** It is carried out, and some steps later once more. */
  'echo',
  /** Its answer comes some steps later. */
  'slow answer',
] as const;

export type FaultKind = (typeof FAULT_KINDS)[number];

/** What happens to the call of a step. Plain data: with a seed, a list of them is a whole schedule. */
export interface Fault {
  /** The number of the call, among all of the schedule's calls, from 0. */
  readonly step: number;
  readonly kind: FaultKind;
  /** How many steps later what comes later comes. */
  readonly delay: number;
  /** Only if the call is of this store: it has a brownout. */
  readonly store?: Store;
}

/** Most schedules end before so many steps; what comes after goes without faults. */
const MOST_STEPS = 4_000;

/** Those that end an environment are rarer: otherwise little else would get far. */
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

/** The faults of a schedule, in order of their steps. */
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

/** Steps without a fault until one with. */
function gap(random: Random, rate: number): number {
  if (rate === 0) return MOST_STEPS;
  let steps = 0;
  while (!random.chance(rate)) steps++;
  return steps;
}
