import type { AttributeValue } from 'aws-lambda';
import { type ChangeEvent, recordsOf } from '../adapters/dynamodb-stream/records.ts';
import type { Plain } from '../core/plain.ts';
import type { Change } from '../pipeline/sources/dynamodb.ts';
import type { SourceRecord } from '../ports/source.ts';

/** Makes the event that Lambda makes of the changes in a shard of a table's stream, with a tumbling window. */
export function changeEvent(records: readonly SourceRecord[]): ChangeEvent {
  const [, , shardId = ''] = records[0]?.lineage.split('/') ?? [];
  return {
    ...(records.length > 0 ? { shardId } : {}),
    Records: records.map(({ lineage, position, arrival, data }) => {
      const [table, label] = lineage.split('/');
      const { kind, keys, newImage, oldImage, expired } = changeIn(data);
      return {
        eventID: `${lineage}:${position}`,
        eventName: kind,
        eventVersion: '1.1',
        eventSource: 'aws:dynamodb',
        awsRegion: 'eu-central-1',
        eventSourceARN: `arn:aws:dynamodb:eu-central-1:123456789012:table/${table}/stream/${label}`,
        dynamodb: {
          ApproximateCreationDateTime: arrival / 1_000,
          SequenceNumber: position,
          StreamViewType: 'NEW_AND_OLD_IMAGES',
          Keys: attributesOf(keys),
          ...(newImage ? { NewImage: attributesOf(newImage) } : {}),
          ...(oldImage ? { OldImage: attributesOf(oldImage) } : {}),
        },
        ...(expired ? { userIdentity: { type: 'Service', principalId: 'dynamodb.amazonaws.com' } } : {}),
      };
    }),
  };
}

/** Returns a change as a table's stream carries it: as a whole, with the time at which it was made. */
export function carriedChange(record: SourceRecord): SourceRecord {
  const [carried = record] = recordsOf(changeEvent([record]));
  return carried;
}

type Attributes = { readonly [name: string]: Plain };

/**
 * @throws TypeError when the bytes are no change, as what a test gives as one may be
 */
function changeIn(data: Uint8Array): Change<Attributes> & { readonly keys: Attributes } {
  let change: Partial<Change<Attributes>> | null = null;
  try {
    change = JSON.parse(Buffer.from(data).toString());
  } catch {
    // What is no JSON is no change either.
  }
  if (typeof change?.keys !== 'object' || change.kind === undefined) {
    throw new TypeError(
      'Cannot put a record onto the stream of a table as it must be a change of an item: it has no "kind" or no "keys"',
    );
  }
  return change as Change<Attributes> & { readonly keys: Attributes };
}

/** Returns plain values as DynamoDB writes them. */
const attributesOf = (item: Attributes): { [name: string]: AttributeValue } =>
  Object.fromEntries(Object.entries(item).map(([name, value]) => [name, attributeOf(value)]));

function attributeOf(value: Plain): AttributeValue {
  if (value === null) return { NULL: true };
  if (typeof value === 'string') return { S: value };
  if (typeof value === 'number') return { N: String(value) };
  if (typeof value === 'boolean') return { BOOL: value };
  if (Array.isArray(value)) return { L: value.map(attributeOf) };
  return { M: attributesOf(value as Attributes) };
}
