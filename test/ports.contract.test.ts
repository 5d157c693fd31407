import {
  DeleteItemCommand,
  type DynamoDBClient,
  GetItemCommand,
  QueryCommand,
  type QueryCommandOutput,
} from '@aws-sdk/client-dynamodb';
import { GetRecordsCommand, GetShardIteratorCommand, PutRecordCommand } from '@aws-sdk/client-kinesis';
import { GetObjectCommand } from '@aws-sdk/client-s3';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { dynamoCommitLog } from '../src/adapters/dynamodb/commit-log.ts';
import { dynamoProgress } from '../src/adapters/dynamodb/progress.ts';
import { dynamoRows } from '../src/adapters/dynamodb/rows.ts';
import { kinesisArrivals } from '../src/adapters/kinesis/arrivals.ts';
import { memoryCommitLog } from '../src/adapters/memory/commit-log.ts';
import { memoryObjects } from '../src/adapters/memory/objects.ts';
import { memoryProgress } from '../src/adapters/memory/progress.ts';
import { memoryRows } from '../src/adapters/memory/rows.ts';
import { memoryArrivals, memorySource } from '../src/adapters/memory/source.ts';
import { s3Objects } from '../src/adapters/s3/objects.ts';
import { isAfter, type Position, positionOf } from '../src/core/position.ts';
import type { EpochMillis } from '../src/core/time.ts';
import { definePipeline, kinesis, type Pane, rolling } from '../src/index.ts';
import {
  type Clients,
  connect,
  createResources,
  disconnect,
  type ResourceNames,
  resourceNames,
} from '../src/local/resources.ts';
import { type LocalServers, startServers } from '../src/local/servers.ts';
import {
  type CommitLog,
  ENTRY_LIFETIME,
  type LogEntry,
  LogLostError,
  MAX_BODY_BYTES,
} from '../src/ports/commit-log.ts';
import type { Arrivals, ObjectStore, Progress, Row, RowStore, StoredObject } from '../src/ports/stores.ts';
import { ROWS_KEY, STATE_KEY } from '../src/wiring/names.ts';

const NOON = Date.UTC(2026, 0, 5, 12) as EpochMillis;

const pipeline = definePipeline('contract', kinesis<{ id: string; at: number }>({ shards: 2 }), {
  key: ({ id }) => id,
  eventTime: ({ at }) => at,
  windows: { lastOne: rolling({ count: 1 }, {}) },
});

let servers: LocalServers;
let clients: Clients;
let names: ResourceNames;

beforeAll(async () => {
  servers = await startServers({});
  clients = connect(servers.endpoints);
  names = resourceNames(pipeline);
  await createResources(pipeline, names, clients);
});

afterAll(async () => {
  disconnect(clients);
  await servers.close();
});

/** Names of one test's own, as the servers are shared. */
let made = 0;
const fresh = (what: string): string => `${what}-${++made}`;

const entry = (ordinal: number, body: Uint8Array = Buffer.of(ordinal)): LogEntry => ({
  ordinal,
  committedAt: (NOON + ordinal) as EpochMillis,
  body,
});

const plainEntry = ({ ordinal, committedAt, body }: LogEntry) => ({
  ordinal,
  committedAt,
  body: Buffer.from(body).toString('hex'),
});

