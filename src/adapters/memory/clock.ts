import { after, type EpochMillis, type Millis } from '../../core/time.ts';
import type { Clock } from '../../ports/clock.ts';

/** A clock that stands still until it is moved. */
export interface MemoryClock extends Clock {
  /** How many alarms are set. Whatever they refer to cannot be collected. */
  readonly alarms: number;
  set(now: EpochMillis): void;
  pass(length: Millis): void;
}

export function memoryClock(start: EpochMillis): MemoryClock {
  let now = start;
  const alarms = new Set<{ readonly at: EpochMillis; readonly ring: () => void }>();
  const ringDue = (): void => {
    for (const alarm of alarms) {
      if (alarm.at <= now && alarms.delete(alarm)) alarm.ring();
    }
  };
  const set = (instant: EpochMillis): void => {
    now = instant;
    ringDue();
  };
  return {
    now: () => now,
    alarm(at, ring) {
      const alarm = { at, ring };
      alarms.add(alarm);
      if (at <= now) queueMicrotask(ringDue);
      return () => alarms.delete(alarm);
    },
    turn: () => new Promise((settle) => setImmediate(settle)),
    get alarms() {
      return alarms.size;
    },
    set,
    pass: (length) => set(after(now, length)),
  };
}
