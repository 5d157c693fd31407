import kafkajs, { type Producer } from 'kafkajs';
import type { Pane } from 'millrace';

let connected: Promise<Producer> | undefined;

/** Connects to the brokers that the environment names, such as `KAFKA_BROKERS=b-1:9092,b-2:9092`, and stays connected. */
async function connect(): Promise<Producer> {
  const { KAFKA_BROKERS = 'localhost:9092' } = process.env;
  const kafka = new kafkajs.Kafka({ brokers: KAFKA_BROKERS.split(','), logLevel: kafkajs.logLevel.NOTHING });
  const producer = kafka.producer({
    idempotent: true,
    maxInFlightRequests: 1,
    createPartitioner: kafkajs.Partitioners.DefaultPartitioner,
  });
  await producer.connect();
  return producer;
}

/**
 * Returns what publishes panes onto a topic, as lines of JSON. Those of one key stay in order, as they share its
 * partition.
 *
 * Where it throws, a sink is given the same panes again, so each is sent at least once: whoever reads the topic drops
 * what has an id that it has seen, which is the same however often the pane is sent.
 */
export const publishTo = (topic: string) => async (panes: readonly Pane[]) => {
  connected ??= connect();
  const producer = await connected.catch((error) => {
    connected = undefined;
    throw error;
  });
  const messages = panes.map((pane) => ({
    key: pane.key,
    value: JSON.stringify(pane),
    headers: { id: pane.id },
  }));
  await producer.send({ topic, messages });
};

/** Lets go of the connection, for a program that ends. */
export async function stopPublishing(): Promise<void> {
  await (await connected)?.disconnect();
  connected = undefined;
}
