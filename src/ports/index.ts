import type { Clock } from './clock.ts';
import type { CommitLog, WholeLog } from './commit-log.ts';
import type { Limits } from './limits.ts';
import type { Arrivals, ObjectStore, Progress, RowStore } from './stores.ts';
import type { Telemetry } from './telemetry.ts';

/** The world as the adapters give it. */
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

/** The world as the engine works on it: it has the bodies of entries, wherever they are stored. */
export interface EnginePorts extends Omit<Ports, 'log'> {
  readonly log: WholeLog;
}
