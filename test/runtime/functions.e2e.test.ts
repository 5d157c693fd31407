import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Role } from '../../lib/bundle.ts';
import { CANARY, linesThatShowIt } from './canary.ts';
import { eventsOf } from './events.ts';
import { type DeployedFunction, functionsOf } from './functions.ts';
import { exampleSubjects, failingSubjects, type Subject } from './pipelines.ts';
import { openPlaces, type Places, variablesOf } from './places.ts';
import { type Outcome, startFunction } from './runtime-api.ts';
import { installedRuntimes, type Runtime } from './runtimes.ts';

const { runtimes, lacking } = installedRuntimes();
// Each says what is not installed, and how to install it.
for (const what of lacking) it.skip(what);

const FOLDER = fileURLToPath(new URL('../../.millrace', import.meta.url));
mkdirSync(FOLDER, { recursive: true });
// Within the project, so that what a definition imports is found; and bundles outside of it, so that nothing is.
const scratch = mkdtempSync(join(FOLDER, 'runtime-'));
const bundles = mkdtempSync(join(tmpdir(), 'millrace-runtime-'));
afterAll(() => {
  for (const folder of [scratch, bundles]) rmSync(folder, { recursive: true });
});

const subjects =
  runtimes.length > 0 ? [...(await exampleSubjects(scratch)), ...(await failingSubjects(scratch))] : [];

/** In which order the functions of a pipeline run: each finds what those before it have left. */
const ORDER: readonly Role[] = ['handler', 'sweeper', 'projector', 'query', 'check'];

/** What does not answer, of what an author's function gives up at, or reaches where there is nothing. */
const UNANSWERED: Readonly<Record<string, RegExp>> = {
  // Its sinks throw, or cannot be told.
  'failing-kinesis projector': /./,
  // It publishes onto a topic, and there is no broker.
  'machines projector': /./,
};

interface Ran {
  /** The events that were not answered as they must be, with what came instead. */
  readonly wrong: readonly string[];
  readonly written: string;
}

/** Runs a function in a process of its own, on all its events in turn. */
async function run(
  runtime: Runtime,
  { role, pipeline, folder, memoryMegabytes, environment }: DeployedFunction,
  subject: Subject,
  variables: Readonly<Record<string, string>>,
  endpoints: Readonly<Record<string, string>>,
): Promise<Ran> {
  const running = await startFunction({
    runtime,
    folder,
    environment: { ...variablesOf(environment, variables), ...endpoints },
    memoryMegabytes,
  });
  try {
    const wrong: string[] = [];
    for (const { name, event, mayBeRefused } of eventsOf(
      role,
      pipeline,
      subject,
      endpoints['AWS_ENDPOINT_URL_CLOUDWATCH'] as string,
    )) {
      const outcome = await running.invoke(event);
      if (!mayBeRefused && !isRight(outcome)) wrong.push(`${name}: ${JSON.stringify(outcome)}`);
    }
    return { wrong, written: running.written() };
  } finally {
    await running.end();
  }
}

const isFailing = ({ pipeline }: Subject['deployed']): boolean => pipeline.name.startsWith('failing-');

/** Whether a function has answered, without a record to be given again, or a failure of its own. */
function isRight({ outcome, body }: Outcome): boolean {
  const { batchItemFailures = [], statusCode = 200 } = (body ?? {}) as {
    readonly batchItemFailures?: readonly unknown[];
    readonly statusCode?: number;
  };
  return outcome === 'response' && batchItemFailures.length === 0 && statusCode < 500;
}

/** The sum of a metric in what a function has written. */
const counted = (written: string, metric: string): number =>
  [...written.matchAll(new RegExp(`"${metric}":(\\d+)[,}]`, 'g'))].reduce(
    (sum, [, by]) => sum + Number(by),
    0,
  );

/** The functions of each pipeline, in the order of `ORDER`. */
const bundled = new Map<Subject, readonly DeployedFunction[]>();

// Once for all runtimes, and before any function runs: while this process makes bundles, its servers answer nobody.
beforeAll(() => {
  for (const [at, subject] of subjects.entries()) {
    const functions = functionsOf(subject.deployed, join(bundles, String(at)));
    const inOrder = ORDER.flatMap((role) => functions.filter((fn) => fn.role === role));
    bundled.set(subject, inOrder);
  }
}, 600_000);

