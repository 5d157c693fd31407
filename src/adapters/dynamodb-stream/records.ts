import type { AttributeValue, DynamoDBRecord, DynamoDBStreamEvent } from 'aws-lambda';
import { loggable } from '../../core/loggable.ts';
import type { Plain } from '../../core/plain.ts';
import { positionOf } from '../../core/position.ts';
import { type EpochMillis, isInstant } from '../../core/time.ts';
import type { Change, ChangeKind } from '../../pipeline/sources/dynamodb.ts';
import { type ColumnRecord, onlySource, SourceColumns, type SourceRecord } from '../../ports/source.ts';

/**
 * The event that Lambda passes to a consumer of a table's stream whose mapping sets a tumbling window. Without
 * such a window an event does not say which shard its records are of, and only positions of one shard compare.
 */
export interface ChangeEvent extends DynamoDBStreamEvent {
  readonly shardId?: string;
}

/**
 * Returns the records of an event, each a change of an item as JSON. Each shard of the stream is a lineage.
 *
 * @throws TypeError when the event does not have that form
 */
export function recordsOf(event: ChangeEvent): readonly ColumnRecord[] {
  if (!Array.isArray(event?.Records)) {
    throw loggable(
      new TypeError('Cannot read the event as it must be a DynamoDB Streams event: it has no list "Records"'),
    );
  }
  const { Records, shardId } = event;
  if (Records.length > 0 && (typeof shardId !== 'string' || shardId === '')) {
    throw loggable(
      new TypeError(
        'Cannot read the event as it must say which shard its records are of: it lacks "shardId", ' +
          'which Lambda gives where the event source mapping sets TumblingWindowInSeconds',
      ),
    );
  }
  const columns = new SourceColumns(Records.length);
  let stream: string | undefined;
  let lineage = '';
  for (const record of Records) {
    const { dynamodb, eventSourceARN } = checked(record);
    if (eventSourceARN !== stream) lineage = changeLineageOf(eventSourceARN, shardId as string);
    stream = eventSourceARN;
    const arrival = arrivalOf(dynamodb);
    const change = changeOf(record, dynamodb, arrival);
    const position = positionOf(dynamodb.SequenceNumber);
    columns.add(lineage, position, arrival, partitionKeyOf(change), JSON.stringify(change), 'utf8');
  }
  return columns.records;
}

/** Lets go of an event whose records were read, as nothing of them refers to it. */
export function letGo(event: ChangeEvent): void {
  event.Records.length = 0;
}

/**
 * Returns the ARN of the stream of an event's records; undefined for an event without records.
 *
 * @throws RangeError when the records are from several streams
 */
export const sourceOf = ({ Records }: ChangeEvent): string | undefined =>
  onlySource(Records.map(({ eventSourceARN }) => eventSourceARN as string));

const KINDS: ReadonlySet<unknown> = new Set<ChangeKind>(['INSERT', 'MODIFY', 'REMOVE']);

type StreamRecord = NonNullable<DynamoDBRecord['dynamodb']>;

/** What each record has. */
interface Checked {
  readonly dynamodb: StreamRecord & { readonly Keys: Attributes; readonly SequenceNumber: string };
  readonly eventSourceARN: string;
}

function checked(record: DynamoDBRecord): Checked {
  const { dynamodb, eventName, eventSourceARN } = record;
  if (
    typeof dynamodb?.SequenceNumber !== 'string' ||
    !isMap(dynamodb.Keys) ||
    !KINDS.has(eventName) ||
    typeof eventSourceARN !== 'string' ||
    !STREAM.test(eventSourceARN)
  ) {
    throw loggable(
      new TypeError(
        'Cannot read a record as it must be of a DynamoDB Streams event: its "eventName", "eventSourceARN", ' +
          '"dynamodb.Keys" or "dynamodb.SequenceNumber" is of another form',
      ),
    );
  }
  return record as Checked;
}

function arrivalOf({ ApproximateCreationDateTime = Number.NaN }: StreamRecord): EpochMillis {
  // The timestamp is in seconds, perhaps with milliseconds behind the point.
  const arrival = Math.round(ApproximateCreationDateTime * 1_000);
  if (isInstant(arrival)) return arrival;
  throw loggable(
    new TypeError(
      'Cannot read a record as "dynamodb.ApproximateCreationDateTime" must be seconds since the epoch',
    ),
  );
}

