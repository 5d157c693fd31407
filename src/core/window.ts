import type { Grid } from './alignment.ts';
import type { Lanes } from './lanes.ts';
import type { Panes, WindowIdentity } from './panes.ts';
import type { CurrentRecord } from './record.ts';
import type { Inputs } from './select.ts';
import type { Table } from './table.ts';
import type { EpochMillis, Millis } from './time.ts';

/** The part of a pipeline with which a window's operator is made. */
export interface WindowRules<in Rec> {
  readonly allowedLateness: Millis;
  /** The operator registers here which values it reads of a record. */
  readonly inputs: Inputs<Rec>;
  /** The place of this window among the pipeline's windows. */
  readonly window: number;
}

/**
 * When a window other than `rolling` and `running` emits: as it closes; also after each record; or also at
 * the end of each commit.
 */
export type Emit = 'close' | 'record' | 'update';

/** How many numbers and how many plain values a row of a window's table has. */
interface Layout {
  readonly width: number;
  readonly plainWidth: number;
}

/**
 * One kind of window with its settings: it says how one key's records are kept and when panes are emitted.
 *
 * The stored state is tables that hold the minimal statistic. `thaw` builds from them whatever makes folding
 * fast.
 */
export interface WindowOperator {
  /**
   * Names the kind, the settings and the aggregates. Stored state is read only by a window of the same name
   * and signature.
   */
  readonly signature: string;
  /** True where the window needs the order of the source. A pipeline refuses it where the source has none. */
  readonly ordered: boolean;
  readonly identity: WindowIdentity;
  readonly lanes: Lanes;
  /** The layouts of the tables that it stores. */
  readonly layout: readonly Layout[];
  /** Set where the first of these tables holds slices, which windows of the same slices can keep together. */
  readonly grid?: Grid | undefined;
  /** Returns the watermark from which on a record of that event time is refused; ∞ if it never is. */
  refusedFrom(at: EpochMillis): number;
  /**
   * Returns the watermark from which on a window that ends at `end` emits nothing more: −∞ if its first
   * pane is its last, ∞ if another may always follow.
   */
  settledFrom(end: EpochMillis): number;
  /**
   * Builds the state of one key's windows from `stored`, which it does not change. Without it the key is new.
   *
   * @param longer the state of windows of the same slices, none shorter, that have taken in the same records so far: this
   * one keeps its slices with that one
   */
  thaw(stored: readonly Table[] | undefined, longer?: WindowState): WindowState;
}

/**
 * A key's watermark before and after a record is taken in, or time passes. It is −∞ before the key's first
 * record. The two stand in an array, as V8 allocates a number each time it is passed from function to
 * function.
 */
export type Watermarks = number[];
export const BEFORE = 0;
export const AFTER = 1;

/** A window `[start, end)` that has not closed, with the number of its records so far. */
export interface OpenWindow {
  readonly start: EpochMillis;
  readonly end: EpochMillis;
  /** The watermark at which it emits next; undefined where it waits for records. */
  readonly due: EpochMillis | undefined;
  readonly count: number;
}

/** The state of the windows of one definition for one key, while a batch is folded. */
export interface WindowState {
  /**
   * Takes in a record. It returns false when it refuses the record, as every window that would hold the
   * record is past correction.
   */
  apply(record: CurrentRecord, watermarks: Watermarks, panes: Panes): boolean;
  /**
   * Advances the watermark: closes the windows that end after `BEFORE` and by `AFTER`, and drops what can no
   * longer change.
   */
  advance(watermarks: Watermarks, panes: Panes): void;
  /** Ends a commit: emits what the definition asks to show of windows that are still open. */
  update(watermark: number, panes: Panes): void;
  /** Returns the number of windows that hold records and have not closed by the watermark. */
  open(watermark: number): number;
  /** Lists the windows that hold records and wait for more, or for the watermark, by start. */
  listOpen(watermark: number): readonly OpenWindow[];
  /**
   * Writes the windows that are open to `panes`, with their results so far, in the order of `listOpen`: at
   * most the first `limit` of them. Each carries the revision that it would have if it emitted now. For
   * `rolling` that is the window which the next record completes, without that record. What the state emits
   * later is the same as without the look.
   */
  peek(watermark: number, panes: Panes, limit: number): void;
  /**
   * Returns the watermark from which on, without another record, the state emits something or `isEmpty` becomes
   * true; ∞ where that never comes. It may be too early, and is never too late.
   */
  restsUntil(watermark: number): number;
  /**
   * Says whether the state could begin anew unnoticed. Only a record that comes after `maxLateness` could
   * tell. A state that took no record in is empty: a version that adds windows to a silent key must not have the key
   * remembered, or what is emitted would depend on whether the version before had forgotten it by then.
   */
  isEmpty(watermark: number): boolean;
  /** Returns the tables to store, in the operator's layout. The state must not be used afterwards. */
  freeze(watermark: number): readonly Table[];
}
