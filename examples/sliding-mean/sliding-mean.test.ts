import { readFileSync } from 'node:fs';
import { tryPipeline } from 'millrace/testing';
import { describe, expect, it } from 'vitest';
import { handler } from './handler.ts';
import { slidingMean } from './pipeline.ts';

const event = JSON.parse(readFileSync(new URL('event.json', import.meta.url), 'utf8'));

/** Computes each window from scratch. */
const recomputed = (values: readonly number[]) =>
  values.slice(9).map((_, at) => {
    const ten = values.slice(at, at + 10);
    return {
      mean: ten.reduce((sum, value) => sum + value, 0) / 10,
      max: Math.max(...ten),
      min: Math.min(...ten),
    };
  });

describe('the sliding mean of ten', () => {
  it('answers a plain event with the means, maxima and minima', async () => {
    expect(await handler(event)).toEqual({
      means: [5.5, 6.5, 7.5],
      maxima: [10, 11, 12],
      minima: [1, 2, 3],
    });
  });

  it('has no mean of fewer than ten numbers', async () => {
    expect(await handler({ data: [1, 2, 3, 4, 5, 6, 7, 8, 9] })).toEqual({
      means: [],
      maxima: [],
      minima: [],
    });
    expect(await handler({ data: [] })).toEqual({ means: [], maxima: [], minima: [] });
  });

  it.each([[{}], [{ data: 7 }], [{ data: ['1'] }], [{ data: [Number.NaN] }]])(
    'refuses an event without numbers: %j',
    async (wrong) => {
      await expect(handler(wrong as never)).rejects.toThrow(
        'Cannot compute means as "data" must be a list of finite numbers',
      );
    },
  );

  it('is the same for each sensor of a stream, as recomputed from scratch', () => {
    const readings: readonly { sensor: string; at: number; value: number }[] = readFileSync(
      new URL('readings.ndjson', import.meta.url),
      'utf8',
    )
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line));
    const { panes, poison } = tryPipeline(slidingMean, readings);
    expect(poison).toEqual([]);
    for (const sensor of ['pump', 'oven']) {
      const values = readings.filter((reading) => reading.sensor === sensor).map(({ value }) => value);
      const expected = recomputed(values);
      const results = panes.filter(({ key }) => key === sensor).map(({ results }) => results);
      expect(results).toHaveLength(expected.length);
      for (const [at, { mean, ...extremes }] of expected.entries()) {
        expect(results[at]).toMatchObject(extremes);
        expect(results[at]?.mean).toBeCloseTo(mean, 9);
      }
    }
  });
});
