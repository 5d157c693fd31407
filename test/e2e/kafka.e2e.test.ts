import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { flights } from '../../functions/flights/pipeline.ts';
import { bucket, type Pipeline } from '../../src/index.ts';
import { pipelineOver } from '../../src/local/over.ts';
import { isAccountedFor } from '../../src/local/replay.ts';
import {
  connectKafka,
  type KafkaClient,
  type KafkaServer,
  kafkaLacks,
  startKafka,
} from '../../src/local/servers/index.ts';
import { bundled } from './bundled.ts';
import { type Flight, readFlights } from './flights.ts';
import { dataFolders, findingsIn, type LocalRun, runLocally } from './local.ts';

const lack = await kafkaLacks();

const SCRIPT = bundled(new URL('killed.ts', import.meta.url));

/** The flights over a topic of another name for each test. */
const over = (topic: string): Pipeline => {
  const { pipeline } = pipelineOver({ ...flights, sinks: [bucket()] }, 'kafka');
  return { ...pipeline, source: { ...pipeline.source, topic } as Pipeline['source'] };
};

describe.skipIf(lack)(`flights over Apache Kafka${lack ? ` (${lack})` : ''}`, () => {
  const records = readFlights(process.env['CI'] ? 6_000 : 2_000);
  const lines = records.map((flight) => JSON.stringify(flight));
  const half = lines.length / 2;
  const folders = dataFolders();
  let server: KafkaServer;
  let client: KafkaClient;
  let reference: LocalRun;

  beforeAll(async () => {
    reference = await runLocally({ ...flights, sinks: [bucket()] }, lines);
    server = await startKafka();
    client = await connectKafka(server.broker);
  }, 180_000);

  afterAll(async () => {
    await client?.close();
    await server?.close();
    await folders.remove();
  }, 60_000);

  function holdsUp({ panes, replayed }: LocalRun): void {
    expect(isAccountedFor(replayed)).toBe(true);
    expect(panes).toEqual(reference.panes);
  }

  it('give the panes of a Kinesis stream, byte for byte, in batches of any size', {
    timeout: 300_000,
  }, async () => {
    for (const batchSize of [97, 10_000]) {
      holdsUp(await runLocally(over(`sized-${batchSize}`), lines, { broker: server.broker, batchSize }));
    }
  });

  it('lose and double nothing when the broker is killed and started again in the middle', {
    timeout: 300_000,
  }, async () => {
    const pipeline = over('killed');
    const dataDirectory = await folders.make();
    let restarts: Promise<void> | undefined;
    const run = await runLocally(pipeline, lines, {
      broker: server.broker,
      dataDirectory,
      batchSize: 100,
      onSent: (sent) => {
        if (sent === half) restarts = server.kill().then(server.start);
      },
    });
    await restarts;
    expect(restarts).toBeDefined();
    holdsUp(run);
    expect(await findingsIn(dataDirectory, pipeline)).toEqual([]);
  });

  it('go on over partitions that are added while they run', { timeout: 300_000 }, async () => {
    const topic = 'grown';
    const send = async (flights: readonly Flight[]) => {
      const partitions = (await client.describe(topic))?.partitions ?? [];
      for (let at = 0; at < flights.length; at += 1_000) {
        const some = flights.slice(at, at + 1_000).map((flight) => ({
          partition: client.partitionOf(flight.origin, partitions),
          key: flight.origin,
          value: Buffer.from(JSON.stringify(flight)),
        }));
        await client.send(topic, some);
      }
      return partitions;
    };
    const run = await runLocally(over(topic), [], {
      broker: server.broker,
      batchSize: 100,
      async before({ source }) {
        expect(await send(records.slice(0, half))).toEqual([0, 1]);
        // A key may come by another partition from here on, where no order would hold between the two.
        await (await source.openFeed()).handled();
        await client.addPartitions(topic, 5);
        expect(await send(records.slice(half))).toEqual([0, 1, 2, 3, 4]);
      },
    });
    const bounds = await client.bounds(topic);
    expect([2, 3, 4].map((added) => bounds.get(added)?.end)).not.toContain(0);
    expect(run.replayed).toMatchObject({ others: lines.length, applied: lines.length });
    expect(run.panes).toEqual(reference.panes);
  });

  it.each([
    ['before', 'commit', 5],
    ['after', 'commit', 9],
    ['after', 'object', 3],
  ])(
    'killed with the broker %s %s %i, go on from the checkpoint',
    {
      timeout: 300_000,
    },
    async (moment, call, nth) => {
      const { pipeline } = pipelineOver({ ...flights, sinks: [bucket()] }, 'kafka');
      const dataDirectory = await folders.make();
      const killed = spawn(
        process.execPath,
        [SCRIPT, dataDirectory, 'bucket', '600', call, moment, String(nth), 'kafka'],
        { stdio: ['ignore', 'ignore', 'inherit', 'ipc'] },
      );
      expect(await once(killed, 'exit')).toEqual([null, 'SIGKILL']);
      const undisturbed = await runLocally({ ...flights, sinks: [bucket()] }, lines.slice(0, 600));
      const { panes, replayed } = await runLocally(pipeline, lines.slice(0, 600), { dataDirectory });
      expect(replayed.resumed).toBeGreaterThan(0);
      expect(isAccountedFor(replayed)).toBe(true);
      expect(panes).toEqual(undisturbed.panes);
      expect(await findingsIn(dataDirectory, pipeline)).toEqual([]);
    },
  );

  it('are all read again without the checkpoint, which changes nothing', { timeout: 300_000 }, async () => {
    const pipeline = over('again');
    const dataDirectory = await folders.make();
    const options = { broker: server.broker, dataDirectory };
    holdsUp(await runLocally(pipeline, lines, options));
    await rm(join(dataDirectory, 'kafka-offsets.json'));
    const { tally, ...run } = await runLocally(pipeline, lines, options);
    holdsUp(run as LocalRun);
    expect(run.replayed.resumed).toBe(lines.length);
    expect(await findingsIn(dataDirectory, pipeline)).toEqual([]);
  });

  it('refuse a topic that was made again between two runs', { timeout: 300_000 }, async () => {
    const pipeline = over('remade');
    const dataDirectory = await folders.make();
    const options = { broker: server.broker, dataDirectory };
    await runLocally(pipeline, lines.slice(0, 100), options);
    await client.deleteTopic('remade');
    await client.createTopic('remade', 2);
    await expect(runLocally(pipeline, lines.slice(0, 100), options)).rejects.toThrow(
      /^Cannot read topic remade as it must be the one that was read before: its id was \w+, and is \w+, so it was made again/,
    );
  });

  it('refuse a topic that is made again while they run', { timeout: 300_000 }, async () => {
    const topic = 'remade-meanwhile';
    const run = runLocally(over(topic), [], {
      broker: server.broker,
      async before({ source }) {
        const send = () =>
          client.send(topic, [{ partition: 0, key: 'k', value: Buffer.from(lines[0] ?? '') }]);
        await send();
        await (await source.openFeed()).handled();
        await client.deleteTopic(topic);
        await client.createTopic(topic, 2);
        for (let times = 0; times < 3; times++) await send();
      },
    });
    await expect(run).rejects.toThrow(/^Cannot read topic remade-meanwhile as it must be the one/);
  });
});
