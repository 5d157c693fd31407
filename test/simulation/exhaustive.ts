import { drawCase } from '../../src/simulation/draw.ts';
import { type Drawn, SIMULATED, SMALL } from '../../src/simulation/draw-source.ts';
import { FAULT_KINDS, type Fault } from '../../src/simulation/faults.ts';
import { Random } from '../../src/simulation/random.ts';
import { runSchedule, type Settings } from '../../src/simulation/simulation.ts';
import { emptyTally, runAll, type Tally } from './engine-sim.ts';

/** A schedule that broke a rule; drawn faults are left out. */
export interface Found {
  readonly seed: number;
  readonly faults?: readonly Fault[];
}

/** Which of the runs, and how many in all at least: each schedule's are run to the last. */
interface Share {
  readonly runs: number;
  readonly job: number;
  readonly jobs: number;
}

/** What has cases of few records. */
export const DRAWN = SIMULATED.filter((given): given is Drawn => given !== 'panes');

/** Cases of few records. */
export const smallOf =
  (kind: Drawn): Settings['given'] =>
  (random) =>
    drawCase(random, kind, SMALL);

/** So few steps that each fault can be tried at each, and so many that something happens. */
const FEWEST_STEPS = 100;
const MOST_STEPS = 300;

/** Of so many runs one is of one fault. */
const PER_SINGLE = 1.25;

/**
 * Runs small schedules, one after the other, with each kind of fault at each step, and some with two, until there were so many
 * runs or one broke a rule.
 *
 * @param tell what some of the runs came to
 */
export async function exhaust(
  kind: Drawn,
  { runs, job, jobs }: Share,
  tell: (tally: Tally) => void,
): Promise<Found | undefined> {
  const settings = { given: smallOf(kind) };
  let planned = 0;
  for (let seed = 1; planned < runs; seed++) {
    const { exposed, violation } = await runSchedule(settings, { seed, faults: [] });
    if (violation !== undefined) return { seed, faults: [] };
    if (exposed.length < FEWEST_STEPS || exposed.length > MOST_STEPS) continue;
    const own = trialsOf(seed, exposed)
      .filter((_, at) => at % jobs === job)
      .map((faults) => ({ seed, faults }));
    planned += Math.ceil(FAULT_KINDS.length * exposed.length * PER_SINGLE);
    for (let from = 0; from < own.length; from += 200) {
      const tally = emptyTally();
      const broken = await runAll(settings, own.slice(from, from + 200), tally);
      tell(tally);
      if (broken !== undefined) return broken;
    }
  }
  return undefined;
}

/** Each kind of fault at each step, alone; and a quarter as many pairs. */
function trialsOf(seed: number, steps: readonly number[]): readonly (readonly Fault[])[] {
  const random = new Random(seed);
  const faultAt = (step: number, kind: Fault['kind']): Fault => ({
    step,
    kind,
    delay: random.pick([1, 3, 10, 40, 120]),
  });
  const singles = steps.flatMap((step) => FAULT_KINDS.map((kind) => [faultAt(step, kind)]));
  const pairs = Array.from({ length: Math.ceil(singles.length * (PER_SINGLE - 1)) }, () =>
    [random.pick(steps), random.pick(steps)].map((step) => faultAt(step, random.pick(FAULT_KINDS))),
  );
  return [...singles, ...pairs];
}
