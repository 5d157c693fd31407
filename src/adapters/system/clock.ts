import { setImmediate as immediate } from 'node:timers/promises';
import type { EpochMillis } from '../../core/time.ts';
import type { Clock } from '../../ports/clock.ts';

/** What a timer of Node can wait for at most: told to wait longer, it rings at once. */
const LONGEST_MILLIS = 2 ** 31 - 1;

/** A clock by what `now` says. Its alarms wait by the timers of this machine, and look again where `now` has not come as far. */
export function clockBy(now: () => EpochMillis): Clock {
  return {
    now,
    alarm(at, ring) {
      let timer: NodeJS.Timeout;
      const wait = (): void => {
        timer = setTimeout(look, Math.min(at - now(), LONGEST_MILLIS));
      };
      const look = (): void => (now() < at ? wait() : ring());
      wait();
      return () => clearTimeout(timer);
    },
    turn: () => immediate(),
  };
}

/** The clock of this machine. */
export const systemClock = (): Clock => clockBy(() => Date.now() as EpochMillis);
