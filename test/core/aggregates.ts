import type { Aggregate } from '../../src/core/aggregate.ts';
import type { Plain } from '../../src/core/plain.ts';
import {
  anomaly,
  collect,
  correlation,
  count,
  countBy,
  covariance,
  defineAggregate,
  derivative,
  derive,
  distinct,
  ewma,
  ewmaBand,
  first,
  forecast,
  integral,
  last,
  max,
  maxBy,
  mean,
  min,
  minBy,
  quantile,
  range,
  rate,
  slope,
  stddev,
  sum,
  timeWeightedMean,
  topK,
  variance,
  weightedMean,
} from '../../src/index.ts';
import { identical } from './plain.ts';
import type { Rec } from './windows.ts';

/** An aggregate as an author writes it, and what it says of some records, from scratch. */
interface Drawn {
  readonly aggregate: Aggregate<Rec, Plain>;
  /** The records are in source order. */
  readonly of: (held: readonly Rec[]) => Plain;
  /** It needs time order: where a window never ends, it passes over what comes too late. */
  readonly timely?: true;
  /** To the bit, unless told. */
  readonly agrees?: (actual: Plain, expected: Plain) => boolean;
}

/** A stable sort: equal times keep the order of their source. */
const inTime = (held: readonly Rec[]): Rec[] => held.toSorted((a, b) => a.at - b.at);

const values = (held: readonly Rec[]): number[] => held.map(({ value }) => value);

/** Where anything but a finite number is passed over, and where it is kept. */
const oddSkipped = (held: readonly Rec[]): number[] => oddKept(held).filter(Number.isFinite);
const oddKept = (held: readonly Rec[]): number[] =>
  held.map(({ odd }) => (typeof odd === 'number' ? odd : Number.NaN));
const odd = (record: Rec) => record.odd as number;

const total = (numbers: readonly number[]): number => numbers.reduce((a, b) => a + b, 0);
const least = (numbers: readonly number[]): number =>
  numbers.length === 0 ? Number.NaN : Math.min(...numbers);
const greatest = (numbers: readonly number[]): number =>
  numbers.length === 0 ? Number.NaN : Math.max(...numbers);

/** Numbers, also in lists and maps, within a relative error, or within `absolute`. */
const within =
  (error: number, absolute = 0) =>
  (actual: Plain, expected: Plain): boolean => {
    if (typeof actual === 'number' && typeof expected === 'number') {
      const same = actual === expected || (Number.isNaN(actual) && Number.isNaN(expected));
      return same || Math.abs(actual - expected) <= Math.max(absolute, error * Math.abs(expected));
    }
    if (typeof actual !== 'object' || typeof expected !== 'object' || !actual || !expected) {
      return identical(actual, expected);
    }
    const [items, others] = [Object.entries<Plain>(actual), Object.entries<Plain>(expected)];
    return (
      items.length === others.length &&
      items.every(([name, item], at) => {
        const [other, value] = others[at] as [string, Plain];
        return name === other && within(error, absolute)(item, value);
      })
    );
  };
const closely = within(1e-9);

/** Sums of whole numbers of quarters (and of milliseconds since the earliest), without rounding. */
interface Line {
  readonly n: bigint;
  readonly u: bigint;
  readonly uu: bigint;
  readonly v: bigint;
  readonly vv: bigint;
  readonly uv: bigint;
}

function lineOf(held: readonly Rec[]): Line {
  const line = { n: 0n, u: 0n, uu: 0n, v: 0n, vv: 0n, uv: 0n };
  const earliest = Math.min(...held.map(({ at }) => at));
  for (const { at, value } of held) {
    const [u, v] = [BigInt(at - earliest), BigInt(value * 4)];
    line.n += 1n;
    line.u += u;
    line.uu += u * u;
    line.v += v;
    line.vv += v * v;
    line.uv += u * v;
  }
  return line;
}

const variancesOf = (held: readonly Rec[], fewer: number): number => {
  const { n, v, vv } = lineOf(held);
  return Number(n * vv - v * v) / 16 / (held.length * (held.length - fewer));
};

