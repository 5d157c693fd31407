import { describe, expect, it } from 'vitest';
import type { Results } from '../../src/core/aggregate.ts';
import { decodeTables, encodeTables } from '../../src/core/codec.ts';
import { type KeyRules, KeyState, type StoredKey } from '../../src/core/key.ts';
import { type KeyPane, Panes } from '../../src/core/panes.ts';
import type { Plain } from '../../src/core/plain.ts';
import type { Table } from '../../src/core/table.ts';
import type { EpochMillis } from '../../src/core/time.ts';
import {
  anomaly,
  batches,
  collect,
  correlation,
  covariance,
  definePipeline,
  derivative,
  derive,
  ewma,
  ewmaBand,
  forecast,
  integral,
  kinesis,
  max,
  mean,
  min,
  type Pipeline,
  quantile,
  range,
  rate,
  rolling,
  running,
  session,
  sliding,
  slope,
  stddev,
  sum,
  timeWeightedMean,
  trailing,
  tumbling,
  variance,
  weightedMean,
} from '../../src/index.ts';
import { tryPipeline } from '../../src/testing.ts';
import { expectAtMost, expectIs } from '../expect.ts';
import { expectIdentical } from './plain.ts';

interface Reading {
  readonly n: number;
  readonly at: number;
  /** What the aggregates read: a number, or what is to be treated as none. */
  readonly x?: unknown;
}

/** Every aggregate of numbers; the spread over the mean stands for what is derived. */
function numericOf(invalid: 'poison' | 'skip' | 'keep') {
  const x = ({ x }: Reading) => x as number;
  const options = { invalid: invalid as 'keep' };
  return {
    sum: sum<Reading, 'keep'>(x, options),
    mean: mean<Reading, 'keep'>(x, options),
    min: min<Reading, 'keep'>(x, options),
    max: max<Reading, 'keep'>(x, options),
    range: range<Reading, 'keep'>(x, options),
    variance: variance<Reading, 'keep'>(x, options),
    stddev: stddev<Reading, 'keep'>(x, { ...options, of: 'population' }),
    covariance: covariance<Reading, 'keep'>(x, ({ at }) => at, options),
    correlation: correlation<Reading, 'keep'>(({ at }) => at, x, options),
    weightedMean: weightedMean<Reading, 'keep'>(x, () => 2, options),
    weightedBy: weightedMean<Reading, 'keep'>(() => 2, x, options),
    slope: slope<Reading, 'keep'>(x, options),
    forecast: forecast<Reading, 'keep'>(x, { ...options, ahead: '10s' }),
    ewma: ewma<Reading, 'keep'>(x, { ...options, halfLife: '10s' }),
    derivative: derivative<Reading, 'keep'>(x, options),
    integral: integral<Reading, 'keep'>(x, options),
    timeWeightedMean: timeWeightedMean<Reading, 'keep'>(x, options),
    rate: rate<Reading, 'keep'>(x, options),
    quantile: quantile<Reading, [0, 0.5, 1], 'keep'>(x, [0, 0.5, 1], options),
    anomaly: anomaly<Reading, 'keep'>(x, { ...options, atLeast: 2 }),
    ewmaBand: ewmaBand<Reading, 'keep'>(x, { ...options, atLeast: 2, halfLife: '10s' }),
    derived: derive<Reading, { spread: number; mean: number }, number>(
      { spread: stddev<Reading, 'keep'>(x, options), mean: mean<Reading, 'keep'>(x, options) },
      ({ spread, mean }) => spread / mean,
    ),
  };
}

const OF_NOTHING = {
  ...Object.fromEntries(Object.keys(numericOf('skip')).map((name) => [name, Number.NaN])),
  sum: 0,
  quantile: [Number.NaN, Number.NaN, Number.NaN],
  anomaly: null,
  ewmaBand: null,
};

/** Every kind of window, each with every aggregate of numbers and the ordinals of the records that it holds. */
function pipelineOf(invalid: 'poison' | 'skip' | 'keep'): Pipeline {
  const all = { ...numericOf(invalid), held: collect<Reading, 'n'>('n') };
  const overlapping = { size: '40s', slide: '10s' } as const;
  return definePipeline('readings', kinesis<Reading>(), {
    key: () => 'key',
    eventTime: ({ at }) => at,
    outOfOrderness: '15s',
    allowedLateness: '20s',
    windows: {
      lone: rolling({ count: 1 }, all),
      rolling: rolling({ count: 3 }, all),
      batches: batches({ count: 3 }, all),
      tumbling: tumbling({ size: '30s', emitEmpty: true }, all),
      calendar: tumbling({ size: '1m', timeZone: 'Asia/Kathmandu', emit: 'update' }, all),
      sliding: sliding({ ...overlapping, emit: 'record' }, all),
      // So many slices that they are kept combined.
      fine: sliding({ size: '40s', slide: '1s' }, all),
      trailing: trailing({ size: '25s' }, all),
      session: session({ gap: '12s', emit: 'record' }, all),
      short: session({ gap: '12s', maxDuration: '30s' }, all),
      running: running({}, all),
    },
  }) as Pipeline;
}