describe.each<{ adapter: string; open: () => { log: CommitLog; expireAll: (log: string) => Promise<void> } }>(
  [
    {
      adapter: 'memory',
      open() {
        const log = memoryCommitLog();
        return { log, expireAll: async () => log.expire((NOON + 2 * ENTRY_LIFETIME) as EpochMillis) };
      },
    },
    {
      adapter: 'DynamoDB',
      open: () => ({
        log: dynamoCommitLog(clients.dynamodb, names.stateTable),
        expireAll: (log) => deleteExpired(clients.dynamodb, names.stateTable, log),
      }),
    },
  ],
)('a commit log in $adapter', ({ open }) => {
  it('has no latest entry before the first, and none after it', async () => {
    const { log } = open();
    const name = fresh('log');
    expect(await log.latest(name)).toBeUndefined();
    expect(await log.after(name, 0)).toEqual([]);
  });

  it('gives the last entry appended, bit for bit', async () => {
    const { log } = open();
    const name = fresh('log');
    const bytes = Buffer.from(Array.from({ length: 256 }, (_, byte) => byte));
    // A part of a larger buffer, as packing leaves it.
    const body = new Uint8Array(Buffer.concat([bytes, bytes]).buffer, 0, 300).subarray(40, 296);
    expect(await log.append(name, entry(1))).toBe('committed');
    expect(await log.append(name, entry(2, body))).toBe('committed');
    expect(plainEntry((await log.latest(name)) as LogEntry)).toEqual(plainEntry(entry(2, body)));
  });

  it('keeps what it was given, whatever becomes of the buffer', async () => {
    const { log } = open();
    const name = fresh('log');
    const body = Buffer.of(1, 2, 3);
    await log.append(name, entry(1, body));
    body.fill(0);
    expect(Buffer.from((await log.latest(name))?.body ?? [])).toEqual(Buffer.of(1, 2, 3));
  });

  it('refuses an ordinal that is taken, and keeps the first entry', async () => {
    const { log } = open();
    const name = fresh('log');
    await log.append(name, entry(1, Buffer.from('first')));
    expect(await log.append(name, entry(1, Buffer.from('second')))).toBe('conflict');
    expect(Buffer.from((await log.latest(name))?.body ?? []).toString()).toBe('first');
    expect(await log.after(name, 0)).toHaveLength(1);
  });

  it('lets one of many racing writers append', async () => {
    const { log } = open();
    const name = fresh('log');
    const outcomes = await Promise.all(
      Array.from({ length: 8 }, (_, writer) => log.append(name, entry(1, Buffer.of(writer)))),
    );
    const [winner] = (await log.latest(name))?.body ?? [];
    expect(outcomes.map((outcome) => outcome === 'committed')).toEqual(
      outcomes.map((_, at) => at === winner),
    );
  });

  it('gives entries in the order of their ordinals as numbers, after any of them', async () => {
    const { log } = open();
    const name = fresh('log');
    for (let ordinal = 1; ordinal <= 11; ordinal++) await log.append(name, entry(ordinal));
    const ordinalsAfter = async (ordinal: number) =>
      (await log.after(name, ordinal)).map((one) => one.ordinal);
    expect(await ordinalsAfter(0)).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11]);
    expect(await ordinalsAfter(8)).toEqual([9, 10, 11]);
    expect(await ordinalsAfter(11)).toEqual([]);
    expect((await log.latest(name))?.ordinal).toBe(11);
  });

  it('gives entries of more than one answer in several, none left out', async () => {
    const { log } = open();
    const name = fresh('log');
    // Four of them are more than the megabyte that DynamoDB reads at once.
    for (let ordinal = 1; ordinal <= 7; ordinal++) {
      await log.append(name, entry(ordinal, Buffer.alloc(MAX_BODY_BYTES, ordinal)));
    }
    const answers: number[][] = [];
    for (let last = 0; last < 7; last = answers.at(-1)?.at(-1) ?? 7) {
      const answer = await log.after(name, last);
      expect(answer.every(({ ordinal, body }) => body.every((byte) => byte === ordinal))).toBe(true);
      answers.push(answer.map(({ ordinal }) => ordinal));
    }
    expect(answers.length).toBeGreaterThan(1);
    expect(answers.flat()).toEqual([1, 2, 3, 4, 5, 6, 7]);
  });

  it('keeps logs apart', async () => {
    const { log } = open();
    const [one, other] = [fresh('log'), fresh('log')];
    await log.append(one, entry(1));
    expect(await log.latest(other)).toBeUndefined();
    expect(await log.append(other, entry(1))).toBe('committed');
  });

  it('says that a log is lost when it was written to and nothing is left of it', async () => {
    const { log, expireAll } = open();
    const name = fresh('log');
    await log.append(name, entry(1));
    await log.append(name, entry(2));
    await expireAll(name);
    await expect(log.latest(name)).rejects.toThrow(LogLostError);
    expect(await log.after(name, 0)).toEqual([]);
  });
});

