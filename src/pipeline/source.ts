import type { StandardSchemaV1 } from '@standard-schema/spec';
import { checkOptions } from '../core/options.ts';
import { type Duration, type Millis, millis } from '../core/time.ts';
import { type Cluster, checkCluster } from './cluster.ts';
import { type Decode, type Decoder, decoderOf } from './decoders.ts';

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
  | DynamoDBSource<Rec>;

/**
 * The facts about each lineage of a source. A lineage is a shard, a partition, a message group, or the whole
 * of a queue without order.
 */
interface LineageFacts<Ordered extends boolean = boolean> {
  /** Whether records come in an order that a retry keeps. If not, each record is known by its id alone. */
  readonly ordered: Ordered;
  /** For how long the source may still deliver a record again; for ever when undefined. */
  readonly retention: Millis | undefined;
  /** Whether handlers note how far it is committed, so that the sweeper can tell what waits after that. */
  readonly notesProgress: boolean;
  /** Set where the source does not say when a record came: the record arrives when a handler is given it. */
  readonly arrivesWhenRead?: true;
  /**
   * Whether it has the records of a range of hashes of partition keys, by which key groups are cut as well, so that
   * a lineage may have groups of its own.
   */
  readonly ofHashRange?: true;
  /**
   * Whether its positions begin again from 0 when the source is deleted and made again under its name. The
   * time at which records came then tells new ones from those that come again.
   */
  readonly beginsAnew?: true;
  /**
   * Whether its name is the source's name, a slash, and a name that producers chose. The latter may be a key,
   * so it stands in no log line.
   */
  readonly namedByProducers: boolean;
}

/** What each record is known by beside its position: the answer of an author's function. */
type Identity = 'function';

interface AnySource<Ordered extends boolean> {
  readonly lineage: LineageFacts<Ordered>;
  /** What each record is known by, whatever its position; undefined where its position is all that tells it. */
  readonly identity: Identity | undefined;
  /** The number of key groups of a pipeline that does not set `groups`. */
  readonly groups: number;
  /** How the bytes of a record become values. */
  readonly decoder: Decoder;
  /** The steps from a decoded value to a record. */
  readonly steps: readonly Step[];
}

export interface KinesisSource<out Rec> extends AnySource<true> {
  readonly kind: 'kinesis';
  /** How many shards the stream begins with, as far as the definition knows. */
  readonly shards: number;
  /** The stream that the stack makes, or the ARN of one that exists. */
  readonly stream: NewStream | { readonly arn: string };
  /** Whether the handler reads as a consumer of its own (enhanced fan-out), with 2 MB/s of each shard for itself. */
  readonly fanOut: boolean;
  /** Returns the same source with each record reshaped by a pure function. */
  map<Next>(reshape: (record: Rec) => Next): KinesisSource<Next>;
  /**
   * The same source, with a pure function's children in place of each record: one, several, or none. Each child has a key and an
   * event time of its own, and is taken in, filtered or refused by itself.
   */
  expand<Child>(expand: (record: Rec) => readonly Child[], options?: Identified<Child>): KinesisSource<Child>;
}

interface NewStream {
  readonly mode: StreamMode;
  readonly retention: Millis;
}

/** Whether a stream has the shards that it is told to have, or as many as Kinesis makes of its load. */
type StreamMode = 'provisioned' | 'on-demand';

type QueueKind = 'sqs' | 'fifo';

export interface QueueSource<out Rec, out Kind extends QueueKind = QueueKind>
  extends AnySource<Kind extends 'fifo' ? true : false> {
  /** A standard queue (`sqs`), or a queue that keeps the order of each message group (`fifo`). */
  readonly kind: Kind;
  /** Returns the same source with each record reshaped by a pure function. */
  map<Next>(reshape: (record: Rec) => Next): QueueSource<Next, Kind>;
  /**
   * The same source, with a pure function's children in place of each record: one, several, or none. Each child has a key and an
   * event time of its own, and is taken in, filtered or refused by itself.
   */
  expand<Child>(
    expand: (record: Rec) => readonly Child[],
    options?: Identified<Child>,
  ): QueueSource<Child, Kind>;
}

