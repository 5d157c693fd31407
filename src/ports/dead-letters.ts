import type { EpochMillis } from '../core/time.ts';
import type { SourceRecord } from './source.ts';

/** A message that a queue gave up, as its dead-letter queue holds it. */
export interface DeadLetter {
  /** What the dead-letter queue knows this receipt of the message by. */
  readonly receipt: string;
  /** The source that gave the message up; undefined where the dead-letter queue does not say. */
  readonly source: string | undefined;
  /**
   * The message as a record of its source. Its position is the id by which the dead-letter queue knows it, also where
   * the source is ordered: a message that moves loses its place in the order.
   */
  readonly record: SourceRecord;
  /**
   * When the source was handing the message over: from its first receipt until it was given up; undefined where the
   * dead-letter queue does not say.
   */
  readonly tried: { readonly from: EpochMillis; readonly until: EpochMillis } | undefined;
}

/** A queue to which another moves the messages that it gives up. */
export interface DeadLetterQueue {
  /**
   * Returns some messages, and hides them from other readers for a while; none where there are none, or where all are
   * hidden. In a FIFO queue a hidden message also hides those of its message group that follow.
   */
  receive(): Promise<readonly DeadLetter[]>;
  /** Deletes messages for good. */
  remove(letters: readonly DeadLetter[]): Promise<void>;
  /** Shows messages again to other readers, as far as that is possible: they show by themselves later. */
  release(letters: readonly DeadLetter[]): Promise<void>;
  /** Returns about how many messages there are, hidden or not. */
  count(): Promise<number>;
}