it('tells DynamoDB when an entry may expire, and never that a log was written to', async () => {
  const log = dynamoCommitLog(clients.dynamodb, names.stateTable);
  const name = fresh('log');
  await log.append(name, entry(1));
  const items = (await itemsOf(clients.dynamodb, names.stateTable, name)).map((item) => [
    item[STATE_KEY.sort]?.N,
    item[STATE_KEY.expiry]?.N,
  ]);
  expect(items).toEqual([
    ['0', undefined],
    ['1', String((NOON + ENTRY_LIFETIME) / 1_000 + 1)],
  ]);
});

it('marks a DynamoDB log as written to with a later entry where that failed with the first', async () => {
  const failingOnce = failFirst(clients.dynamodb, (item) => item?.[STATE_KEY.sort]?.N === '0');
  const log = dynamoCommitLog(failingOnce, names.stateTable);
  const name = fresh('log');
  await expect(log.append(name, entry(1))).rejects.toThrow('no answer');
  expect(await log.append(name, entry(1))).toBe('conflict');
  expect(await log.append(name, entry(2))).toBe('committed');
  await deleteExpired(clients.dynamodb, names.stateTable, name);
  await expect(log.latest(name)).rejects.toThrow(LogLostError);
});

describe.each<{
  adapter: string;
  open: () => { objects: ObjectStore; read: (name: string) => Promise<StoredObject | undefined> };
}>([
  {
    adapter: 'memory',
    open() {
      const objects = memoryObjects();
      return { objects, read: async (name) => objects.stored.get(name) };
    },
  },
  {
    adapter: 'S3',
    open: () => ({
      objects: s3Objects(clients.s3, names.bucket),
      async read(name) {
        const answer = await clients.s3.send(new GetObjectCommand({ Bucket: names.bucket, Key: name }));
        const body = (await answer.Body?.transformToByteArray()) ?? new Uint8Array();
        return { body, contentType: answer.ContentType ?? '', metadata: answer.Metadata ?? {} };
      },
    }),
  },
])('an object store in $adapter', ({ open }) => {
  const object = (text: string): StoredObject => ({ body: Buffer.from(text), contentType: 'text/plain' });

  it('creates an object with its bytes, type and metadata', async () => {
    const { objects, read } = open();
    const name = `${fresh('poison')}/flights/shardId-000000000000/49590338271490256608559692538361571095921575989136588898`;
    const bytes = Buffer.from(Array.from({ length: 256 }, (_, byte) => byte));
    const metadata = { code: 'not-json', reason: 'Unexpected%20end%20of%20JSON%20input' };
    const given = { body: bytes, contentType: 'application/octet-stream', metadata };
    expect(await objects.create(name, given)).toBe('created');
    const stored = await read(name);
    expect({ ...stored, body: Buffer.from(stored?.body ?? []) }).toEqual(given);
  });

  it('never changes an object that exists', async () => {
    const { objects, read } = open();
    const name = `${fresh('panes')}/pipeline=flights/date=2026-01-05/hour=12/1-000000000001.ndjson.gz`;
    expect(await objects.create(name, object('first'))).toBe('created');
    expect(await objects.create(name, object('second'))).toBe('exists');
    expect(Buffer.from((await read(name))?.body ?? []).toString()).toBe('first');
  });

  it('lets one of many racing writers create an object', async () => {
    const { objects } = open();
    const name = fresh('object');
    const outcomes = await Promise.all(
      Array.from({ length: 8 }, (_, writer) => objects.create(name, object(`writer ${writer}`))),
    );
    expect(outcomes.filter((outcome) => outcome === 'created')).toHaveLength(1);
  });

  it('knows which objects exist', async () => {
    const { objects } = open();
    const name = fresh('object');
    expect(await objects.exists(name)).toBe(false);
    await objects.create(name, object('here'));
    expect(await objects.exists(name)).toBe(true);
    expect(await objects.exists(`${name}/not-this`)).toBe(false);
  });
});

