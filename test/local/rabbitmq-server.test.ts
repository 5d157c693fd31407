import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { type AddressInfo, connect as connectTo, createServer, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type RabbitmqServer, rabbitmqLacks, startRabbitmq } from '../../src/local/servers/rabbitmq.ts';
import { openRabbitmqClient, type RabbitmqClient } from '../../src/local/servers/rabbitmq-client.ts';

describe('a machine without RabbitMQ', () => {
  it.each([
    ['rabbitmq-server', () => undefined],
    ['epmd', (program: string) => (program === 'epmd' ? undefined : `/usr/bin/${program}`)],
  ])('is told what to install where it has no %s', (missing, find) => {
    expect(rabbitmqLacks(find)).toBe(
      `Cannot start RabbitMQ as it must be installed: there is no program ${missing}; install it (Debian: apt-get install rabbitmq-server), or give the address of a broker that runs: --broker amqp://user:password@host:port`,
    );
  });

  it('is told nothing where it lacks nothing', () => {
    expect(rabbitmqLacks((program) => `/usr/bin/${program}`)).toBeUndefined();
  });
});

const lack = rabbitmqLacks();

/** More requests than a client makes before it reads a queue. */
const MANY = 12;

describe.skipIf(lack)(`a broker of RabbitMQ${lack ? ` (${lack})` : ''}`, () => {
  const directory = mkdtempSync(join(tmpdir(), 'millrace-'));
  let server: RabbitmqServer;
  let client: RabbitmqClient;

  beforeAll(async () => {
    server = await startRabbitmq({ directory });
    client = await openRabbitmqClient(server.url);
  }, 120_000);

  afterAll(async () => {
    await client?.close();
    await server?.close();
    rmSync(directory, { recursive: true });
  }, 60_000);

  const messages = (...ids: readonly string[]) =>
    ids.map((id) => ({ id, body: Buffer.from(`{"${id}": 1}`) }));

  /** Reads so many messages of a queue, and gives them back. */
  const idsOf = (queue: string, count: number): Promise<readonly string[]> =>
    new Promise((resolve) => {
      const ids: string[] = [];
      void openRabbitmqClient(server.url).then((reader) => {
        reader.consume(queue, 100, {
          delivered({ properties, body }) {
            expect(body.toString()).toBe(`{"${properties.messageId}": 1}`);
            if (ids.push(properties.messageId) < count) return;
            void reader.close().then(() => resolve(ids));
          },
          lost() {},
        });
      });
    });

  it.each([
    ['classic', undefined],
    ['quorum', 'refused'],
  ])(
    'keeps what it has acknowledged in a %s queue when it is killed, or stopped, and started again',
    {
      timeout: 240_000,
    },
    async (queue, deadLetterExchange) => {
      await client.declare({ queue, deadLetterExchange });
      // A broker writes down a while later which quorum queues it has: it loses one that was made just before it is killed.
      await server.stop();
      await server.start();
      await client.publish(queue, messages('a', 'b', 'c'));
      await server.kill();
      const sent = client.publish(queue, messages('d'));
      await server.start();
      await sent;
      await server.stop();
      await server.start();
      expect(await idsOf(queue, 4)).toEqual(['a', 'b', 'c', 'd']);
    },
  );

  it('gives back what a lost connection had got before anything newer', { timeout: 120_000 }, async () => {
    // The client loses its first connection, and the broker does not notice until the second one has asked for something.
    const ways: { readonly near: Socket; readonly far: Socket; asked: number }[] = [];
    const cable = createServer((near) => {
      const way = { near, far: connectTo(Number(new URL(server.url).port), '127.0.0.1'), asked: 0 };
      ways.push(way);
      way.far.on('error', () => {}).pipe(near.on('error', () => {}));
      near.on('data', (asked) => {
        way.far.write(asked);
        if (++way.asked === MANY && ways.length > 1) ways[0]?.far.destroy();
      });
    });
    await once(cable.listen(0, '127.0.0.1'), 'listening');
    const url = new URL(server.url);
    url.port = String((cable.address() as AddressInfo).port);
    await client.declare({ queue: 'held' });
    await client.publish('held', messages('a', 'b', 'c', 'd'));
    const reader = await openRabbitmqClient(url.href);
    const ids: string[] = [];
    await new Promise<void>((resolve) => {
      reader.consume('held', 2, {
        delivered(delivery) {
          ids.push(delivery.properties.messageId);
          if (ids.length === 2) ways[0]?.near.destroy();
          if (ids.length > 2) reader.settle(delivery, true);
          if (ids.length === 6) resolve();
        },
        lost() {},
      });
    });
    expect(ids).toEqual(['a', 'b', 'a', 'b', 'c', 'd']);
    await reader.close();
    cable.close();
  });

  it('says so where a queue of the name is another', async () => {
    await client.declare({ queue: 'taken' });
    await expect(client.declare({ queue: 'taken', deadLetterExchange: 'refused' })).rejects.toThrow(
      /PRECONDITION_FAILED/,
    );
  });

  it('says so where there is no queue of the name', async () => {
    expect(await client.has('nowhere')).toBe(false);
    await expect(client.count('nowhere')).rejects.toThrow(
      'Cannot count the messages of "nowhere" as there must be a queue of that name',
    );
  });

  it('is refused a second broker on its port', async () => {
    const port = Number(new URL(server.url).port);
    await expect(startRabbitmq({ port })).rejects.toThrow(
      `Cannot listen on port ${port} of 127.0.0.1 as it must be free: another program listens there`,
    );
  });
});

it('says where no broker listens, without its password', async () => {
  await expect(openRabbitmqClient('amqp://me:hidden@127.0.0.1:1')).rejects.toThrow(
    /^Cannot read RabbitMQ as a broker must listen at 127.0.0.1:1: (?!.*hidden)/,
  );
});
