import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import * as tableRecords from '../../../src/adapters/dynamodb-stream/records.ts';
import * as kafkaRecords from '../../../src/adapters/kafka/records.ts';
import * as kinesisRecords from '../../../src/adapters/kinesis/records.ts';
import * as queueRecords from '../../../src/adapters/sqs/standard.ts';
import { sourcesWith } from '../../../src/engine/group/sources.ts';
import { processHandler, sweepHandler } from '../../../src/handlers.ts';
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
import { kinesisEvent, SHAPES } from '../../../src/simulation/shapes.ts';
import { definitionLog } from '../../../src/wiring/names.ts';
import { at, type Reading, Scene } from '../scene.ts';

const INVOCATION = { getRemainingTimeInMillis: () => 60_000 };

const arnOf = (region: string, stream = 'readings') =>
  `arn:aws:kinesis:${region}:123456789012:stream/${stream}`;
const HERE = arnOf('eu-central-1');
const THERE = arnOf('us-east-1');

const define = (version: number, source: Pipeline['source'] = kinesis<Reading>()): Pipeline =>
  definePipeline('readings', source as ReturnType<typeof kinesis<Reading>>, {
    key: ({ machine }) => machine,
    eventTime: (reading) => reading.at,
    version,
    windows: { minute: tumbling({ size: '1m' }, { n: count() }) },
  });

/** The same records, as if another stream had them. */
const eventFrom = (arn: string, ...records: Parameters<typeof kinesisEvent>[0]) => ({
  Records: kinesisEvent(records).Records.map((record) => ({ ...record, eventSourceARN: arn })),
});

const handlerOf = (scene: Scene, pipeline = scene.pipeline) => {
  const handle = processHandler(scene.ports, pipeline);
  return (event: ReturnType<typeof eventFrom>) => handle(event, INVOCATION);
};

const definitions = (scene: Scene): number =>
  scene.ports.log.logs.get(definitionLog('readings'))?.length ?? 0;

describe('a batch from another source than the pipeline reads', () => {
  it('is refused before anything of it is taken in, where it was taken for duplicates', async () => {
    const scene = new Scene(define(1));
    const handle = handlerOf(scene);
    const first = scene.put('pump', at(0));
    await handle(eventFrom(HERE, first));
    const refused = `Cannot take records of ${THERE} in as pipeline "readings" reads ${HERE}: positions in two sources of one name cannot be told apart, so give the pipeline, or the source, another name`;
    await expect(handle(eventFrom(THERE, first))).rejects.toThrow(new RangeError(refused));
    await expect(handlerOf(scene)(eventFrom(THERE, first))).rejects.toThrow(refused);
    // Nor by a higher version: positions would still be those of two sources.
    await expect(handlerOf(scene, define(2))(eventFrom(THERE, first))).rejects.toThrow(refused);
    expect(scene.ports.telemetry.counted).toMatchObject({ applied: 1, duplicate: 0 });
    // The environment goes on with what it reads.
    expect(await handle(eventFrom(HERE, scene.put('pump', at(1))))).toEqual({ batchItemFailures: [] });
    expect(scene.ports.telemetry.counted).toMatchObject({ applied: 2 });
    expect(definitions(scene)).toBe(1);
  });

  it('that has another name is taken in by a higher version, and the one before it no more', async () => {
    const scene = new Scene(define(1));
    const other = arnOf('eu-central-1', 'readings-two');
    await handlerOf(scene)(eventFrom(HERE, scene.put('pump', at(0))));
    const moved = eventFrom(other, scene.put('pump', at(0, 10)));
    await expect(handlerOf(scene)(moved)).rejects.toThrow(
      `Cannot take records of ${other} in as pipeline "readings" reads ${HERE}: to read another source on purpose, give the definition version: 2`,
    );
    // Whatever was written down by the version for other reasons.
    await sweepHandler(scene.ports, define(2))({}, INVOCATION);
    expect(await handlerOf(scene, define(2))(moved)).toEqual({ batchItemFailures: [] });
    await expect(handlerOf(scene, define(2))(eventFrom(HERE, scene.put('pump', at(0, 20))))).rejects.toThrow(
      'give the definition version: 3',
    );
    expect(scene.ports.telemetry.counted).toMatchObject({ applied: 2, duplicate: 0 });
  });

  it('is refused in the version that read the one before already, though that is older', async () => {
    const scene = new Scene(define(1));
    const other = arnOf('eu-central-1', 'readings-two');
    await handlerOf(scene)(eventFrom(HERE, scene.put('pump', at(0))));
    await handlerOf(scene, define(5))(eventFrom(HERE, scene.put('pump', at(0, 10))));
    await expect(handlerOf(scene, define(5))(eventFrom(other, scene.put('pump', at(0, 20))))).rejects.toThrow(
      'give the definition version: 6',
    );
  });

  it('is the second of two that both begin a pipeline, whichever commits first', async () => {
    const scene = new Scene(define(1));
    const [one, two] = [handlerOf(scene), handlerOf(scene)];
    const record = scene.put('pump', at(0));
    const ended = await Promise.allSettled([one(eventFrom(HERE, record)), two(eventFrom(THERE, record))]);
    expect(ended.map(({ status }) => status)).toEqual(['fulfilled', 'rejected']);
    await expect(two(eventFrom(THERE, record))).rejects.toThrow('Cannot take records of');
    expect(scene.ports.telemetry.counted).toMatchObject({ applied: 1, duplicate: 0 });
  });

  it('is refused where only some of its records are of another', async () => {
    const scene = new Scene(define(1));
    const [one, two] = [scene.put('pump', at(0)), scene.put('pump', at(1))];
    const mixed = { Records: [...eventFrom(HERE, one).Records, ...eventFrom(THERE, two).Records] };
    await expect(handlerOf(scene)(mixed)).rejects.toThrow(
      `Cannot take a batch in as its records must be of one source: some are of ${HERE}, some of ${THERE}`,
    );
    expect(scene.ports.log.logs.size).toBe(0);
  });
});

