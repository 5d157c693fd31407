import { once } from 'node:events';
import type { Server, ServerResponse } from 'node:http';
import { type AddressInfo, createServer } from 'node:net';
import { reasonOf } from '../failure.ts';

export interface RunningServer {
  readonly endpoint: string;
  close(): Promise<void>;
}

/**
 * Removes the time limits of a server, on requests that have begun and on idle connections. Its clients are
 * on the same machine. When that machine has been asleep, a server with limits hangs up before it reads what
 * they have sent.
 */
export const withoutTimeOuts = (server: Server): Server =>
  Object.assign(server, { headersTimeout: 0, requestTimeout: 0, keepAliveTimeout: 0, timeout: 0 });

/** Calls `answered` in the same turn in which the response ends, even when its client has gone by then. */
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

/**
 * Checks that a port is free, before anything is started.
 *
 * @throws Error when a server cannot listen on the port
 */
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
 * Opens kinesalite or dynalite on the loopback address; port 0 takes a free one.
 *
 * When a client hangs up within a request, and when their database closes under one, both servers throw
 * outside the reach of any caller. So a client that hangs up is ignored here. Closing drops the clients at
 * once, but waits for the requests that they have sent in full. It waits a second at most, as the servers
 * never answer some requests (GetShardIterator AT_TIMESTAMP with a time after the last record).
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
    // Only a server that listens closes its database, so this one must first listen on a free port.
    await once(server.listen(0, HOST), 'listening');
    await close();
    throw error;
  }
  return { endpoint: `http://${HOST}:${(server.address() as AddressInfo).port}`, close };
}
