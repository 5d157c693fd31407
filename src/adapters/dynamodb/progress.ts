import {
  ConditionalCheckFailedException,
  type DynamoDBClient,
  GetItemCommand,
  PutItemCommand,
} from '@aws-sdk/client-dynamodb';
import { positionOf } from '../../core/position.ts';
import type { Progress } from '../../ports/stores.ts';
import { progressKey, STATE_KEY } from '../../wiring/names.ts';

/**
 * Keeps an item per lineage beside the logs. Of two positions the longer stands later, and of two as long the
 * greater.
 */
export function dynamoProgress(client: DynamoDBClient, table: string, pipeline: string): Progress {
  const keyOf = (lineage: string) => ({
    [STATE_KEY.partition]: { S: progressKey(pipeline, lineage) },
    [STATE_KEY.sort]: { N: '0' },
  });
  return {
    async note(lineage, position) {
      try {
        await client.send(
          new PutItemCommand({
            TableName: table,
            Item: { ...keyOf(lineage), position: { S: position } },
            ConditionExpression:
              'attribute_not_exists(#position) OR size(#position) < :length OR (size(#position) = :length AND #position < :position)',
            ExpressionAttributeNames: { '#position': 'position' },
            ExpressionAttributeValues: {
              ':position': { S: position },
              ':length': { N: String(position.length) },
            },
          }),
        );
      } catch (error) {
        if (!(error instanceof ConditionalCheckFailedException)) throw error;
      }
    },
    async read(lineage) {
      const { Item } = await client.send(
        new GetItemCommand({ TableName: table, Key: keyOf(lineage), ConsistentRead: true }),
      );
      const text = Item?.['position']?.S;
      return text === undefined ? undefined : positionOf(text);
    },
  };
}
