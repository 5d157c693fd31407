import { after, type EpochMillis, type Millis, millis } from '../../core/time.ts';
import { type HandlerOutcome, verdictOf } from './answer.ts';
import { type Batching, Gathering, type Waiting } from './batch.ts';

/** A message of a queue. */
export interface QueueMessage<Content> {
  readonly id: string;
  /** The message group, in a FIFO queue. */
  readonly group: string | undefined;
  readonly sentAt: EpochMillis;
  readonly content: Content;
}

/** A message as a receiver has it. */
export interface Received<Content> {
  readonly message: QueueMessage<Content>;
  /** What the receiver deletes it by. Each receipt is of one receive. */
  readonly receipt: number;
  /** How often it has been received, this time included. */
  readonly receives: number;
}

export interface QueueRules {
  /** Whether the messages of each group stay in order. */
  readonly fifo: boolean;
  /** For how long a message that was received is hidden from other receivers. */
  readonly visibilityTimeout: Millis;
  /** How often a message is received; at the next attempt it becomes a dead letter. */
  readonly maxReceives: number;
}

/** The most messages that one receive answers with. */
const MAX_RECEIVED = 10;

interface Entry<Content> {
  readonly message: QueueMessage<Content>;
  receives: number;
  /** Hidden until then, by the receive of this receipt. */
  hidden: { readonly receipt: number; until: EpochMillis } | undefined;
}

/**
 * A queue by the rules of SQS, without I/O and time.
 *
 * A message that was received is hidden until its visibility timeout ends, and then comes again; only a delete
 * by a receipt that is still in force removes it. In a FIFO queue, a message group waits while one of its
 * messages is hidden. A message that has been received `maxReceives` times becomes a dead letter when it would
 * be received once more.
 */
export class QueueMachine<Content> {
  readonly #rules: QueueRules;
  #entries: Entry<Content>[] = [];
  #dead: QueueMessage<Content>[] = [];
  #receipts = 0;

  constructor(rules: QueueRules) {
    this.#rules = rules;
  }

  /** How many messages are in the queue, hidden or not. */
  get size(): number {
    return this.#entries.length;
  }

  /** The dead letters, in the order in which they came to be. */
  get dead(): readonly QueueMessage<Content>[] {
    return this.#dead;
  }

  send(message: QueueMessage<Content>): void {
    this.#entries.push({ message, receives: 0, hidden: undefined });
  }

