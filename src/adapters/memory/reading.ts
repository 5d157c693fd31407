import { isInRange, type ObjectReader, type Reading, type RowReader } from '../../ports/reading.ts';
import type { MemoryObjects } from './objects.ts';
import type { MemoryRows } from './rows.ts';

/** Reads what the stores in memory hold. */
export const memoryReading = (stores: {
  readonly objects: MemoryObjects;
  readonly rows: MemoryRows;
}): Reading => ({ objects: memoryObjectReader(stores.objects), rows: memoryRowReader(stores.rows) });

const memoryObjectReader = ({ stored }: MemoryObjects): ObjectReader => ({
  async *list(prefix) {
    yield* [...stored.keys()].filter((name) => name.startsWith(prefix)).sort();
  },
  async read(name) {
    return stored.get(name)?.body;
  },
});

const memoryRowReader = ({ stored }: MemoryRows): RowReader => ({
  async *ofPartition(partition, range) {
    const rows = [...(stored.get(partition)?.values() ?? [])].sort((a, b) => (a.sort < b.sort ? -1 : 1));
    if (range?.descending) rows.reverse();
    for (const row of rows) if (range === undefined || isInRange(row, range)) yield this.asStored(row);
  },
  asStored: ({ sort, order, pane }) => ({ sort, order, pane }),
});
