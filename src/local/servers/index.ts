import { createRequire } from 'node:module';
import { resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { KafkaClient } from './kafka-client.ts';
import type { RabbitmqClient } from './rabbitmq-client.ts';

export { type KafkaServer, kafkaLacks, startKafka } from './kafka.ts';
export type { KafkaClient, SentRecord, Topic, TopicRecord } from './kafka-client.ts';
export { pageHtml } from './page.ts';
export { sentTo } from './queues.ts';
export { type RabbitmqServer, rabbitmqLacks, startRabbitmq } from './rabbitmq.ts';
export type { RabbitmqClient, RabbitmqDelivery, RabbitmqMessage } from './rabbitmq-client.ts';
export { type LocalServers, startServers, startServersBeside } from './servers.ts';
export { readWebSocket } from './websocket.ts';

const { resolve: entryOf } = createRequire(import.meta.url);

/** Connects a client to a broker of RabbitMQ, whose library is loaded by then only. */
export const connectRabbitmq = async (url: string): Promise<RabbitmqClient> =>
  (await import('./rabbitmq-client.ts')).openRabbitmqClient(url);

/** Connects a client to a broker of Kafka. Its library is loaded by then only, which takes a quarter of a second. */
export const connectKafka = async (broker: string): Promise<KafkaClient> =>
  (await import('./kafka-client.ts')).openKafkaClient(broker);

/** A sample pipeline, by the folder that holds it, and real records for it. */
export const sample = {
  pipeline: fileURLToPath(new URL('../../../functions/flights', import.meta.url)),
  records: resolve(entryOf('vega-datasets'), '../../data/flights-20k.json'),
};
