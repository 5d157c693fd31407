import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { type AddressInfo, createServer, type Server, type Socket } from 'node:net';
import { PutObjectCommand, S3Client } from '@aws-sdk/client-s3';
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest';
import { clientOf, type Patience } from '../../src/adapters/aws/client.ts';
import {
  bucket,
  collect,
  count,
  definePipeline,
  kafka,
  kinesis,
  type Pipeline,
  sqs,
  table,
  tumbling,
} from '../../src/index.ts';
import { lambdaHandler, projectHandler, sweepHandler } from '../../src/lambda.ts';
import {
  type Clients,
  connect,
  createResources,
  disconnect,
  resourceNames,
} from '../../src/local/resources.ts';
import { type LocalServers, startServers } from '../../src/local/servers/servers.ts';
import { createStream } from '../../src/local/sources/kinesis.ts';
import { kinesisEvent } from '../../src/simulation/shapes.ts';
import { ENVIRONMENT } from '../../src/wiring/names.ts';
import { at, NOON, type Reading, Scene } from '../engine/scene.ts';

/** Short enough for a test, for the one service that does not answer; the others have all the time that they need. */
const SHORT: Patience = { connectionTimeout: 30, socketTimeout: 30, requestTimeout: 30 };

const services = vi.hoisted(() => ({ silent: '' }));
vi.mock(import('../../src/adapters/aws/client.ts'), async (original) => {
  const { clientOf } = await original();
  return {
    clientOf: (Client, settings, patience) =>
      clientOf(Client, settings, Client.name === services.silent ? SHORT : patience),
  };
});

const INVOCATION = { getRemainingTimeInMillis: () => 60_000 };
const options = {
  key: ({ machine }: Reading) => machine,
  eventTime: (reading: Reading) => reading.at,
  windows: {
    minute: tumbling<Reading, { notes: readonly string[]; n: number }>(
      { size: '1m' },
      { notes: collect(({ note = '' }) => note), n: count() },
    ),
  },
};
const ofStream = definePipeline('stream', kinesis<Reading>(), options).to(table(), bucket({ every: '0s' }));
const ofQueue = definePipeline('queue', sqs<Reading>(), options);
const ofTopic = definePipeline('topic', kafka<Reading>({ topic: 'readings' }), options);

const records = (...texts: readonly string[]) => {
  const scene = new Scene(ofStream);
  return kinesisEvent(texts.map((text) => scene.putText(text, NOON)));
};
const poison = records('{');

/** What each handler asks of each service: every client that it makes. */
const CLIENTS: readonly (readonly [
  handler: string,
  client: string,
  pipeline: Pipeline,
  invoke: (pipeline: Pipeline) => Promise<unknown>,
])[] = [
  ['of records', 'DynamoDBClient', ofStream, (pipeline) => lambdaHandler(pipeline)(poison, INVOCATION)],
  ['of records', 'S3Client', ofStream, (pipeline) => lambdaHandler(pipeline)(poison, INVOCATION)],
  ['of time', 'DynamoDBClient', ofStream, (pipeline) => sweepHandler(pipeline)({}, INVOCATION)],
  ['of time', 'S3Client', ofStream, (pipeline) => sweepHandler(pipeline)({}, INVOCATION)],
  ['of time', 'KinesisClient', ofStream, (pipeline) => sweepHandler(pipeline)({}, INVOCATION)],
  ['of time', 'SQSClient', ofQueue, (pipeline) => sweepHandler(pipeline)({}, INVOCATION)],
  ['of time', 'CloudWatchClient', ofTopic, (pipeline) => sweepHandler(pipeline)({}, INVOCATION)],
  ['of panes', 'DynamoDBClient', ofStream, (pipeline) => projectHandler(pipeline)({}, INVOCATION)],
  ['of panes', 'S3Client', ofStream, (pipeline) => projectHandler(pipeline)({}, INVOCATION)],
];

/** A server that takes every connection, reads what it is asked, and never answers. */
interface Silent {
  readonly endpoint: string;
  readonly asked: (times: number) => Promise<void>;
  readonly close: () => Promise<void>;
}

