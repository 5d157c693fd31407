import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { accessSync, constants, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { lineOf } from '../failure.ts';
import { freePorts, guardOf, HOST, isOver, untilOpen } from './child.ts';
import { checkPort } from './lifecycle.ts';

/** A broker of this process, which listens on 127.0.0.1. */
export interface RabbitmqServer {
  /** `amqp://user:password@host:port`. It stays the same when the broker is started again. */
  readonly url: string;
  /** Starts the broker again after `stop` or `kill`, with what it holds. */
  start(): Promise<void>;
  /** Ends the broker once it has written down what it holds. */
  stop(): Promise<void>;
  /** Ends the broker at once, as a crash does. */
  kill(): Promise<void>;
  /** Stops the broker, and removes its directory where that is a temporary one. */
  close(): Promise<void>;
}

export interface RabbitmqServerOptions {
  /** The directory in which queues outlive the broker. Without it, they are in a temporary one. */
  readonly directory?: string | undefined;
  /** The port to listen on; without it, a free one. */
  readonly port?: number | undefined;
}

/**
 * Where Debian keeps the broker's own script. The one of that name on the path is for the user `rabbitmq` alone,
 * and for the broker of the machine.
 */
const SCRIPTS = ['/usr/lib/rabbitmq/bin'];

/** The user that every new broker has, which may come from this machine alone. */
const USER = 'guest';

/**
 * Says in a sentence what this machine lacks to run RabbitMQ; undefined where it lacks nothing.
 *
 * @param find returns the path of a program, or undefined where there is none
 */
export function rabbitmqLacks(find: typeof programOf = programOf): string | undefined {
  const missing = ['rabbitmq-server', 'epmd'].find((program) => find(program) === undefined);
  return (
    missing &&
    `Cannot start RabbitMQ as it must be installed: there is no program ${missing}; install it (Debian: apt-get install rabbitmq-server), or give the address of a broker that runs: --broker amqp://user:password@host:port`
  );
}

/**
 * Starts RabbitMQ as a node of its own, whatever brokers the machine has: with its own port, its own directory and
 * its own daemon for names (epmd). All of it ends with this process, however this process ends.
 *
 * @throws Error when RabbitMQ is not installed, or does not start
 */
export async function startRabbitmq({
  directory,
  port,
}: RabbitmqServerOptions = {}): Promise<RabbitmqServer> {
  const lack = rabbitmqLacks();
  if (lack !== undefined) throw new Error(lack);
  if (port !== undefined) await checkPort(port);
  const [listens = 0, speaks = 0, names = 0] = await freePorts(3, port);
  const home = directory ?? mkdtempSync(join(tmpdir(), 'millrace-rabbitmq-'));
  const environment = environmentOf(home, speaks, names);
  let daemon: Running | undefined;
  let broker: Running | undefined;

  const start = async (): Promise<void> => {
    daemon ??= run(programOf('epmd') as string, ['-port', `${names}`, '-address', HOST], environment);
    await untilOpen(names, () => daemon?.isOver ?? true);
    if (broker) return;
    const started = run(programOf('rabbitmq-server') as string, [], environment);
    const ended = started.ended.then((how) => {
      throw new Error(
        `Cannot start RabbitMQ as its broker must go on running: it ended, with ${how}; it says "${lineOf(started.said())}"`,
      );
    });
    ended.catch(() => {});
    await Promise.race([untilOpen(listens, () => started.isOver), ended]);
    broker = started;
  };
  const end = async (signal: NodeJS.Signals): Promise<void> => {
    // The script waits for the broker, which alone ends properly when it is told to.
    const target =
      signal === 'SIGTERM' ? Number(readFileSync(environment.RABBITMQ_PID_FILE, 'utf8')) : undefined;
    await broker?.end(signal, target);
    broker = undefined;
  };
  const close = async (): Promise<void> => {
    if (broker) await end('SIGTERM');
    await daemon?.end('SIGKILL');
    daemon = undefined;
    if (directory === undefined) rmSync(home, { recursive: true, force: true });
  };
  try {
    for (const folder of ['home', 'queues', 'log']) mkdirSync(join(home, folder), { recursive: true });
    writeFileSync(environment.RABBITMQ_CONFIG_FILE, settingsOf(listens));
    writeFileSync(environment.RABBITMQ_ADVANCED_CONFIG_FILE, ADVANCED);
    writeFileSync(environment.RABBITMQ_ENABLED_PLUGINS_FILE, '[].\n');
    await start();
  } catch (error) {
    await close();
    throw error;
  }
  return {
    url: `amqp://${USER}:${USER}@${HOST}:${listens}`,
    start,
    stop: () => end('SIGTERM'),
    kill: () => end('SIGKILL'),
    close,
  };
}

/** Returns the path of a program; undefined where this machine does not have it. */
function programOf(name: string): string | undefined {
  const folders = [...SCRIPTS, ...(process.env['PATH'] ?? '').split(delimiter)];
  return folders
    .map((folder) => join(folder, name))
    .find((path) => {
      try {
        accessSync(path, constants.X_OK);
        return true;
      } catch {
        return false;
      }
    });
}

/**
 * The variables of a node: all that it reads and writes is in its directory, and none of the machine's settings
 * reach it. The directory may come to another place, or another port, between two runs, but the node's name may not.
 */
const environmentOf = (home: string, speaks: number, names: number) =>
  ({
    PATH: process.env['PATH'] ?? '',
    LANG: 'C.UTF-8',
    // The cookie of the node, by which others of its machine could reach it, is made here.
    HOME: join(home, 'home'),
    ERL_EPMD_PORT: `${names}`,
    ERL_EPMD_ADDRESS: HOST,
    RABBITMQ_NODENAME: 'millrace@localhost',
    RABBITMQ_DIST_PORT: `${speaks}`,
    RABBITMQ_MNESIA_BASE: join(home, 'queues'),
    RABBITMQ_LOG_BASE: join(home, 'log'),
    RABBITMQ_PID_FILE: join(home, 'pid'),
    RABBITMQ_CONF_ENV_FILE: join(home, 'none'),
    RABBITMQ_CONFIG_FILE: join(home, 'rabbitmq.conf'),
    RABBITMQ_ADVANCED_CONFIG_FILE: join(home, 'advanced.config'),
    RABBITMQ_ENABLED_PLUGINS_FILE: join(home, 'enabled_plugins'),
    // The node leaves the processors to those who work with it.
    RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS: '+S 1:1 +sbwt none',
  }) as const;

/** A disk that is almost full would make the broker wait without a word. */
const settingsOf = (listens: number): string => `listeners.tcp.1 = ${HOST}:${listens}
disk_free_limit.absolute = 1MB
log.console = true
log.console.level = error
log.file = false
`;

const ADVANCED = `[{kernel, [{inet_dist_use_interface, {127,0,0,1}}]}].
`;

interface Running {
  readonly isOver: boolean;
  /** Settles with how it ended. */
  readonly ended: Promise<string>;
  /** Returns the end of what it has said. */
  said(): string;
  /** Sends a signal to a process of it, or to all of them, and waits until it has ended. */
  end(signal: NodeJS.Signals, target?: number): Promise<void>;
}

const MAX_SAID = 4_000;

/** Runs a program in a group of processes of its own, as a script and its broker are several. */
function run(path: string, options: readonly string[], environment: NodeJS.ProcessEnv): Running {
  const child: ChildProcess = spawn(path, options, {
    env: environment,
    stdio: ['ignore', 'pipe', 'pipe'],
    detached: true,
  });
  const group = -(child.pid as number);
  const guard = guardOf(group);
  let said = '';
  for (const output of [child.stdout, child.stderr]) {
    output?.on('data', (some: Buffer) => {
      said = (said + some).slice(-MAX_SAID);
    });
  }
  // Whoever does not come to close the broker does not wait for it either.
  child.unref();
  const ended = once(child, 'exit').then(([code, signal]) => {
    guard.kill();
    return signal ?? `exit code ${code}`;
  });
  return {
    get isOver() {
      return isOver(child);
    },
    ended,
    said: () => said,
    async end(signal, target = group) {
      if (isOver(child)) return;
      child.ref();
      process.kill(target, signal);
      await ended;
    },
  };
}
