import type { Clock } from './clock.ts';
import type { CommitLog, WholeLog } from './commit-log.ts';
import type { Limits } from './limits.ts';
import type { Outlet } from './outlet.ts';
import type { Arrivals, ObjectStore, Progress, RowStore, Swept } from './stores.ts';
import type { Telemetry } from './telemetry.ts';
import type { Tracer } from './tracer.ts';

/** Where the logs of another pipeline are read. */
export interface UpstreamStores {
  /** What the place of its logs is known by: a state table. */
  readonly name: string;
  readonly log: CommitLog;
  readonly objects: Pick<ObjectStore, 'read'>;
  /** What its sweeper has noted: see `Swept`. */
  readonly swept: Pick<Swept, 'read'>;
}

/** The outside world as the adapters provide it. */
export interface Ports {
  readonly log: CommitLog;
  readonly objects: ObjectStore;
  readonly rows: RowStore;
  readonly progress: Progress;
  readonly arrivals: Arrivals;
  /** The stores of the pipeline whose panes are read, where the source is another pipeline. */
  readonly upstream?: UpstreamStores | undefined;
  /** Where the sweeper notes for other pipelines how far it has come; without it, it notes nothing. */
  readonly swept?: Pick<Swept, 'note'>;
  /** Where each sink that sends messages sends them, by the name of the sink. */
  readonly outlets?: ReadonlyMap<string, Outlet>;
  readonly clock: Clock;
  readonly telemetry: Telemetry;
  /** Traces the work; without it, nothing is traced. */
  readonly tracer?: Tracer | undefined;
  /** Overrides `LIMITS`, for code that wants to meet a bound soon. */
  readonly limits?: Limits;
}

/** The outside world as the engine sees it: with the bodies of entries, wherever they are stored. */
export interface EnginePorts extends Omit<Ports, 'log'> {
  readonly log: WholeLog;
}
