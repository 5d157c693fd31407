import type { EpochMillis } from '../core/time.ts';

export interface Clock {
  now(): EpochMillis;
  /** Settles when it is that late; what waits for it alone keeps no process from ending. */
  until(at: EpochMillis): Promise<void>;
  /** Settles in a later turn of the event loop, so that requests that were begun can be sent. */
  turn(): Promise<void>;
}
