import {
  type AttributeValue,
  BatchWriteItemCommand,
  DeleteItemCommand,
  type DynamoDBClient,
  GetItemCommand,
  paginateQuery,
} from '@aws-sdk/client-dynamodb';
import {
  CreateStreamCommand,
  DescribeStreamSummaryCommand,
  GetRecordsCommand,
  GetShardIteratorCommand,
  type KinesisClient,
  ListShardsCommand,
  PutRecordCommand,
  SplitShardCommand,
} from '@aws-sdk/client-kinesis';
import {
  GetObjectCommand,
  type PutObjectCommand,
  type S3Client,
  S3ServiceException,
} from '@aws-sdk/client-s3';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { dynamoCommitLog } from '../../src/adapters/dynamodb/commit-log.ts';
import { dynamoProgress } from '../../src/adapters/dynamodb/progress.ts';
import { dynamoRows } from '../../src/adapters/dynamodb/rows.ts';
import { kinesisArrivals } from '../../src/adapters/kinesis/arrivals.ts';
import { memoryCommitLog } from '../../src/adapters/memory/commit-log.ts';
import { memoryObjects } from '../../src/adapters/memory/objects.ts';
import { memoryProgress } from '../../src/adapters/memory/progress.ts';
import { memoryRows } from '../../src/adapters/memory/rows.ts';
import { memoryArrivals, memorySource } from '../../src/adapters/memory/source.ts';
import { memoryTelemetry } from '../../src/adapters/memory/telemetry.ts';
import { powertoolsTelemetry } from '../../src/adapters/powertools/telemetry.ts';
import { s3Objects } from '../../src/adapters/s3/objects.ts';
import { systemClock } from '../../src/adapters/system/clock.ts';
import { positionOf } from '../../src/core/position.ts';
import type { EpochMillis } from '../../src/core/time.ts';
import { definePipeline, kinesis, rolling } from '../../src/index.ts';
import { LogLostError } from '../../src/ports/commit-log.ts';
import { ROWS_KEY, STATE_KEY } from '../../src/wiring/names.ts';
import { arrivalsContract, type Waiting } from './contract-arrivals.ts';
import { afterExpiryOf, commitLogContract, entry } from './contract-commit-log.ts';
import { objectStoreContract } from './contract-objects.ts';
import { progressContract } from './contract-progress.ts';
import { rowOf, rowStoreContract } from './contract-rows.ts';
import { SERVERS, type World } from './contract-servers.ts';
import { telemetryContract } from './contract-telemetry.ts';
import { fresher, type Gaps } from './contract-titles.ts';

const NOON = Date.UTC(2026, 0, 5, 12) as EpochMillis;
const fresh = fresher();

const pipeline = definePipeline('contract', kinesis<{ id: string; at: number }>({ shards: 2 }), {
  key: ({ id }) => id,
  eventTime: ({ at }) => at,
  windows: { lastOne: rolling({ count: 1 }, {}) },
});

