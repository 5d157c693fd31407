import { describe, expect, it } from 'vitest';
import { memoryTelemetry } from '../../../src/adapters/memory/telemetry.ts';
import { positionOf } from '../../../src/core/position.ts';
import { after, millis } from '../../../src/core/time.ts';
import { BatchKey } from '../../../src/engine/group/batch-key.ts';
import { groupOf, hashOf } from '../../../src/engine/group/key-group.ts';
import { ShardOverlap, Spread } from '../../../src/engine/intake/shard-overlap.ts';
import { processHandler } from '../../../src/handlers.ts';
import {
  count,
  definePipeline,
  dynamodbStream,
  kafka,
  kinesis,
  type Pipeline,
  sqs,
  tumbling,
} from '../../../src/index.ts';
import type { SourceRecord } from '../../../src/ports/source.ts';
import { kinesisEvent } from '../../../src/simulation/shapes.ts';
import { at, NOON, type Reading, Scene } from '../scene.ts';

const readings = (source: Pipeline['source']): Pipeline =>
  definePipeline(
    'readings',
    source.map((reading) => reading as Reading),
    {
      key: ({ machine }) => machine,
      eventTime: (reading) => reading.at,
      windows: { minute: tumbling({ size: '1m' }, { n: count() }) },
    },
  );

const SHARDS = 4;

/** The shard that Kinesis puts a partition key into, where shards are split evenly. */
const shardOf = (partitionKey: string, shards = SHARDS): number => groupOf(hashOf(partitionKey), shards);

interface Sent {
  readonly machine: string;
  readonly partitionKey: string;
  /** Default: as Kinesis chooses by the partition key. */
  readonly shard?: number;
}

/** Batches of each shard, of what was sent. */
function batchesOf(sent: readonly Sent[], shards = SHARDS): readonly (readonly SourceRecord[])[] {
  const batches = Array.from({ length: shards }, () => [] as SourceRecord[]);
  for (const [n, { machine, partitionKey, shard = shardOf(partitionKey, shards) }] of sent.entries()) {
    batches[shard]?.push({
      lineage: `readings/shardId-${shard}`,
      position: positionOf(String(n + 1)),
      arrival: NOON,
      partitionKey,
      data: Buffer.from(JSON.stringify({ machine, at: NOON, celsius: 20 })),
    });
  }
  return batches.filter((batch) => batch.length > 0);
}

const machines = (many: number): readonly string[] => Array.from({ length: many }, (_, n) => `machine-${n}`);

/** What a handler tells of the batches, in one environment. */
async function toldOf(sent: readonly Sent[], shards = SHARDS) {
  const scene = new Scene(readings(kinesis({ shards })));
  const handler = processHandler(scene.ports, scene.pipeline);
  for (const batch of batchesOf(sent, shards)) {
    await handler(kinesisEvent(batch), { getRemainingTimeInMillis: () => 60_000 });
  }
  const { counted, warnings, faults } = scene.ports.telemetry;
  return { misaligned: counted.misaligned, warnings, faults };
}

describe('records whose partition keys are not their keys', () => {
  it('are said, with what they cost and what to do, once for all, without a key', async () => {
    const sent = machines(200).map((machine, n) => ({ machine, partitionKey: `request-${n}` }));
    const { misaligned, warnings, faults } = await toldOf(sent);
    // The first shard that is seen meets no other.
    expect(misaligned).toBe(SHARDS - 1);
    expect(warnings).toHaveLength(1);
    expect(warnings[0]).toMatch(
      /^Records are misaligned, as their partition keys are not their keys: a batch of one shard touched 15 of 16 key groups, of which other shards touch 15, where 8 would do; send each record with its key as partition key$/,
    );
    expect(faults).toEqual([]);
  });

  it.each([
    ['each is part of its key', (machine: string) => machine.slice(0, 9)],
    ['each begins with its key', (machine: string, n: number) => `${machine}/${n}`],
  ])('are said where %s', async (_, partitionKeyOf) => {
    const sent = machines(200).map((machine, n) => ({ machine, partitionKey: partitionKeyOf(machine, n) }));
    expect((await toldOf(sent)).misaligned).toBeGreaterThan(0);
  });

  it('are said where there are few keys, each in all shards', async () => {
    const sent = machines(400).map((_, n) => ({ machine: `m${n % 2}`, partitionKey: `m${n % 2}/${n}` }));
    expect((await toldOf(sent)).misaligned).toBe(SHARDS - 1);
  });

  it('are let be in a stream of one shard, which shares key groups with none', async () => {
    const sent = machines(200).map((machine, n) => ({ machine, partitionKey: `request-${n}` }));
    expect(await toldOf(sent, 1)).toMatchObject({ misaligned: 0, warnings: [] });
  });

  it('are let be where their producer chose the shard by the key', async () => {
    const sent = machines(200).map((machine) => ({ machine, partitionKey: 'any', shard: shardOf(machine) }));
    expect(await toldOf(sent)).toMatchObject({ misaligned: 0, warnings: [] });
  });
});

