import { fileURLToPath } from 'node:url';
import { paneLines } from '../../src/commands/panes.ts';
import { createTally } from '../../src/commands/tally.ts';
import { replay } from '../../src/local/replay.ts';
import { startLocal } from '../../src/local/runtime.ts';
import { type KafkaServer, startKafka } from '../../src/local/servers/index.ts';
import { sales } from './pipeline.ts';
import { produce } from './producer.ts';

/**
 * Runs all four together: a producer sends to a cluster, from which a consumer, the stand-in for Lambda's event
 * source mapping, reads while orders still come, and hands batches to the processor.
 *
 * @param meanwhile called with the cluster once the consumer reads from it
 * @returns the panes that the processor wrote, as lines of JSON
 */
export async function main(
  meanwhile: (cluster: KafkaServer) => Promise<unknown> = ({ broker }) => produce(broker),
): Promise<readonly string[]> {
  const cluster = await startKafka();
  try {
    const { broker } = cluster;
    const runtime = await startLocal({
      pipeline: sales,
      telemetry: createTally(sales),
      broker,
      batchSize: 25,
    });
    try {
      await meanwhile(cluster);
      // There is no input but what the topic holds: this waits for it, and closes the windows that are open.
      await replay(runtime, { input: nothing() });
      const panes: string[] = [];
      for await (const pane of paneLines(runtime.s3, runtime.names.bucket)) panes.push(pane);
      return panes;
    } finally {
      await runtime.close();
    }
  } finally {
    await cluster.close();
  }
}

async function* nothing() {}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  for (const line of await main()) {
    const { key, start, results } = JSON.parse(line);
    console.log(`${start} ${key.padEnd(5)} ${results.orders} orders, ${results.cents / 100} €`);
  }
}
