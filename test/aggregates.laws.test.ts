import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Aggregate } from '../src/core/aggregate.ts';
import { decode, encode } from '../src/core/codec.ts';
import type { Plain } from '../src/core/plain.ts';
import type { EpochMillis } from '../src/core/time.ts';
import { collect, count, first, last, max, mean, min, range, sum } from '../src/index.ts';
import { exactly, exactSum, magnitude, sumOfMagnitudes } from './support/core-exact.ts';
import { deepFreeze, expectIdentical, plain } from './support/core-plain.ts';

interface Rec {
  readonly value: number;
  readonly anything: Plain;
}
type AnyAggregate = Aggregate<Rec, Plain, Plain, Plain>;
type Timed = readonly [at: EpochMillis, value: Plain];

/** Whole numbers whose sums and counts stay whole: no bracketing may change the result by a bit. */
const whole = fc.integer({ min: -(2 ** 31), max: 2 ** 31 });
const finite = fc.double({ noNaN: true, noDefaultInfinity: true });
/** Times that collide. */
const instant = fc.integer({ min: -3, max: 3 }) as fc.Arbitrary<unknown> as fc.Arbitrary<EpochMillis>;

const cases: {
  name: string;
  aggregate: unknown;
  value: fc.Arbitrary<Plain>;
  alone: (value: Plain) => Plain;
}[] = [
  { name: 'count', aggregate: count(), value: fc.constant(null), alone: () => 1 },
  { name: 'sum', aggregate: sum<Rec>('value'), value: whole, alone: (value) => value },
  { name: 'mean', aggregate: mean<Rec>('value'), value: whole, alone: (value) => value },
  { name: 'min', aggregate: min<Rec>('value'), value: finite, alone: (value) => value },
  { name: 'max', aggregate: max<Rec>('value'), value: finite, alone: (value) => value },
  { name: 'range', aggregate: range<Rec>('value'), value: finite, alone: () => 0 },
  { name: 'first', aggregate: first<Rec, 'anything'>('anything'), value: plain, alone: (value) => value },
  { name: 'last', aggregate: last<Rec, 'anything'>('anything'), value: plain, alone: (value) => value },
  {
    name: 'collect',
    aggregate: collect<Rec, 'anything'>('anything'),
    value: plain,
    alone: (value) => [value],
  },
  {
    name: 'collect of the latest 3',
    aggregate: collect<Rec, 'anything'>('anything', { limit: 3 }),
    value: plain,
    alone: (value) => [value],
  },
];

describe.each(cases)('$name', ({ aggregate: untyped, value, alone }) => {
  const aggregate = untyped as AnyAggregate;
  const partial = partialOf(aggregate, value);

  it('is left as it is by the identity, on either side', () => {
    holds(partial, (a) => {
      expectIdentical(aggregate.combine(aggregate.identity, a), a);
      expectIdentical(aggregate.combine(a, aggregate.identity), a);
    });
  });

  it('combines the same however the combinations are bracketed', () => {
    holds(fc.tuple(partial, partial, partial), ([a, b, c]) => {
      const leftFirst = aggregate.combine(aggregate.combine(a, b), c);
      const rightFirst = aggregate.combine(a, aggregate.combine(b, c));
      expectIdentical(leftFirst, rightFirst);
    });
  });

  it('changes nothing that it is given', () => {
    holds(fc.tuple(partial, partial, value, instant), ([a, b, one, at]) => {
      const given = deepFreeze([a, b, aggregate.identity, one]);
      const before = encode(given);
      aggregate.combine(a, b);
      aggregate.combine(aggregate.identity, a);
      aggregate.lower(deepFreeze(aggregate.combine(b, deepFreeze(aggregate.lift(one, at)))));
      expect(encode(given)).toEqual(before);
    });
  });

  it('of one record shows that record', () => {
    holds(fc.tuple(value, instant), ([one, at]) => {
      expectIdentical(aggregate.lower(aggregate.lift(one, at)), alone(one));
    });
  });

  it('comes back from a commit to the bit', () => {
    holds(partial, (a) => expectIdentical(decode(encode(a)), a));
  });
});

