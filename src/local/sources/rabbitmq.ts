import { createHash, randomUUID } from 'node:crypto';
import { existsSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { rabbitArrivals } from '../../adapters/rabbitmq/arrivals.ts';
import type { RabbitEvent } from '../../adapters/rabbitmq/records.ts';
import { millis } from '../../core/time.ts';
import type { Pipeline } from '../../pipeline/pipeline.ts';
import { MAPPINGS } from '../../wiring/mappings.ts';
import { openTogether } from '../closing.ts';
import { type QueueItem, type QueueMapping, QueueMappingMachine } from '../mapping/queue.ts';
import { backoff } from '../mapping/stream.ts';
import type { RabbitmqClient, RabbitmqDelivery, RabbitmqMessage } from '../servers/index.ts';
import { serversPackage } from '../servers-package.ts';
import { quoted } from '../shell.ts';
import { outcomeOf, steadyTime } from './drain.ts';
import type { Handle, LocalSource, OpenSource } from './source.ts';

/** What stacks deploy, but batches are a tenth as large and gather for a moment, as someone is watching. */
const MAPPING: QueueMapping = {
  ...MAPPINGS.rabbitmq,
  batchSize: MAPPINGS.rabbitmq.batchSize / 10,
  batchingWindow: millis('20ms'),
};

/** The bound of the pipeline's own decoder, as a broker takes far larger messages. */
const MAX_SENT_BYTES = 1_048_576;

/** How many messages are sent before the broker must have written them down. */
const SENT_TOGETHER = 500;

/** The type of the messages that mark how far a queue was filled. They are no records, and no event holds them. */
const MARK = 'millrace.mark';

/** A queue of a broker that belongs to the run, or of one that runs already. */
export const openRabbitmq: OpenSource = ({
  pipeline,
  dataDirectory,
  batchSize = MAPPING.batchSize,
  broker,
}) =>
  openTogether(async (onClose) => {
    const { connectRabbitmq, startRabbitmq } = await serversPackage();
    const directory = dataDirectory && join(dataDirectory, 'rabbitmq');
    const server = broker === undefined ? await startRabbitmq({ directory }) : undefined;
    if (server) onClose(server.close);
    const url = broker ?? (server?.url as string);
    const client = await connectRabbitmq(url);
    onClose(() => client.close());
    const { queue, virtualHost, deadLetterExchange } = queueOf(pipeline);
    await client.declare({ queue, deadLetterExchange });
    const poller = new Poller(client, queue, `${queue}::${virtualHost}`, batchSize);

    return {
      place: {
        service: 'RabbitMQ',
        resource: `queue ${queue}`,
        endpoint: url,
        mostBytes: MAX_SENT_BYTES.toLocaleString('en'),
        environment: { RABBITMQ_URL: url },
        commands: (last) =>
          last
            ? [
                `amqp-publish --url=${quoted(url)} --routing-key=${quoted(queue)} --property=message_id=${randomUUID()} --body=${quoted(last.text)}`,
              ]
            : [],
      },
      arrivals: rabbitArrivals({
        latest: async (now) => ({ at: now, value: poller.delivered + (await client.count(queue)) }),
      }),
      openFeed: async () => openFeed(client, queue, poller, dataDirectory),
      put: (_, body) => client.publish(queue, [{ id: randomUUID(), body: Buffer.from(body) }]),
      async consume(handle, { onError }) {
        poller.start(handle, onError);
        return { stop: () => poller.stop() };
      },
    };
  });

/** The queue of a pipeline. Only a pipeline of a queue is opened here. */
const queueOf = ({ name, source }: Pipeline) =>
  'virtualHost' in source ? source : { queue: name, virtualHost: '/', deadLetterExchange: undefined };

/**
 * Stands in for Lambda's event source mapping of a queue, by the rules of `QueueMappingMachine`. One batch is in
 * flight. After an error its messages go back to the queue, those that were delivered after the batch too, so that
 * they keep their order. This goes on for ever.
 */
class Poller {
  readonly #client: RabbitmqClient;
  readonly #queue: string;
  readonly #name: string;
  readonly #batchSize: number;
  readonly #stopping = new AbortController();
  readonly #marks = new Map<string, () => void>();
  readonly #machine: QueueMappingMachine<Item>;
  #wake = (): void => {};
  #running: Promise<void> = Promise.resolve();
  #handle: Handle = async () => ({ batchItemFailures: [] });
  #onError: (error: unknown) => void = () => {};

  /** @param name the queue's name as events have it */
  constructor(client: RabbitmqClient, queue: string, name: string, batchSize: number) {
    this.#client = client;
    this.#queue = queue;
    this.#name = name;
    this.#batchSize = batchSize;
    this.#machine = new QueueMappingMachine({ ...MAPPING, batchSize });
  }

  /** How many messages it has that are not acknowledged. */
  delivered = 0;

  start(handle: Handle, onError: (error: unknown) => void): void {
    this.#handle = handle;
    this.#onError = onError;
    this.#client.consume(this.#queue, 2 * this.#batchSize, {
      delivered: (delivery) => {
        this.delivered++;
        this.#machine.offer([itemOf(delivery)], steadyTime());
        this.#wake();
      },
      lost: () => {
        this.delivered -= this.#machine.release().length;
      },
    });
    this.#running = this.#run();
  }

  async stop(): Promise<void> {
    this.#stopping.abort();
    this.#wake();
    await this.#running;
  }

  /** Returns a mark, and when it, and so everything before it, was acknowledged. */
  mark(): { readonly message: RabbitmqMessage; readonly passed: Promise<void> } {
    const id = randomUUID();
    const passed = new Promise<void>((resolve) => this.#marks.set(id, resolve));
    return { message: { id, type: MARK, body: new Uint8Array() }, passed };
  }

  async #run(): Promise<void> {
    const { signal } = this.#stopping;
    for (let failures = 0; !signal.aborted; ) {
      const batch = this.#machine.next(steadyTime());
      if (batch === undefined) {
        const due = this.#machine.due();
        if (due === undefined) {
          await new Promise<void>((resolve) => {
            this.#wake = resolve;
          });
        } else await delay(Math.max(0, due - steadyTime()), undefined, { signal }).catch(() => undefined);
        continue;
      }
      failures = (await this.#deliver(batch)) ? 0 : failures + 1;
      this.delivered -= batch.length;
      if (failures > 0) await delay(backoff(failures), undefined, { signal }).catch(() => undefined);
    }
  }

  /** @returns whether the handler has answered */
  async #deliver(batch: readonly Item[]): Promise<boolean> {
    const deliveries = batch.map(({ delivery }) => delivery);
    const records = deliveries.filter(({ properties }) => properties.type !== MARK);
    const last = deliveries.at(-1) as RabbitmqDelivery;
    const handling = records.length > 0 ? this.#handle(this.#eventOf(records)) : Promise.resolve();
    const { again } = this.#machine.settle(batch, await outcomeOf(handling, this.#onError), steadyTime());
    if (again.length > 0) {
      const after = this.#machine.release();
      this.delivered -= after.length;
      this.#client.settle(after.at(-1)?.delivery ?? last, false);
      return false;
    }
    if (this.#client.settle(last, true)) {
      for (const { properties } of deliveries) {
        if (properties.type === MARK) this.#marks.get(properties.messageId)?.();
      }
    }
    return true;
  }

  #eventOf(records: readonly RabbitmqDelivery[]): RabbitEvent {
    const messages = records.map(({ properties, redelivered, body }) => ({
      basicProperties: {
        contentType: properties.contentType ?? null,
        contentEncoding: properties.contentEncoding ?? null,
        headers: {},
        deliveryMode: properties.deliveryMode ?? null,
        correlationId: properties.correlationId ?? null,
        messageId: properties.messageId ?? null,
        timestamp: null,
        type: properties.type ?? null,
        bodySize: body.length,
      },
      redelivered,
      data: body.toString('base64'),
    }));
    const event = {
      eventSource: 'aws:rmq',
      eventSourceArn: 'arn:aws:mq:us-east-1:000000000000:broker:local:b-local',
      rmqMessagesByQueue: { [this.#name]: messages },
    };
    return JSON.parse(JSON.stringify(event));
  }
}

