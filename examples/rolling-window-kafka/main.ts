import { fileURLToPath } from 'node:url';
import { paneLines } from '../../src/commands/panes.ts';
import { createTally } from '../../src/commands/tally.ts';
import { readInput } from '../../src/local/input.ts';
import { replay } from '../../src/local/replay.ts';
import { startLocal } from '../../src/local/runtime.ts';
import { connectKafka, startKafka } from '../../src/local/servers/index.ts';
import { machines } from './pipeline.ts';
import { publish } from './publish.ts';

const READINGS = fileURLToPath(new URL('readings.ndjson', import.meta.url));
const PUBLISHED = 'last-ten';

/**
 * Sends the readings to a topic, takes them in by the handler that runs in Lambda, and publishes each pane of the
 * bucket onto another topic.
 *
 * @returns what a reader finds on that topic
 */
export async function main(): Promise<readonly string[]> {
  const server = await startKafka();
  try {
    const { broker } = server;
    const runtime = await startLocal({ pipeline: machines, telemetry: createTally(machines), broker });
    const panes: string[] = [];
    try {
      await replay(runtime, { input: readInput(READINGS, {}) });
      for await (const pane of paneLines(runtime.s3, runtime.names.bucket)) panes.push(pane);
    } finally {
      await runtime.close();
    }
    const client = await connectKafka(broker);
    try {
      await client.createTopic(PUBLISHED, 1);
      await publish(broker, PUBLISHED, panes);
      const [read] = await client.fetch(PUBLISHED, new Map([[0, 0]]), 10_000_000);
      return read?.records.map(({ value }) => String(value)) ?? [];
    } finally {
      await client.close();
    }
  } finally {
    await server.close();
  }
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const published = await main();
  for (const pane of published.slice(-5)) console.log(pane);
  console.log(`${published.length} panes on topic ${PUBLISHED}; the last five are above`);
}
