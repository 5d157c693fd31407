import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { PutRecordCommand } from '@aws-sdk/client-kinesis';
import type { Pane } from 'millrace';
import { type WebSocket, WebSocketServer } from 'ws';
import { createTally } from '../../src/commands/tally.ts';
import { connect, disconnect } from '../../src/local/resources.ts';
import { type LocalOptions, startLocal } from '../../src/local/runtime.ts';
import { pulsesTo } from './pipeline.ts';

const MAX_MESSAGE_BYTES = 10_000;
/** How much may wait for a watcher that reads too slowly, before it has to connect again. */
const MAX_WAITING_BYTES = 1_000_000;

/** Who watches which user. */
class Watchers {
  readonly #of = new Map<string, Set<WebSocket>>();

  add(user: string, socket: WebSocket): void {
    const sockets = this.#of.get(user) ?? new Set();
    this.#of.set(user, sockets.add(socket));
    socket.on('close', () => {
      sockets.delete(socket);
      if (sockets.size === 0) this.#of.delete(user);
    });
  }

  /** Sends each pane to those who watch its user, and to nobody else. */
  tell(panes: readonly Pane[]): void {
    for (const pane of panes) {
      for (const socket of this.#of.get(pane.key) ?? []) {
        if (socket.bufferedAmount > MAX_WAITING_BYTES) socket.terminate();
        else socket.send(JSON.stringify(pane));
      }
    }
  }
}

/**
 * Runs the pipeline, and a WebSocket server beside it. `/in?user=ada` takes ada's pulses, and answers each with `taken` or
 * with what is wrong; `/out?user=ada` sends ada's results, each at least once, with the `id` by which it is known.
 */
export async function serve(startServers?: LocalOptions['startServers']) {
  const watchers = new Watchers();
  const pipeline = pulsesTo((panes) => watchers.tell(panes));
  const runtime = await startLocal({ pipeline, telemetry: createTally(pipeline), startServers });
  runtime.clock.start();
  const clients = connect(runtime.endpoints);

  const take = async (user: string, message: string): Promise<string> => {
    const { bpm, at } = parsed(message) ?? {};
    if (typeof bpm !== 'number' || typeof at !== 'number')
      return 'Cannot take a pulse as bpm and at must be numbers';
    // Whatever the message says of itself, it is of the user whose connection it is.
    const Data = Buffer.from(JSON.stringify({ user, at, bpm }));
    await clients.kinesis.send(
      new PutRecordCommand({ StreamName: runtime.names.stream, PartitionKey: user, Data }),
    );
    return 'taken';
  };

  const server = new WebSocketServer({ port: 0, host: '127.0.0.1', maxPayload: MAX_MESSAGE_BYTES });
  server.on('connection', (socket, { url = '' }) => {
    const { pathname, searchParams } = new URL(url, 'ws://127.0.0.1');
    const user = searchParams.get('user');
    // Of a message that is too long, the connection is closed.
    socket.on('error', () => socket.terminate());
    if (!user || !['/in', '/out'].includes(pathname))
      return socket.close(1008, 'Ask for /in or /out, and a user');
    if (pathname === '/out') return watchers.add(user, socket);
    // One after the other, so that a user's pulses stay in order.
    let before: Promise<unknown> = Promise.resolve();
    socket.on('message', (message) => {
      before = before.then(async () =>
        socket.send(await take(user, String(message)).catch(() => 'Try again')),
      );
    });
  });
  await once(server, 'listening');
  return {
    address: `ws://127.0.0.1:${(server.address() as AddressInfo).port}`,
    async close() {
      for (const socket of server.clients) socket.terminate();
      server.close();
      disconnect(clients);
      await runtime.close();
    },
  };
}

function parsed(message: string): { readonly bpm?: unknown; readonly at?: unknown } | undefined {
  try {
    return JSON.parse(message);
  } catch {
    return undefined;
  }
}