  /** Receives up to ten messages: in a FIFO queue the next ones of each group that does not wait. */
  receive(most: number, now: EpochMillis): readonly Received<Content>[] {
    const { fifo, visibilityTimeout, maxReceives } = this.#rules;
    const isHidden = ({ hidden }: Entry<Content>): boolean => hidden !== undefined && hidden.until > now;
    const waiting = new Set(fifo ? this.#entries.filter(isHidden).map(({ message }) => message.group) : []);
    const received: Received<Content>[] = [];
    const dead = new Set<Entry<Content>>();
    for (const entry of this.#entries) {
      if (received.length === Math.min(most, MAX_RECEIVED)) break;
      if (isHidden(entry) || (fifo && waiting.has(entry.message.group))) continue;
      if (entry.receives >= maxReceives) {
        dead.add(entry);
        continue;
      }
      const receipt = ++this.#receipts;
      entry.receives++;
      entry.hidden = { receipt, until: after(now, visibilityTimeout) };
      received.push({ message: entry.message, receipt, receives: entry.receives });
    }
    if (dead.size > 0) {
      this.#entries = this.#entries.filter((entry) => !dead.has(entry));
      this.#dead.push(...[...dead].map(({ message }) => message));
    }
    return received;
  }

  /** @returns whether the message was there, hidden by this receipt */
  delete(receipt: number): boolean {
    const at = this.#entries.findIndex(({ hidden }) => hidden?.receipt === receipt);
    if (at >= 0) this.#entries.splice(at, 1);
    return at >= 0;
  }

  /** Returns when the next message comes again; undefined when none is hidden. */
  nextVisible(): EpochMillis | undefined {
    const ends = this.#entries.flatMap(({ hidden }) => (hidden ? [hidden.until] : []));
    return ends.length === 0 ? undefined : (Math.min(...ends) as EpochMillis);
  }

  /**
   * Moves the dead letters back, each as a new message: it comes after all others, and has never been received.
   *
   * @param renewed returns the message as which a dead letter comes back: with another id, as SQS gives it
   */
  moveBack(renewed: (message: QueueMessage<Content>) => QueueMessage<Content>): void {
    for (const message of this.#dead.splice(0)) this.send(renewed(message));
  }
}

export interface QueueMapping extends Batching {
  readonly reportsFailures: boolean;
}

/** The most messages of a batch of a FIFO queue, which waits for no others. */
const MAX_FIFO_BATCH = 10;

/** The smallest window with which a standard queue gives batches of more than ten messages. */
const MIN_WINDOW = millis('1s');

/**
 * Checks what a mapping of a queue asks for.
 *
 * @throws RangeError when Lambda would not take it
 */
export function checkQueueMapping(
  { batchSize, batchingWindow }: QueueMapping,
  { fifo }: { readonly fifo: boolean },
): void {
  const most = fifo ? MAX_FIFO_BATCH : 10_000;
  if (!Number.isInteger(batchSize) || batchSize < 1 || batchSize > most) {
    throw new RangeError(
      `Cannot map a queue with a batchSize of ${batchSize} as it must be a whole number from 1 to ${most.toLocaleString('en')}`,
    );
  }
  if (fifo && batchingWindow > 0) {
    throw new RangeError('Cannot map a FIFO queue with a batchingWindow as its batches wait for no others');
  }
  if (batchSize > MAX_FIFO_BATCH && batchingWindow < MIN_WINDOW) {
    throw new RangeError(
      `Cannot map a queue with a batchSize of ${batchSize} as more than 10 need a batchingWindow of at least "1s": it is ${batchingWindow} ms`,
    );
  }
}

/** A message that the mapping has received. */
export interface QueueItem extends Waiting {
  readonly id: string;
  /** The message group, in a FIFO queue. */
  readonly group: string | undefined;
}

/**
 * The event source mapping of a queue, without I/O and time: it gathers the messages that were received into
 * batches, and says of an outcome which messages are deleted. The others come again when their visibility
 * timeout ends.
 *
 * One batch of a message group is in flight: messages of a group that are received meanwhile wait for its end. Where
 * a message of the group failed, they are let go, and come again after it.
 */
export class QueueMappingMachine<Item extends QueueItem> {
  readonly #mapping: QueueMapping;
  readonly #gathering: Gathering<Item>;
  readonly #busy = new Set<string>();
  #held: Item[] = [];

  constructor(mapping: QueueMapping) {
    this.#mapping = mapping;
    this.#gathering = new Gathering(mapping);
  }

  /** How many messages wait to be in a batch. */
  get waiting(): number {
    return this.#gathering.size + this.#held.length;
  }

  offer(items: readonly Item[], now: EpochMillis): void {
    const isHeld = ({ group }: Item): boolean => group !== undefined && this.#busy.has(group);
    this.#held.push(...items.filter(isHeld));
    this.#gathering.add(
      items.filter((item) => !isHeld(item)),
      now,
    );
  }

  /** Returns when a batch is due; undefined when no message waits for one. */
  due(): EpochMillis | undefined {
    return this.#gathering.due();
  }

  /** Returns the next batch if one is due. Its groups wait until it is settled. */
  next(now: EpochMillis): readonly Item[] | undefined {
    const batch = this.#gathering.take(now);
    const groups = (batch ?? []).flatMap(({ group }) => (group === undefined ? [] : [group]));
    for (const group of groups) this.#busy.add(group);
    // What was gathered for the batch after this one may be of the same groups.
    if (groups.length > 0) this.offer(this.#gathering.drain(), now);
    return batch;
  }

  /** Lets go of all messages that wait, and returns them: they are not delivered by this mapping. */
  release(): readonly Item[] {
    return [...this.#gathering.drain(), ...this.#held.splice(0)];
  }

  /** Ends a batch: returns the messages that are deleted, and those that come again. */
  settle(
    batch: readonly Item[],
    outcome: HandlerOutcome,
    now: EpochMillis,
  ): { readonly done: readonly Item[]; readonly again: readonly Item[] } {
    for (const { group } of batch) if (group !== undefined) this.#busy.delete(group);
    const verdict = verdictOf(
      outcome,
      batch.map(({ id }) => id),
      this.#mapping,
    );
    const isAgain = (at: number): boolean =>
      verdict.outcome === 'failed' || (verdict.outcome === 'partly' && verdict.failed.has(at));
    const again = batch.filter((_, at) => isAgain(at));
    const failed = new Set(again.map(({ group }) => group));
    // Held messages of a group that failed come again after those that failed, and must not overtake them.
    const held = this.#held.splice(0).filter(({ group }) => !failed.has(group));
    this.offer(held, now);
    return { done: batch.filter((_, at) => !isAgain(at)), again };
  }
}