/** The sum of products of deviations, of whole numbers of quarters. */
const covarianceOf = (
  held: readonly Rec[],
  x: 'value' | 'weight' = 'value',
  y: 'value' | 'weight' = 'weight',
): number => {
  const sumOf = (of: (record: Rec) => number) => held.reduce((sum, record) => sum + BigInt(of(record)), 0n);
  const products = sumOf((record) => 16 * record[x] * record[y]);
  const apart =
    BigInt(held.length) * products - sumOf((record) => 4 * record[x]) * sumOf((record) => 4 * record[y]);
  return Number(apart) / 16 / held.length;
};

/** Per millisecond. */
const slopeOf = (held: readonly Rec[]): number => {
  const { n, u, uu, v, uv } = lineOf(held);
  return Number(n * uv - u * v) / Number(n * uu - u * u) / 4;
};

const forecastOf = (held: readonly Rec[], ahead: number): number => {
  const { n, u, uu, v, uv } = lineOf(held);
  const run = n * uu - u * u;
  const span = Math.max(...held.map(({ at }) => at)) - Math.min(...held.map(({ at }) => at));
  return Number(v * run + (n * uv - u * v) * (n * BigInt(span + ahead) - u)) / Number(n * run) / 4;
};

/** The sum over the steps from each record to the next in time. */
const overSteps = (held: readonly Rec[], step: (from: Rec, to: Rec) => number): number =>
  total(
    inTime(held)
      .slice(1)
      .map((to, at) => step(inTime(held)[at] as Rec, to)),
  );

const spanOf = (held: readonly Rec[]): number =>
  held.length === 0 ? 0 : Math.max(...held.map(({ at }) => at)) - Math.min(...held.map(({ at }) => at));

const integralOf = (held: readonly Rec[], value: (record: Rec) => number): number =>
  held.length === 0
    ? Number.NaN
    : overSteps(held, (from, to) => ((value(from) + value(to)) / 2) * (to.at - from.at));

function timeWeightedMeanOf(held: readonly Rec[]): number {
  if (spanOf(held) === 0) return inTime(held).at(-1)?.value ?? Number.NaN;
  return overSteps(held, (from, to) => from.value * (to.at - from.at)) / spanOf(held);
}

function rateOf(held: readonly Rec[]): number {
  if (spanOf(held) === 0) return Number.NaN;
  const rise = (from: Rec, to: Rec) => (to.total < from.total ? to.total : to.total - from.total);
  return overSteps(held, rise) / spanOf(held);
}

/** Per millisecond, between the two latest event times. */
function derivativeOf(held: readonly Rec[]): number {
  const lasts = new Map(inTime(held).map(({ at, value }) => [at, value]));
  const [before, latest] = [...lasts].slice(-2);
  return before && latest ? (latest[1] - before[1]) / (latest[0] - before[0]) : Number.NaN;
}

function ewmaOf(held: readonly Rec[], halfLife: number): number {
  const latest = Math.max(...held.map(({ at }) => at));
  const weights = held.map(({ at }) => 2 ** ((at - latest) / halfLife));
  return total(held.map(({ value }, at) => value * (weights[at] as number))) / total(weights);
}

/** The latest of some records, and what the others say of what was to be expected, each weighing what it weighs. */
function judgedOf(held: readonly Rec[], weightOf: (age: number) => number) {
  const ordered = inTime(held);
  const latest = ordered.pop() as Rec;
  const weights = ordered.map(({ at }) => weightOf(latest.at - at));
  const weighted = (of: (value: number) => number) =>
    total(ordered.map(({ value }, at) => of(value) * (weights[at] as number)));
  const mean = weighted((value) => value) / total(weights);
  const squares = weighted((value) => (value - mean) ** 2);
  const same = new Set(ordered.map(({ value }) => value)).size < 2;
  return { value: latest.value, others: ordered.length, mean, squares, weights: total(weights), same };
}

