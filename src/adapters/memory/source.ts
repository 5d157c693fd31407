import { isAfter, positionOf } from '../../core/position.ts';
import type { EpochMillis } from '../../core/time.ts';
import type { SourceRecord } from '../../ports/source.ts';
import type { Arrivals, Progress } from '../../ports/stores.ts';

export interface MemorySource {
  /** The records of each shard, in order, by its lineage. */
  readonly shards: ReadonlyMap<string, readonly SourceRecord[]>;
  /** Puts a record at the end of a shard. Positions are 1, 2, 3, …. */
  put(shard: number, record: Pick<SourceRecord, 'arrival' | 'partitionKey' | 'data'>): SourceRecord;
}

/** Makes an ordered source in memory, whose lineages are named like those of a Kinesis stream. */
export function memorySource(stream: string, count = 1): MemorySource {
  const lineages = Array.from(
    { length: count },
    (_, shard) => `${stream}/shardId-${String(shard).padStart(12, '0')}`,
  );
  const shards = new Map(lineages.map((lineage) => [lineage, [] as SourceRecord[]]));
  return {
    shards,
    put(shard, content) {
      const lineage = lineages[shard];
      const records = lineage === undefined ? undefined : shards.get(lineage);
      if (lineage === undefined || records === undefined) {
        throw new RangeError(
          `Cannot put to shard ${shard} as shards are numbered from 0: there are ${count}`,
        );
      }
      const record = { ...content, lineage, position: positionOf(String(records.length + 1)) };
      records.push(record);
      return record;
    },
  };
}

/** Tells what waits on a source in memory. It reads each shard on from where it has been wholly committed. */
export const memoryArrivals = ({ shards }: MemorySource, progress: Progress): Arrivals => ({
  async frontier(now) {
    let frontier: EpochMillis = now;
    for (const [lineage, records] of shards) {
      const committed = await progress.read(lineage);
      const first = records.find(({ position }) => committed === undefined || isAfter(position, committed));
      if (first && first.arrival < frontier) frontier = first.arrival;
    }
    return frontier;
  },
});
