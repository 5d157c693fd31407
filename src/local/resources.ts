import { Readable } from 'node:stream';
import { setTimeout as delay } from 'node:timers/promises';
import {
  CreateTableCommand,
  DescribeTableCommand,
  DynamoDBClient,
  ResourceInUseException as TableExists,
} from '@aws-sdk/client-dynamodb';
import { type GetRecordsCommandOutput, KinesisClient } from '@aws-sdk/client-kinesis';
import { BucketAlreadyOwnedByYou, CreateBucketCommand, S3Client } from '@aws-sdk/client-s3';
import { clientOf, type Patience, type RequestHandler, type Signer } from '../adapters/aws/client.ts';
import type { EpochMillis } from '../core/time.ts';
import type { Pipeline } from '../pipeline/pipeline.ts';
import { ROWS_KEY, STATE_KEY } from '../wiring/names.ts';
import type { RunClock } from './clock.ts';
import type { Ask, LocalService } from './servers/direct.ts';
import type { LocalServers } from './servers/servers.ts';

/** The names of a pipeline's resources on this machine. */
export interface ResourceNames {
  readonly stream: string;
  readonly stateTable: string;
  readonly rowsTable: string;
  readonly bucket: string;
  /** The bucket of what the event source mapping of a stream gives up. */
  readonly failuresBucket: string;
}

export const resourceNames = ({ name }: Pick<Pipeline, 'name'>): ResourceNames => ({
  stream: name,
  stateTable: `${name}-state`,
  rowsTable: `${name}-rows`,
  bucket: `${name}-results`,
  failuresBucket: `${name}-failures`,
});

export interface Clients {
  readonly kinesis: KinesisClient;
  readonly dynamodb: DynamoDBClient;
  readonly s3: S3Client;
}

/** The region and the credentials with which the local servers are called; they accept any. */
export const LOCAL_REGION = 'us-east-1';
export const LOCAL_CREDENTIALS = { accessKeyId: 'local', secretAccessKey: 'local' } as const;

/**
 * Requests have no time limits. The servers belong to this process and stand still whenever it does, even for
 * hours, so a long wait says nothing.
 */
export const UNHURRIED: Patience = { connectionTimeout: 0, socketTimeout: 0, requestTimeout: 0 };

/**
 * Leaves requests unsigned: a signature takes a tenth of the time of a request, and no server checks it. Some
 * do read which service it is for.
 */
const uncheckedFor = (service: string): Signer => ({
  async sign(request) {
    const scope = `${LOCAL_CREDENTIALS.accessKeyId}/20260101/${LOCAL_REGION}/${service}/aws4_request`;
    request.headers['x-amz-date'] = '20260101T000000Z';
    request.headers['authorization'] =
      `AWS4-HMAC-SHA256 Credential=${scope}, SignedHeaders=host, Signature=none`;
    return request;
  },
});

/**
 * Settings that reach a server of this machine whatever the environment and the configuration files of AWS
 * say.
 */
export const settingsFor = (service: string, endpoint: string) =>
  ({
    endpoint,
    region: LOCAL_REGION,
    credentials: LOCAL_CREDENTIALS,
    signer: uncheckedFor(service),
    useFipsEndpoint: false,
    useDualstackEndpoint: false,
    defaultsMode: 'standard',
  }) as const;

/** Sends requests to a service without its endpoint. */
const handingTo = (service: LocalService, ask: Ask): RequestHandler => ({
  async handle({ method, path, query, headers, body = NOTHING }) {
    const search = searchOf(query);
    const answered = await ask(service, {
      method,
      url: search === '' ? path : `${path}?${search}`,
      headers,
      body: bytesOf(body),
    });
    const bytes = bytesOf(answered.body);
    // What is read of an object must be a stream.
    return { response: { ...answered, body: method === 'GET' ? Readable.from([bytes]) : bytes } };
  },
});

const NOTHING = new Uint8Array();

const bytesOf = (body: string | Uint8Array): Uint8Array =>
  typeof body === 'string' ? Buffer.from(body) : body;

type Query = Parameters<RequestHandler['handle']>[0]['query'];

const searchOf = (query: Query): string =>
  new URLSearchParams(
    Object.entries(query).flatMap(([name, values]) =>
      [values ?? ''].flat().map((value): [string, string] => [name, value]),
    ),
  ).toString();

/**
 * Sends the items of a batch as `JSON.stringify` writes them. The SDK writes them character by character, and has them pass
 * a dozen functions, which took a fifteenth of the time of a run.
 *
 * A batch that the server refuses so, as it does one that holds bytes, is sent by the SDK.
 */
