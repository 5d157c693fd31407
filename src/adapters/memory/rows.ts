import { isNewer, type Row, type RowStore } from '../../ports/stores.ts';

export interface MemoryRows extends RowStore {
  /** The rows by partition, then by their sort. */
  readonly stored: ReadonlyMap<string, ReadonlyMap<string, Row>>;
}

/**
 * Keeps rows in memory. As in DynamoDB, a settled row is written whatever is there, and no two rows put at
 * once have the same name.
 */
export function memoryRows(): MemoryRows {
  const stored = new Map<string, Map<string, Row>>();
  return {
    stored,
    async put(rows) {
      const names = new Set(rows.map(({ partition, sort }) => JSON.stringify([partition, sort])));
      if (names.size < rows.length) {
        throw new RangeError(
          `Cannot put rows as each must be of another name: ${rows.length} have ${names.size}`,
        );
      }
      for (const row of rows) {
        const partition = stored.get(row.partition) ?? new Map<string, Row>();
        stored.set(row.partition, partition);
        const before = partition.get(row.sort);
        if (row.settled || before === undefined || isNewer(row, before)) partition.set(row.sort, row);
      }
    },
  };
}
