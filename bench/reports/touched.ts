import type { KinesisStreamEvent } from 'aws-lambda';
import { memoryPorts, memorySource } from '../../src/adapters/memory/index.ts';
import type { EpochMillis } from '../../src/core/time.ts';
import { processHandler } from '../../src/handlers.ts';
import { definePipeline, kinesis, mean, sliding } from '../../src/index.ts';
import { enterReport, mean as meanOf, median, type Report, shown } from '../report.ts';

/** How many invocations of one record are timed, after as many that are not. */
const INVOCATIONS = 100;
const BATCH = 10_000;
const GOAL_MILLIS = 5;

interface Reading {
  readonly key: string;
  readonly at: number;
  readonly value: number;
}

const pipelineOf = () =>
  definePipeline('bench', kinesis<Reading>(), {
    key: 'key',
    eventTime: 'at',
    groups: 1,
    windows: { sliding: sliding({ size: '60s', slide: '10s' }, { mean: mean('value') }) },
  });

const invocation = { getRemainingTimeInMillis: () => 60_000 };

/**
 * The wall time of invocations of one record each, in milliseconds, of one group that holds so many keys already.
 * With two environments in turns, each first reads what the other has committed.
 */
async function millisOf(keys: number, environments: number): Promise<readonly number[]> {
  const start = Date.UTC(2026, 0, 5, 12);
  const ports = memoryPorts({ source: memorySource('bench'), start: start as EpochMillis });
  const handlers = Array.from({ length: environments }, () => processHandler(ports, pipelineOf()));
  let position = 0;
  let invoked = 0;
  const take = async (from: number, count: number): Promise<number> => {
    const Records = Array.from({ length: count }, (_, at) => {
      const reading: Reading = {
        key: `key-${(from + at) % keys}`,
        at: start + position,
        value: position % 7,
      };
      return {
        eventID: 'shardId-000000000000:1',
        eventSourceARN: 'arn:aws:kinesis:us-east-1:123456789012:stream/bench',
        kinesis: {
          partitionKey: reading.key,
          sequenceNumber: String(++position),
          approximateArrivalTimestamp: reading.at / 1_000,
          data: Buffer.from(JSON.stringify(reading)).toString('base64'),
        },
      };
    });
    const handler = handlers[invoked++ % environments] as (typeof handlers)[number];
    const begun = performance.now();
    const { batchItemFailures } = await handler({ Records } as unknown as KinesisStreamEvent, invocation);
    const millis = performance.now() - begun;
    if (batchItemFailures.length > 0) throw new Error('Cannot measure a batch that failed');
    return millis;
  };
  for (let from = 0; from < keys; from += BATCH) await take(from, Math.min(BATCH, keys - from));
  const times: number[] = [];
  // In strides, so that keys of all places are met.
  for (let at = 0; at < 2 * INVOCATIONS; at++) times.push(await take(at * 7_919, 1));
  return times.slice(INVOCATIONS);
}

/** What a record costs that comes alone, by the keys that its group holds. */
enterReport(async (quick): Promise<Report> => {
  const rows: string[][] = [];
  for (const keys of quick ? [1_000, 10_000] : [1_000, 10_000, 100_000]) {
    for (const environments of [1, 2]) {
      const times = await millisOf(keys, environments);
      const [middle, average, most] = [median(times), meanOf(times), Math.max(...times)];
      rows.push([
        keys.toLocaleString('en'),
        String(environments),
        shown(middle),
        shown(average),
        shown(most),
        middle <= GOAL_MILLIS ? 'met' : 'missed',
      ]);
    }
  }
  return {
    head: [
      'keys of the group',
      'environments in turns',
      'median, ms',
      'mean, ms',
      'most, ms',
      `goal ${GOAL_MILLIS}`,
    ],
    rows,
    faults: [],
  };
});
