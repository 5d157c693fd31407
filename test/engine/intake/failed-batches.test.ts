import { readFileSync } from 'node:fs';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Packer } from '../../../src/adapters/kinesis/kpl.ts';
import { recordsOf } from '../../../src/adapters/kinesis/records.ts';
import { memoryPorts } from '../../../src/adapters/memory/index.ts';
import { memoryReading } from '../../../src/adapters/memory/reading.ts';
import { type Missed, missedRecords } from '../../../src/engine/intake/failed-batches.ts';
import { Redrive, type RedriveCounts } from '../../../src/engine/intake/redrive.ts';
import { holdDeployment, writeDown } from '../../../src/engine/log/definition-log.ts';
import { GroupLogs } from '../../../src/engine/log/group-logs.ts';
import { beginGeneration } from '../../../src/engine/log/rescale.ts';
import { enginePorts } from '../../../src/engine/log/spill.ts';
import { eventReaderOf, unpackerOf } from '../../../src/handlers.ts';
import {
  count,
  definePipeline,
  dynamodbStream,
  kinesis,
  type Pipeline,
  tumbling,
} from '../../../src/index.ts';
import { failureRecordOf } from '../../../src/local/mapping/stream.ts';
import type { Ports } from '../../../src/ports/index.ts';
import { LIMITS } from '../../../src/ports/limits.ts';
import { at, NOON, type Reading, Scene } from '../scene.ts';

const STREAM = 'arn:aws:kinesis:eu-central-1:111122223333:stream/readings';
const SHARD = 'shardId-000000000000';

/** The first version finds no key in odd records, and the second does. */
const readings = (version = 1): Pipeline =>
  definePipeline('readings', kinesis<Reading>(), {
    filter: ({ note }) => note !== 'test',
    key: (reading) => {
      if (version === 1 && reading.note === 'odd') throw new Error('it is odd');
      return reading.machine;
    },
    eventTime: (reading) => reading.at,
    version,
    groups: 4,
    windows: { hour: tumbling({ size: '1h' }, { n: count() }) },
  });

type Numbered = readonly [n: number, reading: Partial<Reading>];

const span = (from: number, to: number): Numbered[] =>
  Array.from({ length: to - from + 1 }, (_, i) => [from + i, {}]);

const eventOf = (records: readonly Numbered[], data?: Uint8Array) => ({
  Records: records.map(([n, more]) => ({
    kinesis: {
      kinesisSchemaVersion: '1.0',
      partitionKey: `p${n}`,
      sequenceNumber: String(1_000 + n),
      data: Buffer.from(
        data ?? JSON.stringify({ machine: `m${n % 5}`, at: at(0, n), celsius: 1, ...more }),
      ).toString('base64'),
      approximateArrivalTimestamp: at(0, n) / 1_000,
    },
    eventSource: 'aws:kinesis' as const,
    eventVersion: '1.0',
    eventID: `${SHARD}:${1_000 + n}`,
    eventName: 'aws:kinesis:record',
    invokeIdentityArn: '',
    awsRegion: 'eu-central-1',
    eventSourceARN: STREAM,
  })),
});

function packed(...machines: readonly string[]): Uint8Array {
  const packer = new Packer();
  for (const machine of machines)
    packer.add({
      partitionKey: machine,
      data: Buffer.from(JSON.stringify({ machine, at: at(0, 1), celsius: 1 })),
    });
  return packer.pack();
}

async function allOf(records: AsyncIterable<Missed>): Promise<Missed[]> {
  const all: Missed[] = [];
  for await (const record of records) all.push(record);
  return all;
}

/** A pipeline on a shard, and the bucket to which Lambda writes what it gives up. */
class World {
  readonly failures = new Map<string, Uint8Array>();
  scene: Scene;

  private constructor(scene: Scene) {
    this.scene = scene;
  }

