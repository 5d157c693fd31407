import { type Duration, type Millis, millis } from '../time.ts';

/** Returns the milliseconds of a unit of time, by default a second. */
export function unitOf(per: Duration = '1s'): Millis {
  const unit = millis(per);
  if (unit === 0) throw new RangeError(`Cannot measure per "${per}" as per must be > 0`);
  return unit;
}
