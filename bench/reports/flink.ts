import { execFile, fork } from 'node:child_process';
import { createWriteStream } from 'node:fs';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { promisify } from 'node:util';
import type { KinesisStreamEvent } from 'aws-lambda';
import { memoryPorts, memorySource } from '../../src/adapters/memory/index.ts';
import type { EpochMillis } from '../../src/core/time.ts';
import { decodePanes } from '../../src/engine/format/entry.ts';
import { wholeEntry } from '../../src/engine/log/spill.ts';
import { processHandler } from '../../src/handlers.ts';
import { DEFAULT_MEMORY, heapOptions } from '../../src/wiring/memory.ts';
import { groupLogPrefix } from '../../src/wiring/names.ts';
import { type Stream, streamOf } from '../data.ts';
import { eventOf, jsonOf } from '../event.ts';
import { type Checksum, hashOf } from '../flink/checksum.ts';
import { ROLLING, SLIDING } from '../pipelines.ts';
import { enterReport, mean, type Report, Skipped, shown } from '../report.ts';

const run = promisify(execFile);

/** The job's project, and what Maven makes of it: reports run in the folder of the benchmarks. */
const PROJECT = resolve('flink');
const BUILT = resolve('node_modules/.flink');
const JAVA = 17;
/** Named, as a JVM chooses by the machine. */
const JVM = ['-XX:+UseG1GC', '-Xms2g', '-Xmx2g', '-Dorg.slf4j.simpleLogger.defaultLogLevel=error'];
const BACKENDS = { rocksdb: 'RocksDB', hashmap: 'heap' } as const;

const KEYS = 1_000;
const BATCH = 10_000;

/** How many records are read before time is taken, and then. */
interface Pace {
  readonly warm: number;
  readonly timed: number;
}

const MILLRACE: Pace = { warm: 30 * BATCH, timed: 50 * BATCH };
const FAST: Pace = { warm: 1_000_000, timed: 2_000_000 };
const SLOW: Pace = { warm: 200_000, timed: 300_000 };
const QUICK: Pace = { warm: 15 * BATCH, timed: 10 * BATCH };
/** Panes are compared of so many records at first. */
const COMPARED = { whole: 300_000, quick: 200_000 };

/** One way of doing it in Flink, as `Ways.java` names it. */
interface Way {
  readonly name: string;
  readonly way: string;
  readonly pace: Pace;
  /** How many times as many records Millrace should take in, at least, where Flink's state is in RocksDB. */
  readonly goal: number;
}

const QUESTIONS: readonly { readonly windows: typeof SLIDING; readonly ways: readonly Way[] }[] = [
  {
    windows: SLIDING,
    ways: [
      { name: 'SlidingEventTimeWindows, aggregate()', way: 'sliding', pace: FAST, goal: 5 },
      { name: 'SQL, HOP', way: 'sliding-sql', pace: FAST, goal: 5 },
    ],
  },
  {
    windows: ROLLING,
    ways: [
      { name: 'a ring by hand, in a KeyedProcessFunction', way: 'ring', pace: FAST, goal: 2 },
      { name: 'countWindow(100, 1)', way: 'count-window', pace: SLOW, goal: 5 },
      { name: 'SQL, OVER … ROWS', way: 'over', pace: SLOW, goal: 5 },
    ],
  },
];

/** Of a process; processor time of all its threads, in nanoseconds a record. */
interface Measured extends Checksum {
  readonly nanos: number;
}

interface MeasuredFlink extends Measured {
  /** Completed while time was taken. */
  readonly checkpoints: number;
}

/** What one process of Millrace is asked for. */
interface Job extends Pace {
  readonly question: number;
  readonly until: number;
}

const asked = process.argv[2];
if (asked === undefined) {
  enterReport(async (quick) => {
    await checkTools();
    const classPath = await build();
    const folder = await mkdtemp(join(tmpdir(), 'millrace-flink-'));
    try {
      const pace = quick ? QUICK : FAST;
      const stream = readings(pace);
      await pipeline(Readable.from(linesOf(stream)), createWriteStream(join(folder, 'records.json')));
      return await report(classPath, folder, quick, untilOf(stream, quick ? COMPARED.quick : COMPARED.whole));
    } finally {
      await rm(folder, { recursive: true, force: true });
    }
  });
} else {
  const measured = await millraceHere(JSON.parse(asked));
  process.send?.(measured, undefined, undefined, () => process.exit(0));
}

async function report(classPath: string, folder: string, quick: boolean, until: number): Promise<Report> {
  const rows: string[][] = [];
  const faults: string[] = [];
  for (const [question, { windows, ways }] of QUESTIONS.entries()) {
    const job = { question, until, ...(quick ? QUICK : MILLRACE) };
    // Before and after Flink, as the machine's speed changes.
    const before = await millrace(job);
    const taken: (readonly [Way, keyof typeof BACKENDS, MeasuredFlink])[] = [];
    for (const way of ways) {
      for (const backend of ['rocksdb', 'hashmap'] as const) {
        const pace = quick ? QUICK : way.pace;
        const answer = await flink(classPath, folder, [way.way, backend], pace, until);
        taken.push([way, backend, answer]);
        if (answer.panes !== before.panes || answer.sum !== before.sum) {
          faults.push(
            `${windows.name}, ${way.name}, ${backend}: ${answer.panes} panes of sum ${answer.sum}, Millrace ${before.panes} of ${before.sum}`,
          );
        }
      }
    }
    const nanos = mean([before.nanos, (await millrace(job)).nanos]);
    for (const [{ name, goal }, backend, answer] of taken) {
      const ratio = answer.nanos / nanos;
      rows.push([
        windows.name,
        name,
        BACKENDS[backend],
        shown(1e9 / answer.nanos),
        shown(1e9 / nanos),
        shown(ratio),
        ...(backend === 'rocksdb' ? [`≥ ${goal}`, ratio >= goal ? 'met' : 'missed'] : ['', '']),
        String(answer.checkpoints),
        answer.panes.toLocaleString('en'),
      ]);
    }
  }
  return {
    head: [
      'windows',
      'in Flink',
      "Flink's state",
      'Flink, records per processor second',
      'Millrace',
      'Millrace ÷ Flink',
      'goal',
      '',
      'checkpoints',
      'equal panes',
    ],
    rows,
    faults,
  };
}

