import { after, type EpochMillis, millis } from '../core/time.ts';
import type { Clock } from './clock.ts';

/**
 * How long an environment goes on with a deployment before it reads the deployment again, which costs a read.
 * A restore waits for as long.
 */
const HELD = millis('1m');

/**
 * Holds a value that `find` finds when it is first needed. It is found again once it is a minute old, was
 * forgotten, or could not be found.
 */
export function held<Value>(
  clock: Pick<Clock, 'now'>,
  find: () => Promise<Value>,
): { get(): Promise<Value>; forget(): void } {
  let value: Promise<Value> | undefined;
  let foundAt: EpochMillis;
  const forget = (): void => {
    value = undefined;
  };
  return {
    get() {
      const now = clock.now();
      if (value === undefined || after(foundAt, HELD) <= now) {
        foundAt = now;
        const finding = find();
        value = finding;
        // A newer search may have begun meanwhile, whose answer is kept.
        finding.catch(() => {
          if (value === finding) forget();
        });
      }
      return value;
    },
    forget,
  };
}