export interface KafkaSource<out Rec> extends AnySource<true> {
  readonly kind: 'kafka';
  readonly topic: string;
  readonly partitions: number;
  /** Where the topic is; undefined where the definition leaves it out, as only a stack needs it. */
  readonly cluster: Cluster | undefined;
  /** Returns the same source with each record reshaped by a pure function. */
  map<Next>(reshape: (record: Rec) => Next): KafkaSource<Next>;
  /**
   * The same source, with a pure function's children in place of each record: one, several, or none. Each child has a key and an
   * event time of its own, and is taken in, filtered or refused by itself.
   */
  expand<Child>(expand: (record: Rec) => readonly Child[], options?: Identified<Child>): KafkaSource<Child>;
}

export interface RabbitSource<out Rec> extends AnySource<false>, RabbitQueue {
  readonly kind: 'rabbitmq';
  readonly virtualHost: string;
  /** What the place of a message is made of, by which it is known unless a record has an id of its own. */
  readonly placedBy: 'messageId' | 'content';
  /** Returns the same source with each record reshaped by a pure function. */
  map<Next>(reshape: (record: Rec) => Next): RabbitSource<Next>;
  /**
   * The same source, with a pure function's children in place of each record: one, several, or none. Each child has a key and an
   * event time of its own, and is taken in, filtered or refused by itself.
   */
  expand<Child>(expand: (record: Rec) => readonly Child[], options?: Identified<Child>): RabbitSource<Child>;
}

interface RabbitQueue {
  readonly queue: string;
  /** The virtual host of the queue. Default `/`. */
  readonly virtualHost?: string;
  /** The ARN of the broker of Amazon MQ. Only a stack needs it. */
  readonly broker?: string | undefined;
  /** The ARN of the secret that holds `username` and `password` for the broker. Only a stack needs it. */
  readonly secret?: string | undefined;
  /**
   * The exchange to which the queue gives messages that it has delivered too often. A quorum queue of RabbitMQ
   * 4.0 and later drops them where it has none.
   */
  readonly deadLetterExchange?: string | undefined;
  /** Says that the queue delivers a message as often as it takes: it is a classic queue, or has no limit. */
  readonly deliveryLimit?: 'none' | undefined;
}

export interface DynamoDBSource<out Rec> extends AnySource<true> {
  readonly kind: 'dynamodb';
  readonly table: string;
  /** The ARN of the table's stream, where the definition says it. */
  readonly stream: string | undefined;
  readonly kinds: readonly ChangeKind[];
  /** Returns the same source with each record reshaped by a pure function. */
  map<Next>(reshape: (record: Rec) => Next): DynamoDBSource<Next>;
  /**
   * The same source, with a pure function's children in place of each record: one, several, or none. Each child has a key and an
   * event time of its own, and is taken in, filtered or refused by itself.
   */
  expand<Child>(
    expand: (record: Rec) => readonly Child[],
    options?: Identified<Child>,
  ): DynamoDBSource<Child>;
}

export type ChangeKind = 'INSERT' | 'MODIFY' | 'REMOVE';

/**
 * One change of an item of a table. Attributes are plain values: a set is a list, bytes are Base64, and a number
 * past 2^53 is the text of its digits.
 */
export interface Change<Item> {
  readonly kind: ChangeKind;
  /** The attributes of the item's primary key. */
  readonly keys: { readonly [attribute: string]: unknown };
  /** The item after the change, unless it was removed or the stream has no new images. */
  readonly newImage?: Item;
  /** The item before the change, unless it was inserted or the stream has no old images. */
  readonly oldImage?: Item;
  /** When the item was changed, in epoch milliseconds, to the second at best. */
  readonly changedAt: number;
  /** Whether DynamoDB itself removed the item, as its time to live was over. */
  readonly expired: boolean;
}

