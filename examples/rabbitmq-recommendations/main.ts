import { fileURLToPath } from 'node:url';
import { paneLines } from '../../src/commands/panes.ts';
import { createTally } from '../../src/commands/tally.ts';
import { replay } from '../../src/local/replay.ts';
import { startLocal } from '../../src/local/runtime.ts';
import { type RabbitmqServer, startRabbitmq } from '../../src/local/servers/index.ts';
import { recommendations } from './pipeline.ts';
import { produce } from './producer.ts';

type Viewed = NonNullable<typeof recommendations.pane>;

interface Recommended {
  /** The last pane of each category and ten minutes: those before it are revised. */
  readonly panes: readonly Viewed[];
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
      const { applied, poison } = await replay(runtime, { input: nothing() });
      const last = new Map<string, Viewed>();
      for await (const line of paneLines(runtime.s3, runtime.names.bucket)) {
        const pane: Viewed = JSON.parse(line);
        const window = `${pane.key} ${pane.start}`;
        if (pane.revision >= (last.get(window)?.revision ?? 0)) last.set(window, pane);
      }
      return { panes: [...last.values()], applied, poison };
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
  for (const { key, start, results } of panes) {
    const products = results?.most.map(({ value }) => value).join(', ');
    console.log(`${start} ${key.padEnd(6)} ${results?.views} views; most: ${products}`);
  }
  console.log(`${applied} views counted, ${poison} refused and kept`);
}