function anomalyOf(held: readonly Rec[]): Plain {
  const { value, others, mean, squares, same } = judgedOf(held, () => 1);
  const stddev = Math.sqrt(squares / (others - 1));
  const score = others >= AT_LEAST && !same ? (value - mean) / stddev : Number.NaN;
  return {
    isAnomaly: Math.abs(score) > THRESHOLD,
    score,
    value,
    mean,
    stddev: others > 1 ? stddev : Number.NaN,
  };
}

function ewmaBandOf(held: readonly Rec[], halfLife: number): Plain {
  const { value, others, mean, squares, weights, same } = judgedOf(held, (age) => 2 ** (-age / halfLife));
  const deviation = Math.sqrt(squares / weights);
  const score = others >= AT_LEAST && !same ? (value - mean) / deviation : Number.NaN;
  const [lower, upper] = [mean - THRESHOLD * deviation, mean + THRESHOLD * deviation];
  return { isAnomaly: Math.abs(score) > THRESHOLD, score, value, mean, lower, upper };
}

const AT_LEAST = 3;
/** No score of a few quarters is as odd as this. */
const THRESHOLD = 1.234_567;

const quantileOf = (numbers: readonly number[], q: number): number =>
  numbers.toSorted((a, b) => a - b)[Math.floor(q * (numbers.length - 1))] ?? Number.NaN;

const QUANTILES = [0, 0.25, 0.5, 0.9, 1] as const;

/** How often each category occurs, in order of its text. */
const countsOf = (held: readonly Rec[]): [string, number][] =>
  [...new Set(held.map(({ category }) => category))]
    .toSorted()
    .map((text) => [text, held.filter(({ category }) => category === text).length]);

const byTime = (a: readonly [number, string], b: readonly [number, string]): number =>
  a[0] - b[0] || Number(a[1].slice(1)) - Number(b[1].slice(1));

/** How many categories `countByFew` counts one by one. */
const FEW = 2;

