import { NodeHttpHandler } from '@smithy/node-http-handler';

/**
 * How long a client waits for a service before it sends a request again, in milliseconds. 0 means for ever.
 */
export interface Patience {
  /** How long it waits for a connection. */
  readonly connectionTimeout: number;
  /** How long it waits for a byte, in either direction, so that a large body on its way is not cut off. */
  readonly socketTimeout: number;
  /**
   * How long it waits for the beginning of an answer, from when the request was made. This also ends a wait
   * for a free connection.
   */
  readonly requestTimeout: number;
}

const PATIENCE: Patience = { connectionTimeout: 1_000, socketTimeout: 4_000, requestTimeout: 20_000 };

/** Signs requests. */
export interface Signer {
  sign<Request extends { readonly headers: Record<string, string> }>(request: Request): Promise<Request>;
}

/** Sends the requests of a client. */
export type RequestHandler = Pick<NodeHttpHandler, 'handle'>;

/** The settings that the clients of all services share. */
interface Settings {
  readonly region?: string;
  readonly credentials?: { readonly accessKeyId: string; readonly secretAccessKey: string };
  readonly endpoint?: string;
  /** Replaces the signer that signs by the credentials. */
  readonly signer?: Signer;
  readonly useFipsEndpoint?: boolean;
  readonly useDualstackEndpoint?: boolean;
  readonly defaultsMode?: 'standard';
  readonly forcePathStyle?: boolean;
  /** Whether requests go to the host of a queue's URL, SQS's default, even where an endpoint is given. */
  readonly useQueueUrlAsEndpoint?: boolean;
  /** How often a request is sent at most. Default 5. */
  readonly maxAttempts?: number;
  /** Replaces the handler that waits as `Patience` says. */
  readonly requestHandler?: RequestHandler;
}

interface PatientSettings extends Settings {
  /** True, so that a client puts together the middleware of a kind of request once, not for each request. */
  readonly cacheMiddleware: true;
  readonly requestHandler: RequestHandler;
}

/**
 * Makes a client of an AWS service that never waits for ever for an answer. Every client is made here.
 *
 * A request that is throttled, or has no answer, is sent again with the client's own backoff and jitter. One
 * that lands after all does no harm, as every write is conditional or has the same effect when done twice.
 *
 * All clients speak HTTP/1.1. For Kinesis, HTTP/2 would be the default, but a few small calls a minute gain
 * nothing by it, and local servers do not speak it.
 */
export function clientOf<Client extends { readonly middlewareStack: { remove(name: string): boolean } }>(
  Client: new (settings: PatientSettings) => Client,
  settings: Settings = {},
  patience = PATIENCE,
): Client {
  // Without `throwOnRequestTimeout` the handler writes a warning, and goes on waiting.
  const requestHandler = new NodeHttpHandler({ ...patience, throwOnRequestTimeout: true });
  const client = new Client({ maxAttempts: 5, cacheMiddleware: true, requestHandler, ...settings });
  // This middleware copies every request and every answer for a logger, which no client has. That takes a
  // tenth of a request's time.
  client.middlewareStack.remove('loggerMiddleware');
  return client;
}
