import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { type Duration, type EpochMillis, after as later, type Millis, millis } from '../../src/core/time.ts';
import {
  collect,
  count,
  definePipeline,
  dynamodbStream,
  kafka,
  kinesis,
  notify,
  type Pipeline,
  panesOf,
  rabbitmq,
  sqs,
  table,
  tumbling,
} from '../../src/index.ts';
import { NOON, type Reading } from '../engine/scene.ts';
import { writeEntry } from '../lib/stack-entry.ts';
import { Account, type AccountOptions, type Faults, type Sent } from './account.ts';
import { type AlarmProperties, timesOn } from './cloudwatch.ts';
import { alarmsIn, templateOf } from './template.ts';

const fault = vi.hoisted(() => ({ miscounts: false, throws: false }));
vi.mock(import('../../src/engine/intake/fold.ts'), async (original) => {
  const actual = await original();
  return {
    ...actual,
    fold: (...folding: Parameters<typeof actual.fold>) => {
      const folded = actual.fold(...folding);
      const { applied } = folded.counters;
      return fault.miscounts ? { ...folded, counters: { ...folded.counters, applied: applied - 1 } } : folded;
    },
  };
});

const scratch = mkdtempSync(join(tmpdir(), 'millrace-alarms-'));
afterAll(() => rmSync(scratch, { recursive: true }));
const { folder: entry } = writeEntry(scratch, 'readings');

const written: string[] = [];
const setDate = (now: number) => vi.setSystemTime(now);
beforeEach(() => {
  vi.useFakeTimers({ toFake: ['Date'] });
  vi.spyOn(process.stdout, 'write').mockImplementation((some) => written.push(String(some)) > 0);
  vi.spyOn(process.stderr, 'write').mockImplementation(() => true);
  Object.assign(fault, { miscounts: false, throws: false });
});
afterEach(() => {
  vi.useRealTimers();
  vi.restoreAllMocks();
  written.length = 0;
});

const rules = {
  key: ({ machine }: Reading) => {
    if (machine === 'broken') throw new Error('no such machine');
    return machine;
  },
  eventTime: (reading: Reading) => reading.at,
  groups: 4,
  windows: {
    minute: tumbling(
      { size: '1m' },
      { n: count(), notes: collect((reading) => (reading as Reading).note ?? '') },
    ),
  },
};
const readings = definePipeline('readings', kinesis<Reading>({ shards: 2 }), rules);
const stream = readings.to(table()) as Pipeline;
const shortLived = definePipeline('readings', kinesis<Reading>({ retention: '1d' }), rules).to(
  table(),
) as Pipeline;
const telling = readings.to(
  notify({
    to: 'sns',
    message: (pane) => {
      if (fault.throws) throw new Error('no message');
      return pane.results;
    },
  }),
) as Pipeline;
const queue = definePipeline('readings', sqs<Reading>(), rules).to(table()) as Pipeline;
const fifo = definePipeline('readings', sqs<Reading>({ fifo: true }), rules).to(table()) as Pipeline;
const changes = definePipeline(
  'readings',
  dynamodbStream<Reading>({
    table: 'readings',
    stream: 'arn:aws:dynamodb:eu-west-1:123456789012:table/readings/stream/2026-01-05T08:00:00.000',
  }).map(({ newImage }) => newImage as Reading),
  rules,
).to(table()) as Pipeline;
const topic = definePipeline(
  'readings',
  kafka<Reading>({
    topic: 'readings',
    cluster: { msk: 'arn:aws:kafka:eu-west-1:123456789012:cluster/machines/0f2c5b1e-1' },
  }),
  rules,
).to(table()) as Pipeline;
const broker = definePipeline(
  'readings',
  rabbitmq<Reading>({
    queue: 'readings',
    broker: 'arn:aws:mq:eu-west-1:123456789012:broker:broker:b-1',
    secret: 'arn:aws:secretsmanager:eu-west-1:123456789012:secret:rabbit-AbCdEf',
    deliveryLimit: 'none',
  }),
  rules,
).to(table()) as Pipeline;

const lines = definePipeline('lines', panesOf(readings, 'minute'), {
  key: ({ key }) => key.slice(0, 1),
  eventTime: ({ start }) => start,
  windows: { minute: tumbling({ size: '1m' }, { n: count() }) },
}).to(table()) as Pipeline;
const UPSTREAM = {
  stateTable: 'upstream',
  resultsBucket: 'upstream',
  stateStream: 'arn:aws:dynamodb:eu-west-1:123456789012:table/upstream/stream/2026-01-05T08:00:00.000',
};

