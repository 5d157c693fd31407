import type { EpochMillis } from '../core/time.ts';

/** A figure that a service publishes about itself, some minutes late. */
export interface Gauge {
  /**
   * Returns the last value, which is the greatest from `at` until it was published; undefined when there is
   * no recent one.
   */
  latest(now: EpochMillis): Promise<{ readonly at: EpochMillis; readonly value: number } | undefined>;
}
