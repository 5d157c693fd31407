import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { DynamoDBClient } from '@aws-sdk/client-dynamodb';
import { EventBridgeClient } from '@aws-sdk/client-eventbridge';
import { KinesisClient } from '@aws-sdk/client-kinesis';
import { HeadBucketCommand, S3Client } from '@aws-sdk/client-s3';
import { SNSClient } from '@aws-sdk/client-sns';
import { SQSClient } from '@aws-sdk/client-sqs';
import { clientOf } from '../adapters/aws/client.ts';
import { dynamoCommitLog } from '../adapters/dynamodb/commit-log.ts';
import { dynamoProgress } from '../adapters/dynamodb/progress.ts';
import { dynamoRowReader } from '../adapters/dynamodb/row-reader.ts';
import { dynamoRows } from '../adapters/dynamodb/rows.ts';
import { eventBus } from '../adapters/eventbridge/bus.ts';
import { kinesisStream } from '../adapters/kinesis/stream-outlet.ts';
import { s3ObjectReader } from '../adapters/s3/object-reader.ts';
import { s3ObjectRemover } from '../adapters/s3/object-remover.ts';
import { s3Objects } from '../adapters/s3/objects.ts';
import { snsTopic } from '../adapters/sns/topic.ts';
import { sqsDeadLetters } from '../adapters/sqs/dead-letters.ts';
import { sqsQueue } from '../adapters/sqs/queue-outlet.ts';
import { systemClock } from '../adapters/system/clock.ts';
import { invariant } from '../core/plain.ts';
import type { NotingSink } from '../engine/delivery/project-messages.ts';
import { enginePorts } from '../engine/log/spill.ts';
import { openRunClock } from '../local/clock.ts';
import { lineOf } from '../local/failure.ts';
import { openOutlets } from '../local/outlets.ts';
import { connect, createBucket, disconnect, type ResourceNames, resourceNames } from '../local/resources.ts';
import { serversPackage } from '../local/servers-package.ts';
import { connectQueues, createDeadLetterQueue } from '../local/sources/sqs.ts';
import type { Pipeline } from '../pipeline/pipeline.ts';
import { type Service, serviceOf } from '../pipeline/services.ts';
import { bySink, NO_MESSAGES } from '../pipeline/sinks.ts';
import type { Clock } from '../ports/clock.ts';
import type { DeadLetterQueue } from '../ports/dead-letters.ts';
import type { EnginePorts, Ports, UpstreamStores } from '../ports/index.ts';
import type { Outlet } from '../ports/outlet.ts';
import type { ObjectReader, Reading } from '../ports/reading.ts';
import type { ObjectRemover, ObjectStore } from '../ports/stores.ts';
import { sweptIn } from '../ports/swept.ts';
import { ENVIRONMENT } from '../wiring/names.ts';

/** Where the data of a pipeline is: a directory of a local run, or the names of a stack's resources. */
export interface DeploymentOptions {
  readonly data?: string | undefined;
  readonly stateTable?: string | undefined;
  readonly rowsTable?: string | undefined;
  readonly resultsBucket?: string | undefined;
}

export interface LookOptions extends DeploymentOptions {
  readonly json?: boolean | undefined;
}

/** The data of a pipeline, for a command that reads it or works on it. */
export interface PipelineData {
  readonly ports: Pick<Ports, 'log' | 'objects' | 'rows' | 'clock'> & { readonly reading: Reading };
  /** The same ports in the form in which the engine uses them. */
  readonly engine: Pick<EnginePorts, 'log' | 'objects' | 'rows' | 'clock'>;
  readonly names: Named;
  /**
   * The stores of a pipeline whose panes this one reads: in the same directory, or where the environment of its handlers
   * says.
   */
  upstream(of: Pick<Pipeline, 'name'>): UpstreamStores;
  readonly progress: Ports['progress'];
  readonly remover: ObjectRemover;
  /**
   * Returns the objects of another bucket. The bucket must exist, except in a directory, where it is made.
   */
  bucket(name: string): Promise<ObjectStore>;
  /** Returns the objects of another bucket, which must exist, to be read. */
  bucketReader(name: string): Promise<ObjectReader>;
  /**
   * Opens the dead-letter queue of a pipeline that reads a queue of SQS, for as long as something works on it.
   *
   * @param url where the queue is; undefined where a directory has it
   */
  withDeadLetters<Result>(
    url: string | undefined,
    fifo: boolean,
    work: (queue: DeadLetterQueue) => Promise<Result>,
  ): Promise<Result>;
  /**
   * Opens what a sink sends its messages to, for as long as something works with it.
   *
   * @param to the ARN of a topic or a bus, the name of a stream, or the URL of a queue; undefined where a directory
   * has it, and for a function of the author's, which needs none
   */
  withOutlets<Result>(
    sink: NotingSink,
    to: string | undefined,
    work: (outlets: ReadonlyMap<string, Outlet>) => Promise<Result>,
  ): Promise<Result>;
  close(): Promise<void>;
}

