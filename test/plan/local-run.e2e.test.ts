import { describe, expect, it } from 'vitest';
import {
  bucket,
  count,
  definePipeline,
  kafka,
  kinesis,
  max,
  mean,
  notify,
  type Pipeline,
  panesOf,
  push,
  rabbitmq,
  rolling,
  sliding,
  sqs,
  stream,
  table,
  tumbling,
} from '../../src/index.ts';
import { type Counts, countsOf } from '../../src/plan/counts.ts';
import { batchingOf } from '../../src/plan/lineages.ts';
import { type LoadOptions, loadOf } from '../../src/plan/load.ts';
import { rehearse } from '../../src/plan/rehearsal.ts';
import { type Counted, countLocally, NOTHING, type Sent } from './local-load.ts';

interface Reading {
  readonly machine: string;
  readonly at: number;
  readonly celsius: number;
}

const options = { key: ({ machine }: Reading) => machine, eventTime: ({ at }: Reading) => at };

const overMinutes = definePipeline('over-minutes', kinesis<Reading>({ shards: 2 }), {
  ...options,
  windows: { minute: sliding({ size: '60s', slide: '10s' }, { mean: mean('celsius'), max: max('celsius') }) },
}).to(table());

const lastHundred = definePipeline('last-hundred', kinesis<Reading>(), {
  ...options,
  windows: { last: rolling({ count: 100 }, { mean: mean('celsius') }) },
}).to(table(), bucket());

const byMinute = definePipeline('by-minute', sqs<Reading>(), {
  ...options,
  windows: { minute: tumbling({ size: '1m' }, { n: count(), mean: mean('celsius') }) },
}).to(table(), bucket());

const toBucket = definePipeline('to-bucket', kinesis<Reading>(), {
  ...options,
  groups: 1,
  windows: {
    minute: tumbling({ size: '1m' }, { n: count(), max: max('celsius') }),
    last: rolling({ count: 10 }, { mean: mean('celsius') }),
  },
}).to(bucket());

const ofHours = definePipeline('of-hours', kinesis<Reading>(), {
  ...options,
  windows: {
    hour: tumbling({ size: '1h' }, { n: count(), max: max('celsius') }),
    last: rolling({ count: 10 }, { mean: mean('celsius') }),
  },
}).to(table(), push({ windows: ['last'] }));

const byTopic = definePipeline('by-topic', kafka<Reading>({ topic: 'readings', partitions: 2 }), {
  ...options,
  windows: { last: rolling({ count: 10 }, { mean: mean('celsius') }) },
}).to(table());

const byBroker = definePipeline('by-broker', rabbitmq<Reading>({ queue: 'readings' }), {
  ...options,
  windows: { minute: tumbling({ size: '1m' }, { n: count(), mean: mean('celsius') }) },
}).to(bucket());

const telling = definePipeline('telling', kinesis<Reading>(), {
  ...options,
  windows: {
    minute: tumbling({ size: '1m' }, { n: count(), max: max('celsius') }),
    last: rolling({ count: 10 }, { mean: mean('celsius') }),
  },
}).to(
  notify({ to: 'sns', windows: ['minute'] }),
  stream({ to: 'kinesis', message: ({ key, results }) => ({ key, results }) }),
  stream({ name: 'in-order', to: 'sqs-fifo', windows: ['last'] }),
  push({ windows: ['last'] }),
);

const lastTen = definePipeline('last-ten', kinesis<Reading>(), {
  ...options,
  windows: { last: rolling({ count: 10 }, { mean: mean('celsius') }) },
});
const chained = definePipeline('chained', panesOf(lastTen, 'last'), {
  key: ({ key }) => key,
  eventTime: ({ end }) => end,
  windows: { minute: tumbling({ size: '1m' }, { mean: mean(({ results }) => results.mean) }) },
}).to(table());

const LOADS: readonly (readonly [
  what: string,
  pipeline: Pipeline,
  load: LoadOptions,
  minutes: { readonly filling: number; readonly counting: number },
])[] = [
  ['windows that slide', overMinutes, { recordsPerSecond: 10, keys: 40 }, { filling: 2, counting: 4 }],
  [
    'a pane a record, at a table and a bucket',
    lastHundred,
    { recordsPerSecond: 20, keys: 40 },
    { filling: 6, counting: 5 },
  ],
  [
    'a queue',
    byMinute,
    { recordsPerSecond: 10, keys: 200, batchingWindow: '10s' },
    { filling: 2, counting: 4 },
  ],
  ['bodies that are objects', toBucket, { recordsPerSecond: 300, keys: 500 }, { filling: 1, counting: 3 }],
  [
    'a window that is too long to be filled',
    ofHours,
    { recordsPerSecond: 10, keys: 40 },
    { filling: 2, counting: 4 },
  ],
  ['sinks that send messages', telling, { recordsPerSecond: 10, keys: 40 }, { filling: 2, counting: 4 }],
  ['a topic of Kafka', byTopic, { recordsPerSecond: 10, keys: 40 }, { filling: 2, counting: 4 }],
  ['a queue of RabbitMQ', byBroker, { recordsPerSecond: 10, keys: 40 }, { filling: 2, counting: 4 }],
  ['panes of another pipeline', chained, { recordsPerSecond: 10, keys: 40 }, { filling: 2, counting: 4 }],
];

const walks = new Map<string, number>();
const reading = (
  machine: string,
  at: number,
  random: { whole(from: number, to: number): number },
): string => {
  const milli = (walks.get(machine) ?? 20_000) + random.whole(-200, 200);
  walks.set(machine, milli);
  return JSON.stringify({ machine, at, celsius: milli / 1_000 } satisfies Reading);
};

/** Compares what a plan counts with what a run counted: name by name, those that are not within a tenth. */
const apart = (
  { invocations, messages, ...counts }: Counts,
  run: { readonly counted: Counted; readonly messages: ReadonlyMap<string, Sent> },
) =>
  [
    ...(Object.keys(NOTHING) as (keyof Counted)[]).map((name) => ({
      name,
      plan: { ...counts, ...invocations }[name],
      run: run.counted[name],
    })),
    ...[...messages].flatMap(([sink, planned]) =>
      (Object.keys(planned) as (keyof Sent)[]).map((name) => ({
        name: `${name} of ${sink}`,
        plan: planned[name],
        run: run.messages.get(sink)?.[name] ?? 0,
      })),
    ),
  ].filter(({ plan, run }) => !(Math.abs(plan - run) <= 0.1 * run));

describe('what a plan counts is within a tenth of what a local run counts', () => {
  it.each(LOADS)('with %s', async (_, pipeline, options, minutes) => {
    const load = loadOf({ ...options, tableShards: 1 });
    const intake = batchingOf(pipeline, load);
    const counts = countsOf(pipeline, load, intake, rehearse(pipeline, load, intake));
    expect(apart(counts, await countLocally(pipeline, load, reading, minutes))).toEqual([]);
  });

  it.each([overMinutes, lastHundred, byMinute, telling, byTopic, byBroker, chained])(
    'at rest: $name',
    async (pipeline) => {
      const load = loadOf();
      const counts = countsOf(pipeline, load, batchingOf(pipeline, load), undefined);
      // One record, so that there is something that may be at rest.
      const once = { ...load, recordsPerSecond: 1e-9 };
      const counted = await countLocally(pipeline, once, reading, { filling: 5, counting: 5 });
      expect(apart(counts, counted)).toEqual([]);
    },
  );
});
