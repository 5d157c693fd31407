import type { Clock } from './clock.ts';
import type { CommitLog } from './commit-log.ts';
import type { Limits } from './limits.ts';
import type { Arrivals, ObjectStore, Progress, RowStore } from './stores.ts';
import type { Telemetry } from './telemetry.ts';

/** The world as the engine sees it. */
export interface Ports {
  readonly log: CommitLog;
  readonly objects: ObjectStore;
  readonly rows: RowStore;
  readonly progress: Progress;
  readonly arrivals: Arrivals;
  readonly clock: Clock;
  readonly telemetry: Telemetry;
  /** Other bounds than `LIMITS`, for who wants to meet them soon. */
  readonly limits?: Limits;
}
