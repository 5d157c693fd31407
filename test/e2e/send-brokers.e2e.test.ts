import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import {
  connectKafka,
  connectRabbitmq,
  kafkaLacks,
  rabbitmqLacks,
  startKafka,
  startRabbitmq,
} from '../../src/local/servers/index.ts';
import { takesTyped } from '../local/typed.ts';
import { startHost } from './command.ts';

const folder = mkdtempSync(join(tmpdir(), 'millrace-'));
afterAll(() => rmSync(folder, { recursive: true }));

const READINGS = Array.from({ length: 500 }, (_, number) => ({ meter: `meter ${number % 7}`, number }));
const FILE = join(folder, 'readings.ndjson');
writeFileSync(FILE, READINGS.map((reading) => `${JSON.stringify(reading)}\n`).join(''));

async function send(...args: readonly string[]) {
  const host = await startHost({ cwd: folder });
  try {
    return await host.run(['send', ...args]);
  } finally {
    host.close();
  }
}

const kafkaLack = await kafkaLacks();

describe.skipIf(kafkaLack)(`send, to Apache Kafka${kafkaLack ? ` (${kafkaLack})` : ''}`, () => {
  it('goes by way of the topic where a record is typed in', () => takesTyped('kafka'));

  it('keeps the order of each key in its partition', async () => {
    const server = await startKafka();
    const client = await connectKafka(server.broker);
    try {
      const lost = await send(`kafka://${server.broker}/lost`, FILE, '--key', 'meter');
      expect(lost.stderr).toBe('Cannot send to topic lost as it must be there: it is not\n');
      await client.createTopic('readings', 3);
      const { stderr, code } = await send(`kafka://${server.broker}/readings`, FILE, '--key', 'meter');
      expect(stderr).toMatch(/^500 records were sent to topic readings /);
      expect(code).toBe(0);
      const fetched = await client.fetch(
        'readings',
        new Map([
          [0, 0],
          [1, 0],
          [2, 0],
        ]),
        10_000_000,
      );
      const numbers = new Map<string, number[]>();
      for (const { records } of fetched) {
        for (const { key, value } of records) {
          const ofKey = numbers.get(String(key)) ?? [];
          numbers.set(String(key), [...ofKey, JSON.parse(String(value)).number]);
        }
      }
      expect([...numbers.values()].flat()).toHaveLength(500);
      for (const own of numbers.values()) expect(own).toEqual(own.toSorted((a, b) => a - b));
    } finally {
      await client.close();
      await server.close();
    }
  });
});

const rabbitmqLack = rabbitmqLacks();

describe.skipIf(rabbitmqLack)(`send, to RabbitMQ${rabbitmqLack ? ` (${rabbitmqLack})` : ''}`, () => {
  it('goes by way of the queue where a record is typed in', () => takesTyped('rabbitmq'));

  it('gives each message an id, and says nothing of the password', async () => {
    const server = await startRabbitmq();
    const client = await connectRabbitmq(server.url);
    try {
      const lost = await send(`${server.url}/lost`, FILE);
      expect(lost.stderr).toBe('Cannot send to queue lost as it must be there: it is not\n');
      await client.declare({ queue: 'readings' });
      const { stderr, code } = await send(`${server.url}/readings`, FILE);
      expect(stderr).toMatch(/^500 records were sent to queue readings in /);
      expect(code).toBe(0);
      const ids = new Set<unknown>();
      const numbers: number[] = [];
      await new Promise<void>((done) =>
        client.consume('readings', 1_000, {
          delivered({ properties, body }) {
            ids.add(properties.messageId);
            numbers.push(JSON.parse(body.toString()).number);
            if (numbers.length === READINGS.length) done();
          },
          lost() {},
        }),
      );
      expect(numbers).toEqual(READINGS.map(({ number }) => number));
      expect(ids.size).toBe(READINGS.length);
    } finally {
      await client.close();
      await server.close();
    }
  });
});
