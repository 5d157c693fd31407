import { bucket, definePipeline, kafka, max, mean, min, rolling, sink } from 'millrace';
import { publishTo } from './publish.ts';

export interface Reading {
  readonly machineId: string;
  readonly measuredAt: string;
  readonly celsius: number;
}

/** The last ten readings of each machine, as each reading comes: from one topic, and onto another. */
export const machines = definePipeline('machines', kafka<Reading>({ topic: 'readings', partitions: 3 }), {
  key: 'machineId',
  eventTime: 'measuredAt',
  windows: {
    lastTen: rolling({ count: 10 }, { mean: mean('celsius'), min: min('celsius'), max: max('celsius') }),
  },
}).to(bucket(), sink({ name: 'last-ten', from: 'beginning', deliver: publishTo('last-ten') }));