/** The pipelines of the faults below. */
const PIPELINES = { stream, shortLived, telling, queue, fifo, changes, topic, broker };

/** Records of five machines, each with its key as partition key. */
const steady = (now: EpochMillis, of: object = {}): Sent[] =>
  ['pump', 'oven', 'press', 'lathe', 'drill'].map((machine) => ({
    data: JSON.stringify({ machine, at: now, celsius: 20, note: 'fine', ...of }),
    partitionKey: machine,
  }));
const alsoSending = (data: string) => (now: EpochMillis) => [
  ...steady(now),
  { data: data.replaceAll('NOW', String(now)), partitionKey: 'pump' },
];

const SOON = later(NOON, millis('10m'));

/** A fault, and how the alarm is brought to go off by it. */
interface Case {
  readonly pipeline?: keyof typeof PIPELINES;
  readonly options?: AccountOptions;
  readonly faults?: Faults;
  /** For how long the fault lasts before the alarm is looked at. Default 20 minutes. */
  readonly lasts?: Duration;
  readonly send?: (now: EpochMillis, account: Account) => readonly Sent[];
  readonly begin?: (account: Account) => void;
}

const isCommit = (call: string, name: string) => call === 'log.append' && name.startsWith('readings/');
const onCommits = (outcome: NonNullable<ReturnType<NonNullable<Faults['store']>>>): Faults => ({
  store: (fn, call, name) => (fn === 'handler' && isCommit(call, name) ? outcome : undefined),
});
/** Two of three appends of the handler lose a race. */
const racing = (): Faults => {
  let appends = 0;
  return {
    store: (fn, call, name) =>
      fn === 'handler' && isCommit(call, name) && ++appends % 3 > 0 ? 'conflict' : undefined,
  };
};
const nothing = () => [];

