import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { countBy } from '../../src/core/aggregates/count-by.ts';
import { distinct } from '../../src/core/aggregates/distinct.ts';
import { quantile } from '../../src/core/aggregates/quantile.ts';
import { topK } from '../../src/core/aggregates/top-k.ts';
import { decode, encode } from '../../src/core/codec.ts';
import { canonicalJson, Hasher } from '../../src/core/hash.ts';
import { cloneOf, type Plain } from '../../src/core/plain.ts';
import { Random } from '../../src/simulation/random.ts';
import { deepFreeze, EDGES, expectIdentical, plain } from './plain.ts';
import { added, cut, merged, type Rec, type Sketching, sketching, sketchingWeighed } from './sketch-parts.ts';

/** Numbers close to each other, as rows of bins are for, and numbers anywhere. */
const anyNumber = fc.oneof(fc.integer({ min: -40, max: 40 }), fc.double(), fc.constantFrom(...EDGES));
/** What a selector of plain values may give: numbers are finite. */
const anyValue = plain.filter((value) => !JSON.stringify(value, notFinite).includes('not finite'));
const notFinite = (_: string, value: unknown): unknown =>
  typeof value === 'number' && !Number.isFinite(value) ? 'not finite' : value;
/** Few enough to be equal often. */
const few = fc.constantFrom<Plain>(
  'a',
  'b',
  '',
  '1',
  1,
  0,
  -0,
  true,
  null,
  [1],
  { b: 1, a: 2 },
  { a: 2, b: 1 },
  '\0',
);

const cases: {
  name: string;
  sketch: Sketching;
  value: fc.Arbitrary<Plain>;
  values?: fc.Arbitrary<Plain[]>;
}[] = [
  {
    name: 'quantile',
    sketch: sketching(quantile<Rec, 0.5, 'keep'>('number', 0.5, { invalid: 'keep' })),
    value: anyNumber,
  },
  {
    name: 'quantile within 10 %',
    sketch: sketching(quantile<Rec, readonly number[]>('number', [0.1, 0.9], { error: 0.1 })),
    value: fc.double({ noNaN: true, min: -1e6, max: 1e6 }),
  },
  { name: 'distinct', sketch: sketching(distinct<Rec>('value')), value: fc.oneof(anyValue, few) },
  {
    name: 'distinct, of many',
    sketch: sketching(distinct<Rec>('value')),
    value: fc.nat(1_000),
    values: fc.tuple(fc.nat(), fc.nat(500)).map(([seed, count]) => {
      const random = new Random(seed);
      return Array.from({ length: count }, () => random.whole(0, 1_000));
    }),
  },
  {
    name: 'topK of no more than it counts',
    sketch: sketching(topK<Rec, 'value'>('value', 3, { capacity: 10 })),
    value: few.filter((value) => typeof value !== 'object'),
  },
  { name: 'topK', sketch: sketching(topK<Rec, 'value'>('value', 10)), value: fc.oneof(anyValue, few) },
  {
    name: 'topK by a number',
    sketch: sketchingWeighed(topK<Rec, 'value'>('value', 3, { by: 'number', capacity: 10 })),
    value: fc.tuple(
      few.filter((value) => typeof value !== 'object'),
      // Sums of these are exact, so that parts are the same to the bit wherever they are cut.
      fc.nat(1_000_000).map((quarters) => quarters / 4),
    ),
  },
  { name: 'countBy', sketch: sketching(countBy<Rec>('value')), value: fc.oneof(anyValue, few) },
  { name: 'countBy of 3 texts', sketch: sketching(countBy<Rec>('value', { limit: 3 })), value: few },
];

