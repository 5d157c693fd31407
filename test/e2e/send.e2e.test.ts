import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { CreateQueueCommand, ReceiveMessageCommand, SQSClient } from '@aws-sdk/client-sqs';
import { buildApp } from 'fauxqs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { WebSocketServer } from 'ws';
import { unpackRecords } from '../../src/adapters/kinesis/kpl.ts';
import { type Clients, connect, disconnect } from '../../src/local/resources.ts';
import { type LocalServers, startServers } from '../../src/local/servers/servers.ts';
import { createStream } from '../../src/local/sources/kinesis.ts';
import { readShard } from '../../src/local/sources/kinesis-shard.ts';
import { type Host, startHost } from './command.ts';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));

let folder: string;
let servers: LocalServers;
let clients: Clients;
let host: Host;
let env: Record<string, string>;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'millrace-'));
  servers = await startServers({});
  clients = connect(servers.endpoints);
  host = await startHost({ cwd: folder });
  env = {
    AWS_REGION: 'us-east-1',
    AWS_ACCESS_KEY_ID: 'local',
    AWS_SECRET_ACCESS_KEY: 'local',
    AWS_ENDPOINT_URL_KINESIS: servers.endpoints.kinesis,
  };
});

afterAll(async () => {
  host.close();
  disconnect(clients);
  await servers.close();
  await rm(folder, { recursive: true });
});

interface Reading {
  readonly meter: string;
  readonly number: number;
}

const readingsOf = (count: number): readonly Reading[] =>
  Array.from({ length: count }, (_, number) => ({ meter: `meter ${number % 17}`, number }));

function write(name: string, readings: readonly Reading[]): string {
  writeFileSync(join(folder, name), readings.map((reading) => `${JSON.stringify(reading)}\n`).join(''));
  return name;
}

/** What a stream holds, shard by shard, and in how many records of its own. */
async function held(stream: string, shards = 2) {
  const readings: Reading[] = [];
  let records = 0;
  for (let at = 0; at < shards; at++) {
    for await (const page of readShard(clients.kinesis, stream, `shardId-00000000000${at}`)) {
      if (page.length === 0) break;
      for (const { Data = new Uint8Array() } of page) {
        records++;
        for (const { data } of unpackRecords(Data) ?? [{ data: Data }])
          readings.push(JSON.parse(Buffer.from(data).toString()));
      }
    }
  }
  return { readings, records };
}

const numbers = (readings: readonly Reading[]): readonly number[] => readings.map(({ number }) => number);

/** The numbers of each meter's readings, in the order in which they first came. */
function firstTimes(readings: readonly Reading[]): ReadonlyMap<string, readonly number[]> {
  const seen = new Map<string, Set<number>>();
  for (const { meter, number } of readings) seen.set(meter, (seen.get(meter) ?? new Set()).add(number));
  return new Map([...seen].map(([meter, times]) => [meter, [...times]]));
}

function expectAllInOrder(readings: readonly Reading[], count: number): void {
  expect(new Set(numbers(readings)).size).toBe(count);
  for (const times of firstTimes(readings).values()) expect(times).toEqual(times.toSorted((a, b) => a - b));
}

/** A process of its own, which can be killed. */
const begin = (args: readonly string[]) =>
  spawn(process.execPath, ['--import', import.meta.resolve('tsx'), `${ROOT}bin/millrace.ts`, ...args], {
    cwd: folder,
    env: { ...process.env, ...env },
    stdio: ['pipe', 'ignore', 'pipe'],
  });

/** Waits until something is so, a turn of the event loop at a time. */
async function until(isSo: () => boolean | Promise<boolean>): Promise<void> {
  while (!(await isSo())) await new Promise((turn) => setImmediate(turn));
}

