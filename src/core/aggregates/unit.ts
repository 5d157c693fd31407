import { type Duration, type Millis, millis } from '../time.ts';

/** The milliseconds of a unit of time: `per`, a second unless told. */
export function unitOf(per: Duration = '1s'): Millis {
  const unit = millis(per);
  if (unit === 0) throw new RangeError(`Cannot measure per "${per}" as per must be > 0`);
  return unit;
}