describe.each(cases)(
  '$name',
  ({ sketch, value, values = fc.array(value, { maxLength: 60, size: 'max' }) }) => {
    const partial = values.map((given) => added(sketch, given));

    it('is left as it is by the identity, on either side', () => {
      holds(partial, (a) => {
        expectIdentical(sketch.combine(sketch.identity, a), a);
        expectIdentical(sketch.combine(a, sketch.identity), a);
      });
    });

    it('is the same to the bit, however it is bracketed and whichever comes first', () => {
      holds(fc.tuple(partial, partial, partial), ([a, b, c]) => {
        const { combine } = sketch;
        expectIdentical(combine(combine(a, b), c), combine(a, combine(b, c)));
        expectIdentical(combine(a, b), combine(b, a));
      });
    });

    it('adds a value as it combines it', () => {
      holds(fc.tuple(partial, value), ([a, one]) => {
        expectIdentical(sketch.add(cloneOf(a), one), sketch.combine(a, sketch.lift(one)));
      });
    });

    it('is the same to the bit, wherever its records are cut into parts', () => {
      holds(fc.tuple(values, fc.array(fc.nat(), { maxLength: 5 })), ([given, cuts]) => {
        const whole = added(sketch, given);
        expectIdentical(cut(sketch, given, cuts, 'left'), whole);
        expectIdentical(cut(sketch, given, cuts, 'right'), whole);
      });
    });

    it('changes nothing that it is given, but what a value is added to', () => {
      holds(fc.tuple(partial, partial, value), ([a, b, one]) => {
        deepFreeze([a, b]);
        const combined = sketch.combine(a, b);
        sketch.lower(a);
        // What was combined of two is its owner's own: neither of the two would let itself be written to.
        if (combined !== a && combined !== b) sketch.add(combined, one);
      });
    });

    it('has an identity that nothing is ever added to', () => {
      holds(value, (one) => {
        expectIdentical(sketch.add(deepFreeze(sketch.identity), one), sketch.lift(one));
      });
    });

    it('comes back from a commit to the bit, and goes on alike', () => {
      holds(fc.tuple(partial, value), ([a, one]) => {
        const back = decode(encode(a));
        expectIdentical(back, a);
        expectIdentical(sketch.lower(back), sketch.lower(a));
        expectIdentical(sketch.add(back, one), sketch.add(cloneOf(a), one));
      });
    });
  },
);

describe('nothing', () => {
  it.each([
    ['quantile', NaN, sketching(quantile<Rec, 0.5>('number', 0.5))],
    ['quantile of a list', [NaN, NaN], sketching(quantile<Rec, readonly number[]>('number', [0, 1]))],
    ['distinct', 0, sketching(distinct<Rec>('value'))],
    ['topK', [], sketching(topK<Rec, 'value'>('value', 3))],
    ['countBy', { counts: {}, other: 0 }, sketching(countBy<Rec>('value'))],
  ] as const)('has its %s: %j', (_, expected, sketch) => {
    expect(sketch.lower(sketch.identity)).toEqual(expected);
  });
});

