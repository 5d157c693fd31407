import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DeleteItemCommand, GetItemCommand } from '@aws-sdk/client-dynamodb';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { flights } from '../../functions/flights/pipeline.ts';
import { paneLines } from '../../src/commands/panes.ts';
import { resourceNames } from '../../src/local/resources.ts';
import { ROWS_KEY } from '../../src/wiring/names.ts';
import { millrace, tampering } from './command.ts';
import { readFlights } from './flights.ts';
import { runLocally } from './local.ts';

const lines = readFlights(600).map((flight) => JSON.stringify(flight));
const names = resourceNames(flights);

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'millrace-'));
  await runLocally(flights, lines.slice(0, 400), { dataDirectory: folder, batchSize: 100 });
});
afterAll(() => rm(folder, { recursive: true }));

it('rescales what a run kept, on which the next run goes on', { timeout: 120_000 }, async () => {
  const first = await millrace('rescale', 'flights', '--groups', '16', '--data', folder);
  expect(first.stdout).toMatch(
    /^"flights" has 16 key groups, generation 2: all have begun, with \d+ keys\n$/,
  );
  expect(first.code).toBe(0);
  const again = await millrace('rescale', 'flights', '--groups', '16', '--data', folder);
  expect(again.stdout).toBe(first.stdout.replace('groups,', 'groups already,'));

  const { replayed } = await runLocally(flights, lines, { dataDirectory: folder, batchSize: 100 });
  expect(replayed).toMatchObject({ read: 600, resumed: 400, applied: 600 });
  const audited = await millrace('audit', 'flights', '--data', folder);
  expect(audited.stdout).toContain('600 taken in: 600 applied');
  expect(audited.stdout).toContain('16 groups of generation 2');
  expect(audited.stdout).toContain('Nothing found');
});

it('goes on from what a table holds, under new names', { timeout: 120_000 }, async () => {
  const { stdout, code } = await millrace('restore', 'flights', '--data', folder);
  expect(stdout).toMatch(
    /^"flights" goes on from what its state table holds, as incarnation \d+: 0 objects set aside under superseded\/\nIts source must be read again: .+ AT_TIMESTAMP .+Z\. Earlier is never wrong\n.+\/shardId-0+: from sequence number \d+ on, or from /,
  );
  expect(code).toBe(0);
  expect((await millrace('audit', 'flights', '--data', folder)).stdout).toContain('Nothing found');
});

it('backfills another bucket, each pane once', { timeout: 120_000 }, async () => {
  const panesOf = (bucket: string) =>
    tampering(folder, async ({ s3 }) => {
      const panes: string[] = [];
      for await (const pane of paneLines(s3, bucket)) panes.push(pane);
      return panes.sort();
    });
  const args = ['backfill', 'flights', '--bucket', 'copies', '--format', 'parquet', '--data', folder];
  const { stdout, code } = await millrace(...args);
  const panes = await panesOf(names.bucket);
  expect(stdout).toMatch(/^Backfill "copies" of "flights" to bucket copies is done: /);
  expect(stdout).toContain(`${panes.length.toLocaleString('en-US')} panes of `);
  expect(code).toBe(0);
  expect(await panesOf('copies')).toEqual(panes);
  expect((await millrace(...args)).stdout).toContain('is done: 0 panes of 0 entries written');
  expect(await panesOf('copies')).toEqual(panes);
});

it('backfills rows that were lost', { timeout: 120_000 }, async () => {
  const request = {
    TableName: names.rowsTable,
    Key: { [ROWS_KEY.partition]: { S: 'flights#SEA' }, [ROWS_KEY.sort]: { S: 'lastTen#latest' } },
  };
  const row = await tampering(folder, async ({ dynamodb }) => {
    const { Item } = await dynamodb.send(new GetItemCommand(request));
    await dynamodb.send(new DeleteItemCommand(request));
    return Item;
  });
  expect(row).toBeDefined();
  const { stdout, code } = await millrace('backfill', 'flights', '--rows', '--data', folder);
  expect(stdout).toMatch(/^Backfill "\d{4}-\d\d-\d\d" of "flights" to rows is done: /);
  expect(code).toBe(0);
  const restored = await tampering(folder, ({ dynamodb }) => dynamodb.send(new GetItemCommand(request)));
  expect(restored.Item).toEqual(row);
});
