import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Aggregate, CellAggregate, PartAggregate, Parts } from '../../src/core/aggregate.ts';
import { anomaly, ewmaBand } from '../../src/core/aggregates/anomaly.ts';
import { maxBy, minBy } from '../../src/core/aggregates/by.ts';
import { correlation, covariance } from '../../src/core/aggregates/comoments.ts';
import { countBy } from '../../src/core/aggregates/count-by.ts';
import { defineAggregate } from '../../src/core/aggregates/define.ts';
import { derivative } from '../../src/core/aggregates/derivative.ts';
import { derive } from '../../src/core/aggregates/derive.ts';
import { distinct } from '../../src/core/aggregates/distinct.ts';
import { ewma } from '../../src/core/aggregates/ewma.ts';
import { max, min, range } from '../../src/core/aggregates/extrema.ts';
import { stddev, variance } from '../../src/core/aggregates/moments.ts';
import { collect, first, last } from '../../src/core/aggregates/ordered.ts';
import { integral, rate, timeWeightedMean } from '../../src/core/aggregates/over-time.ts';
import { quantile } from '../../src/core/aggregates/quantile.ts';
import { forecast, slope } from '../../src/core/aggregates/regression.ts';
import { count, mean, sum } from '../../src/core/aggregates/sums.ts';
import { topK } from '../../src/core/aggregates/top-k.ts';
import { weightedMean } from '../../src/core/aggregates/weighted.ts';
import { decode, encode } from '../../src/core/codec.ts';
import type { Plain } from '../../src/core/plain.ts';
import { zeros } from '../../src/core/table.ts';
import type { EpochMillis } from '../../src/core/time.ts';
import { type AnyAggregate, monoidOf, type Taken } from './aggregate-monoid.ts';
import { deepFreeze, expectIdentical, plain } from './plain.ts';

interface Rec {
  readonly x: number;
  readonly y: number;
  readonly value: Plain;
}

/** The aggregate, its records known. */
const on = <Result extends Plain>(aggregate: Aggregate<Rec, Result>): Aggregate<Rec, Result> => aggregate;

/** Whole numbers whose sums and products stay whole: no bracketing may change what is kept by a bit. */
const whole = fc.integer({ min: -1_000, max: 1_000 });
const finite = fc.double({ noNaN: true, noDefaultInfinity: true });
/** Times that collide. */
const instant = fc.integer({ min: -3, max: 3 }) as fc.Arbitrary<unknown> as fc.Arbitrary<EpochMillis>;

interface Case {
  readonly name: string;
  readonly aggregate: unknown;
  readonly x?: fc.Arbitrary<Plain>;
  readonly y?: fc.Arbitrary<Plain>;
  /** What is shown of one record, and of none. */
  readonly alone: (record: Taken) => Plain;
  readonly nothing: Plain;
  /** Whether results may differ by the last few bits when combined otherwise. */
  readonly rounds?: boolean;
}

const unknown = { mean: Number.NaN, lower: Number.NaN, upper: Number.NaN };
const steps = {
  lift: (value: number) => [value],
  combine: (a: readonly number[], b: readonly number[]) => [...a, ...b],
};

