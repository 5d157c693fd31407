import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ReceiveMessageCommand } from '@aws-sdk/client-sqs';
import { afterAll, afterEach, expect, it, vi } from 'vitest';
import { backfillCommand } from '../../src/commands/backfill.ts';
import { createTally } from '../../src/commands/tally.ts';
import { count, definePipeline, kinesis, rolling, sink, stream } from '../../src/index.ts';
import { startLocal } from '../../src/local/runtime.ts';
import { startServers } from '../../src/local/servers/servers.ts';
import { connectQueues, createQueue } from '../../src/local/sources/sqs.ts';

const data = mkdtempSync(join(tmpdir(), 'millrace-backfill-'));
afterAll(() => rmSync(data, { recursive: true }));
afterEach(() => vi.restoreAllMocks());

const delivered: string[] = [];
let arrived = () => {};
const both = new Promise<void>((settle) => {
  arrived = settle;
});
const readings = definePipeline('readings', kinesis<{ readonly id: string; readonly at: number }>(), {
  key: ({ id }) => id,
  eventTime: ({ at }) => at,
  windows: { each: rolling({ count: 1 }, { n: count() }) },
}).to(
  stream({ to: 'sqs' }),
  sink({
    name: 'own',
    deliver(_, { ids }) {
      delivered.push(...ids);
      if (delivered.length === 2) arrived();
    },
  }),
  sink({
    name: 'broken',
    deliver: () => {},
    when: () => {
      throw new Error('no');
    },
  }),
);

it('sends the panes of the sink that is named again, and of no other', { timeout: 60_000 }, async () => {
  const runtime = await startLocal({
    pipeline: readings,
    telemetry: createTally(readings),
    dataDirectory: data,
    startServers,
  });
  const { ports } = runtime;
  for (const n of [1, 2]) {
    await runtime.source.put('pump', Buffer.from(JSON.stringify({ id: 'pump', at: ports.clock.now() + n })));
  }
  await both;
  await runtime.projected();
  await runtime.close();
  const ids = ['readings/pump/each/0/0', 'readings/pump/each/1/0'];
  expect(delivered).toEqual(ids);
  const told: string[] = [];
  vi.spyOn(process.stdout, 'write').mockImplementation((text) => told.push(String(text)) > 0);

  expect(await backfillCommand(readings, { data, sink: 'own', name: 'again' })).toBe(0);
  expect(delivered).toEqual([...ids, ...ids]);
  expect(told.join('')).toMatch(
    /^Backfill "again" of "readings" to sink own is done: 2 panes of \d+ entr\w+ written\n$/,
  );
  told.length = 0;
  await backfillCommand(readings, { data, sink: 'broken', name: 'again' });
  expect(told.join('')).toContain('; 2 panes left out, of which no message could be made');
  await backfillCommand(readings, { data, sink: 'stream', name: 'again' });
  expect(delivered).toHaveLength(4);

  const servers = await startServers({ dataDirectory: data });
  const queues = connectQueues(servers.endpoints.s3);
  const QueueUrl = await createQueue(queues, 'readings-to-stream', false);
  const { Messages = [] } = await queues.send(
    new ReceiveMessageCommand({ QueueUrl, MaxNumberOfMessages: 10 }),
  );
  queues.destroy();
  await servers.close();
  expect(Messages.map(({ Body = '' }) => JSON.parse(Body).id).toSorted()).toEqual(
    [...ids, ...ids].toSorted(),
  );
});

it.each([
  [
    { sink: 'pager' },
    'Cannot backfill the sink "pager" of "readings" as it must be one of its notify(), stream() and sink(): they are stream, own, broken',
  ],
  [{ sink: 'own', rows: true }, 'give one of --rows, --bucket and --sink'],
  [{}, 'give one of --rows, --bucket and --sink'],
  [
    { sink: 'stream', to: 'https://sqs', data },
    'Cannot send to both a directory and a stack: leave --to out',
  ],
])('is refused where it is not known where to: %j', async (options, message) => {
  await expect(backfillCommand(readings, options)).rejects.toThrow(message);
});
