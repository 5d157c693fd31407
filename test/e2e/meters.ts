import {
  bucket,
  count,
  definePipeline,
  kinesis,
  mean,
  rolling,
  session,
  table,
  tumbling,
} from '../../src/index.ts';

interface Reading {
  readonly meter: string;
  readonly at: string;
  readonly watts: number;
}

/** Of two shards, with what silence would close soon. */
export const meters = definePipeline('meters', kinesis<Reading>({ shards: 2 }), {
  key: ({ meter }) => meter,
  eventTime: ({ at }) => at,
  outOfOrderness: '10s',
  windows: {
    minute: tumbling({ size: '1m' }, { n: count(), watts: mean('watts') }),
    busy: session({ gap: '1m' }, { n: count() }),
    lastFive: rolling({ count: 5 }, { watts: mean('watts') }),
  },
}).to(table(), bucket());

const METERS = 6;

/** Each of some meters every six seconds, a little out of order, and now and then one that is late for its minute. */
export const readings = (length: number): readonly string[] =>
  Array.from({ length }, (_, place) => {
    const second = place - (place % 7 === 3 ? 5 : 0) - (place % 101 === 100 ? 90 : 0);
    const at = new Date(Date.UTC(2026, 0, 1) + second * 1_000).toISOString();
    return JSON.stringify({ meter: `meter ${place % METERS}`, at, watts: place % 13 });
  });
