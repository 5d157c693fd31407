import type { Lanes } from './lanes.ts';
import type { Panes, WindowIdentity } from './panes.ts';
import type { CurrentRecord } from './record.ts';
import type { Inputs } from './select.ts';
import type { Table } from './table.ts';
import type { EpochMillis, Millis } from './time.ts';

/** What of a pipeline a window's operator is made with. */
export interface WindowRules<in Rec> {
  readonly allowedLateness: Millis;
  /** Where the window says what it reads of a record. */
  readonly inputs: Inputs<Rec>;
  /** Its place among the pipeline's windows. */
  readonly window: number;
}

/** When a window that is not per record emits: as it closes; also after each record; or also at the end of each commit. */
export type Emit = 'close' | 'record' | 'update';

/** How many numbers, and how many plain values, a row of one of a window's tables has. */
interface Layout {
  readonly width: number;
  readonly plainWidth: number;
}

/**
 * One kind of window, with its settings: how it keeps one key's records and when it emits.
 *
 * State is stored as tables holding the minimal statistic; `thaw` builds whatever makes folding fast from it.
 */
export interface WindowOperator {
  /** Names the kind, settings and aggregates: a window keeps them under its name. */
  readonly signature: string;
  /** Needs the order of the source: refused where there is none. */
  readonly ordered: boolean;
  readonly identity: WindowIdentity;
  readonly lanes: Lanes;
  /** Of the tables that it stores. */
  readonly layout: readonly Layout[];
  /** The watermark from which on a record of that event time is refused; ∞ if it never is. */
  refusedFrom(at: EpochMillis): number;
  /** One key's windows as they were stored, which is left as it is. Undefined: those of a new key. */
  thaw(stored: readonly Table[] | undefined): WindowState;
}

/**
 * A key's watermark before a record is taken in, or time passes, and after it: as numbers in an array, since one that is
 * handed from function to function by itself is allocated each time. -∞ before the key's first record.
 */
export type Watermarks = number[];
export const BEFORE = 0;
export const AFTER = 1;

/** A window `[start, end)` that has not closed, and the records in it so far. */
export interface OpenWindow {
  readonly start: EpochMillis;
  readonly end: EpochMillis;
  /** The watermark at which it emits next; undefined where it waits for records. */
  readonly due: EpochMillis | undefined;
  readonly count: number;
}

/** The windows of one definition for one key, while a batch is folded. */
export interface WindowState {
  /** Takes a record in. False when it refuses the record, as each window of it that would hold it is past correction. */
  apply(record: CurrentRecord, watermarks: Watermarks, panes: Panes): boolean;
  /** The watermark passes: closes what ends after `BEFORE` and by `AFTER`, forgets what can no longer change. */
  advance(watermarks: Watermarks, panes: Panes): void;
  /** A commit ends: emits what the definition asks to see of windows that are still open. */
  update(watermark: number, panes: Panes): void;
  /** Windows that hold records and have not closed by the watermark. */
  open(watermark: number): number;
  /** Windows that hold records and wait for more, or for the watermark, by start. */
  listOpen(watermark: number): readonly OpenWindow[];
  /** Whether it could begin anew without a reader noticing, but for a record that comes after `maxLateness`. */
  isEmpty(watermark: number): boolean;
  /** The tables to store, in the operator's layout. Ends the state's use. */
  freeze(watermark: number): readonly Table[];
}
