import { fork } from 'node:child_process';
import { cpus } from 'node:os';
import { parseArgs } from 'node:util';
import { SIMULATED, type Simulated } from '../../src/simulation/draw-source.ts';
import type { Fault } from '../../src/simulation/faults.ts';
import { shrink } from '../../src/simulation/shrink.ts';
import { runSchedule, type Settings } from '../../src/simulation/simulation.ts';
import { add, emptyTally, runSeeds, type Tally, told } from './engine-sim.ts';
import { DRAWN, exhaust, type Found, smallOf } from './exhaustive.ts';

const USAGE = `npm run sim -- [--seeds N] [--first S] [--source ${SIMULATED.join('|')}] [--jobs N]
npm run sim -- --source … --seed S [--small] [--faults '[…]'] [--trace]
npm run sim -- --exhaustive [--runs N] [--source …] [--jobs N]`;

/** A child's report: what its schedules came to, and the first one that broke a rule. */
interface Report {
  readonly given: Simulated;
  readonly tally: Tally;
  readonly broken: Found | undefined;
}

const { values } = parseArgs({
  options: {
    seeds: { type: 'string', default: '1000' },
    first: { type: 'string', default: '1' },
    source: { type: 'string' },
    jobs: { type: 'string', default: String(cpus().length) },
    seed: { type: 'string' },
    faults: { type: 'string' },
    trace: { type: 'boolean', default: false },
    /** Small schedules, each fault at each step. */
    exhaustive: { type: 'boolean', default: false },
    small: { type: 'boolean', default: false },
    runs: { type: 'string', default: '50000' },
    /** Set for the children: their place among the jobs. */
    job: { type: 'string' },
  },
});
const sources = values.source === undefined ? SIMULATED : [sourceOf(values.source)];
const jobs = Number(values.jobs);

if (values.seed !== undefined) process.exitCode = await replay(Number(values.seed));
else if (values.job !== undefined) await (values.exhaustive ? workThrough : work)(Number(values.job));
else process.exitCode = await runAll();

function sourceOf(name: string): Simulated {
  const found = SIMULATED.find((simulated) => simulated === name);
  if (found) return found;
  console.error(`Cannot simulate source "${name}" as there is none\n${USAGE}`);
  process.exit(2);
}

function settingsOf(source: Simulated, small: boolean): Settings {
  return { given: small && source !== 'panes' ? smallOf(source) : source };
}

/** Runs one schedule again, and prints its steps. */
async function replay(seed: number): Promise<number> {
  const faults = values.faults === undefined ? undefined : (JSON.parse(values.faults) as readonly Fault[]);
  for (const given of sources) {
    const tell = values.trace ? (line: string) => console.info(line) : () => {};
    const ran = await runSchedule({ ...settingsOf(given, values.small), trace: tell }, { seed, faults });
    console.info(
      `${given}: ${ran.steps} steps, ${ran.applied.length} faults, ${ran.panes ?? 'no'} panes, digest ${ran.digest}`,
    );
    if (ran.violation === undefined) continue;
    console.error(ran.violation.message);
    return 1;
  }
  return 0;
}

/** Every n-th seed of every source, for one of n children. */
async function work(job: number): Promise<void> {
  const seeds = Array.from({ length: Number(values.seeds) }, (_, at) => Number(values.first) + at);
  const own = seeds.filter((seed) => seed % jobs === job);
  for (const given of sources) {
    for (let from = 0; from < own.length; from += 100) {
      const tally = emptyTally();
      const broken = await runSeeds({ given }, own.slice(from, from + 100), tally);
      report({ given, tally, broken: broken === undefined ? undefined : { seed: broken } });
      if (broken !== undefined) return;
    }
  }
}

/** Every n-th run of every source, for one of n children. */
async function workThrough(job: number): Promise<void> {
  const drawn = DRAWN.filter((given) => sources.includes(given));
  const runs = Number(values.runs) / drawn.length;
  for (const given of drawn) {
    const found = await exhaust(given, { runs, job, jobs }, (tally) => {
      report({ given, tally, broken: undefined });
    });
    if (found === undefined) continue;
    report({ given, tally: emptyTally(), broken: found });
    return;
  }
}

function report(one: Report): void {
  process.send?.(one);
}

async function runAll(): Promise<number> {
  const tally = emptyTally();
  const bySource = new Map(sources.map((given) => [given, 0]));
  const broken: (Found & { readonly given: Simulated })[] = [];
  const total = values.exhaustive ? Number(values.runs) : Number(values.seeds) * sources.length;
  await Promise.all(
    Array.from({ length: jobs }, (_, job) => {
      // Young objects are most of what there is.
      const child = fork(import.meta.filename, [...process.argv.slice(2), '--job', String(job)], {
        execArgv: [...process.execArgv, '--max-semi-space-size=64'],
      });
      child.on('message', (report) => {
        const { given, tally: one, broken: found } = report as Report;
        add(tally, one);
        bySource.set(given, (bySource.get(given) ?? 0) + one.schedules);
        if (found !== undefined) broken.push({ given, ...found });
        process.stdout.write(`\r${tally.schedules} of ${total} schedules, ${tally.faults} faults `);
      });
      return new Promise<void>((resolve, reject) => {
        child.on('exit', (code) => (code === 0 ? resolve() : reject(new Error(`A job ended with ${code}`))));
      });
    }),
  );
  const schedules = [...bySource].map(([given, count]) => `${count.toLocaleString('en')} of ${given}`);
  console.info(`\n${told(tally)}\nschedules: ${schedules.join(', ')}`);
  for (const { given, seed, faults } of broken) {
    const least = await shrink(settingsOf(given, faults !== undefined), { seed, faults });
    console.error(`\n${given}, seed ${seed}: ${least?.violation.message}`);
    const small = faults === undefined ? '' : ' --small';
    console.error(
      `npm run sim -- --source ${given} --seed ${seed}${small} --faults '${JSON.stringify(least?.applied)}' --trace`,
    );
  }
  return broken.length === 0 ? 0 : 1;
}
