import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import {
  type Clients,
  connect,
  createResources,
  disconnect,
  type ResourceNames,
  resourceNames,
} from '../../src/local/resources.ts';
import { startServers } from '../../src/local/servers/servers.ts';
import type { Pipeline } from '../../src/pipeline/pipeline.ts';
import type { Gaps } from './contract-titles.ts';

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
  readonly gaps?: Gaps;
  /** Starts them, with the resources of a pipeline. */
  start(pipeline: Pipeline): Promise<World>;
}

export const hasMoto = spawnSync('moto_server', ['-h']).status === 0;

export const SERVERS: readonly Servers[] = [
  {
    name: 'the embedded servers',
    serve: ['DynamoDB', 'S3', 'Kinesis'],
    gaps: { names: 'fauxqs takes any length' },
    async start(pipeline) {
      const { endpoints, close } = await startServers({});
      return worldOf(pipeline, endpoints, close);
    },
  },
  {
    name: 'moto',
    missing: hasMoto ? undefined : 'there is no moto_server: pip install "moto[server]==5.2.1"',
    serve: ['DynamoDB', 'S3'],
    gaps: {
      names: 'moto takes any length',
      races: 'moto looks and writes in two steps, between which another request may write',
    },
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
  await createResources(names, clients);
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

export async function startMoto(): Promise<Started> {
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
