import { LoggableError } from '../core/loggable.ts';
import { type EpochMillis, type Millis, millis } from '../core/time.ts';

/** The place of an entry in its log. */
export interface EntryPlace {
  /** 1, 2, 3, … without a gap. */
  readonly ordinal: number;
  readonly committedAt: EpochMillis;
  /**
   * When the earliest of the records arrived that the entry takes in. It is undefined where the entry takes in
   * none, and only tells how long delivery takes.
   */
  readonly arrived?: EpochMillis | undefined;
}

/** One step of a log as the log itself stores it. It never changes once appended. */
export interface StoredEntry extends EntryPlace {
  /** The body, or the name of the object that is the body: only a `WholeLog` tells which. */
  readonly stored: Uint8Array;
}

/** One step of a log with its body, wherever that is stored. */
export interface LogEntry extends EntryPlace {
  readonly body: Uint8Array;
}

interface Log<Entry extends EntryPlace> {
  /**
   * Returns the last entry, or undefined for a log that was never written to. It sees every append that was
   * answered before.
   *
   * @throws LogLostError when the log was written to but its entries are gone
   */
  latest(log: string): Promise<Entry | undefined>;
  /**
   * Returns the entries after an ordinal, in order: at least one if there are any, and as many as one answer
   * holds.
   */
  after(log: string, ordinal: number): Promise<readonly Entry[]>;
  /** Appends an entry unless the log already has an entry of that ordinal. */
  append(log: string, entry: Entry): Promise<'committed' | 'conflict'>;
}

/**
 * Append-only logs, the only truth about a pipeline. Writers agree in a single way: an append succeeds only
 * where its ordinal is free.
 *
 * An entry may name its body instead of holding it, so that code which decodes entries asks for a `WholeLog`.
 */
export type CommitLog = Log<StoredEntry>;

/** The same logs for code that reads or writes bodies. It hides where bodies are stored. */
export type WholeLog = Log<LogEntry>;

/** Thrown when entries that a reader needs are missing: going on would lose or repeat panes. */
export class LogLostError extends LoggableError {
  override readonly name = 'LogLostError';
}

/** How long an entry is kept. Whatever is needed for longer is appended anew long before it expires. */
export const ENTRY_LIFETIME: Millis = millis('8d');

/**
 * How many bytes each of the two sections of an entry's body, its state and its panes, holds at most before
 * it is deflated.
 */
export const MAX_SECTION_BYTES = 64 * 1_048_576;

/**
 * The largest body that a log takes itself: below DynamoDB's 400 KB an item, with room for names and numbers.
 */
export const MAX_INLINE_BYTES = 390_000;
