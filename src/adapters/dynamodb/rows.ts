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

/** As many as BatchWriteItem takes. */
const BATCH_ITEMS = 25;

/**
 * Rows in one DynamoDB table; a pane's fields are attributes of the same names. Settled rows go many to a request, which
 * takes no conditions; the others under theirs.
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
    const left = answer.UnprocessedItems?.[table] ?? [];
    // Throttled: the whole step is tried again, later and by whoever is woken.
    if (left.length === requests.length)
      throw new LoggableError(`Cannot write rows as ${table} takes none now`);
    requests = left;
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

/** Results in JSON: as attributes they take up to three times as much of the 400 KB that an item may have. */
const MAX_RESULTS_BYTES = 128_000;

/** A pane whose results are larger has null for them: it is in the bucket whole. */
export function itemOf({ partition, sort, order, pane }: Row): Record<string, AttributeValue> {
  const item: Record<string, AttributeValue> = {};
  for (const [name, value] of Object.entries(pane)) item[name] = attribute(value, 1);
  if (Buffer.byteLength(JSON.stringify(pane.results)) > MAX_RESULTS_BYTES) item['results'] = { NULL: true };
  item[ROWS_KEY.partition] = { S: partition };
  item[ROWS_KEY.sort] = { S: sort };
  item['order'] = { N: String(order) };
  return item;
}

/** DynamoDB's numbers end at these magnitudes. */
const LARGEST = 9.99e125;
const LEAST = 1e-130;

/** How deep an item's attributes may nest, and how many bytes the name of one may take: at least one. */
const MAX_LEVELS = 31;
const MAX_NAME_BYTES = 65_535;

const canBeMap = (names: readonly string[]): boolean =>
  names.every((name) => name !== '' && Buffer.byteLength(name) <= MAX_NAME_BYTES);

const isNotFinite = (value: unknown): boolean => typeof value === 'number' && !Number.isFinite(value);

/** What an item cannot hold is written as text, in JSON where it is a list or a map; what is not finite as null. */
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