describe('quantile', () => {
  const finite = fc.double({ noNaN: true, noDefaultInfinity: true });

  it('is within its error of the value at that place, in order of size', () => {
    const errors = fc.double({ min: 0.005, max: 0.1, noNaN: true });
    const q = fc.double({ min: 0, max: 1, noNaN: true });
    holds(
      fc.tuple(fc.array(finite, { minLength: 1, maxLength: 30, size: 'max' }), errors, q),
      ([given, error, at]) => {
        const sketch = sketching(quantile<Rec, number>('number', at, { error }));
        const exact = given.toSorted((a, b) => a - b)[Math.floor(at * (given.length - 1))] as number;
        const value = sketch.lower(added(sketch, given));
        expect(Math.abs(value - exact)).toBeLessThanOrEqual(Math.max(error * Math.abs(exact), 1e-300));
      },
    );
  });

  //  2^e·(1 + x) next to where x, or the bin, begins anew
  it.each([0.005, 0.01, 0.05, 0.1])('is within its error of %s at the edges of its bins', (error) => {
    const sketch = sketching(quantile<Rec, 0>('number', 0, { error }));
    const edges = Array.from({ length: 2_000 }, (_, at) => 2 ** (at - 996));
    const between = Array.from({ length: 20_000 }, (_, at) => 1 + at / 20_000);
    for (const edge of [...edges, ...between, Number.MAX_VALUE]) {
      for (const value of [edge, edge * (1 - Number.EPSILON), edge * (1 + Number.EPSILON)]) {
        if (!Number.isFinite(value)) continue;
        const given = sketch.lower(sketch.lift(value));
        if (!(Math.abs(given - value) <= error * value)) expect({ given, value }).toBe('within its error');
      }
    }
  });

  it('has the mirror image of the values for the mirror image of its own', () => {
    const q = [0, 0.25, 0.5, 0.75, 1] as const;
    const sketch = sketching(quantile<Rec, typeof q>('number', q));
    const odd = fc
      .array(finite, { minLength: 1, maxLength: 9, size: 'max' })
      .filter(({ length }) => length % 4 === 1);
    holds(odd, (given) => {
      const image = sketch.lower(
        added(
          sketch,
          given.map((value) => -value),
        ),
      );
      expect(image.map((value) => 0 - value).reverse()).toEqual(sketch.lower(added(sketch, given)));
    });
  });

  it('has kept infinities at either end, and NaN for all where one is kept', () => {
    const sketch = sketching(
      quantile<Rec, readonly number[], 'keep'>('number', [0, 0.5, 1], { invalid: 'keep' }),
    );
    const ends = added(sketch, [Number.POSITIVE_INFINITY, 0, Number.NEGATIVE_INFINITY]);
    expect(sketch.lower(ends)).toEqual([Number.NEGATIVE_INFINITY, 0, Number.POSITIVE_INFINITY]);
    expect(sketch.lower(added(sketch, [1, Number.NaN, 2]))).toEqual([Number.NaN, Number.NaN, Number.NaN]);
  });

  it('gives a number for a number, a list for a list', () => {
    const one = sketching(quantile<Rec, 0.5>('number', 0.5));
    const list = sketching(quantile<Rec, readonly [0.5, 1]>('number', [0.5, 1]));
    const values = added(one, [1, 2, 4]);
    const median = one.lower(values);
    expect(median).toBeCloseTo(2, 1);
    expect(list.lower(values)).toEqual([median, expect.closeTo(4, 1)]);
  });

  //  over 600 decades there are 69,000 bins of 1 %, of each sign
  describe('of numbers that take more than 2,048 bins', () => {
    const wide = (seed: number): number[] => {
      const random = new Random(seed);
      return Array.from(
        { length: 8_000 },
        () => (random.chance(0.5) ? -1 : 1) * 10 ** (600 * random.next() - 300),
      );
    };
    const sketch = sketching(quantile<Rec, number>('number', 0.5));

    it('is the same to the bit, wherever its records are cut into parts', () => {
      holds(
        fc.tuple(fc.integer(), fc.array(fc.nat(), { maxLength: 5 })),
        ([seed, cuts]) => {
          const given = wide(seed);
          expectIdentical(cut(sketch, given, cuts, 'left'), added(sketch, given));
        },
        10,
      );
    });

    it('takes no more bins, and holds its error away from zero', () => {
      const given = wide(1);
      const partial = added(sketch, given);
      // A delta and a count for each of 4,096 bins.
      expect(encode(partial).length).toBeLessThan(10_000);
      const sorted = given.toSorted((a, b) => a - b);
      for (const q of [0, 0.001, 0.01, 0.02, 0.98, 0.99, 0.999, 1]) {
        const exact = sorted[Math.floor(q * (given.length - 1))] as number;
        const value = sketching(quantile<Rec, number>('number', q)).lower(partial);
        expect(Math.abs(value / exact - 1)).toBeLessThan(0.01);
      }
    });

    //  bins of 1 % are 0.02 wide, by the logarithm: every one of them is taken, or every other
    it.each([
      ['in a row', 0.009_7, 5_000],
      ['apart', 0.039_2, 2_048],
    ])('has those closer to zero in the lowest bin that is kept, where bins are %s', (_, step, count) => {
      const lowest = sketching(quantile<Rec, 0>('number', 0));
      const spread = Array.from({ length: count }, (_, at) => Math.exp(step * at - 40));
      const least = lowest.lower(added(lowest, spread));
      expect(lowest.lower(added(lowest, [...spread, 1e-30, 1e-40]))).toBe(least);
      expect(lowest.lower(added(lowest, [1e-40, 1e-30, ...spread]))).toBe(least);
      expectIdentical(
        added(lowest, [...spread, 1e-30, 1e-40]),
        lowest.combine(added(lowest, [1e-30, 1e-40]), added(lowest, spread)),
      );
    });

    //  some 2,048 bins in a row, but for two in the middle, and a value far below
    it('adds a value as it combines it, where it is the last that fits, or the first that does not', () => {
      for (let count = 4_170; count < 4_190; count++) {
        const gap = count >> 1;
        const row = Array.from({ length: count }, (_, at) => Math.exp(0.009_7 * at - 20)).filter(
          (_, at) => Math.abs(at - gap) > 2,
        );
        const partial = added(sketch, row);
        const combined = sketch.combine(partial, sketch.lift(1e-30));
        expectIdentical(sketch.add(partial, 1e-30), combined);
      }
    });
  });

  it.each([-0.1, 1.1, NaN, []])('refuses the quantile %s', (q) => {
    expect(() => quantile<Rec, number | readonly number[]>('number', q)).toThrow(
      new RangeError(`Cannot compute the quantile ${q} as it must be one or more numbers from 0 to 1`),
    );
  });

  it.each([0, 0.004, 0.11, Number.NaN])('refuses an error of %s', (error) => {
    expect(() => quantile<Rec, 0.5>('number', 0.5, { error })).toThrow(
      new RangeError(`Cannot compute quantiles within ${error} as error must be a number from 0.005 to 0.1`),
    );
  });
});