/**
 * Opens the data of a pipeline: with `data` a directory that `start` or `run` left, served by servers of this
 * process; otherwise tables and a bucket in AWS, or wherever the SDK's environment says.
 *
 * @throws Error when the directory holds no run, or is in use; or when a resource is not named
 */
async function openKept(pipeline: Pipeline, options: DeploymentOptions): Promise<PipelineData> {
  const { data, ...named } = options;
  if (data === undefined) {
    const names = namesOf(pipeline, named);
    const dynamodb = clientOf(DynamoDBClient);
    const s3 = clientOf(S3Client);
    return {
      ...portsOf(pipeline, names, dynamodb, s3, systemClock()),
      upstream: (of) => upstreamStores(of, namesOfUpstream(of), dynamodb, s3),
      async bucket(name) {
        await bucketMustBeThere(s3, name, 'write to');
        return s3Objects(s3, name);
      },
      bucketReader: (name) => readerOf(s3, name),
      async withDeadLetters(url, fifo, work) {
        invariant(url !== undefined, 'outside of a directory a dead-letter queue is named');
        const client = clientOf(SQSClient, { endpoint: new URL(url).origin });
        try {
          const queue = sqsDeadLetters(client, url, fifo);
          await queue.count().catch((cause) => {
            throw new Error(`Cannot read queue "${url}" as it must be there: ${reasonOf(cause)}`, { cause });
          });
          return await work(queue);
        } finally {
          client.destroy();
        }
      },
      async withOutlets(sink, to, work) {
        const service = serviceOf(sink);
        if (service === undefined) return work(new Map());
        if (to === undefined) {
          throw new Error(`Cannot send to the sink "${sink.name}" as it must be known where to: give --to`);
        }
        const clock = systemClock();
        const [outlet, client] = OUTLETS[service](to, clock);
        try {
          return await work(new Map([[sink.name, outlet]]));
        } finally {
          client.destroy();
        }
      },
      async close() {
        dynamodb.destroy();
        s3.destroy();
      },
    };
  }
  if (Object.values(named).some((name) => name !== undefined)) {
    throw new Error('Cannot open both a directory and a stack: give either --data or names');
  }
  if (!existsSync(join(data, 'dynamodb'))) {
    throw new Error(`Cannot open "${data}" as it must be a directory that start or run kept data in`);
  }
  const { startServers } = await serversPackage();
  // The clock continues from when the run ended, however long ago, so that nothing has aged since.
  const clock = openRunClock({ directory: data });
  const servers = await startServers({ dataDirectory: data }).catch((error) => {
    clock.close();
    throw error;
  });
  const { kinesis, dynamodb, s3 } = connect(servers.endpoints);
  return {
    ...portsOf(pipeline, resourceNames(pipeline), dynamodb, s3, clock),
    upstream: (of) => upstreamStores(of, resourceNames(of), dynamodb, s3),
    async bucket(name) {
      await createBucket(s3, name);
      return s3Objects(s3, name);
    },
    bucketReader: (name) => readerOf(s3, name),
    async withDeadLetters(url, fifo, work) {
      if (url !== undefined) {
        throw new Error(
          'Cannot read the dead letters of both a directory and a stack: leave --dead-letters out',
        );
      }
      const client = connectQueues(servers.endpoints.s3);
      try {
        const queueUrl = await createDeadLetterQueue(client, resourceNames(pipeline), fifo);
        return await work(sqsDeadLetters(client, queueUrl, fifo, (real) => clock.at(real)));
      } finally {
        client.destroy();
      }
    },
    async withOutlets(sink, to, work) {
      if (to !== undefined) {
        throw new Error('Cannot send to both a directory and a stack: leave --to out');
      }
      const opened = await openOutlets({ ...pipeline, sinks: [sink] }, servers.endpoints, { kinesis }, clock);
      try {
        return await work(opened.outlets);
      } finally {
        opened.close();
      }
    },
    async close() {
      disconnect({ kinesis, dynamodb, s3 });
      try {
        clock.close();
      } finally {
        await servers.close();
      }
    },
  };
}

/** What sends messages to each service of AWS, and the client that does. */
const OUTLETS: {
  readonly [Of in Service]: (to: string, clock: Clock) => readonly [Outlet, { destroy(): void }];
} = {
  sns(to, clock) {
    const client = clientOf(SNSClient);
    return [snsTopic(client, to, clock), client];
  },
  eventbridge(to, clock) {
    const client = clientOf(EventBridgeClient);
    return [eventBus(client, to, clock), client];
  },
  kinesis(to, clock) {
    const client = clientOf(KinesisClient);
    return [kinesisStream(client, to, clock), client];
  },
  sqs(to, clock) {
    const client = clientOf(SQSClient);
    return [sqsQueue(client, to, clock), client];
  },
  appsync() {
    throw new Error('Cannot send again what was pushed as nothing of it is kept');
  },
};

async function readerOf(s3: S3Client, name: string): Promise<ObjectReader> {
  await bucketMustBeThere(s3, name, 'read');
  return s3ObjectReader(s3, name);
}

