import { tryPipeline } from 'millrace/testing';
import { describe, expect, it } from 'vitest';
import { startServers } from '../../src/local/servers/servers.ts';
import { readPayments, sumBy } from './main.ts';
import { byHash, byRange, hashOf, type Payment, rangeOf } from './pipeline.ts';

const payments = readPayments();

/** The sum of each partition after each of its payments, by adding them up. */
function expected(partitionOf: (payment: Payment) => string): string[] {
  const sums = new Map<string, number[]>();
  for (const payment of payments) {
    const key = partitionOf(payment);
    const before = sums.get(key) ?? [];
    sums.set(key, [...before, (before.at(-1) ?? 0) + payment.cents]);
  }
  return [...sums]
    .flatMap(([key, cents]) => cents.map((sum, at) => shown(key, at + 1, sum, sum > 3_000_000)))
    .sort();
}

const shown = (key: string, count: number, cents: unknown, isOver: unknown): string =>
  `${key} ${count} ${cents} ${isOver}`;

describe.each([
  ['ranges of accounts', byRange, rangeOf],
  ['hashes of accounts', byHash, hashOf],
] as const)('by %s', (_, pipeline, partitionOf) => {
  it('has the sum of a partition after each of its payments', () => {
    const { panes } = tryPipeline(pipeline, [...payments]);
    const totals = panes.filter(({ window }) => window === 'total');
    expect(
      totals
        .map(({ key, count, results }) => shown(key, count, results?.['cents'], results?.['isOver']))
        .sort(),
    ).toEqual(expected(partitionOf));
  });

  it('has each sum once, though answers are lost and the stream is divided and merged', async () => {
    const { totals, repeated, shards } = await sumBy(pipeline, partitionOf, startServers);
    expect(shards).toBe(5);
    expect(repeated).toBeGreaterThan(2);
    expect(
      totals.map(({ key, count, results }) => shown(key, count, results.cents, results.isOver)).sort(),
    ).toEqual(expected(partitionOf));
  });
});
