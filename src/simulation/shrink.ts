import type { Fault } from './faults.ts';
import { type Ran, runSchedule, type Schedule, type Settings } from './simulation.ts';
import type { Violation } from './violation.ts';

/** A schedule that breaks a rule. */
export interface Broken extends Ran {
  readonly violation: Violation;
}

/** How many schedules are tried to find fewer faults: at first, with each fault alone, and after that. */
const [MOST_AT_FIRST, MOST_ALONE, MOST_AFTER] = [100, 1_500, 2_000];

/**
 * Searches for the fewest faults with which a seed still breaks a rule, which may be another rule. Every
 * fault that is left out changes what comes after it, so that the faults that suffice may be others than
 * those of the schedule. So each remaining kind is also tried alone at each step.
 *
 * Zeller and Hildebrandt, "Simplifying and Isolating Failure-Inducing Input", 2002: ever smaller parts are
 * left out.
 *
 * @returns undefined when the schedule breaks no rule
 */
export async function shrink(settings: Settings, { seed, faults }: Schedule): Promise<Broken | undefined> {
  const found = await runSchedule(settings, { seed, faults });
  if (!isBroken(found)) return undefined;
  const atMost = (runs: number): Retry => {
    let left = runs;
    return async (some) => {
      if (left-- <= 0) return undefined;
      const ran = await runSchedule(settings, { seed, faults: some });
      return isBroken(ran) ? ran : undefined;
    };
  };
  const without = await runSchedule(settings, { seed, faults: [] });
  if (isBroken(without)) return without;
  const fewer = await leaveOut(found, atMost(MOST_AT_FIRST));
  if (fewer.applied.length < 2) return fewer;
  return (await alone(fewer, without.steps, atMost(MOST_ALONE))) ?? leaveOut(fewer, atMost(MOST_AFTER));
}

type Retry = (faults: readonly Fault[]) => Promise<Broken | undefined>;

async function leaveOut(found: Broken, retry: Retry): Promise<Broken> {
  let least = found;
  for (let parts = 2; least.applied.length > 1; ) {
    const { applied } = least;
    const size = Math.ceil(applied.length / parts);
    let smaller: Broken | undefined;
    // The last faults are left out first, as what came before them stays as it was.
    for (let to = applied.length; to > 0 && smaller === undefined; to -= size) {
      smaller = await retry([...applied.slice(0, Math.max(0, to - size)), ...applied.slice(to)]);
    }
    if (smaller !== undefined) {
      least = smaller;
      parts = Math.max(2, parts - 1);
    } else if (size === 1) break;
    else parts = Math.min(applied.length, 2 * parts);
  }
  return least;
}

async function alone({ applied }: Broken, steps: number, retry: Retry): Promise<Broken | undefined> {
  const kinds = new Map(applied.map((fault) => [fault.kind, fault]));
  for (let step = 0; step < steps; step++) {
    for (const { kind, delay } of kinds.values()) {
      const broken = await retry([{ step, kind, delay }]);
      if (broken) return broken;
    }
  }
  return undefined;
}

const isBroken = (ran: Ran): ran is Broken => ran.violation !== undefined;
