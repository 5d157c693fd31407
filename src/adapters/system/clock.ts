import { setImmediate as immediate } from 'node:timers/promises';
import type { EpochMillis } from '../../core/time.ts';
import type { Clock } from '../../ports/clock.ts';

/** The longest wait of a Node timer. A timer that is set to wait longer rings at once. */
const LONGEST_MILLIS = 2 ** 31 - 1;

/** Makes a clock that reads `now`, and rings by the timers of this machine. */
export function clockBy(now: () => EpochMillis): Clock {
  return {
    now,
    alarm(at, ring) {
      let timer: NodeJS.Timeout;
      const wait = (): void => {
        const left = at - now();
        timer = left > LONGEST_MILLIS ? setTimeout(wait, LONGEST_MILLIS) : setTimeout(ring, left);
      };
      wait();
      return () => clearTimeout(timer);
    },
    turn: () => immediate(),
  };
}

/** Returns the clock of this machine. */
export const systemClock = (): Clock => clockBy(() => Date.now() as EpochMillis);
