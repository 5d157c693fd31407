import { bucket, definePipeline, derive, ewmaBand, kinesis, running } from 'millrace';

export interface Point {
  readonly series: string;
  readonly at: string;
  readonly value: number;
}

const band = ewmaBand<Point>('value', { halfLife: '1h', width: 3.5, atLeast: 24 });

/** Judges each point of a series by a band around those before it, which follows slow change. One setting for all series. */
export const anomalies = definePipeline('anomalies', kinesis<Point>(), {
  key: 'series',
  eventTime: 'at',
  windows: {
    judged: running({}, { band, isAnomaly: derive({ band }, ({ band }) => band.isAnomaly) }),
  },
}).to(bucket());