/** Checks that the functions of a pipeline answer every event, and write nothing of a record. */
async function answer(runtime: Runtime, places: Places, subject: Subject): Promise<void> {
  const { pipeline } = subject.deployed;
  const variables = await places.prepare(pipeline);
  for (const fn of bundled.get(subject) as readonly DeployedFunction[]) {
    const { wrong, written } = await run(runtime, fn, subject, variables, places.endpoints);
    const title = `${pipeline.name} ${fn.role}`;
    if (title in UNANSWERED) expect(wrong.join(), title).toMatch(UNANSWERED[title] as RegExp);
    else expect(wrong, title).toEqual([]);
    expect(linesThatShowIt(written), title).toEqual([]);
    if (fn.role === 'handler' && subject.samples.length > 0)
      expect(counted(written, 'applied'), `${title} applied`).toBeGreaterThan(0);
  }
}

describe.runIf(runtimes.length > 0).each(runtimes)('on Node $version', (runtime) => {
  // Stacks deploy on the last. On those before, a pipeline for each kind of source is enough.
  const its = subjects.filter(({ deployed }) => runtime === runtimes.at(-1) || isFailing(deployed));
  let places: Places;
  // These wait most of the time, for a broker that is not there: they do so while the others run.
  const begun = new Map<Subject, Promise<void>>();
  beforeAll(async () => {
    places = await openPlaces();
    for (const subject of its.filter(({ deployed }) => deployed.pipeline.name === 'machines')) {
      const answered = answer(runtime, places, subject);
      // Its test says so.
      answered.catch(() => {});
      begun.set(subject, answered);
    }
  });
  afterAll(async () => {
    await Promise.allSettled(begun.values());
    await places.close();
  });

  it.each(its.map((subject) => [subject.deployed.pipeline.name, subject] as const))(
    'the functions of %s answer every event, and write nothing of a record',
    (_, subject) => begun.get(subject) ?? answer(runtime, places, subject),
  );

  it.each(
    its
      .filter(({ deployed }) => isFailing(deployed))
      .map((subject) => [subject.deployed.pipeline.name, subject] as const),
  )('the functions of %s write nothing of a record where services refuse them', async (_, subject) => {
    const variables = await places.prepare(subject.deployed.pipeline);
    for (const fn of bundled.get(subject) as readonly DeployedFunction[]) {
      for (const endpoints of Object.values(places.refusing)) {
        const { wrong, written } = await run(runtime, fn, subject, variables, endpoints);
        if (endpoints === places.refusing.all) expect(wrong.length).toBeGreaterThan(0);
        expect(linesThatShowIt(written), fn.role).toEqual([]);
      }
    }
  });

  it('what a function says of a record is found', async () => {
    const folder = join(bundles, `telling-${runtime.version}`);
    mkdirSync(folder);
    writeFileSync(
      join(folder, 'index.mjs'),
      `export const handler = async ({ say, note }) => {
        if (say === 'throw') throw new Error(note);
        console.log(say === 'encoded' ? Buffer.from('a' + note + 'b').toString('base64') : { note });
      };`,
    );
    const running = await startFunction({ runtime, folder, environment: {}, memoryMegabytes: 128 });
    const outcomes: string[] = [];
    for (const say of ['plain', 'encoded', 'throw'])
      outcomes.push((await running.invoke({ say, note: CANARY })).outcome);
    await running.end();
    expect(outcomes).toEqual(['response', 'response', 'error']);
    expect(linesThatShowIt(running.written()).length).toBeGreaterThanOrEqual(3);
  });

  it('a function that cannot be loaded says why', async () => {
    const folder = join(bundles, `none-${runtime.version}`);
    mkdirSync(folder);
    writeFileSync(join(folder, 'index.mjs'), `throw new Error('no such thing');`);
    const running = await startFunction({ runtime, folder, environment: {}, memoryMegabytes: 128 });
    const outcome = await running.invoke({});
    await running.end();
    expect(outcome).toMatchObject({ outcome: 'init', body: { errorMessage: 'no such thing' } });
  });
});
