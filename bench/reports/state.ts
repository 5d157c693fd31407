import { deflateRawSync } from 'node:zlib';
import { max } from '../../src/core/aggregates/extrema.ts';
import { mean } from '../../src/core/aggregates/sums.ts';
import { decodeTables, encode, encodeTables } from '../../src/core/codec.ts';
import { type KeyRules, KeyState, type StoredKey } from '../../src/core/key.ts';
import { Panes } from '../../src/core/panes.ts';
import { Table } from '../../src/core/table.ts';
import type { EpochMillis } from '../../src/core/time.ts';
import { rolling, sliding, trailing } from '../../src/pipeline/windows.ts';
import { keyName, randomFrom } from '../data.ts';
import { type Reading, rulesOf, slotsOf } from '../millrace.ts';
import { enterReport, leastNanos, type Report, shown } from '../report.ts';

const BEGINNING = Date.UTC(2026, 10, 20);

/** How a key's records follow each other: what their values and the gaps between their times are drawn from. */
interface Series {
  value(random: () => number): () => number;
  gap(random: () => number): () => number;
}

/** Steps of up to ±0.5, in `decimals` decimals. */
const walk =
  (decimals: number) =>
  (random: () => number): (() => number) => {
    const unit = 10 ** decimals;
    let at = 20 * unit + Math.floor(5 * unit * random());
    return () => {
      at += Math.floor(random() * (unit + 1)) - unit / 2;
      return at / unit;
    };
  };
/** Any finite number as likely as any other: nothing to be saved. */
const noise = (random: () => number) => () => {
  for (;;) {
    const [value] = new Float64Array(Uint32Array.of(random() * 2 ** 32, random() * 2 ** 32).buffer);
    if (Number.isFinite(value)) return value as number;
  }
};
const everySecond = () => () => 1_000;
const aboutASecond = (random: () => number) => () => 950 + Math.floor(random() * 101);
const atRandom = (random: () => number) => () => 1 + Math.floor(-1_000 * Math.log(1 - random()));

/** One part of the states of many keys. */
interface Part {
  readonly name: string;
  readonly slots: readonly (readonly Table[])[];
  /** What its bytes are divided by, and at most how many of them one may take up. */
  readonly per: string;
  readonly items: number;
  readonly goal?: number;
}

enterReport((quick): Report => {
  const rows: string[][] = [];
  const faults: string[] = [];
  for (const keys of [1, 1_000]) {
    for (const part of partsOf(keys)) {
      const { row, fault } = measured(keys, part, quick ? 2 : 7);
      rows.push(row);
      if (fault !== undefined) faults.push(fault);
    }
  }
  return {
    head: [
      'state',
      'keys',
      'per',
      'B encoded',
      'B deflated',
      'B as JSON',
      '… deflated',
      '÷ 8 B a number',
      'goal B',
      '',
      'encode ns a number',
      'decode ns a number',
    ],
    rows,
    faults,
  };
});

function* partsOf(keys: number): Generator<Part> {
  const means = { mean: mean<Reading>('value') };
  for (const decimals of [3, 2]) {
    const window = rolling<Reading, { mean: number }>({ count: 1_000 }, means);
    const stored = statesOf(window, keys, 2_500, { value: walk(decimals), gap: everySecond });
    const of = `rolling 1,000, ${decimals} decimals`;
    yield whole(`${of}, every second`, stored, 2, 'record', 1);
    yield column(`${of}: values`, stored, 1, 1, 'value', 1.5);
  }
  const bare = rolling<Reading, { mean: number }>({ count: 1_000 }, means);
  const random = statesOf(bare, keys, 2_500, { value: noise, gap: atRandom });
  yield whole('rolling 1,000, random bits, at random', random, 2, 'record', 1);
  yield column('rolling 1,000, random bits: values', random, 1, 1, 'value', 1.02 * 8);
  for (const [name, gap] of [
    ['every second', everySecond],
    ['1 s ± 50 ms', aboutASecond],
    ['at random', atRandom],
  ] as const) {
    const window = trailing<Reading, { mean: number }>({ size: '10m' }, means);
    const stored = statesOf(window, keys, 1_500, { value: walk(3), gap });
    yield whole(`trailing 10 min, ${name}`, stored, 2, 'record', 1);
    yield column(`trailing 10 min: times, ${name}`, stored, 1, 0, 'time', 1.1);
  }
  const minute = { size: '60s', slide: '10s' } as const;
  const series: Series = { value: walk(3), gap: atRandom };
  const slices = statesOf(sliding<Reading, { mean: number }>(minute, means), keys, 300, series);
  yield whole('sliding 60 s / 10 s, mean', slices, 3, 'slice', 0, 8);
  const both = sliding<Reading, { mean: number; max: number }>(minute, { ...means, max: max('value') });
  yield whole('sliding 60 s / 10 s, mean and max', statesOf(both, keys, 300, series), 3, 'slice', 0, 8);
  if (keys === 1) {
    const day = sliding<Reading, { mean: number }>({ size: '1d', slide: '1s' }, means);
    const seconds: Series = { value: walk(3), gap: everySecond };
    yield whole('sliding 1 d / 1 s, mean', statesOf(day, 1, 100_000, seconds), 3, 'slice', 0, 8);
  }
  yield times(slices);
}

