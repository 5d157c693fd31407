import type { Row } from './stores.ts';

/** What the sinks hold, for code that checks it. Nothing that keeps a pipeline running reads any of this. */
export interface Reading {
  readonly objects: ObjectReader;
  readonly rows: RowReader;
}

export interface ObjectReader {
  /** Lists the names that begin with a prefix, in order. */
  list(prefix: string): AsyncIterable<string>;
  /** Returns an object's bytes, or undefined where there is no such object. */
  read(name: string): Promise<Uint8Array | undefined>;
}

/** A row as its store returns it. */
export type StoredRow = Pick<Row, 'sort' | 'order' | 'pane'>;

/** Rows whose `sort` is from `from` to `to`, both included. */
export interface RowRange {
  readonly from: string;
  readonly to: string;
  /** Only the rows that follow this one are returned; it need not exist. */
  readonly after?: string | undefined;
  readonly descending?: boolean | undefined;
  /** About how many rows are wanted: a hint for how many to fetch at once. */
  readonly about?: number | undefined;
}

export function isInRange({ sort }: Pick<StoredRow, 'sort'>, range: RowRange): boolean {
  const { from, to, after, descending } = range;
  const follows = after === undefined || (descending ? sort < after : sort > after);
  return from <= sort && sort <= to && follows;
}

export interface RowReader {
  /**
   * Returns the rows of a partition in the order of `sort`, those of a range alone where one is given. It sees
   * every row whose put was answered before.
   */
  ofPartition(partition: string, range?: RowRange): AsyncIterable<StoredRow>;
  /**
   * Returns what `ofPartition` would return for a row, apart from the order of names: a store may hold less
   * than the whole pane.
   */
  asStored(row: Row): StoredRow;
}
