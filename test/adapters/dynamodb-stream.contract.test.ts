import { spawnSync } from 'node:child_process';
import {
  CreateTableCommand,
  DeleteItemCommand,
  DynamoDBClient,
  PutItemCommand,
} from '@aws-sdk/client-dynamodb';
import {
  type AttributeValue,
  DescribeStreamCommand,
  DynamoDBStreamsClient,
  GetRecordsCommand,
  GetShardIteratorCommand,
} from '@aws-sdk/client-dynamodb-streams';
import type { AttributeValue as LambdaAttribute } from 'aws-lambda';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { dynamodbArrivals } from '../../src/adapters/dynamodb-stream/arrivals.ts';
import { type ChangeEvent, recordsOf } from '../../src/adapters/dynamodb-stream/records.ts';
import { memoryProgress } from '../../src/adapters/memory/progress.ts';
import type { EpochMillis } from '../../src/core/time.ts';
import { processHandler } from '../../src/handlers.ts';
import { count, definePipeline, dynamodbStream, sum, tumbling } from '../../src/index.ts';
import { Scene } from '../engine/scene.ts';
import { startMoto } from './contract-servers.ts';

const hasMoto = spawnSync('moto_server', ['-h']).status === 0;
if (!hasMoto)
  console.info(
    'Skipped: the stream of a table, as there is no moto_server: pip install "moto[server]==5.2.1"',
  );

/** Far beyond any change of these tests. */
const NOW = Date.UTC(2200, 0, 1) as EpochMillis;

/** Returns an attribute as Lambda's events have it, where the SDK has bytes: in Base64. */
const lambdaAttribute = (value: AttributeValue): LambdaAttribute =>
  JSON.parse(
    JSON.stringify(value, (_, nested) =>
      nested instanceof Uint8Array ? Buffer.from(nested).toString('base64') : nested,
    ),
  );

