import type { KinesisStreamEvent } from 'aws-lambda';
import { memoryPorts, memorySource } from '../../src/adapters/memory/index.ts';
import { max, min } from '../../src/core/aggregates/extrema.ts';
import { mean } from '../../src/core/aggregates/sums.ts';
import type { EpochMillis } from '../../src/core/time.ts';
import { processHandler } from '../../src/handlers.ts';
import type { Pipeline } from '../../src/index.ts';
import { rolling, sliding, tumbling } from '../../src/pipeline/windows.ts';
import { streamOf } from '../data.ts';
import { eventOf } from '../event.ts';
import { pipelineOf, type SentReading } from '../fold.ts';
import { enterReport, type Report, shown } from '../report.ts';

const RECORDS = 10_000;
const CPU_GOAL = 2.6;

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

const PIPELINES: readonly (readonly [name: string, pipeline: () => Pipeline, keys: readonly number[]])[] = [
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
  [
    'sliding 60 s / 10 s, mean and max',
    () =>
      pipelineOf({
        sliding: sliding<SentReading, { mean: number; max: number }>(
          { size: '60s', slide: '10s' },
          { mean: mean('value'), max: max('value') },
        ),
      }),
    [100, 1_000, 10_000],
  ],
];

/** A handler's processor time, for batches of 10,000 records whose groups are in memory. */
enterReport(async (quick): Promise<Report> => {
  const rows: string[][] = [];
  const faults: string[] = [];
  for (const [name, pipeline, counts] of PIPELINES) {
    for (const keys of counts) {
      if (quick && keys > 1_000) continue;
      const { row, fault } = await measured(name, pipeline(), keys, quick ? 2 : 6);
      rows.push(row);
      if (fault !== undefined) faults.push(fault);
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
      'panes a record',
    ],
    rows,
    faults,
  };
});

async function measured(
  name: string,
  pipeline: Pipeline,
  keys: number,
  repetitions: number,
): Promise<{ readonly row: string[]; readonly fault: string | undefined }> {
  // Until windows are full and code is compiled.
  const warm = Math.max(6, Math.ceil((keys * 70) / RECORDS));
  const batches = warm + repetitions;
  const stream = streamOf({ records: batches * RECORDS, keys, skew: 'uniform', disorder: 0 });
  const start = stream.at.at(-1) as number as EpochMillis;
  const ports = memoryPorts({ source: memorySource('bench'), start });
  const handler = processHandler(ports, pipeline);
  const parses: number[] = [];
  const wholes: number[] = [];
  for (let batch = 0; batch < batches; batch++) {
    const event = eventOf(stream, batch * RECORDS, (batch + 1) * RECORDS);
    // Not all of it: that would drop compiled code and hidden classes, which an environment keeps.
    globalThis.gc?.({ type: 'minor' } as never);
    const started = process.cpuUsage();
    const parsed = JSON.parse(event) as KinesisStreamEvent;
    const parse = nanos(started);
    const answer = await handler(parsed, { getRemainingTimeInMillis: () => 60_000 });
    const whole = nanos(started);
    if (answer.batchItemFailures.length > 0) throw new Error('Cannot measure a batch that failed');
    if (batch < warm) continue;
    parses.push(parse / RECORDS);
    wholes.push(whole / RECORDS);
  }
  const { applied, panes } = ports.telemetry.counted;
  const ratio = Math.min(...wholes) / Math.min(...parses);
  return {
    row: [
      name,
      keys.toLocaleString('en'),
      shown(Math.min(...parses)),
      shown(Math.min(...wholes)),
      shown(ratio),
      ratio <= CPU_GOAL ? 'met' : 'missed',
      shown(panes / applied),
    ],
    fault:
      applied === batches * RECORDS
        ? undefined
        : `${name}, ${keys} keys: ${applied} of ${batches * RECORDS} applied`,
  };
}

function nanos(started: NodeJS.CpuUsage): number {
  const { user, system } = process.cpuUsage(started);
  return 1e3 * (user + system);
}