describe('the source of an event', () => {
  const record = {
    lineage: 'readings/0',
    position: '7' as never,
    arrival: at(0),
    partitionKey: 'a',
    data: Buffer.from('{}'),
  };

  it('is a stream, also for a consumer of its own', () => {
    expect(kinesisRecords.sourceOf(eventFrom(HERE, record))).toBe(HERE);
    const consumer = eventFrom(`${HERE}/consumer/fast:1700000000`, record);
    expect(kinesisRecords.sourceOf(consumer)).toBe(HERE);
    expect(kinesisRecords.recordsOf(consumer)).toEqual(kinesisRecords.recordsOf(eventFrom(HERE, record)));
    expect(kinesisRecords.sourceOf({ Records: [] })).toBeUndefined();
  });

  it('is a queue', () => {
    const event = SHAPES.sqs.eventOf([{ ...record, lineage: 'readings' }]) as Parameters<
      typeof queueRecords.sourceOf
    >[0];
    expect(queueRecords.sourceOf(event)).toBe('arn:aws:sqs:eu-central-1:123456789012:readings');
  });

  it('is the stream of a table: another one of the table is of another name, as it has another label', () => {
    const arn = 'arn:aws:dynamodb:eu-central-1:123456789012:table/readings/stream/2026-01-05T08:00:00.000';
    const next = arn.replace('08:00', '09:00');
    const event = SHAPES.dynamodb.eventOf([
      {
        ...record,
        lineage: 'readings/2026-01-05T08:00:00.000/shardId-0',
        data: Buffer.from(JSON.stringify({ kind: 'INSERT', keys: { id: 'a' } })),
      },
    ]) as Parameters<typeof tableRecords.sourceOf>[0];
    expect(tableRecords.sourceOf(event)).toBe(arn);
    const pipeline = (version: number) => ({
      name: 'readings',
      version,
      source: dynamodbStream({ table: 'readings' }),
    });
    const before = sourcesWith(pipeline(1), undefined, arn);
    expect(() => sourcesWith(pipeline(1), before, next)).toThrow(
      /to read another source on purpose, give the definition version: 2$/,
    );
    expect(sourcesWith(pipeline(2), before, next).names).toEqual([arn, next]);
    // Of one label in two regions, shards cannot be told apart.
    expect(() => sourcesWith(pipeline(2), before, arn.replace('eu-central-1', 'eu-west-1'))).toThrow(
      /positions in two sources of one name cannot be told apart/,
    );
  });

  it('is a topic of a cluster, by its ARN or its servers in whatever order', () => {
    const { records } = SHAPES.kafka.eventOf([record]) as kafkaRecords.KafkaEvent;
    const arn = 'arn:aws:kafka:eu-central-1:123456789012:cluster/plant/0123';
    expect(kafkaRecords.sourceOf({ records, eventSourceArn: arn, bootstrapServers: 'b:1,a:1' })).toBe(
      `${arn}/readings`,
    );
    expect(kafkaRecords.sourceOf({ records, bootstrapServers: 'b:1,a:1' })).toBe('a:1,b:1/readings');
    expect(kafkaRecords.sourceOf({ records })).toBeUndefined();
  });
});

describe('the sources of a pipeline', () => {
  const topic = kafka({ topic: 'readings' });

  it('are one where clusters without an ARN have a server in common', () => {
    const first = sourcesWith(define(1, topic), undefined, 'a:1,b:1/readings');
    const next = sourcesWith(define(1, topic), first, 'b:1,c:1/readings');
    expect(next).toEqual({ names: ['b:1,c:1/readings'], version: 1 });
    expect(() => sourcesWith(define(2, topic), next, 'a:1/readings')).toThrow(
      'positions in two sources of one name',
    );
  });

  it('may have one name where positions are ids that no other queue has', () => {
    const first = sourcesWith(define(1, sqs()), undefined, 'arn:aws:sqs:eu-central-1:1:readings');
    const there = 'arn:aws:sqs:us-east-1:1:readings';
    expect(() => sourcesWith(define(1, sqs()), first, there)).toThrow('give the definition version: 2');
    expect(sourcesWith(define(2, sqs()), first, there).names).toContain(there);
    expect(() => sourcesWith(define(2, sqs({ fifo: true })), first, there)).toThrow(
      'positions in two sources',
    );
  });

  it('never are two of one name, however versions and sources follow each other', () => {
    const names = fc.constantFrom(
      ...['eu', 'us'].flatMap((region) => ['a', 'b', 'c'].map((stream) => arnOf(region, stream))),
    );
    const steps = fc.array(fc.tuple(fc.integer({ min: 1, max: 5 }), names), { maxLength: 20 });
    fc.assert(
      fc.property(steps, (all) => {
        let sources: ReturnType<typeof sourcesWith> | undefined;
        for (const [version, name] of all) {
          const before = sources;
          try {
            sources = sourcesWith(define(version), before, name);
          } catch {
            continue;
          }
          const present = before?.names.at(-1);
          expect(present === undefined || present === name || version > (before?.version ?? 0)).toBe(true);
          expect(sources.names.at(-1)).toBe(name);
          expect(new Set(sources.names.map((one) => one.slice(-1))).size).toBe(sources.names.length);
          for (const one of before?.names ?? []) expect(sources.names).toContain(one);
        }
      }),
    );
  });
});
