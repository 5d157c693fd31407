import { randomUUID } from 'node:crypto';
import { KinesisClient } from '@aws-sdk/client-kinesis';
import { GetQueueUrlCommand, SQSClient } from '@aws-sdk/client-sqs';
import { clientOf } from '../adapters/aws/client.ts';
import type { KafkaClient, RabbitmqClient, RabbitmqMessage, SentRecord } from '../local/servers/index.ts';
import { serversPackage } from '../local/servers-package.ts';
import { byKind } from '../pipeline/kinds.ts';
import type { Pipeline } from '../pipeline/pipeline.ts';
import { kinesisSender } from '../producer/kinesis.ts';
import type { OutgoingRecord, Parcel, Sender } from '../producer/sender.ts';
import { sqsSender } from '../producer/sqs.ts';

/** Where records go. */
export type Target =
  | { readonly kind: 'stream'; readonly stream: string }
  | { readonly kind: 'queue'; readonly url: string }
  | { readonly kind: 'named queue'; readonly name: string }
  | { readonly kind: 'topic'; readonly broker: string; readonly topic: string }
  /** The URL of the broker may hold a password, and is not shown. */
  | { readonly kind: 'amqp queue'; readonly url: string; readonly host: string; readonly queue: string };

const FORMS =
  'stream:<name>, the ARN of a stream, queue:<name>, the URL of a queue, kafka://<host>:<port>/<topic> or amqp://<host>:<port>/<queue>';

const withoutPassword = (text: string): string => text.replace(/(?<=:\/\/).*@/, '');

/** Says whether a text is meant as a target, and not as the name of a pipeline or the path of one. */
export const isTarget = (text: string): boolean => /^(?:arn|stream|queue|https?|kafka|amqps?):/.test(text);

