import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import {
  DescribeTableCommand,
  DynamoDBClient,
  ListTablesCommand,
  PutItemCommand,
  ScanCommand,
} from '@aws-sdk/client-dynamodb';
import {
  DescribeStreamSummaryCommand,
  GetRecordsCommand,
  GetShardIteratorCommand,
  KinesisClient,
  ListShardsCommand,
  ListStreamsCommand,
  PutRecordCommand,
} from '@aws-sdk/client-kinesis';
import { LambdaClient, ListEventSourceMappingsCommand, ListFunctionsCommand } from '@aws-sdk/client-lambda';
import { ListBucketsCommand, ListObjectsV2Command, PutObjectCommand, S3Client } from '@aws-sdk/client-s3';
import {
  GetQueueAttributesCommand,
  ListQueuesCommand,
  SendMessageCommand,
  SQSClient,
} from '@aws-sdk/client-sqs';
import { NodeHttpHandler } from '@smithy/node-http-handler';

export const PROJECT = fileURLToPath(new URL('../..', import.meta.url));

export type Clients = ReturnType<typeof clientsOf>;

/** Makes clients of what a deployment to moto has made. */
export function clientsOf(endpoint: string) {
  const settings = {
    // By address, not by name: the client of S3 then does not put the bucket before it.
    endpoint: endpoint.replace('localhost', '127.0.0.1'),
    region: 'us-east-1',
    credentials: { accessKeyId: 'any', secretAccessKey: 'any' },
  };
  return {
    dynamo: new DynamoDBClient(settings),
    // Moto speaks no HTTP/2, which this client would.
    kinesis: new KinesisClient({ ...settings, requestHandler: new NodeHttpHandler() }),
    lambda: new LambdaClient(settings),
    s3: new S3Client(settings),
    sqs: new SQSClient(settings),
  };
}

/** Returns the environment of a program that speaks to moto and to nothing else. */
export const environmentOf = (endpoint: string, home: string) => ({
  PATH: process.env['PATH'] ?? '',
  HOME: home,
  AWS_ACCESS_KEY_ID: 'any',
  AWS_SECRET_ACCESS_KEY: 'any',
  AWS_REGION: 'us-east-1',
  AWS_EC2_METADATA_DISABLED: 'true',
  AWS_ENDPOINT_URL: endpoint,
  // Templates are checked elsewhere, by cfn-lint.
  CDK_VALIDATION: 'false',
});

/** Runs the CDK's own command line. */
export const cdk = (env: Readonly<Record<string, string>>, ...commands: readonly string[]) =>
  promisify(execFile)(process.execPath, [join(PROJECT, 'node_modules/aws-cdk/bin/cdk'), ...commands], {
    cwd: PROJECT,
    env: { ...env },
    timeout: 300_000,
  });

/**
 * Deploys a cloud assembly that was synthesized before, over one that is there.
 *
 * By change sets a second deployment was not seen to end. Moto does not keep the default of a parameter either, which
 * the CDK would have stay as it was.
 */
export const deployOver = (
  env: Readonly<Record<string, string>>,
  assembly: string,
  ...stacks: readonly string[]
) =>
  cdk(
    env,
    ...['deploy', ...stacks, '--app', assembly, '--require-approval', 'never'],
    ...['--method', 'direct', '--no-previous-parameters'],
  );

