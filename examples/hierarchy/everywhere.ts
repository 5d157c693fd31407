import { bucket, definePipeline, max, panesOf, sum, table, topK, tumbling } from 'millrace';
import { states } from './states.ts';

export const everywhere = definePipeline('everywhere', panesOf(states, 'daily'), {
  // One key for all: its group takes in a pane of each state a day, however many flights there are.
  key: () => 'everywhere',
  eventTime: 'start',
  outOfOrderness: '92d',
  windows: {
    daily: tumbling(
      { size: '1d' },
      {
        flights: sum('results.flights'),
        worst: max('results.worst'),
        topTen: topK('key', 10, { by: 'results.minutesLate' }),
      },
    ),
  },
}).to(table(), bucket());