describe('the model in memory has', () => {
  commitLogContract(() => {
    const log = memoryCommitLog();
    return { log, another: log, expire: async (_, now) => log.expire(now) };
  });

  it('answers of as few entries as it is told', async () => {
    const log = memoryCommitLog({ answerEntries: 1 });
    for (const ordinal of [1, 2, 3]) await log.append('log', entry(ordinal));
    expect((await log.after('log', 1)).map(({ ordinal }) => ordinal)).toEqual([2]);
  });

  objectStoreContract(
    (() => {
      const objects = memoryObjects();
      return () => ({ objects, read: async (name) => objects.stored.get(name) });
    })(),
  );

  rowStoreContract(
    () => {
      const rows = memoryRows();
      return {
        rows,
        async read(partition, sort) {
          const row = rows.stored.get(partition)?.get(sort);
          return row && { order: row.order, revision: row.pane.revision, results: row.pane.results };
        },
      };
    },
    { items: 'it holds any results' },
  );

  progressContract(() => {
    const progress = memoryProgress();
    return { progress, another: progress, ofAnotherPipeline: memoryProgress() };
  });

  arrivalsContract(
    async () => {
      const source = memorySource('contract', 2);
      const progress = memoryProgress();
      let arrival = NOON as number;
      return {
        arrivals: memoryArrivals(source, progress),
        progress,
        put: async (shard) =>
          source.put(shard, {
            arrival: ++arrival as EpochMillis,
            partitionKey: 'any',
            data: Buffer.from('{}'),
          }),
        split: () => Promise.reject(new Error('Cannot split a shard in memory')),
      };
    },
    { closing: 'its shards never close' },
  );

  telemetryContract(() => {
    const telemetry = memoryTelemetry();
    return {
      telemetry,
      told: () => ({
        counted: telemetry.counted,
        late: Object.fromEntries(telemetry.late),
        measured: Object.fromEntries(telemetry.measured),
        lags: Object.fromEntries(telemetry.lags),
        deliveries: Object.fromEntries(telemetry.deliveries),
        warnings: telemetry.warnings,
        faults: telemetry.faults.map(({ what }) => what),
      }),
    };
  });
});

for (const { name, missing, serve, gaps, start } of SERVERS) {
  if (missing !== undefined) console.info(`Skipped: the ports on ${name}, as ${missing}.`);

  describe.skipIf(missing !== undefined)(
    missing === undefined ? `on ${name} there is` : `on ${name} (skipped: ${missing})`,
    () => {
      let world: World;
      beforeAll(async () => {
        world = await start(pipeline);
      });
      afterAll(() => world?.close());

      if (serve.includes('DynamoDB')) {
        onDynamodb(() => world, gaps);
      }
      if (serve.includes('S3')) {
        objectStoreContract(
          () => ({
            objects: s3Objects(world.clients.s3, world.names.bucket),
            async read(name) {
              const { Body, ContentType } = await world.clients.s3.send(
                new GetObjectCommand({ Bucket: world.names.bucket, Key: name }),
              );
              const body = (await Body?.transformToByteArray()) ?? new Uint8Array();
              return { body, contentType: ContentType ?? '' };
            },
          }),
          gaps,
        );
      }
      if (serve.includes('Kinesis')) {
        arrivalsContract(async () => {
          const { kinesis: client, dynamodb } = world.clients;
          const stream = await streamOfTwoShards(client);
          const progress = dynamoProgress(dynamodb, world.names.stateTable, stream);
          return {
            arrivals: kinesisArrivals(client, stream, progress, systemClock()),
            progress,
            put: (shard) => putToKinesis(client, stream, shard),
            split: () => splitFirstShard(client, stream),
          };
        });
      }
    },
  );
}

