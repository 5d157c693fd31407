import {
  type AttributeValue,
  ConditionalCheckFailedException,
  type DynamoDBClient,
  PutItemCommand,
  QueryCommand,
} from '@aws-sdk/client-dynamodb';
import type { EpochMillis } from '../../core/time.ts';
import { type CommitLog, ENTRY_LIFETIME, LogLostError, type StoredEntry } from '../../ports/commit-log.ts';
import { STATE_KEY } from '../../wiring/names.ts';

/**
 * The ordinal of the marker, which sorts before every entry and never expires. A log with a marker and no
 * entries has lost them.
 */
const MARKER = 0;

/**
 * Keeps logs in one DynamoDB table, as one item an entry, under the log's name and the entry's ordinal.
 * Entries expire. The marker, which each process puts after the first entry that it appends to a log, does
 * not expire.
 */
export function dynamoCommitLog(client: DynamoDBClient, table: string): CommitLog {
  const marked = new Set<string>();

  const keyOf = (log: string, ordinal: number) => ({
    [STATE_KEY.partition]: { S: log },
    [STATE_KEY.sort]: { N: String(ordinal) },
  });

  const query = (log: string, after: number, ascending: boolean, limit?: number) =>
    client.send(
      new QueryCommand({
        TableName: table,
        ConsistentRead: true,
        KeyConditionExpression: '#log = :log AND #ordinal > :after',
        ExpressionAttributeNames: { '#log': STATE_KEY.partition, '#ordinal': STATE_KEY.sort },
        ExpressionAttributeValues: { ':log': { S: log }, ':after': { N: String(after) } },
        ScanIndexForward: ascending,
        ...(limit === undefined ? {} : { Limit: limit }),
      }),
    );

  return {
    async latest(log) {
      const [item] = (await query(log, MARKER - 1, false, 1)).Items ?? [];
      if (item === undefined) return undefined;
      const entry = entryOf(item);
      if (entry.ordinal === MARKER)
        throw new LogLostError(`Cannot read log ${log} as all of its entries have expired`);
      return entry;
    },

    async after(log, ordinal) {
      return ((await query(log, ordinal, true)).Items ?? []).map(entryOf);
    },

    async append(log, entry) {
      const expiry = Math.ceil((entry.committedAt + ENTRY_LIFETIME) / 1_000);
      try {
        await client.send(
          new PutItemCommand({
            TableName: table,
            Item: {
              ...keyOf(log, entry.ordinal),
              at: { N: String(entry.committedAt) },
              ...(entry.arrived !== undefined && { arrived: { N: String(entry.arrived) } }),
              body: { B: entry.stored },
              [STATE_KEY.expiry]: { N: String(expiry) },
            },
            ConditionExpression: 'attribute_not_exists(#ordinal)',
            ExpressionAttributeNames: { '#ordinal': STATE_KEY.sort },
          }),
        );
      } catch (error) {
        if (error instanceof ConditionalCheckFailedException) return 'conflict';
        throw error;
      }
      if (!marked.has(log)) {
        await client.send(new PutItemCommand({ TableName: table, Item: keyOf(log, MARKER) }));
        marked.add(log);
      }
      return 'committed';
    },
  };
}

const entryOf = (item: Record<string, AttributeValue>): StoredEntry => ({
  ordinal: Number(item[STATE_KEY.sort]?.N),
  committedAt: Number(item['at']?.N) as EpochMillis,
  ...(item['arrived']?.N !== undefined && { arrived: Number(item['arrived'].N) as EpochMillis }),
  stored: item['body']?.B ?? new Uint8Array(),
});
