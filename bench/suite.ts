import type { Job, Pace } from './contender.ts';
import { DISORDER_MILLIS } from './data.ts';

/** What is measured of one stream with one setting: several contenders, to be compared with each other. */
export interface Case {
  readonly title: string;
  readonly stream: Job['stream'];
  readonly contenders: readonly Entry[];
}

/** Several cases under one heading. */
export interface Section {
  /** Named on the command line. */
  readonly name: string;
  readonly title: string;
  readonly cases: readonly Case[];
  /** The cases that stand for the others in a short run, by title. */
  readonly quick: readonly string[];
}

/**
 * `floor`: tight code for this alone. `peer`: a library for the like. `part`: a part of the floor by itself. `other`:
 * what is no match for it, or less than it.
 */
export type Role = 'millrace' | 'floor' | 'part' | 'other' | 'peer';

export interface Entry {
  readonly name: string;
  readonly role: Role;
  /** The module that it is, or why it is not measured. */
  readonly module: string | { readonly none: string };
  readonly parameters: Job['parameters'];
  readonly pace: Pace;
  /** In how many rounds at most. */
  readonly rounds?: number;
}

const ONE_KEY = { keys: 1, skew: 'uniform', disorder: 0 } as const;
const RXJS_COUNT = 1_000;

const pace = (warm: number, timed: number, repetitions: number, batch = 10_000): Pace => ({
  warm,
  timed,
  repetitions,
  batch: Math.min(batch, timed),
});

/** All at once, each time anew. */
const inOneBatch = (timed: number, repetitions = 2): Pace => ({
  warm: timed,
  timed,
  repetitions,
  batch: timed,
});

/** What is reported by itself: a module that makes a table of its own. */
export interface ReportEntry {
  /** Named on the command line. */
  readonly name: string;
  readonly title: string;
  readonly module: string;
  /** Whether it is made on the other Node that is supported as well. */
  readonly onBoth?: boolean;
  /** Whether it runs from source, as it makes bundles of its own, and starts them on a Node of its own. */
  readonly fromSource?: boolean;
  /** Whether it is made only where it is named, as it downloads what few have. */
  readonly onlyNamed?: boolean;
  /** A quarter of an hour where nothing is said. */
  readonly timeoutMillis?: number;
}

function rollingMean(count: number): Case {
  const parameters = { count };
  const fast = pace(1_000_000, 1_000_000, 5, 20_000);
  const entry = (name: string, role: Role, module: Entry['module'], at: Pace, rounds?: number): Entry => ({
    name,
    role,
    module,
    parameters,
    pace: at,
    ...(rounds === undefined ? {} : { rounds }),
  });
  return {
    title: `count ${count.toLocaleString('en')}`,
    stream: ONE_KEY,
    contenders: [
      entry('Millrace', 'millrace', 'rolling-mean/millrace', pace(600_000, 200_000, 5)),
      entry('floor: two-stacks in arrays', 'floor', 'rolling-mean/floor', fast),
      entry('floor with all columns of a pane', 'other', 'rolling-mean/floor-pane', fast),
      entry("Millrace's mean alone", 'other', 'rolling-mean/kernel', fast),
      entry('running sum, not exact', 'other', 'rolling-mean/running-sum', fast),
      entry('@stdlib/stats-incr-mmean', 'peer', 'rolling-mean/stdlib', fast),
      entry(
        'efficient-rolling-stats',
        'peer',
        'rolling-mean/efficient-rolling-stats',
        pace(200_000, 200_000, 3),
      ),
      entry('indicatorts sma', 'peer', 'rolling-mean/indicatorts', inOneBatch(1_000_000)),
      entry(
        'RxJS bufferCount(n, 1)',
        'peer',
        count > RXJS_COUNT
          ? { none: `it keeps n²/2 numbers, ${((count * count * 4) / 1e9).toLocaleString('en')} GB` }
          : 'rolling-mean/rxjs',
        pace(Math.max(2 * count, 20_000), Math.max(2_000, Math.round(5e6 / count)), 2),
        1,
      ),
      entry('Arquero rolling', 'peer', 'rolling-mean/arquero', inOneBatch(200_000), 1),
      entry('DuckDB window', 'peer', 'rolling-mean/duckdb', inOneBatch(200_000), 1),
    ],
  };
}

