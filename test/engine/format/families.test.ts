import { expect, it } from 'vitest';
import { memoryPorts } from '../../../src/adapters/memory/index.ts';
import type { EpochMillis } from '../../../src/core/time.ts';
import { decodePanes } from '../../../src/engine/format/entry.ts';
import { processHandler } from '../../../src/handlers.ts';
import {
  definePipeline,
  kinesis,
  max,
  mean,
  type Pipeline,
  rolling,
  sliding,
  tumbling,
} from '../../../src/index.ts';
import type { LogEntry } from '../../../src/ports/commit-log.ts';
import { Random } from '../../../src/simulation/random.ts';

interface Reading {
  readonly key: string;
  readonly at: number;
  readonly value: number;
}

const START = Date.UTC(2026, 0, 5) as EpochMillis;
const aggregates = { mean: mean<Reading>('value'), max: max<Reading>('value') };

const pipeline = definePipeline('families', kinesis<Reading>(), {
  key: 'key',
  eventTime: 'at',
  groups: 2,
  allowedLateness: '1m',
  windows: {
    last: rolling({ count: 3 }, aggregates),
    minute: sliding({ size: '1m', slide: '10s' }, aggregates),
    ten: tumbling({ size: '10s', emit: 'update' }, aggregates),
    hour: sliding({ size: '1h', slide: '10s' }, aggregates),
    top: sliding({ size: '5m', slide: '10s' }, { top: max('value') }),
  },
});

const apart = { ...pipeline, rules: { ...pipeline.rules, families: undefined } };

/** What is written of some batches: by a function that stays, or by one that begins anew with each of them. */
async function written(definition: Pipeline, isWarm: boolean): Promise<readonly LogEntry[]> {
  const random = new Random(7);
  const ports = memoryPorts({ start: START });
  let handler = processHandler(ports, definition);
  for (let batch = 0; batch < 40; batch++) {
    const Records = Array.from({ length: 50 }, (_, at) => {
      const n = batch * 50 + at;
      const time = START + n * 400;
      const reading: Reading = {
        key: `k${random.whole(0, 9)}`,
        at: time - random.pick([0, 0, 3_000, 70_000]),
        value: random.whole(0, 99),
      };
      return {
        eventID: `shardId-000000000000:${n + 1}`,
        eventSourceARN: 'arn:aws:kinesis:eu-west-1:111122223333:stream/families',
        kinesis: {
          data: Buffer.from(JSON.stringify(reading)).toString('base64'),
          partitionKey: 'any',
          sequenceNumber: String(n + 1),
          approximateArrivalTimestamp: time / 1_000,
        },
      };
    });
    if (!isWarm) handler = processHandler(ports, definition);
    const answer = await handler({ Records } as never, { getRemainingTimeInMillis: () => 60_000 });
    expect(answer).toEqual({ batchItemFailures: [] });
  }
  return [...ports.log.logs]
    .filter(([log]) => log.startsWith('families/'))
    .flatMap(([, entries]) => entries.map(({ stored, ...entry }) => ({ ...entry, body: stored })));
}

it('entries emit the same whether or not windows keep their slices together, also read again', async () => {
  const [together, reread, alone] = [
    await written(pipeline, true),
    await written(pipeline, false),
    await written(apart, true),
  ];
  expect(together.flatMap(decodePanes).length).toBeGreaterThan(5_000);
  expect(together.map(decodePanes)).toEqual(alone.map(decodePanes));
  expect(reread).toEqual(together);
});

it('slices that windows keep together are written once', async () => {
  const bytes = (entries: readonly LogEntry[]) => entries.reduce((total, { body }) => total + body.length, 0);
  const [together, alone] = [await written(pipeline, true), await written(apart, true)];
  expect(bytes(together)).toBeLessThan(bytes(alone) - 5_000);
});
