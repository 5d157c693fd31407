import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { type AddressInfo, connect, createServer } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';

/** What servers that are processes of their own listen on. */
export const HOST = '127.0.0.1';

export const isOver = ({ exitCode, signalCode }: ChildProcess): boolean =>
  exitCode !== null || signalCode !== null;

/**
 * Ends a process when this process ends: the guard's input is closed then, even where this process is killed.
 *
 * @param target its id, or that of its group with a minus sign
 */
export function guardOf(target: number): ChildProcess {
  const guard = spawn('sh', ['-c', `cat; kill -9 ${target}`], {
    stdio: ['pipe', 'ignore', 'ignore'],
    // A signal to this process' group, as Ctrl+C is one, does not reach it.
    detached: true,
  });
  guard.unref();
  return guard;
}

const CHECK_MILLIS = 50;

/** Settles once a server listens on the port. */
export async function untilOpen(port: number, isOver: () => boolean): Promise<void> {
  while (!isOver()) {
    const socket = connect(port, HOST);
    const isOpen = await once(socket, 'connect').then(
      () => true,
      () => false,
    );
    socket.destroy();
    if (isOpen) return;
    await delay(CHECK_MILLIS);
  }
}

/** Returns so many free ports, of which the first is the one that is given. */
export async function freePorts(count: number, port: number | undefined): Promise<readonly number[]> {
  const servers = await Promise.all(
    Array.from({ length: count }, async () => {
      const server = createServer().listen(0, HOST);
      await once(server, 'listening');
      return server;
    }),
  );
  const free = servers.map((server) => (server.address() as AddressInfo).port);
  await Promise.all(servers.map((server) => new Promise((closed) => server.close(closed))));
  return port === undefined ? free : [port, ...free.slice(1)];
}