function rollingMax(count: number): Case {
  const parameters = { count };
  const fast = pace(1_000_000, 1_000_000, 5, 20_000);
  const slow = pace(200_000, 200_000, 3);
  return {
    title: `count ${count.toLocaleString('en')}`,
    stream: ONE_KEY,
    contenders: [
      {
        name: 'Millrace',
        role: 'millrace',
        module: 'rolling-max/millrace',
        parameters,
        pace: pace(600_000, 200_000, 5),
      },
      {
        name: 'floor: two-stacks in an array',
        role: 'floor',
        module: 'rolling-max/floor',
        parameters,
        pace: fast,
      },
      {
        name: '@stdlib/stats-incr-mmax',
        role: 'peer',
        module: 'rolling-max/stdlib',
        parameters,
        pace: pace(1_000_000, 500_000, 3),
      },
      {
        name: 'efficient-rolling-stats',
        role: 'peer',
        module: 'rolling-max/efficient-rolling-stats',
        parameters,
        pace: pace(500_000, 500_000, 3),
      },
      { name: 'indicatorts mmax', role: 'peer', module: 'rolling-max/indicatorts', parameters, pace: slow },
    ],
  };
}

const KEYED = [
  { keys: 100, skew: 'uniform' },
  { keys: 1_000, skew: 'uniform' },
  { keys: 1_000, skew: 'zipf' },
  { keys: 10_000, skew: 'uniform' },
] as const;
const KEYED_COUNT = 100;

/** The ways of Millrace that begin each batch of 10,000 records with stored states. */
function throughStates(folder: string, parameters: Job['parameters'], at: Pace): Entry[] {
  const entry = (name: string, module: string, more: Job['parameters']): Entry => ({
    name,
    role: 'other',
    module: `${folder}/${module}`,
    parameters: { ...parameters, ...more },
    pace: at,
    rounds: 1,
  });
  return [
    entry('Millrace, thawed and frozen', 'millrace', { cold: 1 }),
    entry('… tables decoded and encoded, too', 'millrace', { cold: 2 }),
    entry("the engine's fold()", 'fold', {}),
    entry('… each batch a delta, encoded', 'fold', { coded: 1 }),
    entry('… each batch a snapshot, decoded and encoded', 'fold', { coded: 2 }),
  ];
}

function keyedMean(keys: number, skew: 'uniform' | 'zipf'): Case {
  const parameters = { count: KEYED_COUNT };
  const steady = pace(Math.max(300_000, keys * KEYED_COUNT), 200_000, 5);
  const entry = (
    name: string,
    role: Role,
    module: Entry['module'],
    at: Pace,
    more: Job['parameters'] = {},
    rounds?: number,
  ): Entry => ({
    name,
    role,
    module,
    parameters: { ...parameters, ...more },
    pace: at,
    ...(rounds === undefined ? {} : { rounds }),
  });
  const peers = [
    entry('@stdlib/stats-incr-mmean in a Map', 'peer', 'keyed-mean/stdlib', steady),
    entry(
      'RxJS groupBy, bufferCount(n, 1)',
      'peer',
      keys * KEYED_COUNT * KEYED_COUNT * 4 > 1e9 / 8
        ? { none: 'it keeps n²/2 records a key' }
        : 'keyed-mean/rxjs',
      pace(keys * KEYED_COUNT, 20_000, 2),
      {},
      1,
    ),
    entry('Arquero groupby, rolling', 'peer', 'keyed-mean/arquero', inOneBatch(100_000), {}, 1),
    entry('DuckDB window, partition by', 'peer', 'keyed-mean/duckdb', inOneBatch(100_000), {}, 1),
  ];
  return {
    title: `${keys.toLocaleString('en')} keys, ${skew}`,
    stream: { keys, skew, disorder: 0 },
    contenders: [
      entry('Millrace, warm', 'millrace', 'keyed-mean/millrace', steady, { cold: 0 }),
      ...(keys === 1_000 && skew === 'uniform'
        ? throughStates('keyed-mean', parameters, { ...steady, repetitions: 3 })
        : []),
      entry('floor: Map and two-stacks', 'floor', 'keyed-mean/floor', steady),
      entry('Map lookup alone, fresh strings', 'part', 'keyed-mean/lookup', steady, { fresh: 1, hashed: 0 }),
      entry('Map lookup alone, hashed before', 'part', 'keyed-mean/lookup', steady, { fresh: 1, hashed: 1 }),
      entry('Map lookup alone, the same strings', 'part', 'keyed-mean/lookup', steady, {
        fresh: 0,
        hashed: 0,
      }),
      entry('position check alone', 'part', 'keyed-mean/positions', steady),
      ...peers,
    ],
  };
}

