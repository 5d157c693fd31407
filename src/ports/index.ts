import type { Clock } from './clock.ts';
import type { CommitLog, WholeLog } from './commit-log.ts';
import type { Limits } from './limits.ts';
import type { Arrivals, ObjectStore, Progress, RowStore } from './stores.ts';
import type { Telemetry } from './telemetry.ts';

/** The outside world as the adapters provide it. */
export interface Ports {
  readonly log: CommitLog;
  readonly objects: ObjectStore;
  readonly rows: RowStore;
  readonly progress: Progress;
  readonly arrivals: Arrivals;
  readonly clock: Clock;
  readonly telemetry: Telemetry;
  /** Overrides `LIMITS`, for code that wants to meet a bound soon. */
  readonly limits?: Limits;
}

/** The outside world as the engine sees it: with the bodies of entries, wherever they are stored. */
export interface EnginePorts extends Omit<Ports, 'log'> {
  readonly log: WholeLog;
}
