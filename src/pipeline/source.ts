import type { DynamoDBSource } from './sources/dynamodb.ts';
import type { KafkaSource } from './sources/kafka.ts';
import type { KinesisSource } from './sources/kinesis.ts';
import type { PanesSource } from './sources/panes.ts';
import type { RabbitSource } from './sources/rabbitmq.ts';
import type { QueueSource } from './sources/sqs.ts';

/**
 * Where a pipeline's records come from, and what type they have when its windows see them.
 *
 * Whatever settles the type of a record is an argument before the options that are typed by it, as TypeScript
 * does not infer the members of one object literal from each other.
 */
export type Source<Rec> =
  | KinesisSource<Rec>
  | QueueSource<Rec>
  | KafkaSource<Rec>
  | RabbitSource<Rec>
  | DynamoDBSource<Rec>
  | PanesSource<Rec>;