function slidingMeanMax(keys: number, skew: 'uniform' | 'zipf', disorder: number): Case {
  const parameters = { size: 60_000, slide: 10_000, outOfOrderness: DISORDER_MILLIS };
  const steady = pace(Math.max(300_000, keys * 60), 200_000, 4);
  const batch = inOneBatch(100_000, 1);
  return {
    title: `${keys.toLocaleString('en')} keys, ${skew}, ${100 * disorder} % out of order`,
    stream: { keys, skew, disorder },
    contenders: [
      { name: 'Millrace, warm', role: 'millrace', module: 'sliding/millrace', parameters, pace: steady },
      ...(keys === 1_000 && skew === 'uniform' && disorder === 0.05
        ? throughStates('sliding', parameters, { ...steady, repetitions: 3 })
        : []),
      { name: 'floor: Map and slices', role: 'floor', module: 'sliding/floor', parameters, pace: steady },
      { name: 'DuckDB group by', role: 'peer', module: 'sliding/duckdb', parameters, pace: batch, rounds: 1 },
      {
        name: 'Beam direct runner',
        role: 'peer',
        module:
          keys === 1_000 && skew === 'uniform' && disorder > 0 && disorder < 0.5
            ? 'sliding/beam'
            : { none: 'slow: measured with 1,000 keys, uniform, 5 % only' },
        parameters,
        pace: { ...inOneBatch(5_000, 1), warm: 500 },
        rounds: 1,
      },
      {
        name: 'RxJS, Arquero',
        role: 'peer',
        module: { none: 'no windows by event time' },
        parameters,
        pace: batch,
      },
    ],
  };
}

const DAY_SECONDS = 86_400;

/** Each window is a day, and one closes every second. */
function dayBySecond(): Case {
  const parameters = { count: DAY_SECONDS };
  const days = pace(2 * DAY_SECONDS, DAY_SECONDS, 3, DAY_SECONDS / 10);
  const few = pace(DAY_SECONDS, 200, 2);
  const entry = (name: string, role: Role, module: string, at: Pace, more = {}, rounds?: number): Entry => ({
    name,
    role,
    module,
    parameters: { ...parameters, ...more },
    pace: at,
    ...(rounds === undefined ? {} : { rounds }),
  });
  return {
    title: '1 d every 1 s',
    stream: ONE_KEY,
    contenders: [
      entry('Millrace, warm', 'millrace', 'day/millrace', days),
      entry('Millrace, thawed and frozen', 'other', 'day/millrace', days, { cold: 1 }, 1),
      entry('… tables decoded and encoded, too', 'other', 'day/millrace', days, { cold: 2 }, 1),
      entry('floor: two-stacks in arrays', 'floor', 'rolling-mean/floor', days),
      entry('all 86,400 slices combined', 'other', 'day/naive', few, {}, 1),
      entry('added to all 86,400 open windows', 'other', 'day/naive', few, { windows: 1 }, 1),
    ],
  };
}

function twoWindows(keys: number): Case {
  const parameters = { count: KEYED_COUNT };
  const steady = pace(Math.max(300_000, keys * KEYED_COUNT), 200_000, 4);
  const states = { ...steady, repetitions: 3 };
  const entry = (name: string, role: Role, module: string, more = {}, rounds?: number): Entry => ({
    name,
    role,
    module: `two-windows/${module}`,
    parameters: { ...parameters, ...more },
    pace: rounds === undefined ? steady : states,
    ...(rounds === undefined ? {} : { rounds }),
  });
  return {
    title: `${keys.toLocaleString('en')} keys, uniform`,
    stream: { keys, skew: 'uniform', disorder: 0 },
    contenders: [
      entry('Millrace, warm', 'millrace', 'millrace'),
      entry('Millrace, thawed and frozen', 'other', 'millrace', { cold: 1 }, 1),
      entry("the engine's fold()", 'other', 'millrace', { engine: 1 }, 1),
      entry('… each batch a delta, encoded', 'other', 'millrace', { engine: 2 }, 1),
      entry('… each batch a snapshot, decoded and encoded', 'other', 'millrace', { engine: 3 }, 1),
      entry('floor: Map, two-stacks, minutes', 'floor', 'floor'),
    ],
  };
}