  /** @param hasBegun whether it has taken in records of its source */
  static async begin(pipeline = readings(), hasBegun = true): Promise<World> {
    const ports = Object.assign(memoryPorts({ start: NOON }), { limits: LIMITS });
    const deployment = await holdDeployment(enginePorts(ports), pipeline, hasBegun ? STREAM : undefined);
    await writeDown(enginePorts(ports), deployment);
    return new World(new Scene(pipeline, deployment, { ports }));
  }

  /** Hands a batch over, while the groups of some machines can commit nothing. */
  async handOver(minute: number, records: readonly Numbered[], failing: readonly string[] = []) {
    return this.handOverEvent(minute, eventOf(records), failing);
  }

  async handOverEvent(minute: number, event: ReturnType<typeof eventOf>, failing: readonly string[] = []) {
    this.scene.ports.clock.set(at(minute));
    const logs = failing.map((machine) => this.scene.logOf(machine));
    const ports = this.scene.refusing((call, name) => call === 'log.append' && logs.includes(name));
    return this.scene.process(recordsOf(event), ports);
  }

  giveUp(minute: number, records: readonly Numbered[], data?: Uint8Array): void {
    const batch = records.map(([n]) => ({ identifier: 1_000 + n, arrival: at(0, n), bytes: 1 }));
    const { key, body } = failureRecordOf(
      { step: 'discard', batch, condition: 'RecordAgeExceeded', invocations: 2 } as never,
      { mapping: 'm', functionArn: 'f', streamArn: STREAM, shard: SHARD },
      eventOf(records, data),
      at(minute),
      String(this.failures.size),
    );
    this.failures.set(key, Buffer.from(JSON.stringify(body)));
  }

  portsOf(ports: Ports = this.scene.ports) {
    const { failures } = this;
    return {
      ...enginePorts(ports),
      reading: memoryReading(this.scene.ports),
      failures: {
        async *list(prefix: string) {
          yield* [...failures.keys()].filter((name) => name.startsWith(prefix)).sort();
        },
        read: async (name: string) => failures.get(name),
      },
      ...eventReaderOf(this.scene.pipeline, ports.clock),
      unpack: unpackerOf(this.scene.pipeline),
    };
  }

  async missed(): Promise<Missed[]> {
    return allOf(missedRecords(this.portsOf(), this.scene.pipeline));
  }

  async redrive(ports?: Ports): Promise<RedriveCounts> {
    const all = this.portsOf(ports);
    const redrive = await Redrive.begin(all, this.scene.pipeline);
    const found = await allOf(missedRecords(all, this.scene.pipeline));
    await redrive.take(found.filter(({ confirmed }) => confirmed).map(({ record }) => record));
    return redrive.counts;
  }

  async applied(): Promise<number> {
    const logs = new GroupLogs(this.scene.engine, this.scene.deployment);
    const { groups } = this.scene.deployment.generations.at(-1) as { readonly groups: number };
    const all = await Promise.all([...Array(groups).keys()].map((index) => logs.load(index)));
    return all.reduce((total, { counters }) => total + counters.applied, 0);
  }
}

/**
 * A batch of ten of which the group of m1 can commit nothing. Lambda cuts it in half, gives the first half up, and
 * the second half and the next batch are taken in.
 */
async function bisected(): Promise<World> {
  const world = await World.begin();
  await world.handOver(1, span(1, 10), ['m1']);
  await world.handOver(2, span(1, 5), ['m1']);
  world.giveUp(3, span(1, 5));
  await world.handOver(4, span(6, 10));
  await world.handOver(5, span(11, 15));
  return world;
}

/** How many of the records are of the group of m1. */
const ofGroup = ({ scene }: World, records: readonly Numbered[]): number =>
  records.filter(([n]) => scene.logOf(`m${n % 5}`) === scene.logOf('m1')).length;

