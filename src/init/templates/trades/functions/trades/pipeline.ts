import {
  bucket,
  count,
  definePipeline,
  first,
  kinesis,
  last,
  max,
  min,
  rolling,
  stddev,
  sum,
  table,
  tumbling,
  weightedMean,
} from 'millrace';

/** One trade, as JSON on the stream. */
export interface Trade {
  readonly symbol: string;
  /** ISO 8601 with a zone, or epoch milliseconds. */
  readonly tradedAt: string;
  readonly price: number;
  readonly shares: number;
}

export const trades = definePipeline('trades', kinesis<Trade>(), {
  key: 'symbol',
  eventTime: 'tradedAt',
  // Trades may arrive this much out of order, and windows wait this long for them.
  outOfOrderness: '2s',
  // For this much longer, late trades revise the results that were emitted.
  allowedLateness: '1m',
  windows: {
    minute: tumbling(
      { size: '1m' },
      {
        open: first('price'),
        high: max('price'),
        low: min('price'),
        close: last('price'),
        volume: sum('shares'),
        vwap: weightedMean('price', 'shares'),
      },
    ),
    lastFifty: rolling({ count: 50 }, { trades: count(), deviation: stddev('price') }),
  },
}).to(table(), bucket());
