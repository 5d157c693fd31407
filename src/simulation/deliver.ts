import { checkOptions } from '../core/options.ts';
import { positionOf } from '../core/position.ts';
import { after, type Duration, type EpochMillis, millis } from '../core/time.ts';
import { type FilterPattern, passes } from '../local/mapping/filter.ts';
import { checkQueueMapping, QueueMachine, QueueMappingMachine } from '../local/mapping/queue.ts';
import { type FailureRecord, failureRecordOf, ShardMachine } from '../local/mapping/stream.ts';
import type { SourceRecord } from '../ports/source.ts';
import { SHAPES } from './shapes.ts';

/** An event source mapping of a stream or of a queue, as `deliver` stands in for it. */
export interface DeliveryMapping {
  /** What the mapping reads: one shard of a Kinesis stream, a standard queue, or a FIFO queue. */
  readonly source: 'kinesis' | 'sqs' | 'fifo';
  /** The most records of a batch. Default 100 of a stream, 10 of a queue. */
  readonly batchSize?: number;
  /** For how long a batch that is not full waits for more. Default 0. */
  readonly batchingWindow?: Duration;
  /** Whether answers that name records count. Default true. */
  readonly reportBatchItemFailures?: boolean;
  /** Keeps the records that pass one of these patterns. Default: all records. */
  readonly filters?: readonly FilterPattern[];
  /** Returns a record's partition key, which is the message group in a FIFO queue. Default: the same for all. */
  readonly partitionKey?: (record: unknown) => string;
  /** When the records arrive, in epoch milliseconds. Default: in the year 2100, after any event time. */
  readonly arrival?: number;
  /** Of a stream: whether a batch that fails is cut in half. Default false. */
  readonly bisect?: boolean;
  /** Of a stream: how often a batch is tried again. Default: as often as it takes. */
  readonly retries?: number;
  /** Of a stream: how old a record may be when it is handed over. Default: any age. */
  readonly maxAge?: Duration;
  /** Of a queue: for how long a message that was received is hidden. Default 6 minutes. */
  readonly visibilityTimeout?: Duration;
  /** Of a queue: how often a message is received before it is a dead letter. Default 100. */
  readonly maxReceives?: number;
}

/** What became of the records that were delivered. Records are given by their places in the list, from 0. */
export interface Delivered {
  /** The records of each event that the handler was called with, in order. */
  readonly batches: readonly (readonly number[])[];
  /** The records that were taken, in the order in which they were. */
  readonly done: readonly number[];
  /** The records that passed no filter. */
  readonly filtered: readonly number[];
  /** The records of a stream that were given up, with the object that Lambda writes to a failure destination in S3. */
  readonly discarded: readonly { readonly records: readonly number[]; readonly object: FailureRecord }[];
  /** The messages of a queue that became dead letters. */
  readonly dead: readonly number[];
}

const OPTIONS: readonly (keyof DeliveryMapping)[] = [
  'source',
  'batchSize',
  'batchingWindow',
  'reportBatchItemFailures',
  'filters',
  'partitionKey',
  'arrival',
  'bisect',
  'retries',
  'maxAge',
  'visibilityTimeout',
  'maxReceives',
];

/** A record on its way. */
interface Sent {
  readonly at: number;
  readonly source: SourceRecord;
  readonly identifier: unknown;
  readonly passes: boolean;
}

type Handler = (event: unknown) => Promise<unknown>;

/** How often a handler is called at most. One that fails for ever would be called for ever. */
const MOST_CALLS = 10_000;

const LATER_THAN_ALL = Date.UTC(2100, 0, 1);

const STREAM = 'arn:aws:kinesis:eu-central-1:123456789012:stream/test';
const SHARD = 'shardId-000000000000';

export async function deliverRecords(
  handler: Handler,
  mapping: DeliveryMapping,
  records: readonly unknown[],
): Promise<Delivered> {
  checkOptions('deliver', mapping, OPTIONS);
  const shape = SHAPES[mapping.source];
  const sent = records.map((record, at) => sentOf(mapping, record, at));
  const kept = sent.filter((one) => one.passes);
  const found = { batches: [] as number[][], done: [] as number[] };
  const call = async (batch: readonly Sent[]) => {
    if (found.batches.length === MOST_CALLS) {
      throw new Error(
        `Cannot deliver on as the handler must take its records at some time: it was called ${MOST_CALLS.toLocaleString('en')} times; give retries, maxAge or maxReceives`,
      );
    }
    found.batches.push(placesOf(batch));
    const event = JSON.parse(JSON.stringify(shape.eventOf(batch.map(({ source }) => source))));
    try {
      return { answer: await handler(event) };
    } catch (error) {
      return { error };
    }
  };
  const deliverOver = shape.fromNamedOn ? fromStream : fromQueue;
  const ended = await deliverOver(mapping, kept, call, found.done);
  return { ...found, filtered: placesOf(sent.filter((one) => !one.passes)), ...ended };
}

type Call = (batch: readonly Sent[]) => Promise<{ readonly answer: unknown } | { readonly error: unknown }>;
type Ended = Pick<Delivered, 'discarded' | 'dead'>;