describe('sum and mean', () => {
  const [summed, averaged] = [sum<Rec>('value'), mean<Rec>('value')] as unknown as [
    AnyAggregate,
    AnyAggregate,
  ];
  /** A value far from overflow, so that every exact sum is a double's size. */
  const value = fc.double({ noNaN: true, min: -1e300, max: 1e300 });
  /** Doubles drawn evenly by their bits are mostly tiny: these are of one size. */
  const similar = fc.integer({ min: -1e9, max: 1e9 }).map((thousandths) => thousandths / 1_000);
  const values = fc.oneof(
    ...[value, similar].map((one) => fc.array(one, { minLength: 1, maxLength: 60, size: 'max' })),
  );

  it('stay within 1e-15 of the sum of magnitudes, however they are bracketed', () => {
    holds(fc.tuple(values, fc.array(fc.nat(), { minLength: 60, maxLength: 60 })), ([given, cuts]) => {
      const exact = exactSum(given);
      const magnitudes = sumOfMagnitudes(given);
      const total = summed.lower(bracketed(summed, given, cuts)) as number;
      expect(magnitude(exactly(total) - exact) * 10n ** 15n).toBeLessThanOrEqual(magnitudes);

      const average = averaged.lower(bracketed(averaged, given, cuts)) as number;
      const error = magnitude(exactly(average) * BigInt(given.length) - exact);
      // A mean below the smallest double can only be rounded to a neighbour of it.
      const halfOfTheSmallest = BigInt(given.length) / 2n + 1n;
      expect((error - halfOfTheSmallest) * 10n ** 15n).toBeLessThanOrEqual(magnitudes);
    });
  });

  //  1e15, -1e15 come and go; what they covered is still there:   0.1 + 1e15 + 0.2 - 1e15 + … = 0.3…
  const spikes = fc.array(fc.tuple(similar, fc.constantFrom(1e15, -1e15, 3e15, 1e15 + 0.125)), {
    minLength: 1,
    maxLength: 200,
    size: 'max',
  });
  const spiked = spikes.map((pairs) => [...pairs.flat(), ...pairs.map(([, spike]) => -spike).reverse()]);
  //  1,000,000.001, 999,999.999, …: the sum of squares of such a series loses everything to rounding
  const steady = fc.array(fc.constantFrom(1e6 + 1e-3, 1e6 - 1e-3, -1e6 - 1e-3), {
    minLength: 1,
    maxLength: 1_000,
    size: 'max',
  });

  it.each([
    { of: 'spikes of 1e15', series: spiked },
    { of: '1e6 ± 1e-3', series: steady },
  ])('round $of once, as if added exactly, however they are bracketed', ({ series }) => {
    const bracketing = fc.constantFrom(inTurn, halves);
    holds(
      fc.tuple(series, bracketing),
      ([given, combined]) => {
        const exact = exactSum(given);
        const total = summed.lower(combined(summed, given)) as number;
        // Half a unit in the last place is 2^-53; what pairs lose of each addition is 2^-104 of what was added.
        const rounding = magnitude(exact) >> 52n;
        const lost = (BigInt(8 * given.length) * sumOfMagnitudes(given)) >> 106n;
        expect(magnitude(exactly(total) - exact)).toBeLessThanOrEqual(rounding + lost + 1n);

        const average = averaged.lower(combined(averaged, given)) as number;
        const n = BigInt(given.length);
        expect(magnitude(exactly(average) * n - exact)).toBeLessThanOrEqual(2n * rounding + lost + n);
      },
      100,
    );
  });
});

describe('min, max and range', () => {
  it('are those of all values', () => {
    holds(fc.array(finite, { minLength: 1 }), (given) => {
      const [least, greatest] = [Math.min(...given), Math.max(...given)];
      const lowered = [min, max, range].map((aggregate) => {
        const one = aggregate<Rec>('value') as unknown as AnyAggregate;
        return one.lower(inTurn(one, given));
      });
      expect(lowered).toEqual([least, greatest, greatest - least]);
    });
  });
});

describe('first, last and collect', () => {
  const timed: fc.Arbitrary<Timed[]> = fc.array(fc.tuple(instant, fc.nat()), { minLength: 1, maxLength: 20 });

  it('order by event time, and equal times by the order of their source', () => {
    holds(fc.tuple(timed, fc.integer({ min: 1, max: 25 })), ([given, limit]) => {
      const expected = given.toSorted(([a], [b]) => a - b).map(([, value]) => value);
      const all = collect<Rec, 'anything'>('anything', { limit }) as unknown as AnyAggregate;
      const earliest = first<Rec, 'anything'>('anything') as unknown as AnyAggregate;
      const latest = last<Rec, 'anything'>('anything') as unknown as AnyAggregate;
      const lowered = (aggregate: AnyAggregate): Plain =>
        aggregate.lower(given.map(([at, value]) => aggregate.lift(value, at)).reduce(aggregate.combine));
      expect(lowered(all)).toEqual(expected.slice(-limit));
      expect(lowered(earliest)).toBe(expected[0]);
      expect(lowered(latest)).toBe(expected.at(-1));
    });
  });

  it.each([0, -1, 1.5, 10_001, Number.NaN])('refuse to collect %s values', (limit) => {
    expect(() => collect<Rec, 'anything'>('anything', { limit })).toThrow(
      new RangeError(`Cannot collect ${limit} values as limit must be a whole number from 1 to 10,000`),
    );
  });
});

/** What an aggregate keeps of some neighbouring records, or of none. */
function partialOf(aggregate: AnyAggregate, value: fc.Arbitrary<Plain>): fc.Arbitrary<Plain> {
  return fc.array(fc.tuple(value, instant), { maxLength: 5 }).map((given) => {
    const [first = aggregate.identity, ...others] = given.map(([one, at]) => aggregate.lift(one, at));
    return others.reduce((a, b) => aggregate.combine(a, b), first);
  });
}

/** One record after another, as they come. */
const inTurn = (aggregate: AnyAggregate, values: readonly number[]): Plain =>
  values.map((value) => aggregate.lift(value, 0 as EpochMillis)).reduce((a, b) => aggregate.combine(a, b));

/** Half of the records with the other half, and each half likewise. */
function halves(aggregate: AnyAggregate, values: readonly number[]): Plain {
  if (values.length === 1) return inTurn(aggregate, values);
  const middle = values.length >> 1;
  return aggregate.combine(
    halves(aggregate, values.slice(0, middle)),
    halves(aggregate, values.slice(middle)),
  );
}

/** The same records, cut in two again and again at the places that `cuts` tells. */
function bracketed(aggregate: AnyAggregate, values: readonly number[], cuts: readonly number[]): Plain {
  if (values.length === 1) return inTurn(aggregate, values);
  const [cut = 0, ...others] = cuts;
  const at = 1 + (cut % (values.length - 1));
  return aggregate.combine(
    bracketed(aggregate, values.slice(0, at), others),
    bracketed(aggregate, values.slice(at), others),
  );
}

function holds<Given>(given: fc.Arbitrary<Given>, law: (given: Given) => void, numRuns = 300): void {
  fc.assert(fc.property(given, law), { numRuns });
}
