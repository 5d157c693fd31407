import { readFile } from 'node:fs/promises';
import { pathToFileURL } from 'node:url';
import type { Pipeline } from '../pipeline/pipeline.ts';
import { ENVIRONMENT } from '../wiring/names.ts';
import {
  connect,
  createResources,
  disconnect,
  LOCAL_CREDENTIALS,
  LOCAL_REGION,
  resourceNames,
} from './resources.ts';
import { startServers } from './servers.ts';

const TIMEOUT_MILLIS = 60_000;

async function readEvent(path: string): Promise<unknown> {
  try {
    return JSON.parse(await readFile(path, 'utf8'));
  } catch (error) {
    throw new Error(`Cannot read the event ${path}: ${(error as Error).message}`, { cause: error });
  }
}

/**
 * Calls a bundled handler on a Lambda event, in the environment that its function has, against servers on this machine.
 *
 * @returns what the handler answered
 */
export async function invokeBundle(
  bundle: string,
  pipeline: Pipeline,
  eventFile: string,
  dataDirectory?: string,
): Promise<unknown> {
  const event = await readEvent(eventFile);
  const servers = await startServers(dataDirectory === undefined ? {} : { dataDirectory });
  const clients = connect(servers.endpoints);
  try {
    const names = resourceNames(pipeline);
    await createResources(pipeline, names, clients);
    Object.assign(process.env, {
      AWS_REGION: LOCAL_REGION,
      AWS_ACCESS_KEY_ID: LOCAL_CREDENTIALS.accessKeyId,
      AWS_SECRET_ACCESS_KEY: LOCAL_CREDENTIALS.secretAccessKey,
      AWS_ENDPOINT_URL_KINESIS: servers.endpoints.kinesis,
      AWS_ENDPOINT_URL_DYNAMODB: servers.endpoints.dynamodb,
      AWS_ENDPOINT_URL_S3: servers.endpoints.s3,
      [ENVIRONMENT.pipeline]: pipeline.name,
      [ENVIRONMENT.stream]: names.stream,
      [ENVIRONMENT.stateTable]: names.stateTable,
      [ENVIRONMENT.rowsTable]: names.rowsTable,
      [ENVIRONMENT.bucket]: names.bucket,
    });
    const { handler } = (await import(pathToFileURL(bundle).href)) as {
      handler: (event: unknown, context: { getRemainingTimeInMillis(): number }) => Promise<unknown>;
    };
    const until = performance.now() + TIMEOUT_MILLIS;
    return await handler(event, { getRemainingTimeInMillis: () => until - performance.now() });
  } finally {
    disconnect(clients);
    await servers.close();
  }
}
