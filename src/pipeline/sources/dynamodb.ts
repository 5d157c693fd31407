import { checkOptions } from '../../core/options.ts';
import { millis } from '../../core/time.ts';
import { type AnyOptions, type AnySource, type Identified, sourceOf } from './any-source.ts';

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

interface ChangeOptions<Rec> extends Omit<AnyOptions<Rec>, 'decode'> {
  /** The name of the table, which must exist. */
  readonly table: string;
  /** The ARN of the table's stream. Otherwise the stack must be told it. */
  readonly stream?: string;
  /** The kinds of changes that are read. Default: all. */
  readonly kinds?: readonly ChangeKind[];
}

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