function onDynamodb(open: () => World, gaps?: Gaps): void {
  const dynamodb = () => open().clients.dynamodb;
  const stateTable = () => open().names.stateTable;

  commitLogContract(
    () => ({
      log: dynamoCommitLog(dynamodb(), stateTable()),
      another: dynamoCommitLog(dynamodb(), stateTable()),
      expire: (log, now) => deleteExpired(dynamodb(), stateTable(), log, now),
    }),
    gaps,
  );

  rowStoreContract(
    () => ({
      rows: dynamoRows(dynamodb(), open().names.rowsTable),
      async read(partition, sort) {
        const Key = { [ROWS_KEY.partition]: { S: partition }, [ROWS_KEY.sort]: { S: sort } };
        const { Item } = await dynamodb().send(
          new GetItemCommand({ TableName: open().names.rowsTable, Key, ConsistentRead: true }),
        );
        if (Item === undefined) return undefined;
        return {
          order: Number(Item['order']?.N),
          revision: Number(Item['revision']?.N),
          results: plain(Item['results']),
        };
      },
    }),
    gaps,
  );

  progressContract(
    () => ({
      progress: dynamoProgress(dynamodb(), stateTable(), 'contract'),
      another: dynamoProgress(dynamodb(), stateTable(), 'contract'),
      ofAnotherPipeline: dynamoProgress(dynamodb(), stateTable(), 'another'),
    }),
    gaps,
  );

  it('an expiry on every entry, and none on the marker of a log', async () => {
    const name = fresh('marked');
    const log = dynamoCommitLog(dynamodb(), stateTable());
    await log.append(name, entry(1));
    const items = await itemsOf(dynamodb(), stateTable(), name);
    expect(items.map((item) => [item[STATE_KEY.sort]?.N, item[STATE_KEY.expiry]?.N])).toEqual([
      ['0', undefined],
      ['1', String(afterExpiryOf(1) / 1_000)],
    ]);
  });

  it('a marker with a later entry where it failed with the first', async () => {
    const name = fresh('marked');
    let failed = false;
    const client = interposed(dynamodb(), (command, send) => {
      const { Item } = command.input as { Item?: Item };
      if (failed || Item?.[STATE_KEY.sort]?.N !== '0') return send(command);
      failed = true;
      return Promise.reject(new Error('no answer'));
    });
    const log = dynamoCommitLog(client, stateTable());
    await expect(log.append(name, entry(1))).rejects.toThrow('no answer');
    expect(await log.append(name, entry(1))).toBe('conflict');
    expect(await log.append(name, entry(2))).toBe('committed');
    await deleteExpired(dynamodb(), stateTable(), name, afterExpiryOf(2));
    await expect(log.latest(name)).rejects.toThrow(LogLostError);
  });

  // No server here ever answers with what is out of date, so that only the request can be held.
  it('no read that may be out of date', async () => {
    const reads: unknown[] = [];
    const client = interposed(dynamodb(), (command, send) => {
      if (!('Item' in command.input))
        reads.push((command.input as { ConsistentRead?: boolean }).ConsistentRead);
      return send(command);
    });
    const log = dynamoCommitLog(client, stateTable());
    await log.latest(fresh('read'));
    await log.after(fresh('read'), 0);
    await dynamoProgress(client, stateTable(), 'contract').read(fresh('read'));
    expect(reads).toEqual([true, true, true]);
  });

  it('every settled row, however few a request takes of them', async () => {
    const { rowsTable } = open().names;
    const partition = fresh('contract#key');
    const sorts = Array.from({ length: 60 }, (_, at) => String(at));
    let requests = 0;
    const client = interposed(dynamodb(), async (command, send) => {
      if (!(command instanceof BatchWriteItemCommand)) return send(command);
      requests++;
      const all = command.input.RequestItems?.[rowsTable] ?? [];
      await send(new BatchWriteItemCommand({ RequestItems: { [rowsTable]: all.slice(0, 10) } }));
      return { UnprocessedItems: all.length > 10 ? { [rowsTable]: all.slice(10) } : {} };
    });
    await dynamoRows(client, rowsTable).put(
      sorts.map((sort, at) => rowOf({ partition, sort }, at, 0, {}, true)),
    );
    const stored = await itemsOf(dynamodb(), rowsTable, partition);
    expect(stored.map((item) => item[ROWS_KEY.sort]?.S).sort()).toEqual([...sorts].sort());
    expect(requests).toBe(3 + 3 + 1);
  });

  it('an error where a request takes none of the rows', async () => {
    const { rowsTable } = open().names;
    const client = interposed(dynamodb(), async (command) => ({
      UnprocessedItems: (command as BatchWriteItemCommand).input.RequestItems,
    }));
    const row = rowOf({ partition: fresh('contract#key') }, 1, 0, {}, true);
    await expect(dynamoRows(client, rowsTable).put([row])).rejects.toThrow(
      `Cannot write rows as ${rowsTable} takes none now`,
    );
  });
}