describe('distinct', () => {
  const sketch = sketching(distinct<Rec>('value'));

  it('is exact for up to 256 different values, whatever they are', () => {
    holds(fc.array(fc.oneof(anyValue, few), { maxLength: 256, size: 'max' }), (given) => {
      expect(sketch.lower(added(sketch, given))).toBe(new Set(given.map(canonicalJson)).size);
    });
  });

  it('is exact for 256 different values, and keeps registers from the 257th on', () => {
    for (let run = 0; run < 20; run++) {
      const given = Array.from({ length: 257 }, (_, at) => 1_000 * run + at);
      expect(sketch.lower(added(sketch, given.slice(1)))).toBe(256);
      expect(added(sketch, given)).toHaveLength(2_048);
    }
  });

  //  11 bits of a hash choose the register; it keeps the greatest place of the first 1 in the other 53
  it('keeps the registers of HyperLogLog, as it is defined', () => {
    const hasher = new Hasher();
    // The first 21 of the 53 bits are zero in the hashes of these.
    const rare = [1_550_600, 4_689_189];
    const given = [...rare, ...Array.from({ length: 10_000 }, (_, at) => `user-${at}`)];
    const registers = new Array<number>(2_048).fill(0);
    for (const value of given) {
      hasher.value(value);
      const bits = [...hasher.lanes].map((lane) => (lane >>> 0).toString(2).padStart(32, '0')).join('');
      const register = Number.parseInt(bits.slice(0, 11), 2);
      registers[register] = Math.max(registers[register] as number, bits.slice(11, 64).indexOf('1') + 1);
    }
    expect(added(sketch, given)).toEqual(registers);
    expect(Math.max(...registers)).toBeGreaterThan(21);
  });

  it('tells texts, numbers and the JSON of others apart, and nothing else', () => {
    expect(sketch.lower(added(sketch, ['1', 1, true, 'true', null, 'null', [], '[]', {}, '{}']))).toBe(10);
    expect(sketch.lower(added(sketch, [0, -0, 0.0]))).toBe(1);
    expect(
      sketch.lower(
        added(sketch, [
          { a: 1, b: [-0] },
          { b: [0], a: 1 },
        ]),
      ),
    ).toBe(1);
  });
});