interface RowHarness {
  readonly rows: RowStore;
  /** The results of the pane stored, with the order and revision it is stored under. */
  readonly read: (
    partition: string,
    sort: string,
  ) => Promise<{ order: number; revision: number; results: unknown } | undefined>;
}

describe.each<{ adapter: string; holdsAnyNumber: boolean; open: () => RowHarness }>([
  {
    adapter: 'memory',
    holdsAnyNumber: true,
    open() {
      const rows = memoryRows();
      return {
        rows,
        async read(partition, sort) {
          const row = rows.stored.get(partition)?.get(sort);
          return row && { order: row.order, revision: row.pane.revision, results: row.pane.results };
        },
      };
    },
  },
  {
    adapter: 'DynamoDB',
    holdsAnyNumber: false,
    open: () => ({
      rows: dynamoRows(clients.dynamodb, names.rowsTable),
      async read(partition, sort) {
        const Key = { [ROWS_KEY.partition]: { S: partition }, [ROWS_KEY.sort]: { S: sort } };
        const { Item } = await clients.dynamodb.send(
          new GetItemCommand({ TableName: names.rowsTable, Key, ConsistentRead: true }),
        );
        if (Item === undefined) return undefined;
        return {
          order: Number(Item['order']?.N),
          revision: Number(Item['revision']?.N),
          results: plain(Item['results']),
        };
      },
    }),
  },
])('a row store in $adapter', ({ open, holdsAnyNumber }) => {
  const rowOf = (
    name: { partition: string; sort?: string },
    order: number,
    revision: number,
    results: Record<string, unknown>,
    settled = false,
  ): Row => ({
    partition: name.partition,
    sort: name.sort ?? 'fiveMinutes#latest',
    order,
    settled,
    pane: {
      id: `contract/key/fiveMinutes/${order}/${revision}`,
      pipeline: 'contract',
      key: 'key',
      window: 'fiveMinutes',
      start: '2026-01-05T12:00:00.000Z',
      end: '2026-01-05T12:05:00.000Z',
      revision,
      kind: 'final',
      results,
      count: 1,
      watermark: '2026-01-05T12:05:00.000Z',
    } satisfies Pane,
  });

  it('keeps the newest row by order, then the earlier start, then revision, in whatever order rows come', async () => {
    const { rows, read } = open();
    const version = fc.record({
      order: fc.integer({ min: -1, max: 1 }),
      minute: fc.nat(1),
      revision: fc.nat(2),
    });
    await fc.assert(
      fc.asyncProperty(fc.array(version, { minLength: 1, maxLength: 6 }), async (all) => {
        const partition = fresh('contract#key');
        for (const [at, { order, minute, revision }] of all.entries()) {
          const row = rowOf({ partition }, order, revision, { at });
          await rows.put([{ ...row, pane: { ...row.pane, start: `2026-01-05T12:0${minute}:00.000Z` } }]);
        }
        const rank = ({ order, minute, revision }: (typeof all)[number]) =>
          100 * order - 10 * minute + revision;
        const newest = all.reduce((a, b) => (rank(b) > rank(a) ? b : a));
        expect(await read(partition, 'fiveMinutes#latest')).toEqual({
          order: newest.order,
          revision: newest.revision,
          // Of two as new as each other the first stays.
          results: { at: all.indexOf(newest) },
        });
      }),
      { numRuns: 40 },
    );
  });

  it('compares orders as numbers', async () => {
    const { rows, read } = open();
    const partition = fresh('contract#key');
    await rows.put([rowOf({ partition }, 10, 0, { n: 10 })]);
    await rows.put([rowOf({ partition }, 9, 0, { n: 9 })]);
    expect((await read(partition, 'fiveMinutes#latest'))?.results).toEqual({ n: 10 });
  });

  it('takes many rows at once, settled ones and others', async () => {
    const { rows, read } = open();
    const partition = fresh('contract#key');
    const sorts = Array.from({ length: 60 }, (_, at) => `fiveMinutes#${at}`);
    await rows.put(sorts.map((sort, at) => rowOf({ partition, sort }, at, 0, { at }, at % 3 > 0)));
    const read60 = await Promise.all(sorts.map((sort) => read(partition, sort)));
    expect(read60).toEqual(sorts.map((_, at) => ({ order: at, revision: 0, results: { at } })));
  });

  it('writes a settled row again without harm', async () => {
    const { rows, read } = open();
    const partition = fresh('contract#key');
    const row = rowOf({ partition }, 5, 0, { n: 1 }, true);
    await Promise.all([rows.put([row]), rows.put([row])]);
    await rows.put([row]);
    expect(await read(partition, 'fiveMinutes#latest')).toEqual({ order: 5, revision: 0, results: { n: 1 } });
  });

  it('takes no rows at all', async () => {
    await expect(open().rows.put([])).resolves.toBeUndefined();
  });

  it('gives results back as they were', async () => {
    const { rows, read } = open();
    const partition = fresh('contract#key');
    const results = {
      least: Number.MIN_SAFE_INTEGER,
      exact: 0.1 + 0.2,
      small: -1.5e-7,
      large: 1e125,
      text: '',
      list: [1, 'two', [true, null], { three: 3 }],
      'odd name': 'ünï😀',
    };
    await rows.put([rowOf({ partition }, 1, 0, results)]);
    expect((await read(partition, 'fiveMinutes#latest'))?.results).toEqual(results);
  });

  it.skipIf(holdsAnyNumber)(
    'leaves out results that no item of DynamoDB can hold (skipped in memory, which holds any)',
    async () => {
      const { rows, read } = open();
      const partition = fresh('contract#key');
      const results = { small: Array.from({ length: 63_000 }, () => 7) };
      await rows.put([
        rowOf({ partition }, 1, 0, results),
        rowOf(
          { partition, sort: 'settled' },
          1,
          0,
          { large: [...results.small, 7, 7, 7, 'x'.repeat(2_000)] },
          true,
        ),
      ]);
      expect((await read(partition, 'fiveMinutes#latest'))?.results).toEqual(results);
      expect((await read(partition, 'settled'))?.results).toBeNull();
    },
  );

  it.skipIf(holdsAnyNumber)(
    'writes numbers that DynamoDB cannot hold as text, or null (skipped in memory, which holds any number)',
    async () => {
      const { rows, read } = open();
      const partition = fresh('contract#key');
      const { NaN: none, POSITIVE_INFINITY: infinity } = Number;
      const results = { huge: 1e200, negative: -1e200, tiny: 1e-200, infinity, less: -infinity, none };
      await rows.put([rowOf({ partition }, 1, 0, results)]);
      expect((await read(partition, 'fiveMinutes#latest'))?.results).toEqual({
        huge: '1e+200',
        negative: '-1e+200',
        tiny: '1e-200',
        infinity: null,
        less: null,
        none: null,
      });
    },
  );
});

