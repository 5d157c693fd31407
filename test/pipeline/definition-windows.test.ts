import { describe, expect, it } from 'vitest';
import type { Aggregate } from '../../src/core/aggregate.ts';
import type { Plain } from '../../src/core/plain.ts';
import {
  anomaly,
  batches,
  collect,
  correlation,
  count,
  countBy,
  covariance,
  cumulate,
  type Duration,
  defineAggregate,
  definePipeline,
  derivative,
  derive,
  distinct,
  ewma,
  ewmaBand,
  first,
  forecast,
  integral,
  kinesis,
  last,
  max,
  maxBy,
  mean,
  min,
  minBy,
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
  topK,
  trailing,
  tumbling,
  variance,
  weightedMean,
} from '../../src/index.ts';
import type { Window } from '../../src/pipeline/windows.ts';

interface Reading {
  readonly id: string;
  readonly at: number;
  readonly x: number;
  readonly y: number;
  readonly pause: number;
}

const n = { n: count() };

/** What the operator of a window is, in a pipeline with this `allowedLateness`. */
const operatorOf = (window: Window<Reading>, allowedLateness: Duration = '0s') => {
  const { rules } = definePipeline('readings', kinesis<Reading>(), {
    key: ({ id }) => id,
    eventTime: ({ at }) => at,
    allowedLateness,
    windows: { window },
  });
  const [{ operator } = { operator: undefined }] = rules.windows;
  if (operator === undefined) throw new Error('one window was defined');
  return operator;
};
const signature = (window: Window<Reading>, allowedLateness?: Duration) =>
  operatorOf(window, allowedLateness).signature;

const DURATION =
  'as a duration: it must be a whole number of milliseconds written like "500ms", "30s", "5m", "2h" or "1d"';
const rangeError = (message: string) => new RangeError(message);
const typeError = (message: string) => new TypeError(message);

/** Each kind of window with all of its options, as someone calls it who does not ask the compiler. */
const kinds = {
  rolling: { make: rolling as Loose, options: { count: 3, partial: false } },
  batches: { make: batches as Loose, options: { count: 3 } },
  tumbling: {
    make: tumbling as Loose,
    options: {
      size: 'week',
      weekStart: 'sunday',
      offset: '1h',
      timeZone: 'Europe/Berlin',
      emit: 'record',
      emitEmpty: true,
    },
  },
  cumulate: {
    make: cumulate as Loose,
    options: {
      size: 'week',
      step: '1d',
      weekStart: 'sunday',
      offset: '1h',
      timeZone: 'Europe/Berlin',
      emitEmpty: true,
    },
  },
  sliding: {
    make: sliding as Loose,
    options: { size: '1m', slide: '10s', offset: '5s', emit: 'update', emitEmpty: true },
  },
  trailing: { make: trailing as Loose, options: { size: '1m' } },
  session: { make: session as Loose, options: { gap: '30s', maxDuration: '1h', emit: 'record' } },
  running: { make: running as Loose, options: { emit: 'update' } },
};
type Loose = (options: unknown, aggregates: unknown) => Window<Reading>;
type Kind = keyof typeof kinds;
const everyKind = Object.keys(kinds) as Kind[];

