import { describe, expect, it } from 'vitest';
import {
  bucket,
  count,
  definePipeline,
  kinesis,
  max,
  mean,
  type Pipeline,
  rolling,
  sliding,
  sqs,
  table,
  tumbling,
} from '../../src/index.ts';
import { type Counts, countsOf } from '../../src/plan/counts.ts';
import { batchingOf } from '../../src/plan/lineages.ts';
import { type LoadOptions, loadOf } from '../../src/plan/load.ts';
import { rehearse } from '../../src/plan/rehearsal.ts';
import { type Counted, countLocally, NOTHING } from './local-load.ts';

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

const LOADS: readonly (readonly [
  what: string,
  pipeline: Pipeline,
  load: LoadOptions,
  minutes: { readonly filling: number; readonly counting: number },
])[] = [
  ['windows that slide', overMinutes, { recordsPerSecond: 10, keys: 40 }, { filling: 3, counting: 8 }],
  [
    'a pane a record, at a table and a bucket',
    lastHundred,
    { recordsPerSecond: 20, keys: 40 },
    { filling: 6, counting: 10 },
  ],
  [
    'a queue',
    byMinute,
    { recordsPerSecond: 10, keys: 200, batchingWindow: '10s' },
    { filling: 4, counting: 12 },
  ],
  ['bodies that are objects', toBucket, { recordsPerSecond: 300, keys: 500 }, { filling: 2, counting: 6 }],
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
const apart = ({ invocations, ...counts }: Counts, counted: Counted) =>
  (Object.keys(NOTHING) as (keyof Counted)[])
    .map((name) => ({ name, plan: { ...counts, ...invocations }[name], run: counted[name] }))
    .filter(({ plan, run }) => Math.abs(plan - run) > 0.1 * run);

describe('what a plan counts is within a tenth of what a local run counts', () => {
  it.each(LOADS)('with %s', async (_, pipeline, options, minutes) => {
    const load = loadOf({ ...options, tableShards: 1 });
    const intake = batchingOf(pipeline, load);
    const counts = countsOf(pipeline, load, intake, rehearse(pipeline, load, intake));
    expect(apart(counts, await countLocally(pipeline, load, reading, minutes))).toEqual([]);
  });

  it.each([overMinutes, lastHundred, byMinute])('at rest: $name', async (pipeline) => {
    const load = loadOf();
    const counts = countsOf(pipeline, load, batchingOf(pipeline, load), undefined);
    // One record, so that there is something that may be at rest.
    const once = { ...load, recordsPerSecond: 1e-9 };
    const counted = await countLocally(pipeline, once, reading, { filling: 5, counting: 5 });
    expect(apart(counts, counted)).toEqual([]);
  });
});
