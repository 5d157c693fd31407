import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync, truncateSync, writeFileSync, writeSync } from 'node:fs';
import { createServer } from 'node:http';
import { connect, type Socket } from 'node:net';
import { networkInterfaces, tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { promisify } from 'node:util';
import {
  type AttributeValue,
  BatchWriteItemCommand,
  ConditionalCheckFailedException,
  CreateTableCommand,
  DescribeTableCommand,
  DynamoDBClient,
  GetItemCommand,
  PutItemCommand,
  QueryCommand,
} from '@aws-sdk/client-dynamodb';
import {
  CreateStreamCommand,
  DescribeStreamCommand,
  GetRecordsCommand,
  GetShardIteratorCommand,
  KinesisClient,
  PutRecordsCommand,
} from '@aws-sdk/client-kinesis';
import {
  CopyObjectCommand,
  CreateBucketCommand,
  CreateMultipartUploadCommand,
  DeleteObjectCommand,
  DeleteObjectsCommand,
  GetObjectCommand,
  HeadObjectCommand,
  ListObjectsV2Command,
  PutObjectCommand,
  S3Client,
} from '@aws-sdk/client-s3';
import { NodeHttpHandler } from '@smithy/node-http-handler';
import conditionParser from 'dynalite/db/conditionParser.js';
import dynaliteDb, { type Items, type Range } from 'dynalite/db/index.js';
import batchWriteItem from 'dynalite/validations/batchWriteItem.js';
import validations from 'dynalite/validations/index.js';
import putItemValidation from 'dynalite/validations/putItem.js';
import fc from 'fast-check';
import kinesaliteDb from 'kinesalite/db/index.js';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { connect as connectClients, disconnect } from '../../src/local/resources.ts';
import { useParsedConditions } from '../../src/local/servers/conditions.ts';
import type { Definitions } from '../../src/local/servers/definitions.ts';
import { type JournalEntry, openJournal } from '../../src/local/servers/journal.ts';
import { runServer } from '../../src/local/servers/lifecycle.ts';
import { useNativeSequences } from '../../src/local/servers/sequences.ts';
import {
  type LocalServers,
  type LocalServersOptions,
  startServers,
  startServersBeside,
} from '../../src/local/servers/servers.ts';
import { keepTablesAsText } from '../../src/local/servers/tables.ts';
import { takeWellTypedItems } from '../../src/local/servers/types.ts';

vi.mock('node:fs', async (importOriginal) => {
  const fs = await importOriginal<typeof import('node:fs')>();
  return { ...fs, writeFileSync: vi.fn(fs.writeFileSync) };
});

const STREAM = 'readings';
const SHARD = 'shardId-000000000000';
const TABLE = 'commits';
const BUCKET = 'results';
const bignumber = { ...kinesaliteDb };
const ownParser = { ...conditionParser };
const ownDatabase = { ...dynaliteDb };
const ownValidations = { ...validations };

let dataDirectory: string;
let release: (() => unknown)[];

beforeEach(() => {
  dataDirectory = mkdtempSync(join(tmpdir(), 'millrace-servers-'));
  release = [() => rmSync(dataDirectory, { recursive: true, force: true })];
});

afterEach(async () => {
  for (const one of release.reverse()) await one();
});

async function start(options: LocalServersOptions = {}) {
  const servers = await startServers(options);
  release.push(servers.close);
  return { ...servers, ...clientsOf(servers) };
}

function clientsOf({ endpoints }: Pick<LocalServers, 'endpoints'>) {
  const common = {
    region: 'us-east-1',
    credentials: { accessKeyId: 'AKIALOCAL', secretAccessKey: 'secret', sessionToken: 'session-token' },
    maxAttempts: 1,
  };
  const kinesis = new KinesisClient({
    ...common,
    endpoint: endpoints.kinesis,
    requestHandler: new NodeHttpHandler(),
  });
  const dynamodb = new DynamoDBClient({ ...common, endpoint: endpoints.dynamodb });
  const s3 = new S3Client({ ...common, endpoint: endpoints.s3, forcePathStyle: true });
  release.push(() => [kinesis, dynamodb, s3].map((client) => client.destroy()));
  return { kinesis, dynamodb, s3 };
}

type Clients = ReturnType<typeof clientsOf>;

async function makeStream({ kinesis }: Clients) {
  await kinesis.send(new CreateStreamCommand({ StreamName: STREAM, ShardCount: 1 }));
  const describing = new DescribeStreamCommand({ StreamName: STREAM });
  while ((await kinesis.send(describing)).StreamDescription?.StreamStatus !== 'ACTIVE');
}

async function makeTable({ dynamodb }: Clients) {
  const making = new CreateTableCommand({
    TableName: TABLE,
    BillingMode: 'PAY_PER_REQUEST',
    KeySchema: [
      { AttributeName: 'pk', KeyType: 'HASH' },
      { AttributeName: 'sk', KeyType: 'RANGE' },
    ],
    AttributeDefinitions: [
      { AttributeName: 'pk', AttributeType: 'S' },
      { AttributeName: 'sk', AttributeType: 'N' },
    ],
  });
  await dynamodb.send(making);
  const describing = new DescribeTableCommand({ TableName: TABLE });
  while ((await dynamodb.send(describing)).Table?.TableStatus !== 'ACTIVE');
}

/** Changes what a server that is closed keeps of a stream or a table. */
async function change(definitions: Definitions, name: string, changes: object) {
  const get = promisify(definitions.get.bind(definitions));
  const put = promisify(definitions.put.bind(definitions));
  await put(name, { ...(await get(name)), ...changes });
}

const makeBucket = ({ s3 }: Clients) => s3.send(new CreateBucketCommand({ Bucket: BUCKET }));

const putRecords = ({ kinesis }: Clients, values: readonly string[]) =>
  kinesis.send(
    new PutRecordsCommand({
      StreamName: STREAM,
      Records: values.map((value) => ({ PartitionKey: value, Data: Buffer.from(value) })),
    }),
  );

/** Everything in the stream's only shard after a position, or from the beginning. */
async function readStream({ kinesis }: Clients, after?: string, limit = 10_000) {
  const { ShardIterator } = await kinesis.send(
    new GetShardIteratorCommand({
      StreamName: STREAM,
      ShardId: SHARD,
      ...(after
        ? { ShardIteratorType: 'AFTER_SEQUENCE_NUMBER', StartingSequenceNumber: after }
        : { ShardIteratorType: 'TRIM_HORIZON' }),
    }),
  );
  const { Records = [], MillisBehindLatest } = await kinesis.send(
    new GetRecordsCommand({ ShardIterator, Limit: limit }),
  );
  return {
    values: Records.map(({ Data = [] }) => Buffer.from(Data).toString()),
    positions: Records.map(({ SequenceNumber = '' }) => SequenceNumber),
    arrivals: Records.map(({ ApproximateArrivalTimestamp }) => ApproximateArrivalTimestamp?.getTime()),
    millisBehindLatest: MillisBehindLatest,
  };
}

const putItem = ({ dynamodb }: Clients, ordinal: number, body = Buffer.from(`body ${ordinal}`)) =>
  dynamodb.send(
    new PutItemCommand({
      TableName: TABLE,
      Item: { pk: { S: 'group' }, sk: { N: `${ordinal}` }, body: { B: body } },
      ConditionExpression: 'attribute_not_exists(sk)',
    }),
  );

async function latestItem({ dynamodb }: Clients) {
  const { Items = [] } = await dynamodb.send(
    new QueryCommand({
      TableName: TABLE,
      KeyConditionExpression: 'pk = :pk',
      ExpressionAttributeValues: { ':pk': { S: 'group' } },
      ConsistentRead: true,
      ScanIndexForward: false,
      Limit: 1,
    }),
  );
  return Items.map(({ sk, body }) => ({ ordinal: Number(sk?.N), body: Buffer.from(body?.B ?? []) }))[0];
}

const putObject = ({ s3 }: Clients, key: string, body: string, more: { IfNoneMatch?: string } = {}) =>
  s3.send(new PutObjectCommand({ Bucket: BUCKET, Key: key, Body: body, ...more }));

async function getObject({ s3 }: Clients, key: string) {
  const { Body, ContentType, Metadata } = await s3.send(new GetObjectCommand({ Bucket: BUCKET, Key: key }));
  return { body: await Body?.transformToString(), contentType: ContentType, metadata: Metadata };
}

const preconditionFailed = { name: 'PreconditionFailed', $metadata: { httpStatusCode: 412 } };
const noSuchKey = { name: 'NoSuchKey' };

/** Runs module code in a new process as `npm start` would; it may use `startServers`. */
function runInNewProcess(code: string) {
  const module = new URL('../../src/local/servers/servers.ts', import.meta.url).href;
  const child = spawn(
    process.execPath,
    ['--import', 'tsx', '--input-type=module', '-e', `import { startServers } from '${module}'; ${code}`],
    { stdio: ['ignore', 'pipe', 'pipe', 'ipc'] },
  );
  release.push(() => child.kill('SIGKILL'));
  return child;
}

/** What it returns, or throws. */
const outcome = (parse: () => unknown) => {
  try {
    return parse();
  } catch (error) {
    return `${error}`;
  }
};

type Step =
  | { readonly put: string; readonly item: object }
  | { readonly get: string }
  | { readonly del: string }
  | { readonly batch: readonly string[] }
  | { readonly range: Range };

/** What the items of a table answer to each step, one after the other. */
async function outcomesOf(items: Items, steps: readonly Step[]): Promise<unknown[]> {
  const outcomes: unknown[] = [];
  for (const step of steps) {
    const answer = await new Promise((resolve, reject) => {
      const done = (error: unknown, result?: unknown) => (error ? reject(error) : resolve(result));
      if ('put' in step) items.put(step.put, step.item, done);
      else if ('get' in step) items.get(step.get, done);
      else if ('del' in step) items.del(step.del, done);
      else if ('batch' in step)
        items.batch(
          step.batch.map((key) => ({ type: 'del', key })),
          done,
        );
      else resolve(items.createValueStream(step.range).toArray());
    });
    outcomes.push(answer, await items.createKeyStream().toArray());
  }
  return outcomes;
}

const portOf = (endpoint: string) => Number(new URL(endpoint).port);

/** Sends headers and half a body; the server is known to be waiting for the rest. */
async function sendHalfRequest(endpoint: string): Promise<Socket> {
  const socket = connect(portOf(endpoint), '127.0.0.1');
  socket.on('error', () => {});
  release.push(() => socket.destroy());
  socket.write('POST / HTTP/1.1\r\nHost: 127.0.0.1\r\nExpect: 100-continue\r\nContent-Length: 9\r\n\r\nhalf');
  await once(socket, 'data');
  return socket;
}

describe('S3', () => {
  it('refuses a put with If-None-Match: * when the object is there', async () => {
    const servers = await start();
    await makeBucket(servers);

    await putObject(servers, 'a/b c', 'first', { IfNoneMatch: '*' });
    await expect(putObject(servers, 'a/b c', 'second', { IfNoneMatch: '*' })).rejects.toMatchObject(
      preconditionFailed,
    );

    expect(await getObject(servers, 'a/b c')).toMatchObject({ body: 'first' });
  });

  it('lets exactly one of many concurrent puts with If-None-Match: * win', async () => {
    const servers = await start();
    await makeBucket(servers);

    const bodies = Array.from({ length: 20 }, (_, index) => `writer ${index}`);
    const puts = await Promise.allSettled(
      bodies.map((body) => putObject(servers, 'key', body, { IfNoneMatch: '*' })),
    );

    const winners = bodies.filter((_, index) => puts[index]?.status === 'fulfilled');
    expect(winners).toEqual([(await getObject(servers, 'key')).body]);
    for (const put of puts)
      if (put.status === 'rejected') expect(put.reason).toMatchObject(preconditionFailed);
  });

  it('accepts If-None-Match: * once the object is deleted, and where a put had failed', async () => {
    const servers = await start();
    await expect(putObject(servers, 'key', 'no bucket yet')).rejects.toMatchObject({ name: 'NoSuchBucket' });
    await makeBucket(servers);

    await putObject(servers, 'key', 'first', { IfNoneMatch: '*' });
    await putObject(servers, 'key', 'second');
    await servers.s3.send(new DeleteObjectCommand({ Bucket: BUCKET, Key: 'key' }));
    await putObject(servers, 'key', 'third', { IfNoneMatch: '*' });

    expect(await getObject(servers, 'key')).toMatchObject({ body: 'third' });
  });

  it('refuses what neither the journal nor If-None-Match would see', async () => {
    const servers = await start();
    await makeBucket(servers);
    await putObject(servers, 'key', 'kept');

    const refused = { name: 'NotImplemented', $metadata: { httpStatusCode: 501 } };
    const place = { Bucket: BUCKET, Key: 'key' };
    await expect(servers.s3.send(new CreateMultipartUploadCommand(place))).rejects.toMatchObject(refused);
    const deletion = new DeleteObjectsCommand({ Bucket: BUCKET, Delete: { Objects: [{ Key: 'key' }] } });
    await expect(servers.s3.send(deletion)).rejects.toMatchObject(refused);

    expect(await getObject(servers, 'key')).toMatchObject({ body: 'kept' });
  });

  it('has its objects back after a restart, with metadata, and still refuses to put them again', async () => {
    const before = await start({ dataDirectory });
    await makeBucket(before);
    const object = {
      Bucket: BUCKET,
      Key: 'täglich/2026-11-20 12:00',
      Body: '{}',
      ContentType: 'application/json',
    };
    await before.s3.send(new PutObjectCommand({ ...object, Metadata: { ordinal: '17' }, IfNoneMatch: '*' }));
    await before.s3.send(
      new CopyObjectCommand({
        Bucket: BUCKET,
        Key: 'copy',
        CopySource: encodeURI(`${BUCKET}/${object.Key}`),
      }),
    );
    await before.s3.send(new PutObjectCommand({ Bucket: BUCKET, Key: 'empty', Body: new Uint8Array() }));
    await putObject(before, 'deleted', 'gone');
    await before.s3.send(new DeleteObjectCommand({ Bucket: BUCKET, Key: 'deleted' }));
    await before.close();

    const after = await start({ dataDirectory });
    const kept = { body: '{}', contentType: 'application/json', metadata: { ordinal: '17' } };
    expect(await getObject(after, object.Key)).toEqual(kept);
    expect(await getObject(after, 'copy')).toEqual(kept);
    expect(await getObject(after, 'empty')).toMatchObject({ body: '' });
    await expect(getObject(after, 'deleted')).rejects.toMatchObject(noSuchKey);
    await expect(putObject(after, object.Key, 'new', { IfNoneMatch: '*' })).rejects.toMatchObject(
      preconditionFailed,
    );
    await putObject(after, 'deleted', 'new', { IfNoneMatch: '*' });
  });

  it('writes no credentials into the journal', async () => {
    const servers = await start({ dataDirectory });
    await makeBucket(servers);
    await putObject(servers, 'key', 'body');
    const journal = readFileSync(join(dataDirectory, 's3.journal'), 'latin1');
    expect(journal).toContain('body');
    expect(journal).not.toMatch(/AKIALOCAL|session-token|authorization/i);
  });

  it('loses only the object whose journal entry was cut short, and goes on from there', async () => {
    const journal = join(dataDirectory, 's3.journal');
    const before = await start({ dataDirectory });
    await makeBucket(before);
    await putObject(before, 'whole', 'whole');
    await putObject(before, 'torn', 'torn');
    await before.close();
    truncateSync(journal, readFileSync(journal).length - 1);

    const during = await start({ dataDirectory });
    expect(await getObject(during, 'whole')).toMatchObject({ body: 'whole' });
    await expect(getObject(during, 'torn')).rejects.toMatchObject(noSuchKey);
    await putObject(during, 'torn', 'again', { IfNoneMatch: '*' });
    await during.close();

    expect(await getObject(await start({ dataDirectory }), 'torn')).toMatchObject({ body: 'again' });
  });

  it('replays the whole entries of a journal that was cut anywhere', async () => {
    const path = join(dataDirectory, 'journal');
    const entries = ['ä', '', 'three'].map((body) => ({
      url: `/b/${body}`,
      headers: { h: body },
      body: Buffer.from(body),
    }));
    const written = await openJournal<(typeof entries)[number]>(path, async () => {});
    const wholeWithin = entries.map((entry) => {
      written.append(entry);
      return { entry, end: readFileSync(path).length };
    });
    written.close();
    const whole = readFileSync(path);

    for (let length = 0; length <= whole.length; length += 1) {
      writeFileSync(path, whole.subarray(0, length));
      const replayed: JournalEntry[] = [];
      (await openJournal(path, async (entry) => replayed.push(entry))).close();
      expect(replayed).toEqual(wholeWithin.filter(({ end }) => end <= length).map(({ entry }) => entry));
    }
  });

  it('does not let an entry that the disk had no room for spoil those after it', async () => {
    const path = join(dataDirectory, 'journal');
    const entry = (body: string): JournalEntry => ({
      body: Buffer.from(body),
    });
    const journal = await openJournal(path, async () => {});
    journal.append(entry('before'));
    vi.mocked(writeFileSync).mockImplementationOnce((file, data) => {
      writeSync(file as number, data as Buffer, 0, 10);
      throw new Error('ENOSPC');
    });
    expect(() => journal.append(entry('refused'))).toThrow('ENOSPC');
    journal.append(entry('after'));
    journal.close();

    const replayed: string[] = [];
    (await openJournal(path, async ({ body }) => replayed.push(`${body}`))).close();
    expect(replayed).toEqual(['before', 'after']);
  });
});

describe('DynamoDB', () => {
  it('finds the latest item of a partition, in the order of numbers, with its bytes unchanged', async () => {
    const servers = await start();
    await makeTable(servers);
    expect(await latestItem(servers)).toBeUndefined();

    const bytes = Buffer.from(Array.from({ length: 50 * 1024 }, (_, index) => index % 256));
    for (const ordinal of [9, 10, 2]) await putItem(servers, ordinal, bytes.subarray(ordinal));

    expect(await latestItem(servers)).toEqual({ ordinal: 10, body: bytes.subarray(10) });
  });

  it('lets exactly one of many concurrent conditional puts win', async () => {
    const servers = await start();
    await makeTable(servers);

    const puts = await Promise.allSettled(Array.from({ length: 20 }, () => putItem(servers, 1)));

    expect(puts.filter(({ status }) => status === 'fulfilled')).toHaveLength(1);
  });

  it('makes of a condition, with whatever values, what its own parser makes of it', () => {
    const attribute = fc.oneof(
      fc.record({ S: fc.string() }),
      fc.record({ N: fc.integer().map(String) }),
      fc.record({ BOOL: fc.boolean() }),
    );
    const names = { '#a': 'first', '#b': 'second' };
    const text = fc.constantFrom(
      '#a = :a AND #b > :b',
      '#b = :a',
      'attribute_not_exists(#a) OR #a < :a OR (#a = :a AND (#b > :b OR (#b = :b AND #b < :a)))',
      'begins_with(#a, :a)',
      'NOT (#a IN (:a, :b))',
      '#a BETWEEN :a AND :b',
      'attribute_type(#a, :a)',
      '#a = #a',
      '((#a = :a))',
      '#none = :a',
      '#a = = :a',
    );
    useParsedConditions();
    fc.assert(
      fc.property(fc.array(fc.tuple(text, attribute, attribute), { minLength: 2 }), (requests) => {
        for (const [condition, a, b] of requests) {
          const parsed = [ownParser.parse, conditionParser.parse].map((parse) => {
            const context = {
              attrNames: names,
              attrVals: { ':a': a, ':b': b },
              unusedAttrNames: { '#a': true, '#b': true } as Record<string, true>,
              unusedAttrVals: { ':a': true, ':b': true } as Record<string, true>,
              isReserved: () => false,
              compare: (_: string, left: object, right: object) =>
                JSON.stringify(left) > JSON.stringify(right),
            };
            const result = outcome(() => parse(condition, { context }));
            return { result, names: context.unusedAttrNames, values: context.unusedAttrVals };
          });
          expect(parsed[1]).toEqual(parsed[0]);
        }
      }),
    );
  });

  it('makes of the items of a table what its own database makes of them', async () => {
    const key = fc.stringMatching(/^[0-2]{1,3}$/);
    const range = fc
      .tuple(
        fc.oneof(fc.record({ gt: key }), fc.record({ gte: key }), fc.constant({})),
        fc.oneof(fc.record({ lt: key }), fc.record({ lte: key }), fc.constant({})),
        fc.record({ reverse: fc.boolean(), limit: fc.constantFrom(-1, 2, 3) }),
      )
      .map((parts): Range => Object.assign({}, ...parts));
    const step = fc.oneof(
      fc.record({ put: key, item: fc.record({ order: fc.record({ N: fc.nat().map(String) }) }) }),
      fc.record({ del: key }),
      fc.record({ batch: fc.array(key) }),
      fc.record({ get: key }),
      fc.record({ range }),
    );
    keepTablesAsText();
    await fc.assert(
      fc.asyncProperty(fc.array(step, { minLength: 5, maxLength: 40 }), async (steps) => {
        const tables = [ownDatabase.create({}), dynaliteDb.create({})].map((store) =>
          store.getItemDb('rows'),
        );
        const [known, found] = await Promise.all(tables.map((items) => outcomesOf(items, steps)));
        expect(found).toEqual(known);
      }),
      { numRuns: 300 },
    );
  });

  it('makes of the types of a request what its own check makes of them', () => {
    const content = fc.letrec((tie) => ({
      attribute: fc.oneof(
        { maxDepth: 3 },
        fc.record({ S: fc.string() }),
        fc.record({ N: fc.integer().map(String) }),
        fc.record({ BOOL: fc.boolean() }),
        fc.record({ NULL: fc.constant(true) }),
        fc.record({ L: fc.array(tie('attribute'), { maxLength: 3 }) }),
        fc.record({ M: fc.dictionary(fc.string(), tie('attribute'), { maxKeys: 3 }) }),
      ),
    })).attribute;
    // Most of them are well typed, so that whole requests are.
    const wrong = fc.oneof(
      fc.json().map((text) => JSON.parse(text)),
      fc.record({ S: fc.constantFrom(1, null, true) }),
      fc.record({ BOOL: fc.constantFrom('yes', 1, 'perhaps') }),
      fc.record({ B: fc.constantFrom('AAAA', 'AAA') }),
      fc.record({ S: fc.string(), N: fc.constantFrom('1', null) }),
      fc.record({ X: fc.string() }),
      fc.constant({}),
    );
    const attribute = fc.oneof({ weight: 60, arbitrary: content }, { weight: 1, arbitrary: wrong });
    const item = fc.oneof(
      { weight: 40, arbitrary: fc.dictionary(fc.string(), attribute, { maxKeys: 4 }) },
      { weight: 1, arbitrary: wrong },
      { weight: 1, arbitrary: content.map((own) => JSON.parse(`{"__proto__":${JSON.stringify(own)}}`)) },
    );
    const write = fc.oneof(
      { weight: 20, arbitrary: fc.record({ PutRequest: fc.record({ Item: item }) }) },
      { weight: 5, arbitrary: fc.record({ DeleteRequest: fc.record({ Key: item }) }) },
      { weight: 1, arbitrary: wrong },
      { weight: 1, arbitrary: fc.record({ PutRequest: wrong }) },
    );
    const writes = fc.oneof(
      { weight: 20, arbitrary: fc.array(write, { maxLength: 4 }) },
      { weight: 1, arbitrary: wrong },
    );
    const tableName = fc.oneof(
      { weight: 20, arbitrary: fc.string() },
      { weight: 1, arbitrary: fc.constant('__proto__') },
    );
    const put = fc.record({ TableName: fc.string(), Item: item });
    const batch = fc.record(
      { RequestItems: fc.dictionary(tableName, writes, { maxKeys: 3 }), Item: item },
      { requiredKeys: ['RequestItems'] },
    );
    const request = fc.oneof(
      fc.tuple(put, fc.constant(putItemValidation.types)),
      fc.tuple(batch, fc.constant(batchWriteItem.types)),
    );
    takeWellTypedItems();
    fc.assert(
      fc.property(request, ([data, types]) => {
        const [known, found] = [ownValidations, validations].map(({ checkTypes }) =>
          outcome(() => checkTypes(JSON.parse(JSON.stringify(data)), types)),
        );
        expect(found).toEqual(known);
      }),
      { numRuns: 2_000 },
    );
  });
});

describe('servers in the thread of whoever asks', () => {
  it('let the timers run of whoever asks without a socket again and again', async () => {
    const servers = await startServers({});
    release.push(servers.close);
    const direct = connectClients(servers.endpoints, undefined, servers.ask);
    release.push(() => disconnect(direct));
    await makeBucket(direct);
    let hasRun = false;
    setTimeout(() => {
      hasRun = true;
    });
    for (let asked = 0; asked < 1_000 && !hasRun; asked++)
      await direct.s3.send(new ListObjectsV2Command({ Bucket: BUCKET }));
    expect(hasRun).toBe(true);
  });
});

describe('servers in a thread of their own', () => {
  it('answer, keep what they are given, and free directory and ports when they are closed', async () => {
    const first = await startServersBeside({ dataDirectory });
    await clientsOf(first).s3.send(new CreateBucketCommand({ Bucket: BUCKET }));
    const ports = { s3: portOf(first.endpoints.s3) };
    await first.close();

    const second = await startServersBeside({ dataDirectory, ports });
    release.push(second.close);
    expect(portOf(second.endpoints.s3)).toBe(ports.s3);
    await clientsOf(second).s3.send(new PutObjectCommand({ Bucket: BUCKET, Key: 'a', Body: 'b' }));
  });

  /** Starts them, with clients that reach them without a socket alone. */
  async function startUnreachable() {
    const servers = await startServersBeside({});
    release.push(servers.close);
    const nowhere = 'http://127.0.0.1:1';
    const endpoints = { kinesis: nowhere, dynamodb: nowhere, s3: nowhere };
    const direct = connectClients(endpoints, undefined, servers.ask);
    release.push(() => disconnect(direct));
    return { direct, reached: clientsOf(servers) };
  }

  it('answer each that asks DynamoDB without a socket as they answer by one', async () => {
    const { direct, reached } = await startUnreachable();
    const ordinals = Array.from({ length: 50 }, (_, at) => at);

    await makeTable(direct);
    await Promise.all(ordinals.map((ordinal) => putItem(direct, ordinal)));
    await expect(putItem(direct, 7)).rejects.toThrow(ConditionalCheckFailedException);

    const read = ({ dynamodb }: Clients) =>
      Promise.all(
        ordinals.map(async (ordinal) => {
          const Key = { pk: { S: 'group' }, sk: { N: `${ordinal}` } };
          const { Item } = await dynamodb.send(new GetItemCommand({ TableName: TABLE, Key }));
          return Buffer.from(Item?.['body']?.B ?? []).toString();
        }),
      );
    expect(await read(direct)).toEqual(ordinals.map((ordinal) => `body ${ordinal}`));
    expect(await read(reached)).toEqual(await read(direct));
  });

  it('take a batch without a socket as they take it by one, also where they refuse it', async () => {
    const { direct, reached } = await startUnreachable();
    await makeTable(direct);
    const put = ({ dynamodb }: Clients, ...more: readonly Record<string, AttributeValue>[]) =>
      dynamodb.send(
        new BatchWriteItemCommand({
          RequestItems: { [TABLE]: more.map((Item) => ({ PutRequest: { Item } })) },
        }),
      );
    const text = { pk: { S: 'gröup' }, sk: { N: '1' }, flag: { BOOL: true }, list: { L: [{ NULL: true }] } };
    const bytes = { pk: { S: 'group' }, sk: { N: '2' }, body: { B: Uint8Array.of(1, 2, 255) } };

    expect(await put(direct, text)).toMatchObject({ UnprocessedItems: {} });
    await put(direct, bytes);
    await expect(put(direct, text, text)).rejects.toMatchObject({ name: 'ValidationException' });

    for (const { pk, sk, ...rest } of [text, bytes]) {
      const get = new GetItemCommand({ TableName: TABLE, Key: { pk, sk } });
      expect((await reached.dynamodb.send(get)).Item).toEqual({ pk, sk, ...rest });
    }
  });

  it('answer each that asks S3 without a socket as they answer by one', async () => {
    const { direct, reached } = await startUnreachable();
    await makeBucket(direct);
    const key = 'folder/a b+ü.json';

    await putObject(direct, key, 'first', { IfNoneMatch: '*' });
    await putObject(direct, 'another', '');
    for (const clients of [direct, reached]) {
      await expect(putObject(clients, key, 'second', { IfNoneMatch: '*' })).rejects.toMatchObject(
        preconditionFailed,
      );
      await expect(getObject(clients, 'none')).rejects.toMatchObject(noSuchKey);
      expect(await getObject(clients, key)).toMatchObject({ body: 'first' });
    }
    const asked = async ({ s3 }: Clients) => {
      const { $metadata: _of, ...head } = await s3.send(new HeadObjectCommand({ Bucket: BUCKET, Key: key }));
      const { Contents } = await s3.send(new ListObjectsV2Command({ Bucket: BUCKET, Prefix: 'folder/a b+' }));
      return { head, Contents };
    };
    expect(await asked(direct)).toEqual(await asked(reached));
    expect(await asked(direct)).toMatchObject({ head: { ContentLength: 5 }, Contents: [{ Key: key }] });
  });

  it('answer each that asks Kinesis without a socket as they answer by one', async () => {
    const { direct, reached } = await startUnreachable();
    await makeStream(direct);
    const values = Array.from({ length: 50 }, (_, at) => `value ${at}`);
    await putRecords(direct, values);
    await expect(
      direct.kinesis.send(new CreateStreamCommand({ StreamName: STREAM, ShardCount: 1 })),
    ).rejects.toMatchObject({
      name: 'ResourceInUseException',
    });

    expect(await readStream(direct)).toMatchObject({ values });
    expect(await readStream(direct)).toEqual(await readStream(reached));
  });

  it('say why they cannot start', async () => {
    await start({ dataDirectory });
    await expect(startServersBeside({ dataDirectory })).rejects.toThrow('another one is using it');
  });
});

describe('Kinesis', () => {
  it('keeps the order of a call, stamps arrivals in milliseconds, never says it is behind', async () => {
    const servers = await start();
    await makeStream(servers);
    expect(await readStream(servers)).toMatchObject({ values: [], millisBehindLatest: 0 });

    const values = Array.from({ length: 500 }, (_, index) => `${index}`);
    const earliest = Date.now();
    await putRecords(servers, values);
    const latest = Date.now();

    const { arrivals, ...read } = await readStream(servers);
    expect(read.values).toEqual(values);
    for (const arrival of arrivals) {
      expect(arrival).toBeGreaterThanOrEqual(earliest);
      expect(arrival).toBeLessThanOrEqual(latest);
    }
    expect(await readStream(servers, undefined, 1)).toMatchObject({ values: ['0'], millisBehindLatest: 0 });
  });

  it('continues positions, order and reads after a restart', async () => {
    const before = await start({ dataDirectory });
    await makeStream(before);
    await putRecords(before, ['a', 'b']);
    const { positions } = await readStream(before);
    await before.close();

    const after = await start({ dataDirectory });
    await putRecords(after, ['c', 'd']);
    const read = await readStream(after);
    expect(read.values).toEqual(['a', 'b', 'c', 'd']);
    expect(read.positions.slice(0, 2)).toEqual(positions);
    expect(read.positions.map(BigInt)).toEqual(read.positions.map(BigInt).sort((a, b) => (a < b ? -1 : 1)));
    expect((await readStream(after, positions[0])).values).toEqual(['b', 'c', 'd']);
    expect((await readStream(after, positions[1])).values).toEqual(['c', 'd']);
  });

  it('computes sequence numbers and hash keys to the values that bignumber.js gives', () => {
    useNativeSequences();
    const second = fc.integer({ min: 1, max: 16_025_174_999 });
    const sequence = fc.record({
      shardCreateTime: second.map((seconds) => seconds * 1000 + 999),
      shardIx: fc.integer({ min: 0, max: 2 ** 31 - 1 }),
      seqIx: fc.bigInt({ min: 0n, max: 2n ** 63n - 1n }).map(String),
      seqTime: second.map((seconds) => seconds * 1000),
    });
    fc.assert(
      fc.property(sequence, fc.string(), fc.bigInt({ min: 0n, max: 2n ** 128n }), (fields, key, bound) => {
        const expected = bignumber.stringifySequence(fields);
        expect(kinesaliteDb.stringifySequence(fields)).toBe(expected);
        expect(kinesaliteDb.parseSequence(expected)).toEqual(bignumber.parseSequence(expected));
        const ownHash = BigInt(`0x${createHash('md5').update(key).digest('hex')}`);
        for (const other of [`${bound}`, `${ownHash}`]) {
          const comparison = kinesaliteDb.partitionKeyToHashKey(key).comparedTo(other);
          expect(comparison).toBe(bignumber.partitionKeyToHashKey(key).comparedTo(other));
        }
      }),
    );
    const tooLate = bignumber.stringifySequence({ shardCreateTime: 16_025_175_000_000, shardIx: 0 });
    for (const odd of ['0', 'x', '', '-1', `${2n ** 124n}`, `${2n ** 185n + 1n}`, `${2n ** 186n}`, tooLate]) {
      expect(outcome(() => kinesaliteDb.parseSequence(odd))).toEqual(
        outcome(() => bignumber.parseSequence(odd)),
      );
    }
  });
});

describe('the local servers', () => {
  it.each(['CREATING', 'UPDATING', 'DELETING'])(
    'has what was %s when they were killed as it was before',
    async (status) => {
      const before = await start({ dataDirectory });
      await Promise.all([makeStream(before), makeTable(before)]);
      await before.close();
      const streams = bignumber.create({ path: join(dataDirectory, 'kinesis') });
      await change(streams.metaDb, STREAM, { StreamStatus: status });
      await streams.db.close();
      const tables = ownDatabase.create({ path: join(dataDirectory, 'dynamodb') });
      await change(tables.tableDb, TABLE, { TableStatus: status });
      await tables.db.close();

      const after = await start({ dataDirectory });
      const made = [makeStream(after), makeTable(after)];
      if (status !== 'CREATING')
        for (const one of made) await expect(one).rejects.toMatchObject({ name: 'ResourceInUseException' });
      await Promise.allSettled(made);
      const { StreamDescription } = await after.kinesis.send(
        new DescribeStreamCommand({ StreamName: STREAM }),
      );
      const { Table } = await after.dynamodb.send(new DescribeTableCommand({ TableName: TABLE }));
      expect([StreamDescription?.StreamStatus, Table?.TableStatus]).toEqual(['ACTIVE', 'ACTIVE']);
      expect(StreamDescription?.Shards).toHaveLength(1);
      const { Records } = await after.kinesis.send(
        new PutRecordsCommand({
          StreamName: STREAM,
          Records: [{ Data: Buffer.from('{}'), PartitionKey: 'a' }],
        }),
      );
      expect(Records?.[0]?.ErrorCode).toBeUndefined();
    },
  );

  it('keep what they acknowledged when their process is killed, and their lock until then', async () => {
    const child = runInNewProcess(`
      const { endpoints } = await startServers({ dataDirectory: ${JSON.stringify(dataDirectory)} });
      process.send({ endpoints });
    `);
    const [{ endpoints }] = await once(child, 'message');
    const before = clientsOf({ endpoints });
    await Promise.all([makeStream(before), makeTable(before), makeBucket(before)]);
    await expect(startServers({ dataDirectory })).rejects.toThrow(
      `Cannot keep data in "${dataDirectory}" as it must serve one local run at a time: another one is using it`,
    );

    const acknowledged: number[] = [];
    const writeUntilKilled = async () => {
      for (let turn = 0; ; turn += 1) {
        await Promise.all([
          putRecords(before, [`${turn}`]),
          putItem(before, turn),
          putObject(before, `${turn}`, `object ${turn}`),
        ]);
        acknowledged.push(turn);
        if (turn === 20) child.kill('SIGKILL');
      }
    };
    await expect(writeUntilKilled()).rejects.toThrow();
    await once(child, 'exit');

    const after = await start({ dataDirectory });
    const { values } = await readStream(after);
    expect(values.slice(0, acknowledged.length)).toEqual(acknowledged.map(String));
    const latest = await latestItem(after);
    expect(latest?.ordinal).toBeGreaterThanOrEqual(acknowledged.length - 1);
    expect(latest?.body.toString()).toBe(`body ${latest?.ordinal}`);
    for (const turn of acknowledged) {
      expect(await getObject(after, `${turn}`)).toMatchObject({ body: `object ${turn}` });
    }
    await putRecords(after, ['more']);
    expect((await readStream(after)).values).toEqual([...values, 'more']);
  });

  it('refuse a directory that is in use in this process, or that cannot be one', async () => {
    const first = await start({ dataDirectory });
    await expect(startServers({ dataDirectory })).rejects.toThrow('another one is using it');
    await first.close();
    await start({ dataDirectory });

    const file = join(dataDirectory, 'file');
    writeFileSync(file, '');
    await expect(startServers({ dataDirectory: file })).rejects.toThrow(
      `Cannot keep data in "${file}" as it must be a directory that can be written, and empty or of an earlier run: file already exists`,
    );
  });

  it('listen where they are told to, and leave nothing behind when they cannot', async () => {
    const first = await start();
    const { endpoints } = first;
    const ports = {
      kinesis: portOf(endpoints.kinesis),
      dynamodb: portOf(endpoints.dynamodb),
      s3: portOf(endpoints.s3),
    };
    for (const [server, port] of Object.entries(ports)) {
      await expect(startServers({ ports: { [server]: port }, dataDirectory })).rejects.toThrow(
        'another program listens there',
      );
    }
    await first.close();

    expect((await start({ ports, dataDirectory })).endpoints).toEqual(endpoints);
  });

  const outside = Object.values(networkInterfaces())
    .flatMap((addresses) => addresses ?? [])
    .find(({ internal, family }) => !internal && family === 'IPv4');

  it.skipIf(!outside)('cannot be reached from outside (skipped where there is no outside)', async () => {
    const { endpoints } = await start();
    for (const endpoint of Object.values(endpoints)) {
      const socket = connect(portOf(endpoint), outside?.address ?? '');
      await expect(once(socket, 'connect')).rejects.toThrow('ECONNREFUSED');
    }
  });

  it('print nothing and let their process end once closed, whoever is still connected', async () => {
    const child = runInNewProcess(`
      const servers = await startServers({ dataDirectory: ${JSON.stringify(dataDirectory)} });
      process.send(servers);
      process.once('message', async () => {
        process.disconnect();
        await servers.close();
      });
    `);
    assert(child.stdout && child.stderr);
    const printed = Promise.all([text(child.stdout), text(child.stderr)]);
    const [servers] = await once(child, 'message');
    const connected = clientsOf(servers);
    await Promise.all([makeStream(connected), makeTable(connected), makeBucket(connected)]);
    await Promise.all(Object.values<string>(servers.endpoints).map(sendHalfRequest));
    child.send('close');

    expect(await once(child, 'exit')).toEqual([0, null]);
    expect(await printed).toEqual(['', '']);
  });

  it('close while requests are under way, and keep those that were answered', async () => {
    const before = await start({ dataDirectory });
    await Promise.all([makeStream(before), makeTable(before)]);
    const values = Array.from({ length: 100 }, (_, index) => `${index}`);
    const puts = values.map(async (value) => {
      await Promise.all([putRecords(before, [value]), putItem(before, Number(value))]);
      return value;
    });
    await Promise.race(puts);
    await before.close();
    await before.close();
    const answered = (await Promise.allSettled(puts)).flatMap((put) =>
      put.status === 'fulfilled' ? [put.value] : [],
    );

    const after = await start({ dataDirectory });
    expect((await readStream(after)).values).toEqual(expect.arrayContaining(answered));
    for (const value of answered) await expect(putItem(after, Number(value))).rejects.toThrow('conditional');
  });

  it('close though a request is never answered', async () => {
    const server = createServer();
    const { endpoint, close } = await runServer(server, 0);
    const received = new Promise<void>((resolve) => {
      server.on('request', (request) => request.on('end', resolve).resume());
    });
    const socket = connect(portOf(endpoint), '127.0.0.1');
    socket.write('GET / HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n');
    await received;

    vi.useFakeTimers({ toFake: ['setTimeout'] });
    const closed = close();
    vi.runAllTimers();
    vi.useRealTimers();
    await closed;
  });

  it('take no request that arrives once they close', async () => {
    const taken: unknown[] = [];
    const server = createServer((request, response) => {
      taken.push(request);
      response.end();
    });
    const { endpoint, close } = await runServer(server, 0);
    const closeServer = server.close.bind(server);
    server.close = (done) => {
      const late = connect(portOf(endpoint), '127.0.0.1');
      late.on('error', () => {}).write('GET / HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n');
      late.once('close', () => closeServer(done)).once('data', () => late.destroy());
      return server;
    };
    await close();
    expect(taken).toEqual([]);
  });

  it('survive clients that hang up in the middle of a request', async () => {
    const servers = await start();
    for (const endpoint of Object.values(servers.endpoints)) {
      const socket = await sendHalfRequest(endpoint);
      socket.resetAndDestroy();
      await once(socket, 'close');
    }
    await Promise.all([makeStream(servers), makeTable(servers), makeBucket(servers)]);
  });
});