function sendBatchesAsText(dynamodb: DynamoDBClient, ask: Ask): void {
  const signer = uncheckedFor('dynamodb');
  dynamodb.middlewareStack.add(
    (next, { commandName }) =>
      async (args) => {
        if (commandName !== 'BatchWriteItemCommand') return next(args);
        const { headers } = await signer.sign({
          headers: {
            'content-type': 'application/x-amz-json-1.0',
            'x-amz-target': 'DynamoDB_20120810.BatchWriteItem',
          },
        });
        const body = Buffer.from(JSON.stringify(args.input));
        const answered = await ask('dynamodb', { method: 'POST', url: '/', headers, body });
        if (answered.statusCode !== 200) return next(args);
        return { response: answered, output: { ...JSON.parse(String(answered.body)), $metadata: {} } };
      },
    // Whoever watches requests sees these, too.
    { step: 'initialize', priority: 'low' },
  );
}

/**
 * Connects a client to each server.
 *
 * @param at converts an instant of the machine's clock to the run's clock: see `RunClock`
 * @param ask carries the requests, instead of the endpoints
 */
export function connect(
  endpoints: LocalServers['endpoints'],
  at: RunClock['at'] = (real) => real,
  ask?: Ask,
): Clients {
  // Node 20 is enough for a local run, also for one that a program starts without the command line.
  process.env['AWS_SDK_JS_NODE_VERSION_SUPPORT_WARNING_DISABLED'] ??= 'true';
  const settingsOf = (service: LocalService) => ({
    ...settingsFor(service, endpoints[service]),
    ...(ask && { requestHandler: handingTo(service, ask) }),
  });
  // A PutRecords that is retried could put a record twice.
  const kinesis = clientOf(KinesisClient, { ...settingsOf('kinesis'), maxAttempts: 1 }, UNHURRIED);
  // The server stamps records by the machine's clock, and handlers go by the run's.
  kinesis.middlewareStack.add(
    (next) => async (args) => {
      const answer = await next(args);
      const { Records = [] } = answer.output as Partial<GetRecordsCommandOutput>;
      for (const record of Records) {
        const stamp = record.ApproximateArrivalTimestamp;
        if (stamp) record.ApproximateArrivalTimestamp = new Date(at(stamp.getTime() as EpochMillis));
      }
      return answer;
    },
    { step: 'initialize' },
  );
  const dynamodb = clientOf(DynamoDBClient, settingsOf('dynamodb'), UNHURRIED);
  if (ask) sendBatchesAsText(dynamodb, ask);
  return {
    kinesis,
    dynamodb,
    s3: clientOf(S3Client, { ...settingsOf('s3'), forcePathStyle: true }, UNHURRIED),
  };
}

export function disconnect(clients: Clients): void {
  for (const client of Object.values(clients)) client.destroy();
}

/** Creates the tables and the bucket unless they exist, and waits until they are ready. */
export async function createResources(
  names: ResourceNames,
  { dynamodb, s3 }: Pick<Clients, 'dynamodb' | 's3'>,
): Promise<void> {
  const table = (name: string, key: { partition: string; sort: string }, sortType: 'N' | 'S') =>
    unlessItExists(TableExists, () =>
      dynamodb.send(
        new CreateTableCommand({
          TableName: name,
          BillingMode: 'PAY_PER_REQUEST',
          AttributeDefinitions: [
            { AttributeName: key.partition, AttributeType: 'S' },
            { AttributeName: key.sort, AttributeType: sortType },
          ],
          KeySchema: [
            { AttributeName: key.partition, KeyType: 'HASH' },
            { AttributeName: key.sort, KeyType: 'RANGE' },
          ],
        }),
      ),
    );
  await Promise.all([
    table(names.stateTable, STATE_KEY, 'N'),
    table(names.rowsTable, ROWS_KEY, 'S'),
    createBucket(s3, names.bucket),
    createBucket(s3, names.failuresBucket),
  ]);
  for (const TableName of [names.stateTable, names.rowsTable]) {
    await untilActive(
      async () => (await dynamodb.send(new DescribeTableCommand({ TableName }))).Table?.TableStatus,
    );
  }
}

/** Creates a bucket unless it exists. */
export const createBucket = (s3: S3Client, name: string): Promise<void> =>
  unlessItExists(BucketAlreadyOwnedByYou, () => s3.send(new CreateBucketCommand({ Bucket: name })));

async function untilActive(status: () => Promise<string | undefined>): Promise<void> {
  while ((await status()) !== 'ACTIVE') await delay(5);
}

/** Creates something; does nothing where that fails as it exists. */
export async function unlessItExists(
  exists: new (...args: never[]) => Error,
  create: () => Promise<unknown>,
): Promise<void> {
  try {
    await create();
  } catch (error) {
    if (!(error instanceof exists)) throw error;
  }
}
