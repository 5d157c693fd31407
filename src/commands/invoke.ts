import { readFile } from 'node:fs/promises';
import { devNull } from 'node:os';
import { pathToFileURL } from 'node:url';
import { reasonOf } from '../local/failure.ts';
import {
  connect,
  createResources,
  disconnect,
  LOCAL_CREDENTIALS,
  LOCAL_REGION,
  resourceNames,
} from '../local/resources.ts';
import { serversPackage } from '../local/servers-package.ts';
import { createStream } from '../local/sources/kinesis.ts';
import type { Pipeline } from '../pipeline/pipeline.ts';
import { ENVIRONMENT } from '../wiring/names.ts';

const TIMEOUT_MILLIS = 60_000;

const SETTING_OF_AWS = /^AWS_(?!SDK_JS_)/;

/** @throws Error when the file of an event cannot be read, or holds no JSON */
export async function readEvent(path: string): Promise<unknown> {
  try {
    return JSON.parse(await readFile(path, 'utf8'));
  } catch (error) {
    throw new Error(`Cannot read the event ${path}: ${reasonOf(error)}`, { cause: error });
  }
}

/**
 * Calls a bundled handler on a Lambda event, in the environment that its function has, with the servers of
 * this machine.
 *
 * @returns what the handler answered
 */
export async function invokeBundle(
  bundle: string,
  pipeline: Pipeline,
  event: unknown,
  dataDirectory?: string,
): Promise<unknown> {
  const { startServers } = await serversPackage();
  const servers = await startServers(dataDirectory === undefined ? {} : { dataDirectory });
  const clients = connect(servers.endpoints);
  try {
    const names = resourceNames(pipeline);
    await createResources(names, clients);
    await createStream(clients.kinesis, names.stream);
    // A function has none of the shell's settings of AWS, any of which may lead away from these servers.
    for (const name of Object.keys(process.env)) if (SETTING_OF_AWS.test(name)) delete process.env[name];
    Object.assign(process.env, {
      AWS_CONFIG_FILE: devNull,
      AWS_SHARED_CREDENTIALS_FILE: devNull,
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
