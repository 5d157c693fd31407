import kafkajs from 'kafkajs';

/** The parts of a pane by which it is published. */
interface Published {
  readonly id: string;
  readonly key: string;
}

/**
 * Publishes panes, as lines of JSON, onto a topic. Those of one key stay in order, as they share its partition.
 *
 * Each is sent at least once: whoever reads the topic drops what has an id that it has seen, which is the same
 * however often the pane is sent.
 */
export async function publish(broker: string, topic: string, panes: readonly string[]): Promise<void> {
  const kafka = new kafkajs.Kafka({ brokers: [broker], logLevel: kafkajs.logLevel.NOTHING });
  const producer = kafka.producer({ createPartitioner: kafkajs.Partitioners.DefaultPartitioner });
  await producer.connect();
  try {
    const messages = panes.map((pane) => {
      const { id, key }: Published = JSON.parse(pane);
      return { key, value: pane, headers: { id } };
    });
    await producer.send({ topic, messages });
  } finally {
    await producer.disconnect();
  }
}