function tenWindows(keys: number): Case {
  const steady = pace(keys * 700, 30_000, 3);
  const entry = (name: string, role: Role, windows: number, engine: number): Entry => ({
    name: `${name}, ${windows === 1 ? 'one window of 5 min' : `${windows} windows`}`,
    role,
    module: 'ten-windows/millrace',
    parameters: { shortest: windows === 1 ? 5 : 1, longest: windows === 1 ? 5 : windows, engine },
    pace: steady,
    rounds: 1,
  });
  return {
    title: `${keys.toLocaleString('en')} keys, uniform`,
    stream: { keys, skew: 'uniform', disorder: 0 },
    contenders: [
      entry('Millrace, warm', 'millrace', 10, 0),
      entry('Millrace, warm', 'floor', 1, 0),
      entry("the engine's fold()", 'other', 10, 1),
      entry("the engine's fold()", 'other', 1, 1),
      entry('… each batch a delta, encoded', 'other', 10, 2),
      entry('… each batch a delta, encoded', 'other', 1, 2),
    ],
  };
}

export const SUITE: readonly Section[] = [
  {
    name: 'rolling-mean',
    title: 'Rolling mean over one series',
    cases: [10, 100, 1_000, 10_000, 100_000].map(rollingMean),
    quick: ['count 100'],
  },
  {
    name: 'rolling-max',
    title: 'Rolling maximum over one series',
    cases: [100, 10_000].map(rollingMax),
    quick: ['count 100'],
  },
  {
    name: 'keyed-mean',
    title: 'Rolling mean over 100 records a key, position check included',
    cases: KEYED.map(({ keys, skew }) => keyedMean(keys, skew)),
    quick: ['1,000 keys, uniform'],
  },
  {
    name: 'sliding',
    title: 'Mean and maximum over 60 s every 10 s a key, position check included',
    cases: KEYED.flatMap(({ keys, skew }) =>
      (keys === 1_000 && skew === 'uniform' ? [0, 0.05, 0.5] : [0.05]).map((disorder) =>
        slidingMeanMax(keys, skew, disorder),
      ),
    ),
    quick: ['1,000 keys, uniform, 5 % out of order'],
  },
  {
    name: 'two-windows',
    title: 'Mean, minimum and maximum over 100 records a key, and mean and maximum of each minute',
    cases: [twoWindows(1_000)],
    quick: ['1,000 keys, uniform'],
  },
  {
    name: 'ten-windows',
    title: 'Mean and maximum over 1 to 10 min every 10 s a key, beside one such window',
    cases: [tenWindows(100)],
    quick: ['100 keys, uniform'],
  },
  {
    name: 'day',
    title: 'A day by the second: mean over the last 86,400 s every second, one record a second',
    cases: [dayBySecond()],
    quick: ['1 d every 1 s'],
  },
];

export const REPORTS: readonly ReportEntry[] = [
  { name: 'state', title: 'State in bytes', module: 'reports/state' },
  { name: 'handler', title: 'A whole invocation, store in memory', module: 'reports/handler', onBoth: true },
  {
    name: 'invocation',
    title: 'A whole invocation, beside a PutItem for each key',
    module: 'reports/invocation',
    onBoth: true,
  },
  { name: 'cost', title: 'What is written, read and paid for 1,000 records', module: 'reports/cost' },
  {
    name: 'touched',
    title: 'One record into a group of many keys, store in memory',
    module: 'reports/touched',
    onBoth: true,
  },
  {
    name: 'sweep',
    title: 'A sweep of a group of many keys, store in memory',
    module: 'reports/sweep',
    onBoth: true,
  },
  { name: 'memory', title: 'Memory of each handler, in a process of its own', module: 'reports/memory' },
  {
    name: 'cold',
    title: 'From the start of a process to the first response, in the runtime of Lambda on Node 24',
    module: 'reports/cold',
    fromSource: true,
  },
  { name: 'producer', title: 'Sending 20,000 records to a local server', module: 'reports/producer' },
  {
    name: 'flink',
    title: 'Beside Apache Flink 2.3, by time of the processor',
    module: 'reports/flink',
    onlyNamed: true,
    timeoutMillis: 60 * 60_000,
  },
  { name: 'size', title: 'Code in bytes', module: 'reports/size' },
];
