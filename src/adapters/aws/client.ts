import { NodeHttpHandler } from '@smithy/node-http-handler';

/** How long a client waits for a service before it asks again, in milliseconds: for ever where that is 0. */
export interface Patience {
  /** For a connection. */
  readonly connectionTimeout: number;
  /** For a byte, in either direction: a large body that is on its way is not cut off. */
  readonly socketTimeout: number;
  /** For the beginning of an answer, from when the request was made: what waits for a free connection ends as well. */
  readonly requestTimeout: number;
}

const PATIENCE: Patience = { connectionTimeout: 1_000, socketTimeout: 4_000, requestTimeout: 20_000 };

/** Makes of a request one that is signed. */
export interface Signer {
  sign<Request extends { readonly headers: Record<string, string> }>(request: Request): Promise<Request>;
}

/** What sends the requests of a client. */
export type RequestHandler = Pick<NodeHttpHandler, 'handle'>;

/** What the clients of all services are told alike. */
interface Settings {
  readonly region?: string;
  readonly credentials?: { readonly accessKeyId: string; readonly secretAccessKey: string };
  readonly endpoint?: string;
  /** In the place of the one that signs by the credentials. */
  readonly signer?: Signer;
  readonly useFipsEndpoint?: boolean;
  readonly useDualstackEndpoint?: boolean;
  readonly defaultsMode?: 'standard';
  readonly forcePathStyle?: boolean;
  /** 5 where it is left out. */
  readonly maxAttempts?: number;
  /** In the place of the one that is as patient as it is told to be. */
  readonly requestHandler?: RequestHandler;
}

interface PatientSettings extends Settings {
  /** Whether what a kind of request goes through is put together once, not for each: it is the same for all of a client. */
  readonly cacheMiddleware: true;
  readonly requestHandler: RequestHandler;
}

/**
 * A client of a service of AWS that waits for no answer for ever. Every client is made here.
 *
 * A request that is throttled, or has no answer, is sent again, with the client's own backoff and jitter. One that lands after
 * all does no harm: every write is conditional, or comes to the same when it is done twice.
 *
 * All speak HTTP/1.1. For Kinesis HTTP/2 would be the default: a few small calls a minute gain nothing by it, and local servers
 * do not speak it.
 */
export function clientOf<Client extends { readonly middlewareStack: { remove(name: string): boolean } }>(
  Client: new (settings: PatientSettings) => Client,
  settings: Settings = {},
  patience = PATIENCE,
): Client {
  // A handler that is not told to throw writes a warning, and goes on waiting.
  const requestHandler = new NodeHttpHandler({ ...patience, throwOnRequestTimeout: true });
  const client = new Client({ maxAttempts: 5, cacheMiddleware: true, requestHandler, ...settings });
  // It copies every request and every answer for a logger that there is not: a tenth of what a request takes.
  client.middlewareStack.remove('loggerMiddleware');
  return client;
}
