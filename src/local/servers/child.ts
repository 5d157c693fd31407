import { type ChildProcess, spawn } from 'node:child_process';
import { randomInt } from 'node:crypto';
import { once } from 'node:events';
import { connect, createServer } from 'node:net';
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

/**
 * Ports that no system gives to whoever asks for any: Linux gives those from 32768 on, macOS and Windows from 49152 on. A
 * broker listens seconds after its ports are chosen, and until then a connection or another server would take them.
 */
const [FIRST_PORT, END_PORT] = [20_000, 32_768];

/** Returns so many free ports, of which the first is the one that is given. */
export async function freePorts(count: number, port: number | undefined): Promise<readonly number[]> {
  const ports = port === undefined ? [] : [port];
  while (ports.length < count) {
    const drawn = randomInt(FIRST_PORT, END_PORT);
    if (!ports.includes(drawn) && (await isFree(drawn))) ports.push(drawn);
  }
  return ports;
}

async function isFree(port: number): Promise<boolean> {
  const server = createServer().listen(port, HOST);
  try {
    await once(server, 'listening');
  } catch (error) {
    // Windows keeps ranges of ports to itself.
    if (['EADDRINUSE', 'EACCES'].includes((error as NodeJS.ErrnoException).code ?? '')) return false;
    throw error;
  }
  server.close();
  await once(server, 'close');
  return true;
}
