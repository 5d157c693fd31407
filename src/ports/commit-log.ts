import { LoggableError } from '../core/loggable.ts';
import { type EpochMillis, type Millis, millis } from '../core/time.ts';

/** One step of a log. Immutable once appended. */
export interface LogEntry {
  /** 1, 2, 3, … without a gap. */
  readonly ordinal: number;
  readonly committedAt: EpochMillis;
  readonly body: Uint8Array;
}

/**
 * Append-only logs, the truth about a pipeline. Appending under the condition that the ordinal is free is the only way
 * in which writers agree.
 */
export interface CommitLog {
  /**
   * The last entry, or undefined for a log never written to. Sees every append that was answered before.
   *
   * @throws LogLostError when the log was written to but its entries are gone
   */
  latest(log: string): Promise<LogEntry | undefined>;
  /** The entries after an ordinal, in order: at least one if there are any, as many as one answer holds. */
  after(log: string, ordinal: number): Promise<readonly LogEntry[]>;
  /** Appends unless the log has an entry of that ordinal already. */
  append(log: string, entry: LogEntry): Promise<'committed' | 'conflict'>;
}

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
