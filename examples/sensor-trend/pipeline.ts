import {
  bucket,
  cumulate,
  definePipeline,
  derivative,
  derive,
  forecast,
  integral,
  kinesis,
  last,
  sliding,
  slope,
  table,
  trailing,
} from 'millrace';

export interface Reading {
  readonly tank: string;
  readonly at: string;
  /** What is in the tank. */
  readonly litres: number;
  /** What runs out of it, in litres a minute. */
  readonly flow: number;
}

const perHour = slope<Reading>('litres', { per: '1h' });

/** What ran out of each tank today, how its level goes, and when it will be empty. Readings come in any order within two minutes. */
export const tanks = definePipeline('tanks', kinesis<Reading>(), {
  key: 'tank',
  eventTime: 'at',
  outOfOrderness: '2m',
  windows: {
    // The cumulative function: the area below the flow since midnight, each hour.
    today: cumulate({ size: '1d', step: '1h' }, { drawn: integral('flow', { per: '1m' }) }),
    // The trend: the line through the last hour, and where it leads.
    trend: sliding(
      { size: '1h', slide: '30m' },
      {
        perHour,
        inAnHour: forecast('litres', { ahead: '1h' }),
        hoursLeft: derive({ perHour, now: last<Reading, 'litres'>('litres') }, ({ perHour, now }) =>
          perHour < 0 ? Number(now) / -perHour : null,
        ),
      },
    ),
    // The change at each reading, from the one before it.
    change: trailing({ size: '5m' }, { perMinute: derivative('litres', { per: '1m' }) }),
  },
}).to(table(), bucket());
