import type { Position } from '../../core/position.ts';
import { after, type EpochMillis, millis } from '../../core/time.ts';
import type { Clock } from '../../ports/clock.ts';
import type { Arrivals, Progress } from '../../ports/stores.ts';

/** How a stream's shards are read, page by page. An iterator is where a page begins. */
export interface ShardReader {
  readonly shards: () => Promise<readonly string[]>;
  /** Names the lineage of a shard. */
  readonly lineageOf: (shard: string) => string;
  /** Returns where to read on after a position, or from the beginning; undefined where the shard is gone. */
  readonly iteratorAfter: (shard: string, position: Position | undefined) => Promise<string | undefined>;
  /** Returns undefined where the iterator has expired. */
  readonly pageAt: (iterator: string) => Promise<Page | undefined>;
  /** After how many empty pages one after the other nothing waits. None may be enough, where pages say so. */
  readonly emptyPagesAtEnd: number;
}

interface Page {
  /** Whether the page has a record that a handler gets, and when the first of them arrived. */
  readonly waiting: { readonly arrival: EpochMillis | undefined } | undefined;
  readonly isEmpty: boolean;
  /** Whether the page is the last of what the shard holds by now. */
  readonly isLast: boolean;
  /** Undefined where the shard is closed and read to its end. */
  readonly next: string | undefined;
}

/**
 * The most pages that are read without finding a record, as they are usual on a sparse shard. After that it is
 * unknown, this time, what waits.
 */
const MAX_PAGES = 40;

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
 * Tells what waits on a stream. It reads each shard on from where it has been wholly committed. A process that
 * comes again before an iterator expires continues from where it gave up.
 */
export function shardArrivals(reader: ShardReader, progress: Progress, clock: Clock): Arrivals {
  const searches = new Map<string, Search>();

  /**
   * Returns the arrival of the first record that waits on a shard; `now` when no record does; undefined when
   * that cannot be told.
   */
  const frontOf = async (shard: string, now: EpochMillis): Promise<EpochMillis | undefined> => {
    const from = await progress.read(reader.lineageOf(shard));
    const earlier = searches.get(shard);
    searches.delete(shard);
    let iterator =
      earlier && earlier.from === from ? earlier.iterator : await reader.iteratorAfter(shard, from);
    let empty = 0;
    for (let page = 0; page < MAX_PAGES; page++) {
      // The shard is closed and read to its end, or all of its records have expired.
      if (iterator === undefined) return now;
      const read = await reader.pageAt(iterator);
      if (read === undefined) {
        iterator = await reader.iteratorAfter(shard, from);
        continue;
      }
      const { waiting, isEmpty, isLast, next } = read;
      // The same iterator finds the record again.
      searches.set(shard, { from, iterator: waiting ? iterator : next });
      if (waiting) return waiting.arrival;
      empty = isEmpty ? empty + 1 : 0;
      if (isLast || empty === reader.emptyPagesAtEnd) return now;
      iterator = next;
      await new Promise<void>((settle) => clock.alarm(after(clock.now(), PAUSE), settle));
    }
    return undefined;
  };

  return {
    async frontier(now) {
      const shards = await reader.shards();
      const fronts = await Promise.all(shards.map((shard) => frontOf(shard, now)));
      if (!fronts.every((front) => front !== undefined)) return undefined;
      return Math.min(now, ...fronts) as EpochMillis;
    },
  };
}
