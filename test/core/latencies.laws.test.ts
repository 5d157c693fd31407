import fc from 'fast-check';
import { expect, it } from 'vitest';
import { Latencies } from '../../src/core/latencies.ts';
import type { Millis } from '../../src/core/time.ts';

const latency = fc.oneof(fc.integer({ min: 0, max: 20 }), fc.integer({ min: -5, max: 1_000_000_000 }));
const latencies = fc.array(latency, { minLength: 1, maxLength: 700 });

const counted = (all: readonly number[]): Latencies => {
  const counts = new Latencies();
  for (const one of all) counts.add(one as Millis);
  return counts;
};

const inOrder = (all: readonly number[]): readonly number[] =>
  all.map((one) => Math.max(0, one)).sort((a, b) => a - b);

/** Whether a time is one that was counted, within 1 %. */
const isAbout = (time: number | undefined, counted: number | undefined): boolean =>
  time !== undefined && counted !== undefined && Math.abs(time - counted) <= 0.01 * counted;

it('any quantile of latencies is within 1 % of the one of the sorted list', () => {
  fc.assert(
    fc.property(latencies, fc.double({ min: 0, max: 1, noNaN: true }), (all, q) => {
      const sorted = inOrder(all);
      expect(isAbout(counted(all).at(q), sorted[Math.floor(q * (all.length - 1))])).toBe(true);
    }),
  );
});

it('a sample of latencies is all of them where there are no more than it may hold', () => {
  fc.assert(
    fc.property(latencies, fc.nat(50), (all, more) => {
      const sample = counted(all).sample(all.length + more);
      const sorted = inOrder(all);
      expect(sample).toHaveLength(sorted.length);
      expect(sample.every((time, at) => isAbout(time, sorted[at]))).toBe(true);
    }),
  );
});

it('a sample of latencies stands for as many each, in order, and has the greatest', () => {
  fc.assert(
    fc.property(latencies, fc.integer({ min: 1, max: 100 }), (all, most) => {
      const counts = counted(all);
      expect(counts.count).toBe(all.length);
      const sample = counts.sample(most);
      const sorted = inOrder(all);
      expect(sample).toHaveLength(Math.min(most, all.length));
      expect(sample).toEqual([...sample].sort((a, b) => a - b));
      expect(isAbout(sample.at(-1), sorted.at(-1))).toBe(true);
      const share = all.length / sample.length;
      for (const [at, time] of sample.slice(0, -1).entries()) {
        const [from, to] = [Math.floor(at * share), Math.ceil((at + 1) * share) - 1];
        expect(time).toBeGreaterThanOrEqual((sorted[from] as number) * 0.99);
        expect(time).toBeLessThanOrEqual((sorted[to] as number) * 1.01);
      }
    }),
  );
});

it('of no latencies there is none', () => {
  expect(counted([]).at(0.5)).toBeNaN();
  expect(counted([]).sample(100)).toEqual([]);
});
