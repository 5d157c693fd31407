import { once } from 'node:events';
import { type AddressInfo, createServer } from 'node:net';
import type { ConnectionOptions } from 'node:tls';
import kafkajs from 'kafkajs';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import type { KafkaClient, KafkaServer } from '../../src/local/servers/index.ts';
import { kafkaLacks, startKafka } from '../../src/local/servers/kafka.ts';
import { askLeaders, openKafkaClient, socketFactory } from '../../src/local/servers/kafka-client.ts';

describe('a machine without what Kafka needs', () => {
  const having = (programs: Readonly<Record<string, string>>) => async (program: string) => programs[program];

  it('is told which Java to install', async () => {
    expect(await kafkaLacks(having({}))).toBe(
      'Cannot start Kafka as Java 17 or later must be installed: there is no program java; install it (Debian: apt-get install openjdk-17-jre-headless), or give the address of a broker that runs: --broker host:port',
    );
    expect(await kafkaLacks(having({ java: 'openjdk version "1.8.0_392"' }))).toContain('it is Java 1;');
    expect(await kafkaLacks(having({ java: 'openjdk version "11.0.2"' }))).toContain('it is Java 11;');
  });

  it('is told to install Maven, unless Kafka was downloaded before', async () => {
    const cache = process.env['XDG_CACHE_HOME'];
    process.env['XDG_CACHE_HOME'] = '/nowhere';
    try {
      expect(await kafkaLacks(having({ java: 'version "17.0.1"' }))).toContain(
        'Cannot download Kafka as Maven must be installed: there is no program mvn',
      );
      expect(await kafkaLacks(having({ java: 'version "21"', mvn: 'Apache Maven 3' }))).toBeUndefined();
    } finally {
      if (cache === undefined) delete process.env['XDG_CACHE_HOME'];
      else process.env['XDG_CACHE_HOME'] = cache;
    }
  });
});

it.each([
  [
    '127.0.0.1:1',
    'Cannot read Kafka as a broker must listen at 127.0.0.1:1: connect ECONNREFUSED 127.0.0.1:1',
  ],
  ['plant', 'Cannot read Kafka as the address of its broker must be host:port: it is "plant"'],
  ['127.0.0.1:99999', /^Cannot read Kafka as a broker must listen at 127.0.0.1:99999: /],
])('a broker at %s is refused at once', async (address, message) => {
  await expect(openKafkaClient(address)).rejects.toThrow(message);
});

describe('a partition whose broker answers that', () => {
  const answer = (type: string, retriable: boolean) =>
    new kafkajs.KafkaJSProtocolError(Object.assign(new Error(type), { type, code: 0, retriable }));

  /** Asks until it is answered, where the first answers are these errors. */
  async function asked(errors: readonly Error[]): Promise<{ result: string; reads: number }> {
    vi.useFakeTimers();
    try {
      const left = [...errors];
      const targetTopics = new Set<string>();
      let reads = 0;
      const reader = {
        targetTopics,
        async addTargetTopic(topic: string) {
          if (!targetTopics.has(topic)) reads++;
          targetTopics.add(topic);
        },
      };
      const asking = askLeaders(reader, 'readings', async () => {
        const error = left.shift();
        if (error) throw error;
        return 'answered';
      }).catch((error: Error) => error.message);
      await vi.runAllTimersAsync();
      return { result: await asking, reads };
    } finally {
      vi.useRealTimers();
    }
  }

  it.each(['NOT_LEADER_FOR_PARTITION', 'LEADER_NOT_AVAILABLE', 'UNKNOWN_TOPIC_OR_PARTITION'])(
    '%s is asked again by new metadata, and given up where it does not pass',
    async (type) => {
      const error = answer(type, true);
      expect(await asked([error, error, error])).toEqual({ result: 'answered', reads: 4 });
      expect(await asked(Array(100).fill(error))).toEqual({ result: type, reads: 16 });
    },
  );

  it('there is no such offset is not asked again', async () => {
    const error = answer('OFFSET_OUT_OF_RANGE', false);
    expect(await asked([error])).toEqual({ result: 'OFFSET_OUT_OF_RANGE', reads: 1 });
  });

  it('its connection is lost is asked once more, as it may have been started again', async () => {
    const error = new kafkajs.KafkaJSConnectionError('lost');
    expect(await asked([error])).toEqual({ result: 'answered', reads: 2 });
    expect(await asked([error, error])).toEqual({ result: 'lost', reads: 2 });
  });
});

