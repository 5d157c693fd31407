import { fork } from 'node:child_process';
import { memoryPorts, memorySource } from '../../src/adapters/memory/index.ts';
import { max, min } from '../../src/core/aggregates/extrema.ts';
import { mean } from '../../src/core/aggregates/sums.ts';
import type { EpochMillis } from '../../src/core/time.ts';
import { processHandler } from '../../src/handlers.ts';
import { definePipeline, kafka, kinesis, type Pipeline, sqs } from '../../src/index.ts';
import { rolling, sliding, tumbling } from '../../src/pipeline/windows.ts';
import { DEFAULT_MEMORY, heapOptions } from '../../src/wiring/memory.ts';
import { streamOf } from '../data.ts';
import { eventOf, queueEventOf, topicEventOf } from '../event.ts';
import { pipelineOf, type SentReading } from '../fold.ts';
import { enterReport, mean as meanOf, type Report, shown } from '../report.ts';

const RECORDS = 10_000;
const CPU_GOAL = 2.6;
/** The options of Node with which the handler is deployed. Parsing alone has them as well. */
const DEPLOYED = heapOptions(DEFAULT_MEMORY.handler).split(' ');
/** Timed at least, so that every collection of garbage comes up in the mean. */
const BATCHES = 50;

interface Extremes extends Record<string, number> {
  readonly mean: number;
  readonly min: number;
  readonly max: number;
}
const extremes = {
  mean: mean<SentReading>('value'),
  min: min<SentReading>('value'),
  max: max<SentReading>('value'),
};
const minute = tumbling<SentReading, { mean: number; max: number }>(
  { size: '60s' },
  { mean: mean('value'), max: max('value') },
);

const slidingMinute = {
  sliding: sliding<SentReading, { mean: number; max: number }>(
    { size: '60s', slide: '10s' },
    { mean: mean('value'), max: max('value') },
  ),
};

const PIPELINES: readonly (readonly [
  name: string,
  pipeline: () => Pipeline,
  keys: readonly number[],
  events?: typeof eventOf,
])[] = [
  [
    'rolling 10, mean',
    () =>
      pipelineOf({ rolling: rolling<SentReading, { mean: number }>({ count: 10 }, { mean: mean('value') }) }),
    [100, 1_000],
  ],
  [
    'rolling 100, mean, min, max; minutes',
    () => pipelineOf({ rolling: rolling<SentReading, Extremes>({ count: 100 }, extremes), minute }),
    [100, 1_000],
  ],
  ['sliding 60 s / 10 s, mean and max', () => pipelineOf(slidingMinute), [100, 1_000, 10_000, 50_000]],
  [
    'the same, with functions in place of names',
    () =>
      definePipeline('bench', kinesis<SentReading>(), {
        key: ({ key }) => key,
        eventTime: ({ at }) => at,
        outOfOrderness: '0ms',
        windows: {
          sliding: sliding(
            { size: '60s', slide: '10s' },
            { mean: mean(({ value }: SentReading) => value), max: max(({ value }: SentReading) => value) },
          ),
        },
      }),
    [100, 1_000],
  ],
  [
    'the same by names, over a topic of Kafka',
    () =>
      definePipeline('bench', kafka<SentReading>({ topic: 'bench' }), {
        key: 'key',
        eventTime: 'at',
        outOfOrderness: '0ms',
        windows: slidingMinute,
      }),
    [1_000],
    topicEventOf,
  ],
  [
    'the same by names, over a queue',
    () =>
      definePipeline('bench', sqs<SentReading>(), {
        key: 'key',
        eventTime: 'at',
        outOfOrderness: '0ms',
        windows: slidingMinute,
      }),
    [1_000],
    queueEventOf,
  ],
];

/** What one process is asked for: a case, with the handler, or with `JSON.parse` of the same events alone. */
interface Job {
  readonly place: number;
  readonly keys: number;
  readonly withHandler: boolean;
  readonly batches: number;
}

/** Of a process; times are the processor's, of all its threads, in nanoseconds a record. */
interface Measured {
  readonly mean: number;
  readonly firstMillis: number;
  readonly heapBytes: number;
  readonly residentBytes: number;
  readonly counted: { readonly applied: number; readonly panes: number };
  readonly sent: number;
}