/** What keys have after so many records each. */
function statesOf(
  window: Parameters<typeof rulesOf>[0][string],
  keys: number,
  records: number,
  series: Series,
): StoredKey[] {
  const rules: KeyRules<Reading> = rulesOf({ window });
  const panes = new Panes(rules);
  const random = randomFrom(0x7374_6174);
  return Array.from({ length: keys }, () => {
    const state = new KeyState(rules);
    const value = series.value(random);
    const gap = series.gap(random);
    let at = BEGINNING + Math.floor(random() * 1_000);
    for (let record = 0; record < records; record++) {
      at += gap();
      const instant = at as EpochMillis;
      state.apply({ at: instant, arrival: instant, values: rules.inputs.read({ value: value() }) }, panes);
      if (panes.length > 10_000) panes.clear();
    }
    panes.clear();
    return state.freeze() as StoredKey;
  });
}

const rowsOf = (tables: readonly Table[]): number => tables.reduce((total, { rows }) => total + rows, 0);

/** All tables of the only window; `counted` is the one whose rows they are divided by. */
function whole(
  name: string,
  stored: readonly StoredKey[],
  slots: number,
  per: string,
  counted: number,
  goal?: number,
): Part {
  const tables = slotsOf(stored, slots);
  const items = rowsOf(tables[counted] as Table[]);
  return { name, slots: tables, per, items, ...(goal === undefined ? {} : { goal }) };
}

/** One column of a table by itself. */
function column(
  name: string,
  stored: readonly StoredKey[],
  slot: number,
  at: number,
  per: string,
  goal: number,
): Part {
  const tables = (slotsOf(stored, slot + 1)[slot] as Table[]).map((table) => {
    const alone = new Table(1, 0, table.rows);
    for (let row = 0; row < table.rows; row++)
      alone.pushNumbers(table.numbers[row * table.width + at] as number);
    return alone;
  });
  return { name, slots: [tables], per, items: rowsOf(tables), goal };
}

/** What is kept of a key besides its windows. */
function times(stored: readonly StoredKey[]): Part {
  const tables = stored.map(({ maxEventTime, lastArrival, watermark }) => {
    const table = new Table(3, 0, 1);
    table.pushNumbers(maxEventTime, lastArrival, watermark);
    return table;
  });
  return { name: 'a key: three times and its name', slots: [tables], per: 'key', items: stored.length };
}

function measured(
  keys: number,
  { name, slots, per, items, goal }: Part,
  repetitions: number,
): { readonly row: string[]; readonly fault: string | undefined } {
  const encoded = encodeTables(slots);
  const names =
    per === 'key' ? encode(Array.from({ length: keys }, (_, key) => keyName(key))) : new Uint8Array();
  const numbers = slots.flat().reduce((total, { rows, width }) => total + rows * width, 0);
  const json = JSON.stringify([
    slots.map((tables) => tables.map((table) => table.numbers.slice(0, table.rows * table.width))),
    per === 'key' ? Array.from({ length: keys }, (_, key) => keyName(key)) : [],
  ]);
  const deflated = deflated1(Buffer.concat([encoded, names]));
  const raw = 8 * numbers;
  const bytes = deflated / items;
  // Short tasks are repeated, as the processor's time comes in microseconds.
  const times = Math.max(1, Math.round(200_000 / numbers));
  const nanos = (task: () => void): number =>
    leastNanos(repetitions, () => {
      for (let time = 0; time < times; time++) task();
    }) /
    times /
    numbers;
  const row = [
    name,
    keys.toLocaleString('en'),
    per,
    shown((encoded.length + names.length) / items),
    shown(bytes),
    shown(json.length / items),
    shown(deflated1(Buffer.from(json)) / items),
    per === 'key' ? '' : (deflated / raw).toFixed(3),
    goal === undefined ? '' : shown(goal),
    goal === undefined ? '' : bytes <= goal ? 'met' : 'missed',
    shown(nanos(() => encodeTables(slots))),
    shown(nanos(() => decodeTables(encoded))),
  ];
  return { row, fault: differs(name, slots, decodeTables(encoded)) };
}

const deflated1 = (bytes: Uint8Array): number => deflateRawSync(bytes, { level: 1 }).length;

function differs(
  name: string,
  slots: readonly (readonly Table[])[],
  decoded: readonly (readonly Table[])[],
): string | undefined {
  for (const [slot, tables] of slots.entries()) {
    for (const [key, table] of tables.entries()) {
      const other = decoded[slot]?.[key];
      if (other?.rows !== table.rows || other.width !== table.width)
        return `${name}: key ${key} has other rows`;
      const length = table.rows * table.width;
      for (let at = 0; at < length; at++) {
        if (!Object.is(table.numbers[at], other.numbers[at]))
          return `${name}: key ${key}, number ${at}: ${other.numbers[at]}, not ${table.numbers[at]}`;
      }
    }
  }
  return undefined;
}
