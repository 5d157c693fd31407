import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { type KafkaEvent, recordsOf, sourceOf } from '../../src/adapters/kafka/records.ts';
import { memoryPorts } from '../../src/adapters/memory/index.ts';
import { after, type Millis } from '../../src/core/time.ts';
import { groupOf, hashOf } from '../../src/engine/group/key-group.ts';
import { processHandler } from '../../src/handlers.ts';
import { count, definePipeline, kafka, tumbling } from '../../src/index.ts';
import type { Ports } from '../../src/ports/index.ts';
import { groupLog } from '../../src/wiring/names.ts';
import { NOON, type Reading } from '../engine/scene.ts';

const fixture = (name: string): KafkaEvent =>
  JSON.parse(readFileSync(new URL(`../fixtures/events/kafka-${name}.json`, import.meta.url), 'utf8'));

const pipeline = definePipeline('readings', kafka<Reading>({ topic: 'plant.readings', partitions: 4 }), {
  key: ({ machine }) => machine,
  eventTime: (reading) => reading.at,
  windows: { minute: tumbling({ size: '1m' }, { n: count() }) },
});

const logOf = (machine: string): string => groupLog('readings', 1, groupOf(hashOf(machine), pipeline.groups));

/** What a handler answers to an event, and what it counts, where some logs cannot be written. */
async function answerTo(
  event: unknown,
  cannotWrite: (log: string) => boolean = () => false,
  millis = 60_000,
  owned = false,
) {
  const memory = memoryPorts({ start: after(NOON, 3_600_000 as Millis) });
  const ports: Ports = {
    ...memory,
    log: {
      ...memory.log,
      async append(name, entry) {
        if (cannotWrite(name)) throw new Error('refused');
        return memory.log.append(name, entry);
      },
    },
  };
  const handle = processHandler(ports, pipeline, owned);
  const answer = await handle(event, { getRemainingTimeInMillis: () => millis });
  return { answer, counted: memory.telemetry.counted };
}

const named = (...places: readonly (readonly [partition: number, offset: number])[]) => ({
  batchItemFailures: places.map(([partition, offset]) => ({
    itemIdentifier: { partition: `plant.readings-${partition}`, offset },
  })),
});

describe('an event of Kafka', () => {
  it('of MSK names the cluster by its ARN, and holds several partitions', () => {
    const event = fixture('msk');
    expect(sourceOf(event)).toBe(`${event.eventSourceArn}/plant.readings`);
    expect(recordsOf(event).map(({ lineage, position }) => `${lineage} ${position}`)).toEqual([
      'plant.readings/0 15',
      'plant.readings/0 16',
      'plant.readings/0 17',
      'plant.readings/3 7',
      'plant.readings/3 8',
    ]);
  });

  it('of brokers of your own names them alone, in any order, and may hold tombstones', () => {
    const event = fixture('self-managed');
    expect(sourceOf(event)).toBe('one.plant.example:9096,two.plant.example:9096/plant.readings');
    expect(recordsOf(event).map(({ position, partitionKey }) => `${position} ${partitionKey}`)).toEqual([
      '0 pump',
      '2 ',
    ]);
  });
});

describe('the answer to an event of Kafka', () => {
  it.each([
    ['msk', 5],
    ['self-managed', 2],
    ['empty', 0],
  ])('names nothing where all is taken in: %s', async (name, applied) => {
    const { answer, counted } = await answerTo(fixture(name));
    expect(answer).toEqual(named());
    expect(counted).toMatchObject({ received: applied, applied, poison: 0 });
  });

  it('names nothing for a record that is refused for good, and the others are in', async () => {
    const { answer, counted } = await answerTo(fixture('poison'));
    expect(answer).toEqual(named());
    expect(counted).toMatchObject({ applied: 2, poison: 1 });
  });

  it('names the lowest offset of each partition that is not in, as an object', async () => {
    const { answer, counted } = await answerTo(fixture('msk'), (log) => log === logOf('oven'));
    expect(answer).toEqual(named([0, 16], [3, 7]));
    expect(counted).toMatchObject({ applied: 3 });
  });

  it('names the first offset of each partition where nothing is in', async () => {
    const { answer, counted } = await answerTo(fixture('msk'), (log) => log.startsWith('readings/'));
    expect(answer).toEqual(named([0, 15], [3, 7]));
    expect(counted).toMatchObject({ applied: 0 });
  });

  it('names everything near the deadline, and begins nothing', async () => {
    const { answer, counted } = await answerTo(fixture('msk'), () => false, 2_000);
    expect(answer).toEqual(named([0, 15], [3, 7]));
    expect(counted).toMatchObject({ applied: 0 });
  });

  it('is an error, so that all comes again, where the definition cannot be written or the event is another', async () => {
    await expect(answerTo(fixture('msk'), (log) => log.startsWith('definition/'))).rejects.toThrow('refused');
    await expect(answerTo({ Records: [] })).rejects.toThrow(
      'Cannot read the event as it must be a Kafka event: it has no object "records"',
    );
  });

  it('that the handler owns is empty once it has read it, and has the same answers', async () => {
    const cannotWrite = (log: string) => log === logOf('oven');
    for (const refuses of [() => false, cannotWrite]) {
      const [event, owned] = [fixture('msk'), fixture('msk')];
      expect(await answerTo(owned, refuses, 60_000, true)).toEqual(await answerTo(event, refuses));
      expect(event).toEqual(fixture('msk'));
      expect(Object.values(owned.records).flat()).toEqual([]);
    }
  });
});
