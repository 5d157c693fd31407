import { createRequire } from 'node:module';
import { resolve } from 'node:path';
import { fileURLToPath } from 'node:url';

export { type KafkaServer, kafkaLacks, startKafka } from './kafka.ts';
export {
  connectKafka,
  type KafkaClient,
  type SentRecord,
  type Topic,
  type TopicRecord,
} from './kafka-client.ts';
export { sentTo } from './queues.ts';
export { type RabbitmqServer, rabbitmqLacks, startRabbitmq } from './rabbitmq.ts';
export {
  connectRabbitmq,
  type RabbitmqClient,
  type RabbitmqDelivery,
  type RabbitmqMessage,
} from './rabbitmq-client.ts';
export { type LocalServers, startServers, startServersBeside } from './servers.ts';
export { readWebSocket } from './websocket.ts';

const { resolve: entryOf } = createRequire(import.meta.url);

/** A sample pipeline, by the folder that holds it, and real records for it. */
export const sample = {
  pipeline: fileURLToPath(new URL('../../../functions/flights', import.meta.url)),
  records: resolve(entryOf('vega-datasets'), '../../data/flights-20k.json'),
};
