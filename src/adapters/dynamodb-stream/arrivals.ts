import {
  DescribeStreamCommand,
  type DynamoDBStreamsClient,
  ExpiredIteratorException,
  GetRecordsCommand,
  GetShardIteratorCommand,
  ResourceNotFoundException,
  TrimmedDataAccessException,
} from '@aws-sdk/client-dynamodb-streams';
import type { EpochMillis } from '../../core/time.ts';
import type { ChangeKind } from '../../pipeline/sources/dynamodb.ts';
import type { Clock } from '../../ports/clock.ts';
import type { Arrivals, Progress } from '../../ports/stores.ts';
import { type ShardReader, shardArrivals } from '../shards/arrivals.ts';
import { changeLineageOf } from './records.ts';

/**
 * Tells what waits on the stream of a table.
 *
 * @param stream the stream's ARN
 * @param kinds the kinds of changes that the handler gets: the mapping leaves the others out
 */
export const dynamodbArrivals = (
  client: DynamoDBStreamsClient,
  stream: string,
  kinds: readonly ChangeKind[],
  progress: Progress,
  clock: Clock,
): Arrivals => shardArrivals(shardReader(client, stream, kinds), progress, clock);

const shardReader = (
  client: DynamoDBStreamsClient,
  stream: string,
  kinds: readonly ChangeKind[],
): ShardReader => ({
  lineageOf: (shard) => changeLineageOf(stream, shard),
  // DynamoDB says of no page whether it is the last, and gives pages without records before those with some.
  emptyPagesAtEnd: 10,
  async shards() {
    const shards: string[] = [];
    let last: string | undefined;
    do {
      const { StreamDescription: page } = await client.send(
        new DescribeStreamCommand({
          StreamArn: stream,
          ...(last === undefined ? {} : { ExclusiveStartShardId: last }),
        }),
      );
      for (const shard of page?.Shards ?? []) shards.push(shard.ShardId as string);
      last = page?.LastEvaluatedShardId;
    } while (last);
    return shards;
  },
  async iteratorAfter(shard, position) {
    const iterator = async (
      from:
        | { readonly ShardIteratorType: 'TRIM_HORIZON' }
        | { readonly ShardIteratorType: 'AFTER_SEQUENCE_NUMBER'; readonly SequenceNumber: string },
    ): Promise<string | undefined> => {
      const request = new GetShardIteratorCommand({ StreamArn: stream, ShardId: shard, ...from });
      return (await client.send(request)).ShardIterator;
    };
    try {
      if (position === undefined) return await iterator({ ShardIteratorType: 'TRIM_HORIZON' });
      return await iterator({ ShardIteratorType: 'AFTER_SEQUENCE_NUMBER', SequenceNumber: position });
    } catch (error) {
      if (error instanceof ResourceNotFoundException) return undefined;
      // What was committed last is older than a day, so that whatever the shard still has came after it.
      if (error instanceof TrimmedDataAccessException) return iterator({ ShardIteratorType: 'TRIM_HORIZON' });
      throw error;
    }
  },
  async pageAt(iterator) {
    try {
      const { Records = [], NextShardIterator } = await client.send(
        new GetRecordsCommand({ ShardIterator: iterator }),
      );
      const first = Records.find(({ eventName }) => eventName !== undefined && kinds.includes(eventName));
      return {
        waiting: first && {
          arrival: first.dynamodb?.ApproximateCreationDateTime?.getTime() as EpochMillis | undefined,
        },
        isEmpty: Records.length === 0,
        isLast: false,
        next: NextShardIterator,
      };
    } catch (error) {
      if (error instanceof ExpiredIteratorException || error instanceof TrimmedDataAccessException) {
        return undefined;
      }
      throw error;
    }
  },
});