describe('a wrong window throws when it is made', () => {
  it.each(everyKind)('a %s window with an option that it does not have', (kind) => {
    const { make, options } = kinds[kind];
    expect(() => make({ ...options, emitEmtpy: true }, n)).toThrow(
      typeError(
        `Cannot define a ${kind} window with "emitEmtpy" as ${Object.keys(options).length === 1 ? 'the only option is' : 'the options are'} ${Object.keys(options).join(', ')}`,
      ),
    );
  });

  it.each(everyKind)('a %s window whose options are no object', (kind) => {
    for (const [options, type] of [
      [undefined, 'undefined'],
      [null, 'object'],
      ['1m', 'string'],
    ]) {
      expect(() => kinds[kind].make(options, n)).toThrow(
        typeError(`Cannot define a ${kind} window as its options must be an object: it is ${type}`),
      );
    }
  });

  it.each(everyKind)('a %s window whose aggregates are no object', (kind) => {
    const { make, options } = kinds[kind];
    for (const [aggregates, type] of [
      [undefined, 'undefined'],
      [null, 'object'],
      [count, 'function'],
    ]) {
      expect(() => make(options, aggregates)).toThrow(
        typeError(`Cannot define a ${kind} window as its aggregates must be an object: it is ${type}`),
      );
    }
  });

  it.each(everyKind)('a %s window of what is no aggregate', (kind) => {
    const { make, options } = kinds[kind];
    expect(() => operatorOf(make(options, { n: 5 }))).toThrow(
      typeError(
        `Cannot compute "n" as it must be an aggregate, such as count() or mean('field'): it is number`,
      ),
    );
  });

  it.each([0, -1, 1.5, 10_001, Number.NaN, Number.POSITIVE_INFINITY, '3' as never])(
    'a rolling window of %s records',
    (size) => {
      expect(() => rolling({ count: size }, n)).toThrow(
        rangeError(`Cannot roll over ${size} records as count must be a whole number from 1 to 10,000`),
      );
    },
  );

  it.each([0, -1, 1.5, 1_000_001, Number.NaN, undefined as never])('batches of %s records', (size) => {
    expect(() => batches({ count: size }, n)).toThrow(
      rangeError(`Cannot batch ${size} records as count must be a whole number from 1 to 1,000,000`),
    );
  });

  const wrong: readonly (readonly [make: () => unknown, error: Error])[] = [
    [
      () => sliding({ size: '5m', slide: '10m' }, n),
      rangeError('Cannot slide by "10m" as slide must be <= size: size is "5m"'),
    ],
    [() => sliding({ size: '5m', slide: '0s' }, n), rangeError('Cannot slide by "0s" as slide must be > 0')],
    [() => sliding({ size: '0s', slide: '0s' }, n), rangeError('Cannot slide by "0s" as slide must be > 0')],
    [
      () => sliding({ size: '100001s', slide: '1s' }, n),
      rangeError('Cannot slide by "1s" as size must be <= 100,000 slides: size is "100001s"'),
    ],
    [
      () => sliding({ size: '101s', slide: '1s', emit: 'record' }, n),
      rangeError(
        'Cannot slide by "1s" as size must be <= 100 slides where each record emits: size is "101s"',
      ),
    ],
    [
      () => operatorOf(sliding({ size: '2001s', slide: '1s' }, n), '1s'),
      rangeError(
        'Cannot slide by "1s" as size must be <= 2,000 slides where each late record emits: size is "2001s"',
      ),
    ],
    [
      () => sliding({ size: '5m', slide: '1m', offset: '60s' }, n),
      rangeError('Cannot offset by "60s" as offset must be < slide: slide is "1m"'),
    ],
    [() => sliding({ size: 'long' as '1s', slide: '1m' }, n), rangeError(`Cannot read "long" ${DURATION}`)],
    [() => sliding({ size: '1m', slide: '.5s' as '1s' }, n), rangeError(`Cannot read ".5s" ${DURATION}`)],
    [
      () => sliding({ size: '1m', slide: '1s', offset: '-1s' }, n),
      rangeError(`Cannot read "-1s" ${DURATION}`),
    ],
    [() => tumbling({ size: '0ms' }, n), rangeError('Cannot tumble by "0ms" as size must be > 0')],
    [
      () => tumbling({ size: '1d', weekStart: 'monday' }, n),
      rangeError('Cannot begin weeks on "monday" as size must be "week" for that: size is "1d"'),
    ],
    [
      () => tumbling({ size: 'week', weekStart: 'Mon' as never }, n),
      rangeError(
        'Cannot begin weeks on "Mon" as weekStart must be one of thursday, friday, saturday, sunday, monday, tuesday, wednesday',
      ),
    ],
    [
      () => tumbling({ size: 'month', offset: '28d' }, n),
      rangeError('Cannot offset by "28d" as offset must be < size: size is "month"'),
    ],
    [
      () => tumbling({ size: 'week', offset: '7d' }, n),
      rangeError('Cannot offset by "7d" as offset must be < size: size is "week"'),
    ],
    [
      () => cumulate({ size: '1d', step: '0s' }, n),
      rangeError('Cannot cumulate by "0s" as step must be > 0'),
    ],
    ...(['7h', '1d', '2d'] as const).map((step): [() => unknown, Error] => [
      () => cumulate({ size: '1d', step }, n),
      rangeError(
        `Cannot cumulate by "${step}" as step must be a whole part of size, and shorter than size: size is "1d"`,
      ),
    ]),
    [
      () => cumulate({ size: 'month', step: '7d' }, n),
      rangeError(
        'Cannot cumulate by "7d" as step must be a whole part of a day, and shorter than size: size is "month"',
      ),
    ],
    [
      () => cumulate({ size: '10001ms', step: '1ms' }, n),
      rangeError('Cannot cumulate by "1ms" as size must be <= 10,000 steps: size is "10001ms"'),
    ],
    [() => tumbling({ size: 60 as never }, n), rangeError(`Cannot read "60" ${DURATION}`)],
    [
      () => tumbling({ size: '5m', offset: '5m' }, n),
      rangeError('Cannot offset by "5m" as offset must be < size: size is "5m"'),
    ],
    [
      () => tumbling({ size: '1d', offset: '24h', timeZone: 'Europe/Berlin' }, n),
      rangeError('Cannot offset by "24h" as offset must be < size: size is "1d"'),
    ],
    [
      () => tumbling({ size: '0d', timeZone: 'Europe/Berlin' }, n),
      rangeError('Cannot tumble by "0d" as size must be > 0'),
    ],
    [
      () => tumbling({ size: '5h', timeZone: 'Europe/Berlin' }, n),
      rangeError(
        'Cannot follow the clock of "Europe/Berlin" as size must be whole minutes that divide a day, or 1 to 366 whole days: size is 18000000 ms',
      ),
    ],
    ...(['Europe/Belrin', '', null as never] as const).map((timeZone): [() => unknown, Error] => [
      () => tumbling({ size: '1d', timeZone }, n),
      rangeError(`Cannot follow the clock of "${timeZone}" as the runtime's tz database must have the zone`),
    ]),
    [() => trailing({ size: '0s' }, n), rangeError('Cannot trail by "0s" as size must be > 0')],
    [() => trailing({ size: undefined as never }, n), rangeError(`Cannot read "undefined" ${DURATION}`)],
    [() => session({ gap: '0s' }, n), rangeError('Cannot end sessions after "0s" as gap must be > 0')],
    [() => session({ gap: 30 as never }, n), rangeError(`Cannot read "30" ${DURATION}`)],
    [
      () => session({ gap: '1m', maxDuration: '0ms' }, n),
      rangeError('Cannot end sessions at "0ms" as maxDuration must be > 0'),
    ],
    [
      () => session({ gap: () => '1m', maxDuration: '1 hour' as '1h' }, n),
      rangeError(`Cannot read "1 hour" ${DURATION}`),
    ],
    ...[
      (emit: never) => tumbling({ size: '1m', emit }, n),
      (emit: never) => tumbling({ size: '1d', timeZone: 'Europe/Berlin', emit }, n),
      (emit: never) => sliding({ size: '1m', slide: '1s', emit }, n),
      (emit: never) => session({ gap: '1m', emit }, n),
    ].flatMap((make) =>
      ['often', null].map((emit): [() => unknown, Error] => [
        () => make(emit as never),
        rangeError(`Cannot emit at "${emit}" as emit must be one of close, record, update`),
      ]),
    ),
    ...['close', true].map((emit): [() => unknown, Error] => [
      () => running({ emit: emit as never }, n),
      rangeError(`Cannot emit at "${emit}" as emit must be one of record, update`),
    ]),
    [
      () => rolling({ count: 3, partial: 'no' as never }, n),
      typeError('Cannot define a rolling window as partial must be true or false: it is string'),
    ],
    [
      () => cumulate({ size: '1d', step: '1h', emitEmpty: 1 as never }, n),
      typeError('Cannot define a cumulate window as emitEmpty must be true or false: it is number'),
    ],
    [
      () => tumbling({ size: '1m', emitEmpty: 1 as never }, n),
      typeError('Cannot define a tumbling window as emitEmpty must be true or false: it is number'),
    ],
    [
      () => sliding({ size: '1m', slide: '1s', emitEmpty: 'false' as never }, n),
      typeError('Cannot define a sliding window as emitEmpty must be true or false: it is string'),
    ],
  ];

  it.each(wrong.map(([make, error]) => ({ make, error, told: error.message })))(
    '$told',
    ({ make, error }) => {
      expect(make).toThrow(error);
    },
  );
});

