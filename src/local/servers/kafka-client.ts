import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import kafkajs, {
  type ISocketFactory,
  type Kafka,
  type Message,
  type Producer,
  type RecordMetadata,
} from 'kafkajs';
import Cluster, { type Broker } from 'kafkajs/src/cluster/index.js';
import Batch from 'kafkajs/src/consumer/batch.js';
import plainSockets from 'kafkajs/src/network/socketFactory.js';
import Decoder from 'kafkajs/src/protocol/decoder.js';
import Encoder from 'kafkajs/src/protocol/encoder.js';
import createRetry from 'kafkajs/src/retry/index.js';
import { openTogether } from '../closing.ts';
import { lineOf } from '../failure.ts';

/** A record as a topic holds it. */
export interface TopicRecord {
  readonly offset: number;
  readonly timestamp: number;
  readonly timestampType: 'CREATE_TIME' | 'LOG_APPEND_TIME';
  readonly key: Buffer | null;
  readonly value: Buffer | null;
}

/** What was read of a partition: its next records, and the offset to read from next. */
interface Fetched {
  readonly partition: number;
  readonly records: readonly TopicRecord[];
  readonly next: number;
}

/** A record to be sent. Without a timestamp it has the time of this machine. */
export interface SentRecord {
  readonly partition: number;
  readonly key: string;
  readonly value: Uint8Array | null;
  readonly timestamp?: number;
}

export interface Topic {
  /** It is another one when a topic is deleted and made again under its name. */
  readonly id: string;
  readonly clusterId: string;
  readonly partitions: readonly number[];
}

/** Reads and writes topics. Offsets are the caller's: it joins no group, and the broker keeps nothing of it. */
export interface KafkaClient {
  /** Creates a topic unless it exists, and waits until each of its partitions has a leader. */
  createTopic(topic: string, partitions: number): Promise<void>;
  /** Adds partitions until a topic has so many, and waits until each has a leader. */
  addPartitions(topic: string, partitions: number): Promise<void>;
  deleteTopic(topic: string): Promise<void>;
  /** Returns undefined where there is no such topic. */
  describe(topic: string): Promise<Topic | undefined>;
  /**
   * Reads the records that a topic holds from an offset of each partition on, without waiting for any.
   *
   * A partition that has no leader for a moment, as its broker was started or it is new, is waited for.
   *
   * @throws Error where the topic has no such offset, or the broker cannot be reached
   */
  fetch(topic: string, from: ReadonlyMap<number, number>, maxBytes: number): Promise<readonly Fetched[]>;
  /** Returns, for each partition, the offset of the oldest record that is kept, and that of the next record. */
  bounds(topic: string): Promise<ReadonlyMap<number, { readonly first: number; readonly end: number }>>;
  /**
   * Sends records in order, each once, and returns the offset of the last one by partition. A broker that is down is
   * waited for until the client is closed.
   */
  send(topic: string, records: readonly SentRecord[]): Promise<ReadonlyMap<number, number>>;
  /** Returns the partition that a producer of Apache Kafka would choose for a key. */
  partitionOf(key: string, partitions: readonly number[]): number;
  close(): Promise<void>;
}

/**
 * Makes the sockets of kafkajs, which disconnects a closed one again and again while the broker is down. Each time adds
 * a listener, of which Node.js would warn as of a leak; they are dropped with the socket.
 */
export const socketFactory: ISocketFactory = (options) => plainSockets()(options).setMaxListeners(0);

const CLIENT = { clientId: 'millrace-local', connectionTimeout: 10_000 } as const;

/** A broker that is started again is waited for, for a minute. */
const PATIENCE = { maxRetryTime: 1_000, retries: 60 } as const;

/** How a broker is asked until it has heard of what its controller did: within milliseconds, or for some 50 s. */
const CHECKS = { ...PATIENCE, initialRetryTime: 20 } as const;

/** What passes by itself in a cluster that runs is waited for, for some 10 s; the callers ask again after that. */
const MOMENT = { maxRetryTime: 1_000, retries: 15, initialRetryTime: 20 } as const;

/** How often kafkajs tries to send, in some 2 s, before it is looked whether the client is closed. */
const BETWEEN_LOOKS = { maxRetryTime: 1_000, retries: 3 } as const;

/** How long metadata is taken to hold, in milliseconds; an error has it read again at once. */
const METADATA_AGE = 5_000;