type Step =
  | { readonly validate: StandardSchemaV1 }
  | { readonly reshape: (record: never) => unknown }
  | { readonly expand: (record: never) => readonly unknown[] }
  | { readonly identify: (record: never) => unknown };

interface Identified<Rec> {
  /**
   * Returns the id by which a record is known, so that what a producer sent twice is counted once: 1 to 1,024
   * bytes of text, by a pure function. Two records of one key and one id are the same record. A child of an
   * expanded record is known by the record's id and its place, or by an id of its own.
   */
  readonly id?: (record: Rec) => string;
}

interface AnyOptions<Rec> extends Identified<Rec> {
  /**
   * Any synchronous Standard Schema validator. Its output becomes the record, and a record that it refuses is
   * poison.
   */
  readonly schema?: StandardSchemaV1<unknown, Rec>;
  /**
   * How a record's bytes become what the schema, or the first function of the definition, sees: `json`
   * (default), `jsonLines`, `jsonTexts`, `cloudWatchLogs`, any of these in `gzip(...)` or `base64(...)`, or a
   * pure function of the bytes. Where it throws, the record is poison.
   */
  readonly decode?: Decode;
}

interface KinesisOptions<Rec> extends AnyOptions<Rec> {
  /** Whether the stream has `shards` shards, or divides and merges them by its load. Default `'provisioned'`. */
  readonly mode?: StreamMode;
  /** Default 1; an on-demand stream has four to begin with. */
  readonly shards?: number;
  /** For how long the stream keeps its records, in whole hours from a day to 365 days. Default 7 days. */
  readonly retention?: Duration;
  /** Whether the handler is a consumer of its own (enhanced fan-out). Default false. */
  readonly fanOut?: boolean;
  /** The ARN of a stream that exists, whose mode and retention are its owner's. By default the stack makes one. */
  readonly stream?: string;
}

interface QueueOptions<Rec> extends AnyOptions<Rec> {
  /** Whether the queue is a FIFO queue. Default false. */
  readonly fifo?: boolean;
}

interface FifoOptions<Rec> extends QueueOptions<Rec> {
  readonly fifo: true;
}

interface StandardOptions<Rec> extends QueueOptions<Rec> {
  readonly fifo?: false;
}

interface KafkaOptions<Rec> extends AnyOptions<Rec> {
  readonly topic: string;
  /**
   * The number of partitions of the topic, which sets the default of `groups` and how many of them Lambda reads
   * at once. Default 1.
   */
  readonly partitions?: number;
  /** Where the topic is. A stack needs it, a run on this machine does not. */
  readonly cluster?: Cluster;
}

interface RabbitOptions<Rec> extends Omit<AnyOptions<Rec>, 'id'>, RabbitQueue {
  /**
   * What tells a message when it comes again. Default `messageId`, without which a message is refused. By
   * `content` two messages of the same bytes are one. A function returns the id of a record, as for any source.
   */
  readonly id?: 'messageId' | 'content' | Identified<Rec>['id'];
}

interface ChangeOptions<Rec> extends Omit<AnyOptions<Rec>, 'decode'> {
  /** The name of the table, which must exist. */
  readonly table: string;
  /** The ARN of the table's stream. Otherwise the stack must be told it. */
  readonly stream?: string;
  /** The kinds of changes that are read. Default: all. */
  readonly kinds?: readonly ChangeKind[];
}

/** The number of key groups for a queue, as nobody knows how many consumers read it at once. */
const QUEUE_GROUPS = 16;

/** The longest that Kinesis keeps records, whatever a stream is told. */
export const LONGEST_RETENTION = millis('365d');

/** For how long a group remembers how far it has taken a shard in. */
export const SHARD_REMEMBERED = millis('365d');

const HOUR = millis('1h');

/** With how many shards an on-demand stream begins. */
const ON_DEMAND_SHARDS = 4;

