import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { KinesisStreamEvent } from 'aws-lambda';
import { afterAll, beforeAll, expect, it, vi } from 'vitest';
import { withKept } from '../../src/commands/kept.ts';
import { redriveFailedCommand } from '../../src/commands/refused.ts';
import { createTally } from '../../src/commands/tally.ts';
import { audit } from '../../src/engine/inspect/audit.ts';
import { bucket, count, definePipeline, kinesis, tumbling } from '../../src/index.ts';
import { NO_KEY } from '../../src/local/replay.ts';
import { resourceNames } from '../../src/local/resources.ts';
import { startLocal } from '../../src/local/runtime.ts';
import type { Handle } from '../../src/local/sources/source.ts';
import { runLocally } from './local.ts';

const NOON = Date.UTC(2026, 0, 5, 12);

const meters = definePipeline('meters', kinesis<{ machine: string; at: number; celsius: number }>(), {
  key: ({ machine }) => machine,
  eventTime: ({ at }) => at,
  groups: 2,
  windows: { minute: tumbling({ size: '1m' }, { n: count() }) },
}).to(bucket());

/** Readings, of which the last but one is cold. */
const lines = Array.from({ length: 9 }, (_, n) =>
  JSON.stringify({ machine: `m${n % 3}`, at: NOON + 1_000 * n, celsius: n === 7 ? -1 : 20 }),
);

/** Fails every batch that has a cold reading, before anything of it is taken in. */
const failing =
  (seen: number[]) =>
  (handle: Handle): Handle =>
  async (event) => {
    const { Records } = event as KinesisStreamEvent;
    seen.push(Records.length);
    const texts = Records.map(({ kinesis: { data } }) => Buffer.from(data, 'base64').toString());
    if (texts.some((text) => text.includes('"celsius":-1'))) throw new Error('it is cold');
    return handle(event);
  };

let data: string;
beforeAll(async () => {
  data = await mkdtemp(join(tmpdir(), 'millrace-'));
});
afterAll(() => rm(data, { recursive: true }));

it('a local run gives up what its mapping is told to, and redrives it once from its failures bucket', async () => {
  const names = resourceNames(meters);
  const batches: number[] = [];
  const runtime = await startLocal({
    pipeline: meters,
    telemetry: createTally(meters),
    dataDirectory: data,
    deliver: failing(batches),
    mapping: { maxRetries: 1 },
    startServers: (await import('../../src/local/servers/servers.ts')).startServers,
  });
  try {
    const feed = await runtime.source.openFeed();
    for (const line of lines.slice(0, 8)) expect(await feed.send(NO_KEY, Buffer.from(line))).toBe(true);
    await feed.flush();
    await feed.handled();
  } finally {
    await runtime.close();
  }
  // A batch that fails is cut in half, as by the mapping that stacks deploy, until the cold reading is alone.
  expect(batches).toEqual([8, 4, 4, 2, 2, 1, 1, 1]);

  const objects = await withKept(meters, { data }, async ({ bucketReader }) => {
    const reader = await bucketReader(names.failuresBucket);
    const found: string[] = [];
    for await (const object of reader.list('aws/lambda/')) found.push(object);
    return found;
  });
  expect(objects).toHaveLength(1);
  for (const object of objects) {
    expect(object).toMatch(
      /^aws\/lambda\/[0-9a-f-]{36}\/shardId-0{12}\/\d{4}\/\d\d\/\d\d\/\d{4}-\d\d-\d\dT\d\d\.\d\d\.\d\d-[0-9a-f-]{36}$/,
    );
  }

  const printed: string[] = [];
  const stdout = vi
    .spyOn(process.stdout, 'write')
    .mockImplementation((text) => printed.push(String(text)) > 0);
  const redrive = () => redriveFailedCommand(meters, { data, failuresBucket: names.failuresBucket });
  try {
    await redrive();
    await redrive();
  } finally {
    stdout.mockRestore();
  }
  expect(printed).toEqual([
    '"meters" took 1 failed record in again: 1 applied, 0 late for every window, 0 refused again, 0 filtered\n',
    '"meters" has no failed record to redrive\n',
  ]);

  // The mapping of the next run goes on after what was given up: it would be taken in a second time else. The last
  // reading shows the sweeper that what comes before it is handled.
  const { panes, replayed } = await runLocally(meters, lines, { dataDirectory: data });
  expect(replayed).toMatchObject({ read: 9, resumed: 8, applied: 9, open: 0 });
  const counts = panes.map((pane) => JSON.parse(pane).results.n as number);
  expect(counts.reduce((sum, n) => sum + n, 0)).toBe(9);
  const { findings } = await withKept(meters, { data }, ({ ports }) => audit(ports, meters));
  expect(findings).toEqual([]);
});

it('a run ends where what was given up stands last in its shard, and says that windows stay open', async () => {
  const { panes, replayed } = await runLocally(meters, lines.slice(0, 8), {
    deliver: failing([]),
    mapping: { maxRetries: 1 },
  });
  expect(replayed).toMatchObject({ read: 8, applied: 7, open: 3 });
  expect(panes).toEqual([]);
});
