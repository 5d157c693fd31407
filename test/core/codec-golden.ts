import type { Plain } from '../../src/core/plain.ts';
import type { Table } from '../../src/core/table.ts';
import { drawn, tableOf } from './codec-columns.ts';

const list = <Item>(count: number, valueAt: (index: number) => Item): Item[] =>
  Array.from({ length: count }, (_, index) => valueAt(index));

/** Plain data of every kind, and none of it in a column. */
export const PLAIN: Plain = {
  nothing: null,
  yes: true,
  no: false,
  small: [-64, 0, 127],
  whole: [[-65, 128, 1_700_000_000_000], -(2 ** 53 - 1)],
  double: [[-0, 0.1, Number.NaN], Number.NEGATIVE_INFINITY, 2 ** 53],
  text: ['', 'é', '\u{1f600}', 'yes', 'text'],
  empty: [[], {}],
};

/** A reading from 20 on, with 3 digits behind the point, that goes up and down. */
function readings(seed: number): () => number {
  const random = drawn(seed);
  let at = 20_000;
  return () => {
    at += Math.round((random() - 0.5) * 1_000);
    return at / 1_000;
  };
}

/** The rounded sum of so many readings, and what its additions lost. */
function sumOf(next: () => number, count: number): [sum: number, lost: number] {
  let [sum, lost] = [0, 0];
  for (let i = 0; i < count; i++) {
    const reading = next();
    const more = sum + reading;
    lost += sum - (more - (more - sum)) + (reading - (more - sum));
    sum = more;
  }
  return [sum, lost];
}

/** A column of what is drawn anew for each. */
const drawnList = (count: number, next: (random: () => number, index: number) => number): number[] => {
  const random = drawn(7);
  return list(count, (index) => next(random, index));
};

const sums = (which: 0 | 1): number[] => {
  const next = readings(2);
  return list(70, () => sumOf(next, 50)[which]);
};

/** Lists of numbers, and the kind of column that each is written as. */
export const LISTS: Readonly<Record<string, { readonly kind: number; readonly values: readonly number[] }>> =
  {
    raw: {
      kind: 0x00,
      values: [Math.PI, -1e300 / 7, 5e-324, Number.NaN, -1e-200 / 3, Number.NEGATIVE_INFINITY],
    },
    constant: { kind: 0x01, values: list(1_000, () => 0.1) },
    xored: {
      kind: 0x02,
      values: drawnList(70, (random, index) =>
        index % 3 === 0 ? (random() * 2 ** 32 + random()) / 3 : 1e9 / 7,
      ),
    },
    whole: { kind: 0x10, values: list(130, (index) => (index * index) % 97) },
    times: { kind: 0x10, values: list(130, (index) => 1_700_000_000_000 + 1_000 * index + (index % 7)) },
    four: { kind: 0x10, values: [1, 2, 3, 5] },
    faster: { kind: 0x10, values: list(70, (index) => 1_000 * index * index + (index % 5)) },
    multiples: { kind: 0x10, values: drawnList(70, (random) => 60_000 * Math.floor(1_000 * random())) },
    wide: {
      kind: 0x10,
      values: drawnList(70, (random) => Math.floor(random() * 2 ** 32) * 2 ** 17 + (random() > 0.5 ? 1 : 0)),
    },
    decimals: { kind: 0x13, values: list(200, readings(1)) },
    'decimals-with-others': {
      kind: 0x91,
      values: list(70, (index) => (index === 5 ? -0 : index === 66 ? Number.NaN : (index % 11) / 10)),
    },
    sums: { kind: 0x53, values: sums(0) },
    'sums-with-others': { kind: 0xd3, values: sums(0).with(9, 1e300) },
    binaries: { kind: 0x20, values: sums(1) },
    'binaries-with-others': {
      kind: 0xa0,
      values: list(70, (index) => (index === 3 ? Number.POSITIVE_INFINITY : (index - 30) * 2 ** -40)),
    },
  };

const KEYS = [0, 1, 2];

/** Of three keys: three numbers; slices of a mean, none for the second; texts and lists. Of 30 keys: a number. */
export const TABLES: readonly (readonly Table[])[] = [
  KEYS.map((key) =>
    tableOf(3, 0, [[[1_700_000_000_000 + key, 1_700_000_000_250 + 3 * key, 1_699_999_995_000 + key]]]),
  ),
  KEYS.map((key) => {
    const next = readings(key);
    return tableOf(
      6,
      0,
      list(key === 1 ? 0 : 40, (row) => row).map((row) => {
        const [sum, lost] = sumOf(next, 10 + (row % 3));
        return [[1_700_000_000_000 + 10_000 * row, 10 + (row % 3), 10 + (row % 3), sum, lost, 0]];
      }),
    );
  }),
  list(30, (key) => tableOf(1, 0, [[[1_000 * key]], [[1_000 * key + (key % 3)]]])),
  KEYS.map((key) =>
    tableOf(1, 2, [
      [[key / 8], [`text ${key}`, list(6, (index) => index * key)]],
      [[key / 4], ['text 0', null]],
    ]),
  ),
  [],
];

export const SECTIONS: readonly Uint8Array[] = [
  Uint8Array.of(1, 2, 3),
  new Uint8Array(0),
  new Uint8Array(200).fill(9),
];