/** @throws Error when no broker can be reached at the address */
export const openKafkaClient = (broker: string): Promise<KafkaClient> =>
  openTogether(async (onClose) => {
    const settings = { ...CLIENT, brokers: [broker], socketFactory, logLevel: kafkajs.logLevel.NOTHING };
    const kafka = new kafkajs.Kafka({ ...settings, retry: PATIENCE });
    const sender = new kafkajs.Kafka({ ...settings, retry: BETWEEN_LOOKS });
    await checkListens(broker);
    const admin = kafka.admin({ retry: PATIENCE });
    await admin.connect();
    onClose(() => admin.disconnect());
    const reader = readerOf(kafka, broker);
    onClose(() => reader.disconnect());
    await reader.connect();
    await reader.refreshMetadata();
    const choose = kafkajs.Partitioners.DefaultPartitioner();
    const look = async (topic: string): Promise<LedTopic | undefined> =>
      describedBy(await reader.brokerPool.findConnectedBroker(), topic);
    const describe = async (topic: string): Promise<Topic | undefined> => {
      const found = await look(topic);
      return found && { ...found, partitions: found.partitions.map(({ partition }) => partition) };
    };
    const untilLed = (topic: string, count: number): Promise<void> =>
      until(
        `Cannot use topic ${topic} as each of its partitions must have a leader: some have none`,
        async () => {
          const { partitions = [] } = (await look(topic)) ?? {};
          return partitions.length >= count && partitions.every(({ isLed }) => isLed);
        },
      );
    const producers = new Map<string, { readonly producer: Producer; readonly partitions: number }>();
    const closing = new AbortController();
    const sendings = new Set<Promise<unknown>>();
    onClose(async () => {
      closing.abort();
      // What still sends would connect again, and keep the process alive.
      await Promise.allSettled(sendings);
      await Promise.all([...producers.values()].map(({ producer }) => producer.disconnect()));
    });
    /** Returns the producer of a topic, made anew for partitions that it has not heard of: it would drop their records. */
    const producerFor = async (topic: string, partition: number): Promise<Producer> => {
      const made = producers.get(topic);
      if (made && partition < made.partitions) return made.producer;
      await made?.producer.disconnect();
      const found = await describe(topic);
      const producer = sender.producer({
        // A request that is repeated puts no record twice.
        idempotent: true,
        maxInFlightRequests: 1,
        retry: BETWEEN_LOOKS,
        allowAutoTopicCreation: false,
        createPartitioner: kafkajs.Partitioners.DefaultPartitioner,
      });
      await producer.connect();
      producers.set(topic, { producer, partitions: found?.partitions.length ?? 0 });
      return producer;
    };
    /** Sends the same again, which puts no record twice, until a broker takes it or the client is closed. */
    const sendUntilClosed = async (
      topic: string,
      messages: PartitionMessage[],
    ): Promise<RecordMetadata[]> => {
      const partition = Math.max(...messages.map(({ partition }) => partition));
      for (;;) {
        try {
          return await (await producerFor(topic, partition)).send({ topic, messages });
        } catch (error) {
          if (closing.signal.aborted || !isOutage(error)) throw error;
        }
      }
    };

    return {
      async createTopic(topic, partitions) {
        await admin.createTopics({
          topics: [{ topic, numPartitions: partitions, replicationFactor: -1 }],
          // kafkajs throws where the broker has not heard of the topic yet.
          waitForLeaders: false,
        });
        // A topic that was there may have fewer partitions.
        await untilLed(topic, 1);
      },
      async addPartitions(topic, partitions) {
        await admin.createPartitions({ topicPartitions: [{ topic, count: partitions }] });
        await untilLed(topic, partitions);
      },
      async deleteTopic(topic) {
        await admin.deleteTopics({ topics: [topic] });
        reader.targetTopics.delete(topic);
        await until(
          `Cannot delete topic ${topic} as the broker must forget it: it is still there`,
          async () => (await look(topic)) === undefined,
        );
      },
      describe,
      async fetch(topic, from, maxBytes) {
        return askLeaders(reader, topic, () => fetchFrom(reader, topic, from, maxBytes));
      },
      async bounds(topic) {
        return askLeaders(reader, topic, () => boundsOf(reader, topic));
      },
      async send(topic, records) {
        if (records.length === 0) return new Map();
        const messages = records.map(({ value, timestamp, ...record }) => ({
          ...record,
          value: value && Buffer.from(value),
          ...(timestamp === undefined ? {} : { timestamp: String(timestamp) }),
        }));
        const sending = sendUntilClosed(topic, messages);
        sendings.add(sending);
        const answers = await sending.finally(() => sendings.delete(sending));
        const taken = new Set(answers.map(({ partition }) => partition));
        if (records.some(({ partition }) => !taken.has(partition))) {
          throw new Error(
            `Cannot send to topic ${topic} as all partitions must take their records: some did not`,
          );
        }
        return new Map(
          answers.map(({ partition, baseOffset }) => {
            const sent = records.filter((record) => record.partition === partition);
            return [partition, Number(baseOffset) + sent.length - 1];
          }),
        );
      },
      partitionOf: (key, partitions) =>
        choose({
          topic: '',
          partitionMetadata: partitions.map((partitionId) => ({ ...ANY_PARTITION, partitionId, leader: 0 })),
          message: { key, value: null },
        }),
    };
  });