async function fromStream(
  mapping: DeliveryMapping,
  sent: readonly Sent[],
  call: Call,
  done: number[],
): Promise<Ended> {
  const { batchSize = 100, maxAge, retries = Number.POSITIVE_INFINITY } = mapping;
  const machine = new ShardMachine<ReturnType<typeof itemOf>>({
    ...batchingOf(mapping, batchSize),
    bisects: mapping.bisect ?? false,
    maxRetries: retries,
    maxAge: maxAge === undefined ? Number.POSITIVE_INFINITY : millis(maxAge),
  });
  const discarded: Delivered['discarded'][number][] = [];
  let now = arrivalOf(mapping);
  machine.offer(sent.map(itemOf), now);
  let before = 0;
  for (let due = machine.due(); due !== undefined; due = machine.due()) {
    now = Math.max(now, due) as EpochMillis;
    const step = machine.next(now);
    if (step === undefined) continue;
    const batch = step.batch.map((item) => item.sent);
    if (step.step === 'discard') {
      const event = SHAPES[mapping.source].eventOf(batch.map(({ source }) => source));
      const from = { mapping: 'test', functionArn: 'arn:aws:lambda:test', streamArn: STREAM, shard: SHARD };
      const object = failureRecordOf(step, from, event, now, String(discarded.length));
      discarded.push({ records: placesOf(batch), object });
      before += batch.length;
      continue;
    }
    machine.settle(await call(batch), now);
    const { checkpoint } = machine;
    const reached = checkpoint === undefined ? 0 : sent.indexOf(checkpoint.sent) + 1;
    done.push(...placesOf(sent.slice(before, reached)));
    before = Math.max(before, reached);
  }
  return { discarded, dead: [] };
}

async function fromQueue(
  mapping: DeliveryMapping,
  sent: readonly Sent[],
  call: Call,
  done: number[],
): Promise<Ended> {
  const fifo = SHAPES[mapping.source].ordered;
  const { batchSize = 10, visibilityTimeout = '6m', maxReceives = 100 } = mapping;
  const batching = batchingOf(mapping, batchSize);
  checkQueueMapping(batching, { fifo });
  const queue = new QueueMachine<Sent>({ fifo, visibilityTimeout: millis(visibilityTimeout), maxReceives });
  const machine = new QueueMappingMachine<ReturnType<typeof itemOf> & { id: string; receipt: number }>(
    batching,
  );
  let now = arrivalOf(mapping);
  for (const content of sent) {
    const group = fifo ? content.source.partitionKey : undefined;
    queue.send({ id: String(content.identifier), group, sentAt: now, content });
  }
  while (queue.size > 0) {
    for (;;) {
      const received = machine.waiting < batchSize ? queue.receive(10, now) : [];
      if (received.length === 0) break;
      machine.offer(
        received.map(({ message, receipt }) => ({
          ...itemOf(message.content),
          id: message.id,
          group: message.group,
          receipt,
        })),
        now,
      );
    }
    const batch = machine.next(now);
    if (batch === undefined) {
      const times = [machine.due(), queue.nextVisible()].filter((time) => time !== undefined);
      if (times.length > 0) now = Math.max(now, Math.min(...times)) as EpochMillis;
      continue;
    }
    const settled = machine.settle(batch, await call(batch.map((item) => item.sent)), now);
    for (const item of settled.done) if (queue.delete(item.receipt)) done.push(item.sent.at);
  }
  return { discarded: [], dead: queue.dead.map(({ content }) => content.at) };
}

const batchingOf = (mapping: DeliveryMapping, batchSize: number) => ({
  batchSize,
  batchingWindow: millis(mapping.batchingWindow ?? '0s'),
  reportsFailures: mapping.reportBatchItemFailures ?? true,
});

const arrivalOf = ({ arrival = LATER_THAN_ALL }: DeliveryMapping): EpochMillis =>
  after(arrival as EpochMillis, millis('0s'));

const placesOf = (batch: readonly Sent[]): number[] => batch.map(({ at }) => at);

const itemOf = (sent: Sent) => ({
  identifier: sent.identifier,
  arrival: sent.source.arrival,
  bytes: Math.ceil((sent.source.data.length * 4) / 3) + 700,
  group: undefined as string | undefined,
  sent,
});

function sentOf(mapping: DeliveryMapping, record: unknown, at: number): Sent {
  const { partitionKey = () => 'any', filters } = mapping;
  const data = record instanceof Uint8Array ? record : new TextEncoder().encode(JSON.stringify(record));
  const key = partitionKey(record);
  const lineage = { kinesis: `test/${SHARD}`, sqs: 'test', fifo: `test/${key}` }[mapping.source];
  const source: SourceRecord = {
    lineage,
    position: positionOf(String(at)),
    arrival: arrivalOf(mapping),
    partitionKey: key,
    data,
  };
  const value = { data: jsonOf(data), body: jsonOf(data), partitionKey: key };
  return {
    at,
    source,
    identifier: SHAPES[mapping.source].identifierOf(source),
    passes: filters === undefined || filters.some((pattern) => passes(pattern, value)),
  };
}

/** A record as filters see it: JSON, or else its text. */
function jsonOf(data: Uint8Array): unknown {
  const text = new TextDecoder().decode(data);
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}