const cases: readonly Case[] = [
  { name: 'count', aggregate: count(), alone: () => 1, nothing: 0 },
  { name: 'sum', aggregate: sum<Rec>('x'), alone: ({ x }) => x, nothing: 0 },
  { name: 'mean', aggregate: mean<Rec>('x'), alone: ({ x }) => x, nothing: Number.NaN },
  { name: 'min', aggregate: min<Rec>('x'), x: finite, alone: ({ x }) => x, nothing: Number.NaN },
  { name: 'max', aggregate: max<Rec>('x'), x: finite, alone: ({ x }) => x, nothing: Number.NaN },
  { name: 'range', aggregate: range<Rec>('x'), x: finite, alone: () => 0, nothing: Number.NaN },
  {
    name: 'variance',
    aggregate: variance<Rec>('x'),
    alone: () => Number.NaN,
    nothing: Number.NaN,
    rounds: true,
  },
  {
    name: 'stddev of the population',
    aggregate: stddev<Rec>('x', { of: 'population' }),
    alone: () => 0,
    nothing: Number.NaN,
    rounds: true,
  },
  {
    name: 'covariance',
    aggregate: covariance<Rec>('x', 'y'),
    y: fc.integer({ min: 1, max: 1_000 }),
    alone: () => Number.NaN,
    nothing: Number.NaN,
    rounds: true,
  },
  {
    name: 'covariance of the population',
    aggregate: covariance<Rec>('x', 'y', { of: 'population' }),
    y: fc.integer({ min: 1, max: 1_000 }),
    alone: () => 0,
    nothing: Number.NaN,
    rounds: true,
  },
  {
    name: 'weightedMean',
    aggregate: weightedMean<Rec>('x', 'y'),
    y: fc.integer({ min: 1, max: 1_000 }),
    alone: ({ x }) => x,
    nothing: Number.NaN,
  },
  { name: 'slope', aggregate: slope<Rec>('x'), alone: () => Number.NaN, nothing: Number.NaN, rounds: true },
  {
    name: 'forecast',
    aggregate: forecast<Rec>('x', { ahead: '1s' }),
    alone: () => Number.NaN,
    nothing: Number.NaN,
    rounds: true,
  },
  {
    name: 'ewma',
    aggregate: ewma<Rec>('x', { halfLife: '2ms' }),
    alone: ({ x }) => x,
    nothing: Number.NaN,
    rounds: true,
  },
  { name: 'first', aggregate: first<Rec, 'value'>('value'), x: plain, alone: ({ x }) => x, nothing: null },
  { name: 'last', aggregate: last<Rec, 'value'>('value'), x: plain, alone: ({ x }) => x, nothing: null },
  {
    name: 'collect',
    aggregate: collect<Rec, 'value'>('value'),
    x: plain,
    alone: ({ x }) => [x],
    nothing: [],
  },
  {
    name: 'collect of the latest 3',
    aggregate: collect<Rec, 'value'>('value', { limit: 3 }),
    x: plain,
    alone: ({ x }) => [x],
    nothing: [],
  },
  {
    name: 'minBy',
    aggregate: minBy<Rec, 'value'>('x', 'value'),
    y: plain,
    alone: ({ y }) => y,
    nothing: null,
  },
  {
    name: 'maxBy',
    aggregate: maxBy<Rec, 'value'>('x', 'value'),
    y: plain,
    alone: ({ y }) => y,
    nothing: null,
  },
  { name: 'derivative', aggregate: derivative<Rec>('x'), alone: () => Number.NaN, nothing: Number.NaN },
  { name: 'integral', aggregate: integral<Rec>('x'), alone: () => 0, nothing: Number.NaN },
  {
    name: 'timeWeightedMean',
    aggregate: timeWeightedMean<Rec>('x'),
    alone: ({ x }) => x,
    nothing: Number.NaN,
  },
  { name: 'rate', aggregate: rate<Rec>('x'), alone: () => Number.NaN, nothing: Number.NaN },
  {
    name: 'anomaly',
    aggregate: anomaly<Rec>('x', { atLeast: 2 }),
    alone: ({ x }) => ({
      isAnomaly: false,
      score: Number.NaN,
      value: x,
      mean: Number.NaN,
      stddev: Number.NaN,
    }),
    nothing: null,
    rounds: true,
  },
  {
    name: 'ewmaBand',
    aggregate: ewmaBand<Rec>('x', { halfLife: '2ms', atLeast: 2 }),
    alone: ({ x }) => ({ isAnomaly: false, score: Number.NaN, value: x, ...unknown }),
    nothing: null,
    rounds: true,
  },
  {
    name: 'an aggregate of other results',
    aggregate: derive<Rec, { total: number; latest: Plain }, Plain>(
      { total: sum('x'), latest: last('value') },
      ({ total, latest }) => [total, latest],
    ),
    alone: ({ x }) => [x, x],
    nothing: [0, null],
  },
  {
    name: 'an aggregate of an author',
    aggregate: defineAggregate<Rec, 'x', readonly number[], readonly number[]>({
      name: 'all',
      select: 'x',
      identity: [],
      ...steps,
      lower: (all) => all,
    }),
    alone: ({ x }) => [x],
    nothing: [],
  },
];

