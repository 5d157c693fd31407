import { after, type EpochMillis, type Millis } from '../../core/time.ts';
import type { Clock } from '../../ports/clock.ts';

/** A clock that stands still until it is moved. */
export interface MemoryClock extends Clock {
  set(now: EpochMillis): void;
  pass(length: Millis): void;
}

export function memoryClock(start: EpochMillis): MemoryClock {
  let now = start;
  return {
    now: () => now,
    set(instant) {
      now = instant;
    },
    pass(length) {
      now = after(now, length);
    },
  };
}
