/**
 * The handlers of a pipeline for AWS Lambda. They use the environment variables that the stack of the
 * pipeline sets.
 *
 * @module
 */

import { CloudWatchClient } from '@aws-sdk/client-cloudwatch';
import { DynamoDBClient } from '@aws-sdk/client-dynamodb';
import { DynamoDBStreamsClient } from '@aws-sdk/client-dynamodb-streams';
import { EventBridgeClient } from '@aws-sdk/client-eventbridge';
import { KinesisClient } from '@aws-sdk/client-kinesis';
import { S3Client } from '@aws-sdk/client-s3';
import { SNSClient } from '@aws-sdk/client-sns';
import { SQSClient } from '@aws-sdk/client-sqs';
import { appsyncChannel } from './adapters/appsync/channel.ts';
import { clientOf } from './adapters/aws/client.ts';
import { type CloudWatchMetric, cloudWatchGauge } from './adapters/cloudwatch/gauge.ts';
import { dynamoCommitLog } from './adapters/dynamodb/commit-log.ts';
import { dynamoProgress } from './adapters/dynamodb/progress.ts';
import { dynamoRowReader } from './adapters/dynamodb/row-reader.ts';
import { dynamoRows } from './adapters/dynamodb/rows.ts';
import { dynamodbArrivals } from './adapters/dynamodb-stream/arrivals.ts';
import { eventBus } from './adapters/eventbridge/bus.ts';
import { kafkaArrivals } from './adapters/kafka/arrivals.ts';
import { kinesisArrivals } from './adapters/kinesis/arrivals.ts';
import { kinesisStream } from './adapters/kinesis/stream-outlet.ts';
import { flushing, powertoolsTelemetry } from './adapters/powertools/telemetry.ts';
import { rabbitArrivals } from './adapters/rabbitmq/arrivals.ts';
import { s3Objects } from './adapters/s3/objects.ts';
import { snsTopic } from './adapters/sns/topic.ts';
import { sqsArrivals } from './adapters/sqs/arrivals.ts';
import { sqsQueue } from './adapters/sqs/queue-outlet.ts';
import { systemClock } from './adapters/system/clock.ts';
import { loggable } from './core/loggable.ts';
import { checkOptions } from './core/options.ts';
import { checkStep } from './engine/inspect/check-step.ts';
import { enginePorts } from './engine/log/spill.ts';
import * as handlers from './handlers.ts';
import { byKind } from './pipeline/kinds.ts';
import type { Pipeline } from './pipeline/pipeline.ts';
import { type Service, serviceOf } from './pipeline/services.ts';
import { bySink, NO_MESSAGES, sinkName } from './pipeline/sinks.ts';
import { upstreamOf } from './pipeline/upstream.ts';
import type { Ports, UpstreamStores } from './ports/index.ts';
import { LIMITS, type Limits } from './ports/limits.ts';
import type { Outlet } from './ports/outlet.ts';
import type { Arrivals } from './ports/stores.ts';
import { sweptIn } from './ports/swept.ts';
import { zerosOf } from './ports/telemetry.ts';
import type { Tracer } from './ports/tracer.ts';
import { queryApp } from './query/app.ts';
import { hasRows } from './query/endpoints.ts';
import { answeringUrls, type FunctionUrlAnswer, type FunctionUrlEvent } from './query/function-url.ts';
import { cacheBytes } from './wiring/memory.ts';
import { ENVIRONMENT, namespaceVariable, sinkVariable } from './wiring/names.ts';

export { pipelineOf } from './pipeline/pipeline-of.ts';

const clock = systemClock();

/** Tells whether the runtime of Lambda calls, which parses an event for one call. A test may call with it again. */
const isCalledByLambda = (): boolean => process.env['AWS_LAMBDA_RUNTIME_API'] !== undefined;

/** How a handler is watched. */
export interface HandlerOptions {
  /** Traces what the handler does, such as `openTelemetry()` of `millrace/opentelemetry`. Default: nothing does. */
  readonly tracer?: Tracer | undefined;
}

/**
 * Makes the Lambda handler of the records of a pipeline's source. It answers with the records that Lambda
 * must redeliver, so that its event source mapping must report batch item failures. On Lambda it takes an event
 * over, and empties its list of records where it can: code around the handler reads an event before it calls the
 * handler.
 *
 * @throws Error when the function was deployed for another pipeline, or a variable that its stack sets is not
 * set; TypeError for an unknown option
 *
 * @example
 * ```ts compile-only
 * import { lambdaHandler } from 'millrace/lambda';
 * import { temperature } from './pipeline.ts';
 *
 * export const handler = lambdaHandler(temperature);
 * ```
 */