describe.each(cases)(
  '$name',
  ({ aggregate: untyped, x = whole, y = whole, alone, nothing, rounds = false }) => {
    const aggregate = untyped as AnyAggregate;
    const monoid = monoidOf(aggregate);
    const record: fc.Arbitrary<Taken> = fc.record({ x, y, time: instant });
    const partial = fc.array(record, { maxLength: 5 }).map((records) => monoid.add(monoid.identity, records));
    const same = rounds ? expectClose : expectIdentical;

    it('is left as it is by the identity, on either side', () => {
      holds(partial, (a) => {
        expectIdentical(monoid.combine(monoid.identity, a), a);
        expectIdentical(monoid.combine(a, monoid.identity), a);
      });
    });

    it('combines the same however the combinations are bracketed', () => {
      holds(fc.tuple(partial, partial, partial), ([a, b, c]) => {
        const leftFirst = monoid.combine(monoid.combine(a, b), c);
        const rightFirst = monoid.combine(a, monoid.combine(b, c));
        same(monoid.lower(leftFirst), monoid.lower(rightFirst));
      });
    });

    it('takes a record in as it combines with that record alone', () => {
      holds(fc.tuple(partial, record), ([a, one]) => {
        same(monoid.lower(monoid.add(a, [one])), monoid.lower(monoid.combine(a, monoid.lift(one))));
      });
    });

    it('changes nothing that it is given', () => {
      holds(fc.tuple(partial, partial, record), ([a, b, one]) => {
        const given = deepFreeze([a, b, one as unknown as Plain]);
        const before = encode(given);
        monoid.combine(a, b);
        monoid.combine(monoid.identity, a);
        monoid.lower(deepFreeze(monoid.combine(b, deepFreeze(monoid.lift(one)))));
        expect(encode(given)).toEqual(before);
      });
    });

    it('of one record shows that record, and of none nothing', () => {
      holds(record, (one) => same(monoid.lower(monoid.lift(one)), alone(one)));
      expectIdentical(monoid.lower(monoid.identity), nothing);
    });

    it('comes back from a commit to the bit', () => {
      holds(partial, (a) => {
        expectIdentical(decode(encode(a)), a);
        expectIdentical(decode(encode(monoid.lower(a))), monoid.lower(a));
      });
    });

    if (!('cells' in aggregate)) return;

    it('is the same whichever part comes first', () => {
      holds(fc.tuple(partial, partial), ([a, b]) => {
        same(monoid.lower(monoid.combine(a, b)), monoid.lower(monoid.combine(b, a)));
      });
    });

    it('writes to its own cells alone', () => {
      const { cells } = aggregate as CellAggregate<never, Plain>;
      const [before, after] = [3, 2];
      holds(fc.tuple(record, record, partial), ([one, two, other]) => {
        const to = zeros(before + cells.width + after).fill(7);
        cells.clear(to, before);
        for (const { x, y, time } of [one, two]) cells.add(to, before, x as number, y as number, time);
        cells.join(to, before, [9, ...(other as readonly number[]), 9], 1);
        const outside = [...to.slice(0, before), ...to.slice(before + cells.width)];
        expect(outside).toEqual([7, 7, 7, 7, 7]);
        const expected = monoid.combine(monoid.add(monoid.identity, [one, two]), other);
        expectIdentical([...to.slice(before, before + cells.width)], expected);
      });
    });
  },
);

describe('first, last and collect', () => {
  const timed = fc.array(fc.record({ x: fc.nat(), y: fc.nat(), time: instant }), {
    minLength: 1,
    maxLength: 20,
  });

  it('order by event time, and equal times by the order of their source', () => {
    holds(fc.tuple(timed, fc.integer({ min: 1, max: 25 }), fc.nat()), ([given, limit, cut]) => {
      const expected = given.toSorted((a, b) => a.time - b.time).map(({ x }) => x);
      const shown = (aggregate: unknown): Plain => {
        const monoid = monoidOf(aggregate as AnyAggregate);
        const [earlier, later] = [given.slice(0, cut % given.length), given.slice(cut % given.length)];
        return monoid.lower(
          monoid.combine(monoid.add(monoid.identity, earlier), monoid.add(monoid.identity, later)),
        );
      };
      expect(shown(collect<Rec, 'value'>('value', { limit }))).toEqual(expected.slice(-limit));
      expect(shown(first<Rec, 'value'>('value'))).toBe(expected[0]);
      expect(shown(last<Rec, 'value'>('value'))).toBe(expected.at(-1));
    });
  });
});

