import { bucket, count, definePipeline, kinesis, max, mean, table, tumbling } from 'millrace';

export interface Reading {
  readonly station: string;
  readonly at: string;
  /** Fine dust, in micrograms a cubic metre. */
  readonly pm25: number;
}

const dust = { mean: mean<Reading>('pm25'), max: max<Reading>('pm25'), readings: count() };

/** The fine dust at each station, by hours and by days. The last results are rows, and all of them are objects. */
export const air = definePipeline('air', kinesis<Reading>(), {
  key: 'station',
  eventTime: 'at',
  idleAfter: '2h',
  windows: { hourly: tumbling({ size: '1h' }, dust), daily: tumbling({ size: '1d' }, dust) },
}).to(table(), bucket());