it('a closed socket that kafkajs disconnects again and again is not taken for a leak', async () => {
  const listener = createServer((socket) => socket.destroy()).listen(0, '127.0.0.1');
  await once(listener, 'listening');
  const warned = vi.fn();
  process.on('warning', warned);
  const { port } = listener.address() as AddressInfo;
  const ssl = undefined as unknown as ConnectionOptions;
  const socket = socketFactory({ host: '127.0.0.1', port, ssl, onConnect() {} });
  await once(socket.resume(), 'close');
  for (let times = 0; times < 20; times++) socket.unref();
  expect(socket.listenerCount('connect')).toBeGreaterThan(10);
  await new Promise((turn) => setImmediate(turn));
  process.off('warning', warned);
  listener.close();
  expect(warned).not.toHaveBeenCalled();
});

const lack = await kafkaLacks();

describe.skipIf(lack)(`a broker of Apache Kafka${lack ? ` (${lack})` : ''}`, () => {
  let server: KafkaServer;
  let client: KafkaClient;

  beforeAll(async () => {
    server = await startKafka();
    client = await openKafkaClient(server.broker);
  }, 120_000);

  afterAll(async () => {
    await client?.close();
    await server?.close();
  }, 60_000);

  const record = (partition: number, text: string) => ({ partition, key: 'key', value: Buffer.from(text) });

  const textsOf = async (topic: string, from: readonly (readonly [partition: number, offset: number])[]) => {
    const fetched = await client.fetch(topic, new Map(from), 1_000_000);
    return Object.fromEntries(
      fetched.map(({ partition, records }) => [partition, records.map(({ value }) => String(value))]),
    );
  };

  it('keeps records by partition, in the order in which they were sent', async () => {
    await client.createTopic('ordered', 2);
    const sent = await client.send('ordered', [record(0, 'a'), record(1, 'b'), record(0, 'c')]);
    expect(Object.fromEntries(sent)).toEqual({ 0: 1, 1: 0 });
    expect(
      await textsOf('ordered', [
        [0, 0],
        [1, 0],
      ]),
    ).toEqual({ 0: ['a', 'c'], 1: ['b'] });
    expect(
      await textsOf('ordered', [
        [0, 1],
        [1, 1],
      ]),
    ).toEqual({ 0: ['c'], 1: [] });
    expect(Object.fromEntries(await client.bounds('ordered'))).toEqual({
      0: { first: 0, end: 2 },
      1: { first: 0, end: 1 },
    });
  });

  it('lets a topic be read as soon as it is made or grows, whatever was deleted before', async () => {
    for (const topic of ['first', 'second', 'first', 'second', 'third']) {
      await client.createTopic(topic, 2);
      expect(
        await textsOf(topic, [
          [0, 0],
          [1, 0],
        ]),
      ).toEqual({ 0: [], 1: [] });
      await client.addPartitions(topic, 3);
      expect(await textsOf(topic, [[2, 0]])).toEqual({ 2: [] });
      expect((await client.bounds(topic)).size).toBe(3);
      await client.deleteTopic(topic);
    }
  }, 60_000);

  it('goes on after it was killed and after it was stopped, with all that it acknowledged', async () => {
    await client.createTopic('kept', 1);
    await client.send('kept', [record(0, 'before')]);
    await server.kill();
    await expect(client.fetch('kept', new Map([[0, 0]]), 1_000)).rejects.toThrow();
    const sending = client.send('kept', [record(0, 'meanwhile')]);
    await server.start();
    await sending;
    await server.stop();
    await server.start();
    await client.send('kept', [record(0, 'after')]);
    expect(await textsOf('kept', [[0, 0]])).toEqual({ 0: ['before', 'meanwhile', 'after'] });
  }, 120_000);

  it('is not waited for by a client that is closed while it sends', async () => {
    const leaving = await openKafkaClient(server.broker);
    await leaving.createTopic('left', 1);
    await leaving.send('left', [record(0, 'before')]);
    await server.kill();
    const sending = leaving.send('left', [record(0, 'never')]).catch((error: Error) => error.message);
    await leaving.close();
    expect(await sending).toContain('ECONNREFUSED');
    await server.start();
  }, 120_000);

  it('gives a topic that is made again another id, and one that grows the same', async () => {
    await client.createTopic('again', 1);
    const made = await client.describe('again');
    await client.addPartitions('again', 3);
    const grown = await client.describe('again');
    expect(grown).toEqual({ ...made, partitions: [0, 1, 2] });
    await client.deleteTopic('again');
    expect(await client.describe('again')).toBeUndefined();
    await client.createTopic('again', 1);
    const anew = await client.describe('again');
    expect(anew?.clusterId).toBe(made?.clusterId);
    expect(anew?.id).not.toBe(made?.id);
  });
});
