import { setTimeout as delay } from 'node:timers/promises';
import { type ChannelModel, type ConfirmChannel, type ConsumeMessage, connect } from 'amqplib';

/** A queue, and what becomes of a message that it has delivered too often. */
interface RabbitmqQueue {
  readonly queue: string;
  /** The exchange that gets such messages. The queue is a quorum queue then, with the limit of RabbitMQ 4.0. */
  readonly deadLetterExchange?: string | undefined;
}

export interface RabbitmqMessage {
  readonly id: string;
  readonly type?: string;
  readonly body: Uint8Array;
}

/** A message as a queue delivers it. It is not acknowledged yet. */
export interface RabbitmqDelivery {
  readonly properties: ConsumeMessage['properties'];
  readonly redelivered: boolean;
  readonly body: Buffer;
}

/** Takes what a queue delivers. */
interface RabbitmqConsumer {
  delivered(delivery: RabbitmqDelivery): void;
  /** The connection is gone: whatever was delivered and not acknowledged will be delivered again. */
  lost(): void;
}

/** Speaks to a broker. Where the connection is lost, it connects again, and goes on, until it is closed. */
export interface RabbitmqClient {
  /** Creates a queue unless it exists. */
  declare(queue: RabbitmqQueue): Promise<void>;
  /**
   * Sends messages in order, and settles once the broker has written all of them down. A message of which that is
   * not known as the connection is lost is sent again, so that the queue may hold it twice.
   */
  publish(queue: string, messages: readonly RabbitmqMessage[]): Promise<void>;
  /** Says whether there is a queue of this name. */
  has(queue: string): Promise<boolean>;
  /**
   * Returns how many messages of a queue wait for a consumer.
   *
   * @throws Error when there is no queue of this name
   */
  count(queue: string): Promise<number>;
  /** Reads a queue, at most `most` messages ahead of what is acknowledged. It is called once. */
  consume(queue: string, most: number, consumer: RabbitmqConsumer): void;
  /**
   * Acknowledges a delivery and all before it, or gives them back to the queue. After the connection was lost it does
   * nothing, as the queue has them back.
   *
   * @returns whether the connection was there
   */
  settle(last: RabbitmqDelivery, isDone: boolean): boolean;
  close(): Promise<void>;
}

/** How often a queue of RabbitMQ 4.0 delivers a message before it drops it. */
const DELIVERY_LIMIT = 20;

/** The codes with which a broker refuses what it would refuse again: no access, and a queue that is there but is another. */
const REFUSALS: readonly unknown[] = [403, 406];

/** Says whether a broker refuses because there is no such queue: of one that is only down it says something else by the same code. */
const isMissing = (error: unknown): boolean =>
  (error as { code?: unknown }).code === 404 && (error as Error).message.includes('no queue ');

const isRefusal = (error: unknown): boolean =>
  REFUSALS.includes((error as { code?: unknown }).code) || isMissing(error);

const RETRY_MILLIS = 100;

/** How often a consumer that was lost is waited for: another program may have come to read the queue meanwhile. */
const MOST_TRIES = 100;

/** @throws Error when no broker can be reached at the address */
export async function openRabbitmqClient(url: string): Promise<RabbitmqClient> {
  const first = await connect(url).catch((cause) => {
    // An address may hold a password.
    throw new Error(
      `Cannot read RabbitMQ as a broker must listen at ${hostOf(url)}: ${(cause as Error).message}`,
      { cause },
    );
  });
  return new Connected(url, first);
}

const hostOf = (url: string): string => (URL.canParse(url) ? new URL(url).host : 'an address amqp://…');

class Connected implements RabbitmqClient {
  readonly #url: string;
  readonly #closing = new AbortController();
  #connection: Promise<ChannelModel>;
  #reader: Promise<void> = Promise.resolve();
  readonly #places = new WeakMap<
    RabbitmqDelivery,
    { readonly channel: ConfirmChannel; readonly message: ConsumeMessage }
  >();
  readonly #open = new WeakSet<ConfirmChannel>();

  constructor(url: string, first: ChannelModel) {
    this.#url = url;
    this.#connection = Promise.resolve(this.#watched(first));
  }

