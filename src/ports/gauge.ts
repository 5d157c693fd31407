import type { EpochMillis } from '../core/time.ts';

/** A figure that a service publishes about itself, some minutes late. */
export interface Gauge {
  /** Its last value, the greatest from `at` on until it was published; undefined when there is none of late. */
  latest(now: EpochMillis): Promise<{ readonly at: EpochMillis; readonly value: number } | undefined>;
}