async function bucketMustBeThere(s3: S3Client, name: string, does: string): Promise<void> {
  await s3.send(new HeadBucketCommand({ Bucket: name })).catch((cause) => {
    const why = cause.name === 'NotFound' ? 'there is none of that name' : reasonOf(cause);
    throw new Error(`Cannot ${does} bucket "${name}" as it must be there: ${why}`, { cause });
  });
}

/** Returns what an error says, with its name where it has one of its own. */
const reasonOf = (error: Error): string =>
  `${error.name === 'Error' ? '' : `${error.name}: `}${lineOf(error)}`;

/**
 * Opens the data of a pipeline for as long as something works on it.
 *
 * @throws Error that says what could not be opened or read, or the error of the work
 */
export async function withKept<Result>(
  pipeline: Pipeline,
  options: DeploymentOptions,
  work: (kept: PipelineData) => Promise<Result>,
): Promise<Result> {
  const kept = await openKept(pipeline, options);
  try {
    return await work(kept);
  } catch (error) {
    // The SDK's message about a missing table or bucket does not say which one is missing.
    if (!(error instanceof Error) || error.message.startsWith('Cannot ')) throw error;
    const what =
      options.data !== undefined && ['ResourceNotFoundException', 'NoSuchBucket'].includes(error.name)
        ? `Cannot open "${options.data}" as it must be a directory that a run of "${pipeline.name}" kept data in`
        : `Cannot work on what "${pipeline.name}" keeps: ${reasonOf(error)}`;
    throw new Error(what, { cause: error });
  } finally {
    await kept.close();
  }
}

function namesOfUpstream({ name }: Pick<Pipeline, 'name'>): Pick<ResourceNames, 'stateTable' | 'bucket'> {
  const variable = (of: 'upstreamTable' | 'upstreamBucket', output: string): string => {
    const value = process.env[ENVIRONMENT[of]];
    if (value) return value;
    throw new Error(
      `Cannot open "${name}", whose panes are read, as its resources must be named: set ${ENVIRONMENT[of]} to its stack's output ${output}; or give --data for a local run`,
    );
  };
  return {
    stateTable: variable('upstreamTable', 'StateTableName'),
    bucket: variable('upstreamBucket', 'ResultsBucketName'),
  };
}

const upstreamStores = (
  of: Pick<Pipeline, 'name'>,
  { stateTable, bucket }: Pick<ResourceNames, 'stateTable' | 'bucket'>,
  dynamodb: DynamoDBClient,
  s3: S3Client,
): UpstreamStores => ({
  name: stateTable,
  log: dynamoCommitLog(dynamodb, stateTable),
  objects: s3Objects(s3, bucket),
  swept: sweptIn(dynamoProgress(dynamodb, stateTable, of.name)),
});

type Named = Omit<ResourceNames, 'stream' | 'failuresBucket'>;

/** Takes names that are not given from the environment variables of the handlers. */
function namesOf(pipeline: Pipeline, named: Omit<DeploymentOptions, 'data'>): Named {
  const nameOf = (
    option: keyof typeof named,
    variable: keyof typeof ENVIRONMENT,
    flag: string,
    output: string,
  ): string => {
    const name = named[option] ?? process.env[ENVIRONMENT[variable]];
    if (name) return name;
    throw new Error(
      `Cannot open "${pipeline.name}" as its resources must be named: give ${flag}, the stack's output ${output}; or --data for a local run`,
    );
  };
  const stateTable = nameOf('stateTable', 'stateTable', '--state-table', 'StateTableName');
  const bucketName = (): string => nameOf('resultsBucket', 'bucket', '--results-bucket', 'ResultsBucketName');
  const {
    table: [rowsTable = ''],
  } = bySink(pipeline.sinks, {
    table: () => nameOf('rowsTable', 'rowsTable', '--rows-table', 'RowsTableName'),
    // The bucket is needed whatever the sinks are, as it also has bodies of entries.
    bucket: bucketName,
    ...NO_MESSAGES,
  });
  return { stateTable, rowsTable, bucket: bucketName() };
}

function portsOf(
  pipeline: Pipeline,
  names: Named,
  dynamodb: DynamoDBClient,
  s3: S3Client,
  clock: Clock,
): Pick<PipelineData, 'ports' | 'engine' | 'names' | 'progress' | 'remover'> {
  const { stateTable, rowsTable, bucket } = names;
  const ports = {
    log: dynamoCommitLog(dynamodb, stateTable),
    objects: s3Objects(s3, bucket),
    rows: dynamoRows(dynamodb, rowsTable),
    clock,
    reading: { objects: s3ObjectReader(s3, bucket), rows: dynamoRowReader(dynamodb, rowsTable) },
  };
  return {
    ports,
    engine: enginePorts(ports),
    names,
    progress: dynamoProgress(dynamodb, stateTable, pipeline.name),
    remover: s3ObjectRemover(s3, bucket),
  };
}