describe('integral, timeWeightedMean and rate', () => {
  const aggregates = [integral<Rec>('x'), timeWeightedMean<Rec>('x'), rate<Rec>('x')] as PartAggregate<
    never,
    number
  >[];
  const record = fc.record({ x: whole, y: whole, time: fc.integer({ min: 0, max: 30 }) });
  const arrivals = fc.array(fc.tuple(record, fc.integer({ min: 0, max: 30 })), { maxLength: 30 });

  it('pass over a record at or before what is settled, and are otherwise none the worse for it', () => {
    holds(arrivals as unknown as fc.Arbitrary<[Taken, EpochMillis][]>, (given) => {
      for (const aggregate of aggregates) {
        const parts = aggregate.parts as Required<Parts>;
        const monoid = monoidOf(aggregate);
        let settled = parts.identity;
        let horizon = Number.NEGATIVE_INFINITY;
        const taken: Taken[] = [];
        for (const [one, next] of given) {
          if (one.time > horizon) taken.push(one);
          settled = monoid.add(settled, [one]);
          if (next > horizon) {
            horizon = next;
            settled = parts.settle(settled, next);
          }
          expectIdentical(decode(encode(settled)), settled);
        }
        expectIdentical(monoid.lower(settled), monoid.lower(monoid.add(monoid.identity, taken)));
      }
    });
  });

  it('refuse to combine what is settled, for they would be wrong', () => {
    for (const { parts } of aggregates as { parts: Required<Parts> }[]) {
      const [settled, other] = [parts.settle(null, 1 as EpochMillis), parts.lift(1, null, 2 as EpochMillis)];
      expect(() => parts.combine(settled, other)).toThrow('only added to');
      expect(() => parts.combine(other, settled)).toThrow('only added to');
    }
  });

  it('are no number where every record was passed over', () => {
    for (const aggregate of aggregates) {
      const { settle, add } = aggregate.parts as Required<Parts>;
      const passedOver = add(settle(null, 2 as EpochMillis), 1, null, 2 as EpochMillis);
      expect(monoidOf(aggregate).lower(passedOver)).toBeNaN();
    }
  });

  it('keep no point that is settled', () => {
    for (const { parts } of aggregates as { parts: Required<Parts> }[]) {
      const sizes = [10, 1_000].map((length) => {
        let partial = parts.identity;
        for (let time = 0; time < length; time++) {
          partial = parts.settle(parts.add(partial, time, null, time as EpochMillis), time as EpochMillis);
        }
        return JSON.stringify(partial).length;
      });
      expect(sizes[1]).toBeLessThan((sizes[0] as number) + 30);
    }
  });
});

