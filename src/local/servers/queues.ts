import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import type { buildApp } from 'fauxqs';
import { type Journal, type JournalEntry, openJournal, readJournal } from './journal.ts';

type Stores = NonNullable<NonNullable<Parameters<typeof buildApp>[0]>['stores']>;
type Store = Stores['sqsStore'];
type Queue = ReturnType<Store['createQueue']>;
/** A message, and the ARN of the queue that gave it up where it is a dead letter. */
type Message = Parameters<Queue['enqueue']>[0] & { readonly deadLetterOf?: string };

/**
 * What changed a queue: a message that came, whose body is the entry's, or the ids of messages that were received, or
 * that went.
 */
interface QueueEntry extends JournalEntry {
  readonly queue: string;
  readonly came?: Omit<Message, 'body'>;
  readonly received?: readonly string[];
  readonly went?: readonly string[];
}

/** The messages of a queue that outlived a process. */
interface Kept {
  readonly messages: Map<string, Message>;
  /** The highest sequence number that was given. */
  sequence: bigint;
}

/** Sequence numbers of SQS have twenty digits from the beginning on. */
const FIRST_SEQUENCE = 18_800_000_000_000_000_000n;

/** A character that SQS refuses in a message. */
const REFUSED_CHARACTER = /[^\t\n\r\u0020-\uD7FF\uE000-\uFFFD\u{10000}-\u{10FFFF}]/u;

export const queuesPathIn = (dataDirectory: string): string => join(dataDirectory, 'sqs.journal');

/**
 * Returns the stores of fauxqs with queues that do more of what SQS does, in memory or in a journal:
 *
 * - A message may have characters beyond U+FFFF.
 * - A receive from a FIFO queue answers with several messages of a message group, in their order.
 * - Messages of a group whose visibility timeouts end together come again in their order.
 * - A message that becomes a dead letter says of which queue. In a FIFO queue it counts as sent then, is the last of
 *   its group, and has its id as its deduplication id.
 * - With a journal, the messages of a queue are in it again, and visible, when a queue of its name is created
 *   after a restart, with their ids, their sequence numbers and how often they were received.
 */