/** Returns all that keeps data, by the names that it has, with when it was made and what is in it. */
export async function keptIn({ dynamo, kinesis, s3, sqs }: Clients) {
  const tables = (await dynamo.send(new ListTablesCommand())).TableNames ?? [];
  const buckets = (await s3.send(new ListBucketsCommand())).Buckets ?? [];
  const streams = (await kinesis.send(new ListStreamsCommand())).StreamNames ?? [];
  const queues = (await sqs.send(new ListQueuesCommand())).QueueUrls ?? [];
  return {
    tables: await each(tables, async (TableName) => {
      const { Table } = await dynamo.send(new DescribeTableCommand({ TableName }));
      const { Items } = await dynamo.send(new ScanCommand({ TableName }));
      return [Table?.TableId, Table?.LatestStreamArn, Items];
    }),
    buckets: await each(
      buckets.flatMap(({ Name = '' }) => (Name.startsWith('cdk-') ? [] : [Name])),
      async (Bucket) => {
        const { Contents = [] } = await s3.send(new ListObjectsV2Command({ Bucket }));
        return Contents.map(({ Key, ETag }) => [Key, ETag]);
      },
    ),
    streams: await each(streams, async (StreamName) => {
      const { StreamDescriptionSummary: summary } = await kinesis.send(
        new DescribeStreamSummaryCommand({ StreamName }),
      );
      return [summary?.StreamCreationTimestamp, await recordsOf(StreamName)];
    }),
    queues: await each(queues, async (QueueUrl) => {
      const { Attributes } = await sqs.send(
        new GetQueueAttributesCommand({ QueueUrl, AttributeNames: ['All'] }),
      );
      return [Attributes?.['CreatedTimestamp'], Attributes?.['ApproximateNumberOfMessages']];
    }),
  };

  async function recordsOf(StreamName: string): Promise<readonly unknown[]> {
    const { Shards = [] } = await kinesis.send(new ListShardsCommand({ StreamName }));
    const all = Shards.map(async ({ ShardId }) => {
      const { ShardIterator } = await kinesis.send(
        new GetShardIteratorCommand({ StreamName, ShardId, ShardIteratorType: 'TRIM_HORIZON' }),
      );
      const { Records = [] } = await kinesis.send(new GetRecordsCommand({ ShardIterator }));
      return [ShardId, Records.map(({ SequenceNumber }) => SequenceNumber)];
    });
    return Promise.all(all);
  }
}

/** Puts something into all that keeps data. */
export async function fill(clients: Clients, id: string): Promise<void> {
  const { dynamo, kinesis, s3, sqs } = clients;
  const { tables, buckets, streams, queues } = await keptIn(clients);
  await each(Object.keys(tables), async (TableName) => {
    const { Table } = await dynamo.send(new DescribeTableCommand({ TableName }));
    const keys = (Table?.AttributeDefinitions ?? []).map(({ AttributeName, AttributeType }) =>
      AttributeType === 'N' ? [AttributeName, { N: '1' }] : [AttributeName, { S: id }],
    );
    return dynamo.send(new PutItemCommand({ TableName, Item: Object.fromEntries(keys) }));
  });
  await each(Object.keys(buckets), (Bucket) => s3.send(new PutObjectCommand({ Bucket, Key: id, Body: id })));
  await each(Object.keys(streams), (StreamName) =>
    kinesis.send(new PutRecordCommand({ StreamName, PartitionKey: id, Data: Buffer.from(id) })),
  );
  await each(Object.keys(queues), (QueueUrl) =>
    sqs.send(new SendMessageCommand({ QueueUrl, MessageBody: id })),
  );
}

/**
 * Returns the code and the settings of all functions and mappings, by the names that they have. Moto keeps the layers
 * that a function has no more.
 */
export async function runningIn({ lambda }: Clients) {
  const { Functions = [] } = await lambda.send(new ListFunctionsCommand());
  const { EventSourceMappings = [] } = await lambda.send(new ListEventSourceMappingsCommand());
  return {
    functions: Object.fromEntries(
      Functions.map(({ FunctionName = '', LastModified: _, RevisionId: __, Layers: ___, ...of }) => [
        FunctionName,
        of,
      ]),
    ),
    mappings: Object.fromEntries(
      EventSourceMappings.map(({ UUID = '', LastModified: _, ...of }) => [UUID, of]),
    ),
  };
}

const each = async <Of>(
  names: readonly string[],
  of: (name: string) => Promise<Of>,
): Promise<Readonly<Record<string, Of>>> =>
  Object.fromEntries(await Promise.all(names.map(async (name) => [name, await of(name)] as const)));