describe('records whose partition keys are their keys', () => {
  it.each([1, 2, 3, 200])('are aligned: %d keys', async (many) => {
    const sent = machines(many).map((machine) => ({ machine, partitionKey: machine }));
    expect(await toldOf(sent)).toMatchObject({ misaligned: 0, warnings: [] });
  });

  it('are aligned while a shard splits, though parent and children share key groups', async () => {
    const sent = machines(200).map((machine, n) => ({
      machine,
      partitionKey: machine,
      shard: n < 100 ? 0 : 1 + shardOf(machine, 2),
    }));
    expect(await toldOf(sent, 3)).toMatchObject({ misaligned: 0, warnings: [] });
  });

  it('are aligned, but for some that are refused', async () => {
    const sent = machines(200).map((machine, n) => ({
      machine: n % 4 === 0 ? '' : machine,
      partitionKey: machine,
    }));
    expect(await toldOf(sent)).toMatchObject({ misaligned: 0, warnings: [] });
  });
});

describe('an environment', () => {
  const record = (shard: number) => ({ lineage: `readings/shardId-${shard}` }) as SourceRecord;
  const spread = (...groups: number[]) => {
    const all = new Spread(new Map(groups.map((group) => [group, {}])), 16);
    for (const group of groups) all.add(new BatchKey('key', group * 2 ** 28), 'p');
    return all;
  };
  const overlapOf = (source: Pipeline['source'] = kinesis({ shards: 2 })) => {
    const telemetry = memoryTelemetry();
    return { telemetry, overlap: new ShardOverlap(readings(source), telemetry) };
  };
  // Only the group of the partition key would be no stray.
  const [one, two] = [1, 2, 3].filter((group) => group !== groupOf(hashOf('p'), 16)) as [number, number];

  it('remembers the key groups of a shard for a minute', () => {
    const { telemetry, overlap } = overlapOf();
    overlap.see([record(0)], spread(one, two), at(0));
    overlap.see([record(1)], spread(one, two), at(1));
    expect(telemetry.counted.misaligned).toBe(0);
    overlap.see([record(0)], spread(one, two), at(1, 59));
    expect(telemetry.counted.misaligned).toBe(1);
  });

  it('says it again after an hour, and counts it each time', () => {
    const { telemetry, overlap } = overlapOf();
    for (const minutes of [0, 30, 59, 61]) {
      for (const shard of [0, 1])
        overlap.see([record(shard)], spread(one, two), after(NOON, millis(`${minutes}m`)));
    }
    expect(telemetry.counted.misaligned).toBe(4);
    expect(telemetry.warnings).toHaveLength(2);
  });

  it.each([sqs({ fifo: true }), kafka({ topic: 'readings' }), dynamodbStream({ table: 'readings' })])(
    'says nothing of $kind, whose lineages are cut by no hash of ours',
    (source) => {
      const { telemetry, overlap } = overlapOf(source);
      for (const shard of [0, 1, 2]) overlap.see([record(shard)], spread(one, two), NOON);
      expect(telemetry).toMatchObject({ counted: { misaligned: 0 }, warnings: [] });
    },
  );
});
