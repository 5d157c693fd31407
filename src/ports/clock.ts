import type { EpochMillis } from '../core/time.ts';

export interface Clock {
  now(): EpochMillis;
}