describe('a create that S3 refuses', () => {
  const object = { body: Buffer.from('any'), contentType: 'text/plain' };

  /** A store whose first answers are of a status, and how often it was asked, and for what. */
  const refusing = (httpStatusCode: number, times: number) => {
    const asked: unknown[] = [];
    const send = async ({ input }: PutObjectCommand) => {
      if (asked.push(input.IfNoneMatch) > times) return {};
      throw new S3ServiceException({ name: 'Refused', $fault: 'client', $metadata: { httpStatusCode } });
    };
    return { objects: s3Objects({ send } as unknown as S3Client, 'bucket'), asked };
  };

  it.each([1, 4])('is tried again after %i others that it met', async (times) => {
    const { objects, asked } = refusing(409, times);
    expect(await objects.create('name', object)).toBe('created');
    expect(asked).toEqual(Array(times + 1).fill('*'));
  });

  it.each([
    [409, 5],
    [403, 1],
    [500, 1],
  ])('with %i is given up after %i tries', async (status, tries) => {
    const { objects, asked } = refusing(status, 99);
    await expect(objects.create('name', object)).rejects.toThrow(S3ServiceException);
    expect(asked).toHaveLength(tries);
  });
});

describe('an object that S3 is asked for', () => {
  const answering = (httpStatusCode: number) => {
    const send = () =>
      Promise.reject(
        new S3ServiceException({ name: 'Refused', $fault: 'client', $metadata: { httpStatusCode } }),
      );
    return s3Objects({ send } as unknown as S3Client, 'bucket');
  };

  it('is not there where the answer is 404', async () => {
    expect(await answering(404).exists('name')).toBe(false);
    expect(await answering(404).read('name')).toBeUndefined();
  });

  // Without s3:ListBucket, S3 answers 403 for what is not there; and for all that is there, without s3:GetObject.
  it.each([403, 400, 500, 503])('may be there where the answer is %i, which is an error', async (status) => {
    await expect(answering(status).exists('name')).rejects.toThrow(S3ServiceException);
    await expect(answering(status).read('name')).rejects.toThrow(S3ServiceException);
  });
});

describe('Powertools has', () => {
  const written: string[] = [];
  let restore: (() => void)[];
  beforeAll(() => {
    restore = [process.stdout, process.stderr].map((stream) => {
      const spy = vi.spyOn(stream, 'write').mockImplementation((some) => written.push(String(some)) > 0);
      return () => spy.mockRestore();
    });
  });
  afterAll(() => {
    for (const one of restore) one();
  });

  const open = () => {
    const telemetry = powertoolsTelemetry('contract', systemClock());
    written.length = 0;
    return {
      telemetry,
      told() {
        telemetry.flush();
        const lines = written.flatMap((some) => some.trim().split('\n')).map((line) => JSON.parse(line));
        const faults = lines.filter(({ level }) => level === 'ERROR');
        const metrics = lines.filter((line) => '_aws' in line);
        const late = metrics.filter((line) => 'window' in line);
        for (const { _aws, pipeline } of late) {
          expect(pipeline).toBe('contract');
          expect(_aws.CloudWatchMetrics[0].Dimensions).toEqual([['pipeline', 'window']]);
        }
        const whole = metrics.find((line) => !('window' in line) && !('sink' in line)) ?? {};
        const bySink = (metric: string) =>
          metrics.flatMap((line) => (metric in line ? [[line.sink, line[metric]] as const] : []));
        return {
          counted: whole,
          measured: whole,
          lags: Object.fromEntries(bySink('sinkLag')),
          deliveries: Object.fromEntries(
            bySink('deliveryLatency').map(([sink, latency]) => [sink, [latency].flat()]),
          ),
          late: Object.fromEntries(late.map(({ window, lateForWindow }) => [window, lateForWindow])),
          warnings: lines.flatMap(({ level, message }) => (level === 'WARN' ? [message] : [])),
          faults: faults.map(({ message }) => message.replace(/^Cannot /, '')),
        };
      },
    };
  };

  telemetryContract(open);

  it('nothing left to write once flushed', () => {
    const { telemetry } = open();
    telemetry.count('applied', 1);
    telemetry.flush();
    written.length = 0;
    telemetry.flush();
    expect(written).toEqual([]);
  });
});

async function streamOfTwoShards(client: KinesisClient): Promise<string> {
  const StreamName = fresh('stream');
  await client.send(new CreateStreamCommand({ StreamName, ShardCount: 2 }));
  await untilActive(client, StreamName);
  return StreamName;
}

