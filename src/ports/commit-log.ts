import { LoggableError } from '../core/loggable.ts';
import { type EpochMillis, type Millis, millis } from '../core/time.ts';

/** Where an entry stands in its log. */
export interface EntryPlace {
  /** 1, 2, 3, … without a gap. */
  readonly ordinal: number;
  readonly committedAt: EpochMillis;
}

/** One step of a log as the log itself stores it. Immutable once appended. */
export interface StoredEntry extends EntryPlace {
  /** The body, or the name of the object that is the body: only a `WholeLog` tells which. */
  readonly stored: Uint8Array;
}

/** One step of a log, whole: its body is here, wherever it is stored. */
export interface LogEntry extends EntryPlace {
  readonly body: Uint8Array;
}

interface Log<Entry extends EntryPlace> {
  /**
   * The last entry, or undefined for a log never written to. Sees every append that was answered before.
   *
   * @throws LogLostError when the log was written to but its entries are gone
   */
  latest(log: string): Promise<Entry | undefined>;
  /** The entries after an ordinal, in order: at least one if there are any, as many as one answer holds. */
  after(log: string, ordinal: number): Promise<readonly Entry[]>;
  /** Appends unless the log has an entry of that ordinal already. */
  append(log: string, entry: Entry): Promise<'committed' | 'conflict'>;
}

/**
 * Append-only logs, the truth about a pipeline. Appending under the condition that the ordinal is free is the only way
 * in which writers agree.
 *
 * What is read here may name its body instead of holding it, so nothing that decodes entries takes it: that asks for a `WholeLog`.
 */
export type CommitLog = Log<StoredEntry>;

/** The same logs for whoever reads or writes bodies: where those are stored is settled behind it. */
export type WholeLog = Log<LogEntry>;

/** Entries that a reader needs are missing: going on would lose or repeat panes. */
export class LogLostError extends LoggableError {
  override readonly name = 'LogLostError';
}

/** How long an entry is kept. Whatever is needed for longer is appended anew long before. */
export const ENTRY_LIFETIME: Millis = millis('8d');

/** What each of the two sections of an entry's body, its state and its panes, holds at most before it is deflated, in bytes. */
export const MAX_SECTION_BYTES = 64 * 1_048_576;

/** The largest body that a log takes itself: below DynamoDB's 400 KB an item, names and numbers included. */
export const MAX_INLINE_BYTES = 390_000;