const ORIGIN = 1_767_614_400_000;

/**
 * Readings some ten seconds apart: some out of order, some late for windows that have closed, pauses that end sessions, and
 * one that joins two.
 */
const SECONDS = [
  0, 9, 21, 30, 26, 44, 53, 80, 66, 90, 97, 112, 105, 121, 150, 134, 158, 170, 172, 163, 200, 211,
];
const readings: readonly Reading[] = SECONDS.map((second, n) => ({
  n,
  at: ORIGIN + 1_000 * second,
  // Sums of such numbers lose a little: what was lost must not be given up either.
  x: ((n * 7) % 11) / 10 + (n % 3 === 0 ? 1e6 : 0),
}));

/** The readings with others at some places. */
const withAt = (places: readonly number[], x: unknown): readonly Reading[] =>
  readings.map((reading) => (places.includes(reading.n) ? { ...reading, x } : reading));

/** The panes of the readings, six to a commit, until every window has closed. */
function panesOf({ rules }: Pipeline, input: readonly Reading[]): readonly KeyPane[] {
  const panes = new Panes(rules);
  let key = new KeyState(rules as KeyRules);
  for (const [place, reading] of input.entries()) {
    const at = reading.at as EpochMillis;
    key.apply({ at, arrival: at, values: rules.inputs.read(reading) }, panes);
    if (place % 6 < 5) continue;
    key.update(panes);
    key = new KeyState(rules as KeyRules, committed(key.freeze() as StoredKey));
  }
  key.update(panes);
  key.idle((ORIGIN + 1_000_000) as EpochMillis, panes);
  return panes.list();
}

/** As the next invocation reads it. */
const committed = (stored: StoredKey): StoredKey => ({
  ...stored,
  windows: stored.windows.map((tables) =>
    decodeTables(encodeTables((tables ?? []).map((table) => [table]))).map(([table]) => table as Table),
  ),
});

const heldBy = ({ results }: KeyPane): readonly number[] => (results?.['held'] ?? []) as number[];
const holdsAny = (pane: KeyPane, places: readonly number[]): boolean =>
  heldBy(pane).some((n) => places.includes(n));

/** Where a pane stands among those of its window: before all that hold what does not fit, after them, or it does. */
function stageOf(panes: readonly KeyPane[], pane: KeyPane, places: readonly number[]): string {
  if (holdsAny(pane, places)) return 'holds it';
  const own = panes.filter(({ window }) => window === pane.window);
  const later = own.slice(own.indexOf(pane));
  return later.some((other) => holdsAny(other, places)) ? 'before' : 'after';
}

/** A window that holds everything. */
const wholeOf = (invalid: 'skip' | 'keep'): Pipeline =>
  definePipeline('whole', kinesis<Reading>(), {
    key: () => 'key',
    eventTime: ({ at }) => at,
    outOfOrderness: '1d',
    windows: { day: tumbling({ size: '1d' }, numericOf(invalid)) },
  }) as Pipeline;
const WHOLE = { skip: wholeOf('skip'), keep: wholeOf('keep') };

/** What the aggregates show of some readings alone. */
function alone(input: readonly Reading[], invalid: 'skip' | 'keep'): Results {
  const { rules } = WHOLE[invalid];
  const panes = new Panes(rules);
  const key = new KeyState(rules as KeyRules);
  for (const reading of input) {
    const at = reading.at as EpochMillis;
    key.apply({ at, arrival: at, values: rules.inputs.read(reading) }, panes);
  }
  key.idle(Number.MAX_SAFE_INTEGER as EpochMillis, panes);
  return panes.list()[0]?.results ?? OF_NOTHING;
}

/** As written, and up to the rounding of another bracketing. */
function expectClose(actual: Plain, expected: Plain, where: string): void {
  if (typeof expected === 'number' && Number.isFinite(expected)) {
    expectAtMost(Math.abs((actual as number) - expected), 1e-12 * (1 + Math.abs(expected)), where);
  } else if (typeof expected === 'number') {
    expectIs(typeof actual === 'number' && !Number.isFinite(actual), true, where);
  } else if (typeof expected !== 'object' || expected === null) {
    expectIs(actual, expected, where);
  } else {
    for (const [name, value] of Object.entries(expected)) {
      expectClose((actual as Record<string, Plain>)[name] as Plain, value, `${where}.${name}`);
    }
  }
}

/** All that a pane shows but what was computed. */
const headOf = (pane: KeyPane) => ({ ...pane, results: { held: heldBy(pane) } });

const PLACES = readings.slice(0, -1).map(({ n }) => n);
const WINDOWS = Object.values(pipelineOf('keep').rules.windows).map(({ name }) => name);

/** Whether a decayed sum passes the largest double, too, depends on how its weights are bracketed. */
const DECAYED = ['ewma', 'ewmaBand'];