describe('send', () => {
  it('packs the records of a file, in order for each key', async () => {
    await createStream(clients.kinesis, 'packed', 2);
    const file = write('packed.ndjson', readingsOf(3_000));
    const { stderr, code } = await host.run(['send', 'stream:packed', file, '--key', 'meter'], env);
    expect(stderr).toMatch(/^3,000 records were sent to stream packed in .*, in \d+ entries\n$/);
    expect(code).toBe(0);
    const { readings, records } = await held('packed');
    expect(readings).toHaveLength(3_000);
    expectAllInOrder(readings, 3_000);
    expect(records).toBeLessThan(100);
    expect(existsSync(join(folder, 'packed.ndjson.sent.json'))).toBe(false);
  });

  it('finds the stream, the key and the slices of a pipeline', async () => {
    await createStream(clients.kinesis, 'meters', 2);
    writeFileSync(
      join(folder, 'meters.ts'),
      `import { count, definePipeline, kinesis, tumbling } from '${ROOT}src/index.ts';
       export default definePipeline('meters', kinesis({ shards: 2 }), {
         key: (reading) => reading.meter,
         eventTime: (reading) => reading.number,
         windows: { minute: tumbling({ size: '1m' }, { readings: count() }) },
       });`,
    );
    writeFileSync(join(folder, 'meters.csv'), 'meter;number\na;1\nb;2\na;3\n');
    const { stderr, code } = await host.run(['send', 'meters.ts', 'meters.csv'], env);
    expect(stderr).toMatch(/^3 records were sent to stream meters /);
    expect(code).toBe(0);
    const { readings } = await held('meters');
    expect(numbers(readings).toSorted()).toEqual([1, 2, 3]);
  });

  it('sends what has no key, and says so', async () => {
    await createStream(clients.kinesis, 'keyless', 2);
    writeFileSync(join(folder, 'keyless.ndjson'), '{"meter":"a","number":1}\n{"number":2}\n');
    const { stderr, code } = await host.run(['send', 'stream:keyless', 'keyless.ndjson', '-k', 'meter'], env);
    expect(stderr).toMatch(/; 1 record has no key\n$/);
    expect(code).toBe(1);
    expect((await held('keyless')).readings).toHaveLength(2);
  });

  it('goes on after it was killed, and says what may be sent twice', async () => {
    await createStream(clients.kinesis, 'killed', 2);
    const file = write('killed.ndjson', readingsOf(3_000));
    const place = join(folder, 'killed.ndjson.sent.json');
    const args = ['send', 'stream:killed', file, '--key', 'meter'];
    const sent = () => (existsSync(place) ? JSON.parse(readFileSync(place, 'utf8')) : { sent: 0, upTo: 0 });
    // It would take a minute and more.
    const killed = begin([...args, '--rate', '1000']);
    await until(() => sent().sent > 0);
    killed.kill('SIGKILL');
    await once(killed, 'exit');
    const before = sent();
    const atOnce = numbers((await held('killed')).readings);
    expect(atOnce.length).toBeLessThan(3_000);
    for (let number = 0; number < before.sent; number++) expect(atOnce).toContain(number);
    for (const number of atOnce) expect(number).toBeLessThan(before.upTo);

    const { stderr, code } = await host.run(args, env);
    const range = `${(before.sent + 1).toLocaleString('en')} to ${before.upTo.toLocaleString('en')}`;
    expect(stderr).toContain(`killed.ndjson.sent.json says; records ${range} may be sent twice\n`);
    expect(code).toBe(0);
    const { readings } = await held('killed');
    expectAllInOrder(readings, 3_000);
    expect(existsSync(place)).toBe(false);
  });

  it('goes on after Ctrl-C without sending anything twice', async () => {
    await createStream(clients.kinesis, 'stopped', 2);
    const args = ['send', 'stream:stopped', '-', '--key', 'meter', '--checkpoint', 'stopped.json'];
    const lines = readingsOf(1_500).map((reading) => `${JSON.stringify(reading)}\n`);
    const stopped = begin(args);
    let said = '';
    stopped.stderr.on('data', (text) => {
      said += text;
    });
    stopped.stdin.write(lines.slice(0, 1_234).join(''));
    await until(async () => (await held('stopped')).readings.length === 1_234);
    stopped.kill('SIGINT');
    expect(await once(stopped, 'exit')).toEqual([130, null]);
    expect(said).toContain('Interrupted after record 1,234; the same command goes on there');

    const again = begin(args);
    again.stdin.end(lines.join(''));
    expect(await once(again, 'exit')).toEqual([0, null]);
    const { readings } = await held('stopped');
    expect(readings).toHaveLength(1_500);
    expectAllInOrder(readings, 1_500);
  });

  it('refuses to go on with another input, or with another target', async () => {
    const file = write('changed.ndjson', readingsOf(10));
    const stored = { target: 'stream packed', run: 'r', sent: 5, digest: 'of something else', upTo: 9 };
    writeFileSync(join(folder, 'changed.ndjson.sent.json'), JSON.stringify(stored));
    const { stderr, code } = await host.run(['send', 'stream:packed', file, '--key', 'meter'], env);
    expect(stderr).toContain(
      'Cannot go on as the input must begin with the 5 records that changed.ndjson.sent.json says were sent: they are others; remove that file to send everything\n',
    );
    expect(code).toBe(1);
    const other = await host.run(['send', 'stream:meters', file, '--key', 'meter'], env);
    expect(other.stderr).toBe(
      'Cannot go on by changed.ndjson.sent.json as it must be of stream meters: it is of stream packed; remove that file to send everything\n',
    );
  });

  it('says that a stream is not there', async () => {
    const file = write('lost.ndjson', readingsOf(3));
    const { stderr, code } = await host.run(['send', 'stream:lost', file, '--key', 'meter'], env);
    expect(stderr).toMatch(
      /^Cannot send to stream lost as it must take records: Stream lost .* not found; records not known to be taken: 3\n$/,
    );
    expect(code).toBe(1);
  });

  it('sends the messages of a WebSocket until the other side closes it', async () => {
    await createStream(clients.kinesis, 'live', 2);
    const server = new WebSocketServer({ port: 0, host: '127.0.0.1' });
    await once(server, 'listening');
    const url = `ws://127.0.0.1:${(server.address() as AddressInfo).port}/`;
    server.once('connection', (socket) => {
      for (const reading of readingsOf(500)) socket.send(JSON.stringify(reading));
      socket.close();
    });
    const { stderr, code } = await host.run(['send', 'stream:live', url, '--key', 'meter'], env);
    expect(stderr).toMatch(/^500 records were sent to stream live /);
    expect(code).toBe(0);
    expectAllInOrder((await held('live')).readings, 500);

    server.once('connection', (socket) => {
      socket.send('{"meter":"a","number":500}', () => socket.terminate());
    });
    const lost = await host.run(['send', 'stream:live', url, '--key', 'meter'], env);
    expect(lost.stderr).toMatch(
      /^Cannot read ws:.*, after 1 message: the connection was lost \(close code 1006\)\n$/,
    );
    expect(lost.code).toBe(1);
    server.close();
  });

  it('sends to a queue, and to a FIFO queue by groups', async () => {
    const app = buildApp({ logger: false });
    const endpoint = await app.listen({ port: 0, host: '127.0.0.1' });
    const queues = { ...env, AWS_ENDPOINT_URL_SQS: endpoint };
    const client = new SQSClient({
      endpoint,
      useQueueUrlAsEndpoint: false,
      region: 'us-east-1',
      credentials: { accessKeyId: 'local', secretAccessKey: 'local' },
    });
    const FifoQueue = { FifoQueue: 'true' };
    const create = async (QueueName: string, Attributes = {}) =>
      (await client.send(new CreateQueueCommand({ QueueName, Attributes }))).QueueUrl ?? '';
    const plain = await create('plain');
    const groups = await create('groups.fifo', FifoQueue);
    const file = write('queued.ndjson', readingsOf(60));
    const received = async (QueueUrl: string) => {
      const readings: Reading[] = [];
      for (;;) {
        const { Messages = [] } = await client.send(
          new ReceiveMessageCommand({
            QueueUrl,
            MaxNumberOfMessages: 10,
            VisibilityTimeout: 600,
          }),
        );
        if (Messages.length === 0) return readings;
        readings.push(...Messages.map(({ Body = '' }) => JSON.parse(Body)));
      }
    };
    expect((await host.run(['send', 'queue:plain', file], queues)).code).toBe(0);
    expect(new Set(numbers(await received(plain))).size).toBe(60);
    const fifo = await host.run(['send', 'queue:groups.fifo', file, '--key', 'meter'], queues);
    expect(fifo.stderr).toMatch(/^60 records were sent to queue groups.fifo /);
    const first = await received(groups);
    expect(first.length).toBeGreaterThan(0);
    for (const times of firstTimes(first).values()) expect(times).toEqual(times.toSorted((a, b) => a - b));
    client.destroy();
    await app.close();
  });
});