describe('topK', () => {
  //  capacity 10, of 30 values: SpaceSaving has to guess
  const sketch = sketching(topK<Rec, 'value'>('value', 10, { capacity: 10 }));
  const values = fc.array(
    fc.nat(30).map((value) => Math.floor(value ** 2 / 30)),
    { minLength: 1, maxLength: 200, size: 'max' },
  );

  it('holds its bounds with more values than it counts, wherever its records are cut', () => {
    holds(fc.tuple(values, fc.array(fc.nat(), { maxLength: 5 })), ([given, cuts]) => {
      const ranked = sketch.lower(cut(sketch, given, cuts, 'left'));
      const occurred = new Map<Plain, number>();
      for (const value of given) occurred.set(value, (occurred.get(value) ?? 0) + 1);
      for (const { value, count, error } of ranked) {
        const exact = occurred.get(value) as number;
        expect(count).toBeGreaterThanOrEqual(exact);
        expect(count - error).toBeLessThanOrEqual(exact);
        expect(error).toBeLessThanOrEqual(given.length / 10);
      }
      const counted = ranked.map(({ value }) => value);
      const frequent = [...occurred].filter(([, times]) => times > given.length / 10).map(([value]) => value);
      expect(frequent.filter((value) => !counted.includes(value))).toEqual([]);
    });
  });

  it('adds a value as it combines it, with more values than it counts as well', () => {
    holds(fc.tuple(values, fc.nat(30)), ([given, one]) => {
      const partial = added(sketch, given);
      expectIdentical(sketch.add(cloneOf(partial), one), sketch.combine(partial, sketch.lift(one)));
    });
  });

  it('has as many as told, by count, then value, with the values as they were', () => {
    const three = sketching(topK<Rec, 'value'>('value', 3));
    const given = ['b', { y: 1, x: [2] }, '\0', 'a', { x: [2], y: 1 }, '\0', 7, true, null, '\0'];
    expect(three.lower(added(three, given))).toEqual([
      { value: '\0', count: 3, error: 0 },
      { value: { x: [2], y: 1 }, count: 2, error: 0 },
      { value: null, count: 1, error: 0 },
    ]);
  });

  it('ranks equal counts by the lesser error', () => {
    //  a takes the place, and the count, of k
    const given = ['b', 'c', 'd', 'e', 'f', 'g', 'h', 'i', 'j', 'k', 'a', 'j'];
    expect(sketch.lower(added(sketch, given)).slice(0, 3)).toEqual([
      { value: 'j', count: 2, error: 0 },
      { value: 'a', count: 2, error: 1 },
      { value: 'b', count: 1, error: 0 },
    ]);
  });

  it('gives back any value, up to the order of names and the sign of zero', () => {
    const one = sketching(topK<Rec, 'value'>('value', 1));
    holds(anyValue, (value) => {
      const [only] = one.lower(one.lift(value));
      expect(canonicalJson(only?.value as Plain)).toBe(canonicalJson(value));
    });
  });

  it.each([0, 101, 1.5, Number.NaN])('refuses k of %s', (k) => {
    expect(() => topK<Rec, 'value'>('value', k)).toThrow(
      new RangeError(`Cannot rank the top ${k} values as k must be a whole number from 1 to 100`),
    );
  });

  it.each([
    [20, 19, 20],
    [1, 9, 10],
    [1, 1_001, 10],
    [1, 10.5, 10],
  ])('refuses, with k of %d, a capacity of %d', (k, capacity, least) => {
    expect(() => topK<Rec, 'value'>('value', k, { capacity })).toThrow(
      new RangeError(
        `Cannot count ${capacity} values as capacity must be a whole number from ${least} to 1,000 where k is ${k}`,
      ),
    );
  });
});

describe('topK by a number', () => {
  const sketch = sketchingWeighed(topK<Rec, 'value'>('value', 10, { by: 'number', capacity: 10 }));
  const pair = fc.tuple(
    fc.nat(30).map((value) => Math.floor(value ** 2 / 30)),
    fc.oneof(
      fc.constantFrom(0, -0, 1),
      fc.nat(400).map((quarters) => quarters / 4),
    ),
  );
  const pairs = fc.array(pair, { minLength: 1, maxLength: 200, size: 'max' });

  it('holds its bounds with more values than it counts, wherever its records are cut', () => {
    holds(fc.tuple(pairs, fc.array(fc.nat(), { maxLength: 5 })), ([given, cuts]) => {
      const ranked = sketch.lower(cut(sketch, given, cuts, 'left'));
      const weighed = new Map<Plain, number>();
      for (const [value, weight] of given) weighed.set(value, (weighed.get(value) ?? 0) + weight);
      const bound = given.reduce((sum, [, weight]) => sum + weight, 0) / 10;
      for (const { value, count, error } of ranked) {
        const exact = weighed.get(value) as number;
        expect(count).toBeGreaterThanOrEqual(exact);
        expect(count - error).toBeLessThanOrEqual(exact);
        expect(error).toBeLessThanOrEqual(bound);
      }
      const counted = ranked.map(({ value }) => value);
      const heavy = [...weighed].filter(([, weight]) => weight > bound).map(([value]) => value);
      expect(heavy.filter((value) => !counted.includes(value))).toEqual([]);
    });
  });

  it('adds a value as it combines it, with weights that add nothing as well', () => {
    holds(fc.tuple(pairs, pair), ([given, one]) => {
      const partial = added(sketch, given);
      expectIdentical(sketch.add(cloneOf(partial), one), sketch.combine(partial, sketch.lift(one)));
    });
  });

  it('ranks by the sum of weights, and not by how often a value occurs', () => {
    const given = [
      ['often', 1],
      ['heavy', 2.5],
      ['often', 1],
    ];
    expect(sketch.lower(added(sketch, given))).toEqual([
      { value: 'heavy', count: 2.5, error: 0 },
      { value: 'often', count: 2, error: 0 },
    ]);
  });

  it('refuses a record with a negative weight', () => {
    const refusal = new RangeError(
      'Cannot rank a value by its weight as weights must be 0 or more: it is negative',
    );
    expect(() => sketch.lift(['a', -1])).toThrow(refusal);
    expect(() => sketch.add(sketch.lift(['a', 1]), ['a', -1])).toThrow(refusal);
  });
});