async function startSilent(): Promise<Silent> {
  const sockets = new Set<Socket>();
  let requests = 0;
  const server: Server = createServer((socket) => {
    sockets.add(socket);
    socket.once('data', () => {
      requests++;
      server.emit('asked');
    });
    socket.on('error', () => {});
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    endpoint: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    async asked(times) {
      while (requests < times) await once(server, 'asked');
    },
    async close() {
      for (const socket of sockets) socket.destroy();
      server.close();
      await once(server, 'close');
    },
  };
}

let servers: LocalServers;
let clients: Clients;
let silent: Silent;

beforeAll(async () => {
  servers = await startServers({});
  clients = connect(servers.endpoints);
  const names = resourceNames(ofStream);
  await createResources(names, clients);
  await createStream(clients.kinesis, names.stream);
  for (const [variable, value] of Object.entries({
    AWS_REGION: 'us-east-1',
    AWS_ACCESS_KEY_ID: 'local',
    AWS_SECRET_ACCESS_KEY: 'local',
    POWERTOOLS_DEV: 'false',
    [ENVIRONMENT.pipeline]: ofStream.name,
    [ENVIRONMENT.stream]: names.stream,
    [ENVIRONMENT.topicReader]: 'reader',
    [ENVIRONMENT.stateTable]: names.stateTable,
    [ENVIRONMENT.rowsTable]: names.rowsTable,
    [ENVIRONMENT.bucket]: names.bucket,
    AWS_ENDPOINT_URL_KINESIS: servers.endpoints.kinesis,
    AWS_ENDPOINT_URL_DYNAMODB: servers.endpoints.dynamodb,
    AWS_ENDPOINT_URL_S3: servers.endpoints.s3,
  })) {
    process.env[variable] = value;
  }
  // A group whose state stands as an object, so that whoever reads it asks the bucket.
  const note = randomBytes(60_000).toString('base64');
  const batch = records(JSON.stringify({ machine: 'pump', at: at(0), celsius: 20, note }));
  process.env['AWS_ENDPOINT_URL_S3'] = servers.endpoints.s3;
  expect(await lambdaHandler(ofStream)(batch, INVOCATION)).toEqual({ batchItemFailures: [] });
});
afterAll(async () => {
  disconnect(clients);
  await servers.close();
});

describe('a service that takes a request and never answers', () => {
  beforeAll(async () => {
    silent = await startSilent();
  });
  afterAll(() => silent.close());
  afterEach(() => vi.unstubAllEnvs());

  it.each(CLIENTS)('is asked again by the handler %s: by its %s', async (_, client, pipeline, invoke) => {
    vi.stubEnv(ENVIRONMENT.pipeline, pipeline.name);
    const server = await startSilent();
    services.silent = client;
    const service = client.replace('Client', '').toUpperCase();
    vi.stubEnv(`AWS_ENDPOINT_URL_${service}`, server.endpoint);
    // A queue is asked where its address says.
    vi.stubEnv(ENVIRONMENT.queueUrl, `${server.endpoint}/1/readings`);
    const ended = invoke(pipeline).catch(() => {});
    await server.asked(2);
    await ended;
    await server.close();
  });

  it.each([
    ['says nothing', { socketTimeout: 30 }],
    ['does not begin to answer', { requestTimeout: 30 }],
  ])('is given up after a few tries where it %s, however large the request', async (_, short) => {
    services.silent = '';
    vi.stubEnv('AWS_ENDPOINT_URL_S3', silent.endpoint);
    const patience = { connectionTimeout: 60_000, socketTimeout: 60_000, requestTimeout: 60_000, ...short };
    const put = new PutObjectCommand({ Bucket: 'any', Key: 'any', Body: Buffer.alloc(3_000_000) });
    await expect(clientOf(S3Client, {}, patience).send(put)).rejects.toMatchObject({
      name: 'TimeoutError',
      $metadata: { attempts: 5 },
    });
  });
});

it.each([
  ['is empty once the runtime of Lambda has called with it', '127.0.0.1:1', 0],
  ['stays as it is where anyone else calls', undefined, 1],
])('an event %s', async (_, runtime, left) => {
  services.silent = '';
  vi.stubEnv('AWS_LAMBDA_RUNTIME_API', runtime);
  const event = records('{');
  expect(await lambdaHandler(ofStream)(event, INVOCATION)).toEqual({ batchItemFailures: [] });
  expect(event.Records).toHaveLength(left);
  vi.unstubAllEnvs();
});
