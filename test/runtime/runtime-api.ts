import { type ChildProcess, spawn } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { readdirSync, readFileSync } from 'node:fs';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Runtime } from './runtimes.ts';

/** How long an invocation may take, as the stack has it. */
const TIMEOUT_MILLIS = 60_000;

const PATH =
  /^\/2018-06-01\/runtime\/(?:init\/(?<init>error)|invocation\/(?:(?<next>next)|(?<id>[\w-]+)\/(?<outcome>response|error)))$/;

/** What a function made of an event. */
export interface Outcome {
  /** Whether the function answered, threw, or could not be loaded. */
  readonly outcome: 'response' | 'error' | 'init';
  /** What it answered; or what it threw, as the runtime puts it. */
  readonly body: unknown;
}

/** A function in a process of its own, as Lambda runs it. */
export interface RunningFunction {
  /** Has the function handle an event, once those before it are handled. */
  invoke(event: unknown): Promise<Outcome>;
  /** Everything that the function and its runtime have written so far. */
  written(): string;
  /** Settles once the function is loaded, and asks for its first invocation, or cannot be loaded. */
  readonly loaded: Promise<void>;
  /** The most memory that the process has had, in bytes. */
  peakBytes(): number;
  /** The time that all threads of the process have had of processors, in milliseconds. */
  processorMillis(): number;
  end(): Promise<void>;
}

export interface StartOptions {
  readonly runtime: Runtime;
  /** The folder of the bundle, with its `index.mjs`. */
  readonly folder: string;
  /** The variables of the function, and those by which it reaches services. It gets no others, but Lambda's own. */
  readonly environment: Readonly<Record<string, string>>;
  readonly memoryMegabytes: number;
}

/**
 * Starts a function, and serves it the Runtime API of Lambda over HTTP: the function asks for the next
 * invocation, and posts its response or its error.
 *
 * https://docs.aws.amazon.com/lambda/latest/dg/runtimes-api.html
 */
export async function startFunction({
  runtime,
  folder,
  environment,
  memoryMegabytes,
}: StartOptions): Promise<RunningFunction> {
  const waiting: {
    readonly id: string;
    readonly event: string;
    readonly settle: (outcome: Outcome) => void;
  }[] = [];
  const given = new Map<string, (outcome: Outcome) => void>();
  let asking: ServerResponse | undefined;
  let broken: Outcome | undefined;
  let isLoaded = () => {};
  const loaded = new Promise<void>((resolve) => {
    isLoaded = resolve;
  });
  const give = () => {
    if (broken) for (const { settle } of waiting.splice(0)) settle(broken);
    if (asking === undefined || waiting.length === 0) return;
    const { id, event, settle } = waiting.shift() as (typeof waiting)[number];
    given.set(id, settle);
    asking.writeHead(200, {
      'content-type': 'application/json',
      'lambda-runtime-aws-request-id': id,
      'lambda-runtime-deadline-ms': String(Date.now() + TIMEOUT_MILLIS),
      'lambda-runtime-invoked-function-arn': 'arn:aws:lambda:us-east-1:123456789012:function:any',
      'lambda-runtime-trace-id': 'Root=1-5bef4de7-ad49b0e87f6ef6c87fc2e700;Parent=9a9197af755a6419;Sampled=0',
    });
    asking.end(event);
    asking = undefined;
  };
  const breakWith = (outcome: Outcome) => {
    broken ??= outcome;
    isLoaded();
    for (const settle of given.values()) settle(broken);
    given.clear();
    give();
  };
  const server = createServer(async (request, response) => {
    const { init, next, id, outcome } = PATH.exec(request.url ?? '')?.groups ?? {};
    if (next) {
      asking = response;
      isLoaded();
      give();
      return;
    }
    const body = JSON.parse(await textOf(request));
    response.writeHead(202, { 'content-type': 'application/json' }).end('{"status":"OK"}');
    if (init) breakWith({ outcome: 'init', body });
    else if (id) {
      given.get(id)?.({ outcome: outcome as 'response' | 'error', body });
      given.delete(id);
    }
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');

  const { port } = server.address() as AddressInfo;
  const child = spawn(runtime.node, [runtime.client], {
    cwd: folder,
    env: { ...ownVariables(runtime, folder, memoryMegabytes, port), ...environment },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const chunks: Buffer[] = [];
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk: Buffer) => chunks.push(chunk));
  const written = () => Buffer.concat(chunks).toString();
  const ended = once(child, 'close').then(([code, signal]) =>
    breakWith({ outcome: 'init', body: `the process ended with ${code ?? signal}: ${written()}` }),
  );
  return {
    invoke(event) {
      return new Promise((settle) => {
        waiting.push({ id: randomUUID(), event: JSON.stringify(event), settle });
        give();
      });
    },
    written,
    loaded,
    peakBytes: () => peakBytesOf(child),
    processorMillis: () => processorMillisOf(child),
    async end() {
      child.kill('SIGKILL');
      await ended;
      server.closeAllConnections();
      server.close();
    },
  };
}

async function textOf(request: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks).toString();
}

/**
 * The variables that Lambda itself sets.
 *
 * https://docs.aws.amazon.com/lambda/latest/dg/configuration-envvars.html
 */
const ownVariables = ({ version }: Runtime, folder: string, memoryMegabytes: number, port: number) => ({
  _HANDLER: 'index.handler',
  LAMBDA_TASK_ROOT: folder,
  AWS_EXECUTION_ENV: `AWS_Lambda_nodejs${version}.x`,
  AWS_LAMBDA_RUNTIME_API: `127.0.0.1:${port}`,
  AWS_LAMBDA_INITIALIZATION_TYPE: 'on-demand',
  AWS_LAMBDA_FUNCTION_NAME: 'any',
  AWS_LAMBDA_FUNCTION_VERSION: '$LATEST',
  AWS_LAMBDA_FUNCTION_MEMORY_SIZE: String(memoryMegabytes),
  AWS_LAMBDA_LOG_GROUP_NAME: '/aws/lambda/any',
  AWS_LAMBDA_LOG_STREAM_NAME: '2026/01/05/[$LATEST]0',
  AWS_REGION: 'us-east-1',
  AWS_DEFAULT_REGION: 'us-east-1',
  AWS_ACCESS_KEY_ID: 'any',
  AWS_SECRET_ACCESS_KEY: 'any',
  AWS_SESSION_TOKEN: 'any',
  LANG: 'en_US.UTF-8',
  TZ: ':UTC',
  PATH: '/usr/local/bin:/usr/bin:/bin',
});

const peakBytesOf = ({ pid }: ChildProcess): number => {
  const [, kilobytes] = /^VmHWM:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8')) ?? [];
  return Number(kilobytes) * 1_024;
};

const processorMillisOf = ({ pid }: ChildProcess): number =>
  readdirSync(`/proc/${pid}/task`)
    .map((thread) => Number(readFileSync(`/proc/${pid}/task/${thread}/schedstat`, 'utf8').split(' ')[0]))
    .reduce((sum, nanos) => sum + nanos, 0) / 1e6;