describe('countBy', () => {
  it('counts the texts that come first in their order, exactly, and all others together', () => {
    const limits = fc.integer({ min: 1, max: 6 });
    const values = fc.array(fc.oneof(few, fc.constantFrom('__proto__', 'constructor', '10', '9')), {
      maxLength: 60,
      size: 'max',
    });
    holds(fc.tuple(values, limits, fc.array(fc.nat(), { maxLength: 3 })), ([given, limit, cuts]) => {
      const sketch = sketching(countBy<Rec>('value', { limit }));
      const texts = given.map((value) => (typeof value === 'string' ? value : canonicalJson(value)));
      const counted = [...new Set(texts)].sort().slice(0, limit);
      const counts = Object.fromEntries(
        counted.map((text) => [text, texts.filter((other) => other === text).length]),
      );
      const other = texts.filter((text) => !counted.includes(text)).length;
      expectIdentical(sketch.lower(cut(sketch, given, cuts, 'right')), { counts, other });
    });
  });

  it.each([0, 10_001, 1.5, Number.NaN])('refuses a limit of %s', (limit) => {
    expect(() => countBy<Rec>('value', { limit })).toThrow(
      new RangeError(`Cannot count by ${limit} texts as limit must be a whole number from 1 to 10,000`),
    );
  });
});

describe('signatures', () => {
  it('name the kind, the input, what is done without it, and every setting', () => {
    const signatures = [
      quantile<Rec, 0.5>('number', 0.5),
      quantile<Rec, readonly [0.5, 0.9], 'keep'>('number', [0.5, 0.9], { error: 0.02, invalid: 'keep' }),
      distinct<Rec, 'skip'>(() => 1, { invalid: 'skip' }),
      topK<Rec, 'value'>('value', 20),
      topK<Rec, 'value', 'skip'>('value', 3, { capacity: 50, invalid: 'skip' }),
      topK<Rec, 'value'>('value', 3, { by: 'number' }),
      countBy<Rec>('value'),
    ].map(({ signature }) => signature);
    expect(signatures).toEqual([
      'quantile(number,0.5,0.01)',
      'quantile(number,keep,[0.5,0.9],0.02)',
      'distinct(λ,skip)',
      'topK(value,20,200)',
      'topK(value,skip,3,50)',
      'topK(value,3,100,by number)',
      'countBy(value,1000)',
    ]);
  });
});

