import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DeleteItemCommand, PutItemCommand, QueryCommand } from '@aws-sdk/client-dynamodb';
import {
  DeleteObjectCommand,
  GetObjectCommand,
  ListObjectsV2Command,
  PutObjectCommand,
} from '@aws-sdk/client-s3';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { flights } from '../../functions/flights/pipeline.ts';
import { groupOf, hashOf } from '../../src/engine/group/key-group.ts';
import { resourceNames } from '../../src/local/resources.ts';
import { groupLog, PANES_PREFIX, ROWS_KEY, STATE_KEY } from '../../src/wiring/names.ts';
import { millrace, tampering } from './command.ts';
import { readFlights } from './flights.ts';
import { runLocally } from './local.ts';

const KEY = 'SEA';

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'millrace-'));
  const lines = readFlights(600).map((flight) => JSON.stringify(flight));
  await runLocally(flights, lines, { dataDirectory: folder, batchSize: 100 });
});
afterAll(() => rm(folder, { recursive: true }));

const names = resourceNames(flights);

/** The log of another group than the key's: what an entry held that is gone cannot be held against rows. */
const [log = ''] = [...Array(flights.groups).keys()]
  .filter((group) => group !== groupOf(hashOf(KEY), flights.groups))
  .map((group) => groupLog('flights', 1, group));

it('finds nothing in what a run kept, and explains a key of it', { timeout: 120_000 }, async () => {
  const audited = await millrace('audit', 'flights', '--data', folder);
  expect(audited.stdout).toContain('600 taken in: 600 applied, 0 late for every window, 0 poison');
  expect(audited.stdout).toContain('Nothing found');
  expect(audited.code).toBe(0);

  const explained = await millrace('explain', 'flights', KEY, '--data', folder, '--json');
  expect(JSON.parse(explained.stdout)).toMatchObject({
    key: KEY,
    group: { log: groupLog('flights', 1, groupOf(hashOf(KEY), flights.groups)) },
    windows: expect.arrayContaining([{ window: 'lastTen', waitsFor: 'records', open: 0, first: [] }]),
  });
  expect(explained.code).toBe(0);
  const told = await millrace('explain', 'flights', KEY, '--data', folder);
  expect(told.stdout).toMatch(/^Key "SEA" of "flights".*Last commits of the group/s);

  const unknown = await millrace('explain', 'flights', 'nowhere', '--data', folder);
  expect(unknown).toMatchObject({ stdout: '', code: 1 });
  expect(unknown.stderr).toMatch(/^Cannot explain a key that has no state: log flights\/1\/\d/);
});

it('finds a pane doubled, an object deleted, a row altered and an entry removed', {
  timeout: 120_000,
}, async () => {
  const planted = await tampering(folder, async ({ dynamodb, s3 }) => {
    const { Contents = [] } = await s3.send(
      new ListObjectsV2Command({ Bucket: names.bucket, Prefix: PANES_PREFIX }),
    );
    const [kept, deleted] = Contents.map(({ Key }) => Key as string) as [string, string];
    const { Body } = await s3.send(new GetObjectCommand({ Bucket: names.bucket, Key: kept }));
    const stray = kept.replace(/\d{12}/, '999999999999');
    const bytes = (await Body?.transformToByteArray()) as Uint8Array;
    await s3.send(new PutObjectCommand({ Bucket: names.bucket, Key: stray, Body: bytes }));
    await s3.send(new DeleteObjectCommand({ Bucket: names.bucket, Key: deleted }));

    const { Items = [] } = await dynamodb.send(
      new QueryCommand({
        TableName: names.rowsTable,
        KeyConditionExpression: '#key = :key',
        ExpressionAttributeNames: { '#key': ROWS_KEY.partition },
        ExpressionAttributeValues: { ':key': { S: `flights#${KEY}` } },
      }),
    );
    const row = Items[0] as Record<string, { S: string }>;
    await dynamodb.send(
      new PutItemCommand({ TableName: names.rowsTable, Item: { ...row, count: { N: '12345' } } }),
    );
    await dynamodb.send(
      new DeleteItemCommand({
        TableName: names.stateTable,
        Key: { [STATE_KEY.partition]: { S: log }, [STATE_KEY.sort]: { N: '2' } },
      }),
    );
    return { kept, deleted, stray, row: row[ROWS_KEY.sort]?.S };
  });

  const { stdout, code } = await millrace('audit', 'flights', '--data', folder, '--json');
  expect(code).toBe(1);
  const { findings, counts } = JSON.parse(stdout);
  expect(findings).toContainEqual({ kind: 'gap', log, after: 1, next: 3 });
  expect(findings).toContainEqual({ kind: 'stray-object', object: planted.stray });
  expect(findings).toContainEqual(
    expect.objectContaining({ kind: 'doubled-pane', object: planted.stray, other: planted.kept }),
  );
  expect(findings).toContainEqual(
    expect.objectContaining({ kind: 'missing-object', object: planted.deleted }),
  );
  expect(findings).toContainEqual({
    kind: 'differing-row',
    partition: `flights#${KEY}`,
    row: planted.row,
  });
  expect(Object.keys(counts).sort()).toEqual([
    'differing-row',
    'doubled-pane',
    'gap',
    'missing-object',
    'stray-object',
  ]);

  const shown = await millrace('audit', 'flights', '--data', folder);
  expect(shown.stdout).toContain('no entries after 1 until 3');
  expect(shown.code).toBe(1);
});