/** Each alarm, and a fault that it is for; `planted` where the series is of a service that nothing stands in for. */
const CASES: readonly (readonly [alarm: string, by: string, of: Case])[] = [
  ...onEach(['stream', 'queue', 'fifo', 'changes', 'topic', 'broker'], 'Behind', 'commits that fail', {
    faults: onCommits('fails'),
    lasts: '40m',
  }),
  [
    'Behind',
    'a handler that does not run, on a topic',
    { pipeline: 'topic', faults: { throttles: (fn) => fn === 'handler' } },
  ],
  ...onEach(['shortLived', 'changes'], 'RetentionRunsOut', 'commits that fail for half a day', {
    options: { step: millis('20m') },
    faults: onCommits('fails'),
    lasts: '13h',
  }),
  ...onEach(['queue', 'fifo'], 'RetentionRunsOut', 'commits that fail for two days', {
    options: { step: millis('1h') },
    faults: onCommits('fails'),
    lasts: '51h',
  }),
  ...onEach(['stream', 'queue', 'fifo', 'changes'], 'SilenceStalled', 'a source that does not answer', {
    faults: { store: (_fn, call) => (call === 'arrivals.frontier' ? 'fails' : undefined) },
    lasts: '35m',
  }),
  ['Misaligned', 'partition keys that are no keys', { send: misaligned }],
  [
    'StreamThrottled',
    'planted: a stream that refuses records',
    { begin: plant('AWS/Kinesis', 'WriteProvisionedThroughputExceeded', { StreamName: 'stream' }) },
  ],
  ...onEach(['stream', 'changes'], 'GivenUp', 'commits that fail for longer than records are kept', {
    options: { retention: millis('15m') },
    faults: onCommits('fails'),
  }),
  ...onEach(['queue', 'fifo'], 'DeadLetters', 'messages that are tried a hundred times', {
    faults: onCommits('fails'),
    send: once,
    lasts: '105m',
  }),
  ['SweepStalled', 'a schedule that is disabled', { faults: { unscheduled: true } }],
  [
    'SweepStalled',
    'a group that cannot be read',
    {
      faults: {
        store: (fn, call, name) =>
          fn === 'sweeper' && call.startsWith('log.') && name.endsWith('/0') ? 'fails' : undefined,
      },
    },
  ],
  [
    'SnapshotOld',
    'renewals that never succeed',
    {
      options: { step: millis('2h') },
      faults: {
        store: (fn, call, name) => (fn === 'sweeper' && isCommit(call, name) ? 'conflict' : undefined),
      },
      send: nothing,
      lasts: '75h',
    },
  ],
  [
    'SinkBehindTable',
    'a table that cannot be written',
    { faults: { store: (_fn, call) => (call === 'rows.put' ? 'fails' : undefined) }, lasts: '25m' },
  ],
  ['SinkBehindTable', 'a schedule that is disabled', { faults: { unscheduled: true } }],
  [
    'Gaps',
    'an entry that is gone before it is delivered',
    {
      begin(account) {
        const mended = later(account.now, millis('5m'));
        account.faults = { throttles: (fn) => fn === 'projector' && account.now < mended };
      },
      send(now, account) {
        if (now === later(SOON, millis('4m'))) account.drop();
        return steady(now);
      },
    },
  ],
  [
    'Unsent',
    'a function of a sink that throws',
    {
      pipeline: 'telling',
      begin: () => {
        fault.throws = true;
      },
    },
  ],
  ['PoisonShare', 'a record in six that is not JSON', { send: alsoSending('{"machine"') }],
  ['LateShare', 'a record in six that is two hours late', { send: lateOnes }],
  [
    'NoRoom',
    'keys for which no group has room',
    {
      begin: (account) => {
        account.limits.newKeys = 1;
      },
      send: alsoSending('{"machine":"new-NOW","at":NOW}'),
    },
  ],
  [
    'GroupsFull',
    'groups with little room',
    {
      begin: (account) => {
        account.limits.newKeys = 500;
      },
    },
  ],
  [
    'CutPanes',
    'results that are larger than an entry',
    {
      begin: (account) => {
        account.limits.panes = 1_000;
      },
      send: (now) => steady(now, { note: 'x'.repeat(2_000) }),
    },
  ],
  ['Conflicts', 'two of three appends that lose a race', { faults: racing(), lasts: '35m' }],
  [
    'Unaccounted',
    'a fold that miscounts',
    {
      begin: () => {
        fault.miscounts = true;
      },
    },
  ],
  ['AuthorFaults', 'a key function that throws', { send: alsoSending('{"machine":"broken","at":NOW}') }],
  ['Faults', 'commits that fail', { faults: onCommits('fails') }],
  [
    'Errors',
    'a definition that cannot be read',
    {
      faults: {
        store: (fn, call, name) =>
          fn === 'sweeper' && call === 'log.latest' && name.startsWith('definition/') ? 'fails' : undefined,
      },
    },
  ],
  [
    'Throttled',
    "an account's concurrency that is used up",
    { faults: { throttles: (fn) => fn === 'handler' } },
  ],
  [
    'SlowHandler',
    'an append that takes 50 s',
    {
      faults: {
        store: (fn, call, name) =>
          fn === 'handler' && isCommit(call, name) && name.endsWith('/0') ? millis('50s') : undefined,
      },
    },
  ],
  [
    'SlowSweeper',
    'a source that answers after 50 s',
    {
      faults: {
        store: (fn, call) => (fn === 'sweeper' && call === 'arrivals.frontier' ? millis('50s') : undefined),
      },
    },
  ],
  [
    'SlowProjector',
    'a cursor that takes 50 s',
    {
      faults: {
        store: (fn, call, name) =>
          fn === 'projector' && call === 'log.append' && name.startsWith('rows/') ? millis('50s') : undefined,
      },
    },
  ],
  ['StateThrottled', 'appends that are throttled', { faults: onCommits('throttled') }],
];

/** Sends records of two shards, none of which has its key as partition key. */
function misaligned(now: EpochMillis): Sent[] {
  return Array.from({ length: 40 }, (_, n) => ({
    data: JSON.stringify({ machine: `m${n}`, at: now }),
    partitionKey: `p${39 - n}`,
    shard: n % 2,
  }));
}

/** Sends records of which one in six is two hours late. */
function lateOnes(now: EpochMillis): Sent[] {
  return [...steady(now), ...steady(now, { at: now - millis('2h') }).slice(0, 1)];
}

/** Sends records in the first step after the fault began alone. */
function once(now: EpochMillis): Sent[] {
  return now === SOON ? steady(now) : [];
}

/** Returns a case on each of some pipelines. */
function onEach(names: readonly (keyof typeof PIPELINES)[], alarm: string, by: string, of: Case) {
  return names.map((pipeline) => [alarm, `${by}, on ${pipeline}`, { ...of, pipeline }] as const);
}

/** Plants a value each minute of the next half hour. */
function plant(namespace: string, metric: string, dimensions: Record<string, string>) {
  return ({ samples, now }: Account): void => {
    for (let minute = 0; minute < 30; minute++)
      samples.push({
        namespace,
        metric,
        dimensions,
        at: later(now, (minute * millis('1m')) as Millis),
        values: [3],
      });
  };
}

