import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type Anomaly, anomaly, ewmaBand } from '../../src/core/aggregates/anomaly.ts';
import { maxBy, minBy } from '../../src/core/aggregates/by.ts';
import { correlation, covariance } from '../../src/core/aggregates/comoments.ts';
import { epochOf, halved, recordWeight } from '../../src/core/aggregates/decay.ts';
import { derivative } from '../../src/core/aggregates/derivative.ts';
import { ewma } from '../../src/core/aggregates/ewma.ts';
import { stddev, variance } from '../../src/core/aggregates/moments.ts';
import { integral, rate, timeWeightedMean } from '../../src/core/aggregates/over-time.ts';
import { forecast, slope } from '../../src/core/aggregates/regression.ts';
import { mean, sum } from '../../src/core/aggregates/sums.ts';
import { weightedMean } from '../../src/core/aggregates/weighted.ts';
import type { Plain } from '../../src/core/plain.ts';
import type { EpochMillis, Millis } from '../../src/core/time.ts';
import { type AnyAggregate, BRACKETINGS, monoidOf, type Taken } from './aggregate-monoid.ts';
import { drawnFrom, HARD_SERIES, hardSeries, timed } from './aggregate-series.ts';
import {
  exactCovariance,
  exactIntegral,
  exactMean,
  exactSlope,
  exactSquaredCorrelation,
  exactTimeWeightedMean,
  exactVariance,
  exactWeightedMean,
  type Fraction,
  type Point,
  relativeError,
  steps,
} from './exact.ts';

interface Rec {
  readonly x: number;
  readonly y: number;
}

/** Records with their y drawn, as weights are: from 0.001 to 1,000, and some of 0. */
function recordsOf(points: readonly Point[]): Taken[] {
  const draw = drawnFrom(points.length);
  return points.map(([time, x]) => ({ x, y: Math.floor(1e6 * draw()) / 1_000, time: time as EpochMillis }));
}
const xsOf = (records: readonly Taken[]): number[] => records.map(({ x }) => x as number);
const pairsOf = (records: readonly Taken[]) => records.map(({ x, y }) => [x as number, y as number] as const);
const pointsOf = (records: readonly Taken[]): Point[] => records.map(({ x, time }) => [time, x as number]);
const inSeconds = ({ numerator, denominator }: Fraction): Fraction => ({
  numerator: numerator * 1_000n,
  denominator,
});

const exact = [
  {
    name: 'sum',
    atLength: true,
    aggregate: sum<Rec>('x'),
    of: (records: readonly Taken[]) => ({ ...exactMean(xsOf(records)), denominator: 1n << 1_074n }),
  },
  { name: 'mean', aggregate: mean<Rec>('x'), of: (records: readonly Taken[]) => exactMean(xsOf(records)) },
  {
    name: 'variance',
    atLength: true,
    aggregate: variance<Rec>('x'),
    of: (records: readonly Taken[]) => exactVariance(xsOf(records)),
  },
  {
    name: 'variance of the population',
    aggregate: variance<Rec>('x', { of: 'population' }),
    of: (records: readonly Taken[]) => exactVariance(xsOf(records), 0),
  },
  {
    name: 'covariance',
    atLength: true,
    aggregate: covariance<Rec>('x', 'y'),
    of: (records: readonly Taken[]) => exactCovariance(pairsOf(records)),
  },
  {
    name: 'covariance of the population',
    aggregate: covariance<Rec>('y', 'x', { of: 'population' }),
    of: (records: readonly Taken[]) => exactCovariance(pairsOf(records), 0),
  },
  {
    name: 'slope',
    aggregate: slope<Rec>('x'),
    of: (records: readonly Taken[]) => inSeconds(exactSlope(pointsOf(records))),
  },
  {
    name: 'weightedMean',
    atLength: true,
    aggregate: weightedMean<Rec>('x', 'y'),
    of: (records: readonly Taken[]) =>
      exactWeightedMean(records.map(({ x, y }) => [x as number, y as number])),
  },
  {
    name: 'integral',
    atLength: true,
    aggregate: integral<Rec>('x', { per: '1ms' }),
    of: (records: readonly Taken[]) => exactIntegral(pointsOf(records)),
  },
  {
    name: 'timeWeightedMean',
    aggregate: timeWeightedMean<Rec>('x'),
    of: (records: readonly Taken[]) => exactTimeWeightedMean(pointsOf(records)),
  },
] as readonly {
  name: string;
  aggregate: AnyAggregate;
  of: (records: readonly Taken[]) => Fraction;
  /** Whether it is tried at full length too: not where it shares its sums with another. */
  atLength?: boolean;
}[];