describe('a number that is not finite', () => {
  const numeric = cases.filter(({ name }) =>
    [
      'sum',
      'mean',
      'variance',
      'covariance',
      'weightedMean',
      'slope',
      'ewma',
      'integral',
      'timeWeightedMean',
      'rate',
      'range',
    ].includes(name),
  );
  const at = (x: number, time: number): Taken => ({ x, y: 1, time: time as EpochMillis });
  const usual = [at(1, 0), at(4, 1_000), at(9, 2_000)];

  it.each(numeric)('is NaN in $name as long as a NaN is kept in it', ({ aggregate }) => {
    const monoid = monoidOf(aggregate as AnyAggregate);
    expect(
      monoid.lower(monoid.add(monoid.identity, [...usual, at(Number.NaN, 3_000), at(1, 4_000)])),
    ).toBeNaN();
  });

  it.each([
    ['sum', on(sum('x', { invalid: 'keep' })), Number.POSITIVE_INFINITY],
    ['mean', on(mean('x', { invalid: 'keep' })), Number.POSITIVE_INFINITY],
    ['max', on(max('x', { invalid: 'keep' })), Number.POSITIVE_INFINITY],
    ['min', on(min('x', { invalid: 'keep' })), 1],
    ['range', on(range('x', { invalid: 'keep' })), Number.POSITIVE_INFINITY],
    ['ewma', on(ewma('x', { halfLife: '1s', invalid: 'keep' })), Number.POSITIVE_INFINITY],
    ['weightedMean', on(weightedMean('x', 'y', { invalid: 'keep' })), Number.POSITIVE_INFINITY],
    ['variance', on(variance('x', { invalid: 'keep' })), Number.NaN],
    ['covariance', on(covariance('x', 'y', { invalid: 'keep' })), Number.NaN],
    ['correlation', on(correlation('y', 'x', { invalid: 'keep' })), Number.NaN],
    ['slope', on(slope('x', { invalid: 'keep' })), Number.NaN],
  ] as [string, unknown, number][])(
    'that is kept in %s shows where it is infinite',
    (_, aggregate, shown) => {
      const monoid = monoidOf(aggregate as AnyAggregate);
      const infinite = [...usual, at(Number.POSITIVE_INFINITY, 3_000)];
      expect(monoid.lower(monoid.add(monoid.identity, infinite))).toBe(shown);
    },
  );

  it.each([
    ['least', on(min('x', { invalid: 'keep' })), Number.POSITIVE_INFINITY],
    ['greatest', on(max('x', { invalid: 'keep' })), Number.NEGATIVE_INFINITY],
  ])('is the %s of a window of nothing else', (_, aggregate, x) => {
    const monoid = monoidOf(aggregate as unknown as AnyAggregate);
    expect(monoid.lower(monoid.lift(at(x, 0)))).toBe(x);
  });

  it.each([
    ['sum', sum<Rec>('x'), Number.POSITIVE_INFINITY],
    ['mean', mean<Rec>('x'), Number.POSITIVE_INFINITY],
    ['range', range<Rec>('x'), Number.POSITIVE_INFINITY],
    ['variance', variance<Rec>('x'), Number.NaN],
    ['covariance', covariance<Rec>('x', 'y'), Number.NaN],
    ['correlation', correlation<Rec>('x', 'y'), Number.NaN],
    ['slope', slope<Rec>('x'), Number.NaN],
  ])('is what %s becomes past the largest double', (_, aggregate, shown) => {
    const monoid = monoidOf(aggregate as unknown as AnyAggregate);
    const huge = [1, 1, -0.9].map((share, second) => at(share * Number.MAX_VALUE, 1_000 * second));
    expect(monoid.lower(monoid.add(monoid.identity, huge))).toBe(shown);
  });

  it.each(cases.filter(({ aggregate }) => 'cells' in (aggregate as AnyAggregate)))(
    'in one part of $name leaves its neighbours as they were',
    ({ aggregate }) => {
      const { cells, lower } = aggregate as CellAggregate<never, number>;
      const rows = zeros(3 * cells.width);
      for (const row of [0, 1, 2]) cells.clear(rows, row * cells.width);
      for (const { x, y, time } of usual) cells.add(rows, 0, x as number, y as number, time);
      const before = lower(rows, 0);
      for (const x of [Number.NaN, Number.POSITIVE_INFINITY, Number.MAX_VALUE, Number.MAX_VALUE]) {
        cells.add(rows, cells.width, x, 1, 0 as EpochMillis);
      }
      cells.join(rows, 2 * cells.width, rows, cells.width);
      cells.join(rows, 2 * cells.width, rows, 0);
      expect(lower(rows, 0)).toBe(before);
      expect(rows.slice(0, cells.width).every(Number.isFinite)).toBe(true);
    },
  );
});

