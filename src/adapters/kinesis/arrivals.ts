import {
  GetRecordsCommand,
  GetShardIteratorCommand,
  type KinesisClient,
  ListShardsCommand,
  ResourceNotFoundException,
} from '@aws-sdk/client-kinesis';
import type { EpochMillis } from '../../core/time.ts';
import type { Arrivals, Progress } from '../../ports/stores.ts';
import { lineageOf } from './records.ts';

/** Pages that hold nothing are usual on a sparse shard; past this many it is not known what waits. */
const MAX_EMPTY_PAGES = 10;

/** What waits on a Kinesis stream: each shard is read on from where it has been wholly committed. */
export function kinesisArrivals(client: KinesisClient, stream: string, progress: Progress): Arrivals {
  return {
    async frontier(now) {
      const shards = await listShards(client, stream);
      const fronts = await Promise.all(shards.map((shard) => frontOf(client, stream, shard, progress, now)));
      if (!fronts.every((front) => front !== undefined)) return undefined;
      return Math.min(now, ...fronts) as EpochMillis;
    },
  };
}

async function listShards(client: KinesisClient, stream: string): Promise<readonly string[]> {
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
}

/** The arrival of the first record that waits on a shard; `now` when none does; undefined when that cannot be told. */
async function frontOf(
  client: KinesisClient,
  stream: string,
  shard: string,
  progress: Progress,
  now: EpochMillis,
): Promise<EpochMillis | undefined> {
  const committed = await progress.read(lineageOf(stream, shard));
  const from = committed
    ? ({ ShardIteratorType: 'AFTER_SEQUENCE_NUMBER', StartingSequenceNumber: committed } as const)
    : ({ ShardIteratorType: 'TRIM_HORIZON' } as const);
  let iterator: string | undefined;
  try {
    ({ ShardIterator: iterator } = await client.send(
      new GetShardIteratorCommand({ StreamName: stream, ShardId: shard, ...from }),
    ));
  } catch (error) {
    // The shard's records have all expired since it was listed.
    if (error instanceof ResourceNotFoundException) return now;
    throw error;
  }
  for (let page = 0; page < MAX_EMPTY_PAGES; page++) {
    // A closed shard, read to its end.
    if (iterator === undefined) return now;
    const read = await client.send(new GetRecordsCommand({ ShardIterator: iterator, Limit: 1 }));
    const [first] = read.Records ?? [];
    if (first) return first.ApproximateArrivalTimestamp?.getTime() as EpochMillis | undefined;
    if (read.MillisBehindLatest === 0) return now;
    iterator = read.NextShardIterator;
  }
  return undefined;
}
