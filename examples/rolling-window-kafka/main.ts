import { fileURLToPath } from 'node:url';
import type { Pipeline } from 'millrace';
import { createTally } from '../../src/commands/tally.ts';
import { readInput } from '../../src/local/input.ts';
import { replay } from '../../src/local/replay.ts';
import { startLocal } from '../../src/local/runtime.ts';
import { connectKafka, startKafka } from '../../src/local/servers/index.ts';
import { isStarted } from '../local-run.ts';
import { machines } from './pipeline.ts';
import { stopPublishing } from './publish.ts';

const READINGS = fileURLToPath(new URL('readings.ndjson', import.meta.url));
const PUBLISHED = 'last-ten';

/**
 * Sends the readings to one topic, takes them in by the handler that runs in Lambda, and has the pipeline publish its
 * panes onto another topic.
 *
 * @returns what a reader finds on that topic
 */
export async function main(pipeline = machines as Pipeline): Promise<readonly string[]> {
  const server = await startKafka();
  try {
    const { broker } = server;
    const client = await connectKafka(broker);
    try {
      await client.createTopic(PUBLISHED, 1);
      process.env['KAFKA_BROKERS'] = broker;
      const runtime = await startLocal({ pipeline, telemetry: createTally(pipeline), broker });
      try {
        await replay(runtime, { input: readInput(READINGS, {}) });
      } finally {
        await runtime.close();
        await stopPublishing();
      }
      const [read] = await client.fetch(PUBLISHED, new Map([[0, 0]]), 10_000_000);
      return read?.records.map(({ value }) => String(value)) ?? [];
    } finally {
      await client.close();
    }
  } finally {
    await server.close();
  }
}

if (isStarted(import.meta.url)) {
  const published = await main();
  for (const pane of published.slice(-5)) {
    const { key, index, results } = JSON.parse(pane);
    console.log(`${key} ${index}: mean ${results.mean.toFixed(2)}, from ${results.min} to ${results.max} °C`);
  }
  console.log(`${published.length} panes on topic ${PUBLISHED}; the last five are above`);
}