const drawn = {
  count: { aggregate: count(), of: (held) => held.length },
  sum: { aggregate: sum<Rec>('value'), of: (held) => total(values(held)) },
  sumOfNested: {
    aggregate: sum<Rec>('nested.value'),
    of: (held) => total(held.map(({ nested }) => nested.value)),
  },
  sumSkipping: {
    aggregate: sum<Rec, 'skip'>(odd, { invalid: 'skip' }),
    of: (held) => total(oddSkipped(held)),
  },
  mean: { aggregate: mean<Rec>('value'), of: (held) => total(values(held)) / held.length },
  meanSkipping: {
    aggregate: mean<Rec, 'skip'>(odd, { invalid: 'skip' }),
    of: (held) => total(oddSkipped(held)) / oddSkipped(held).length,
  },
  meanKeeping: {
    aggregate: mean<Rec, 'keep'>(odd, { invalid: 'keep' }),
    of: (held) => total(oddKept(held)) / held.length,
  },
  min: { aggregate: min<Rec>('value'), of: (held) => least(values(held)) },
  minSkipping: {
    aggregate: min<Rec, 'skip'>(odd, { invalid: 'skip' }),
    of: (held) => least(oddSkipped(held)),
  },
  max: { aggregate: max<Rec>('value'), of: (held) => greatest(values(held)) },
  maxKeeping: {
    aggregate: max<Rec, 'keep'>(odd, { invalid: 'keep' }),
    of: (held) => greatest(oddKept(held)),
  },
  range: { aggregate: range<Rec>('value'), of: (held) => greatest(values(held)) - least(values(held)) },
  variance: { aggregate: variance<Rec>('value'), of: (held) => variancesOf(held, 1), agrees: closely },
  populationVariance: {
    aggregate: variance<Rec>('value', { of: 'population' }),
    of: (held) => variancesOf(held, 0),
    agrees: closely,
  },
  stddev: { aggregate: stddev<Rec>('value'), of: (held) => Math.sqrt(variancesOf(held, 1)), agrees: closely },
  covariance: {
    aggregate: covariance<Rec>('value', 'weight'),
    of: (held) => covarianceOf(held) / (held.length - 1),
    agrees: closely,
  },
  correlation: {
    aggregate: correlation<Rec>('value', 'weight'),
    of: (held) =>
      covarianceOf(held) /
      Math.sqrt(covarianceOf(held, 'value', 'value') * covarianceOf(held, 'weight', 'weight')),
    agrees: within(1e-9, 1e-15),
  },
  weightedMean: {
    aggregate: weightedMean<Rec>('value', 'weight'),
    of: (held) =>
      total(held.map(({ value, weight }) => value * weight)) / total(held.map(({ weight }) => weight)),
  },
  slope: { aggregate: slope<Rec>('value'), of: (held) => slopeOf(held) * 1_000, agrees: closely },
  slopePerHour: {
    aggregate: slope<Rec>('value', { per: '1h' }),
    of: (held) => slopeOf(held) * 3_600_000,
    agrees: closely,
  },
  // Where the line crosses zero, nothing is left of what it was made of.
  forecast: {
    aggregate: forecast<Rec>('value', { ahead: '5ms' }),
    of: (held) => forecastOf(held, 5),
    agrees: within(1e-9, 1e-9),
  },
  first: { aggregate: first<Rec, 'tag'>('tag'), of: (held) => inTime(held)[0]?.tag ?? null },
  last: { aggregate: last<Rec, 'tag'>('tag'), of: (held) => inTime(held).at(-1)?.tag ?? null },
  latest: {
    aggregate: collect<Rec, 'tag'>('tag', { limit: 3 }),
    of: (held) =>
      inTime(held)
        .slice(-3)
        .map(({ tag }) => tag),
  },
  all: {
    aggregate: collect<Rec, (record: Rec) => Plain>(({ tag, value }) => [tag, value]),
    of: (held) => inTime(held).map(({ tag, value }) => [tag, value]),
  },
  allSkipping: {
    aggregate: collect<Rec, typeof odd, 'skip'>(odd, { invalid: 'skip' }),
    of: (held) =>
      inTime(held)
        .map(({ odd }) => odd ?? (odd === null ? null : Number.NaN))
        .filter((odd) => typeof odd !== 'number' || Number.isFinite(odd)),
  },
  minBy: {
    aggregate: minBy<Rec, 'tag'>('value', 'tag'),
    of: (held) => inTime(held).find(({ value }) => value === least(values(held)))?.tag ?? null,
  },
  maxBy: {
    aggregate: maxBy<Rec, 'tag'>('total', 'tag'),
    of: (held) => {
      const most = greatest(held.map(({ total }) => total));
      return inTime(held).find(({ total }) => total === most)?.tag ?? null;
    },
  },
  timeWeightedMean: {
    aggregate: timeWeightedMean<Rec>('value'),
    of: timeWeightedMeanOf,
    timely: true,
    agrees: closely,
  },
  integral: {
    aggregate: integral<Rec>('value'),
    of: (held) => integralOf(held, ({ value }) => value) / 1_000,
    timely: true,
    agrees: closely,
  },
  integralSkipping: {
    aggregate: integral<Rec, 'skip'>(odd, { invalid: 'skip', per: '1h' }),
    of: (held) =>
      integralOf(
        held.filter((record) => Number.isFinite(record.odd)),
        odd,
      ) / 3_600_000,
    timely: true,
    agrees: closely,
  },
  rate: {
    aggregate: rate<Rec>('total'),
    of: (held) => rateOf(held) * 1_000,
    timely: true,
    agrees: closely,
  },
  derivative: {
    aggregate: derivative<Rec>('value'),
    of: (held) => derivativeOf(held) * 1_000,
    agrees: closely,
  },
  // Where values of both signs cancel out, nothing is left of what their mean was made of.
  ewma: {
    aggregate: ewma<Rec>('value', { halfLife: '10ms' }),
    of: (held) => ewmaOf(held, 10),
    agrees: within(1e-9, 1e-9),
  },
  ewmaOfHours: {
    aggregate: ewma<Rec>('value', { halfLife: '1h' }),
    of: (held) => ewmaOf(held, 3_600_000),
    agrees: within(1e-9, 1e-9),
  },
  median: {
    aggregate: quantile<Rec, 0.5>('value', 0.5),
    of: (held) => quantileOf(values(held), 0.5),
    agrees: within(0.01),
  },
  quantiles: {
    aggregate: quantile<Rec, typeof QUANTILES, 'skip'>(odd, QUANTILES, { invalid: 'skip' }),
    of: (held) => QUANTILES.map((q) => quantileOf(oddSkipped(held), q)),
    agrees: within(0.01),
  },
  distinct: { aggregate: distinct<Rec>('category'), of: (held) => countsOf(held).length },
  topK: {
    aggregate: topK<Rec, 'category'>('category', 3),
    of: (held) =>
      countsOf(held)
        .toSorted((a, b) => b[1] - a[1])
        .slice(0, 3)
        .map(([value, count]) => ({ value, count, error: 0 })),
  },
  countBy: {
    aggregate: countBy<Rec>('category'),
    of: (held) => ({ counts: Object.fromEntries(countsOf(held)), other: 0 }),
  },
  countByFew: {
    aggregate: countBy<Rec>('category', { limit: FEW }),
    of: (held) => ({
      counts: Object.fromEntries(countsOf(held).slice(0, FEW)),
      other: total(
        countsOf(held)
          .slice(FEW)
          .map(([, count]) => count),
      ),
    }),
  },
  anomaly: {
    aggregate: anomaly<Rec>('value', { threshold: THRESHOLD, atLeast: AT_LEAST }),
    of: anomalyOf,
    agrees: within(1e-9, 1e-9),
  },
  ewmaBand: {
    aggregate: ewmaBand<Rec>('value', { halfLife: '2d', width: THRESHOLD, atLeast: AT_LEAST }),
    of: (held) => ewmaBandOf(held, 2 * 86_400_000),
    agrees: within(1e-9, 1e-9),
  },
  derived: {
    aggregate: derive({ records: count(), most: max<Rec>('value') }, ({ records, most }) => [most, records]),
    of: (held) => [greatest(values(held)), held.length],
  },
  derivedOrNull: {
    aggregate: derive({ records: count() }, ({ records }) => {
      if (records % 2 === 1) throw new Error('odd');
      return records;
    }),
    of: (held) => (held.length % 2 === 1 ? null : held.length),
  },
  ownAggregate: {
    aggregate: defineAggregate<Rec, 'tag', readonly (readonly [number, string])[], string>({
      name: 'joined',
      select: 'tag',
      identity: [],
      lift: (tag, time) => [[time, tag]],
      combine: (earlier, later) => [...earlier, ...later].toSorted(byTime),
      lower: (all) => all.map(([, tag]) => tag).join(' '),
    }),
    of: (held) =>
      inTime(held)
        .map(({ tag }) => tag)
        .join(' '),
  },
} satisfies { readonly [name: string]: Drawn };

export type AggregateName = keyof typeof drawn;

export const AGGREGATES: { readonly [Name in AggregateName]: Drawn } = drawn;

export const aggregatesOf = (names: readonly AggregateName[]): { [name: string]: Aggregate<Rec, Plain> } =>
  Object.fromEntries(names.map((name) => [name, AGGREGATES[name].aggregate]));

/**
 * What aggregates say of some records, given in source order.
 *
 * @param timely those of them that come in time for aggregates that need time order
 */
export const resultsOf = (
  names: readonly AggregateName[],
  held: readonly Rec[],
  timely: readonly Rec[],
): { readonly [name: string]: Plain } =>
  Object.fromEntries(
    names.map((name) => [name, AGGREGATES[name].of(AGGREGATES[name].timely ? timely : held)]),
  );

/** Whether what an aggregate said is what it promises of what is expected. */
export const agrees = (name: AggregateName, actual: Plain, expected: Plain): boolean =>
  (AGGREGATES[name].agrees ?? identical)(actual, expected);
