import { after, type EpochMillis, type Millis, millis } from '../../core/time.ts';
import { type HandlerOutcome, verdictOf } from './answer.ts';
import { type Batching, Gathering, type Waiting } from './batch.ts';

/** A record of a shard or of a partition. */
export interface StreamItem extends Waiting {
  /** What an answer names the record by. */
  readonly identifier: unknown;
  /** When it came to the stream. */
  readonly arrival: EpochMillis;
}

export interface StreamMapping extends Batching {
  readonly reportsFailures: boolean;
  /** Whether a batch that failed as a whole is cut in half. */
  readonly bisects: boolean;
  /** How often a batch is tried again; infinite for as often as it takes. */
  readonly maxRetries: number;
  /** How old a record may be when a handler gets it; infinite for any age. */
  readonly maxAge: number;
}

/** Why records were given up. */
export type GivenUp = 'RetryAttemptsExhausted' | 'RecordAgeExceeded';

/** What the mapping of a shard does next. */
export type ShardStep<Item> =
  | { readonly step: 'invoke'; readonly batch: readonly Item[] }
  /** The records are given up, after they were handed over so many times. */
  | {
      readonly step: 'discard';
      readonly batch: readonly Item[];
      readonly condition: GivenUp;
      readonly invocations: number;
    };

/** Some records that are handed over together, and over again until they are done. */
interface Attempt<Item> {
  readonly items: readonly Item[];
  readonly retries: number;
  readonly invocations: number;
  /** How often in a row nothing of it was done. */
  readonly failures: number;
  readonly notBefore: EpochMillis;
}

const FIRST_BACKOFF = millis('50ms');
const LAST_BACKOFF = millis('5s');

/** How long a batch waits that has failed so many times in a row. Lambda's own times are not documented. */
export const backoff = (failures: number): Millis =>
  Math.min(FIRST_BACKOFF * 2 ** Math.max(0, failures - 1), LAST_BACKOFF) as Millis;

/**
 * The event source mapping of one shard or partition, without I/O and time.
 *
 * One batch is in flight. Records are done in order: an answer that names records means the lowest of them, from
 * which everything is handed over again. A batch that failed as a whole is cut in half where the mapping bisects,
 * and else tried again, `maxRetries` times. Being cut, in half or by an answer, takes no retry. Records that are
 * tried too often or are too old are given up, and those after them go on.
 */
export class ShardMachine<Item extends StreamItem> {
  readonly #mapping: StreamMapping;
  readonly #gathering: Gathering<Item>;
  /** The batches that come before what is gathered, in order. */
  #attempts: readonly Attempt<Item>[] = [];
  #isInFlight = false;
  #checkpoint: Item | undefined;

  constructor(mapping: StreamMapping) {
    this.#mapping = mapping;
    this.#gathering = new Gathering(mapping);
  }

  /** The last record that is done or given up, as all before it are. */
  get checkpoint(): Item | undefined {
    return this.#checkpoint;
  }

  /** Whether everything that was offered is done or given up. */
  get isDrained(): boolean {
    return this.#attempts.length === 0 && this.#gathering.size === 0;
  }

  offer(items: readonly Item[], now: EpochMillis): void {
    this.#gathering.add(items, now);
  }

