import {
  type AttributeValue,
  BatchWriteItemCommand,
  ConditionalCheckFailedException,
  type DynamoDBClient,
  PutItemCommand,
  type WriteRequest,
} from '@aws-sdk/client-dynamodb';
import { LoggableError } from '../../core/loggable.ts';
import { inParallel } from '../../ports/in-parallel.ts';
import type { Row, RowStore } from '../../ports/stores.ts';
import { ROWS_KEY } from '../../wiring/names.ts';

/** The most items that BatchWriteItem takes. */
const BATCH_ITEMS = 25;

/**
 * Keeps rows in one DynamoDB table, where a pane's fields are attributes of the same names. Settled rows are
 * written many to a request, which takes no conditions; all other rows one by one, each under its condition.
 */
export const dynamoRows = (client: DynamoDBClient, table: string): RowStore => ({
  async put(rows) {
    const settled = rows.filter((row) => row.settled);
    const batches = Array.from({ length: Math.ceil(settled.length / BATCH_ITEMS) }, (_, at) =>
      settled.slice(at * BATCH_ITEMS, (at + 1) * BATCH_ITEMS),
    );
    await inParallel(batches, (batch) => putAll(client, table, batch));
    await inParallel(
      rows.filter((row) => !row.settled),
      (row) => putIfNewer(client, table, row),
    );
  },
});

async function putAll(client: DynamoDBClient, table: string, rows: readonly Row[]): Promise<void> {
  let requests: WriteRequest[] = rows.map((row) => ({ PutRequest: { Item: itemOf(row) } }));
  while (requests.length > 0) {
    const answer = await client.send(new BatchWriteItemCommand({ RequestItems: { [table]: requests } }));
    const unprocessed = answer.UnprocessedItems?.[table] ?? [];
    // The table is throttled: whoever is woken next tries the whole step again.
    if (unprocessed.length === requests.length)
      throw new LoggableError(`Cannot write rows as ${table} takes none now`);
    requests = unprocessed;
  }
}

async function putIfNewer(client: DynamoDBClient, table: string, row: Row): Promise<void> {
  try {
    await client.send(
      new PutItemCommand({
        TableName: table,
        Item: itemOf(row),
        ConditionExpression:
          'attribute_not_exists(#sort) OR #order < :order OR (#order = :order AND (#start > :start OR (#start = :start AND #revision < :revision)))',
        ExpressionAttributeNames: {
          '#sort': ROWS_KEY.sort,
          '#order': 'order',
          '#start': 'start',
          '#revision': 'revision',
        },
        ExpressionAttributeValues: {
          ':order': { N: String(row.order) },
          ':start': { S: row.pane.start },
          ':revision': { N: String(row.pane.revision) },
        },
      }),
    );
  } catch (error) {
    if (!(error instanceof ConditionalCheckFailedException)) throw error;
  }
}

/**
 * The most bytes of results in JSON. As attributes they take up to three times as much of the 400 KB that an
 * item may have.
 */
const MAX_RESULTS_BYTES = 128_000;

/** Returns a pane as an item. Results that are larger are null in the item; the bucket has the whole pane. */
export function itemOf({ partition, sort, order, pane }: Row): Record<string, AttributeValue> {
  const item: Record<string, AttributeValue> = {};
  for (const [name, value] of Object.entries(pane)) item[name] = attribute(value, 1);
  if (Buffer.byteLength(JSON.stringify(pane.results)) > MAX_RESULTS_BYTES) item['results'] = { NULL: true };
  item[ROWS_KEY.partition] = { S: partition };
  item[ROWS_KEY.sort] = { S: sort };
  item['order'] = { N: String(order) };
  return item;
}

/** The magnitudes at which DynamoDB's numbers end. */
const LARGEST = 9.99e125;
const LEAST = 1e-130;

/** How deep an item's attributes may nest. */
const MAX_LEVELS = 31;
/** How many bytes a name in a map may take. It takes at least one. */
const MAX_NAME_BYTES = 65_535;

const canBeMap = (names: readonly string[]): boolean =>
  names.every((name) => name !== '' && Buffer.byteLength(name) <= MAX_NAME_BYTES);

const isNotFinite = (value: unknown): boolean => typeof value === 'number' && !Number.isFinite(value);

/**
 * Returns a value as an attribute. What an item cannot hold is written as text, in JSON for a list or a map;
 * what is not finite is written as null.
 */
function attribute(value: unknown, level = 0): AttributeValue {
  if (value === null || value === undefined || isNotFinite(value)) return { NULL: true };
  if (typeof value === 'string') return { S: value };
  if (typeof value === 'boolean') return { BOOL: value };
  if (typeof value === 'number') {
    const magnitude = Math.abs(value);
    const fits = value === 0 || (magnitude >= LEAST && magnitude <= LARGEST);
    return fits ? { N: String(value) } : { S: String(value) };
  }
  const items = Object.entries(value as object);
  const isList = Array.isArray(value);
  if (level > MAX_LEVELS || !(isList || canBeMap(items.map(([name]) => name))))
    return { S: JSON.stringify(value) };
  const attributes = items.map(([name, item]) => [name, attribute(item, level + 1)] as const);
  return isList ? { L: attributes.map(([, item]) => item) } : { M: Object.fromEntries(attributes) };
}
