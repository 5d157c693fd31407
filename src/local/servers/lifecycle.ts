import { once } from 'node:events';
import type { Server, ServerResponse } from 'node:http';
import { type AddressInfo, createServer } from 'node:net';
import { reasonOf } from '../failure.ts';

export interface RunningServer {
  readonly endpoint: string;
  close(): Promise<void>;
}

/**
 * Lets a server wait for ever for a request that was begun, and for the next one: its clients are of the same machine, and when that
 * was asleep it would hang up on them before it reads what they have sent.
 */
export const withoutTimeOuts = (server: Server): Server =>
  Object.assign(server, { headersTimeout: 0, requestTimeout: 0, keepAliveTimeout: 0, timeout: 0 });

/** Calls back in the turn in which `response` is answered, even when its client has gone by then. */
function onAnswer(response: ServerResponse, answered: () => void): void {
  const { end } = response;
  response.end = (...sent: unknown[]) => {
    const ended = Reflect.apply(end, response, sent);
    answered();
    return ended;
  };
}

const HOST = '127.0.0.1';
const PATIENCE_MILLIS = 1000;

/** @throws Error when nothing may listen on a port that is asked for, as before anything is begun */
export async function checkPort(port: number): Promise<void> {
  const server = createServer();
  try {
    await once(server.listen(port, HOST), 'listening');
  } catch (cause) {
    const taken = (cause as NodeJS.ErrnoException).code === 'EADDRINUSE';
    throw new Error(
      `Cannot listen on port ${port} of ${HOST} as it must be free: ${taken ? 'another program listens there' : reasonOf(cause)}`,
      { cause },
    );
  }
  await new Promise((closed) => server.close(closed));
}

/**
 * Opens kinesalite or dynalite on loopback; port 0 takes a free one.
 *
 * Both throw, outside the reach of any caller, when a client hangs up within a request and when their
 * database closes under one. So hanging up is ignored here, and closing drops the clients at once but waits
 * for the requests that they have sent in full: a second at most, as some are never answered
 * (GetShardIterator AT_TIMESTAMP with a time after the last record).
 */
export async function runServer(server: Server, port: number): Promise<RunningServer> {
  withoutTimeOuts(server);
  let unanswered = 0;
  let allAnswered = () => {};
  server.on('request', (request, response) => {
    request.removeAllListeners('error').on('error', () => {});
    request.prependOnceListener('end', () => {
      unanswered += 1;
      onAnswer(response, () => {
        unanswered -= 1;
        if (unanswered === 0) allAnswered();
      });
    });
  });

  async function close(): Promise<void> {
    server.on('connection', (socket) => socket.destroy());
    server.closeAllConnections();
    if (unanswered > 0) {
      await new Promise<void>((resolve) => {
        allAnswered = resolve;
        setTimeout(resolve, PATIENCE_MILLIS).unref();
      });
    }
    await new Promise<void>((resolve, reject) => {
      server.close((error) => (error ? reject(error) : resolve()));
    });
  }

  try {
    await once(server.listen(port, HOST), 'listening');
  } catch (error) {
    // Only a server that listens closes its database.
    await once(server.listen(0, HOST), 'listening');
    await close();
    throw error;
  }
  return { endpoint: `http://${HOST}:${(server.address() as AddressInfo).port}`, close };
}
