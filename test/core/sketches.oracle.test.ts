import { describe, expect, it } from 'vitest';
import { countBy } from '../../src/core/aggregates/count-by.ts';
import { distinct } from '../../src/core/aggregates/distinct.ts';
import { quantile } from '../../src/core/aggregates/quantile.ts';
import { topK } from '../../src/core/aggregates/top-k.ts';
import type { Plain } from '../../src/core/plain.ts';
import { expectIdentical } from './plain.ts';
import { added, merged, type Rec, sketching, sketchingWeighed } from './sketch-parts.ts';
import { DISTRIBUTIONS, zipf } from './sketch-values.ts';

const MILLION = 1_000_000;

describe.each(DISTRIBUTIONS)('quantiles of a million values: $name', ({ values }) => {
  const given = values(MILLION);
  const q = [0, 1e-6, 0.001, 0.01, 0.1, 0.25, 0.5, 0.75, 0.9, 0.99, 0.999, 0.999_999, 1] as const;
  const sketch = sketching(quantile<Rec, typeof q>('number', q));
  const whole = added(sketch, given);

  it('are within 1 % of those of all values in order', () => {
    const sorted = Float64Array.from(given).sort();
    const exact = q.map((one) => sorted[Math.floor(one * (MILLION - 1))] as number);
    const errors = sketch.lower(whole).map((value, at) => {
      const expected = exact[at] as number;
      return expected === value ? 0 : Math.abs(value - expected) / Math.abs(expected);
    });
    expect(Math.max(...errors)).toBeLessThanOrEqual(0.01);
  });

  it('of 1,000 parts are the same to the bit', () => {
    expectIdentical(merged(sketch, given, 1_000), whole);
  });
});

describe('distinct', () => {
  const sketch = sketching(distinct<Rec>('value'));

  it('is within three standard errors up to a million different values, in 1,000 parts the same to the bit', () => {
    const texts = Array.from({ length: MILLION }, (_, at) => `user-${at}`);
    for (const count of [257, 1_000, 5_000, 10_000, 100_000, MILLION]) {
      const given = texts.slice(0, count);
      const whole = added(sketch, given);
      expect(Math.abs(sketch.lower(whole) / count - 1)).toBeLessThan(3 * 0.023);
      expectIdentical(merged(sketch, given, Math.min(1_000, count)), whole);
    }
  });

  it('counts a value once, however often it occurs', () => {
    const given = zipf(11, MILLION, 200).map((value) => value / 8);
    expect(sketch.lower(added(sketch, given))).toBe(new Set(given).size);
  });

  //  the mean of 100 estimates has a standard error of 0.23 %; the error of their scatter is 7 % of it
  it.each([300, 1_000, 3_000, 10_000])(
    'has no bias, and a standard error of 0.023, at %d values',
    (count) => {
      const errors = Array.from({ length: 100 }, (_, run) => {
        const given = Array.from({ length: count }, (_, at) => run * MILLION + at);
        return sketch.lower(added(sketch, given)) / count - 1;
      });
      const mean = (of: readonly number[]): number => of.reduce((a, b) => a + b) / of.length;
      expect(Math.abs(mean(errors))).toBeLessThan(4 * 0.0023);
      expect(Math.sqrt(mean(errors.map((error) => error ** 2)))).toBeLessThan(0.023 * 1.25);
    },
  );
});

describe('topK', () => {
  const sketch = sketching(topK<Rec, 'value'>('value', 100, { capacity: 100 }));
  const inputs: { readonly [name: string]: readonly number[] } = {
    'by Zipf': zipf(12, MILLION, 100_000),
    'all different': Array.from({ length: 200_000 }, (_, at) => at),
    'taking turns': Array.from({ length: 200_000 }, (_, at) => at % 10_000),
  };

  describe.each(Object.entries(inputs))('of values %s', (_, given) => {
    const occurred = new Map<Plain, number>();
    for (const value of given) occurred.set(value, (occurred.get(value) ?? 0) + 1);

    it.each([1, 1_000])('is within its bounds, in %d parts', (parts) => {
      const ranked = sketch.lower(merged(sketch, given, parts));
      const bound = given.length / 100;
      for (const { value, count, error } of ranked) {
        expect(count).toBeGreaterThanOrEqual(occurred.get(value) as number);
        expect(count - error).toBeLessThanOrEqual(occurred.get(value) as number);
        expect(error).toBeLessThanOrEqual(bound);
      }
      const frequent = [...occurred].filter(([, times]) => times > bound).map(([value]) => value);
      const counted = ranked.map(({ value }) => value);
      expect(frequent.filter((value) => !counted.includes(value))).toEqual([]);
    });
  });

  it.each([1, 1_000])('is within its bounds where values are weighed, in %d parts', (parts) => {
    const weighing = sketchingWeighed(topK<Rec, 'value'>('value', 100, { by: 'number', capacity: 100 }));
    const given = zipf(14, 200_000, 100_000).map((value, at) => [value, at % 7] as const);
    const weighed = new Map<Plain, number>();
    for (const [value, weight] of given) weighed.set(value, (weighed.get(value) ?? 0) + weight);
    const bound = given.reduce((sum, [, weight]) => sum + weight, 0) / 100;
    const ranked = weighing.lower(merged(weighing, given, parts));
    for (const { value, count, error } of ranked) {
      expect(count).toBeGreaterThanOrEqual(weighed.get(value) as number);
      expect(count - error).toBeLessThanOrEqual(weighed.get(value) as number);
      expect(error).toBeLessThanOrEqual(bound);
    }
    const heavy = [...weighed].filter(([, weight]) => weight > bound).map(([value]) => value);
    const counted = ranked.map(({ value }) => value);
    expect(heavy.filter((value) => !counted.includes(value))).toEqual([]);
  });

  it('ranks the five most frequent of a million by Zipf as they are', () => {
    const given = inputs['by Zipf'] as readonly number[];
    const five = sketching(topK<Rec, 'value'>('value', 5));
    expect(five.lower(added(five, given)).map(({ value }) => value)).toEqual([1, 2, 3, 4, 5]);
  });
});

describe('countBy', () => {
  it('counts the first of a million values exactly, in 1,000 parts the same to the bit', () => {
    const given = zipf(13, MILLION, 5_000);
    const sketch = sketching(countBy<Rec>('value'));
    const whole = added(sketch, given);
    expectIdentical(merged(sketch, given, 1_000), whole);

    const { counts, other } = sketch.lower(whole);
    const occurred = new Map<string, number>();
    for (const value of given) occurred.set(String(value), (occurred.get(String(value)) ?? 0) + 1);
    const first = [...occurred.keys()].sort().slice(0, 1_000);
    expect(counts).toEqual(Object.fromEntries(first.map((text) => [text, occurred.get(text)])));
    expect(other).toBe(MILLION - Object.values(counts).reduce((a, b) => a + b));
  });
});