const alarmsOfStack = new Map<Pipeline, ReadonlyMap<string, AlarmProperties>>();
/** Returns the alarms of the template of a pipeline's stack. */
function alarmsFor(pipeline: Pipeline): ReadonlyMap<string, AlarmProperties> {
  const alarms = alarmsOfStack.get(pipeline) ?? alarmsIn(templateOf(pipeline, entry));
  alarmsOfStack.set(pipeline, alarms);
  return alarms;
}

/** Returns the alarms that are on at some time after `from`. */
const onIn = (pipeline: Pipeline, account: Account, from: EpochMillis) =>
  [...alarmsFor(pipeline)].flatMap(([name, alarm]) =>
    timesOn(alarm, account.samples, NOON, account.now).some((time) => time > from) ? [name] : [],
  );

describe('alarms', () => {
  it.each(Object.entries(PIPELINES))('are quiet while nothing is wrong: %s', async (_, pipeline) => {
    const account = new Account(pipeline, { setDate, written });
    await account.run(later(NOON, millis('40m')), (now) => steady(now));
    await account.run(later(NOON, millis('65m')));
    expect(onIn(pipeline, account, NOON)).toEqual([]);
  });

  it.each(CASES)('%s goes off by %s', async (name, _, of) => {
    const pipeline = PIPELINES[of.pipeline ?? 'stream'];
    const account = new Account(pipeline, { setDate, written }, of.options);
    await account.run(SOON, (now) => steady(now));
    const { now } = account;
    account.faults = of.faults ?? {};
    of.begin?.(account);
    await account.run(later(now, millis(of.lasts ?? '20m')), (now) =>
      of.send ? of.send(now, account) : steady(now),
    );
    expect(onIn(pipeline, account, now)).toContain(name);
  });

  it('of shares are quiet while nothing can be taken in', async () => {
    const account = new Account(stream, { setDate, written });
    account.faults = onCommits('fails');
    await account.run(later(NOON, millis('20m')), (now) => steady(now));
    const on = onIn(stream, account, NOON);
    expect(on).toContain('Faults');
    expect(on).not.toContain('PoisonShare');
    expect(on).not.toContain('LateShare');
  });

  it('Behind goes off by commits that fail, on the panes of another pipeline', async () => {
    const first = new Account(stream, { setDate, written });
    const second = new Account(lines, { setDate, written }, { upstream: first.stores });
    const alarms = alarmsIn(templateOf(lines, entry, { upstream: UPSTREAM }));
    const on = (from: EpochMillis) =>
      [...alarms].flatMap(([name, alarm]) =>
        timesOn(alarm, second.samples, NOON, second.now).some((time) => time > from) ? [name] : [],
      );
    const run = async (until: EpochMillis) => {
      while (second.now < until) {
        await first.run(later(first.now, millis('1m')), (now) => steady(now));
        await second.run(first.now);
      }
    };
    await run(later(NOON, millis('1h')));
    expect(on(NOON)).toEqual([]);
    const { now } = second;
    second.faults = {
      store: (fn, call, name) =>
        fn === 'handler' && call === 'log.append' && name.startsWith('lines/') ? 'fails' : undefined,
    };
    await run(later(now, millis('40m')));
    expect(on(now)).toContain('Behind');
    expect(on(now)).not.toContain('RetentionRunsOut');
  });

  it('each have such a fault', () => {
    const all = Object.values(PIPELINES).flatMap((pipeline) => [...alarmsFor(pipeline).keys()]);
    const made = new Set(all.filter((name) => name !== 'SinkBehindNotify'));
    expect(new Set(CASES.map(([alarm]) => alarm))).toEqual(made);
  });

  it('each have one on every kind of source of which they are', () => {
    const { telling: _, shortLived: __, ...sources } = PIPELINES;
    const definitions = (name: string) =>
      Object.values(sources).map((pipeline) => JSON.stringify(alarmsFor(pipeline).get(name)));
    const made = Object.values(sources).flatMap((pipeline) =>
      [...alarmsFor(pipeline).keys()]
        .filter((name) => new Set(definitions(name)).size > 1)
        .map((name) => `${name} of ${pipeline.source.kind}`),
    );
    const tried = CASES.map(
      ([alarm, , { pipeline = 'stream' }]) => `${alarm} of ${PIPELINES[pipeline].source.kind}`,
    );
    expect(made).toContain('DeadLetters of fifo');
    expect(tried).toEqual(expect.arrayContaining(made));
  });
});