  declare({ queue, deadLetterExchange }: RabbitmqQueue): Promise<void> {
    return this.#retried(async (channel) => {
      if (deadLetterExchange === undefined) {
        await channel.assertQueue(queue, { durable: true });
        return;
      }
      const dead = `${queue}.dead`;
      await channel.assertExchange(deadLetterExchange, 'fanout', { durable: true });
      await channel.assertQueue(dead, { durable: true });
      await channel.bindQueue(dead, deadLetterExchange, '');
      await channel.assertQueue(queue, {
        durable: true,
        arguments: {
          'x-queue-type': 'quorum',
          'x-delivery-limit': DELIVERY_LIMIT,
          'x-dead-letter-exchange': deadLetterExchange,
        },
      });
    });
  }

  publish(queue: string, messages: readonly RabbitmqMessage[]): Promise<void> {
    const unsure = new Set(messages);
    return this.#retried(async (channel) => {
      for (const message of unsure) {
        const { id, type, body } = message;
        const properties = { persistent: true, messageId: id, ...(type !== undefined && { type }) };
        channel.publish('', queue, Buffer.from(body), properties, (error) => {
          if (!error) unsure.delete(message);
        });
      }
      await channel.waitForConfirms();
    });
  }

  has(queue: string): Promise<boolean> {
    return this.#retried(async (channel) => {
      try {
        await channel.checkQueue(queue);
        return true;
      } catch (error) {
        if (!isMissing(error)) throw error;
        return false;
      }
    });
  }

  async count(queue: string): Promise<number> {
    const counting = this.#retried((channel) => channel.checkQueue(queue));
    const { messageCount } = await counting.catch((cause) => {
      if (!isMissing(cause)) throw cause;
      throw new Error(`Cannot count the messages of "${queue}" as there must be a queue of that name`, {
        cause,
      });
    });
    return messageCount;
  }

  consume(queue: string, most: number, consumer: RabbitmqConsumer): void {
    this.#reader = this.#read(queue, most, consumer);
  }

  settle(last: RabbitmqDelivery, isDone: boolean): boolean {
    const place = this.#places.get(last);
    if (place === undefined || !this.#open.has(place.channel)) return false;
    if (isDone) place.channel.ack(place.message, true);
    else place.channel.nack(place.message, true, true);
    return true;
  }

  async close(): Promise<void> {
    this.#closing.abort();
    const connection = await this.#connection.catch(() => undefined);
    if (connection) {
      const gone = new Promise<void>((resolve) => connection.once('close', () => resolve()));
      await Promise.race([connection.close().catch(() => undefined), gone]);
    }
    await this.#reader;
  }

  async #read(queue: string, most: number, consumer: RabbitmqConsumer): Promise<void> {
    let others: number | undefined;
    for (let patience = MOST_TRIES; !this.#closing.signal.aborted; patience = MOST_TRIES) {
      await this.#retried(async (channel, closed) => {
        const { consumerCount } = await channel.checkQueue(queue);
        others ??= consumerCount;
        // Until the broker gives up the consumer of a connection that was lost, it keeps what that one had got from
        // the queue: who reads on before that has newer messages first.
        if (consumerCount > others && patience-- > 0) throw new Error(`Queue "${queue}" is still read`);
        await channel.prefetch(most);
        await channel.consume(queue, (message) => {
          if (message === null) return;
          const { content, fields, properties } = message;
          const delivery = { properties, redelivered: fields.redelivered, body: content };
          this.#places.set(delivery, { channel, message });
          consumer.delivered(delivery);
        });
        await closed;
        consumer.lost();
      }).catch(() => delay(RETRY_MILLIS));
    }
  }

  /** Does something on a channel of its own, and again on another one whenever it fails, until the client is closed. */
  async #retried<Result>(
    act: (channel: ConfirmChannel, closed: Promise<void>) => Promise<Result>,
  ): Promise<Result> {
    for (;;) {
      this.#closing.signal.throwIfAborted();
      try {
        const connection = await this.#connection;
        const channel = await connection.createConfirmChannel();
        this.#open.add(channel);
        const closed = new Promise<void>((resolve) => {
          channel.once('close', () => {
            this.#open.delete(channel);
            resolve();
          });
        });
        // Whoever waits for an answer hears of the error; the channel is closed then.
        channel.on('error', () => {});
        const result = await act(channel, closed);
        // Its answer never comes where the connection is lost meanwhile, so nobody waits for it.
        if (this.#open.has(channel)) void channel.close().catch(() => undefined);
        return result;
      } catch (error) {
        if (this.#closing.signal.aborted || isRefusal(error)) throw error;
        await delay(RETRY_MILLIS);
      }
    }
  }

  /** Has a connection replaced when it ends. */
  #watched(connection: ChannelModel): ChannelModel {
    connection.on('error', () => {});
    connection.once('close', () => {
      this.#connection = this.#connected();
      this.#connection.catch(() => {});
    });
    return connection;
  }

  async #connected(): Promise<ChannelModel> {
    for (;;) {
      this.#closing.signal.throwIfAborted();
      const connection = await connect(this.#url).catch(() => undefined);
      if (connection) return this.#watched(connection);
      await delay(RETRY_MILLIS);
    }
  }
}