describe.each([
  { what: 'a NaN that is kept', x: Number.NaN, invalid: 'keep', times: 1, but: [] },
  { what: 'an infinity that is kept', x: Number.POSITIVE_INFINITY, invalid: 'keep', times: 1, but: [] },
  { what: 'a negative infinity', x: Number.NEGATIVE_INFINITY, invalid: 'keep', times: 1, but: [] },
  { what: 'what is no number, kept', x: 'none', invalid: 'keep', times: 1, but: [] },
  { what: 'a sum past the largest double', x: 1e308, invalid: 'poison', times: 2, but: DECAYED },
  { what: 'a number that is passed over', x: undefined, invalid: 'skip', times: 1, but: [] },
] as const)('$what', ({ x, invalid, times, but }) => {
  const pipeline = pipelineOf(invalid);
  const usual = panesOf(pipeline, readings);
  const runs = PLACES.map((place) => {
    const places = [place, place + 1].slice(0, times);
    return { places, panes: panesOf(pipeline, withAt(places, x)) };
  });

  it('changes only panes of windows that hold it: all others are the same to the bit', () => {
    const reached = new Set<string>();
    for (const { places, panes } of runs) {
      expect(panes).toHaveLength(usual.length);
      for (const [at, pane] of panes.entries()) {
        const stage = stageOf(panes, pane, places);
        reached.add(`${pane.window} ${stage}`);
        const other = usual[at] as KeyPane;
        if (stage === 'holds it') expectIdentical(headOf(pane), headOf(other));
        else expectIdentical(pane, other);
      }
    }
    const stages = WINDOWS.flatMap((window) =>
      ['before', 'holds it', 'after'].map((stage) => `${window} ${stage}`),
    );
    expect([...reached].sort()).toEqual(stages.filter((stage) => stage !== 'running after').sort());
  });

  it('shows in those what their own records alone show', () => {
    for (const { places, panes } of runs) {
      const input = withAt(places, x);
      for (const pane of panes.filter((pane) => holdsAny(pane, places))) {
        const own = input.filter(({ n }) => heldBy(pane).includes(n));
        const expected = Object.entries(alone(own, invalid === 'skip' ? 'skip' : 'keep'));
        const results = Object.fromEntries(expected.filter(([name]) => !but.some((one) => one === name)));
        expectClose(pane.results, results, `${pane.window} of ${heldBy(pane)} with ${places}`);
      }
    }
  });
});

describe('a number that is passed over', () => {
  it('leaves no trace in what the aggregate shows of the others', () => {
    for (const place of PLACES) {
      const others = readings.filter(({ n }) => n !== place);
      expectIdentical(alone(withAt([place], 'none'), 'skip'), alone(others, 'skip'));
    }
  });

  it('leaves of a window of nothing else what there is of nothing', () => {
    expectIdentical(alone(withAt([0], Number.NaN).slice(0, 1), 'skip'), OF_NOTHING);
  });
});

describe('a number that is poison', () => {
  it.each([
    ['1e999', 'Infinity'],
    ['-1e999', '-Infinity'],
    ['null', 'null'],
    ['"5"', 'string'],
    ['[5]', 'a list'],
  ])('is refused as %s, and the panes are those without its record', (x, told) => {
    const place = 9;
    const { at, n } = readings[place] as Reading;
    const bytes = new TextEncoder().encode(`{"n":${n},"at":${at},"x":${x}}`);
    const input = readings.map((reading) => (reading.n === place ? bytes : reading));
    const { panes, poison } = tryPipeline(pipelineOf('poison'), input);
    expect(poison).toEqual([
      { at: place, code: 'select', reason: `the selected value is ${told}, not a finite number` },
    ]);
    const without = tryPipeline(
      pipelineOf('poison'),
      readings.filter((reading) => reading.n !== place),
    );
    expectIdentical(panes, without.panes);
  });
});

describe('what is written of a number that is not finite', () => {
  it('is null, while it is in the window and no longer', () => {
    const rolls = definePipeline('rolls', kinesis<Reading & { x: number }>(), {
      key: () => 'key',
      eventTime: ({ at }) => at,
      windows: {
        two: rolling(
          { count: 2 },
          { total: sum('x', { invalid: 'keep' }), low: min('x', { invalid: 'keep' }) },
        ),
      },
    });
    const input = ['1', '1e999', 'null', '2', '3', '1e308', '1e308', '4'].map((x, second) =>
      new TextEncoder().encode(`{"at":${ORIGIN + 1_000 * second},"x":${x}}`),
    );
    expect(tryPipeline(rolls, input).panes.map(({ results }) => [results.total, results.low])).toEqual([
      [1, 1],
      [null, 1],
      [null, null],
      [null, null],
      [5, 2],
      [1e308, 3],
      [null, 1e308],
      [1e308, 4],
    ]);
  });
});

it('the sign of a zero is kept where a value is, and lost in a sum', () => {
  const zero = alone([{ n: 0, at: ORIGIN, x: -0 }], 'keep');
  expect([zero['min'], zero['max'], zero['sum']]).toEqual([-0, -0, 0]);
});
