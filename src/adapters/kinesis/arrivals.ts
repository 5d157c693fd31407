import {
  ExpiredIteratorException,
  GetRecordsCommand,
  type GetRecordsCommandOutput,
  GetShardIteratorCommand,
  type KinesisClient,
  ListShardsCommand,
  ResourceNotFoundException,
} from '@aws-sdk/client-kinesis';
import type { Position } from '../../core/position.ts';
import { after, type EpochMillis, millis } from '../../core/time.ts';
import type { Clock } from '../../ports/clock.ts';
import type { Arrivals, Progress } from '../../ports/stores.ts';
import { lineageOf } from './records.ts';

/**
 * The most empty pages that are read, as they are usual on a sparse shard. After that it is unknown, this
 * time, what waits.
 */
const MAX_EMPTY_PAGES = 40;

/**
 * The pause between pages: a shard serves five pages a second to all of its readers together, of which Lambda
 * is one.
 */
const PAUSE = millis('250ms');

/**
 * How far a shard was searched for a record that waits: from which position, and the iterator that continues.
 */
interface Search {
  readonly from: Position | undefined;
  readonly iterator: string | undefined;
}

/**
 * Tells what waits on a Kinesis stream. It reads each shard on from where it has been wholly committed. A
 * process that comes again within the five minutes of an iterator continues from where it gave up.
 */
export function kinesisArrivals(
  client: KinesisClient,
  stream: string,
  progress: Progress,
  clock: Clock,
): Arrivals {
  const searches = new Map<string, Search>();

  /**
   * Returns the arrival of the first record that waits on a shard; `now` when no record does; undefined when
   * that cannot be told.
   */
  const frontOf = async (shard: string, now: EpochMillis): Promise<EpochMillis | undefined> => {
    const from = await progress.read(lineageOf(stream, shard));
    const earlier = searches.get(shard);
    searches.delete(shard);
    let iterator =
      earlier && earlier.from === from ? earlier.iterator : await iteratorAfter(client, stream, shard, from);
    for (let page = 0; page < MAX_EMPTY_PAGES; page++) {
      // The shard is closed and read to its end, or all of its records have expired.
      if (iterator === undefined) return now;
      const read = await pageAt(client, iterator);
      if (read === undefined) {
        iterator = await iteratorAfter(client, stream, shard, from);
        continue;
      }
      const [first] = read.Records ?? [];
      // The same iterator finds the record again.
      searches.set(shard, { from, iterator: first ? iterator : read.NextShardIterator });
      if (first) return first.ApproximateArrivalTimestamp?.getTime() as EpochMillis | undefined;
      if (read.MillisBehindLatest === 0) return now;
      iterator = read.NextShardIterator;
      await new Promise<void>((settle) => clock.alarm(after(clock.now(), PAUSE), settle));
    }
    return undefined;
  };

  return {
    async frontier(now) {
      const shards = await listShards(client, stream);
      const fronts = await Promise.all(shards.map((shard) => frontOf(shard, now)));
      if (!fronts.every((front) => front !== undefined)) return undefined;
      return Math.min(now, ...fronts) as EpochMillis;
    },
  };
}

/** Returns the page at an iterator, or undefined where the iterator's five minutes are over. */
async function pageAt(client: KinesisClient, iterator: string): Promise<GetRecordsCommandOutput | undefined> {
  try {
    return await client.send(new GetRecordsCommand({ ShardIterator: iterator, Limit: 1 }));
  } catch (error) {
    if (error instanceof ExpiredIteratorException) return undefined;
    throw error;
  }
}

async function iteratorAfter(
  client: KinesisClient,
  stream: string,
  shard: string,
  position: Position | undefined,
): Promise<string | undefined> {
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