describe('a window that is just right', () => {
  it.each(everyKind)('of kind %s with all of its options', (kind) => {
    const { make, options } = kinds[kind];
    expect(() => operatorOf(make(options, n))).not.toThrow();
  });

  it('is the largest or the smallest of its kind', () => {
    expect(() => [
      rolling({ count: 1 }, n),
      rolling({ count: 10_000 }, n),
      batches({ count: 1 }, n),
      batches({ count: 1_000_000 }, n),
      tumbling({ size: '1ms' }, n),
      tumbling({ size: '1m', timeZone: 'UTC' }, n),
      tumbling({ size: '366d', timeZone: 'Asia/Kathmandu', offset: '365d' }, n),
      tumbling({ size: 'month', offset: '671h' }, n),
      cumulate({ size: '10s', step: '1ms' }, n),
      cumulate({ size: '10s', step: '5s' }, n),
      cumulate({ size: 'year', step: '1h', timeZone: 'Asia/Kathmandu' }, n),
      sliding({ size: '100000s', slide: '1s', offset: '999ms' }, n),
      sliding({ size: '100s', slide: '1s', emit: 'record' }, n),
      sliding({ size: '100000s', slide: '1s', emit: 'update' }, n),
      sliding({ size: '7m', slide: '2m' }, n),
      sliding({ size: '7m', slide: '7m' }, n),
      trailing({ size: '1ms' }, n),
      session({ gap: '1ms', maxDuration: '1ms' }, n),
      running({}, {}),
    ]).not.toThrow();
  });
});