/** @throws Skipped where a program is missing that the job is made with */
async function checkTools(): Promise<void> {
  const said = async (program: string, option: string): Promise<string> =>
    run(program, [option]).then(
      ({ stdout, stderr }) => stdout + stderr,
      () => '',
    );
  const version = Number(/javac (\d+)/.exec(await said('javac', '-version'))?.[1] ?? 0);
  if (version < JAVA) {
    const state = version === 0 ? 'there is no program javac' : `it is of Java ${version}`;
    throw new Skipped(
      `Cannot build the job on Flink as a JDK of Java ${JAVA} or later must be installed: ${state}`,
    );
  }
  if ((await said('mvn', '-version')) === '') {
    throw new Skipped('Cannot download Flink as Maven must be installed: there is no program mvn');
  }
}

/** Compiles the job, and returns the path of its classes and those of Flink, which Maven downloads where they are missing. */
async function build(): Promise<string> {
  const file = join(BUILT, 'class-path');
  const goals = ['compile', 'dependency:build-classpath', `-Dmdep.outputFile=${file}`];
  await run('mvn', ['-q', '-B', '-f', PROJECT, ...goals]).catch(({ stdout, message }) => {
    throw new Error(`Cannot build the job on Flink: Maven says ${stdout || message}`);
  });
  return [join(BUILT, 'classes'), await readFile(file, 'utf8')].join(':');
}

function readings({ warm, timed }: Pace): Stream {
  return streamOf({ records: warm + timed, keys: KEYS, skew: 'uniform', disorder: 0 });
}

function* linesOf(stream: Stream): Generator<string> {
  for (let from = 0; from < stream.at.length; from += BATCH) {
    const batch = Array.from({ length: BATCH }, (_, at) => `${jsonOf(stream, from + at)}\n`);
    yield batch.join('');
  }
}

/** A time that every key's watermark has reached after so many records: panes that end by then are out. */
function untilOf(stream: Stream, records: number): number {
  const reached = new Float64Array(KEYS);
  for (let record = 0; record < records; record++) {
    reached[stream.key[record] as number] = stream.at[record] as number;
  }
  return Math.min(...reached);
}

async function flink(
  classPath: string,
  folder: string,
  words: readonly [way: string, backend: string],
  { warm, timed }: Pace,
  until: number,
): Promise<MeasuredFlink> {
  const numbers = [warm, warm + timed, until].map(String);
  const { stdout } = await run('java', [...JVM, '-cp', classPath, 'Main', ...words, folder, ...numbers]);
  await rm(join(folder, 'checkpoints'), { recursive: true, force: true });
  return JSON.parse(stdout);
}

/** In a process of its own, with the options of a deployed function. */
function millrace(job: Job): Promise<Measured> {
  return new Promise((resolve, reject) => {
    const child = fork(process.argv[1] as string, [JSON.stringify(job)], {
      execArgv: heapOptions(DEFAULT_MEMORY.handler).split(' '),
    });
    child.once('message', (answer) => resolve(answer as Measured));
    child.once('exit', (code) =>
      reject(new Error(`Cannot measure ${JSON.stringify(job)}: exit code ${code}`)),
    );
  });
}

async function millraceHere({ question, until, ...pace }: Job): Promise<Measured> {
  const stream = readings(pace);
  const ports = memoryPorts({ source: memorySource('bench'), start: stream.at.at(-1) as EpochMillis });
  const { windows } = QUESTIONS[question] as (typeof QUESTIONS)[number];
  const made = windows.make();
  const handler = processHandler(ports, made);
  let nanos = 0;
  for (let from = 0; from < stream.at.length; from += BATCH) {
    const event = eventOf(stream, from, from + BATCH);
    const started = process.cpuUsage();
    const parsed = JSON.parse(event) as KinesisStreamEvent;
    const { batchItemFailures } = await handler(parsed, { getRemainingTimeInMillis: () => 60_000 });
    const { user, system } = process.cpuUsage(started);
    if (batchItemFailures.length > 0) throw new Error('Cannot measure a batch that failed');
    if (from >= pace.warm) nanos += 1e3 * (user + system);
  }
  return { nanos: nanos / pace.timed, ...(await committed(ports, made.name, until)) };
}

/** The panes in the logs of a pipeline's groups that end by a time. */
async function committed(
  { log, objects }: ReturnType<typeof memoryPorts>,
  name: string,
  until: number,
): Promise<Checksum> {
  let [panes, sum] = [0, 0];
  for (const [group, entries] of log.logs) {
    if (!group.startsWith(groupLogPrefix(name))) continue;
    for (const entry of entries) {
      for (const { key, kind, start, end, count, results } of decodePanes(await wholeEntry(objects, entry))) {
        if (end > until) continue;
        const { mean, max = 0 } = results as { readonly mean: number; readonly max?: number };
        panes++;
        sum = (sum + hashOf({ key, start: kind === 'rolling' ? 0 : start, end, count, mean, max })) | 0;
      }
    }
  }
  return { panes, sum };
}
