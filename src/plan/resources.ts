import { byKind } from '../pipeline/kinds.ts';
import type { Pipeline } from '../pipeline/pipeline.ts';
import { type Service, serviceOf } from '../pipeline/services.ts';
import { bySink, NO_MESSAGES, type Sink, sinkName } from '../pipeline/sinks.ts';
import type { Load } from './load.ts';
import { defaultMemory } from './memory.ts';

/** Something that the stack of a pipeline makes. */
export interface Resource {
  readonly what: string;
  readonly size: string;
}

const TARGETS: { readonly [Of in Service]: string } = {
  sns: 'SNS topic',
  eventbridge: 'event bus',
  kinesis: 'Kinesis stream',
  sqs: 'SQS queue',
  appsync: 'Event API',
};

/** Lists what the stack of a pipeline makes that is billed. */
export function resourcesOf(
  { source, sinks, groups }: Pipeline,
  { memory, alarms, dashboards, ownKey }: Load,
): readonly Resource[] {
  const nothing = (): readonly Resource[] => [];
  const queue = (): readonly Resource[] => [{ what: 'SQS queues', size: 'the source, and its dead letters' }];
  const sent = sinks.flatMap((sink: Sink) => {
    const service = serviceOf(sink);
    return service === undefined ? [] : [{ what: TARGETS[service], size: sinkName(sink) }];
  });
  return [
    ...byKind<Pipeline['source'], readonly Resource[]>(source, {
      kinesis: ({ stream, shards }) =>
        'arn' in stream
          ? []
          : [
              {
                what: 'Kinesis stream',
                size:
                  stream.mode === 'on-demand'
                    ? 'on demand'
                    : `${shards} shard${shards === 1 ? '' : 's'}, ${Math.round(stream.retention / 86_400_000)} days`,
              },
            ],
      sqs: queue,
      fifo: queue,
      kafka: nothing,
      rabbitmq: nothing,
      dynamodb: nothing,
      panes: nothing,
    }),
    { what: 'state table', size: `${groups} key groups` },
    ...bySink(sinks, {
      table: () => ({ what: 'rows table', size: 'on demand' }),
      bucket: () => 0,
      ...NO_MESSAGES,
    }).table,
    { what: 'results bucket', size: 'and one for failures' },
    {
      what: 'functions',
      size: `handler ${memory} MB, sweeper ${defaultMemory({ sinks }, 'sweeper')} MB${sinks.length > 0 ? `, projector ${defaultMemory({ sinks }, 'projector')} MB` : ''}`,
    },
    ...sent,
    ...(alarms + dashboards > 0 ? [{ what: 'alarms, dashboards', size: `${alarms}, ${dashboards}` }] : []),
    ...(ownKey ? [{ what: 'KMS key', size: 'of its own' }] : []),
  ];
}
