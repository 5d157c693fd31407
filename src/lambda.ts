import { DynamoDBClient } from '@aws-sdk/client-dynamodb';
import { KinesisClient } from '@aws-sdk/client-kinesis';
import { S3Client } from '@aws-sdk/client-s3';
import { NodeHttpHandler } from '@smithy/node-http-handler';
import { dynamoCommitLog } from './adapters/dynamodb/commit-log.ts';
import { dynamoProgress } from './adapters/dynamodb/progress.ts';
import { dynamoRows } from './adapters/dynamodb/rows.ts';
import { kinesisArrivals } from './adapters/kinesis/arrivals.ts';
import { described, type FlushedTelemetry, powertoolsTelemetry } from './adapters/powertools/telemetry.ts';
import { s3Objects } from './adapters/s3/objects.ts';
import type { EpochMillis } from './core/time.ts';
import * as handlers from './handlers.ts';
import type { Pipeline } from './pipeline/pipeline.ts';
import type { Clock } from './ports/clock.ts';
import { ENVIRONMENT } from './wiring/names.ts';

export { pipelineOf } from './pipeline/pipeline-of.ts';

const clock: Clock = { now: () => Date.now() as EpochMillis };

/** The handler of a pipeline's records. */
export function lambdaHandler(pipeline: Pipeline) {
  const { telemetry, log, progress } = common(pipeline);
  const objects = s3Objects(new S3Client({}), variable('bucket'));
  return flushing(telemetry, handlers.processHandler({ log, progress, objects, clock, telemetry }, pipeline));
}

/** The handler that time alone wakes, once a minute. */
export function sweepHandler(pipeline: Pipeline) {
  const { telemetry, log, progress } = common(pipeline);
  // A few small calls a minute: HTTP/2, this client's default, gains nothing.
  const kinesis = new KinesisClient({ requestHandler: new NodeHttpHandler() });
  const arrivals = kinesisArrivals(kinesis, variable('stream'), progress);
  return flushing(telemetry, handlers.sweepHandler({ log, arrivals, clock, telemetry }, pipeline));
}

/** The handler that commits wake, and brings the sinks up to them. */
export function projectHandler(pipeline: Pipeline) {
  const { telemetry, dynamo, log } = common(pipeline);
  const hasTable = pipeline.sinks.some(({ kind }) => kind === 'table');
  const rows = dynamoRows(dynamo, hasTable ? variable('rowsTable') : '');
  const objects = s3Objects(new S3Client({}), variable('bucket'));
  return flushing(telemetry, handlers.projectHandler({ log, rows, objects, clock, telemetry }, pipeline));
}

/** @throws Error when the function was deployed for another pipeline than its bundle holds */
function common(pipeline: Pipeline) {
  const deployed = variable('pipeline');
  if (deployed !== pipeline.name) {
    throw new Error(
      `Cannot start as bundle and stack must be of one pipeline: "${pipeline.name}", "${deployed}"`,
    );
  }
  const dynamo = new DynamoDBClient({});
  const table = variable('stateTable');
  return {
    telemetry: powertoolsTelemetry(pipeline.name),
    dynamo,
    log: dynamoCommitLog(dynamo, table),
    progress: dynamoProgress(dynamo, table, pipeline.name),
  };
}

function variable(name: keyof typeof ENVIRONMENT): string {
  const value = process.env[ENVIRONMENT[name]];
  if (!value) {
    throw new Error(`Cannot start as the environment must name the ${name}: ${ENVIRONMENT[name]} is not set`);
  }
  return value;
}

const flushing =
  <Arguments extends unknown[], Result>(
    telemetry: FlushedTelemetry,
    handler: (...given: Arguments) => Promise<Result>,
  ): ((...given: Arguments) => Promise<Result>) =>
  async (...given) => {
    try {
      return await handler(...given);
    } catch (cause) {
      // The runtime logs what is thrown.
      throw new Error(described(cause));
    } finally {
      telemetry.flush();
    }
  };