describe.each<{ adapter: string; open: () => { progress: Progress; another: Progress | undefined } }>([
  { adapter: 'memory', open: () => ({ progress: memoryProgress(), another: undefined }) },
  {
    adapter: 'DynamoDB',
    open: () => ({
      progress: dynamoProgress(clients.dynamodb, names.stateTable, 'contract'),
      another: dynamoProgress(clients.dynamodb, names.stateTable, 'another'),
    }),
  },
])('progress in $adapter', ({ adapter, open }) => {
  it('knows of no lineage before something is noted of it', async () => {
    const { progress } = open();
    const [one, other] = [fresh('stream/shard'), fresh('stream/shard')];
    await progress.note(one, positionOf('7'));
    expect(await progress.read(one)).toBe('7');
    expect(await progress.read(other)).toBeUndefined();
  });

  it('holds on to the furthest position, in whatever order they are noted', async () => {
    const { progress } = open();
    const digits = fc.oneof(
      fc.nat(120).map(String),
      fc.bigInt({ min: 10n ** 54n, max: 10n ** 56n }).map(String),
    );
    await fc.assert(
      fc.asyncProperty(fc.array(digits, { minLength: 1, maxLength: 5 }), async (noted) => {
        const lineage = fresh('stream/shard');
        const positions = noted.map(positionOf);
        for (const position of positions) await progress.note(lineage, position);
        const furthest = positions.reduce((a, b) => (isAfter(b, a) ? b : a));
        expect(await progress.read(lineage)).toBe(furthest);
      }),
      { numRuns: 40 },
    );
  });

  it.skipIf(adapter === 'memory')(
    'keeps pipelines apart (skipped in memory, where each has its own)',
    async () => {
      const { progress, another } = open();
      const lineage = fresh('stream/shard');
      await progress.note(lineage, positionOf('7'));
      expect(await another?.read(lineage)).toBeUndefined();
    },
  );
});

