import { byKind } from '../pipeline/kinds.ts';
import type { Pipeline } from '../pipeline/pipeline.ts';
import { type Service, serviceOf } from '../pipeline/services.ts';
import { bySink, type Sink, sinkName } from '../pipeline/sinks.ts';

/** A service of AWS by the name that its interface endpoint ends with. */
export type EndpointService =
  | 'dynamodb-streams'
  | 'events'
  | 'kinesis-streams'
  | 'monitoring'
  | 'sns'
  | 'sqs';

/** What the functions of a pipeline call besides DynamoDB and S3. */
export interface Called {
  /** The interface endpoints by which a network without a way out lets them, each once. */
  readonly endpoints: readonly EndpointService[];
  /** The names of the sinks whose service has no endpoint. */
  readonly withoutEndpoint: readonly string[];
  /** The names of the sinks that are the author's own functions: what these call is not known. */
  readonly unknown: readonly string[];
}

/** The endpoint of each service that takes messages. Endpoints of AppSync are for private APIs alone. */
const ENDPOINTS: { readonly [Of in Service]: EndpointService | undefined } = {
  sns: 'sns',
  eventbridge: 'events',
  kinesis: 'kinesis-streams',
  sqs: 'sqs',
  appsync: undefined,
};

export function calledBy({ source, sinks }: Pick<Pipeline, 'source' | 'sinks'>): Called {
  // The sweeper asks these what still waits; Lambda itself reads them, from outside of the network.
  const measured = (): readonly EndpointService[] => ['monitoring'];
  const queue = (): readonly EndpointService[] => ['sqs', 'monitoring'];
  const ofSource = byKind<Pipeline['source'], readonly EndpointService[]>(source, {
    kinesis: () => ['kinesis-streams'],
    sqs: queue,
    fifo: queue,
    kafka: measured,
    rabbitmq: measured,
    dynamodb: () => ['dynamodb-streams'],
    panes: () => [],
  });
  const stored = () => undefined;
  const sent = (sink: Sink) => ({
    name: sinkName(sink),
    endpoint: ENDPOINTS[serviceOf(sink) as Service],
  });
  const { notify, stream, push, sink } = bySink(sinks, {
    table: stored,
    bucket: stored,
    notify: sent,
    stream: sent,
    push: sent,
    sink: sinkName,
  });
  const messages = [...notify, ...stream, ...push];
  return {
    endpoints: [...new Set([...ofSource, ...messages.flatMap(({ endpoint }) => endpoint ?? [])])],
    withoutEndpoint: messages.filter(({ endpoint }) => endpoint === undefined).map(({ name }) => name),
    unknown: sink,
  };
}
