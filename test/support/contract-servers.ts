import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { ListTablesCommand } from '@aws-sdk/client-dynamodb';
import {
  type Clients,
  connect,
  createResources,
  disconnect,
  type ResourceNames,
  resourceNames,
} from '../../src/local/resources.ts';
import { startServers } from '../../src/local/servers.ts';
import type { Pipeline } from '../../src/pipeline/pipeline.ts';

import type { ObjectsGaps } from './contract-objects.ts';

export interface World {
  readonly clients: Clients;
  readonly names: ResourceNames;
  close(): Promise<void>;
}

/** Servers that speak the protocols of AWS, and what a reader of the results must know of them. */
export interface Servers {
  readonly name: string;
  /** Why they are not to be had on this machine. */
  readonly missing?: string | undefined;
  /** The ports that they are the evidence for. */
  readonly serve: readonly ('DynamoDB' | 'S3' | 'Kinesis')[];
  readonly gaps?: ObjectsGaps;
  /** Starts them, with the resources of a pipeline. */
  start(pipeline: Pipeline): Promise<World>;
}

const { MILLRACE_DYNAMODB_LOCAL } = process.env;

const missingDynamodbLocal = (): string | undefined => {
  if (!MILLRACE_DYNAMODB_LOCAL) return 'MILLRACE_DYNAMODB_LOCAL names no directory that holds it';
  if (!existsSync(MILLRACE_DYNAMODB_LOCAL)) return `there is no ${MILLRACE_DYNAMODB_LOCAL}`;
  return spawnSync('java', ['-version']).status === 0 ? undefined : 'there is no Java';
};

const hasMoto = spawnSync('moto_server', ['-h']).status === 0;

export const SERVERS: readonly Servers[] = [
  {
    name: 'the embedded servers',
    serve: ['DynamoDB', 'S3', 'Kinesis'],
    gaps: { limits: 'fauxqs takes any length' },
    async start(pipeline) {
      const { endpoints, close } = await startServers({});
      return worldOf(pipeline, endpoints, close);
    },
  },
  {
    name: 'DynamoDB Local',
    missing: missingDynamodbLocal(),
    serve: ['DynamoDB'],
    async start(pipeline) {
      const embedded = await startServers({});
      const server = await startDynamodbLocal(MILLRACE_DYNAMODB_LOCAL as string);
      return worldOf(pipeline, { ...embedded.endpoints, dynamodb: server.endpoint }, async () => {
        await server.close();
        await embedded.close();
      });
    },
  },
  {
    name: 'moto',
    missing: hasMoto ? undefined : 'there is no moto_server: pip install "moto[server]==5.2.1"',
    serve: ['S3'],
    gaps: { limits: 'moto takes any length' },
    async start(pipeline) {
      const { endpoint, close } = await startMoto();
      return worldOf(pipeline, { kinesis: endpoint, dynamodb: endpoint, s3: endpoint }, close);
    },
  },
];

async function worldOf(
  pipeline: Pipeline,
  endpoints: Parameters<typeof connect>[0],
  close: () => Promise<void>,
): Promise<World> {
  const clients = connect(endpoints);
  const names = resourceNames(pipeline);
  await createResources(pipeline, names, clients);
  return {
    clients,
    names,
    async close() {
      disconnect(clients);
      await close();
    },
  };
}

interface Started {
  readonly endpoint: string;
  close(): Promise<void>;
}

/**
 * Starts Amazon's own DynamoDB Local, in memory, from the directory that its archive was unpacked to, or its jar and those
 * that it depends on were copied to. It listens on every interface, and would send usage figures unless told not to.
 */
async function startDynamodbLocal(directory: string): Promise<Started> {
  const folders = [directory, join(directory, 'DynamoDBLocal_lib')];
  const port = await freePort();
  const server = spawn(
    'java',
    [
      `-Djava.library.path=${folders.join(':')}`,
      '-cp',
      folders.map((folder) => join(folder, '*')).join(':'),
      'com.amazonaws.services.dynamodbv2.local.main.ServerRunner',
      ...['-inMemory', '-disableTelemetry', '-port', String(port)],
    ],
    { stdio: 'ignore' },
  );
  const endpoint = `http://127.0.0.1:${port}`;
  const clients = connect({ kinesis: endpoint, dynamodb: endpoint, s3: endpoint });
  const answers = () =>
    clients.dynamodb.send(new ListTablesCommand()).then(
      () => true,
      () => false,
    );
  while (!(await answers())) {
    if (server.exitCode !== null)
      throw new Error(`Cannot start DynamoDB Local: it ended with ${server.exitCode}`);
    await delay(20);
  }
  disconnect(clients);
  return { endpoint, close: () => kill(server) };
}

async function startMoto(): Promise<Started> {
  const server = spawn('moto_server', ['-p', '0'], { stdio: ['ignore', 'ignore', 'pipe'] });
  const port = await new Promise<string>((resolve, reject) => {
    let said = '';
    server.stderr.on('data', (some: Buffer) => {
      said += some;
      const [, port] = /Running on http:\/\/127\.0\.0\.1:(\d+)/.exec(said) ?? [];
      if (port !== undefined) resolve(port);
    });
    server.once('exit', () => reject(new Error(`Cannot start moto_server: it said ${said}`)));
  });
  // By this name it knows that keys follow the bucket in the path.
  return { endpoint: `http://localhost:${port}`, close: () => kill(server) };
}

async function kill(server: ChildProcess): Promise<void> {
  const ended = once(server, 'exit');
  if (server.kill('SIGKILL')) await ended;
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as { port: number };
  server.close();
  await once(server, 'close');
  return port;
}
