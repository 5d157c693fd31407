import { bucket, definePipeline, kafka, max, mean, min, rolling } from 'millrace';

export interface Reading {
  readonly machineId: string;
  readonly measuredAt: string;
  readonly celsius: number;
}

/** The last ten readings of each machine, as each reading comes. */
export const machines = definePipeline('machines', kafka<Reading>({ topic: 'readings', partitions: 3 }), {
  key: (reading) => reading.machineId,
  eventTime: (reading) => reading.measuredAt,
  windows: {
    lastTen: rolling({ count: 10 }, { mean: mean('celsius'), min: min('celsius'), max: max('celsius') }),
  },
}).to(bucket());