interface ArrivalsHarness {
  readonly arrivals: Arrivals;
  readonly progress: Progress;
  /** Puts a record and tells how the source knows it. */
  readonly put: (shard: 0 | 1) => Promise<{ lineage: string; position: Position; arrival: EpochMillis }>;
  /** A time after every arrival. */
  readonly now: EpochMillis;
}

/** Far beyond any record of these tests. */
const LATER = Date.UTC(2200, 0, 1) as EpochMillis;

describe.each<{ adapter: string; open: () => ArrivalsHarness }>([
  {
    adapter: 'memory',
    open() {
      const source = memorySource('contract', 2);
      const progress = memoryProgress();
      let arrival = NOON as number;
      return {
        arrivals: memoryArrivals(source, progress),
        progress,
        now: LATER,
        put: async (shard) =>
          source.put(shard, {
            arrival: ++arrival as EpochMillis,
            partitionKey: 'any',
            data: Buffer.from('{}'),
          }),
      };
    },
  },
  {
    adapter: 'Kinesis',
    open() {
      const progress = dynamoProgress(clients.dynamodb, names.stateTable, fresh('contract'));
      return {
        arrivals: kinesisArrivals(clients.kinesis, names.stream, progress),
        progress,
        now: LATER,
        put: putToKinesis,
      };
    },
  },
])('what waits at a source in $adapter', ({ open }) => {
  it('follows each shard from where it is committed', async () => {
    const { arrivals, progress, put, now } = open();
    // Whatever other tests left in the shards is behind this.
    const [start0, start1] = [await put(0), await put(1)];
    await progress.note(start0.lineage, start0.position);
    await progress.note(start1.lineage, start1.position);
    expect(await arrivals.frontier(now)).toBe(now);

    const [first, second] = [await put(1), await put(0)];
    expect(await arrivals.frontier(now)).toBe(Math.min(first.arrival, second.arrival));
    await progress.note(first.lineage, first.position);
    expect(await arrivals.frontier(now)).toBe(second.arrival);
    await progress.note(second.lineage, second.position);
    expect(await arrivals.frontier(now)).toBe(now);
  });

  it('is the arrival of the first record that waits, however many follow', async () => {
    const { arrivals, progress, put, now } = open();
    const other = await put(1);
    const start = await put(0);
    const first = await put(0);
    for (let more = 0; more < 3; more++) await put(0);
    await progress.note(other.lineage, other.position);
    await progress.note(start.lineage, start.position);
    expect(await arrivals.frontier(now)).toBe(first.arrival);
  });

  it('is never later than now', async () => {
    const { arrivals, progress, put } = open();
    const [start0, start1] = [await put(0), await put(1)];
    await progress.note(start0.lineage, start0.position);
    await progress.note(start1.lineage, start1.position);
    const waiting = [await put(0), await put(1)];
    const now = (Math.min(...waiting.map(({ arrival }) => arrival)) - 1) as EpochMillis;
    expect(await arrivals.frontier(now)).toBe(now);
  });

  it('begins with the oldest record where nothing was ever noted', async () => {
    const { arrivals, progress, put, now } = open();
    const committed = await put(1);
    await put(0);
    await progress.note(committed.lineage, committed.position);
    const oldest = await arrivals.frontier(now);
    expect(oldest).toBeLessThan(now);
    const newest = await put(0);
    expect(await arrivals.frontier(now)).toBe(oldest);
    await progress.note(newest.lineage, newest.position);
    expect(await arrivals.frontier(now)).toBe(now);
  });
});

