import { type ChildProcess, type SpawnOptions, spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { type Clients, connect, disconnect } from '../../src/local/resources.ts';
import { startServers } from '../../src/local/servers/servers.ts';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));

export const HOST = fileURLToPath(new URL('command-host.ts', import.meta.url));

/** What a command wrote, and its exit code. */
export interface Ran {
  readonly stdout: string;
  readonly stderr: string;
  readonly code: number;
}

/** A process that runs commands, one after the other: to begin a process for each takes most of their time. */
export interface Host {
  run(args: readonly string[], env?: Readonly<Record<string, string>>): Promise<Ran>;
  close(): void;
}

/** Begins a process for commands, that ends at the latest with this one. */
export async function startHost(options: SpawnOptions): Promise<Host> {
  const host = spawn(process.execPath, ['--import', import.meta.resolve('tsx'), HOST], {
    ...options,
    stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
  });
  await messageOf(host);
  host.unref();
  host.channel?.unref();
  return {
    async run(args, env = {}) {
      host.send({ args, env });
      return (await messageOf(host)) as Ran;
    },
    close: () => host.disconnect(),
  };
}

const messageOf = (host: ChildProcess): Promise<unknown> =>
  new Promise((resolve, reject) => {
    const ended = (code: number | null) =>
      reject(new Error(`The process that runs commands ended with ${code}`));
    host.once('exit', ended);
    host.once('message', (message) => {
      host.off('exit', ended);
      resolve(message);
    });
  });

let hosted: Promise<Host> | undefined;

/** Runs the command line to its end, in the project's folder. */
export async function millrace(...args: readonly string[]): Promise<Ran> {
  hosted ??= startHost({ cwd: ROOT });
  return (await hosted).run(args);
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