describe('the signature', () => {
  it.each([
    [count(), 'count'],
    [mean<Rec>('x'), 'mean(x)'],
    [mean<Rec>((record) => record.x), 'mean(λ)'],
    [max<Rec, 'skip'>('x', { invalid: 'skip' }), 'max(x,skip)'],
    [variance<Rec>('x', { of: 'population' }), 'variance(x,population)'],
    [covariance<Rec>('x', 'y'), 'covariance(x,y,sample)'],
    [correlation<Rec, 'skip'>('x', 'y', { invalid: 'skip' }), 'correlation(x,y,skip)'],
    [slope<Rec>('x', { per: '1m' }), 'slope(x,60000)'],
    [forecast<Rec>('x', { ahead: '1m' }), 'forecast(x,60000)'],
    [ewma<Rec>('x', { halfLife: '1m' }), 'ewma(x,60000)'],
    [collect<Rec, 'value'>('value', { limit: 3 }), 'collect(value,3)'],
    [minBy<Rec, 'value'>('x', 'value'), 'minBy(x,value)'],
    [anomaly<Rec>('x'), 'anomaly(x,3,10)'],
    [ewmaBand<Rec>('x', { halfLife: '1s' }), 'ewmaBand(x,1000,3,10)'],
    [derive<Rec, { n: number }, number>({ n: count() }, ({ n }) => n), 'derive(n=count)'],
  ])('tells kinds and settings apart: %#', ({ signature }, expected) => {
    expect(signature).toBe(expected);
  });
});

/** Each aggregate that has options, given those. */
const withOptions: { readonly [kind: string]: (options: never) => unknown } = {
  anomaly: (options) => anomaly<Rec>('x', options),
  collect: (options) => collect<Rec, 'value'>('value', options),
  correlation: (options) => correlation<Rec>('x', 'y', options),
  covariance: (options) => covariance<Rec>('x', 'y', options),
  countBy: (options) => countBy<Rec>('value', options),
  derivative: (options) => derivative<Rec>('x', options),
  distinct: (options) => distinct<Rec>('value', options),
  first: (options) => first<Rec, 'value'>('value', options),
  integral: (options) => integral<Rec>('x', options),
  last: (options) => last<Rec, 'value'>('value', options),
  max: (options) => max<Rec>('x', options),
  maxBy: (options) => maxBy<Rec, 'value'>('x', 'value', options),
  mean: (options) => mean<Rec>('x', options),
  min: (options) => min<Rec>('x', options),
  minBy: (options) => minBy<Rec, 'value'>('x', 'value', options),
  quantile: (options) => quantile<Rec, 0.5>('x', 0.5, options),
  range: (options) => range<Rec>('x', options),
  rate: (options) => rate<Rec>('x', options),
  slope: (options) => slope<Rec>('x', options),
  stddev: (options) => stddev<Rec>('x', options),
  sum: (options) => sum<Rec>('x', options),
  timeWeightedMean: (options) => timeWeightedMean<Rec>('x', options),
  topK: (options) => topK<Rec, 'value'>('value', 3, options),
  variance: (options) => variance<Rec>('x', options),
  weightedMean: (options) => weightedMean<Rec>('x', 'y', options),
};

/** Those that cannot do without an option. */
const required: [kind: string, option: string, define: (options: never) => unknown][] = [
  ['ewma', 'halfLife', (options) => ewma<Rec>('x', options)],
  ['ewmaBand', 'halfLife', (options) => ewmaBand<Rec>('x', options)],
  ['forecast', 'ahead', (options) => forecast<Rec>('x', options)],
];

const unknownOption = (kind: string, option: string): unknown =>
  expect.objectContaining({
    name: 'TypeError',
    message: expect.stringMatching(
      `^Cannot compute ${kind} with "${option}" as the (only option is|options are .*,) invalid$`,
    ),
  });