async function untilActive(client: KinesisClient, StreamName: string): Promise<void> {
  const describing = new DescribeStreamSummaryCommand({ StreamName });
  while ((await client.send(describing)).StreamDescriptionSummary?.StreamStatus !== 'ACTIVE');
}

async function putToKinesis(client: KinesisClient, StreamName: string, shard: 0 | 1): Promise<Waiting> {
  const { ShardId, SequenceNumber } = await client.send(
    new PutRecordCommand({
      StreamName,
      PartitionKey: 'any',
      ExplicitHashKey: shard === 0 ? '0' : String(2n ** 128n - 1n),
      Data: Buffer.from('{}'),
    }),
  );
  const { ShardIterator } = await client.send(
    new GetShardIteratorCommand({
      StreamName,
      ShardId,
      ShardIteratorType: 'AT_SEQUENCE_NUMBER',
      StartingSequenceNumber: SequenceNumber,
    }),
  );
  const { Records } = await client.send(new GetRecordsCommand({ ShardIterator, Limit: 1 }));
  return {
    lineage: `${StreamName}/${ShardId}`,
    position: positionOf(SequenceNumber as string),
    arrival: Records?.[0]?.ApproximateArrivalTimestamp?.getTime() as EpochMillis,
  };
}

async function splitFirstShard(client: KinesisClient, StreamName: string): Promise<void> {
  const { Shards } = await client.send(new ListShardsCommand({ StreamName }));
  const first = Shards?.find(({ HashKeyRange }) => HashKeyRange?.StartingHashKey === '0');
  await client.send(
    new SplitShardCommand({
      StreamName,
      ShardToSplit: first?.ShardId,
      NewStartingHashKey: String(2n ** 126n),
    }),
  );
  await untilActive(client, StreamName);
}

type Item = Record<string, AttributeValue>;
type Command = { readonly input: object };

/** A client whose commands pass through the hands of another. */
const interposed = (
  client: DynamoDBClient,
  through: (command: Command, send: (command: Command) => Promise<unknown>) => Promise<unknown>,
): DynamoDBClient =>
  ({
    send: (command: Command) => through(command, (one) => client.send(one as never)),
  }) as unknown as DynamoDBClient;

/** All items of a partition of either table. */
async function itemsOf(client: DynamoDBClient, TableName: string, partition: string): Promise<Item[]> {
  const items: Item[] = [];
  const query = {
    TableName,
    ConsistentRead: true,
    KeyConditionExpression: '#partition = :partition',
    ExpressionAttributeNames: { '#partition': STATE_KEY.partition },
    ExpressionAttributeValues: { ':partition': { S: partition } },
  };
  for await (const { Items = [] } of paginateQuery({ client }, query)) items.push(...Items);
  return items;
}

/** What DynamoDB does, some time after, with items that say when they expire. */
async function deleteExpired(client: DynamoDBClient, TableName: string, log: string, now: EpochMillis) {
  for (const item of await itemsOf(client, TableName, log)) {
    const { [STATE_KEY.partition]: partition, [STATE_KEY.sort]: sort, [STATE_KEY.expiry]: expiry } = item;
    if (!partition || !sort || expiry === undefined || Number(expiry.N) * 1_000 > now) continue;
    const Key = { [STATE_KEY.partition]: partition, [STATE_KEY.sort]: sort };
    await client.send(new DeleteItemCommand({ TableName, Key }));
  }
}

/** A DynamoDB attribute as plain data. */
function plain(attribute: AttributeValue | undefined): unknown {
  if (attribute?.S !== undefined) return attribute.S;
  if (attribute?.N !== undefined) return Number(attribute.N);
  if (attribute?.BOOL !== undefined) return attribute.BOOL;
  if (attribute?.L) return attribute.L.map(plain);
  if (attribute?.M) {
    return Object.fromEntries(Object.entries(attribute.M).map(([name, item]) => [name, plain(item)]));
  }
  return null;
}
