import { type EpochMillis, millis } from '../../core/time.ts';
import type { ObjectFormat } from '../../pipeline/sinks.ts';
import type { Clock } from '../../ports/clock.ts';
import type { EnginePorts } from '../../ports/index.ts';
import type { ObjectStore } from '../../ports/stores.ts';
import { backfillLog } from '../../wiring/names.ts';
import { type Deployment, groupLogsOf } from '../group/deployment.ts';
import {
  type MessagePorts,
  messagesProjector,
  messageTarget,
  type NotingSink,
  nextMinute,
} from './project-messages.ts';
import { objectsProjector } from './project-objects.ts';
import { rowsProjector } from './project-rows.ts';
import { type Projector, type Step, stepUntil } from './projector.ts';
import type { ReadPorts } from './stretch.ts';

/** What a backfill has done since it was called. */
export interface Backfilled {
  /** How many entries it has covered to their end. */
  readonly entries: number;
  /** How many panes it has written. */
  readonly panes: number;
}

export interface BackfillOptions {
  /**
   * The name of the backfill: 1 to 40 lower-case letters, digits and hyphens. A call with the name of an
   * earlier backfill continues where that one stopped; a call with a new name begins at the beginning.
   */
  readonly name: string;
  /** The time at and after which no step is begun. */
  readonly deadline: EpochMillis;
  /** Receives, after every step, what has been done since the call. */
  readonly onProgress?: (done: Backfilled) => void;
}

/**
 * Writes the rows of every pane again, from the beginning of the logs on. A row stays as it is where the
 * table has one that is as new.
 *
 * @returns whether the backfill has reached the end of the logs; if not, the same call continues it
 * @throws RangeError when the name breaks its rule; LogLostError when the backfill was left for so long that
 * entries which it needs have expired
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
 * Writes every pane as objects, from the beginning of the logs on. Each pane is written exactly once, however
 * often the backfill is stopped, as long as every call has its name.
 *
 * The bucket must not be the pipeline's own, which has the panes already, and each bucket needs a backfill of
 * another name.
 *
 * @returns whether the backfill has reached the end of the logs; if not, the same call continues it
 * @throws RangeError when the name breaks its rule; LogLostError when the backfill was left for so long that
 * entries which it needs have expired
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

/**
 * Sends every pane that a sink takes again, from the beginning of the logs on and however old it is, with the
 * ids that it had. A sink with a limit sends as many a minute as ever.
 *
 * @returns whether the backfill has reached the end of the logs; if not, the same call continues it
 * @throws RangeError when the name breaks its rule; LogLostError when the backfill was left for so long that
 * entries which it needs have expired; Error when messages were refused
 */
export const backfillMessages = (
  ports: MessagePorts,
  deployment: Deployment,
  sink: NotingSink,
  options: BackfillOptions,
): Promise<boolean> => {
  const { clock } = ports;
  const log = backfillLog(deployment.pipeline.name, checked(options.name), `messages/${sink.name}`);
  const groupLogs = groupLogsOf(deployment, clock.now());
  const target = {
    ...messageTarget(deployment, sink, groupLogs),
    log,
    from: 'beginning',
    maxAge: undefined,
  } as const;
  const projector = messagesProjector(ports, deployment, target, options.deadline);
  const step = async (): Promise<Step> => {
    const done = await projector.step();
    // Nothing can be sent before the next minute.
    if (done.more && !done.moved && done.gaps.length === 0) await turnOf(clock, nextMinute(clock.now()));
    return done;
  };
  return withProgress(ports, { log, step }, options);
};

const turnOf = ({ alarm }: Clock, at: EpochMillis): Promise<void> =>
  new Promise((settle) => {
    alarm(at, settle);
  });

async function withProgress(
  ports: Pick<ReadPorts, 'clock'>,
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