describe.each(exact)('$name', ({ aggregate, of, atLength = false }) => {
  const monoid = monoidOf(aggregate);

  it.each(Object.entries(BRACKETINGS))('is within 1e-15 of exact arithmetic, combined %s', (_, combined) => {
    fc.assert(
      fc.property(hardSeries(200), (values) => {
        const records = recordsOf(timed(values, values.length));
        const result = monoid.lower(combined(monoid, records)) as number;
        expect(relativeError(result, of(records))).toBeLessThan(1e-15);
      }),
      { numRuns: 60 },
    );
  });

  if (!atLength) return;
  it.each(Object.entries(HARD_SERIES))('is so for 100,000 values: %s', (_, series) => {
    const records = recordsOf(timed(series(100_000, 7), 7));
    const expected = of(records);
    for (const how of ['one after another', 'in halves']) {
      const result = monoid.lower(BRACKETINGS[how]?.(monoid, records) as Plain) as number;
      expect(relativeError(result, expected)).toBeLessThan(1e-15);
    }
  });
});

it.each(Object.entries(BRACKETINGS))(
  'correlation is within 1e-15 of exact arithmetic, combined %s',
  (_, combined) => {
    const monoid = monoidOf(correlation<Rec>('x', 'y') as AnyAggregate);
    fc.assert(
      fc.property(hardSeries(200), (values) => {
        const records = recordsOf(timed(values, values.length));
        const result = monoid.lower(combined(monoid, records)) as number;
        const square = exactSquaredCorrelation(pairsOf(records));
        // A square is off by twice as much.
        expect(relativeError(result * Math.abs(result), square)).toBeLessThan(2e-15);
      }),
      { numRuns: 60 },
    );
  },
);

it('numbers that go along with each other correlate by 1, those that go against each other by −1, however small they stray', () => {
  fc.assert(
    fc.property(
      fc.uniqueArray(fc.integer({ min: -1e6, max: 1e6 }), { minLength: 2, maxLength: 50 }),
      fc.integer({ min: 1, max: 1_000 }),
      fc.constantFrom(0, 1e9, 1_767_614_400_000),
      (values, times, far) => {
        const correlated = (sign: 1 | -1) => {
          const records = values.map((x, at) => ({
            x: far + x,
            y: sign * times * x,
            time: at as EpochMillis,
          }));
          const monoid = monoidOf(correlation<Rec>('x', 'y') as AnyAggregate);
          return monoid.lower(BRACKETINGS['in halves']?.(monoid, records) as Plain) as number;
        };
        expect(correlated(1)).toBeCloseTo(1, 15);
        expect(correlated(-1)).toBeCloseTo(-1, 15);
        expect(Math.abs(correlated(1))).toBeLessThanOrEqual(1);
      },
    ),
  );
});

it.each(Object.entries(BRACKETINGS))(
  'a sum keeps what is lost of what is lost, combined %s',
  (_, combined) => {
    const monoid = monoidOf(sum<Rec>('x') as AnyAggregate);
    const cancelling = fc.shuffledSubarray([1e33, -1e33, 1e16, -1e16, 1], { minLength: 5 });
    fc.assert(
      fc.property(cancelling, (values) => {
        expect(monoid.lower(combined(monoid, recordsOf(timed(values, 1))))).toBe(1);
      }),
    );
  },
);

it('values too small to be squared have a deviation all the same', () => {
  const monoid = monoidOf(stddev<Rec>('x') as AnyAggregate);
  const tiny = fc.array(fc.constantFrom(0, 1.55e-162), { minLength: 2, maxLength: 20 });
  fc.assert(
    fc.property(tiny, (values) => {
      const deviation = monoid.lower(monoid.add(monoid.identity, recordsOf(timed(values, 1)))) as number;
      // Neither NaN nor -0.
      expect(1 / deviation).toBeGreaterThan(0);
    }),
    { numRuns: 1_000 },
  );
});

describe('anomaly', () => {
  const monoid = monoidOf(anomaly<Rec>('x') as AnyAggregate);
  const shownOf = (values: readonly number[]): Anomaly =>
    monoid.lower(monoid.add(monoid.identity, recordsOf(timed(values, 2)))) as Anomaly;

  it('measures mean and variance of the others within 1e-12 of exact arithmetic', () => {
    const conditioned = Object.entries(HARD_SERIES).filter(([name]) => !name.includes('spikes'));
    const series = fc.tuple(fc.constantFrom(...conditioned), fc.integer({ min: 1, max: 2 ** 31 - 1 }));
    fc.assert(
      fc.property(series, ([[, drawn], seed]) => {
        const values = drawn(200, seed);
        const { mean, stddev } = shownOf(values);
        expect(relativeError(mean, exactMean(values.slice(0, -1)))).toBeLessThan(1e-12);
        expect(relativeError(stddev ** 2, exactVariance(values.slice(0, -1)))).toBeLessThan(1e-12);
      }),
    );
  });

  const tens = new Array<number>(9).fill(10);
  it.each([
    ['fewer than ten others', [...tens.slice(1), 12, 1e6]],
    ['others that are all the same', [...tens, 10, 1e6]],
  ])('does not judge against %s', (_, values) => {
    expect(shownOf(values)).toMatchObject({ isAnomaly: false, score: Number.NaN, value: 1e6 });
  });

  it('judges against ten others that differ', () => {
    expect(shownOf([...tens, 12, 1e6]).isAnomaly).toBe(true);
    expect(shownOf([...tens, 12, -1e6]).isAnomaly).toBe(true);
    expect(shownOf([...tens, 12, 10]).isAnomaly).toBe(false);
  });
});

