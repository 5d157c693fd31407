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
  readonly body: string;
}

/**
 * Sends a request to a server without a socket between. For most requests, a socket takes as much time as
 * dynalite itself.
 */
export type Ask = (asked: Asked) => Promise<Answered>;

/** Makes dynalite answer a request as it answers those that come in at its socket. */
export const askingOf =
  (server: Server): Ask =>
  ({ body, ...asked }) =>
    new Promise((answer) => {
      const request = Object.assign(new EventEmitter(), asked);
      const headers: Record<string, string> = {};
      const response = {
        statusCode: 200,
        setHeader(name: string, value: unknown) {
          headers[name.toLowerCase()] = String(value);
        },
        end(body = '') {
          answer({ statusCode: response.statusCode, headers, body });
        },
      };
      server.emit('request', request, response);
      request.emit('data', Buffer.from(body.buffer, body.byteOffset, body.byteLength));
      request.emit('end');
    });

/**
 * Answers the requests that come in at a port.
 *
 * @public the thread of the servers imports it, by a name that depends on whether these sources are built
 */
export function answerAt(port: MessagePort, ask: Ask): void {
  port.on('message', ([id, asked]: [number, Asked]) =>
    ask(asked).then(
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
    new Error('Cannot ask DynamoDB on this machine as the thread of its server must run: it has ended');

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

  return (asked) =>
    new Promise((resolve, reject) => {
      if (!isOpen) throw closed();
      port.postMessage([++last, asked]);
      waiting.set(last, { resolve, reject });
      port.ref();
    });
}
