import { bucket, definePipeline, kinesis, max, mean, min, rolling, table } from 'millrace';

interface Reading {
  readonly sensor: string;
  /** When it was measured, in milliseconds since the epoch. */
  readonly at: number;
  readonly value: number;
}

/** The mean, the maximum and the minimum of the last ten readings of each sensor, with each reading. */
export const slidingMean = definePipeline('sliding-mean', kinesis<Reading>(), {
  key: 'sensor',
  eventTime: 'at',
  windows: {
    lastTen: rolling(
      { count: 10, partial: false },
      { mean: mean('value'), max: max('value'), min: min('value') },
    ),
  },
}).to(table(), bucket());
