import { setTimeout as delay } from 'node:timers/promises';
import { DynamoDBClient } from '@aws-sdk/client-dynamodb';
import type { PolledPipeline } from '../../web/model/poller.ts';
import { clientOf } from '../adapters/aws/client.ts';
import { type Identity, signedGet } from '../adapters/aws/signed-get.ts';
import { systemClock } from '../adapters/system/clock.ts';
import { reasonOf } from '../local/failure.ts';
import { proxyApp } from '../local/http/proxy.ts';
import { type HttpServer, serveApp } from '../local/http/server.ts';
import { serversPackage } from '../local/servers-package.ts';
import type { Pipeline } from '../pipeline/pipeline.ts';
import { hasRows } from '../query/endpoints.ts';
import { shapeOf } from './live.ts';

export interface PageOptions {
  /** The address of the query API, below which is `/api`. */
  readonly url: string;
  readonly port?: number | undefined;
}

/** The longest that an answer is waited for: the API takes 10 s at most, and a function a while to begin. */
const PATIENCE_MILLIS = 20_000;

/** Longer than anybody looks at a page. */
const FOR_EVER = 2 ** 31 - 1;

/**
 * Shows the page of a pipeline in AWS on this machine, until it is interrupted.
 *
 * @returns the exit code, 0
 * @throws Error when the query API does not answer, or is of another pipeline
 */
export async function pageCommand(pipeline: Pipeline, options: PageOptions): Promise<number> {
  const interrupted = new AbortController();
  const interrupt = () => interrupted.abort();
  process.once('SIGINT', interrupt).once('SIGTERM', interrupt);
  try {
    const { address, close } = await openPage(pipeline, options);
    process.stdout.write(
      `Live page: ${address}\nIt asks ${new URL(options.url).origin} about "${pipeline.name}" while somebody looks at it; Ctrl-C ends it\n`,
    );
    await delay(FOR_EVER, undefined, { signal: interrupted.signal }).catch(() => undefined);
    await close();
    return 0;
  } finally {
    process.off('SIGINT', interrupt).off('SIGTERM', interrupt);
  }
}

/**
 * Serves the page of a pipeline in AWS on this machine. The page asks this server alone, which signs each question and
 * passes it on.
 *
 * @param identity signs questions; by default that of the environment
 * @throws Error when the query API does not answer, or is of another pipeline
 */
export async function openPage(
  pipeline: Pipeline,
  { url, port }: PageOptions,
  identity?: Identity,
): Promise<HttpServer> {
  const ask = asking(baseOf(url), identity);
  await checkHealth(pipeline, url, ask);
  const page = async () => (await serversPackage()).pageHtml();
  return serveApp(proxyApp({ page, pipeline: polledOf(pipeline), ask }), port);
}

/** A run on this machine, which asks for no signature, and is reached by no network. */
const isHere = ({ protocol, hostname }: URL): boolean =>
  protocol === 'http:' && ['127.0.0.1', 'localhost'].includes(hostname);

function baseOf(url: string): URL {
  const base = URL.canParse(url) ? new URL(url) : undefined;
  if (base === undefined || (base.protocol !== 'https:' && !isHere(base)))
    throw new Error(
      `Cannot ask "${url}" as the address of a query API must begin with https://: give the stack's output QueryUrl`,
    );
  return base;
}

/** The region in the host of a function's URL. */
const regionIn = ({ hostname }: URL): string | undefined =>
  /^[^.]+\.lambda-url\.([a-z\d-]+)\.on\.aws$/.exec(hostname)?.[1];

function asking(base: URL, given?: Identity): (path: string) => Promise<Response> {
  const get = isHere(base)
    ? (address: URL, signal: AbortSignal) => fetch(address, { signal })
    : signedGet(given ?? identityFor(base), 'lambda', systemClock());
  return (path) => get(new URL(path, base), AbortSignal.timeout(PATIENCE_MILLIS));
}

/** Whom the environment names, as the AWS CLI does. */
function identityFor(base: URL): Identity {
  const region = regionIn(base);
  const { config } = clientOf(DynamoDBClient, region === undefined ? {} : { region });
  return config;
}

async function checkHealth(
  { name }: Pipeline,
  url: string,
  ask: (path: string) => Promise<Response>,
): Promise<void> {
  const refused = (why: string, cause?: unknown) => new Error(`Cannot ask ${url} as ${why}`, { cause });
  const answer = await ask('/api/health').catch((error) => {
    throw refused(`it must answer: ${reasonOf(error)}`, error);
  });
  const health = (await answer.json().catch(() => undefined)) as { readonly pipeline?: string } | undefined;
  if (answer.status === 403)
    throw refused(
      'whoever asks must be allowed to invoke the function and its URL (lambda:InvokeFunction, lambda:InvokeFunctionUrl): it answers 403',
    );
  if (answer.status !== 200 || health?.pipeline === undefined)
    throw refused(`it must be a query API of Millrace: it answers ${answer.status}`);
  if (health.pipeline !== name)
    throw refused(`it must be the query API of "${name}": it is of "${health.pipeline}"`);
}

/** Returns a pipeline as a page must know it to ask about it. */
export const polledOf = (pipeline: Pipeline): PolledPipeline => ({
  shape: shapeOf(pipeline),
  asks: pipeline.rules.windows.map(({ operator }) => {
    if (!hasRows(pipeline)) return 'nothing';
    // Batches are listed by the text of their ordinals, which does not say which are new.
    return operator.identity === 'start' ? 'panes' : 'latest';
  }),
});
