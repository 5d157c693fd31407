import { fork } from 'node:child_process';
import { once } from 'node:events';
import { createServer, type Server } from 'node:http';
import { setTimeout as delay } from 'node:timers/promises';
import { CreateTableCommand, DescribeTableCommand, DynamoDBClient } from '@aws-sdk/client-dynamodb';
import dynalite from 'dynalite';
import kinesalite from 'kinesalite';
import { runServer } from '../src/local/servers/lifecycle.ts';
import { STATE_KEY } from '../src/wiring/names.ts';

/** Servers of the protocols of DynamoDB and Kinesis, by what a process that is one of them has as its argument. */
const SERVERS = {
  /** Answers every request with an empty one, so many milliseconds later. */
  stub: async () => {
    const server = createServer((request, response) => {
      request.resume().on('end', () => {
        setTimeout(() => {
          response.writeHead(200, { 'content-type': 'application/x-amz-json-1.0' }).end('{}');
        }, STUB_MILLIS);
      });
    });
    return listening(server);
  },
  dynalite: () => listening(dynalite({ createTableMs: 0 })),
  kinesalite: () => listening(kinesalite({ createStreamMs: 0, shardLimit: 1_000 })),
} as const;

/** Its connections are kept while others are measured. */
async function listening(server: Server): Promise<string> {
  server.keepAliveTimeout = 600_000;
  return (await runServer(server, 0)).endpoint;
}

/** How long a store takes to answer that only waits. */
export const STUB_MILLIS = 5;

/** Makes this process the server that its argument names, if it names one; else begins what it is for. */
export async function serveOr(begin: () => void): Promise<void> {
  const serve = SERVERS[process.argv[2] as keyof typeof SERVERS];
  if (serve === undefined) {
    begin();
    return;
  }
  process.on('disconnect', () => process.exit());
  process.send?.(await serve());
}

/** A server in a process of its own, whose processor time is not that of its clients. It ends with this process. */
export async function startServer(name: keyof typeof SERVERS): Promise<string> {
  const [endpoint] = await once(fork(process.argv[1] as string, [name]), 'message');
  return endpoint;
}

/** A client of such a server. */
export const clientOf = (
  endpoint: string,
  options: ConstructorParameters<typeof DynamoDBClient>[0] = {},
): DynamoDBClient =>
  new DynamoDBClient({
    endpoint,
    region: 'us-east-1',
    credentials: { accessKeyId: 'bench', secretAccessKey: 'bench' },
    ...options,
  });

/** Creates a table of logs, and waits until it is there. */
export async function createLogs(client: DynamoDBClient, table: string): Promise<void> {
  await client.send(
    new CreateTableCommand({
      TableName: table,
      BillingMode: 'PAY_PER_REQUEST',
      KeySchema: [
        { AttributeName: STATE_KEY.partition, KeyType: 'HASH' },
        { AttributeName: STATE_KEY.sort, KeyType: 'RANGE' },
      ],
      AttributeDefinitions: [
        { AttributeName: STATE_KEY.partition, AttributeType: 'S' },
        { AttributeName: STATE_KEY.sort, AttributeType: 'N' },
      ],
    }),
  );
  const describe = new DescribeTableCommand({ TableName: table });
  while ((await client.send(describe)).Table?.TableStatus !== 'ACTIVE') await delay(10);
}