async function putToKinesis(shard: 0 | 1) {
  const { kinesis: client } = clients;
  const { ShardId, SequenceNumber } = await client.send(
    new PutRecordCommand({
      StreamName: names.stream,
      PartitionKey: 'any',
      ExplicitHashKey: shard === 0 ? '0' : String(2n ** 128n - 1n),
      Data: Buffer.from('{}'),
    }),
  );
  const from = { ShardIteratorType: 'AT_SEQUENCE_NUMBER', StartingSequenceNumber: SequenceNumber } as const;
  const { ShardIterator } = await client.send(
    new GetShardIteratorCommand({ StreamName: names.stream, ShardId, ...from }),
  );
  const { Records } = await client.send(new GetRecordsCommand({ ShardIterator, Limit: 1 }));
  return {
    lineage: `${names.stream}/${ShardId}`,
    position: positionOf(SequenceNumber as string),
    arrival: Records?.[0]?.ApproximateArrivalTimestamp?.getTime() as EpochMillis,
  };
}

/** A client of which the first put of such an item fails. */
function failFirst(client: DynamoDBClient, fails: (item: Item | undefined) => boolean): DynamoDBClient {
  let failed = false;
  const send = async (command: { readonly input: { readonly Item?: Item } }) => {
    if (!failed && fails(command.input.Item)) {
      failed = true;
      throw new Error('no answer');
    }
    return client.send(command as never);
  };
  return { send } as unknown as DynamoDBClient;
}

async function itemsOf(client: DynamoDBClient, table: string, log: string) {
  const items: NonNullable<QueryCommandOutput['Items']> = [];
  for (let next: QueryCommandOutput['LastEvaluatedKey'] | null = null; next !== undefined; ) {
    const answer: QueryCommandOutput = await client.send(
      new QueryCommand({
        TableName: table,
        KeyConditionExpression: '#log = :log',
        ExpressionAttributeNames: { '#log': STATE_KEY.partition },
        ExpressionAttributeValues: { ':log': { S: log } },
        ...(next ? { ExclusiveStartKey: next } : {}),
      }),
    );
    items.push(...(answer.Items ?? []));
    next = answer.LastEvaluatedKey;
  }
  return items;
}

/** What DynamoDB does with items that say when they expire. */
async function deleteExpired(client: DynamoDBClient, table: string, log: string): Promise<void> {
  for (const item of await itemsOf(client, table, log)) {
    if (item[STATE_KEY.expiry] === undefined) continue;
    const { [STATE_KEY.partition]: partition, [STATE_KEY.sort]: sort } = item;
    if (!partition || !sort) continue;
    const Key = { [STATE_KEY.partition]: partition, [STATE_KEY.sort]: sort };
    await client.send(new DeleteItemCommand({ TableName: table, Key }));
  }
}

type Item = NonNullable<QueryCommandOutput['Items']>[number];
type Attribute = Item[string];

/** A DynamoDB attribute as plain data. */
function plain(attribute: Attribute | undefined): unknown {
  if (attribute?.S !== undefined) return attribute.S;
  if (attribute?.N !== undefined) return Number(attribute.N);
  if (attribute?.BOOL !== undefined) return attribute.BOOL;
  if (attribute?.L) return attribute.L.map(plain);
  if (attribute?.M) {
    return Object.fromEntries(Object.entries(attribute.M).map(([name, item]) => [name, plain(item)]));
  }
  return null;
}
