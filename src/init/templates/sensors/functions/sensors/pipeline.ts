import { bucket, definePipeline, kinesis, max, mean, rolling, sliding, table } from 'millrace';

/** One measurement of one machine, as JSON on the stream. */
export interface Reading {
  readonly machineId: string;
  /** ISO 8601 with a zone, or epoch milliseconds. */
  readonly measuredAt: string;
  readonly celsius: number;
}

export const sensors = definePipeline('sensors', kinesis<Reading>(), {
  key: 'machineId',
  eventTime: 'measuredAt',
  // Readings may arrive this much out of order, and windows wait this long for them.
  outOfOrderness: '30s',
  windows: {
    lastTen: rolling({ count: 10 }, { mean: mean('celsius') }),
    fiveMinutes: sliding({ size: '5m', slide: '1m' }, { mean: mean('celsius'), max: max('celsius') }),
  },
}).to(table(), bucket());
