import { once } from 'node:events';
import { createServer, type IncomingMessage } from 'node:http';
import type { AddressInfo } from 'node:net';
import { CreateTopicCommand, SNSClient } from '@aws-sdk/client-sns';
import { clientOf } from '../../src/adapters/aws/client.ts';
import type { Pipeline } from '../../src/index.ts';
import {
  connect,
  createResources,
  disconnect,
  resourceNames,
  settingsFor,
  UNHURRIED,
} from '../../src/local/resources.ts';
import { startServers } from '../../src/local/servers/servers.ts';
import { createStream } from '../../src/local/sources/kinesis.ts';
import { connectQueues, createQueue } from '../../src/local/sources/sqs.ts';
import { type Service, serviceOf } from '../../src/pipeline/services.ts';
import { sinkName } from '../../src/pipeline/sinks.ts';
import { upstreamOf } from '../../src/pipeline/upstream.ts';
import { ENVIRONMENT, namespaceVariable, sinkVariable } from '../../src/wiring/names.ts';
import { CANARY } from './canary.ts';

/** Servers of this machine in the place of AWS. */
export interface Places {
  /** The variables by which the SDK finds the servers. */
  readonly endpoints: Readonly<Record<string, string>>;
  /** The same of servers that refuse all requests, or all but those to DynamoDB, and quote a record as they do. */
  readonly refusing: Readonly<Record<'all' | 'butDynamodb', Readonly<Record<string, string>>>>;
  /** Makes what a pipeline needs, and returns the variables of its functions that name it. */
  prepare(pipeline: Pipeline): Promise<Readonly<Record<string, string>>>;
  close(): Promise<void>;
}

/** The variables of a function, with what is on this machine in the place of what CloudFormation would make. */
export const variablesOf = (
  environment: Readonly<Record<string, unknown>>,
  made: Readonly<Record<string, string>>,
): Readonly<Record<string, string>> =>
  Object.fromEntries(
    Object.entries(environment).map(([name, value]) => {
      const isKnown = typeof value === 'string' && !value.startsWith('{{resolve:');
      return [name, isKnown ? value : (made[name] ?? '')];
    }),
  );

/** The stream of a table, as hardly any local server has one. */
export const TABLE_STREAM =
  'arn:aws:dynamodb:us-east-1:123456789012:table/orders/stream/2026-11-18T08:00:00.000';

export async function openPlaces(): Promise<Places> {
  const servers = await startServers({});
  const clients = connect(servers.endpoints);
  const queues = connectQueues(servers.endpoints.s3);
  const sns = clientOf(SNSClient, settingsFor('sns', servers.endpoints.s3), UNHURRIED);
  const knowing = await startKnowingNothing();
  const refusing = await startRefusing();

  // The SDK asks at the address of a queue, whose host only the server knows.
  const queueAt = async (endpoint: string, name: string, isFifo: boolean) =>
    `${endpoint}${new URL(await createQueue(queues, name, isFifo)).pathname}`;
  const targets: { readonly [Of in Service]: (name: string, isFifo: boolean) => Promise<string> } = {
    async sns(name, isFifo) {
      const Attributes = isFifo ? { FifoTopic: 'true' } : {};
      const { TopicArn = '' } = await sns.send(new CreateTopicCommand({ Name: name, Attributes }));
      return TopicArn;
    },
    async eventbridge(name) {
      await createQueue(queues, name, false);
      return name;
    },
    async kinesis(name) {
      await createStream(clients.kinesis, name);
      return name;
    },
    sqs: (name, isFifo) => queueAt(servers.endpoints.s3, name, isFifo),
    appsync: async () => `${servers.endpoints.s3}/event`,
  };

  return {
    endpoints: endpointsOf({ ...servers.endpoints, others: knowing.endpoint }),
    refusing: {
      all: endpointsOf({
        dynamodb: refusing.endpoint,
        kinesis: refusing.endpoint,
        s3: refusing.endpoint,
        others: refusing.endpoint,
      }),
      butDynamodb: endpointsOf({
        dynamodb: servers.endpoints.dynamodb,
        kinesis: refusing.endpoint,
        s3: refusing.endpoint,
        others: refusing.endpoint,
      }),
    },
    async prepare(pipeline) {
      const names = resourceNames(pipeline);
      await createResources(names, clients);
      const upstream = upstreamOf(pipeline);
      if (upstream) await createResources(resourceNames(upstream), clients);
      await createStream(clients.kinesis, names.stream);
      const sent = await Promise.all(
        pipeline.sinks.flatMap((sink) => {
          const service = serviceOf(sink);
          if (service === undefined) return [];
          const isFifo = 'to' in sink && sink.to.endsWith('-fifo');
          const name = `${pipeline.name}-to-${sinkName(sink)}${isFifo ? '.fifo' : ''}`;
          return targets[service](name, isFifo).then((target) => ({
            [sinkVariable(sinkName(sink))]: target,
            [namespaceVariable(sinkName(sink))]: 'panes',
          }));
        }),
      );
      return {
        [ENVIRONMENT.stream]: names.stream,
        [ENVIRONMENT.queueUrl]: await queueAt(servers.endpoints.s3, names.stream, false),
        [ENVIRONMENT.tableStream]: TABLE_STREAM,
        [ENVIRONMENT.topicReader]: 'any',
        [ENVIRONMENT.brokerName]: 'any',
        [ENVIRONMENT.stateTable]: names.stateTable,
        [ENVIRONMENT.rowsTable]: names.rowsTable,
        [ENVIRONMENT.bucket]: names.bucket,
        [ENVIRONMENT.pageSecret]: 'a secret of this test alone',
        ...Object.assign({}, ...sent),
      };
    },
    async close() {
      disconnect(clients);
      for (const client of [queues, sns]) client.destroy();
      knowing.close();
      refusing.close();
      await servers.close();
    },
  };
}

