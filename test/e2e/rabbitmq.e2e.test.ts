import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { flights } from '../../functions/flights/pipeline.ts';
import { bucket, type Pipeline } from '../../src/index.ts';
import { pipelineOver } from '../../src/local/over.ts';
import {
  connectRabbitmq,
  type RabbitmqClient,
  type RabbitmqServer,
  rabbitmqLacks,
  startRabbitmq,
} from '../../src/local/servers/index.ts';
import { bundled } from './bundled.ts';
import { readFlights } from './flights.ts';
import { dataFolders, findingsIn, type LocalRun, patiently, runLocally } from './local.ts';

const lack = rabbitmqLacks();

const SCRIPT = bundled(new URL('killed.ts', import.meta.url));

/** A broker that crashed may deliver again what was on the way to its consumer after messages that are newer. */
const toBucket = patiently({ ...flights, sinks: [bucket()] });

/** The flights over a queue of another name for each test, with a dead-letter exchange where it is a quorum queue. */
const over = (queue: string, kind: 'classic' | 'quorum'): Pipeline => {
  const { pipeline } = pipelineOver(toBucket, 'rabbitmq');
  const more = kind === 'quorum' ? { deadLetterExchange: `${queue}-refused` } : {};
  return { ...pipeline, source: { ...pipeline.source, queue, ...more } as Pipeline['source'] };
};

/** A way to the broker that can be cut: whatever is on it then is gone. */
async function cableTo(broker: URL) {
  const ends = new Set<Socket>();
  const server = createServer((near) => {
    const far = connect(Number(broker.port), broker.hostname);
    for (const [from, to] of [
      [near, far],
      [far, near],
    ] as const) {
      ends.add(from);
      from.on('error', () => {}).on('close', () => to.destroy());
      from.pipe(to);
    }
  });
  await once(server.listen(0, '127.0.0.1'), 'listening');
  const url = new URL(broker);
  url.port = String((server.address() as AddressInfo).port);
  return {
    url: url.href,
    cut() {
      for (const end of ends) end.resetAndDestroy();
      ends.clear();
    },
    close: () => new Promise((closed) => server.close(closed)),
  };
}

describe.skipIf(lack)(`flights over RabbitMQ${lack ? ` (${lack})` : ''}`, () => {
  const records = readFlights(process.env['CI'] ? 6_000 : 2_000);
  const lines = records.map((flight) => JSON.stringify(flight));
  const half = lines.length / 2;
  const folders = dataFolders();
  let server: RabbitmqServer;
  let client: RabbitmqClient;
  let reference: readonly string[];

  beforeAll(async () => {
    // The event-time panes of a stream, which has the same records in the same order.
    ({ panes: reference } = await runLocally({ ...toBucket, rules: toBucket.withoutOrder() }, lines));
    server = await startRabbitmq();
    client = await connectRabbitmq(server.url);
  }, 180_000);

  afterAll(async () => {
    await client?.close();
    await server?.close();
    await folders.remove();
  }, 60_000);

  function holdsUp({ panes, replayed }: LocalRun): void {
    expect(replayed).toMatchObject({ read: lines.length, applied: lines.length, lateForAll: 0, poison: 0 });
    expect(panes).toEqual(reference);
  }

  it.each([
    ['classic', 97],
    ['classic', 10_000],
    ['quorum', 1_000],
  ] as const)(
    'give over a %s queue, in batches of at most %i, the event-time panes of a Kinesis stream',
    { timeout: 300_000 },
    async (kind, batchSize) => {
      const run = await runLocally(over(`sized-${batchSize}`, kind), lines, {
        broker: server.url,
        batchSize,
      });
      holdsUp(run);
      expect(await client.count(`sized-${batchSize}`)).toBe(0);
    },
  );

  it.each(['classic', 'quorum'] as const)(
    'lose and double nothing over a %s queue when the broker is killed and started again in the middle',
    { timeout: 300_000 },
    async (kind) => {
      const pipeline = over(`killed-${kind}`, kind);
      const dataDirectory = await folders.make();
      // A broker loses a quorum queue that was made just before it is killed: this one has been written down.
      await client.declare(pipeline.source as never);
      await server.stop();
      await server.start();
      let restarted: Promise<void> | undefined;
      const run = await runLocally(pipeline, lines, {
        broker: server.url,
        dataDirectory,
        batchSize: 100,
        onSent: (sent) => {
          if (sent === half) restarted = server.kill().then(server.start);
        },
      });
      await restarted;
      expect(restarted).toBeDefined();
      holdsUp(run);
      expect(await findingsIn(dataDirectory, pipeline)).toEqual([]);
    },
  );

  it.each(['classic', 'quorum'] as const)(
    'lose and double nothing over a %s queue when the connection is cut before the acknowledgements',
    { timeout: 300_000 },
    async (kind) => {
      const pipeline = over(`cut-${kind}`, kind);
      const dataDirectory = await folders.make();
      const cable = await cableTo(new URL(server.url));
      let commits = 0;
      const run = await runLocally(pipeline, lines, {
        broker: cable.url,
        dataDirectory,
        batchSize: 100,
        // Commits are made, and the connection is gone before the batch is acknowledged.
        decorate: (ports) => ({
          ...ports,
          log: {
            ...ports.log,
            async append(name, entry) {
              const outcome = await ports.log.append(name, entry);
              if (name.startsWith('flights/') && ++commits <= 30 && commits % 6 === 0) cable.cut();
              return outcome;
            },
          },
        }),
      });
      await cable.close();
      expect(commits).toBeGreaterThan(30);
      holdsUp(run);
      expect(run.tally.metrics.get('duplicate')).toBeGreaterThan(0);
      expect(await findingsIn(dataDirectory, pipeline)).toEqual([]);
    },
  );

  it.each([
    ['before', 'commit', 5],
    ['after', 'commit', 9],
  ])(
    'killed with the broker %s %s %i, go on with the messages that were not acknowledged',
    { timeout: 300_000 },
    async (moment, call, nth) => {
      const { pipeline } = pipelineOver(toBucket, 'rabbitmq');
      const dataDirectory = await folders.make();
      const killed = spawn(
        process.execPath,
        [SCRIPT, dataDirectory, 'bucket', '600', call, moment, String(nth), 'rabbitmq'],
        { stdio: ['ignore', 'ignore', 'inherit', 'ipc'] },
      );
      expect(await once(killed, 'exit')).toEqual([null, 'SIGKILL']);
      const few = lines.slice(0, 600);
      const undisturbed = await runLocally({ ...toBucket, rules: toBucket.withoutOrder() }, few);
      const { panes, replayed } = await runLocally(pipeline, few, { dataDirectory });
      expect(replayed).toMatchObject({ read: 600, applied: 600, poison: 0 });
      expect(replayed.resumed).toBeGreaterThan(0);
      expect(panes).toEqual(undisturbed.panes);
      expect(await findingsIn(dataDirectory, pipeline)).toEqual([]);
    },
  );
});