export async function openQueues(path: string | undefined) {
  const load = async (file: string) => import(new URL(file, import.meta.resolve('fauxqs')).href);
  const { SqsQueue, SqsStore } = (await load('./sqs/sqsStore.js')) as {
    SqsQueue: new (...args: Parameters<Store['createQueue']>) => Queue;
    SqsStore: (new () => Store) & { createMessage(body: string): Message };
  };
  const createMessage = (body: string): Message => SqsStore.createMessage(body);
  const { INVALID_MESSAGE_BODY_CHAR: refusesCharacters } = await load('./sqs/sqsTypes.js');
  Object.defineProperty(refusesCharacters, 'test', {
    configurable: true,
    value: (text: string) => REFUSED_CHARACTER.test(text),
  });
  const { SnsStore } = await load('./sns/snsStore.js');
  const { S3Store } = await load('./s3/s3Store.js');

  const kept = new Map<string, Kept>();
  const keptOf = (queue: string): Kept => {
    const found = kept.get(queue) ?? { messages: new Map(), sequence: FIRST_SEQUENCE };
    kept.set(queue, found);
    return found;
  };
  let journal: Journal<QueueEntry> | undefined;
  if (path !== undefined) {
    journal = await openJournal<QueueEntry>(path, ({ queue, came, received = [], went = [], body }) => {
      const { messages } = keptOf(queue);
      if (came) {
        messages.set(came.messageId, { ...came, body: body.toString() });
        const sequence = BigInt(came.sequenceNumber ?? 0);
        if (sequence > keptOf(queue).sequence) keptOf(queue).sequence = sequence;
      }
      for (const id of received) {
        const message = messages.get(id);
        if (message) message.approximateReceiveCount++;
      }
      for (const id of went) messages.delete(id);
    });
  }

  class KeptQueue extends SqsQueue {
    /** Whether messages are put back that the journal has. */
    #restores = false;
    #sequence = FIRST_SEQUENCE;

    restore({ messages, sequence }: Kept): void {
      this.#restores = true;
      this.#sequence = sequence;
      for (const message of messages.values()) this.enqueue(message);
      this.#restores = false;
    }

    override nextSequenceNumber(): string {
      this.#sequence++;
      return String(this.#sequence);
    }

    override enqueue(message: Message): void {
      super.enqueue(message);
      if (this.#restores) return;
      const { body, ...came } = message;
      journal?.append({ queue: this.name, came, body: Buffer.from(body) });
    }

    override dequeue(...[most, timeout, deadLetters]: Parameters<Queue['dequeue']>) {
      const dead: string[] = [];
      const { arn: deadLetterOf } = this;
      const ofQueue: typeof deadLetters = (arn) => {
        const target = deadLetters?.(arn);
        return (
          target &&
          Object.assign(Object.create(target) as Queue, {
            enqueue(message: Message) {
              dead.push(message.messageId);
              target.enqueue({
                ...message,
                deadLetterOf,
                ...(target.isFifo() && {
                  sentTimestamp: Date.now(),
                  messageDeduplicationId: message.messageId,
                  sequenceNumber: target.nextSequenceNumber(),
                }),
              } as Message);
            },
          })
        );
      };
      const received = this.isFifo()
        ? this.#ofGroups(most, timeout, ofQueue)
        : super.dequeue(most, timeout, ofQueue);
      this.#forget(dead);
      for (const message of received) this.#tellOrigin(message);
      if (received.length > 0) {
        const ids = received.map(({ MessageId }) => MessageId);
        journal?.append({ queue: this.name, received: ids, body: Buffer.alloc(0) });
      }
      return received;
    }

    /** Adds the queue that gave a message up to its attributes, which the server sets once it has the message. */
    #tellOrigin(received: ReturnType<Queue['dequeue']>[number]): void {
      const message = this.inflightMessages.get(received.ReceiptHandle)?.message as Message | undefined;
      if (message?.deadLetterOf === undefined) return;
      const { deadLetterOf: DeadLetterQueueSourceArn } = message;
      let attributes: object = {};
      Object.defineProperty(received, 'Attributes', {
        enumerable: true,
        get: () => ({ ...attributes, DeadLetterQueueSourceArn }),
        set: (asked: object) => {
          attributes = asked;
        },
      });
    }

    /** Receives from each message group that does not wait as many messages as there is room for. */
    #ofGroups(...[most, timeout, deadLetters]: Parameters<Queue['dequeue']>) {
      const received: ReturnType<Queue['dequeue']> = [];
      const taken = new Map<string, number>();
      while (received.length < Math.min(most, 10)) {
        const [message] = super.dequeue(1, timeout, deadLetters);
        if (message === undefined) break;
        received.push(message);
        const { messageGroupId: group = '' } =
          this.inflightMessages.get(message.ReceiptHandle)?.message ?? {};
        taken.set(group, (taken.get(group) ?? 0) + 1);
        // A receive takes one message of a group, and makes the group wait. It does so here after the last one.
        this.fifoLockedGroups.delete(group);
      }
      for (const [group, messages] of taken) this.fifoLockedGroups.set(group, messages);
      return received;
    }

    override processTimers(): void {
      this.#inOrder(() => super.processTimers());
    }

    override changeVisibility(...args: Parameters<Queue['changeVisibility']>): void {
      this.#inOrder(() => super.changeVisibility(...args));
    }

    /** Puts each group in order where messages have come back to it, which the queue does one by one. */
    #inOrder(work: () => void): void {
      const hidden = this.inflightMessages.size;
      work();
      if (this.inflightMessages.size === hidden) return;
      const before = ({ sequenceNumber: a = '' }: Message, { sequenceNumber: b = '' }: Message): number =>
        a < b ? -1 : 1;
      for (const messages of this.fifoMessages.values()) messages.sort(before);
    }

    override deleteMessage(receipt: string): boolean {
      const id = this.inflightMessages.get(receipt)?.message.messageId;
      const deleted = super.deleteMessage(receipt);
      if (id !== undefined) this.#forget([id]);
      return deleted;
    }

    override purge(): void {
      const { ready, delayed, inflight } = this.inspectMessages();
      super.purge();
      this.#forget(
        [...ready, ...delayed, ...inflight.map(({ message }) => message)].map((one) => one.messageId),
      );
    }

    #forget(went: readonly string[]): void {
      if (went.length > 0) journal?.append({ queue: this.name, went, body: Buffer.alloc(0) });
    }
  }

  class KeptStore extends SqsStore {
    override createQueue(...[name, url, arn, attributes, tags]: Parameters<Store['createQueue']>): Queue {
      super.createQueue(name, url, arn, attributes, tags);
      const queue = new KeptQueue(name, url, arn, attributes, tags);
      // The store keeps the queue that it has just made under three names.
      for (const queues of Object.values(this)) {
        if (!(queues instanceof Map)) continue;
        for (const [key, found] of queues) if (found.url === url) queues.set(key, queue);
      }
      queue.restore(keptOf(name));
      kept.delete(name);
      return queue;
    }
  }

  const store = new KeptStore();
  return {
    /** Sends a message to a queue of a name, if there is one. */
    send(queue: string, body: string): void {
      store.getQueueByName(queue)?.enqueue(createMessage(body));
    },
    stores: { sqsStore: store, snsStore: new SnsStore(), s3Store: new S3Store() } as Stores,
    close: () => journal?.close(),
  };
}

/** The first 48 bits of the MD5 of each message that a queue of a data directory was ever sent, in order. */
export function sentTo(dataDirectory: string, queue: string): readonly number[] {
  const path = queuesPathIn(dataDirectory);
  if (!existsSync(path)) return [];
  const sent: number[] = [];
  for (const { queue: name, came, body } of readJournal<QueueEntry>(path))
    if (name === queue && came) sent.push(createHash('md5').update(body).digest().readUIntBE(0, 6));
  return sent;
}