/** Waits until the broker has heard of what its controller did. @throws Error with this message after a minute */
const until = (message: string, isSo: () => Promise<boolean>): Promise<void> =>
  createRetry(CHECKS)(async () => {
    if (!(await isSo())) throw new Error(message);
  });

/** @throws Error when nothing listens at the address: a client would go on trying for long */
async function checkListens(broker: string): Promise<void> {
  const [, host, port] = /^(.+):(\d+)$/.exec(broker) ?? [];
  if (host === undefined) {
    throw new Error(`Cannot read Kafka as the address of its broker must be host:port: it is "${broker}"`);
  }
  let socket: Socket | undefined;
  try {
    socket = connect(Number(port), host);
    await once(socket, 'connect');
  } catch (cause) {
    throw new Error(`Cannot read Kafka as a broker must listen at ${broker}: ${lineOf(cause)}`, { cause });
  } finally {
    socket?.destroy();
  }
}

const ANY_PARTITION = { partitionErrorCode: 0, replicas: [], isr: [] };

const readerOf = (kafka: Kafka, broker: string): Cluster =>
  new Cluster({
    ...CLIENT,
    logger: kafka.logger(),
    socketFactory,
    brokers: [broker],
    metadataMaxAge: METADATA_AGE,
    allowAutoTopicCreation: false,
    maxInFlightRequests: null,
    retry: { retries: 1 },
  });

/**
 * Asks the leaders of a topic's partitions, and again by new metadata where that helps. A broker says for a moment that
 * it does not lead a partition, or has not heard of its topic, after metadata has said that it leads it.
 */
export function askLeaders<Answer>(
  reader: Pick<Cluster, 'addTargetTopic' | 'targetTopics'>,
  topic: string,
  ask: () => Promise<Answer>,
): Promise<Answer> {
  let isSecond = false;
  return createRetry(MOMENT)(async (bail) => {
    try {
      await reader.addTargetTopic(topic);
      return await ask();
    } catch (error) {
      // Metadata is read again for a topic that is added, and cannot be read as long as a deleted one is among them.
      reader.targetTopics.delete(topic);
      // The broker may have been started again: a connection that it has closed is opened again, once.
      if (isSecond && !isPassing(error)) bail(error as Error);
      isSecond = true;
      throw error;
    }
  });
}

/** A partition has no leader now. */
class LeaderlessError extends Error {}

const isPassing = (error: unknown): boolean =>
  error instanceof LeaderlessError ||
  error instanceof kafkajs.KafkaJSBrokerNotFound ||
  (error instanceof kafkajs.KafkaJSProtocolError && error.retriable);

type PartitionMessage = Message & { readonly partition: number };

/** Says whether kafkajs gave up what may pass: it wraps the cause of that in errors that must not be tried again. */
function isOutage(error: unknown): boolean {
  let root = error;
  while (root instanceof Error && root.cause !== undefined) root = root.cause;
  return root instanceof kafkajs.KafkaJSError && root.retriable;
}

const READ_COMMITTED = 1;

async function boundsOf(reader: Cluster, topic: string): ReturnType<KafkaClient['bounds']> {
  // A partition that another program has added is one of the topic's at once.
  await reader.refreshMetadata();
  const partitions = reader
    .findTopicPartitionMetadata(topic)
    .map(({ partitionId }) => ({ partition: partitionId }));
  const [ends] = await reader.fetchTopicsOffset([{ topic, partitions, fromBeginning: false }]);
  const [firsts] = await reader.fetchTopicsOffset([{ topic, partitions, fromBeginning: true }]);
  const first = new Map(firsts?.partitions.map(({ partition, offset }) => [partition, Number(offset)]));
  return new Map(
    ends?.partitions.map(({ partition, offset }) => [
      partition,
      { first: first.get(partition) ?? 0, end: Number(offset) },
    ]),
  );
}

