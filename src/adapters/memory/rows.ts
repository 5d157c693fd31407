import type { Row, RowStore } from '../../ports/stores.ts';

export interface MemoryRows extends RowStore {
  /** Rows by their sort, by their partition. */
  readonly stored: ReadonlyMap<string, ReadonlyMap<string, Row>>;
}

/** Rows in memory. As in DynamoDB a settled row is written whatever is there. */
export function memoryRows(): MemoryRows {
  const stored = new Map<string, Map<string, Row>>();
  return {
    stored,
    async put(rows) {
      for (const row of rows) {
        const partition = stored.get(row.partition) ?? new Map<string, Row>();
        stored.set(row.partition, partition);
        if (row.settled || isOlder(partition.get(row.sort), row)) partition.set(row.sort, row);
      }
    },
  };
}

const isOlder = (stored: Row | undefined, row: Row): boolean =>
  stored === undefined ||
  stored.order < row.order ||
  (stored.order === row.order && stored.pane.revision < row.pane.revision);