describe('weights that halve', () => {
  it('are within 4e-16 of powers of two', () => {
    const halfLife = 1_000 as Millis;
    for (let time = -2_000; time <= 2_000; time++) {
      const epoch = epochOf(time, halfLife);
      const expected = 2 ** (time / 1_000 - epoch + 0.5);
      expect(Math.abs(recordWeight(time, epoch, halfLife) / expected - 1)).toBeLessThanOrEqual(4.5e-16);
    }
  });

  it('halve exactly, down to the smallest double and then to nothing', () => {
    for (let times = 0; times <= 1_100; times++)
      expect(halved(times)).toBe(times > 1_074 ? 0 : exactHalf(times));
    expect(halved(Number.POSITIVE_INFINITY)).toBe(0);
    expect(halved(Number.NaN)).toBe(0);
  });
  const exactHalf = (times: number): number => {
    let power = 1;
    for (let left = times; left > 0; left--) power /= 2;
    return power;
  };
});

/** Records whose times collide and come in any order. */
const value = fc.integer({ min: -20, max: 20 }).map((tenths) => tenths / 10);
const disordered: fc.Arbitrary<Taken[]> = fc.array(
  fc.record({
    x: value,
    y: value,
    time: fc.integer({ min: -5_000, max: 5_000 }).map((time) => time - (time % 500)),
  }),
  { minLength: 1, maxLength: 40 },
) as fc.Arbitrary<never>;
const byTime = (records: readonly Taken[]): Taken[] => records.toSorted((a, b) => a.time - b.time);
/** The last of each time. */
const lastOfEach = (records: readonly Taken[]): Taken[] =>
  byTime(records).filter((record, at, sorted) => record.time !== sorted[at + 1]?.time);
const doubled = (values: readonly number[]): number => values.reduce((a, b) => a + b, 0);

/** The mean and the sample standard deviation. */
function spreadOf(values: readonly number[]): { mean: number; stddev: number } {
  const average = doubled(values) / values.length;
  const squares = doubled(values.map((x) => (x - average) ** 2));
  const stddev = values.length > 1 ? Math.sqrt(squares / (values.length - 1)) : Number.NaN;
  return { mean: average, stddev };
}

/** The weighted mean and deviation of x at the time of the last of some records. */
function decayedOf(records: readonly Taken[], halfLife: number): { mean: number; deviation: number } {
  const latest = records.at(-1)?.time ?? 0;
  const weights = records.map(({ time }) => 2 ** ((time - latest) / halfLife));
  const all = doubled(weights);
  const average = doubled(records.map(({ x }, at) => (x as number) * (weights[at] as number))) / all;
  const squares = records.map(({ x }, at) => ((x as number) - average) ** 2 * (weights[at] as number));
  return { mean: average, deviation: Math.sqrt(doubled(squares) / all) };
}

/** No score of the values drawn is within rounding of it. */
const THRESHOLD = Math.PI / 3;

