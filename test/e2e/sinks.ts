import { appendFileSync, existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { flights } from '../../functions/flights/pipeline.ts';
import { bucket, notify, type Pipeline, sink, stream } from '../../src/index.ts';
import { connect, disconnect } from '../../src/local/resources.ts';
import { startServers } from '../../src/local/servers/servers.ts';
import { connectQueues, createQueue } from '../../src/local/sources/sqs.ts';
import { drain, recordsOf } from '../adapters/contract-outlets.ts';

/** A pane as a message has it. */
interface Sent {
  readonly id: string;
  readonly key: string;
  readonly start: string;
  readonly window: string;
}

const DELIVERED = 'delivered.ndjson';

/** The panes that the sinks take. */
export const isSelected = ({ window }: Pick<Sent, 'window'>): boolean => window === 'hourly';

/** The pipeline of flights with sinks that send messages, and one whose author writes into a file. */
export const sending = (dataDirectory: string): Pipeline => ({
  ...flights,
  sinks: [
    bucket(),
    notify({ name: 'alerts', to: 'sns-fifo', when: isSelected }),
    stream({ name: 'work', to: 'sqs-fifo', when: isSelected }),
    stream({ name: 'hop', to: 'kinesis', when: isSelected }),
    sink({
      name: 'own',
      when: isSelected,
      deliver(panes, { ids }) {
        const lines = panes.map((pane, at) => JSON.stringify({ ...(pane as object), id: ids[at] }));
        appendFileSync(join(dataDirectory, DELIVERED), `${lines.join('\n')}\n`);
      },
    }),
  ],
});

/** Reads what the sinks have sent of the runs that a directory keeps, in the order in which it came. */
export async function sentIn(dataDirectory: string): Promise<Readonly<Record<string, readonly Sent[]>>> {
  const { endpoints, close } = await startServers({ dataDirectory });
  const queues = connectQueues(endpoints.s3);
  const clients = connect(endpoints);
  const ofQueue = async (sink: string) =>
    drain(queues, await createQueue(queues, `flights-to-${sink}.fifo`, true));
  try {
    const received = {
      alerts: await ofQueue('alerts'),
      work: await ofQueue('work'),
      hop: await recordsOf(clients.kinesis, 'flights-to-hop'),
      own: linesOf(join(dataDirectory, DELIVERED)).map((body) => ({ body })),
    };
    return Object.fromEntries(
      Object.entries(received).map(([name, all]) => [name, all.map(({ body }) => JSON.parse(body))]),
    );
  } finally {
    queues.destroy();
    disconnect(clients);
    await close();
  }
}

const linesOf = (path: string): readonly string[] =>
  existsSync(path)
    ? readFileSync(path, 'utf8')
        .split('\n')
        .filter((line) => line !== '')
    : [];
