import { existsSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { kafkaArrivals } from '../../adapters/kafka/arrivals.ts';
import type { KafkaEvent } from '../../adapters/kafka/records.ts';
import { millis } from '../../core/time.ts';
import type { Pipeline } from '../../pipeline/pipeline.ts';
import { MAPPINGS } from '../../wiring/mappings.ts';
import type { RunClock } from '../clock.ts';
import { openTogether } from '../closing.ts';
import { ShardMachine, type StreamItem, type StreamMapping } from '../mapping/stream.ts';
import { lanesOf } from '../over.ts';
import type { KafkaClient, Topic, TopicRecord } from '../servers/index.ts';
import { serversPackage } from '../servers-package.ts';
import { quoted } from '../shell.ts';
import { drain, outcomeOf, steadyTime } from './drain.ts';
import { MAX_SENT_BYTES, openTopicFeed } from './kafka-feed.ts';
import type { Handle, OpenSource } from './source.ts';

/** What stacks deploy, but batches are a tenth as large and gather for no time, as someone is watching. */
const MAPPING: StreamMapping = {
  ...MAPPINGS.kafka,
  batchSize: MAPPINGS.kafka.batchSize / 10,
  batchingWindow: millis('0s'),
};

/** How many bytes are fetched at once. */
const FETCH_BYTES = 4 * 1_048_576;

const POLL_MILLIS = 200;
const FIRST_RETRY_MILLIS = 50;
const LAST_RETRY_MILLIS = 5_000;

/**
 * A topic of a broker that belongs to the run, or of one that runs already. What it reads next is kept in the
 * data directory and nowhere else: it joins no consumer group.
 */
export const openKafka: OpenSource = ({
  pipeline,
  clock,
  dataDirectory,
  batchSize = MAPPING.batchSize,
  broker,
}) =>
  openTogether(async (onClose) => {
    const { connectKafka, startKafka } = await serversPackage();
    const directory = dataDirectory && join(dataDirectory, 'kafka');
    const server = broker === undefined ? await startKafka({ directory }) : undefined;
    if (server) onClose(server.close);
    const address = broker ?? (server?.broker as string);
    const client = await connectKafka(address);
    onClose(client.close);
    const topic = topicOf(pipeline);
    await client.createTopic(topic, lanesOf(pipeline.source));
    const found = await describe(client, topic);
    const checkpoint = openCheckpoint(dataDirectory, topic, found);
    const poller = new Poller({ client, topic, checkpoint, clock, batchSize });

    return {
      place: {
        service: 'Kafka',
        resource: `topic ${topic}`,
        endpoint: address,
        mostBytes: `${MAX_SENT_BYTES.toLocaleString('en')} with the key`,
        environment: { KAFKA_BROKER: address },
        commands: (last) => [
          ...(last
            ? [
                `printf '%s\\t%s\\n' ${quoted(last.partitionKey)} ${quoted(last.text)} | kafka-console-producer.sh --bootstrap-server ${address} --topic ${topic} --property parse.key=true`,
              ]
            : []),
          `kafka-topics.sh --bootstrap-server ${address} --describe --topic ${topic}`,
        ],
      },
      arrivals: kafkaArrivals({
        async latest(now) {
          const bounds = [...(await client.bounds(topic))];
          const lags = bounds.map(
            ([partition, { first, end }]) => end - Math.max(first, checkpoint.next(partition)),
          );
          return { value: lags.reduce((sum, lag) => sum + lag, 0), at: now };
        },
      }),
      async openFeed() {
        const feed = await openTopicFeed(client, topic, found.partitions);
        return {
          ...feed,
          get resumed() {
            return feed.resumed;
          },
          async flush() {
            await feed.flush();
            poller.wake();
          },
          handled: () => poller.reached(feed.ends),
        };
      },
      async put(key, value) {
        await client.send(topic, [{ partition: client.partitionOf(key, found.partitions), key, value }]);
        poller.wake();
      },
      async consume(handle, { onError }) {
        poller.start(handle, onError);
        return { stop: () => poller.stop() };
      },
    };
  });

/** The topic of a pipeline. Only a pipeline of a topic is opened here. */
const topicOf = ({ name, source }: Pipeline): string => ('topic' in source ? source.topic : name);

async function describe(client: KafkaClient, topic: string): Promise<Topic> {
  const found = await client.describe(topic);
  if (found) return found;
  throw new Error(`Cannot read topic ${topic} as it must exist: it was deleted`);
}

/** What a run is to read next of each partition of a topic. */
interface Checkpoint extends Pick<Topic, 'id' | 'clusterId'> {
  next(partition: number): number;
  /** Notes, for good, that everything before an offset is handled. */
  pass(partition: number, next: number): void;
}

const CHECKPOINT = 'kafka-offsets.json';

/**
 * Opens the checkpoint of a topic, which the data directory keeps.
 *
 * @throws Error when the topic is not the one that was read before: offsets of the two cannot be told apart
 */
function openCheckpoint(directory: string | undefined, topic: string, { id, clusterId }: Topic): Checkpoint {
  const file = directory && join(directory, CHECKPOINT);
  const kept: { id: string; clusterId: string; next: number[] } | undefined =
    file && existsSync(file) ? JSON.parse(readFileSync(file, 'utf8')) : undefined;
  if (kept && (kept.id !== id || kept.clusterId !== clusterId)) throw madeAgain(topic, kept.id, id);
  const next: (number | null)[] = kept?.next ?? [];
  const write = () => {
    if (!file) return;
    writeFileSync(`${file}.new`, JSON.stringify({ id, clusterId, next }));
    renameSync(`${file}.new`, file);
  };
  write();
  return {
    id,
    clusterId,
    next: (partition) => next[partition] ?? 0,
    pass(partition, to) {
      next[partition] = to;
      write();
    },
  };
}

const madeAgain = (topic: string, before: string, now: string): Error =>
  new Error(
    `Cannot read topic ${topic} as it must be the one that was read before: its id was ${before}, and is ${now}, so it was made again, and its records would be taken for those that came before; give the topic, or the pipeline, another name, or begin with an empty data directory`,
  );

/**
 * Stands in for Lambda's event source mapping of a topic, by the rules of `ShardMachine` for each partition, from the
 * oldest record on that is not known to be handled.
 */
class Poller {
  readonly #client: KafkaClient;
  readonly #topic: string;
  readonly #checkpoint: Checkpoint;
  readonly #clock: RunClock;
  readonly #batchSize: number;
  readonly #stopping = new AbortController();
  readonly #partitions = new Map<number, Promise<void>>();
  readonly #waiting = new Set<() => void>();
  #wakeUp = new AbortController();
  #handle: Handle = async () => ({ batchItemFailures: [] });
  #onError: (error: unknown) => void = () => {};
  #watching = Promise.resolve();
  #refusal: Error | undefined;

  constructor(of: {
    readonly client: KafkaClient;
    readonly topic: string;
    readonly checkpoint: Checkpoint;
    readonly clock: RunClock;
    readonly batchSize: number;
  }) {
    this.#client = of.client;
    this.#topic = of.topic;
    this.#checkpoint = of.checkpoint;
    this.#clock = of.clock;
    this.#batchSize = of.batchSize;
  }

  start(handle: Handle, onError: (error: unknown) => void): void {
    this.#handle = handle;
    this.#onError = onError;
    this.#watching = this.#watch();
  }

  /** Looks for records now instead of at the next poll. */
  wake(): void {
    this.#wakeUp.abort();
    this.#wakeUp = new AbortController();
  }

  /**
   * Settles once everything before these offsets is handled.
   *
   * @throws Error when the topic was made again, so that it never will be
   */
  reached(ends: ReadonlyMap<number, number>): Promise<void> {
    return new Promise((resolve, reject) => {
      const check = () => {
        const isReached = [...ends].every(([partition, end]) => this.#checkpoint.next(partition) >= end);
        if (!isReached && this.#refusal === undefined) return;
        this.#waiting.delete(check);
        if (this.#refusal) reject(this.#refusal);
        else resolve();
      };
      this.#waiting.add(check);
      check();
    });
  }

  async stop(): Promise<void> {
    this.#stopping.abort();
    await this.#watching;
    await Promise.all(this.#partitions.values());
  }

  /** Finds partitions that are added, and refuses a topic that was made again. */
  async #watch(): Promise<void> {
    while (!this.#stopping.signal.aborted) {
      try {
        const { partitions } = await this.#described();
        for (const partition of partitions) {
          if (!this.#partitions.has(partition)) this.#partitions.set(partition, this.#follow(partition));
        }
      } catch (error) {
        this.#onError(error);
      }
      await this.#pause(POLL_MILLIS, true);
    }
  }

  async #described(): Promise<Topic> {
    const found = await describe(this.#client, this.#topic);
    if (found.id === this.#checkpoint.id) return found;
    this.#refusal = madeAgain(this.#topic, this.#checkpoint.id, found.id);
    this.#stopping.abort();
    for (const check of this.#waiting) check();
    throw this.#refusal;
  }

  async #follow(partition: number): Promise<void> {
    let retry = FIRST_RETRY_MILLIS;
    while (!this.#stopping.signal.aborted) {
      try {
        // The topic may have dropped what is older.
        const { first = 0 } = (await this.#client.bounds(this.#topic)).get(partition) ?? {};
        if (first > this.#checkpoint.next(partition)) this.#pass(partition, first);
        const from = new Map([[partition, this.#checkpoint.next(partition)]]);
        const [fetched] = await this.#client.fetch(this.#topic, from, FETCH_BYTES);
        if (fetched && fetched.records.length > 0) {
          // What was fetched by the name of a topic is of the topic that has the name afterwards, or of an earlier one.
          await this.#described();
          const machine = new ShardMachine<Item>({ ...MAPPING, batchSize: this.#batchSize });
          machine.offer(
            fetched.records.map((record) => this.#itemOf(partition, record)),
            steadyTime(),
          );
          await drain(machine, {
            invoke: (batch) => outcomeOf(this.#handle(this.#eventOf(partition, batch)), this.#onError),
            reached: ({ record }) => this.#pass(partition, record.offset + 1),
            signal: this.#stopping.signal,
          });
        } else {
          // Records that no reader sees are passed over: the marks of transactions, and what was aborted.
          if (fetched && fetched.next > this.#checkpoint.next(partition)) this.#pass(partition, fetched.next);
          await this.#pause(POLL_MILLIS, true);
        }
        retry = FIRST_RETRY_MILLIS;
      } catch (error) {
        if (this.#stopping.signal.aborted) return;
        this.#onError(error);
        await this.#pause(retry);
        retry = Math.min(2 * retry, LAST_RETRY_MILLIS);
      }
    }
  }

  #pass(partition: number, next: number): void {
    this.#checkpoint.pass(partition, next);
    for (const check of this.#waiting) check();
  }

  #itemOf(partition: number, record: TopicRecord): Item {
    const data = (record.key?.length ?? 0) + (record.value?.length ?? 0);
    return {
      identifier: { partition: `${this.#topic}-${partition}`, offset: record.offset },
      arrival: record.timestamp as Item['arrival'],
      bytes: Math.ceil((data * 4) / 3) + ENVELOPE_BYTES,
      record,
    };
  }

  /** An event as Lambda makes it for a cluster of MSK, so that a cluster keeps its name whatever its address. */
  #eventOf(partition: number, batch: readonly Item[]): KafkaEvent {
    const event = {
      eventSource: 'aws:kafka',
      eventSourceArn: `arn:aws:kafka:us-east-1:000000000000:cluster/local/${this.#checkpoint.clusterId}`,
      bootstrapServers: 'local:9092',
      records: {
        [`${this.#topic}-${partition}`]: batch.map(({ record: { timestamp, key, value, ...record } }) => ({
          topic: this.#topic,
          partition,
          ...record,
          timestamp: this.#clock.at(timestamp as ReturnType<RunClock['real']>),
          key: key?.toString('base64') ?? null,
          value: value?.toString('base64') ?? null,
          headers: [],
        })),
      },
    };
    return JSON.parse(JSON.stringify(event));
  }

  async #pause(millis: number, isWoken = false): Promise<void> {
    const signals = isWoken ? [this.#wakeUp.signal, this.#stopping.signal] : [this.#stopping.signal];
    await delay(millis, undefined, { signal: AbortSignal.any(signals) }).catch(() => undefined);
  }
}

/** A record as the mapping of a partition has it. */
interface Item extends StreamItem {
  readonly record: TopicRecord;
}

/** What an event has for each record beside its key and its value, roughly. */
const ENVELOPE_BYTES = 300;
