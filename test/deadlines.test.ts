import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { describe, expect, it } from 'vitest';
import { memoryPorts } from '../src/adapters/memory/index.ts';
import { processHandler } from '../src/handlers.ts';
import { count, definePipeline, kinesis, mean, rolling, sum, tumbling } from '../src/index.ts';
import { kinesisEvent } from '../src/simulation/shapes.ts';
import { at, NOON, type Reading, Scene } from './support/engine-scene.ts';

const INVOCATION = { getRemainingTimeInMillis: () => 60_000 };

const minutes = definePipeline('readings', kinesis<Reading>(), {
  key: ({ machine }) => machine,
  eventTime: (reading) => reading.at,
  groups: 4,
  windows: { minute: tumbling({ size: '1m' }, { mean: mean('celsius'), n: count() }) },
});

describe('a batch', () => {
  it('leaves no alarm behind, whether it was committed or not', async () => {
    const scene = new Scene(minutes);
    const batch = (time: number) =>
      Array.from({ length: 20 }, (_, machine) => scene.put(`machine-${machine}`, at(time)));
    for (let time = 0; time < 3; time++) {
      await scene.process(batch(time));
      expect(scene.ports.clock.alarms).toBe(0);
    }
    const refusing = scene.refusing((call) => call === 'log.append');
    expect(await scene.process(batch(3), refusing)).toHaveLength(20);
    expect(scene.ports.clock.alarms).toBe(0);
  });

  it('leaves nothing in memory: the heap after 100 is at most twice that after 10', async () => {
    setFlagsFromString('--expose-gc');
    const collect = runInNewContext('gc') as () => void;
    const heap = (): number => {
      collect();
      return process.memoryUsage().heapUsed;
    };
    const pipeline = definePipeline('readings', kinesis<Reading>(), {
      key: ({ machine }) => machine,
      eventTime: (reading) => reading.at,
      groups: 4,
      windows: { last: rolling({ count: 2 }, { sum: sum('celsius') }) },
    });
    const ports = memoryPorts({ start: NOON });
    const handler = processHandler(ports, pipeline);
    let position = 0;
    const batch = async () => {
      const records = Array.from({ length: 2_000 }, (_, place) => {
        const reading = { machine: `machine-${place % 10}`, at: NOON + position, celsius: 20 };
        return {
          lineage: 'readings/shardId-000000000000',
          position: String(++position),
          arrival: NOON,
          partitionKey: reading.machine,
          data: Buffer.from(JSON.stringify(reading)),
        };
      });
      const answer = await handler(kinesisEvent(records as never), INVOCATION);
      expect(answer.batchItemFailures).toEqual([]);
      // What a store keeps is not kept by the handler.
      for (const entries of ports.log.logs.values()) (entries as unknown[]).splice(0, entries.length - 1);
    };
    for (let batches = 0; batches < 10; batches++) await batch();
    const afterTen = heap();
    for (let batches = 10; batches < 100; batches++) await batch();
    expect(heap() / afterTen).toBeLessThanOrEqual(2);
  });
});
