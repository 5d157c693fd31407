import { bucket, count, definePipeline, kinesis, max, rolling, table, tumbling } from '../../src/index.ts';

interface Reading {
  readonly machine: string;
  readonly at: number;
  readonly celsius: number;
}

/** What is deployed to be looked at: few groups and one shard, as both cost. */
export const verified = definePipeline('verified', kinesis<Reading>({ shards: 1 }), {
  key: ({ machine }) => machine,
  eventTime: ({ at }) => at,
  idleAfter: '1m',
  groups: 2,
  windows: {
    lastThree: rolling({ count: 3 }, { hottest: max('celsius'), readings: count() }),
    tenSeconds: tumbling({ size: '10s' }, { hottest: max('celsius'), readings: count() }),
  },
}).to(table(), bucket({ every: '0s' }));