/**
 * Reads a Kinesis data stream of JSON records: one that the stack makes, or one that exists.
 *
 * @throws RangeError when `shards` is not a whole number from 1 to 1,024, `mode` is no mode, `retention` is not
 * whole hours from a day to 365 days, `stream` is no ARN of a stream, or an option is given that another one
 * settles; TypeError when `fanOut` is not true or false, or for an unknown option
 *
 * @example
 * ```ts
 * import { kinesis } from 'millrace';
 *
 * interface Reading {
 *   fahrenheit: number;
 * }
 *
 * export const readings = kinesis<Reading>({ shards: 2 }).map(({ fahrenheit }) => ({ celsius: (fahrenheit - 32) / 1.8 }));
 * ```
 */
export function kinesis<Rec = unknown>(options: KinesisOptions<Rec> = {}): KinesisSource<Rec> {
  checkOptions('read a stream', options, [
    'mode',
    'shards',
    'retention',
    'fanOut',
    'stream',
    'schema',
    'id',
    'decode',
  ]);
  const { mode = 'provisioned', fanOut = false } = options;
  const { shards = mode === 'on-demand' ? ON_DEMAND_SHARDS : 1 } = options;
  if (!isCount(shards)) {
    throw new RangeError(
      `Cannot read a stream of ${shards} shards as shards must be a whole number from 1 to 1,024`,
    );
  }
  if (typeof fanOut !== 'boolean') {
    throw new TypeError(`Cannot read a stream as fanOut must be true or false: it is ${typeof fanOut}`);
  }
  if (mode === 'on-demand' && options.shards !== undefined) {
    throw new RangeError(
      'Cannot read an on-demand stream with shards as Kinesis settles how many it has: leave shards out, and set groups of the pipeline for more key groups',
    );
  }
  const stream = options.stream === undefined ? newStream(mode, options) : existingStream(options);
  const groups = groupsFor(shards);
  const lineage = {
    ordered: true,
    retention: SHARD_REMEMBERED,
    notesProgress: true,
    ofHashRange: true,
    namedByProducers: false,
  } as const;
  return sourceOf({ kind: 'kinesis', lineage, groups, shards, stream, fanOut }, options);
}

function newStream(
  mode: StreamMode,
  { retention = '7d' }: Pick<KinesisOptions<never>, 'retention'>,
): NewStream {
  if (mode !== 'provisioned' && mode !== 'on-demand') {
    throw new RangeError(
      `Cannot read a stream of the mode "${mode}" as the modes are provisioned and on-demand`,
    );
  }
  const kept = millis(retention);
  if (kept % HOUR !== 0 || kept < 24 * HOUR || kept > LONGEST_RETENTION) {
    throw new RangeError(
      `Cannot keep the records of a stream for "${retention}" as retention must be whole hours from "1d" to "365d"`,
    );
  }
  return { mode, retention: kept };
}

function existingStream<Rec>(options: KinesisOptions<Rec>): { readonly arn: string } {
  const { stream: arn = '' } = options;
  if (!STREAM_ARN.test(arn)) {
    throw new RangeError(
      `Cannot read the stream "${arn}" as stream must be the ARN of a stream: arn:aws:kinesis:<region>:<account>:stream/<name>`,
    );
  }
  const settled = (['mode', 'retention'] as const).find((option) => options[option] !== undefined);
  if (settled !== undefined) {
    throw new RangeError(
      `Cannot set the ${settled} of a stream that exists as mode and retention are its owner's: leave ${settled} or stream out`,
    );
  }
  return { arn };
}

const STREAM_ARN = /^arn:aws[a-z-]*:kinesis:[a-z0-9-]+:\d{12}:stream\/[\w.-]{1,128}$/;

/**
 * Reads an SQS queue of JSON messages. A standard queue has no order, so `definePipeline` refuses windows
 * that need one; a FIFO queue (`fifo: true`) has an order in each message group.
 *
 * @throws TypeError when `fifo` is not true or false, or for an unknown option
 *
 * @example
 * ```ts
 * import { sqs } from 'millrace';
 * import { z } from 'zod';
 *
 * export const readings = sqs({ fifo: true, schema: z.object({ machineId: z.string(), celsius: z.number() }) });
 * ```
 */