// Stored state is used only where the signature is unchanged: whatever changes what is stored must change it.
describe('the signature of a window', () => {
  const berlin = 'Europe/Berlin';
  const windowsBySettings = (): { readonly [settings: string]: Window<Reading> } => ({
    'rolling 3': rolling({ count: 3 }, n),
    'rolling 4': rolling({ count: 4 }, n),
    'rolling 3 full': rolling({ count: 3, partial: false }, n),
    'batches 3': batches({ count: 3 }, n),
    'batches 4': batches({ count: 4 }, n),
    'tumbling 1d': tumbling({ size: '1d' }, n),
    'tumbling 1h': tumbling({ size: '1h' }, n),
    'tumbling offset': tumbling({ size: '1d', offset: '1h' }, n),
    'tumbling record': tumbling({ size: '1d', emit: 'record' }, n),
    'tumbling update': tumbling({ size: '1d', emit: 'update' }, n),
    'tumbling empty': tumbling({ size: '1d', emitEmpty: true }, n),
    'tumbling 7d': tumbling({ size: '7d' }, n),
    'tumbling week': tumbling({ size: 'week' }, n),
    'tumbling week from Sunday': tumbling({ size: 'week', weekStart: 'sunday' }, n),
    'tumbling month': tumbling({ size: 'month' }, n),
    'tumbling quarter': tumbling({ size: 'quarter' }, n),
    'tumbling year': tumbling({ size: 'year' }, n),
    'calendar month': tumbling({ size: 'month', timeZone: berlin }, n),
    'calendar month offset': tumbling({ size: 'month', timeZone: berlin, offset: '1d' }, n),
    'calendar week': tumbling({ size: 'week', timeZone: berlin }, n),
    'cumulate 1d': cumulate({ size: '1d', step: '1h' }, n),
    'cumulate 1d by 2h': cumulate({ size: '1d', step: '2h' }, n),
    'cumulate offset': cumulate({ size: '1d', step: '1h', offset: '1h' }, n),
    'cumulate empty': cumulate({ size: '1d', step: '1h', emitEmpty: true }, n),
    'cumulate elsewhere': cumulate({ size: '1d', step: '1h', timeZone: berlin }, n),
    'cumulate month': cumulate({ size: 'month', step: '1d', timeZone: berlin }, n),
    'calendar 1d': tumbling({ size: '1d', timeZone: berlin }, n),
    'calendar 1h': tumbling({ size: '1h', timeZone: berlin }, n),
    'calendar elsewhere': tumbling({ size: '1d', timeZone: 'America/New_York' }, n),
    'calendar offset': tumbling({ size: '1d', offset: '1h', timeZone: berlin }, n),
    'calendar record': tumbling({ size: '1d', timeZone: berlin, emit: 'record' }, n),
    'calendar update': tumbling({ size: '1d', timeZone: berlin, emit: 'update' }, n),
    'calendar empty': tumbling({ size: '1d', timeZone: berlin, emitEmpty: true }, n),
    'sliding 1d by 1h': sliding({ size: '1d', slide: '1h' }, n),
    'sliding 2d by 1h': sliding({ size: '2d', slide: '1h' }, n),
    'sliding 1d by 2h': sliding({ size: '1d', slide: '2h' }, n),
    'sliding offset': sliding({ size: '1d', slide: '1h', offset: '1m' }, n),
    'sliding record': sliding({ size: '1d', slide: '1h', emit: 'record' }, n),
    'sliding update': sliding({ size: '1d', slide: '1h', emit: 'update' }, n),
    'sliding empty': sliding({ size: '1d', slide: '1h', emitEmpty: true }, n),
    'trailing 1d': trailing({ size: '1d' }, n),
    'trailing 1h': trailing({ size: '1h' }, n),
    'session 1d': session({ gap: '1d' }, n),
    'session 1h': session({ gap: '1h' }, n),
    'session by record': session({ gap: ({ pause }) => `${pause}ms` }, n),
    'session limit': session({ gap: '1d', maxDuration: '2d' }, n),
    'session other limit': session({ gap: '1d', maxDuration: '3d' }, n),
    'session record': session({ gap: '1d', emit: 'record' }, n),
    'session update': session({ gap: '1d', emit: 'update' }, n),
    'running record': running({}, n),
    'running update': running({ emit: 'update' }, n),
  });

  it('differs with every setting, and from every other kind', () => {
    const windows = windowsBySettings();
    const named = Object.entries(windows).map(([settings, window]) => [signature(window), settings] as const);
    expect([...new Map(named).values()]).toEqual(Object.keys(windows));
  });

  it('differs with what a window computes, and with the names of that', () => {
    const differing = [
      {},
      { n: count() },
      { m: count() },
      { n: count(), m: count() },
      { m: count(), n: count() },
      { n: max<Reading>('x') },
    ];
    for (const kind of everyKind) {
      const { make, options } = kinds[kind];
      const signatures = differing.map((aggregates) => signature(make(options, aggregates)));
      expect(new Set(signatures).size).toBe(differing.length);
    }
  });

  it('differs with the lateness that is allowed, where that changes what is kept', () => {
    const depends = Object.fromEntries(
      everyKind.map((kind) => {
        const window = kinds[kind].make(kinds[kind].options, n);
        return [kind, signature(window, '1m') !== signature(window, '2m')];
      }),
    );
    expect(depends).toEqual({
      rolling: false,
      batches: false,
      tumbling: true,
      cumulate: true,
      sliding: true,
      trailing: true,
      session: true,
      running: true,
    });
  });

  it('is the same however the same is written', () => {
    const pairs: readonly (readonly [said: Window<Reading>, otherwise: Window<Reading>])[] = [
      [rolling({ count: 3 }, n), rolling({ partial: true, count: 3 }, { n: count() })],
      [batches({ count: 3 }, n), batches({ count: 3 }, { n: count() })],
      [
        tumbling({ size: '1m' }, n),
        tumbling({ size: '60s', offset: '0ms', emit: 'close', emitEmpty: false }, n),
      ],
      [tumbling({ size: 'week' }, n), tumbling({ size: '7d', offset: '4d' }, n)],
      [
        tumbling({ size: 'week', weekStart: 'tuesday', offset: '6d', timeZone: berlin }, n),
        tumbling({ size: '7d', offset: '4d', timeZone: berlin }, n),
      ],
      [tumbling({ size: 'month' }, n), tumbling({ size: 'month', timeZone: 'UTC', offset: '0s' }, n)],
      [
        tumbling({ size: '1d', timeZone: berlin }, n),
        tumbling({ size: '24h', timeZone: berlin, offset: '0ms', emit: 'close', emitEmpty: false }, n),
      ],
      [
        sliding({ size: '1m', slide: '1.5s' }, n),
        sliding({ size: '60s', slide: '1500ms', offset: '0s', emit: 'close', emitEmpty: false }, n),
      ],
      [trailing({ size: '1m' }, n), trailing({ size: '60s' }, { n: count() })],
      [session({ gap: '1m' }, n), session({ gap: '60s', emit: 'close' }, n)],
      [
        session({ gap: ({ pause }) => `${pause}s`, maxDuration: '1h' }, n),
        session({ gap: ({ pause }) => `${pause}s`, maxDuration: '60m' }, n),
      ],
      [running({}, n), running({ emit: 'record' }, n)],
    ];
    for (const [said, otherwise] of pairs) expect(signature(otherwise)).toBe(signature(said));
  });

  /** Aggregates that differ in one setting, or in what they read. */
  const own = {
    name: 'own',
    select: 'x',
    identity: null,
    lift: (x: number) => x,
    combine: (_: number | null, later: number | null) => later,
    lower: (x: number | null) => x,
  } as const;
  const aggregates: { readonly [kind: string]: readonly Aggregate<Reading, Plain>[] } = {
    mean: [
      mean('x'),
      mean('y'),
      mean('x', { invalid: 'skip' }),
      mean('x', { invalid: 'keep' }),
      mean(() => 1),
    ],
    sum: [sum('x'), sum('y'), sum('x', { invalid: 'skip' })],
    min: [min('x'), min('y'), min('x', { invalid: 'skip' })],
    max: [max('x'), max('y'), max('x', { invalid: 'skip' })],
    range: [range('x'), range('y'), range('x', { invalid: 'skip' })],
    weightedMean: [
      weightedMean('x', 'y'),
      weightedMean('y', 'x'),
      weightedMean('x', 'y', { invalid: 'skip' }),
    ],
    covariance: [
      covariance('x', 'y'),
      covariance('y', 'x'),
      covariance('x', 'y', { of: 'population' }),
      covariance('x', 'y', { invalid: 'skip' }),
    ],
    correlation: [correlation('x', 'y'), correlation('y', 'x'), correlation('x', 'y', { invalid: 'skip' })],
    variance: [variance('x'), variance('y'), variance('x', { of: 'population' })],
    stddev: [stddev('x'), stddev('x', { invalid: 'skip' }), stddev('x', { of: 'population' })],
    ewma: [
      ewma('x', { halfLife: '1m' }),
      ewma('x', { halfLife: '2m' }),
      ewma('x', { halfLife: '1m', invalid: 'skip' }),
    ],
    slope: [slope('x'), slope('y'), slope('x', { per: '1m' }), slope('x', { invalid: 'skip' })],
    forecast: [
      forecast('x', { ahead: '1m' }),
      forecast('x', { ahead: '2m' }),
      forecast('x', { ahead: '1m', invalid: 'skip' }),
    ],
    derivative: [derivative('x'), derivative('x', { per: '1m' }), derivative('x', { invalid: 'skip' })],
    integral: [integral('x'), integral('x', { per: '1m' }), integral('x', { invalid: 'skip' })],
    timeWeightedMean: [
      timeWeightedMean('x'),
      timeWeightedMean('y'),
      timeWeightedMean('x', { invalid: 'skip' }),
    ],
    rate: [rate('x'), rate('x', { per: '1m' }), rate('x', { invalid: 'skip' })],
    distinct: [distinct('x'), distinct('y'), distinct('x', { invalid: 'skip' })],
    quantile: [
      quantile('x', 0.5),
      quantile('x', 0.9),
      quantile('x', [0.5]),
      quantile('x', 0.5, { error: 0.02 }),
      quantile('x', 0.5, { invalid: 'skip' }),
    ],
    countBy: [countBy('x'), countBy('x', { limit: 5 }), countBy('x', { invalid: 'skip' })],
    topK: [
      topK('x', 3),
      topK('x', 4),
      topK('x', 3, { capacity: 50 }),
      topK('x', 3, { invalid: 'skip' }),
      topK('x', 3, { by: 'x' }),
      topK('x', 3, { by: 'y' }),
    ],
    first: [first('x'), first('y'), first('x', { invalid: 'skip' })],
    last: [last('x'), last('y'), last('x', { invalid: 'skip' })],
    collect: [collect('x'), collect('x', { limit: 5 }), collect('x', { invalid: 'skip' })],
    minBy: [minBy('x', 'y'), minBy('y', 'x'), minBy('x', 'y', { invalid: 'skip' })],
    maxBy: [maxBy('x', 'y'), maxBy('y', 'x'), maxBy('x', 'y', { invalid: 'skip' })],
    anomaly: [
      anomaly('x'),
      anomaly('x', { threshold: 4 }),
      anomaly('x', { atLeast: 20 }),
      anomaly('x', { invalid: 'skip' }),
    ],
    ewmaBand: [
      ewmaBand('x', { halfLife: '1m' }),
      ewmaBand('x', { halfLife: '2m' }),
      ewmaBand('x', { halfLife: '1m', width: 4 }),
      ewmaBand('x', { halfLife: '1m', atLeast: 20 }),
      ewmaBand('x', { halfLife: '1m', invalid: 'skip' }),
    ],
    derive: [
      derive({ a: min<Reading>('x') }, ({ a }) => a),
      derive({ b: min<Reading>('x') }, ({ b }) => b),
      derive({ a: max<Reading>('x') }, ({ a }) => a),
    ],
    own: [
      defineAggregate<Reading, 'x', number | null, number | null>(own),
      defineAggregate<Reading, 'x', number | null, number | null>({ ...own, name: 'other' }),
      defineAggregate<Reading, 'y', number | null, number | null>({ ...own, select: 'y' }),
      defineAggregate<Reading, 'x', number | null, number | null, 'skip'>({ ...own, invalid: 'skip' }),
    ],
    count: [count()],
  };

  it('differs with every setting of every aggregate, and from one aggregate to the other', () => {
    const all = Object.values(aggregates).flat();
    const signatures = all.map((aggregate) => signature(running({}, { aggregate })));
    expect(new Set(signatures).size).toBe(all.length);
  });
});

describe('what tells panes apart', () => {
  it('is the start of a window of time, an ordinal, or nothing', () => {
    expect(
      Object.fromEntries(
        everyKind.map((kind) => [kind, operatorOf(kinds[kind].make(kinds[kind].options, n)).identity]),
      ),
    ).toEqual({
      rolling: 'index',
      batches: 'index',
      tumbling: 'start',
      cumulate: 'start',
      sliding: 'start',
      trailing: 'index',
      session: 'start',
      running: 'none',
    });
  });

  it('comes in the order of the source where windows do', () => {
    const ordered = everyKind.filter((kind) => operatorOf(kinds[kind].make(kinds[kind].options, n)).ordered);
    expect(ordered).toEqual(['rolling', 'batches', 'running']);
  });
});
