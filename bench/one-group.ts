import type { KinesisStreamEvent } from 'aws-lambda';
import { type MemoryPorts, memoryPorts, memorySource } from '../src/adapters/memory/index.ts';
import type { EpochMillis } from '../src/core/time.ts';
import { processHandler } from '../src/handlers.ts';
import { definePipeline, kinesis, mean, type Pipeline, sliding } from '../src/index.ts';

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

const BATCH = 10_000;

export const invocation = { getRemainingTimeInMillis: () => 60_000 };

/** A pipeline of one group that holds some keys. */
export interface OneGroup {
  readonly pipeline: Pipeline;
  readonly ports: MemoryPorts;
  /**
   * Gives the handler a batch of one record a key, which are as old as the clock of the ports says.
   *
   * @returns how long it took, in milliseconds
   */
  take(numbers: readonly number[]): Promise<number>;
}

/**
 * Makes a group that holds so many keys, each with one record.
 *
 * @param environments of the handler, in turns: each first reads what another has committed
 */
export async function groupOf(keys: number, environments = 1): Promise<OneGroup> {
  const start = Date.UTC(2026, 0, 5, 12) as EpochMillis;
  const ports = memoryPorts({ source: memorySource('bench'), start });
  const pipeline = pipelineOf();
  const handlers = Array.from({ length: environments }, () => processHandler(ports, pipeline));
  let position = 0;
  let invoked = 0;
  const take = async (numbers: readonly number[]): Promise<number> => {
    const Records = numbers.map((number) => {
      const reading: Reading = {
        key: `key-${number % keys}`,
        at: ports.clock.now() + position,
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
  const numbers = Array.from({ length: keys }, (_, number) => number);
  for (let from = 0; from < keys; from += BATCH) await take(numbers.slice(from, from + BATCH));
  return { pipeline, ports, take };
}
