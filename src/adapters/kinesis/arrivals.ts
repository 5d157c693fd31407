import {
  ExpiredIteratorException,
  GetRecordsCommand,
  GetShardIteratorCommand,
  type KinesisClient,
  ListShardsCommand,
  ResourceNotFoundException,
} from '@aws-sdk/client-kinesis';
import type { EpochMillis } from '../../core/time.ts';
import type { Clock } from '../../ports/clock.ts';
import type { Arrivals, Progress } from '../../ports/stores.ts';
import { type ShardReader, shardArrivals } from '../shards/arrivals.ts';
import { lineageOf } from './records.ts';

/** Tells what waits on a Kinesis stream. */
export const kinesisArrivals = (
  client: KinesisClient,
  stream: string,
  progress: Progress,
  clock: Clock,
): Arrivals => shardArrivals(shardReader(client, stream), progress, clock);

const shardReader = (client: KinesisClient, stream: string): ShardReader => ({
  lineageOf: (shard) => lineageOf(stream, shard),
  // Kinesis says of each page how far behind the latest record it is.
  emptyPagesAtEnd: Number.POSITIVE_INFINITY,
  async shards() {
    const shards: string[] = [];
    let next: string | undefined;
    do {
      const page = await client.send(
        new ListShardsCommand(next ? { NextToken: next } : { StreamName: stream }),
      );
      for (const shard of page.Shards ?? []) shards.push(shard.ShardId as string);
      next = page.NextToken;
    } while (next);
    return shards;
  },
  async iteratorAfter(shard, position) {
    const from = position
      ? ({ ShardIteratorType: 'AFTER_SEQUENCE_NUMBER', StartingSequenceNumber: position } as const)
      : ({ ShardIteratorType: 'TRIM_HORIZON' } as const);
    try {
      const request = new GetShardIteratorCommand({ StreamName: stream, ShardId: shard, ...from });
      return (await client.send(request)).ShardIterator;
    } catch (error) {
      if (error instanceof ResourceNotFoundException) return undefined;
      throw error;
    }
  },
  async pageAt(iterator) {
    try {
      const read = await client.send(new GetRecordsCommand({ ShardIterator: iterator, Limit: 1 }));
      const [first] = read.Records ?? [];
      return {
        waiting: first && {
          arrival: first.ApproximateArrivalTimestamp?.getTime() as EpochMillis | undefined,
        },
        isEmpty: first === undefined,
        isLast: read.MillisBehindLatest === 0,
        next: read.NextShardIterator,
      };
    } catch (error) {
      if (error instanceof ExpiredIteratorException) return undefined;
      throw error;
    }
  },
});
