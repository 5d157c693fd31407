import type { EpochMillis } from '../core/time.ts';

export interface Clock {
  now(): EpochMillis;
  /** Settles when it is that late; what waits for it alone keeps no process from ending. */
  until(at: EpochMillis): Promise<void>;
  /** Settles at once, but after requests that were begun have been sent. */
  turn(): Promise<void>;
}
