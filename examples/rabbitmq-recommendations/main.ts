import { fileURLToPath } from 'node:url';
import { paneLines } from '../../src/commands/panes.ts';
import { createTally } from '../../src/commands/tally.ts';
import { replay } from '../../src/local/replay.ts';
import { startLocal } from '../../src/local/runtime.ts';
import { type RabbitmqServer, startRabbitmq } from '../../src/local/servers/index.ts';
import { recommendations } from './pipeline.ts';
import { produce } from './producer.ts';

interface Recommended {
  /** The panes that the pipeline wrote, as lines of JSON. */
  readonly panes: readonly string[];
  /** How many views were counted, and how many were refused and kept. */
  readonly applied: number;
  readonly poison: number;
}

/**
 * Runs a broker, a producer, and a consumer, which stands in for Lambda's event source mapping: it hands batches to
 * the pipeline's handler, and acknowledges each once the handler has answered.
 *
 * @param meanwhile called with the broker once the consumer reads from it
 */
export async function main(
  meanwhile: (broker: RabbitmqServer) => Promise<unknown> = ({ url }) => produce(url),
): Promise<Recommended> {
  const broker = await startRabbitmq();
  try {
    const runtime = await startLocal({
      pipeline: recommendations,
      telemetry: createTally(recommendations),
      broker: broker.url,
      batchSize: 25,
    });
    try {
      await meanwhile(broker);
      // There is no input but what the queue holds: this waits for it, and closes the windows that are open.
      const { applied, poison } = await replay(runtime, { pipeline: recommendations, input: nothing() });
      const panes: string[] = [];
      for await (const pane of paneLines(runtime.s3, runtime.names.bucket)) panes.push(pane);
      return { panes, applied, poison };
    } finally {
      await runtime.close();
    }
  } finally {
    await broker.close();
  }
}

async function* nothing() {}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const { panes, applied, poison } = await main();
  for (const line of panes) {
    const { key, start, results } = JSON.parse(line);
    const products = results.most.map(({ value }: { value: string }) => value).join(', ');
    console.log(`${start} ${key.padEnd(6)} ${results.views} views; most: ${products}`);
  }
  console.log(`${applied} views counted, ${poison} refused and kept`);
}