const changeOf = (
  { eventName, userIdentity }: DynamoDBRecord,
  { Keys, NewImage, OldImage }: Checked['dynamodb'],
  changedAt: EpochMillis,
): Change<unknown> => ({
  kind: eventName as ChangeKind,
  keys: itemOf(Keys),
  ...(NewImage ? { newImage: itemOf(NewImage) } : {}),
  ...(OldImage ? { oldImage: itemOf(OldImage) } : {}),
  changedAt,
  expired: eventName === 'REMOVE' && userIdentity?.principalId === 'dynamodb.amazonaws.com',
});

/** The names of an item's attributes come in no order. */
const partitionKeyOf = ({ keys }: Change<unknown>): string =>
  JSON.stringify(Object.entries(keys).toSorted(([a], [b]) => (a < b ? -1 : 1)));

const STREAM = /^arn:[\w-]+:dynamodb:[\w-]*:\d*:table\/([\w.-]+)\/stream\/([^/]+)$/;

/**
 * Names the lineage of a shard. The stream of a table may be disabled and another enabled, so that the stream's
 * label is part of the name.
 */
export function changeLineageOf(stream: string, shard: string): string {
  const [, table, label] = STREAM.exec(stream) ?? [];
  return `${table}/${label}/${shard}`;
}

type Attributes = { readonly [name: string]: AttributeValue };

const isMap = (value: unknown): value is Attributes =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

const itemOf = (attributes: Attributes, depth = 0): { readonly [name: string]: Plain } =>
  Object.fromEntries(Object.entries(attributes).map(([name, value]) => [name, plainOf(value, depth)]));

/** DynamoDB nests 32 levels at most. */
const MAX_DEPTH = 32;

/** Returns the plain value that an attribute stands for. */
function plainOf(attribute: AttributeValue, depth: number): Plain {
  const [[type, value] = [], more] = isMap(attribute) ? Object.entries(attribute) : [];
  const make = type === undefined || more || !Object.hasOwn(VALUES, type) ? undefined : VALUES[type as Type];
  const plain = depth > MAX_DEPTH ? undefined : make?.(value, depth);
  if (plain === undefined) {
    throw loggable(
      new TypeError('Cannot read a record as one of its attributes must be a value of DynamoDB: it is none'),
    );
  }
  return plain;
}

type Type = 'S' | 'N' | 'B' | 'BOOL' | 'NULL' | 'L' | 'M' | 'SS' | 'NS' | 'BS';

/** What each type of attribute stands for; undefined for a value that is not of the type. */
const VALUES: { readonly [T in Type]: (value: unknown, depth: number) => Plain | undefined } = {
  S: textOf,
  N: numberOf,
  // In Base64, as in the event.
  B: textOf,
  BOOL: (value) => (typeof value === 'boolean' ? value : undefined),
  NULL: () => null,
  L: (value, depth) => (Array.isArray(value) ? value.map((member) => plainOf(member, depth + 1)) : undefined),
  M: (value, depth) => (isMap(value) ? itemOf(value, depth + 1) : undefined),
  SS: (value) => setOf(value, textOf),
  NS: (value) => setOf(value, numberOf),
  BS: (value) => setOf(value, textOf),
};

function textOf(value: unknown): string | undefined {
  return typeof value === 'string' ? value : undefined;
}

/**
 * Returns a number; or its digits as text where it is past 2^53, as it may be an id of which no digit may be
 * lost. A fraction becomes the number nearest to it.
 */
function numberOf(value: unknown): Plain | undefined {
  if (typeof value !== 'string' || !/^[+-]?\d+(\.\d*)?(e[+-]?\d+)?$/i.test(value)) return undefined;
  const number = Number(value);
  return Math.abs(number) > Number.MAX_SAFE_INTEGER ? value : number;
}

function setOf(value: unknown, memberOf: (member: unknown) => Plain | undefined): Plain | undefined {
  if (!Array.isArray(value)) return undefined;
  const members = value.map(memberOf);
  return members.every((member) => member !== undefined) ? members : undefined;
}

/**
 * Returns the first record to redeliver. Lambda continues from its sequence number; without one, the whole
 * batch is done. Where a mapping sets a tumbling window, an answer without a state counts as a failure.
 */
export const responseOf = ([lowest]: readonly SourceRecord[]) => ({
  batchItemFailures: lowest ? [{ itemIdentifier: lowest.position as string }] : [],
  state: {},
});