/** @throws RangeError when the text has no form of a target */
export function targetOf(text: string): Target {
  const [, stream] = /^(?:stream:([\w.-]{1,128}))$/.exec(text) ?? [];
  if (stream !== undefined) return { kind: 'stream', stream };
  if (/^arn:aws[a-z-]*:kinesis:[^:]+:\d{12}:stream\/[\w.-]{1,128}$/.test(text))
    return { kind: 'stream', stream: text };
  if (/^https?:\/\/[^/]+\/.+$/.test(text)) return { kind: 'queue', url: text };
  const [, name] = /^queue:([\w-]{1,80}|[\w-]{1,75}\.fifo)$/.exec(text) ?? [];
  if (name !== undefined) return { kind: 'named queue', name };
  const [, broker, topic] = /^kafka:\/\/([^/]+:\d+)\/([\w.-]{1,249})$/.exec(text) ?? [];
  if (broker !== undefined && topic !== undefined) return { kind: 'topic', broker, topic };
  if (/^amqps?:\/\/[^/]+\/[^/?#]+$/.test(text) && URL.canParse(text)) {
    const { host, pathname } = new URL(text);
    const url = text.slice(0, text.lastIndexOf('/'));
    return { kind: 'amqp queue', url, host, queue: decodeURIComponent(pathname.slice(1)) };
  }
  throw new RangeError(`Cannot send to "${withoutPassword(text)}" as a target must be ${FORMS}`);
}

/**
 * Returns the source of a pipeline as a target, by the name that it has in a local run.
 *
 * @throws RangeError when only its owner knows where the source is
 */
export function targetOfPipeline({ name, source }: Pipeline): Target {
  const unknown = (what: string): never => {
    throw new RangeError(`Cannot send to "${name}" without --to as its definition does not say ${what}`);
  };
  return byKind<Pipeline['source'], Target>(source, {
    kinesis: ({ stream }) => ({ kind: 'stream', stream: 'arn' in stream ? stream.arn : name }),
    sqs: () => ({ kind: 'named queue', name }),
    fifo: () => ({ kind: 'named queue', name: `${name}.fifo` }),
    kafka: () => unknown('where a broker listens: kafka://<host>:<port>/<topic>'),
    dynamodb: () => unknown('where records can be sent: its records are the changes of a table'),
    rabbitmq: () => unknown('where a broker listens: amqp://<host>:<port>/<queue>'),
    panes: ({ of }) =>
      unknown(
        `where records can be sent: its records are the panes of "${of.name}", which takes records itself`,
      ),
  });
}

/** A sender, and what closes it. */
export interface OpenTarget {
  readonly sender: Sender;
  close(): Promise<void>;
}

/**
 * Opens a target. The environment says where AWS is and who asks, as it does for the AWS CLI.
 *
 * @param slices into how many slices the hash keys of a stream are cut
 * @param run tells the deduplication ids of this command from those of all others
 */
export async function openTarget(target: Target, slices: number, run: string): Promise<OpenTarget> {
  const once = { maxAttempts: 1 };
  switch (target.kind) {
    case 'stream': {
      const client = clientOf(KinesisClient, once);
      const close = async () => client.destroy();
      return { sender: erased(kinesisSender(client, target.stream, slices)), close };
    }
    case 'queue':
    case 'named queue': {
      // Where the queue was found, there it is written to: its URL may name a host that a server of this machine
      // has not. A URL that was given names the host itself.
      const settings =
        target.kind === 'queue'
          ? { ...once, endpoint: new URL(target.url).origin }
          : { ...once, useQueueUrlAsEndpoint: false };
      const client = clientOf(SQSClient, settings);
      const url = target.kind === 'queue' ? target.url : await urlOf(client, target.name);
      const close = async () => client.destroy();
      return { sender: erased(sqsSender(client, url, run)), close };
    }
    case 'amqp queue': {
      const { connectRabbitmq } = await serversPackage();
      const client = await connectRabbitmq(target.url);
      const close = () => client.close();
      // A message to a queue that is not there would be dropped without a word.
      if (await client.has(target.queue)) return { sender: erased(amqpSender(client, target.queue)), close };
      await close();
      throw new Error(`Cannot send to queue ${target.queue} as it must be there: it is not`);
    }
    case 'topic': {
      const { connectKafka } = await serversPackage();
      const client = await connectKafka(target.broker);
      const close = () => client.close();
      try {
        return { sender: erased(await topicSender(client, target.topic)), close };
      } catch (error) {
        await close();
        throw error;
      }
    }
  }
}

/** How many messages a broker of RabbitMQ is asked to write down at once. */
const AMQP_MESSAGES = 1_000;

interface AmqpParcel extends Parcel {
  readonly messages: readonly RabbitmqMessage[];
}

/**
 * Sends to a queue of RabbitMQ, which is one lane, as a queue has one order. The id of a record is the message's id, by
 * which a pipeline knows a message that comes again.
 */
function amqpSender(client: RabbitmqClient, queue: string): Sender<AmqpParcel> {
  return {
    target: `queue ${queue}`,
    maxParcels: 1,
    maxBytes: Number.POSITIVE_INFINITY,
    parcelBytes: TOPIC_PARCEL_BYTES,
    maxRecordBytes: 1_048_576,
    bytesOf: ({ data }) => data.length,
    laneOf: () => queue,
    open() {
      const messages: RabbitmqMessage[] = [];
      let bytes = 0;
      return {
        messages,
        get bytes() {
          return bytes;
        },
        add({ data, id }) {
          const isFull = messages.length === AMQP_MESSAGES || bytes + data.length > TOPIC_PARCEL_BYTES;
          if (messages.length > 0 && isFull) return false;
          messages.push({ id: id ?? randomUUID(), body: data });
          bytes += data.length;
          return true;
        },
      };
    },
    // The client itself sends again what is not confirmed.
    async send(parcels) {
      for (const { messages } of parcels) await client.publish(queue, messages);
      return parcels.map(() => 'taken' as const);
    },
  };
}

/** A producer gives a sender back only the parcels that the sender itself has opened. */
const erased = <Sent extends Parcel>(sender: Sender<Sent>): Sender => sender as unknown as Sender;

async function urlOf(client: SQSClient, name: string): Promise<string> {
  try {
    const { QueueUrl = '' } = await client.send(new GetQueueUrlCommand({ QueueName: name }));
    return QueueUrl;
  } catch (cause) {
    throw new Error(
      `Cannot send to queue ${name} as it must be there: ${(cause as Error).message || (cause as Error).name}`,
      { cause },
    );
  }
}

/** How many bytes of records one request to a broker has for each partition. */
const TOPIC_PARCEL_BYTES = 250_000;

interface TopicParcel extends Parcel {
  readonly records: readonly SentRecord[];
}

/** Sends to a topic of Kafka, whose partitions are lanes: those that a producer of Apache Kafka would choose. */
async function topicSender(client: KafkaClient, topic: string): Promise<Sender<TopicParcel>> {
  const described = await client.describe(topic);
  if (described === undefined)
    throw new Error(`Cannot send to topic ${topic} as it must be there: it is not`);
  const { partitions } = described;
  const bytesOf = ({ key, data }: OutgoingRecord) => Buffer.byteLength(key) + data.length;
  return {
    target: `topic ${topic}`,
    maxParcels: partitions.length,
    maxBytes: Number.POSITIVE_INFINITY,
    parcelBytes: TOPIC_PARCEL_BYTES,
    // A broker's own bound is 1,048,588 bytes with what stands around a record.
    maxRecordBytes: 1_048_000,
    bytesOf,
    laneOf: (key) => client.partitionOf(key, partitions),
    open(lane) {
      const records: SentRecord[] = [];
      let bytes = 0;
      return {
        records,
        get bytes() {
          return bytes;
        },
        add(record) {
          if (records.length > 0 && bytes + bytesOf(record) > TOPIC_PARCEL_BYTES) return false;
          records.push({ partition: lane as number, key: record.key, value: record.data });
          bytes += bytesOf(record);
          return true;
        },
      };
    },
    async send(parcels) {
      try {
        await client.send(
          topic,
          parcels.flatMap(({ records }) => records),
        );
        return parcels.map(() => 'taken' as const);
      } catch (error) {
        return parcels.map(() => ({ again: (error as Error).name }));
      }
    },
  };
}
