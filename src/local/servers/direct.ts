import { EventEmitter } from 'node:events';
import type { Server } from 'node:http';
import type { MessagePort } from 'node:worker_threads';

/** An HTTP request, as one thread sends it to another. */
interface Asked {
  readonly method: string;
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Uint8Array;
}

/** The answer to an HTTP request, as it is sent back. */
interface Answered {
  readonly statusCode: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string | Uint8Array;
}

/** Answers a request as a server answers those that come in at its socket. */
export type Answer = (asked: Asked) => Promise<Answered>;

/** The services whose servers can be asked without a socket. */
export type LocalService = 'kinesis' | 'dynamodb' | 's3';

/**
 * Sends a request to the server of a service without a socket between. For most requests, a socket takes as much
 * time as the server itself.
 */
export type Ask = (service: LocalService, asked: Asked) => Promise<Answered>;

/**
 * Makes kinesalite, dynalite or fauxqs answer requests without a socket. They begin to read a request in the turn of the
 * event loop in which it comes.
 */
export const answeringOf =
  (server: Server): Answer =>
  ({ body, ...asked }) =>
    new Promise((answer) => {
      const request = Object.assign(new EventEmitter(), asked, { resume() {} });
      server.emit('request', request, new Response(answer));
      request.emit('data', Buffer.from(body.buffer, body.byteOffset, body.byteLength));
      request.emit('end');
    });

/** What of `http.ServerResponse` the servers use. */
class Response extends EventEmitter {
  readonly #answer: (answered: Answered) => void;
  readonly #headers: Record<string, string> = {};
  statusCode = 200;

  constructor(answer: (answered: Answered) => void) {
    super();
    this.#answer = answer;
  }

  setHeader(name: string, value: unknown): void {
    this.#headers[name.toLowerCase()] = String(value);
  }

  getHeader(name: string): string | undefined {
    return this.#headers[name.toLowerCase()];
  }

  hasHeader(name: string): boolean {
    return this.getHeader(name) !== undefined;
  }

  writeHead(statusCode: number, headers: Readonly<Record<string, unknown>>): void {
    this.statusCode = statusCode;
    for (const [name, value] of Object.entries(headers)) this.setHeader(name, value);
  }

  end(body?: string | Uint8Array | null): void {
    this.#answer({ statusCode: this.statusCode, headers: this.#headers, body: body ?? '' });
    this.emit('finish');
  }
}

/**
 * Answers the requests that come in at a port.
 *
 * @public the thread of the servers imports it, by a name that depends on whether these sources are built
 */
export function answerAt(port: MessagePort, ask: Ask): void {
  port.on('message', ([id, service, asked]: [number, LocalService, Asked]) =>
    ask(service, asked).then(
      (answered) => port.postMessage([id, answered]),
      (error) => port.postMessage([id, undefined, error]),
    ),
  );
}

/**
 * Sends requests through a port, at the other end of which `answerAt` answers them. The port keeps the process alive only while a
 * request waits for its answer.
 *
 * A request fails where the server fails, and where the other end of the port is closed, as it is when its thread ends.
 */
export function askAt(port: MessagePort): Ask {
  const waiting = new Map<number, { resolve(answered: Answered): void; reject(error: unknown): void }>();
  let last = 0;
  let isOpen = true;
  const closed = () =>
    new Error('Cannot ask the servers of this machine as their thread must run: it has ended');

  port.on('message', ([id, answered, error]: [number, Answered | undefined, unknown]) => {
    if (answered) waiting.get(id)?.resolve(answered);
    else waiting.get(id)?.reject(error);
    waiting.delete(id);
    if (waiting.size === 0) port.unref();
  });
  port.on('close', () => {
    isOpen = false;
    for (const { reject } of waiting.values()) reject(closed());
    waiting.clear();
  });
  port.unref();

  return (service, asked) =>
    new Promise((resolve, reject) => {
      if (!isOpen) throw closed();
      port.postMessage([++last, service, asked]);
      waiting.set(last, { resolve, reject });
      port.ref();
    });
}
