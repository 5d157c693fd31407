import { setTimeout as delay } from 'node:timers/promises';
import { CloudWatchClient } from '@aws-sdk/client-cloudwatch';
import { DynamoDBClient } from '@aws-sdk/client-dynamodb';
import { KinesisClient } from '@aws-sdk/client-kinesis';
import { GetFunctionConfigurationCommand, LambdaClient } from '@aws-sdk/client-lambda';
import {
  DeleteObjectsCommand,
  ListObjectVersionsCommand,
  type ObjectIdentifier,
  S3Client,
} from '@aws-sdk/client-s3';
import { NodeHttpHandler } from '@smithy/node-http-handler';
import { SignatureV4 } from '@smithy/signature-v4';

/** What the items of a verification ask an account by. */
export interface Account {
  readonly dynamo: DynamoDBClient;
  readonly kinesis: KinesisClient;
  readonly s3: S3Client;
  readonly lambda: LambdaClient;
  readonly cloudwatch: CloudWatchClient;
  /** The outputs of the stack, by their names; none before it is deployed. */
  readonly outputs: Readonly<Record<string, string>>;
  /** Sends a signed request, to a service that has no client here or to a function's URL. */
  ask(service: string, request: SignedRequest): Promise<Response>;
  /** Returns the lines that a function has logged that hold a text. */
  logged(functionName: string, text: string): Promise<readonly string[]>;
  /** Asks until an answer comes that is not undefined, every few seconds. */
  until<Answer>(what: string, minutes: number, ask: () => Promise<Answer | undefined>): Promise<Answer>;
}

interface SignedRequest {
  /** The address; without it, the service's own. */
  readonly url?: string;
  readonly method?: 'GET' | 'POST';
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string;
}

const POLL_MILLIS = 5_000;

/** @param signal ends all waiting */
export function accountIn(
  region: string,
  outputs: Readonly<Record<string, string>>,
  signal: AbortSignal,
): Account & { close(): void } {
  const endpoint = process.env['AWS_ENDPOINT_URL'];
  // An imitation of AWS has buckets in the path, and speaks no HTTP/2.
  const settings = { region, requestHandler: new NodeHttpHandler(), ...(endpoint && { endpoint }) };
  const clients = {
    dynamo: new DynamoDBClient(settings),
    kinesis: new KinesisClient(settings),
    s3: new S3Client({ ...settings, forcePathStyle: endpoint !== undefined }),
    lambda: new LambdaClient(settings),
    cloudwatch: new CloudWatchClient(settings),
  };
  const { credentials, sha256 } = clients.lambda.config;
  const account: Account = {
    ...clients,
    outputs,
    async ask(
      service,
      { url = endpoint ?? `https://${service}.${region}.amazonaws.com`, method = 'POST', ...rest },
    ) {
      const { protocol, hostname, host, port, pathname, searchParams } = new URL(url);
      const signer = new SignatureV4({ credentials, region, sha256, service });
      const { headers } = await signer.sign({
        method,
        protocol,
        hostname,
        ...(port && { port: Number(port) }),
        path: pathname,
        query: Object.fromEntries(searchParams),
        headers: { host, ...rest.headers },
        ...(rest.body !== undefined && { body: rest.body }),
      });
      return fetch(url, { method, headers, signal, ...(rest.body !== undefined && { body: rest.body }) });
    },
    async logged(functionName, text) {
      const response = await account.ask('logs', {
        headers: {
          'content-type': 'application/x-amz-json-1.1',
          'x-amz-target': 'Logs_20140328.FilterLogEvents',
        },
        body: JSON.stringify({
          logGroupName: await logGroupOf(functionName),
          filterPattern: JSON.stringify(text),
        }),
      });
      if (!response.ok) throw new Error(`Cannot read what ${functionName} logged: ${await response.text()}`);
      const { events = [] } = (await response.json()) as {
        readonly events?: readonly { readonly message: string }[];
      };
      return events.map(({ message }) => message);
    },
    async until(what, minutes, ask) {
      const end = performance.now() + 60_000 * minutes;
      for (;;) {
        const answer = await ask();
        if (answer !== undefined) return answer;
        if (performance.now() > end) throw new Error(`Cannot see ${what} within ${minutes} minutes`);
        await delay(POLL_MILLIS, undefined, { signal });
      }
    },
  };
  const logGroupOf = async (FunctionName: string): Promise<string> => {
    const { LoggingConfig } = await clients.lambda.send(
      new GetFunctionConfigurationCommand({ FunctionName }),
    );
    return LoggingConfig?.LogGroup ?? `/aws/lambda/${FunctionName}`;
  };
  return {
    ...account,
    close() {
      for (const client of Object.values(clients)) client.destroy();
    },
  };
}

/** Returns the account whose credentials these are. */
export async function identityOf({ ask }: Pick<Account, 'ask'>): Promise<string> {
  const response = await ask('sts', {
    headers: { 'content-type': 'application/x-www-form-urlencoded' },
    body: 'Action=GetCallerIdentity&Version=2011-06-15',
  });
  const said = await response.text();
  const [, account] = /<Account>(\d{12})<\/Account>/.exec(said) ?? [];
  if (account === undefined) throw new Error(`Cannot tell whose the credentials are: ${said}`);
  return account;
}

/** Deletes everything in a bucket, with all versions, as a bucket that is not empty cannot be removed. */
export async function empty({ s3 }: Pick<Account, 's3'>, Bucket: string): Promise<number> {
  let deleted = 0;
  for (;;) {
    const { Versions = [], DeleteMarkers = [] } = await s3.send(new ListObjectVersionsCommand({ Bucket }));
    const Objects = [...Versions, ...DeleteMarkers].map(
      ({ Key, VersionId }): ObjectIdentifier => ({ Key, ...(VersionId && { VersionId }) }),
    );
    if (Objects.length === 0) return deleted;
    await s3.send(new DeleteObjectsCommand({ Bucket, Delete: { Objects } }));
    deleted += Objects.length;
  }
}