  /** Returns when there is a next step; undefined while a batch is in flight, or when nothing waits. */
  due(): EpochMillis | undefined {
    if (this.#isInFlight) return undefined;
    return this.#attempts[0]?.notBefore ?? this.#gathering.due();
  }

  /** Returns the next step if there is one by now. A batch that is handed over must be settled. */
  next(now: EpochMillis): ShardStep<Item> | undefined {
    const due = this.due();
    if (due === undefined || due > now) return undefined;
    if (this.#attempts.length === 0) {
      const items = this.#gathering.take(now) ?? [];
      this.#attempts = [{ items, retries: 0, invocations: 0, failures: 0, notBefore: now }];
    }
    const [attempt, ...others] = this.#attempts as readonly [Attempt<Item>, ...Attempt<Item>[]];
    const { items, invocations } = attempt;
    if (attempt.retries > this.#mapping.maxRetries)
      return this.#giveUp(items, [], others, 'RetryAttemptsExhausted', invocations);
    const young = items.findIndex(({ arrival }) => now - arrival <= this.#mapping.maxAge);
    const old = young < 0 ? items.length : young;
    if (old > 0) {
      const rest = old === items.length ? [] : [{ ...attempt, items: items.slice(old) }];
      return this.#giveUp(items.slice(0, old), rest, others, 'RecordAgeExceeded', invocations);
    }
    this.#isInFlight = true;
    return { step: 'invoke', batch: items };
  }

  /** Ends the batch that is in flight. */
  settle(outcome: HandlerOutcome, now: EpochMillis): void {
    const [attempt, ...others] = this.#attempts as readonly [Attempt<Item>, ...Attempt<Item>[]];
    const { items } = attempt;
    const verdict = verdictOf(
      outcome,
      items.map(({ identifier }) => identifier),
      this.#mapping,
    );
    this.#isInFlight = false;
    if (verdict.outcome === 'done') {
      this.#checkpoint = items.at(-1);
      this.#attempts = others;
      return;
    }
    const lowest = verdict.outcome === 'partly' ? Math.min(...verdict.failed) : 0;
    this.#attempts = [...this.#again(attempt, lowest, now), ...others];
    if (lowest > 0) this.#checkpoint = items[lowest - 1];
  }

  /** Returns what is handed over again of a batch that failed from a record on. */
  #again(attempt: Attempt<Item>, lowest: number, now: EpochMillis): readonly Attempt<Item>[] {
    const { items, retries } = attempt;
    const invocations = attempt.invocations + 1;
    if (lowest > 0) {
      const notBefore = after(now, backoff(1));
      return [{ items: items.slice(lowest), retries: 0, invocations: 0, failures: 0, notBefore }];
    }
    const failures = attempt.failures + 1;
    const again = { ...attempt, invocations, failures, notBefore: after(now, backoff(failures)) };
    if (!this.#mapping.bisects || items.length === 1) return [{ ...again, retries: retries + 1 }];
    const half = Math.ceil(items.length / 2);
    return [items.slice(0, half), items.slice(half)].map((part) => ({ ...again, items: part }));
  }

  #giveUp(
    batch: readonly Item[],
    rest: readonly Attempt<Item>[],
    others: readonly Attempt<Item>[],
    condition: GivenUp,
    invocations: number,
  ): ShardStep<Item> {
    this.#attempts = [...rest, ...others];
    this.#checkpoint = batch.at(-1);
    return { step: 'discard', batch, condition, invocations };
  }
}

/**
 * The shards of a stream: a shard is read once its parents, as far as they are known, are read to their ends and
 * drained. So the records of a key stay in order where shards are divided and merged.
 */
export class Shards<Item extends StreamItem> {
  readonly #mapping: StreamMapping;
  readonly #shards = new Map<
    string,
    { readonly machine: ShardMachine<Item>; readonly parents: readonly string[]; isRead: boolean }
  >();

  constructor(mapping: StreamMapping) {
    this.#mapping = mapping;
  }

  /** Adds a shard unless it is known. Returns its mapping. */
  open(shard: string, parents: readonly string[]): ShardMachine<Item> {
    const found = this.#shards.get(shard) ?? {
      machine: new ShardMachine<Item>(this.#mapping),
      parents,
      isRead: false,
    };
    this.#shards.set(shard, found);
    return found.machine;
  }

  /** Notes that a shard is closed, and that all of its records were offered. */
  end(shard: string): void {
    const found = this.#shards.get(shard);
    if (found) found.isRead = true;
  }

  /** Whether a shard may be read: everything of its parents is done. */
  isReadable(shard: string): boolean {
    const parents = this.#shards.get(shard)?.parents ?? [];
    return parents.every((parent) => {
      const found = this.#shards.get(parent);
      return found === undefined || (found.isRead && found.machine.isDrained);
    });
  }
}

/** What Lambda writes to a failure destination in S3 of records of a Kinesis stream that were given up. */
export interface FailureRecord {
  readonly key: string;
  readonly body: {
    readonly requestContext: {
      readonly requestId: string;
      readonly functionArn: string;
      readonly condition: GivenUp;
      readonly approximateInvokeCount: number;
    };
    readonly responseContext?: {
      readonly statusCode: number;
      readonly executedVersion: string;
      readonly functionError: string;
    };
    readonly version: '1.0';
    readonly timestamp: string;
    readonly KinesisBatchInfo: {
      readonly shardId: string;
      readonly startSequenceNumber: string;
      readonly endSequenceNumber: string;
      readonly approximateArrivalOfFirstRecord: string;
      readonly approximateArrivalOfLastRecord: string;
      readonly batchSize: number;
      readonly streamArn: string;
    };
    /** The whole event, as text. Destinations other than S3 do not get it. */
    readonly payload: string;
  };
}

/**
 * Returns the object that Lambda writes to a failure destination in S3.
 * https://docs.aws.amazon.com/lambda/latest/dg/kinesis-on-failure-destination.html
 *
 * @param mapping the id of the event source mapping, under which its objects are
 * @param id makes the object and the request unique
 */
export function failureRecordOf(
  { batch, condition, invocations }: Extract<ShardStep<StreamItem>, { readonly step: 'discard' }>,
  from: {
    readonly mapping: string;
    readonly functionArn: string;
    readonly streamArn: string;
    readonly shard: string;
  },
  event: unknown,
  now: EpochMillis,
  id: string,
): FailureRecord {
  const [first, last] = [batch[0], batch.at(-1)] as readonly [StreamItem, StreamItem];
  const iso = (at: EpochMillis): string => new Date(at).toISOString();
  const time = iso(now);
  const day = time.slice(0, 10);
  return {
    key: `aws/lambda/${from.mapping}/${from.shard}/${day.replaceAll('-', '/')}/${day}T${time.slice(11, 19).replaceAll(':', '.')}-${id}`,
    body: {
      requestContext: {
        requestId: id,
        functionArn: from.functionArn,
        condition,
        approximateInvokeCount: invocations,
      },
      ...(invocations > 0 && {
        responseContext: { statusCode: 200, executedVersion: '$LATEST', functionError: 'Unhandled' },
      }),
      version: '1.0',
      timestamp: time,
      KinesisBatchInfo: {
        shardId: from.shard,
        startSequenceNumber: String(first.identifier),
        endSequenceNumber: String(last.identifier),
        approximateArrivalOfFirstRecord: iso(first.arrival),
        approximateArrivalOfLastRecord: iso(last.arrival),
        batchSize: batch.length,
        streamArn: from.streamArn,
      },
      payload: JSON.stringify(event),
    },
  };
}