/** A message as the mapping has it. */
interface Item extends QueueItem {
  readonly delivery: RabbitmqDelivery;
}

/** What an event has for each message beside its data, roughly. */
const ENVELOPE_BYTES = 300;

const itemOf = (delivery: RabbitmqDelivery): Item => ({
  id: delivery.properties.messageId ?? '',
  group: undefined,
  bytes: Math.ceil((delivery.body.length * 4) / 3) + ENVELOPE_BYTES,
  delivery,
});

/** What a run has sent to the queue, kept in its directory. */
interface Sent {
  /** What the ids of its messages begin with. */
  readonly run: string;
  readonly count: number;
  /** A digest of the records so far. */
  readonly digest: string;
}

const SENT = 'rabbitmq-sent.json';

/**
 * Sends the records of an input, each under an id made of its place in the input. What was sent is noted once the
 * broker has written it down. A run that is killed between the two sends these messages again, under the same ids.
 */
function openFeed(
  client: RabbitmqClient,
  queue: string,
  poller: Poller,
  directory: string | undefined,
): Awaited<ReturnType<LocalSource['openFeed']>> {
  const file = directory && join(directory, SENT);
  const before: Sent =
    file && existsSync(file)
      ? JSON.parse(readFileSync(file, 'utf8'))
      : { run: randomUUID(), count: 0, digest: '' };
  let digest = '';
  let resumed = 0;
  let count = 0;
  let batch: RabbitmqMessage[] = [];
  const pass = (data: Uint8Array): void => {
    count++;
    digest = createHash('sha256').update(digest).update(data).digest('base64url');
  };
  const note = (): void => {
    if (!file) return;
    writeFileSync(`${file}.new`, JSON.stringify({ run: before.run, count, digest } satisfies Sent));
    renameSync(`${file}.new`, file);
  };
  const flush = async (): Promise<void> => {
    if (batch.length > 0) await client.publish(queue, batch);
    batch = [];
    if (count >= before.count) note();
  };
  // The ids are noted before the first message is sent under one.
  if (before.count === 0) note();
  return {
    flush,
    held: before.count,
    get resumed() {
      return resumed;
    },
    holds(_, data) {
      if (data.length > MAX_SENT_BYTES || resumed === before.count) return false;
      pass(data);
      if (++resumed === before.count && digest !== before.digest) {
        throw new Error(
          `Cannot go on as the queue must have been sent what the input begins with: its first ${before.count} records are others`,
        );
      }
      return true;
    },
    async send(_, data) {
      if (data.length > MAX_SENT_BYTES) return false;
      pass(data);
      batch.push({ id: `${before.run}-${count}`, body: data });
      if (batch.length === SENT_TOGETHER) await flush();
      return true;
    },
    async handled() {
      const { message, passed } = poller.mark();
      await client.publish(queue, [message]);
      await passed;
    },
  };
}
