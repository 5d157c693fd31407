import { bucket, definePipeline, kinesis, max, mean, session, table, tumbling } from 'millrace';

interface Reading {
  readonly machine: string;
  readonly at: string;
  readonly celsius: number;
}

/** A pipeline whose panes are of every kind: early, final, revised and retracted. */
export const machines = definePipeline('machines', kinesis<Reading>({ shards: 2 }), {
  key: 'machine',
  eventTime: 'at',
  outOfOrderness: '30s',
  allowedLateness: '30m',
  windows: {
    fiveMinutes: tumbling({ size: '5m', emit: 'update' }, { mean: mean('celsius'), max: max('celsius') }),
    busy: session({ gap: '4m' }, { mean: mean('celsius') }),
  },
}).to(table(), bucket());
