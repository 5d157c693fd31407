import { EventEmitter } from 'node:events';
import type { Server } from 'node:http';
import type { MessagePort } from 'node:worker_threads';

/** A request of HTTP, and its answer, as they go from one thread to another. */
interface Asked {
  readonly method: string;
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Uint8Array;
}

interface Answered {
  readonly statusCode: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
}

/** Asks a server without a socket between, which costs as much as dynalite itself for what it is mostly asked. */
export type Ask = (asked: Asked) => Promise<Answered>;

/** Has dynalite answer what is asked as it answers what comes by its socket. */
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
 * Answers whoever asks at the other end of a port.
 *
 * @public the thread of the servers imports it, by a name that depends on whether these sources are built
 */
export function answerAt(port: MessagePort, ask: Ask): void {
  port.on('message', async ([id, asked]: [number, Asked]) => port.postMessage([id, await ask(asked)]));
}

/** Asks at this end of a port. */
export function askAt(port: MessagePort): Ask {
  const waiting = new Map<number, (answered: Answered) => void>();
  let last = 0;
  port.on('message', ([id, answered]: [number, Answered]) => {
    waiting.get(id)?.(answered);
    waiting.delete(id);
  });
  return (asked) =>
    new Promise((answer) => {
      waiting.set(++last, answer);
      port.postMessage([last, asked]);
    });
}
