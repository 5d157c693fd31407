import { once } from 'node:events';
import type { Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { createAdaptorServer } from '@hono/node-server';
import type { Hono } from 'hono';
import { reasonOf } from '../failure.ts';

const HOST = '127.0.0.1';

/** The one server of a run that people and their programs talk to. */
export interface HttpServer {
  readonly address: string;
  close(): Promise<void>;
}

/**
 * Serves an app on the loopback address.
 *
 * @param port where it listens; without it, on a free one
 * @throws Error when it cannot listen there
 */
export async function serveApp(app: Hono, port = 0): Promise<HttpServer> {
  const server = createAdaptorServer({ fetch: app.fetch }) as Server;
  try {
    await once(server.listen(port, HOST), 'listening');
  } catch (cause) {
    throw new Error(
      `Cannot serve the page on port ${port} of ${HOST} as it must be free: ${reasonOf(cause)}`,
      { cause },
    );
  }
  // A page that stays open keeps no run alive.
  server.unref();
  return {
    address: `http://${HOST}:${(server.address() as AddressInfo).port}`,
    async close() {
      const closed = once(server, 'close');
      server.close();
      server.closeAllConnections();
      await closed;
    },
  };
}
