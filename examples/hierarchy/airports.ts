import { bucket, count, definePipeline, kinesis, max, sum, table, tumbling } from 'millrace';

interface Flight {
  /** Scheduled departure, in UTC: `2001/01/01 00:47`. */
  readonly date: string;
  /** Minutes late at arrival; negative when early. */
  readonly delay: number;
  readonly origin: string;
}

export const airports = definePipeline('airports', kinesis<Flight>({ shards: 2 }), {
  key: 'origin',
  eventTime: (flight) => `${flight.date.replaceAll('/', '-').replace(' ', 'T')}Z`,
  idleAfter: '6h',
  windows: {
    daily: tumbling(
      { size: '1d' },
      { flights: count(), minutesLate: sum(({ delay }) => Math.max(0, delay)), worst: max('delay') },
    ),
  },
}).to(table(), bucket());