const endpointsOf = (of: Readonly<Record<'dynamodb' | 'kinesis' | 's3' | 'others', string>>) => ({
  AWS_ENDPOINT_URL_DYNAMODB: of.dynamodb,
  AWS_ENDPOINT_URL_KINESIS: of.kinesis,
  AWS_ENDPOINT_URL_S3: of.s3,
  AWS_ENDPOINT_URL_SQS: of.s3,
  AWS_ENDPOINT_URL_SNS: of.s3,
  AWS_ENDPOINT_URL_EVENTBRIDGE: of.s3,
  AWS_ENDPOINT_URL_CLOUDWATCH: of.others,
  AWS_ENDPOINT_URL_DYNAMODB_STREAMS: of.others,
});

/** An empty map in CBOR, in which CloudWatch answers. */
const NOTHING = Buffer.from([0xa0]);

/** Starts CloudWatch without any metric, and the stream of a table without shards. */
const startKnowingNothing = (): Promise<Answering> =>
  startAnswering(({ headers }) =>
    headers['smithy-protocol'] === 'rpc-v2-cbor'
      ? [200, { 'content-type': 'application/cbor', 'smithy-protocol': 'rpc-v2-cbor' }, NOTHING]
      : [200, { 'content-type': 'application/x-amz-json-1.0' }, '{"StreamDescription":{"Shards":[]}}'],
  );

const REFUSED = `Cannot take ${CANARY}`;

/** Starts a service that refuses every request. */
const startRefusing = (): Promise<Answering> =>
  startAnswering(({ headers }) =>
    headers['content-type']?.includes('json')
      ? [
          400,
          { 'content-type': 'application/x-amz-json-1.0' },
          `{"__type":"ValidationException","message":"${REFUSED}"}`,
        ]
      : [
          400,
          { 'content-type': 'application/xml' },
          `<Error><Code>${CANARY}</Code><Message>${REFUSED}</Message></Error>`,
        ],
  );

interface Answering {
  readonly endpoint: string;
  close(): void;
}

/** Starts a server that answers each request by its headers alone. */
async function startAnswering(
  answerTo: (
    request: IncomingMessage,
  ) => readonly [status: number, headers: Readonly<Record<string, string>>, body: string | Uint8Array],
): Promise<Answering> {
  const server = createServer((request, response) => {
    request.resume();
    const [status, headers, body] = answerTo(request);
    response.writeHead(status, headers).end(body);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    endpoint: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    close() {
      server.closeAllConnections();
      server.close();
    },
  };
}
