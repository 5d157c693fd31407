import fc from 'fast-check';
import { Table } from '../../src/core/table.ts';
import { EDGES, plain } from './plain.ts';

/** The same numbers from 0 up to 1 for the same seed: a linear congruential generator. */
export function drawn(seed: number): () => number {
  let state = seed;
  return () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return state / 2 ** 32;
  };
}

/** Lengths around those at which a block ends, and any others. */
const length = fc.oneof(
  fc.constantFrom(0, 1, 3, 4, 5, 63, 64, 65, 127, 128, 129, 193),
  fc.integer({ min: 0, max: 300 }),
);

const places = fc.integer({ min: 0, max: 15 });
const bits = fc.integer({ min: 0, max: 52 });

/** A column whose values a function makes, one after the other, of what was drawn. */
const series = <Drawn>(
  what: fc.Arbitrary<Drawn>,
  valuesOf: (what: Drawn, random: () => number) => (index: number) => number,
): fc.Arbitrary<number[]> =>
  fc.tuple(length, fc.nat(), what).map(([count, seed, what]) => {
    const valueAt = valuesOf(what, drawn(seed));
    return Array.from({ length: count }, (_, index) => valueAt(index));
  });

const anyDoubles = series(fc.constant(null), (_, random) => {
  const view = new DataView(new ArrayBuffer(8));
  return () => {
    view.setUint32(0, random() * 2 ** 32);
    view.setUint32(4, random() * 2 ** 32);
    return view.getFloat64(0);
  };
});

const pools = fc.oneof(
  fc.constant(EDGES),
  fc.array(fc.double(), { minLength: 1, maxLength: 3 }),
  fc.array(fc.integer({ min: -300, max: 300 }), { minLength: 1, maxLength: 9 }),
);

const repeated = series(pools, (pool, random) => () => pool[Math.floor(random() * pool.length)] as number);

/** Whole numbers, each within 2^bits of the last. */
function walk(bits: number, random: () => number): () => number {
  let at = Math.round((random() - 0.5) * 2 ** Math.min(bits + 10, 52));
  return () => {
    at += Math.round((random() - 0.5) * 2 ** bits);
    return at;
  };
}

const decimals = series(fc.tuple(bits, places), ([bits, places], random) => {
  const next = walk(bits, random);
  return () => next() / 10 ** places;
});

const binaries = series(fc.tuple(bits, fc.integer({ min: -1_074, max: 970 })), ([bits, power], random) => {
  const next = walk(bits, random);
  return () => next() * 2 ** power;
});

/** Sums of decimals, a few units in the last place off what they should be. */
const worn = series(fc.tuple(bits, places), ([bits, places], random) => {
  const next = walk(bits, random);
  let sum = 0;
  return (index) => {
    sum = index % 20 === 0 ? 0 : sum + next() / 10 ** places;
    return sum;
  };
});

const times = series(
  fc.tuple(fc.integer({ min: 0, max: 2e12 }), fc.integer({ min: 0, max: 1e6 }), fc.nat(40)),
  ([start, step, jitter], random) =>
    (index) =>
      start + index * step + Math.round(random() * jitter),
);

const lawful = fc.oneof(decimals, binaries, worn, times, repeated);

/** Lawful but for a few values. */
const mixed = fc
  .tuple(
    lawful,
    fc.array(fc.tuple(fc.nat(), fc.oneof(fc.constantFrom(...EDGES), fc.double())), { maxLength: 8 }),
  )
  .map(([values, others]) => {
    for (const [at, other] of others) if (values.length > 0) values[at % values.length] = other;
    return values;
  });

/** Columns of every kind that there is a way to write, and those that there is none for. */
export const column: fc.Arbitrary<number[]> = fc.oneof(anyDoubles, lawful, mixed);

/** A table of rows of numbers and plain values. */
export function tableOf(
  width: number,
  plainWidth: number,
  rows: readonly (readonly [numbers: readonly number[], plains?: Table['plains']])[],
): Table {
  const table = new Table(width, plainWidth);
  for (const [numbers, plains = []] of rows) {
    table.pushNumbers(...numbers);
    table.plains.push(...plains);
  }
  return table;
}

/** The tables of one slot: a few keys', of one layout; some columns equal others, some tables are empty. */
const slot: fc.Arbitrary<Table[]> = fc
  .record({
    rows: fc.array(fc.oneof(fc.nat(3), fc.nat(80)), { maxLength: 6 }),
    columns: fc.array(fc.oneof(column, fc.nat(3)), { maxLength: 5 }),
    plains: fc.array(fc.array(plain, { minLength: 1, maxLength: 9 }), { maxLength: 2 }),
  })
  .map(({ rows, columns, plains }) => {
    let next = 0;
    const valueAt = (which: number, at: number): number => {
      const values = columns[which];
      if (typeof values === 'number') return values < which ? valueAt(values, at) : values;
      return values?.[at % values.length] ?? at;
    };
    return rows.map((count) =>
      tableOf(
        columns.length,
        plains.length,
        Array.from({ length: count }, () => {
          const at = next++;
          return [
            columns.map((_, which) => valueAt(which, at)),
            plains.map((values) => values[at % values.length] ?? null),
          ] as const;
        }),
      ),
    );
  });

export const slots: fc.Arbitrary<Table[][]> = fc.array(slot, { maxLength: 4 });

/** All that a table says, its room for more rows aside. */
export const contentsOf = ({ width, plainWidth, rows, numbers, plains }: Table) => ({
  width,
  plainWidth,
  rows,
  numbers: numbers.slice(0, rows * width),
  plains: plains.slice(0, rows * plainWidth),
});
