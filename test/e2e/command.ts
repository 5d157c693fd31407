import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { fileURLToPath } from 'node:url';
import { type Clients, connect, disconnect } from '../../src/local/resources.ts';
import { startServers } from '../../src/local/servers/servers.ts';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));

/** Runs the command line to its end. */
export async function millrace(...args: readonly string[]) {
  const child = spawn(process.execPath, ['--import', 'tsx', join(ROOT, 'bin/millrace.ts'), ...args], {
    cwd: ROOT,
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const [stdout, stderr, [code]] = await Promise.all([
    text(child.stdout),
    text(child.stderr),
    once(child, 'exit'),
  ]);
  return { stdout, stderr, code };
}

/** Does something to what a run kept in a directory, behind its back. */
export async function tampering<Result>(
  folder: string,
  tamper: (clients: Clients) => Promise<Result>,
): Promise<Result> {
  const servers = await startServers({ dataDirectory: folder });
  const clients = connect(servers.endpoints);
  try {
    return await tamper(clients);
  } finally {
    disconnect(clients);
    await servers.close();
  }
}
