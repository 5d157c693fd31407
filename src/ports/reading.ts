import type { Row } from './stores.ts';

/** What the sinks hold, for who checks it: nothing that keeps a pipeline running reads any of this. */
export interface Reading {
  readonly objects: ObjectReader;
  readonly rows: RowReader;
}

export interface ObjectReader {
  /** The names that begin with a prefix, in order. */
  list(prefix: string): AsyncIterable<string>;
  /** An object's bytes; undefined where there is none. */
  read(name: string): Promise<Uint8Array | undefined>;
}

/** A row as its store gives it back. */
export type StoredRow = Pick<Row, 'sort' | 'order' | 'pane'>;

export interface RowReader {
  /** The rows of a partition, in the order of their sort. Sees every row whose put was answered before. */
  ofPartition(partition: string): AsyncIterable<StoredRow>;
  /** What `ofPartition` gives of a row once it is put, but for the order of names: a store may hold less of a pane than it has. */
  asStored(row: Row): StoredRow;
}
