import { type EpochMillis, millis } from '../../core/time.ts';
import type { ObjectFormat } from '../../pipeline/sinks.ts';
import type { EnginePorts } from '../../ports/index.ts';
import type { ObjectStore } from '../../ports/stores.ts';
import { backfillLog } from '../../wiring/names.ts';
import { type Deployment, groupLogsOf } from '../group/deployment.ts';
import { objectsProjector } from './project-objects.ts';
import { rowsProjector } from './project-rows.ts';
import { type Projector, stepUntil } from './projector.ts';
import type { ReadPorts } from './stretch.ts';

/** How far a backfill has come since it was called. */
export interface Backfilled {
  readonly entries: number;
  readonly panes: number;
}

export interface BackfillOptions {
  /**
   * What it is called, in 1 to 40 lower-case letters, digits and hyphens: under the same name it goes on where it stopped, under
   * another it begins anew.
   */
  readonly name: string;
  /** No step is begun at or after it. */
  readonly deadline: EpochMillis;
  /** Called after every step, with all since the call. */
  readonly onProgress?: (done: Backfilled) => void;
}

/**
 * Writes rows again, of every pane from the beginning of the logs on: what is there and as new stays.
 *
 * @returns whether it came to the end of the logs; if not, the same call goes on
 * @throws RangeError when the name is none; LogLostError when it stopped for so long that entries which it needs expired
 */
export const backfillRows = (
  ports: ReadPorts & Pick<EnginePorts, 'rows'>,
  deployment: Deployment,
  options: BackfillOptions,
): Promise<boolean> => {
  const log = backfillLog(deployment.pipeline.name, checked(options.name), 'rows');
  const groupLogs = groupLogsOf(deployment, ports.clock.now());
  const projector = rowsProjector(ports, deployment, { log, groupLogs }, options.deadline);
  return withProgress(ports, projector, options);
};

/**
 * Writes every pane from the beginning of the logs on to objects of `into`: each exactly once, whatever stops it, as long as it
 * goes on under its name. A bucket other than the pipeline's own, which has them; and for every bucket another name.
 *
 * @returns whether it came to the end of the logs; if not, the same call goes on
 * @throws RangeError when the name is none; LogLostError when it stopped for so long that entries which it needs expired
 */
export const backfillObjects = (
  ports: ReadPorts,
  deployment: Deployment,
  { objects, format }: { readonly objects: ObjectStore; readonly format: ObjectFormat },
  options: BackfillOptions,
): Promise<boolean> => {
  const name = checked(options.name);
  const log = backfillLog(deployment.pipeline.name, name, 'objects');
  const target = { log, objects, format, label: `backfill-${name}`, incarnation: 0, every: millis('0s') };
  return withProgress(ports, objectsProjector(ports, deployment, target, options.deadline), options);
};

async function withProgress(
  ports: ReadPorts,
  projector: Projector,
  { deadline, onProgress }: BackfillOptions,
): Promise<boolean> {
  let done: Backfilled = { entries: 0, panes: 0 };
  const last = await stepUntil(ports, projector, deadline, ({ entries, panes, more }) => {
    done = { entries: done.entries + entries, panes: done.panes + panes };
    onProgress?.(done);
    return !more;
  });
  if (last === undefined) return false;
  const [gap] = last.gaps;
  if (gap) throw gap;
  return true;
}

const NAME = /^[a-z0-9-]{1,40}$/;

function checked(name: string): string {
  if (NAME.test(name)) return name;
  throw new RangeError(
    `Cannot name a backfill "${name}" as names must be 1 to 40 lower-case letters, digits and hyphens`,
  );
}
