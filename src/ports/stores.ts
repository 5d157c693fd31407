import type { Position } from '../core/position.ts';
import type { EpochMillis } from '../core/time.ts';
import type { Pane } from '../pipeline/pipeline.ts';

/** Objects that are created once and never changed. */
export interface ObjectStore {
  create(name: string, object: StoredObject): Promise<'created' | 'exists'>;
  exists(name: string): Promise<boolean>;
  /** Returns the bytes of an object, or undefined where there is no such object. */
  read(name: string): Promise<Uint8Array | undefined>;
}

/** Removes objects. No function of a pipeline does so, only someone who restores one to an earlier time. */
export interface ObjectRemover {
  remove(name: string): Promise<void>;
}

export interface StoredObject {
  readonly body: Uint8Array;
  readonly contentType: string;
}

/** Panes as rows that a reader looks up by key and window. */
export interface RowStore {
  /**
   * Writes each row unless the stored row is as new or newer: see `isNewer`. No two rows may have the same
   * name.
   */
  put(rows: readonly Row[]): Promise<void>;
}

export interface Row {
  readonly partition: string;
  readonly sort: string;
  readonly order: number;
  /**
   * True where nothing but this very row is ever stored under its name, so that it can be written whatever is
   * there.
   */
  readonly settled: boolean;
  readonly pane: Pane;
}

/** The fields that decide which of two rows of one name is newer. */
export interface Ranked extends Pick<Row, 'order'> {
  readonly pane: Pick<Pane, 'start' | 'revision'>;
}

/**
 * Says whether row `a` replaces row `b` of the same name: by the greater order, then the earlier start, then
 * the greater revision.
 */
export function isNewer(a: Ranked, b: Ranked): boolean {
  if (a.order !== b.order) return a.order > b.order;
  return a.pane.start === b.pane.start ? a.pane.revision > b.pane.revision : a.pane.start < b.pane.start;
}

/**
 * How far each lineage of the source has been wholly committed. This is a lower bound: it may lag behind, but
 * is never ahead.
 */
export interface Progress {
  note(lineage: string, position: Position): Promise<void>;
  read(lineage: string): Promise<Position | undefined>;
}

/** Tells which records the source still holds. */
export interface Arrivals {
  /**
   * Returns the arrival time before which every record of the source has been committed; `now` when no record
   * waits; undefined when that cannot be told.
   */
  frontier(now: EpochMillis): Promise<EpochMillis | undefined>;
}

/**
 * Up to which time the sweeper has let silence pass in all groups of a pipeline: every pane that silence brings by then
 * is committed, and so is every pane of a record that came by then. It tells pipelines that read the panes how far
 * silence can be counted, as a pane may have waited for a record that waited itself.
 */
export interface Swept {
  note(silence: EpochMillis): Promise<void>;
  read(): Promise<EpochMillis | undefined>;
}
