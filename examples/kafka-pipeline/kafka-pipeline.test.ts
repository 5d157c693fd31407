import { readFileSync } from 'node:fs';
import { tryPipeline } from 'millrace/testing';
import { describe, expect, it } from 'vitest';
import { kafkaLacks } from '../../src/local/servers/index.ts';
import { main } from './main.ts';
import { type Order, sales } from './pipeline.ts';
import { produce } from './producer.ts';

const orders: readonly Order[] = readFileSync(new URL('orders.ndjson', import.meta.url), 'utf8')
  .trim()
  .split('\n')
  .map((line) => JSON.parse(line));

/** The sales of each shop in each five minutes, by adding them up. */
function expected(): string[] {
  const sums = new Map<string, { orders: number; cents: number }>();
  for (const { shop, cents, at } of orders) {
    const start = new Date(Math.floor(Date.parse(at) / 300_000) * 300_000).toISOString();
    const { orders, cents: before } = sums.get(`${shop} ${start}`) ?? { orders: 0, cents: 0 };
    sums.set(`${shop} ${start}`, { orders: orders + 1, cents: before + cents });
  }
  return [...sums].map(([name, { orders, cents }]) => `${name} ${orders} ${cents}`).sort();
}

const shown = ({ key, start, results }: { key: string; start?: unknown; results?: unknown }): string => {
  const { orders, cents } = results as { orders: number; cents: number };
  return `${key} ${start} ${orders} ${cents}`;
};

it('sums the sales of each shop', () => {
  expect(tryPipeline(sales, orders).panes.map(shown).sort()).toEqual(expected());
});

const lack = await kafkaLacks();

describe.skipIf(lack)(`on Apache Kafka${lack ? ` (${lack})` : ''}`, () => {
  it('sums what a producer sends to the cluster', async () => {
    expect((await main()).map((line) => shown(JSON.parse(line))).sort()).toEqual(expected());
  });

  it('sums the same where the cluster crashes meanwhile', async () => {
    const panes = await main(async (cluster) => {
      let restarted: Promise<void> | undefined;
      await produce(cluster.broker, async (sent) => {
        if (sent === 100) restarted = cluster.kill().then(cluster.start);
      });
      await restarted;
    });
    expect(panes.map((line) => shown(JSON.parse(line))).sort()).toEqual(expected());
  });
});