export function lambdaHandler(pipeline: Pipeline, options: HandlerOptions = {}) {
  checkOptions('make a handler', options, ['tracer']);
  const { tracer } = options;
  const { telemetry, log, progress } = common(pipeline, 'process');
  const objects = s3Objects(clientOf(S3Client), variable('bucket'));
  const of = upstreamOf(pipeline);
  const upstream = of && upstreamStores(of);
  return flushing(
    telemetry,
    handlers.processHandler(
      { log, progress, objects, clock, telemetry, upstream, tracer, limits: limitsOf('handler') },
      pipeline,
      isCalledByLambda(),
    ),
  );
}

/**
 * Makes the Lambda handler that a schedule must call once a minute. It closes the windows of keys that have
 * gone silent, and renews what must not expire.
 *
 * @throws Error when the function was deployed for another pipeline, or a variable that its stack sets is not
 * set
 *
 * @example
 * ```ts compile-only
 * import { sweepHandler } from 'millrace/lambda';
 * import { temperature } from './pipeline.ts';
 *
 * export const handler = sweepHandler(temperature);
 * ```
 */
export function sweepHandler(pipeline: Pipeline) {
  const { telemetry, log, progress } = common(pipeline, 'sweep');
  const objects = s3Objects(clientOf(S3Client), variable('bucket'));
  const arrivals = arrivalsOf(pipeline, { progress, log, objects });
  const swept = sweptIn(progress);
  return flushing(
    telemetry,
    handlers.sweepHandler(
      { log, objects, arrivals, clock, telemetry, swept, limits: limitsOf('sweeper') },
      pipeline,
    ),
  );
}

/** Returns the bounds of a function that has as much memory as Lambda says. */
const limitsOf = (role: 'handler' | 'sweeper'): Limits => ({
  ...LIMITS,
  kept: cacheBytes(role, Number(process.env['AWS_LAMBDA_FUNCTION_MEMORY_SIZE']) || undefined),
});

/** Returns the stores of the pipeline whose panes are read. */
function upstreamStores(of: Pick<Pipeline, 'name'>): UpstreamStores {
  const name = variable('upstreamTable');
  const objects = s3Objects(clientOf(S3Client), variable('upstreamBucket'));
  const dynamo = clientOf(DynamoDBClient);
  const swept = sweptIn(dynamoProgress(dynamo, name, of.name));
  return { name, log: dynamoCommitLog(dynamo, name), objects, swept };
}

/** Returns how to tell what still waits at the source. */
function arrivalsOf(
  pipeline: Pipeline,
  { progress, ...stores }: Pick<Ports, 'progress' | 'log' | 'objects'>,
): Arrivals {
  const gauge = (metric: CloudWatchMetric) => cloudWatchGauge(clientOf(CloudWatchClient), metric);
  const ofQueue = (): Arrivals => {
    const url = variable('queueUrl');
    const dimensions = { QueueName: url.slice(url.lastIndexOf('/') + 1) };
    const oldestAge = gauge({ namespace: 'AWS/SQS', name: 'ApproximateAgeOfOldestMessage', dimensions });
    return sqsArrivals(clientOf(SQSClient), url, oldestAge);
  };
  return byKind(pipeline.source, {
    kinesis: () => kinesisArrivals(clientOf(KinesisClient), variable('stream'), progress, clock),
    sqs: ofQueue,
    fifo: ofQueue,
    dynamodb: ({ kinds }) =>
      dynamodbArrivals(clientOf(DynamoDBStreamsClient), variable('tableStream'), kinds, progress, clock),
    kafka() {
      const dimensions = { FunctionName: variable('topicReader') };
      return kafkaArrivals(gauge({ namespace: 'AWS/Lambda', name: 'OffsetLag', dimensions }));
    },
    rabbitmq({ queue, virtualHost }) {
      const dimensions = { Broker: variable('brokerName'), VirtualHost: virtualHost, Queue: queue };
      return rabbitArrivals(gauge({ namespace: 'AWS/AmazonMQ', name: 'MessageCount', dimensions }));
    },
    panes: ({ of }) => handlers.panesArrivals(stores, upstreamStores(of), pipeline),
  });
}

/**
 * Makes the Lambda handler that delivers panes to the sinks. The stream of the state table must call it after
 * commits, and a schedule once a minute, for panes that wait and for wake-ups that were lost.
 *
 * @param options for a pipeline with sinks that send messages also what sends to their services, such as
 * `{ sns: toTopic, sqs: toQueue }`; a bundle holds only the clients of those that are named
 * @throws Error when an outlet is missing, the function was deployed for another pipeline, or a variable that its
 * stack sets is not set; TypeError for an unknown option
 *
 * @example
 * ```ts compile-only
 * import { projectHandler } from 'millrace/lambda';
 * import { temperature } from './pipeline.ts';
 *
 * export const handler = projectHandler(temperature);
 * ```
 */
