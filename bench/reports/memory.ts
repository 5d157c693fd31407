import { fork } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { deserialize, serialize } from 'node:v8';
import type { KinesisStreamEvent } from 'aws-lambda';
import { type MemoryPorts, memoryPorts, memorySource } from '../../src/adapters/memory/index.ts';
import { type EpochMillis, millis } from '../../src/core/time.ts';
import { processHandler, projectHandler, sweepHandler } from '../../src/handlers.ts';
import {
  bucket,
  count,
  definePipeline,
  kinesis,
  max,
  mean,
  type Pipeline,
  table,
  tumbling,
} from '../../src/index.ts';
import type { Ports } from '../../src/ports/index.ts';
import { PANES_PREFIX } from '../../src/wiring/names.ts';
import { enterReport, type Report, shown } from '../report.ts';

const BATCH = 10_000;
const MINUTE = 60_000;
const START = Date.UTC(2026, 0, 5, 12);
const MB = 1e6;

/** Each in a process of its own, whose heap is bounded as V8 bounds it in a function of so much memory: by half of that. */
const HANDLERS = [
  { name: 'process', keys: 200_000, groups: 8, minutes: 3, megabytes: 1_024, goal: 700 },
  { name: 'sweep', keys: 200_000, groups: 8, minutes: 3, megabytes: 512, goal: 512 },
  { name: 'project', keys: 200_000, groups: 8, minutes: 3, megabytes: 512, goal: 512 },
  // Last, as the others work on what the first leaves behind.
  { name: 'process', keys: 1_000_000, groups: 64, minutes: 1, megabytes: 1_024, goal: 1_024 },
] as const;
type Name = (typeof HANDLERS)[number]['name'];

/** What a process came to. */
interface Peak {
  readonly peak: number;
  readonly live: number;
  /** Processor time of the process, in microseconds, by records that were sent. */
  readonly micros: number;
}

interface Reading {
  readonly k: string;
  readonly t: number;
  readonly v: number;
}

const pipelineOf = (groups: number) =>
  definePipeline('memory', kinesis<Reading>(), {
    key: 'k',
    eventTime: 't',
    groups,
    windows: { minute: tumbling({ size: '1m' }, { n: count(), mean: mean('v'), max: max('v') }) },
  }).to(table(), bucket({ every: '0s' }));

const invocation = { getRemainingTimeInMillis: () => 3_600_000 };

async function process_(
  ports: MemoryPorts,
  pipeline: Pipeline,
  keys: number,
  minutes: number,
): Promise<void> {
  const handler = processHandler(ports, pipeline);
  for (let minute = 0, position = 0; minute < minutes; minute++) {
    for (let from = 0; from < keys; from += BATCH) {
      const time = START + minute * MINUTE + from / 100;
      ports.clock.set(time as EpochMillis);
      const records = Array.from({ length: Math.min(BATCH, keys - from) }, (_, at) => {
        const reading: Reading = { k: `key-${from + at}`, t: time, v: Math.random() };
        return {
          eventID: 'shardId-000000000000:1',
          eventSourceARN: 'arn:aws:kinesis:us-east-1:123456789012:stream/bench',
          kinesis: {
            partitionKey: reading.k,
            sequenceNumber: String(++position),
            approximateArrivalTimestamp: time / 1_000,
            data: Buffer.from(JSON.stringify(reading)).toString('base64'),
          },
        };
      });
      const { batchItemFailures } = await handler(
        { Records: records } as unknown as KinesisStreamEvent,
        invocation,
      );
      if (batchItemFailures.length > 0) throw new Error('Cannot measure a batch that failed');
    }
  }
}

/** Ports whose sinks keep nothing but the names of objects. */
function withoutSinks(ports: MemoryPorts): Ports {
  const names = new Set<string>();
  const isPanes = (name: string): boolean => name.startsWith(PANES_PREFIX);
  return {
    ...ports,
    rows: { put: async () => {} },
    objects: {
      ...ports.objects,
      async create(name, object) {
        if (!isPanes(name)) return ports.objects.create(name, object);
        if (names.has(name)) return 'exists';
        names.add(name);
        return 'created';
      },
      exists: async (name) => (isPanes(name) ? names.has(name) : ports.objects.exists(name)),
    },
  };
}