/** Moto's stream has one shard, which never ends. */
describe.skipIf(!hasMoto)('the stream of a table on moto', () => {
  let moto: Awaited<ReturnType<typeof startMoto>>;
  let dynamo: DynamoDBClient;
  let streams: DynamoDBStreamsClient;
  let arn: string;
  let table: string;
  let tables = 0;

  beforeAll(async () => {
    moto = await startMoto();
    const settings = {
      endpoint: moto.endpoint,
      region: 'us-east-1',
      credentials: { accessKeyId: 'any', secretAccessKey: 'any' },
    };
    dynamo = new DynamoDBClient(settings);
    streams = new DynamoDBStreamsClient(settings);
  });
  afterAll(() => moto?.close());

  beforeEach(async () => {
    table = `orders-${++tables}`;
    const { TableDescription } = await dynamo.send(
      new CreateTableCommand({
        TableName: table,
        BillingMode: 'PAY_PER_REQUEST',
        AttributeDefinitions: [{ AttributeName: 'id', AttributeType: 'S' }],
        KeySchema: [{ AttributeName: 'id', KeyType: 'HASH' }],
        StreamSpecification: { StreamEnabled: true, StreamViewType: 'NEW_AND_OLD_IMAGES' },
      }),
    );
    arn = TableDescription?.LatestStreamArn ?? '';
  });

  const put = (item: Record<string, AttributeValue>) =>
    dynamo.send(new PutItemCommand({ TableName: table, Item: item }));

  /** What Lambda would make of the changes so far. */
  async function eventOf(): Promise<ChangeEvent> {
    const { StreamDescription } = await streams.send(new DescribeStreamCommand({ StreamArn: arn }));
    const shardId = StreamDescription?.Shards?.[0]?.ShardId ?? '';
    const { ShardIterator } = await streams.send(
      new GetShardIteratorCommand({ StreamArn: arn, ShardId: shardId, ShardIteratorType: 'TRIM_HORIZON' }),
    );
    const { Records = [] } = await streams.send(new GetRecordsCommand({ ShardIterator }));
    const itemOf = (item: Record<string, AttributeValue> = {}) =>
      Object.fromEntries(Object.entries(item).map(([name, value]) => [name, lambdaAttribute(value)]));
    return {
      shardId,
      Records: Records.map(({ eventID, eventName, dynamodb = {} }) => ({
        eventID: eventID as string,
        eventName: eventName as 'INSERT',
        eventSourceARN: arn,
        dynamodb: {
          ApproximateCreationDateTime: (dynamodb.ApproximateCreationDateTime?.getTime() ?? 0) / 1_000,
          SequenceNumber: dynamodb.SequenceNumber as string,
          Keys: itemOf(dynamodb.Keys),
          ...(dynamodb.NewImage && { NewImage: itemOf(dynamodb.NewImage) }),
          ...(dynamodb.OldImage && { OldImage: itemOf(dynamodb.OldImage) }),
        },
      })),
    };
  }

  it('is taken in, each change once', async () => {
    interface Order {
      readonly customer: string;
      readonly total: number;
    }
    const scene = new Scene(
      definePipeline(
        'orders',
        dynamodbStream<Order>({ table: 'orders' }).expand(({ newImage, changedAt }) =>
          newImage ? [{ ...newImage, changedAt }] : [],
        ),
        {
          key: ({ customer }) => customer,
          eventTime: ({ changedAt }) => changedAt,
          windows: { hour: tumbling({ size: '1h', emit: 'record' }, { n: count(), total: sum('total') }) },
        },
      ),
    );
    const order = (id: string, total: string) =>
      put({ id: { S: id }, customer: { S: 'c1' }, total: { N: total }, tags: { SS: ['a', 'b'] } });
    await order('o1', '20');
    await order('o1', '25.5');
    await order('o2', '10');
    await dynamo.send(new DeleteItemCommand({ TableName: table, Key: { id: { S: 'o1' } } }));
    const handler = processHandler(scene.ports, scene.pipeline);
    const event = await eventOf();
    expect(event.Records.map(({ eventName }) => eventName)).toEqual(['INSERT', 'MODIFY', 'INSERT', 'REMOVE']);
    for (let time = 0; time < 2; time++) {
      const answer = await handler(event, { getRemainingTimeInMillis: () => 60_000 });
      expect(answer).toEqual({ batchItemFailures: [], state: {} });
    }
    expect(scene.ports.telemetry.counted).toMatchObject({
      received: 8,
      applied: 3,
      duplicate: 3,
      filtered: 2,
    });
  });

  /** A clock that lets no real time pass. */
  const clock = {
    now: () => NOW,
    alarm(_: EpochMillis, ring: () => void) {
      queueMicrotask(ring);
      return () => {};
    },
    turn: async () => {},
  };

  it('tells what waits after what is committed, by the kinds of changes that are read', async () => {
    const progress = memoryProgress();
    const all = dynamodbArrivals(streams, arn, ['INSERT', 'MODIFY', 'REMOVE'], progress, clock);
    const removals = dynamodbArrivals(streams, arn, ['REMOVE'], progress, clock);
    expect(await all.frontier(NOW)).toBe(NOW);
    await put({ id: { S: 'o1' } });
    await put({ id: { S: 'o2' } });
    const [first, second] = recordsOf(await eventOf());
    expect(await all.frontier(NOW)).toBe(first?.arrival);
    expect(await removals.frontier(NOW)).toBe(NOW);
    for (const { lineage, position } of [first, second].flatMap((each) => each ?? [])) {
      await progress.note(lineage, position);
    }
    expect(await all.frontier(NOW)).toBe(NOW);
    await dynamo.send(new DeleteItemCommand({ TableName: table, Key: { id: { S: 'o1' } } }));
    const last = recordsOf(await eventOf()).at(-1);
    expect(await all.frontier(NOW)).toBe(last?.arrival);
    expect(await removals.frontier(NOW)).toBe(last?.arrival);
  });
});