export function projectHandler(pipeline: Pipeline, options: HandlerOptions & Outlets = {}) {
  checkOptions('make a handler', options, ['tracer', ...SERVICES]);
  const { tracer, ...outlets } = options;
  const { telemetry, dynamo, log } = common(pipeline, 'project');
  // The bucket is needed whatever the sinks, as it also holds bodies of entries.
  const bucket = variable('bucket');
  const {
    table: [table = ''],
  } = bySink(pipeline.sinks, {
    table: () => variable('rowsTable'),
    bucket: () => bucket,
    ...NO_MESSAGES,
  });
  const rows = dynamoRows(dynamo, table);
  const objects = s3Objects(clientOf(S3Client), bucket);
  const ports = { log, rows, objects, clock, telemetry, tracer, outlets: outletsOf(pipeline, outlets) };
  return flushing(telemetry, handlers.projectHandler(ports, pipeline));
}

/** Makes the outlet of a sink, from the environment variables that are the sink's. */
type MakeOutlet = (sink: string) => Outlet;

/** What makes the outlets to the services that take messages, as far as the sinks of a pipeline send to them. */
type Outlets = { readonly [Of in Service]?: MakeOutlet };

const SERVICES = Object.keys({
  sns: true,
  eventbridge: true,
  kinesis: true,
  sqs: true,
  appsync: true,
} satisfies { readonly [Of in Service]: true });

/** @throws Error when there is none for a sink that sends messages */
function outletsOf({ sinks }: Pipeline, outlets: Outlets): ReadonlyMap<string, Outlet> {
  return new Map(
    sinks.flatMap((sink) => {
      const service = serviceOf(sink);
      if (service === undefined) return [];
      const name = sinkName(sink);
      const make = outlets[service];
      if (make) return [[name, make(name)]];
      throw new Error(
        `Cannot start as the projector of a sink that sends messages must be given its outlet: there is none to ${service} for "${name}"`,
      );
    }),
  );
}

/**
 * Makes what sends the messages of a sink to an SNS topic, for `projectHandler`.
 *
 * @throws Error when a variable that the stack of the pipeline sets is not set
 *
 * @example
 * ```ts compile-only
 * import { projectHandler, toTopic } from 'millrace/lambda';
 * import { temperature } from './pipeline.ts';
 *
 * export const handler = projectHandler(temperature, { sns: toTopic });
 * ```
 */
export const toTopic: MakeOutlet = (sink) =>
  snsTopic(clientOf(SNSClient), setting(sinkVariable(sink)), clock);

/**
 * Makes what sends the messages of a sink to an EventBridge bus, for `projectHandler`.
 *
 * @throws Error when a variable that the stack of the pipeline sets is not set
 *
 * @example
 * ```ts compile-only
 * import { projectHandler, toBus } from 'millrace/lambda';
 * import { temperature } from './pipeline.ts';
 *
 * export const handler = projectHandler(temperature, { eventbridge: toBus });
 * ```
 */
export const toBus: MakeOutlet = (sink) =>
  eventBus(clientOf(EventBridgeClient), setting(sinkVariable(sink)), clock);

/**
 * Makes what sends the messages of a sink to a Kinesis stream, for `projectHandler`.
 *
 * @throws Error when a variable that the stack of the pipeline sets is not set
 *
 * @example
 * ```ts compile-only
 * import { projectHandler, toStream } from 'millrace/lambda';
 * import { temperature } from './pipeline.ts';
 *
 * export const handler = projectHandler(temperature, { kinesis: toStream });
 * ```
 */
export const toStream: MakeOutlet = (sink) =>
  kinesisStream(clientOf(KinesisClient), setting(sinkVariable(sink)), clock);

/**
 * Makes what sends the messages of a sink to an SQS queue, for `projectHandler`.
 *
 * @throws Error when a variable that the stack of the pipeline sets is not set
 *
 * @example
 * ```ts compile-only
 * import { projectHandler, toQueue } from 'millrace/lambda';
 * import { temperature } from './pipeline.ts';
 *
 * export const handler = projectHandler(temperature, { sqs: toQueue });
 * ```
 */
export const toQueue: MakeOutlet = (sink) =>
  sqsQueue(clientOf(SQSClient), setting(sinkVariable(sink)), clock);

