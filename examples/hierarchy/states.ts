import { bucket, definePipeline, max, panesOf, sum, table, tumbling } from 'millrace';
import { airports } from './airports.ts';
import { stateOf } from './state-of.ts';

export const states = definePipeline('states', panesOf(airports, 'daily'), {
  key: (airport) => stateOf(airport.key),
  // The start, as the end of a day is the first instant of the next.
  eventTime: 'start',
  // An airport's day closes with its next flight, or at the end of all: a quarter that is sent as fast as it goes has no
  // silence that would close the day before. Of flights that come as they depart, it would be `idleAfter` of the pipeline
  // that is read, and two minutes.
  outOfOrderness: '92d',
  windows: {
    daily: tumbling(
      { size: '1d' },
      {
        flights: sum('results.flights'),
        minutesLate: sum('results.minutesLate'),
        worst: max('results.worst'),
      },
    ),
  },
}).to(table(), bucket());