describe('records of batches that were given up', () => {
  it('are taken in where no group has taken them, although groups have moved on', async () => {
    const world = await bisected();
    const missed = ofGroup(world, span(1, 5));
    expect(await world.applied()).toBe(15 - missed);
    expect((await world.missed()).map(({ confirmed }) => confirmed)).toEqual(Array(missed).fill(true));
    expect(await world.redrive()).toMatchObject({ records: missed, applied: missed });
    expect(await world.applied()).toBe(15);
    expect(await world.redrive()).toMatchObject({ records: 0 });
    expect(await world.applied()).toBe(15);
  });

  it('are taken in where no record of their keys came since', async () => {
    const world = await World.begin();
    world.giveUp(3, span(1, 5));
    expect(await world.redrive()).toMatchObject({ records: 5, applied: 5 });
    expect(await world.redrive()).toMatchObject({ records: 0 });
  });

  it('are taken in once where Lambda wrote them twice', async () => {
    const world = await bisected();
    world.giveUp(3, span(1, 5));
    await world.redrive();
    expect(await world.applied()).toBe(15);
  });

  it('are taken in once, wherever a redrive is killed and begun again', async () => {
    let calls = 0;
    const counting = await bisected();
    const counted = counting.scene.through((_call, _name, carryOut) => {
      calls++;
      return carryOut();
    });
    await counting.redrive(counted);
    expect(calls).toBeGreaterThan(8);
    for (let kill = 1; kill <= calls; kill++) {
      for (const lands of [false, true]) {
        const world = await bisected();
        let call = 0;
        const killed = world.scene.through(async (_call, _name, carryOut) => {
          call++;
          if (call < kill) return carryOut();
          if (call === kill && lands) await carryOut();
          throw new Error('killed');
        });
        await world.redrive(killed).catch(() => {});
        await world.redrive();
        expect([kill, lands, await world.applied()]).toEqual([kill, lands, 15]);
      }
    }
  });

  it('are taken in once by two people at once, however their calls fall', async () => {
    await fc.assert(
      fc.asyncProperty(fc.scheduler(), async (scheduler) => {
        const world = await bisected();
        const inTurns = world.scene.through((call, _name, carryOut) =>
          scheduler.schedule(Promise.resolve(), call).then(carryOut),
        );
        await scheduler.waitFor(Promise.all([world.redrive(inTurns), world.redrive(inTurns)]));
        expect(await world.applied()).toBe(15);
      }),
      { numRuns: 20 },
    );
  });

  it('are left alone where an invocation that Lambda gave up committed them all the same', async () => {
    const world = await World.begin();
    world.giveUp(3, span(1, 5));
    await world.handOver(4, span(1, 5));
    expect(await world.redrive()).toMatchObject({ records: 0 });
    expect(await world.applied()).toBe(5);
  });

  it('are taken in once, although a version divides them into other parts', async () => {
    const world = await bisected();
    await world.redrive();
    const divided = definePipeline(
      'readings',
      kinesis<Reading>().expand((reading) => [reading, reading]),
      {
        key: ({ machine }) => machine,
        eventTime: (reading) => reading.at,
        version: 2,
        windows: { hour: tumbling({ size: '1h' }, { n: count() }) },
      },
    ) as Pipeline;
    world.scene = await world.scene.under(divided);
    expect(await world.redrive()).toMatchObject({ records: 0 });
  });

  it('are told from those that were taken in before the number of groups changed', async () => {
    const world = await World.begin();
    await world.handOver(1, span(1, 10), ['m1']);
    const missed = ofGroup(world, span(1, 5));
    await beginGeneration(world.scene.engine, world.scene.pipeline, 8);
    world.giveUp(3, span(1, 5));
    world.scene = await world.scene.under(world.scene.pipeline);
    await world.handOver(4, span(6, 15));
    expect(await world.redrive()).toMatchObject({ records: missed });
    expect(await world.applied()).toBe(15);
  });

  it('are not taken in where a version refused them before that found no key in them', async () => {
    const world = await World.begin();
    const odd: Numbered[] = [[1, { note: 'odd' }]];
    await world.handOver(1, odd);
    world.giveUp(3, odd);
    world.scene = await world.scene.under(readings(2));
    expect(await world.redrive()).toMatchObject({ records: 0 });
  });

  it.each([-0.01, 0, 0.01])(
    'are not confirmed where commits fall into the second in which they were given up: %s min',
    async (after) => {
      const world = await World.begin();
      world.giveUp(3, span(1, 1));
      await world.handOver(3 + after, span(6, 6));
      expect((await world.missed()).map(({ confirmed }) => confirmed)).toEqual([false]);
    },
  );

  it('are taken in where their groups had come up to them', async () => {
    const world = await World.begin();
    await world.handOver(1, span(1, 5));
    world.giveUp(3, span(6, 10));
    expect(await world.redrive()).toMatchObject({ records: 5, applied: 5 });
  });

  it('are taken in where their groups had come further in another shard', async () => {
    const world = await World.begin();
    const { Records } = eventOf(span(6, 10));
    const elsewhere = Records.map((record) => ({
      ...record,
      eventID: record.eventID.replace(SHARD, 'shardId-000000000001'),
    }));
    await world.handOverEvent(1, { Records: elsewhere });
    world.giveUp(3, span(1, 5));
    expect(await world.redrive()).toMatchObject({ records: 5, applied: 5 });
  });

  it('are left alone where groups of a later number took them in', async () => {
    const world = await World.begin();
    await world.handOver(1, span(1, 5));
    await beginGeneration(world.scene.engine, world.scene.pipeline, 8);
    world.scene = await world.scene.under(world.scene.pipeline);
    await world.handOver(2, span(6, 10));
    world.giveUp(3, span(6, 10));
    expect(await world.redrive()).toMatchObject({ records: 0 });
  });

  it('are left alone where the filter leaves them out', async () => {
    const world = await World.begin();
    world.giveUp(3, [[1, { note: 'test' }]]);
    expect(await world.missed()).toEqual([]);
  });

  it('are not taken in where a version refused them whole that did not divide them', async () => {
    const world = await World.begin();
    const odd: Numbered[] = [[1, { note: 'odd' }]];
    await world.handOver(1, odd);
    world.giveUp(3, odd);
    const divided = definePipeline(
      'readings',
      kinesis<Reading>().expand((reading) => [reading, reading]),
      {
        key: ({ machine }) => machine,
        eventTime: (reading) => reading.at,
        version: 2,
        groups: 4,
        windows: { hour: tumbling({ size: '1h' }, { n: count() }) },
      },
    ) as Pipeline;
    world.scene = await world.scene.under(divided);
    expect(await world.missed()).toEqual([]);
  });

  it('that could not be decoded go by the group of their partition key', async () => {
    const names = Array.from({ length: 99 }, (_, n) => `m${n}`);
    const world = await World.begin();
    const { scene } = world;
    const n = [1, 2, 3, 4, 5].find((of) => scene.logOf(`p${of}`) !== scene.logOf('')) as number;
    const machine = names.find((name) => scene.logOf(name) === scene.logOf(`p${n}`)) as string;
    world.giveUp(3, span(n, n), Buffer.from('no JSON'));
    await world.handOver(3, [[6, { machine }]]);
    expect((await world.missed()).map(({ confirmed }) => confirmed)).toEqual([false]);
  });

  it('are not confirmed once entries that could tell have expired', async () => {
    const world = await World.begin();
    world.giveUp(3, span(1, 1));
    world.scene.ports.clock.set(at(8 * 24 * 60));
    expect((await world.missed()).map(({ confirmed }) => confirmed)).toEqual([true]);
    world.scene.ports.clock.set(at(8 * 24 * 60 + 1));
    expect((await world.missed()).map(({ confirmed }) => confirmed)).toEqual([false]);
  });

  it('are not confirmed where another part of their record is not', async () => {
    const world = await World.begin();
    expect(world.scene.logOf('m0')).not.toBe(world.scene.logOf('m1'));
    world.giveUp(3, span(1, 1), packed('m0', 'm1'));
    await world.handOver(3, span(6, 6));
    expect(await world.redrive()).toMatchObject({ records: 0 });
    const confirmed = (await world.missed()).map((missed) => missed.confirmed);
    expect(confirmed).toEqual([false, false]);
  });

  it('are those members of packed records that were missed', async () => {
    const world = await World.begin();
    const data = packed('m0', 'm1', 'm2');
    world.scene.ports.clock.set(at(1));
    const ports = world.scene.refusing(
      (call, name) => call === 'log.append' && name === world.scene.logOf('m1'),
    );
    await world.scene.process(recordsOf(eventOf(span(1, 1), data)), ports);
    const before = await world.applied();
    world.giveUp(3, span(1, 1), data);
    expect(await world.redrive()).toMatchObject({ records: 3 - before });
    expect(await world.applied()).toBe(3);
    expect(await world.redrive()).toMatchObject({ records: 0 });
  });

  it('are left alone where a group came to the last member of the last record afterwards', async () => {
    const world = await World.begin();
    const packer = new Packer();
    for (const n of [1, 2, 3])
      packer.add({
        partitionKey: 'm1',
        data: Buffer.from(JSON.stringify({ machine: 'm1', at: at(0, n), celsius: 1 })),
      });
    const data = packer.pack();
    world.giveUp(3, span(1, 1), data);
    await world.handOverEvent(4, eventOf(span(1, 1), data));
    expect(await world.applied()).toBe(3);
    expect(await world.redrive()).toMatchObject({ records: 0 });
  });
});