export function sqs<Rec = unknown>(options: FifoOptions<Rec>): QueueSource<Rec, 'fifo'>;
export function sqs<Rec = unknown>(options?: StandardOptions<Rec>): QueueSource<Rec, 'sqs'>;
export function sqs<Rec = unknown>(options: QueueOptions<Rec> = {}): QueueSource<Rec> {
  checkOptions('read a queue', options, ['fifo', 'schema', 'id', 'decode']);
  const { fifo = false } = options;
  if (typeof fifo !== 'boolean') {
    throw new TypeError(`Cannot read a queue as fifo must be true or false: it is ${typeof fifo}`);
  }
  const kind = fifo ? 'fifo' : 'sqs';
  const lineage = {
    ordered: fifo,
    retention: millis('14d'),
    notesProgress: false,
    // A FIFO queue's lineages are its message groups.
    namedByProducers: fifo,
  };
  return sourceOf({ kind, lineage, groups: QUEUE_GROUPS }, options);
}

/**
 * Reads a Kafka topic of JSON records, from Amazon MSK or any other cluster, with `partitions` partitions
 * (default 1).
 *
 * @throws RangeError when `topic` is not 1 to 249 letters, digits, dots, hyphens and underscores, or
 * `partitions` is not a whole number from 1 to 1,024; RangeError or TypeError for a `cluster` that no event source
 * mapping could read; TypeError for an unknown option
 *
 * @example
 * ```ts
 * import { kafka } from 'millrace';
 *
 * interface Reading {
 *   celsius: number;
 * }
 *
 * export const readings = kafka<Reading>({
 *   topic: 'readings',
 *   partitions: 6,
 *   cluster: { msk: 'arn:aws:kafka:eu-central-1:123456789012:cluster/plant/2f6a-1' },
 * });
 * ```
 */
export function kafka<Rec = unknown>(options: KafkaOptions<Rec>): KafkaSource<Rec> {
  checkOptions('read a topic', options, ['topic', 'partitions', 'cluster', 'schema', 'id', 'decode']);
  const { topic, partitions = 1, cluster } = options;
  if (!isTopic(topic)) {
    throw new RangeError(
      `Cannot read a topic "${topic}" as topics must be 1 to 249 letters, digits, dots, hyphens and ` +
        'underscores, but not "." or ".."',
    );
  }
  if (!isCount(partitions)) {
    throw new RangeError(
      `Cannot read a topic of ${partitions} partitions as partitions must be a whole number from 1 to 1,024`,
    );
  }
  if (cluster !== undefined) checkCluster(cluster);
  const groups = groupsFor(partitions);
  const lineage = {
    ordered: true,
    retention: undefined,
    beginsAnew: true as const,
    notesProgress: false,
    namedByProducers: false,
  } as const;
  return sourceOf({ kind: 'kafka', lineage, groups, topic, partitions, cluster }, options);
}

/**
 * Reads a RabbitMQ queue of JSON messages, of a broker of Amazon MQ. It has no order, so `definePipeline`
 * refuses windows that need one. Each message is known by the id that its producer gave it.
 *
 * @throws RangeError when `queue` or `virtualHost` is not 1 to 255 bytes, `id` is none of those that there
 * are, or `broker` or `secret` is no such ARN; TypeError for an unknown option, or where a dead-letter exchange
 * is stated of a queue without a delivery limit
 *
 * @example
 * ```ts
 * import { rabbitmq } from 'millrace';
 *
 * interface Reading {
 *   celsius: number;
 * }
 *
 * export const readings = rabbitmq<Reading>({ queue: 'readings', deadLetterExchange: 'refused' });
 * ```
 */
