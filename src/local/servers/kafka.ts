import { execFile, spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { existsSync, mkdirSync, mkdtempSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { homedir, tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { lineOf } from '../failure.ts';
import { freePorts, guardOf, HOST, isOver, untilOpen } from './child.ts';
import { checkPort } from './lifecycle.ts';

const run = promisify(execFile);

const KAFKA = '4.1.0';
const JAVA = 17;

/** Without a logger beside it, a broker that cannot start would end without a word. */
const JARS = { 'org.apache.kafka:kafka_2.13': KAFKA, 'org.slf4j:slf4j-simple': '1.7.36' };

const COPY_JARS = 'org.apache.maven.plugins:maven-dependency-plugin:3.8.1:copy-dependencies';

/** Lets the JVM start fast and stay small, as it serves one machine for a short time. */
const SMALL = ['-Xmx512m', '-XX:+UseSerialGC', '-XX:TieredStopAtLevel=1'];

const WARNINGS_ONLY = '-Dorg.slf4j.simpleLogger.defaultLogLevel=warn';

/** A broker of this process, which listens on 127.0.0.1 without authentication. */
export interface KafkaServer {
  /** `host:port`. It stays the same when the broker is started again. */
  readonly broker: string;
  /** Starts the broker again after `stop` or `kill`, with what it holds. */
  start(): Promise<void>;
  /** Ends the broker once it has written down what it holds. */
  stop(): Promise<void>;
  /** Ends the broker at once, as a crash does. */
  kill(): Promise<void>;
  /** Stops the broker, and removes its directory where that is a temporary one. */
  close(): Promise<void>;
}

export interface KafkaServerOptions {
  /** The directory in which topics outlive the broker. Without it, they are in a temporary one. */
  readonly directory?: string | undefined;
  /** The port to listen on; without it, a free one. */
  readonly port?: number | undefined;
}

/**
 * Says in a sentence what this machine lacks to run Apache Kafka; undefined where it lacks nothing.
 *
 * @param find runs a program, and returns what it prints
 */
export async function kafkaLacks(find: typeof printed = printed): Promise<string | undefined> {
  const instead = 'or give the address of a broker that runs: --broker host:port';
  const java = await find('java', '-version');
  const version = Number(/version "(\d+)/.exec(java ?? '')?.[1] ?? 0);
  if (version < JAVA) {
    const state =
      java === undefined ? 'there is no program java' : `it is Java ${version || 'of no version'}`;
    return `Cannot start Kafka as Java ${JAVA} or later must be installed: ${state}; install it (Debian: apt-get install openjdk-17-jre-headless), ${instead}`;
  }
  if (existsSync(jarsFolder()) || (await find('mvn', '-version')) !== undefined) return undefined;
  return `Cannot download Kafka as Maven must be installed: there is no program mvn; install it (Debian: apt-get install maven), ${instead}`;
}

/**
 * Starts Apache Kafka in a process of its own, which is broker and controller in one (KRaft).
 *
 * Maven downloads the broker when it is first started, some 45 MB, into the user's cache directory. The broker
 * ends with this process, however this process ends.
 *
 * @throws Error when Java 17 or Maven is missing, or when the broker cannot be downloaded or does not start
 */
export async function startKafka({ directory, port }: KafkaServerOptions = {}): Promise<KafkaServer> {
  const lack = await kafkaLacks();
  if (lack !== undefined) throw new Error(lack);
  const jars = await download();
  if (port !== undefined) await checkPort(port);
  const [listens = 0, controls = 0] = await freePorts(2, port);
  const home = directory ?? mkdtempSync(join(tmpdir(), 'millrace-kafka-'));
  const settings = join(home, 'server.properties');
  const java = [WARNINGS_ONLY, ...SMALL, '-cp', join(jars, '*')];
  let running: Broker | undefined;

  const start = async (): Promise<void> => {
    running ??= await startBroker([...java, 'kafka.Kafka', settings], listens);
  };
  const end = async (signal: NodeJS.Signals): Promise<void> => {
    await running?.end(signal);
    running = undefined;
  };
  const close = async (): Promise<void> => {
    await end('SIGTERM');
    if (directory === undefined) rmSync(home, { recursive: true, force: true });
  };
  try {
    const topics = join(home, 'topics');
    mkdirSync(home, { recursive: true });
    writeFileSync(settings, settingsOf(topics, listens, controls));
    if (!existsSync(join(topics, 'meta.properties'))) await format(java, settings);
    await start();
  } catch (error) {
    await close();
    throw error;
  }
  return {
    broker: `${HOST}:${listens}`,
    start,
    stop: () => end('SIGTERM'),
    kill: () => end('SIGKILL'),
    close,
  };
}

/** What a program prints, on both of its outputs; undefined where it cannot be run. */
const printed = (program: string, argument: string): Promise<string | undefined> =>
  run(program, [argument]).then(
    ({ stdout, stderr }) => stdout + stderr,
    () => undefined,
  );

const jarsFolder = (): string =>
  join(process.env['XDG_CACHE_HOME'] || join(homedir(), '.cache'), 'millrace', `kafka-${KAFKA}`);

/** Returns the folder of the broker's jars, downloaded where they are missing. */
async function download(): Promise<string> {
  const jars = jarsFolder();
  if (existsSync(jars)) return jars;
  mkdirSync(join(jars, '..'), { recursive: true });
  // The folder gets its name once it is whole, so that a download that ends early leaves nothing behind.
  const work = mkdtempSync(`${jars}.`);
  try {
    writeFileSync(join(work, 'pom.xml'), POM);
    const into = join(work, 'jars');
    await run('mvn', ['-q', '-B', '-f', work, COPY_JARS, `-DoutputDirectory=${into}`]).catch((cause) => {
      const said = lineOf(cause?.stdout || cause);
      throw new Error(`Cannot download Kafka as Maven must reach its repository: it says "${said}"`, {
        cause,
      });
    });
    // Another process may have been faster.
    if (!existsSync(jars)) renameSync(into, jars);
    return jars;
  } finally {
    rmSync(work, { recursive: true, force: true });
  }
}

const POM = `<project xmlns="http://maven.apache.org/POM/4.0.0">
  <modelVersion>4.0.0</modelVersion>
  <groupId>millrace</groupId><artifactId>kafka</artifactId><version>1</version>
  <dependencies>${Object.entries(JARS)
    .map(([name, version]) => {
      const [group, artifact] = name.split(':');
      return `<dependency><groupId>${group}</groupId><artifactId>${artifact}</artifactId><version>${version}</version></dependency>`;
    })
    .join('')}</dependencies>
</project>`;

/** Gives the storage of a new broker an id of its own, as KRaft wants it. */
async function format(java: readonly string[], settings: string): Promise<void> {
  // The tool takes an id that begins with a hyphen for an option.
  const cluster = `A${randomBytes(16).toString('base64url').slice(1)}`;
  await run('java', [...java, 'kafka.tools.StorageTool', 'format', '-t', cluster, '-c', settings]);
}

/**
 * The settings of a single broker. Topics are made on purpose alone, and keep their records for ever. What
 * the broker acknowledged is with the operating system by then, so that it outlives the broker's own death. A
 * broker that was killed may come back once its earlier session has timed out.
 */
const settingsOf = (topics: string, listens: number, controls: number): string =>
  `process.roles=broker,controller
node.id=1
controller.quorum.voters=1@${HOST}:${controls}
controller.listener.names=CONTROLLER
listeners=CLIENTS://${HOST}:${listens},CONTROLLER://${HOST}:${controls}
advertised.listeners=CLIENTS://${HOST}:${listens}
inter.broker.listener.name=CLIENTS
listener.security.protocol.map=CLIENTS:PLAINTEXT,CONTROLLER:PLAINTEXT
log.dirs=${topics}
log.retention.ms=-1
broker.session.timeout.ms=2000
broker.heartbeat.interval.ms=200
auto.create.topics.enable=false
offsets.topic.replication.factor=1
offsets.topic.num.partitions=1
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
transaction.state.log.num.partitions=1
`;

interface Broker {
  end(signal: NodeJS.Signals): Promise<void>;
}

const MAX_SAID = 2_000;

/** Starts a broker, and waits until it takes connections, which it does once it can serve them. */
async function startBroker(command: readonly string[], port: number): Promise<Broker> {
  const broker = spawn('java', command, { stdio: ['ignore', 'ignore', 'pipe'] });
  const guard = guardOf(broker.pid as number);
  let said = '';
  broker.stderr?.on('data', (some: Buffer) => {
    said = (said + some).slice(-MAX_SAID);
  });
  // Whoever does not come to close the broker does not wait for it either.
  broker.unref();
  const ended = once(broker, 'exit').then(([code, signal]) => {
    guard.kill();
    throw new Error(
      `Cannot start Kafka as its broker must go on running: it ended, with ${signal ?? `exit code ${code}`}; it says "${lineOf(said)}"`,
    );
  });
  const hasEnded = ended.catch(() => undefined);
  await Promise.race([untilOpen(port, () => isOver(broker)), ended]);
  return {
    async end(signal) {
      broker.ref();
      broker.kill(signal);
      await hasEnded;
    },
  };
}