const asked = process.argv[2];
if (asked === undefined) {
  /** A handler's processor time, for batches of 10,000 records whose groups are in memory. */
  enterReport(async (quick): Promise<Report> => {
    const rows: string[][] = [];
    const faults: string[] = [];
    for (const [place, [name, , counts]] of PIPELINES.entries()) {
      for (const keys of counts) {
        if (quick && keys > 1_000) continue;
        const batches = quick ? 5 : BATCHES;
        const parsed = await inProcess({ place, keys, withHandler: false, batches });
        const whole = await inProcess({ place, keys, withHandler: true, batches });
        const ratio = whole.mean / parsed.mean;
        rows.push([
          name,
          keys.toLocaleString('en'),
          shown(parsed.mean),
          shown(whole.mean),
          shown(ratio),
          ratio <= CPU_GOAL ? 'met' : 'missed',
          shown(whole.firstMillis),
          shown(whole.heapBytes / 1_048_576),
          shown(whole.residentBytes / 1_048_576),
          shown(whole.counted.panes / whole.counted.applied),
        ]);
        const { counted, sent } = whole;
        if (counted.applied !== sent)
          faults.push(`${name}, ${keys} keys: ${counted.applied} of ${sent} applied`);
      }
    }
    return {
      head: [
        'windows',
        'keys',
        'JSON.parse of the event, ns a record',
        'with the handler',
        '÷ parse',
        `goal ${CPU_GOAL}`,
        'first invocation, ms',
        'heap at the end, MB',
        'resident, MB',
        'panes a record',
      ],
      rows,
      faults,
    };
  });
} else {
  const measuredHere = await measured(JSON.parse(asked));
  process.send?.(measuredHere, undefined, undefined, () => process.exit(0));
}

/** Each measurement has a process of its own: neither code nor memory is another's. */
const inProcess = (job: Job): Promise<Measured> =>
  new Promise((resolve, reject) => {
    const execArgv = [...process.execArgv, ...DEPLOYED];
    const child = fork(process.argv[1] as string, [JSON.stringify(job)], { execArgv });
    child.once('message', (answer) => resolve(answer as Measured));
    child.once('exit', (code) =>
      reject(new Error(`Cannot measure ${JSON.stringify(job)}: exit code ${code}`)),
    );
  });

/** No garbage is collected but when the process does so by itself, whoever has made it. */
async function measured({ place, keys, withHandler, batches }: Job): Promise<Measured> {
  // Until windows are full and code is compiled.
  const warm = Math.max(20, Math.ceil((keys * 70) / RECORDS));
  const sent = (warm + batches) * RECORDS;
  const stream = streamOf({ records: sent, keys, skew: 'uniform', disorder: 0 });
  const ports = memoryPorts({
    source: memorySource('bench'),
    start: stream.at.at(-1) as EpochMillis,
  });
  const [, make, , events = eventOf] = PIPELINES[place] as (typeof PIPELINES)[number];
  // As it is deployed, the handler owns its events.
  const handler = processHandler(ports, make(), true);
  const times: number[] = [];
  for (let from = 0; from < sent; from += RECORDS) {
    const event = events(stream, from, from + RECORDS);
    const started = process.cpuUsage();
    const parsed = JSON.parse(event);
    if (withHandler) {
      const answer = await handler(parsed, { getRemainingTimeInMillis: () => 60_000 });
      if (answer.batchItemFailures.length > 0) throw new Error('Cannot measure a batch that failed');
    }
    const { user, system } = process.cpuUsage(started);
    times.push((1e3 * (user + system)) / RECORDS);
  }
  const [first = 0] = times;
  const residentBytes = process.memoryUsage.rss();
  // All times are taken by now.
  globalThis.gc?.();
  const { applied, panes } = ports.telemetry.counted;
  return {
    mean: meanOf(times.slice(warm)),
    firstMillis: (first * RECORDS) / 1e6,
    heapBytes: process.memoryUsage().heapUsed,
    residentBytes,
    counted: { applied, panes },
    sent,
  };
}