describe('the hash', () => {
  const hasher = new Hasher();
  const hex = (): string =>
    [...hasher.lanes].map((lane) => (lane >>> 0).toString(16).padStart(8, '0')).join('');
  /** With room for what is written behind them. */
  const bytesHash = (bytes: Uint8Array, seed: number): string => {
    const room = new Uint8Array(bytes.length + 16);
    room.set(bytes);
    hasher.bytes(room, bytes.length, seed);
    return hex();
  };

  it.each([
    [123, 'Hello, world!', '61c9129e5a1aacd7a41621629e37c886'],
    [321, 'Hello, world!', 'd5fbdcb3c26c4193045880c5a7170f0f'],
    [123, 'xxxxxxxxxxxxxxxxxxxxxxxxxxxx', '5e40bab278825a164cf929d31fec6047'],
    [123, '', 'fedc524526f3e79926f3e79926f3e799'],
    [0, "I will not buy this tobacconist's, it is scratched.", '9b5b7ba2ef3f7866889adeaf00f3f98e'],
  ])('is MurmurHash3_x86_128, seed %d, of %j: %s', (seed, text, expected) => {
    hasher.text(text, seed);
    expect(hex()).toBe(expected);
  });

  //  {}, {0}, {0, 1}, … with the seeds 256, 255, 254, …, and the hash of all those hashes
  it("passes SMHasher's verification of all lengths up to 255", () => {
    const keys = Uint8Array.from({ length: 256 }, (_, at) => at);
    const hashes = new DataView(new ArrayBuffer(256 * 16));
    for (let length = 0; length < 256; length++) {
      bytesHash(keys.subarray(0, length), 256 - length);
      for (const [at, lane] of hasher.lanes.entries()) hashes.setInt32(16 * length + 4 * at, lane, true);
    }
    expect(bytesHash(new Uint8Array(hashes.buffer), 0).slice(0, 8)).toBe('b3ece62a');
  });

  it('of a text is that of its UTF-8, however long', () => {
    const texts = fc.tuple(fc.string({ unit: 'binary', maxLength: 40 }), fc.constantFrom(1, 30, 400));
    holds(texts, ([text, times]) => {
      const long = text.repeat(times);
      hasher.text(long, 7);
      const hash = hex();
      expect(hash).toBe(bytesHash(new TextEncoder().encode(long), 7));
    });
  });

  it('of a number is that of its eight bytes, of others that of their canonical JSON', () => {
    holds(fc.oneof(anyValue, few), (value) => {
      const json = canonicalJson(value);
      const number = new DataView(new ArrayBuffer(8));
      if (typeof value === 'number') number.setFloat64(0, value === 0 ? 0 : value, true);
      hasher.value(value);
      const hash = hex();
      if (typeof value === 'string') expect(hash).toBe(bytesHash(new TextEncoder().encode(value), 0));
      else if (typeof value === 'number') expect(hash).toBe(bytesHash(new Uint8Array(number.buffer), 1));
      else expect(hash).toBe(bytesHash(new TextEncoder().encode(json), 2));
    });
  });
});

describe('canonical JSON', () => {
  it('says what the value says', () => {
    holds(anyValue, (value) => {
      expect(JSON.parse(canonicalJson(value))).toEqual(JSON.parse(JSON.stringify(value)));
    });
  });

  //  the examples of RFC 8785, sections 3.2.2 and 3.2.3
  it('orders names by UTF-16 code units, and has no space', () => {
    const names = { '\u20ac': 1, '\r': 2, '\ufb33': 3, '1': 4, '\u{1f600}': 5, '\u0080': 6, '\u00f6': 7 };
    expect(Object.values(JSON.parse(canonicalJson(names)))).toEqual([4, 2, 6, 7, 1, 5, 3]);
    expect(
      canonicalJson({
        numbers: [Number('333333333.33333329'), 1e30, 4.5, 2e-3, 1e-27],
        literals: [null, true, false],
      }),
    ).toBe('{"literals":[null,true,false],"numbers":[333333333.3333333,1e+30,4.5,0.002,1e-27]}');
  });
});

describe('merging 20 parts', () => {
  it('equals adding all to one, where that is promised to the bit', () => {
    const random = new Random(9);
    const numbers = Array.from({ length: 3_000 }, () => Math.round(1e4 * random.next() ** 3) / 10);
    for (const sketch of [
      sketching(quantile<Rec, 0.5>('number', 0.5)),
      sketching(distinct<Rec>('number')),
      sketching(countBy<Rec>('number', { limit: 50 })),
    ]) {
      expectIdentical(merged(sketch, numbers, 20), added(sketch, numbers));
    }
  });
});

function holds<Given>(given: fc.Arbitrary<Given>, law: (given: Given) => void, numRuns = 200): void {
  fc.assert(fc.property(given, law), { numRuns });
}