const recomputed = [
  {
    name: 'stddev',
    aggregate: stddev<Rec>('x'),
    of: (records: readonly Taken[]) => spreadOf(xsOf(records)).stddev,
  },
  {
    name: 'derivative',
    aggregate: derivative<Rec>('x'),
    of: (records: readonly Taken[]) => {
      const [before, latest] = lastOfEach(records).slice(-2);
      if (before === undefined || latest === undefined) return Number.NaN;
      return (((latest.x as number) - (before.x as number)) / (latest.time - before.time)) * 1_000;
    },
  },
  {
    name: 'minBy',
    aggregate: minBy<Rec, 'y'>('x', 'y'),
    of: (records: readonly Taken[]) =>
      byTime(records).toSorted((a, b) => (a.x as number) - (b.x as number))[0]?.y ?? null,
  },
  {
    name: 'maxBy',
    aggregate: maxBy<Rec, 'y'>('x', 'y'),
    of: (records: readonly Taken[]) =>
      byTime(records).toSorted((a, b) => (b.x as number) - (a.x as number))[0]?.y ?? null,
  },
  {
    name: 'integral',
    aggregate: integral<Rec>('x', { per: '500ms' }),
    of: (records: readonly Taken[]) =>
      doubled(
        steps(pointsOf(byTime(records))).map(([[t, x], [next, nextX]]) => ((x + nextX) * (next - t)) / 1_000),
      ),
  },
  {
    name: 'timeWeightedMean',
    aggregate: timeWeightedMean<Rec>('x'),
    of: (records: readonly Taken[]) => {
      const points = pointsOf(byTime(records));
      const [[first], [last, x]] = [points[0] as Point, points.at(-1) as Point];
      if (first === last) return x;
      return doubled(steps(points).map(([[t, x], [next]]) => x * (next - t))) / (last - first);
    },
  },
  {
    name: 'rate',
    aggregate: rate<Rec>('x', { per: '1m' }),
    of: (records: readonly Taken[]) => {
      const points = pointsOf(byTime(records));
      const length = (points.at(-1)?.[0] ?? 0) - (points[0]?.[0] ?? 0);
      if (length === 0) return Number.NaN;
      const increases = steps(points).map(([[, x], [, next]]) => (next < x ? next : next - x));
      return (doubled(increases) / length) * 60_000;
    },
  },
  {
    name: 'forecast',
    aggregate: forecast<Rec>('x', { ahead: '2s' }),
    of: (records: readonly Taken[]) => {
      const points = pointsOf(records);
      const meanT = doubled(points.map(([t]) => t)) / points.length;
      const meanX = doubled(points.map(([, x]) => x)) / points.length;
      const run = doubled(points.map(([t]) => (t - meanT) ** 2));
      const rise = doubled(points.map(([t, x]) => (t - meanT) * (x - meanX)));
      return meanX + (rise / run) * (Math.max(...points.map(([t]) => t)) + 2_000 - meanT);
    },
  },
  {
    name: 'ewma',
    aggregate: ewma<Rec>('x', { halfLife: '1.5s' }),
    of: (records: readonly Taken[]) => decayedOf(byTime(records), 1_500).mean,
  },
  {
    name: 'anomaly',
    aggregate: anomaly<Rec>('x', { threshold: THRESHOLD, atLeast: 3 }),
    of: (records: readonly Taken[]) => {
      const others = byTime(records);
      const value = others.pop()?.x as number;
      const { mean, stddev } = spreadOf(xsOf(others));
      const score = others.length >= 3 && stddev > 1e-9 ? (value - mean) / stddev : Number.NaN;
      return { isAnomaly: Math.abs(score) > THRESHOLD, score, value, mean, stddev };
    },
  },
  {
    name: 'ewmaBand',
    aggregate: ewmaBand<Rec>('x', { halfLife: '1.5s', width: THRESHOLD, atLeast: 3 }),
    of: (records: readonly Taken[]) => {
      const others = byTime(records);
      const value = others.pop()?.x as number;
      const { mean, deviation } = decayedOf(others, 1_500);
      const score = others.length >= 3 && deviation > 1e-9 ? (value - mean) / deviation : Number.NaN;
      const [lower, upper] = [mean - THRESHOLD * deviation, mean + THRESHOLD * deviation];
      return { isAnomaly: Math.abs(score) > THRESHOLD, score, value, mean, lower, upper };
    },
  },
] as readonly { name: string; aggregate: AnyAggregate; of: (records: readonly Taken[]) => Plain }[];

describe.each(recomputed)('$name', ({ aggregate, of }) => {
  const monoid = monoidOf(aggregate);

  it.each(Object.entries(BRACKETINGS))(
    'equals recomputing it from all records, combined %s',
    (_, combined) => {
      fc.assert(
        fc.property(disordered, (records) => {
          expectClose(monoid.lower(combined(monoid, records)), of(records));
        }),
        { numRuns: 300 },
      );
    },
  );
});

/** Numbers within 1e-9, as the recomputation is itself rounded; anything else the same. */
function expectClose(actual: Plain, expected: Plain): void {
  if (typeof actual === 'number' && typeof expected === 'number' && !Object.is(actual, expected)) {
    expect(Math.abs(actual - expected)).toBeLessThanOrEqual(1e-9 * Math.max(1, Math.abs(expected)));
  } else if (typeof actual === 'object' && actual !== null) {
    expect(Object.keys(actual)).toEqual(Object.keys(expected as object));
    for (const [name, one] of Object.entries<Plain>(actual as never)) {
      expectClose(one, (expected as { readonly [name: string]: Plain })[name] as Plain);
    }
  } else {
    expect(actual).toEqual(expected);
  }
}
