import { setImmediate as immediate } from 'node:timers/promises';
import type { EpochMillis } from '../../core/time.ts';
import type { Clock } from '../../ports/clock.ts';

/** What a timer of Node can wait for at most: told to wait longer, it rings at once. */
const LONGEST_MILLIS = 2 ** 31 - 1;

/** The clock of this machine, `ahead` milliseconds further on. */
export function systemClock(ahead = 0): Clock {
  const now = () => (Date.now() + ahead) as EpochMillis;
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
