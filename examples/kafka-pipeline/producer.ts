import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import kafkajs from 'kafkajs';
import type { Order } from './pipeline.ts';

const ORDERS = new URL('orders.ndjson', import.meta.url);

/**
 * Sends the orders to topic `orders`, twenty at a time. It knows nothing of who reads them: it partitions by the
 * shop, so that the orders of a shop stay in order, and a request that it repeats puts no order twice.
 *
 * @param onSent called after each twenty
 */
export async function produce(
  broker: string,
  onSent: (sent: number) => Promise<void> = async () => {},
): Promise<number> {
  const kafka = new kafkajs.Kafka({
    brokers: [broker],
    logLevel: kafkajs.logLevel.NOTHING,
    // It outlasts a cluster that is gone for a while.
    retry: { maxRetryTime: 1_000, retries: Number.MAX_SAFE_INTEGER },
  });
  const producer = kafka.producer({
    idempotent: true,
    maxInFlightRequests: 1,
    createPartitioner: kafkajs.Partitioners.DefaultPartitioner,
  });
  await producer.connect();
  try {
    const lines = readFileSync(ORDERS, 'utf8').trim().split('\n');
    for (let at = 0; at < lines.length; at += 20) {
      const messages = lines.slice(at, at + 20).map((value) => {
        const { shop }: Order = JSON.parse(value);
        return { key: shop, value };
      });
      await producer.send({ topic: 'orders', messages });
      await onSent(at + messages.length);
    }
    return lines.length;
  } finally {
    await producer.disconnect();
  }
}

const [, script, broker] = process.argv;
if (script === fileURLToPath(import.meta.url) && broker) {
  console.log(`${await produce(broker)} orders sent`);
}