/**
 * Makes what sends the messages of a sink to the channels of an AppSync Event API, for `projectHandler`.
 *
 * @throws Error when a variable that the stack of the pipeline sets is not set
 *
 * @example
 * ```ts compile-only
 * import { projectHandler, toChannels } from 'millrace/lambda';
 * import { temperature } from './pipeline.ts';
 *
 * export const handler = projectHandler(temperature, { appsync: toChannels });
 * ```
 */
export const toChannels: MakeOutlet = (sink) => {
  const endpoint = setting(sinkVariable(sink));
  const namespace = setting(namespaceVariable(sink));
  return appsyncChannel({ endpoint, namespace }, clientOf(DynamoDBClient).config, clock);
};

/**
 * Makes the Lambda handler of a function URL that answers questions about a pipeline's keys: see docs/query.md.
 * It only reads.
 *
 * @throws Error when the function was deployed for another pipeline, or a variable that its stack sets is not
 * set
 *
 * @example
 * ```ts compile-only
 * import { queryApi } from 'millrace/lambda';
 * import { temperature } from './pipeline.ts';
 *
 * export const handler = queryApi(temperature);
 * ```
 */
export function queryApi(pipeline: Pipeline): (event: FunctionUrlEvent) => Promise<FunctionUrlAnswer> {
  const { telemetry, dynamo, log } = common(pipeline);
  const objects = s3Objects(clientOf(S3Client), variable('bucket'));
  const rows = dynamoRowReader(dynamo, hasRows(pipeline) ? variable('rowsTable') : '');
  const ports = { log, objects, rows, clock, telemetry };
  const app = queryApp(ports, pipeline, { secret: variable('pageSecret'), isSigned: true });
  return flushing(telemetry, answeringUrls(app));
}

/**
 * Makes the Lambda handler that CloudFormation calls before the functions of a stack change. It fails a deployment
 * whose definition the other handlers would refuse to run: see docs/upgrade.md. It only reads.
 *
 * @throws Error when the function was deployed for another pipeline, or a variable that its stack sets is not
 * set
 *
 * @example
 * ```ts compile-only
 * import { checkHandler } from 'millrace/lambda';
 * import { temperature } from './pipeline.ts';
 *
 * export const handler = checkHandler(temperature);
 * ```
 */
export function checkHandler(pipeline: Pipeline) {
  const { telemetry, log } = common(pipeline);
  const objects = s3Objects(clientOf(S3Client), variable('bucket'));
  const answer = async (url: string, body: string): Promise<void> => {
    // Bytes, as the address is signed for a request without a content type.
    const { status } = await fetch(url, { method: 'PUT', body: Buffer.from(body), redirect: 'error' });
    if (status !== 200)
      throw loggable(new Error(`Cannot answer CloudFormation: its address answered ${status}`));
  };
  return flushing(telemetry, checkStep({ ...enginePorts({ log, objects }), telemetry }, pipeline, answer));
}

/**
 * Makes what all handlers need.
 *
 * @param part the function whose zeros are published; without it none are
 * @throws Error when the function was deployed for another pipeline than its bundle holds, or the pipeline reads a
 * table that it writes
 */
function common(pipeline: Pipeline, part?: keyof ReturnType<typeof zerosOf>) {
  const deployed = variable('pipeline');
  if (deployed !== pipeline.name) {
    throw new Error(
      `Cannot start as a function must hold the bundle of the pipeline that it is deployed for: ${ENVIRONMENT.pipeline} is "${deployed}", and the bundle is of "${pipeline.name}"`,
    );
  }
  const dynamo = clientOf(DynamoDBClient);
  const table = variable('stateTable');
  const { source } = pipeline;
  if ('table' in source && [table, process.env[ENVIRONMENT.rowsTable]].includes(source.table)) {
    throw new Error(
      `Cannot start as a pipeline must not read the tables that it writes, as each commit would be read as a change: "${pipeline.name}" reads "${source.table}"`,
    );
  }
  return {
    telemetry: powertoolsTelemetry(pipeline.name, clock, part && zerosOf(pipeline)[part]),
    dynamo,
    log: dynamoCommitLog(dynamo, table),
    progress: dynamoProgress(dynamo, table, pipeline.name),
  };
}

/** @throws Error when the variable is not set, or empty */
const variable = (name: keyof typeof ENVIRONMENT): string => setting(ENVIRONMENT[name]);

/** @throws Error when the variable is not set, or empty */
function setting(variable: string): string {
  const value = process.env[variable];
  if (!value) {
    const state = value === undefined ? 'not set' : 'empty';
    throw new Error(
      `Cannot start as ${variable} must be set, as the stack of a pipeline sets it: it is ${state}`,
    );
  }
  return value;
}
