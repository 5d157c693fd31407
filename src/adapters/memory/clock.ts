import { after, type EpochMillis, type Millis } from '../../core/time.ts';
import type { Clock } from '../../ports/clock.ts';

/** A clock that stands still until it is moved. */
export interface MemoryClock extends Clock {
  set(now: EpochMillis): void;
  pass(length: Millis): void;
}

export function memoryClock(start: EpochMillis): MemoryClock {
  let now = start;
  let waiting: { readonly at: EpochMillis; readonly settle: () => void }[] = [];
  const set = (instant: EpochMillis): void => {
    now = instant;
    const due = waiting.filter(({ at }) => at <= now);
    waiting = waiting.filter(({ at }) => at > now);
    for (const { settle } of due) settle();
  };
  return {
    now: () => now,
    until: (at) =>
      at <= now ? Promise.resolve() : new Promise((settle) => waiting.push({ at, settle: () => settle() })),
    turn: () => new Promise((settle) => setImmediate(settle)),
    set,
    pass: (length) => set(after(now, length)),
  };
}
