import { once } from 'node:events';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import type { Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { createAdaptorServer } from '@hono/node-server';
import type { Hono } from 'hono';
import { reasonOf } from '../failure.ts';

const HOST = '127.0.0.1';

/** The one server of a run that people and their programs talk to. */
export interface HttpServer {
  readonly address: string;
  close(): Promise<void>;
}

/** Where a kept directory says on which port its run served people, so that a page that is open finds the next run. */
const PORT_FILE = 'page-port';

const keptPort = (directory: string): number | undefined => {
  const file = join(directory, PORT_FILE);
  return existsSync(file) ? Number(readFileSync(file, 'utf8')) : undefined;
};

/**
 * Serves an app where the run before did that had the same directory, or on a free port where that port is taken.
 */
export async function serveAgain(app: Hono, directory: string): Promise<HttpServer> {
  const port = keptPort(directory);
  return serveApp(app, port).catch((error) => {
    if (port === undefined) throw error;
    return serveApp(app);
  });
}

/** Notes where a run serves people. By then the directory must belong to this run alone. */
export function keepAddress(directory: string, { address }: HttpServer): void {
  writeFileSync(join(directory, PORT_FILE), new URL(address).port);
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
