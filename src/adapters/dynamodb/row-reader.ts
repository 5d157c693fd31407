import { type AttributeValue, type DynamoDBClient, paginateQuery } from '@aws-sdk/client-dynamodb';
import type { Pane } from '../../pipeline/pipeline.ts';
import type { RowReader, StoredRow } from '../../ports/reading.ts';
import { ROWS_KEY } from '../../wiring/names.ts';
import { itemOf } from './rows.ts';

type Item = Readonly<Record<string, AttributeValue>>;

/** Reads the rows of one DynamoDB table. */
export const dynamoRowReader = (client: DynamoDBClient, table: string): RowReader => ({
  async *ofPartition(partition, range) {
    const { after } = range ?? {};
    const pages = paginateQuery(
      {
        client,
        ...(range?.about === undefined ? {} : { pageSize: range.about }),
        ...(after === undefined
          ? {}
          : {
              startingToken: { [ROWS_KEY.partition]: { S: partition }, [ROWS_KEY.sort]: { S: after } },
            }),
      },
      {
        TableName: table,
        ConsistentRead: true,
        ScanIndexForward: !range?.descending,
        KeyConditionExpression:
          range === undefined
            ? '#partition = :partition'
            : '#partition = :partition AND #sort BETWEEN :from AND :to',
        ExpressionAttributeNames: {
          '#partition': ROWS_KEY.partition,
          ...(range && { '#sort': ROWS_KEY.sort }),
        },
        ExpressionAttributeValues: {
          ':partition': { S: partition },
          ...(range && { ':from': { S: range.from }, ':to': { S: range.to } }),
        },
      },
    );
    for await (const { Items = [] } of pages) yield* Items.map(rowOf);
  },
  asStored: (row) => rowOf(itemOf(row)),
});

function rowOf(item: Item): StoredRow {
  const {
    [ROWS_KEY.partition]: _partition,
    [ROWS_KEY.sort]: sort,
    order,
    ...pane
  } = plainsOf(item) as Pane & { readonly [name: string]: unknown };
  return { sort: String(sort), order: Number(order), pane: pane as unknown as Pane };
}

const plainsOf = (item: Item): Record<string, unknown> =>
  Object.fromEntries(Object.entries(item).map(([name, value]) => [name, plainOf(value)]));

/**
 * Returns the value of an attribute. An attribute of a kind that no row is written with is returned as it is.
 */
function plainOf(attribute: AttributeValue): unknown {
  if (attribute.NULL) return null;
  if (attribute.S !== undefined) return attribute.S;
  if (attribute.BOOL !== undefined) return attribute.BOOL;
  if (attribute.N !== undefined) return Number(attribute.N);
  if (attribute.L !== undefined) return attribute.L.map(plainOf);
  return attribute.M === undefined ? attribute : plainsOf(attribute.M);
}
