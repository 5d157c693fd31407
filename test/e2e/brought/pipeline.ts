import { bucket, definePipeline, kinesis, mean, notify, table, tumbling } from 'millrace';

interface Reading {
  readonly machine: string;
  readonly at: string;
  readonly celsius: number;
}

export const plant = definePipeline('plant', kinesis<Reading>(), {
  key: ({ machine }) => machine,
  eventTime: ({ at }) => at,
  windows: { minute: tumbling({ size: '1m' }, { celsius: mean('celsius') }) },
}).to(table(), bucket(), notify({ name: 'alerts', to: 'sns' }));