export function rabbitmq<Rec = unknown>(options: RabbitOptions<Rec>): RabbitSource<Rec> {
  checkOptions('read a queue of RabbitMQ', options, [
    'queue',
    'virtualHost',
    'broker',
    'secret',
    'id',
    'deadLetterExchange',
    'deliveryLimit',
    'schema',
    'decode',
  ]);
  const { virtualHost = '/', id = 'messageId', schema, decode, ...queue } = options;
  const identify = typeof id === 'string' ? undefined : id;
  const refuse = (rule: string, state: string): RangeError =>
    new RangeError(`Cannot read a queue of RabbitMQ as ${rule}: it is ${state}`);
  for (const [name, text] of Object.entries({
    queue: queue.queue,
    virtualHost,
    ...(queue.deadLetterExchange !== undefined && { deadLetterExchange: queue.deadLetterExchange }),
  })) {
    if (!isShortText(text)) throw refuse(`${name} must be 1 to 255 bytes of text`, shownText(text));
  }
  if (id !== 'messageId' && id !== 'content' && typeof id !== 'function') {
    throw refuse('id must be "messageId", "content" or a function of the record', shownText(id));
  }
  for (const name of ['broker', 'secret'] as const) {
    const arn = queue[name];
    if (arn !== undefined && !ARNS[name].form.test(arn)) {
      // Whoever misreads the option gives the secret itself, which no error may show.
      throw refuse(
        `${name} must be the ARN of ${ARNS[name].of}`,
        name === 'secret' ? 'another text' : shownText(arn),
      );
    }
  }
  const { deadLetterExchange, deliveryLimit } = queue;
  if (deliveryLimit !== undefined && deliveryLimit !== 'none') {
    throw refuse('deliveryLimit must be "none" or left out', shownText(deliveryLimit));
  }
  if (deliveryLimit && deadLetterExchange !== undefined) {
    throw new TypeError(
      'Cannot read a queue of RabbitMQ as it must have either a dead-letter exchange or no delivery limit: ' +
        'both deadLetterExchange and deliveryLimit are set',
    );
  }
  const lineage = {
    ordered: false,
    // A queue keeps its messages for ever, and a refused one comes again only where its acknowledgement was lost.
    retention: millis('14d'),
    notesProgress: false,
    arrivesWhenRead: true,
    namedByProducers: false,
  } as const;
  // Lambda has one batch of the queue in flight, as of one shard.
  const groups = groupsFor(1);
  // A function of the record makes the same id of the same content.
  const placedBy = id === 'messageId' ? 'messageId' : 'content';
  return sourceOf(
    { kind: 'rabbitmq', lineage, groups, ...queue, virtualHost, placedBy },
    { ...(schema && { schema }), ...(decode !== undefined && { decode }), ...(identify && { id: identify }) },
  );
}

const ARNS = {
  broker: {
    of: 'a broker of Amazon MQ',
    form: /^arn:aws[a-z-]*:mq:[a-z0-9-]+:\d{12}:broker:[\w-]+:b-[\w-]+$/,
  },
  secret: {
    of: 'a secret of Secrets Manager',
    form: /^arn:aws[a-z-]*:secretsmanager:[a-z0-9-]+:\d{12}:secret:[\w/+=.@-]+$/,
  },
} as const;

const isShortText = (text: unknown): boolean =>
  typeof text === 'string' && text !== '' && new TextEncoder().encode(text).length <= 255;

const shownText = (value: unknown): string => (typeof value === 'string' ? `"${value}"` : typeof value);

/** For how long DynamoDB keeps the changes of a table, as it says. */
export const CHANGES_KEPT = millis('1d');

/** For how long a group remembers how far it has taken a shard of a table's stream in. */
export const CHANGES_REMEMBERED = millis('2d');

/** The number of key groups for a table, as nobody knows how many shards its stream has. */
const TABLE_GROUPS = 16;

const CHANGE_KINDS: readonly ChangeKind[] = ['INSERT', 'MODIFY', 'REMOVE'];