describe('a definition that is wrong is refused', () => {
  const step = (broken: object) => () =>
    defineAggregate<Rec, 'x', number, number>({
      name: 'most',
      select: 'x',
      identity: 0,
      lift: (x) => x,
      combine: Math.max,
      lower: (x) => x,
      ...broken,
    });

  it.each([
    ...[0, -1, 1.5, 10_001, Number.NaN].map((limit) => [
      () => collect<Rec, 'value'>('value', { limit }),
      new RangeError(`Cannot collect ${limit} values as limit must be a whole number from 1 to 10,000`),
    ]),
    [
      () => variance<Rec>('x', { of: 'others' as 'sample' }),
      new RangeError('Cannot take the variance of a "others" as it must be of a "sample" or "population"'),
    ],
    [
      () => covariance<Rec>('x', 'y', { of: 'others' as 'sample' }),
      new RangeError('Cannot take the covariance of a "others" as it must be of a "sample" or "population"'),
    ],
    [() => slope<Rec>('x', { per: '0s' }), new RangeError('Cannot measure per "0s" as per must be > 0')],
    [() => rate<Rec>('x', { per: '0s' }), new RangeError('Cannot measure per "0s" as per must be > 0')],
    [
      () => ewma<Rec>('x', { halfLife: '0s' }),
      new RangeError('Cannot decay by "0s" as a half-life must be > 0'),
    ],
    [
      () => anomaly<Rec>('x', { threshold: 0 }),
      new RangeError('Cannot judge values by a threshold of 0 as it must be a positive number'),
    ],
    [
      () => ewmaBand<Rec>('x', { halfLife: '1s', atLeast: 1 }),
      new RangeError('Cannot judge values against 1 others as atLeast must be a whole number from 2'),
    ],
    [
      step({ name: 'the most' }),
      new RangeError(
        'Cannot name an aggregate "the most" as names must be 1 to 40 letters, digits, hyphens and underscores, a letter first',
      ),
    ],
    [
      step({ lift: 1 }),
      new TypeError('Cannot define aggregate "most" as lift must be a function: it is number'),
    ],
    [
      step({ identity: new Map() }),
      new RangeError('Cannot define aggregate "most" as its identity must be plain data'),
    ],
    [
      () => derive<Rec, { n: number }, number>({ n: 1 as never }, ({ n }) => n),
      new TypeError(
        `Cannot derive from "n" as it must be an aggregate, such as count() or mean('field'): it is number`,
      ),
    ],
    [
      () => derive<Rec, { n: number }, number>({ n: count() }, 1 as never),
      new TypeError('Cannot derive a result by number as it must be a function of other results'),
    ],
  ] as [() => unknown, Error][])('%#', (define, error) => {
    expect(define).toThrow(error);
  });

  it.each(Object.entries(withOptions))(
    '%s with an option that there is not, or with none',
    (kind, define) => {
      expect(() => define({ invalid: 'skip' } as never)).not.toThrow();
      expect(() => define({ invlid: 'skip' } as never)).toThrow(unknownOption(kind, 'invlid'));
      const message = `Cannot compute ${kind} as its options must be an object: it is number`;
      expect(() => define(0.05 as never)).toThrow(new TypeError(message));
    },
  );

  it.each(required)('%s without its %s, which is misspelt', (kind, _, define) => {
    expect(() => define({ mispelt: '1s' } as never)).toThrow(unknownOption(kind, 'mispelt'));
  });

  it('an own aggregate with a step that there is not', () => {
    expect(step({ invlid: 'skip' })).toThrow(
      new TypeError(
        'Cannot define an aggregate with "invlid" as the options are name, select, invalid, identity, lift, combine, lower',
      ),
    );
  });

  it('takes an identity that is not finite', () => {
    expect(step({ identity: Number.NEGATIVE_INFINITY })).not.toThrow();
  });
});

/** Numbers within 1e-10, for they come of values up to 1,000; anything else the same to the bit. */
function expectClose(actual: Plain, expected: Plain): void {
  if (typeof actual === 'number' && typeof expected === 'number' && Number.isFinite(expected)) {
    expect(Math.abs(actual - expected)).toBeLessThanOrEqual(1e-10 * Math.max(1, Math.abs(expected)));
  } else if (typeof actual === 'object' && actual !== null) {
    expect(Object.keys(actual)).toEqual(Object.keys(expected as object));
    for (const [name, one] of Object.entries<Plain>(actual as never)) {
      expectClose(one, (expected as { readonly [name: string]: Plain })[name] as Plain);
    }
  } else {
    expectIdentical(actual, expected);
  }
}

function holds<Given>(given: fc.Arbitrary<Given>, law: (given: Given) => void, numRuns = 300): void {
  fc.assert(fc.property(given, law), { numRuns });
}