async function fetchFrom(
  reader: Cluster,
  topic: string,
  from: ReadonlyMap<number, number>,
  maxBytes: number,
): Promise<readonly Fetched[]> {
  const leaders = Object.entries(reader.findLeaderForPartitions(topic, [...from.keys()]));
  const led = leaders.flatMap(([, partitions]) => partitions);
  if (led.length < from.size) {
    throw new LeaderlessError(
      `Cannot read topic ${topic} as each of its partitions must have a leader: ${from.size - led.length} have none`,
    );
  }
  const read = leaders.map(async ([nodeId, led]) => {
    const broker = await reader.findBroker({ nodeId });
    const partitions = led.map((partition) => ({
      partition,
      fetchOffset: String(from.get(partition)),
      maxBytes,
    }));
    const { responses } = await broker.fetch({
      isolationLevel: READ_COMMITTED,
      maxWaitTime: 0,
      maxBytes,
      topics: [{ topic, partitions }],
    });
    return responses.flatMap(({ partitions }) => partitions);
  });
  return (await Promise.all(read)).flat().map((fetched) => {
    const { partition } = fetched;
    const start = from.get(partition) as number;
    const batch = new Batch(topic, String(start), fetched);
    return {
      partition,
      records: batch.messages.map(({ offset, timestamp, key, value, batchContext }) => ({
        offset: Number(offset),
        timestamp: Number(timestamp),
        timestampType: batchContext?.timestampType === 1 ? 'LOG_APPEND_TIME' : 'CREATE_TIME',
        key,
        value,
      })),
      next: batch.isEmptyIncludingFiltered() ? start : Number(batch.lastOffset()) + 1,
    };
  });
}

/** A topic, and which of its partitions have a leader. */
interface LedTopic extends Omit<Topic, 'partitions'> {
  readonly partitions: readonly LedPartition[];
}

interface LedPartition {
  readonly partition: number;
  readonly isLed: boolean;
}

const METADATA = { apiKey: 3, apiVersion: 12, apiName: 'Metadata' };

/**
 * Asks a broker for a topic with its id, which the version of this request that kafkajs knows does not tell.
 * In this version the head of a request and of an answer ends with tagged fields.
 */
const describedBy = (broker: Broker, topic: string): Promise<LedTopic | undefined> =>
  broker.connectionPool.send({
    request: {
      ...METADATA,
      encode: async () =>
        new Encoder()
          .writeUVarInt(NO_TAGS)
          .writeUVarInt(COUNT + 1)
          .writeBuffer(Buffer.alloc(UUID_BYTES))
          .writeUVarIntString(topic)
          .writeUVarInt(NO_TAGS)
          .writeBoolean(false)
          .writeBoolean(false)
          .writeUVarInt(NO_TAGS),
    },
    response: { decode: async (bytes) => ({ topic: topicIn(bytes) }), parse: async ({ topic }) => topic },
  });

const NO_TAGS = 0;
const COUNT = 1;
const UUID_BYTES = 16;

function topicIn(bytes: Buffer): LedTopic | undefined {
  const decoder = new Decoder(bytes);
  decoder.readTaggedFields();
  decoder.readInt32();
  decoder.readUVarIntArray(() => {
    decoder.readInt32();
    decoder.readUVarIntString();
    decoder.readInt32();
    decoder.readUVarIntString();
    decoder.readTaggedFields();
  });
  const clusterId = decoder.readUVarIntString() ?? '';
  decoder.readInt32();
  const [found] =
    decoder.readUVarIntArray(() => {
      const error = decoder.readInt16();
      decoder.readUVarIntString();
      const id = decoder.readBytes(UUID_BYTES).toString('hex');
      decoder.readBoolean();
      const partitions = decoder.readUVarIntArray(() => partitionIn(decoder)) ?? [];
      return error === 0
        ? { id, clusterId, partitions: partitions.sort((a, b) => a.partition - b.partition) }
        : undefined;
    }) ?? [];
  return found;
}

function partitionIn(decoder: Decoder): LedPartition {
  const error = decoder.readInt16();
  const partition = decoder.readInt32();
  const leader = decoder.readInt32();
  decoder.readInt32();
  for (const _ of ['replicas', 'in sync', 'offline']) decoder.readUVarIntArray(() => decoder.readInt32());
  decoder.readTaggedFields();
  return { partition, isLed: error === 0 && leader !== NO_LEADER };
}

const NO_LEADER = -1;
