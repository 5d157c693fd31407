import { type EpochMillis, millis } from '../../core/time.ts';
import type { ObjectFormat } from '../../pipeline/sinks.ts';
import type { EnginePorts } from '../../ports/index.ts';
import type { ObjectStore } from '../../ports/stores.ts';
import { backfillLog } from '../../wiring/names.ts';
import { type Deployment, groupLogsOf } from '../group/deployment.ts';
import { stepObjects } from './project-objects.ts';
import { stepRows } from './project-rows.ts';
import type { ReadPorts, Step } from './stretch.ts';

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
  const logs = groupLogsOf(deployment, ports.clock.now());
  return withProgress(ports, options, () => stepRows(ports, deployment, log, logs, options.deadline));
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
  return withProgress(ports, options, () => stepObjects(ports, deployment, target, options.deadline));
};

async function withProgress(
  { clock }: ReadPorts,
  { deadline, onProgress }: BackfillOptions,
  step: () => Promise<Step>,
): Promise<boolean> {
  let done: Backfilled = { entries: 0, panes: 0 };
  while (clock.now() < deadline) {
    const { entries, panes, more, gaps } = await step();
    done = { entries: done.entries + entries, panes: done.panes + panes };
    onProgress?.(done);
    if (more) continue;
    const [gap] = gaps;
    if (gap) throw gap;
    return true;
  }
  return false;
}

const NAME = /^[a-z0-9-]{1,40}$/;

function checked(name: string): string {
  if (NAME.test(name)) return name;
  throw new RangeError(
    `Cannot name a backfill "${name}" as names must be 1 to 40 lower-case letters, digits and hyphens`,
  );
}
