import {
  bucket,
  count,
  definePipeline,
  kinesis,
  max,
  mean,
  min,
  rolling,
  sliding,
  table,
  tumbling,
} from 'millrace';

interface Flight {
  /** Scheduled departure, in UTC: `2001/01/01 00:47`. */
  readonly date: string;
  /** Minutes late at arrival; negative when early. */
  readonly delay: number;
  /** Miles. */
  readonly distance: number;
  readonly origin: string;
  readonly destination: string;
}

export const flights = definePipeline('flights', kinesis<Flight>({ shards: 2 }), {
  key: 'origin',
  eventTime: (flight) => `${flight.date.replaceAll('/', '-').replace(' ', 'T')}Z`,
  idleAfter: '6h',
  windows: {
    lastTen: rolling({ count: 10 }, { meanDelay: mean('delay') }),
    hourly: tumbling({ size: '1h' }, { flights: count(), meanDelay: mean('delay'), maxDelay: max('delay') }),
    threeHours: sliding(
      { size: '3h', slide: '30m' },
      { meanDelay: mean('delay'), minDelay: min('delay'), maxDelay: max('delay') },
    ),
  },
}).to(table(), bucket());