/** What `process` leaves behind is what the others work on. */
async function measured(
  name: Name,
  keys: number,
  groups: number,
  minutes: number,
  file: string,
): Promise<Peak> {
  const pipeline = pipelineOf(groups);
  const ports = memoryPorts({ source: memorySource('bench'), start: START as EpochMillis });
  if (name === 'process') await process_(ports, pipeline, keys, minutes);
  else {
    const { logs, objects, now } = deserialize(readFileSync(file));
    for (const [log, entries] of logs) for (const entry of entries) await ports.log.append(log, entry);
    for (const [object, stored] of objects) await ports.objects.create(object, stored);
    ports.clock.set(now);
  }
  if (name === 'sweep') {
    ports.clock.pass(millis('10m'));
    const arrivals = { frontier: async (now: EpochMillis) => now };
    await sweepHandler({ ...ports, arrivals }, pipeline)({}, invocation);
  }
  if (name === 'project') await projectHandler(withoutSinks(ports), pipeline)({}, invocation);
  const peak = (process.resourceUsage().maxRSS * 1_024) / MB;
  globalThis.gc?.();
  const { heapUsed, external } = process.memoryUsage();
  const expected = name === 'project' ? 0 : name === 'sweep' ? keys : keys * (minutes - 1);
  const { panes } = ports.telemetry.counted;
  if (panes !== expected) throw new Error(`Cannot measure ${panes} panes as there must be ${expected}`);
  if (name === 'process') {
    const world = { logs: [...ports.log.logs], objects: [...ports.objects.stored], now: ports.clock.now() };
    writeFileSync(file, serialize(world));
  }
  const { user, system } = process.cpuUsage();
  return { peak, live: (heapUsed + external) / MB, micros: (user + system) / (keys * minutes) };
}

const inOwnProcess = (
  { name, megabytes, groups, minutes }: (typeof HANDLERS)[number],
  keys: number,
  file: string,
): Promise<Peak> =>
  new Promise((resolve, reject) => {
    const child = fork(
      process.argv[1] as string,
      [name, String(keys), String(groups), String(minutes), file],
      {
        execArgv: ['--expose-gc', `--max-old-space-size=${megabytes / 2}`],
      },
    );
    child.once('message', (peak) => resolve(peak as Peak));
    child.once('exit', (code) => reject(new Error(`Cannot measure "${name}": it ended with ${code}`)));
  });

/** The most memory that each handler takes, and what is left of it: of the stores, too, which are in the same memory. */
async function report(quick: boolean): Promise<Report> {
  const folder = mkdtempSync(join(tmpdir(), 'millrace-'));
  try {
    const rows: string[][] = [];
    const faults: string[] = [];
    for (const one of HANDLERS) {
      const { name, groups, megabytes, goal } = one;
      const keys = quick ? one.keys / 10 : one.keys;
      const { peak, live, micros } = await inOwnProcess(one, keys, join(folder, 'world'));
      const of = [name, keys.toLocaleString('en'), String(groups), megabytes.toLocaleString('en')];
      rows.push([
        ...of,
        shown(peak),
        shown(live),
        name === 'process' ? shown(micros) : '',
        `${goal}: ${peak < goal ? 'met' : 'missed'}`,
      ]);
      if (peak >= goal) faults.push(`${name}: ${shown(peak)} MB of ${goal}`);
    }
    const head = [
      'handler',
      'keys',
      'groups',
      'function, MB',
      'resident at most, MB',
      'live after, MB',
      'processor time a record, µs',
      'goal',
    ];
    return { head, rows, faults };
  } finally {
    rmSync(folder, { recursive: true });
  }
}

const [, , name, keys, groups, minutes, file] = process.argv;
if (name === undefined) enterReport(report);
else
  process.send?.(
    await measured(name as Name, Number(keys), Number(groups), Number(minutes), file as string),
    undefined,
    undefined,
    () => process.exit(0),
  );