/**
 * Reads the changes of a DynamoDB table that has a stream. The changes of one item are in order.
 *
 * @throws RangeError when `table` is no name of a table, `stream` is no ARN of a stream of that table, or `kinds`
 * is no list of kinds of changes; TypeError for an unknown option
 *
 * @example
 * ```ts
 * import { dynamodbStream } from 'millrace';
 *
 * interface Order {
 *   customer: string;
 *   total: number;
 * }
 *
 * export const orders = dynamodbStream<Order>({ table: 'orders', kinds: ['INSERT'] }).expand(
 *   ({ newImage, changedAt }) => (newImage ? [{ ...newImage, changedAt }] : []),
 * );
 * ```
 */
export function dynamodbStream<Item = unknown, Rec = Change<Item>>(
  options: ChangeOptions<Rec>,
): DynamoDBSource<Rec> {
  checkOptions('read a table', options, ['table', 'stream', 'kinds', 'schema', 'id']);
  const { table, stream, kinds = CHANGE_KINDS } = options;
  if (typeof table !== 'string' || !/^[\w.-]{3,255}$/.test(table)) {
    throw new RangeError(
      `Cannot read a table "${table}" as tables must be 3 to 255 letters, digits, dots, hyphens and underscores`,
    );
  }
  if (stream !== undefined && tableOf(stream) !== table) {
    throw new RangeError(
      `Cannot read the table "${table}" by the stream "${stream}" as stream must be the ARN of a stream of the table: arn:aws:dynamodb:<region>:<account>:table/${table}/stream/<label>`,
    );
  }
  if (!Array.isArray(kinds) || kinds.length === 0 || !kinds.every((kind) => CHANGE_KINDS.includes(kind))) {
    throw new RangeError(
      `Cannot read the table "${table}" as kinds must be a list of INSERT, MODIFY and REMOVE: it is ${JSON.stringify(kinds)}`,
    );
  }
  const lineage = {
    ordered: true,
    retention: CHANGES_REMEMBERED,
    notesProgress: true,
    namedByProducers: false,
  } as const;
  return sourceOf({ kind: 'dynamodb', lineage, groups: TABLE_GROUPS, table, stream, kinds }, options);
}

/** Returns the table that a stream's ARN names; undefined for any other text. */
const tableOf = (stream: string): string | undefined =>
  /^arn:aws[a-z-]*:dynamodb:[a-z0-9-]+:\d{12}:table\/([\w.-]+)\/stream\/[^/]+$/.exec(stream)?.[1];

/** Says whether Kafka allows a topic of this name. */
export const isTopic = (topic: unknown): boolean =>
  typeof topic === 'string' && /^(?!\.\.?$)[a-zA-Z0-9._-]{1,249}$/.test(topic);

const isCount = (count: number): boolean => Number.isInteger(count) && count >= 1 && count <= 1_024;

/** Returns the next power of two from four for each shard or partition. */
const groupsFor = (readers: number): number => 2 ** Math.ceil(Math.log2(4 * readers));

function sourceOf<Of extends Source<unknown>, Rec>(
  own: Omit<Of, 'identity' | 'decoder' | 'steps' | 'map' | 'expand'>,
  { schema, id, decode }: AnyOptions<Rec>,
): Of {
  const decoder = decoderOf('read a source', decode);
  const having = (steps: readonly Step[]): Of =>
    ({
      ...own,
      identity: steps.some((step) => 'identify' in step) ? 'function' : undefined,
      decoder,
      steps,
      map: (reshape: (record: never) => unknown) => having([...steps, { reshape }]),
      expand: (expand: (record: never) => readonly unknown[], options: Identified<never> = {}) => {
        checkOptions('expand records', options, ['id']);
        return having([...steps, { expand }, ...identified('expand records', options.id)]);
      },
    }) as unknown as Of;
  const read = schema ? [{ validate: schema }] : [];
  return having([...read, ...identified('read a source', id)]);
}

function identified(action: string, id: Identified<never>['id']): readonly Step[] {
  if (id === undefined) return [];
  if (typeof id !== 'function') {
    throw new TypeError(`Cannot ${action} as id must be a function of the record: it is ${typeof id}`);
  }
  return [{ identify: id }];
}