describe('what Lambda writes to a failure destination', () => {
  const fixture = (name: string) =>
    readFileSync(new URL(`../../fixtures/failures/${name}.json`, import.meta.url));

  it('is read of a Kinesis stream, and what is of another source is left alone', async () => {
    const world = await World.begin();
    world.failures.set('aws/lambda/m/a', fixture('kinesis'));
    world.failures.set('aws/lambda/m/b', fixture('dynamodb'));
    expect(await world.redrive()).toMatchObject({ records: 3, applied: 3 });
  });

  it('is read of the stream of a table', async () => {
    const pipeline = definePipeline('machines', dynamodbStream<{ machine: string }>({ table: 'machines' }), {
      key: ({ newImage }) => newImage?.machine ?? '',
      eventTime: ({ changedAt }) => changedAt,
      windows: { hour: tumbling({ size: '1h' }, { n: count() }) },
    }) as Pipeline;
    const ports = memoryPorts({ start: NOON });
    const body = fixture('dynamodb');
    const arn = JSON.parse(body.toString()).DDBStreamBatchInfo.streamArn;
    const engine = enginePorts(ports);
    await writeDown(engine, await holdDeployment(engine, pipeline, arn));
    const failures = {
      async *list() {
        yield 'aws/lambda/m/a';
      },
      read: async () => body,
    };
    const all = {
      ...engine,
      reading: memoryReading(ports),
      failures,
      ...eventReaderOf(pipeline, ports.clock),
    };
    const missed = await allOf(missedRecords(all, pipeline));
    expect(missed.map(({ record: { lineage, position } }) => [lineage.split('/').at(-1), position])).toEqual([
      ['shardId-00000001573689847184-864758bb', '300000000010000000001'],
      ['shardId-00000001573689847184-864758bb', '300000000010000000002'],
    ]);
  });

  it('is not looked for among other objects of the bucket', async () => {
    const world = await World.begin();
    world.failures.set('notes/a', Buffer.from('{}'));
    expect(await world.missed()).toEqual([]);
  });

  it('is refused in a sentence before any record was taken in, as nobody knows the source', async () => {
    const world = await World.begin(readings(), false);
    expect(await world.missed()).toEqual([]);
    world.giveUp(3, span(1, 5));
    await expect(world.missed()).rejects.toThrow(
      'Cannot tell which batches that Lambda gave up are of the source of "readings" as a batch of it must have been taken in before: none was, and 1 objects hold what was given up; redrive once records are taken in',
    );
  });

  it('is refused in a sentence where it is something else', async () => {
    const world = await World.begin();
    world.failures.set('aws/lambda/m/a', Buffer.from('{}'));
    await expect(world.missed()).rejects.toThrow(
      'Cannot read object "aws/lambda/m/a" as it must be what Lambda writes to a failure destination in S3, with the payload of a batch',
    );
  });
});
