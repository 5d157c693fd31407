import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { readCorpus, type Series } from './corpus.ts';
import { corpusFiles } from './generate.ts';
import { detect, OWN } from './main.ts';
import { nabScore, rawScore } from './score.ts';

/** The points outside of the band, each by all points before it: weights that halve with each hour. */
function outsideOf({ points }: Series): number[] {
  return points.flatMap(({ at, value }, place) => {
    const before = points.slice(0, place);
    const weights = before.map((point) => 2 ** ((Date.parse(point.at) - Date.parse(at)) / 3_600_000));
    const total = weights.reduce((sum, weight) => sum + weight, 0);
    const mean = before.reduce((sum, point, n) => sum + point.value * (weights[n] as number), 0) / total;
    const squares = before.reduce(
      (sum, point, n) => sum + (point.value - mean) ** 2 * (weights[n] as number),
      0,
    );
    return before.length >= 24 && Math.abs(value - mean) > 3.5 * Math.sqrt(squares / total) ? [place] : [];
  });
}

const corpus = [...readCorpus(OWN)];

describe('the corpus', () => {
  it('is what the generator makes of its seed', () => {
    for (const [path, text] of corpusFiles()) {
      const there = readFileSync(join(OWN, path), 'utf8');
      if (path.endsWith('.json')) expect(JSON.parse(there)).toEqual(JSON.parse(text));
      else expect(there).toBe(text);
    }
    expect(corpus.map(({ name, points, windows }) => [name, points.length, windows.length])).toEqual([
      ['generated/pump.csv', 1_000, 2],
      ['generated/quiet.csv', 1_000, 0],
      ['generated/requests.csv', 1_000, 2],
    ]);
  });

  it.each(corpus)('is judged as from scratch: $name', (series) => {
    expect(detect(series).detected).toEqual(outsideOf(series));
  });

  it('is refused where a point has no number', () => {
    const point = { series: 'torn.csv', at: '2026-01-05T00:00:00.000Z', value: Number.NaN };
    expect(() => detect({ name: 'torn.csv', points: [point], windows: [] })).toThrow(
      'Cannot judge torn.csv as each point must have a number: 1 have none',
    );
  });

  it('has the score that the page says', () => {
    const page = readFileSync(new URL('README.md', import.meta.url), 'utf8');
    expect(page).toContain(`standard profile: ${nabScore(corpus.map(detect)).toFixed(1)} of 100`);
  });
});

describe("NAB's score", () => {
  //  0 … 14    20 … 29    60 … 69    99
  //  learning  [window]   [window]
  const length = 100;
  const windows = [
    [20, 29],
    [60, 69],
  ] as const;
  const score = (...detected: number[]) => nabScore([{ length, windows, detected }]);

  it('is 100 for whoever finds each window at once, and 0 for whoever detects nothing', () => {
    expect(score(20, 60)).toBe(100);
    expect(score()).toBe(0);
    expect(score(20)).toBe(50);
  });

  it('counts the earliest detection of a window alone', () => {
    expect(score(20, 21, 29, 60, 69)).toBe(100);
    expect(score(29, 60)).toBeLessThan(score(25, 60));
    // One point before its end a window is at y = −0.1: (2 / (1 + e^−0.5) − 1) / (2 / (1 + e^−5) − 1) of 1.
    expect(score(29, 60)).toBeCloseTo(100 * ((0.2449187 / 0.9866143 + 1 + 2) / 4), 4);
  });

  it('fines what is outside of a window, up to 0.11, and the less the sooner after one', () => {
    // Nothing was before it.
    expect(score(16, 20, 60)).toBeCloseTo(100 - 25 * 0.11, 9);
    // Far behind the window, and nine points behind its last, which is y = 1.
    expect(score(20, 59, 60)).toBeCloseTo(100 - 25 * 0.11, 9);
    expect(score(20, 38, 60)).toBeCloseTo(100 - 25 * 0.11 * 0.9866143, 6);
    expect(score(20, 30, 60)).toBeGreaterThan(score(20, 38, 60));
  });

  it('lets a detector learn in the first 15 %', () => {
    expect(score(0, 14, 20, 60)).toBe(100);
    expect(score(15, 20, 60)).toBeLessThan(100);
    expect(rawScore({ length: 20_000, windows: [], detected: [749] })).toBe(0);
    expect(rawScore({ length: 20_000, windows: [], detected: [750] })).toBe(-0.11);
  });
});
