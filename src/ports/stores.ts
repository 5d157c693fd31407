import type { Position } from '../core/position.ts';
import type { EpochMillis } from '../core/time.ts';
import type { Pane } from '../pipeline/pipeline.ts';

/** Objects that are created once and never changed. */
export interface ObjectStore {
  create(name: string, object: StoredObject): Promise<'created' | 'exists'>;
  exists(name: string): Promise<boolean>;
  /** The bytes of an object, if it is there. */
  read(name: string): Promise<Uint8Array | undefined>;
}

/** What removes objects: no function of a pipeline does, only who takes one back to an earlier time. */
export interface ObjectRemover {
  remove(name: string): Promise<void>;
}

export interface StoredObject {
  readonly body: Uint8Array;
  readonly contentType: string;
}

/** Panes as rows that a reader looks up by key and window. */
export interface RowStore {
  /** Writes each row unless the one stored is as new or newer: see `isNewer`. No two rows are of one name. */
  put(rows: readonly Row[]): Promise<void>;
}

export interface Row {
  readonly partition: string;
  readonly sort: string;
  readonly order: number;
  /** Nothing but this very row is ever stored under its name: it can be written whatever is there. */
  readonly settled: boolean;
  readonly pane: Pane;
}

/** What rows of one name are told newer by. */
export interface Ranked extends Pick<Row, 'order'> {
  readonly pane: Pick<Pane, 'start' | 'revision'>;
}

/** Whether a row is to be written over another of its name: by order, then the earlier start, then by revision. */
export function isNewer(a: Ranked, b: Ranked): boolean {
  if (a.order !== b.order) return a.order > b.order;
  return a.pane.start === b.pane.start ? a.pane.revision > b.pane.revision : a.pane.start < b.pane.start;
}

/** How far each lineage of the source has been wholly committed. A lower bound: it may be told late, never early. */
export interface Progress {
  note(lineage: string, position: Position): Promise<void>;
  read(lineage: string): Promise<Position | undefined>;
}

/** What the source still holds. */
export interface Arrivals {
  /**
   * The arrival time before which every record of the source has been committed; `now` when nothing waits; undefined
   * when it cannot be told.
   */
  frontier(now: EpochMillis): Promise<EpochMillis | undefined>;
}
