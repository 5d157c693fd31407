import { LoggableError } from '../../core/loggable.ts';
import { after, type EpochMillis, millis } from '../../core/time.ts';
import type { PushSink } from '../../pipeline/message-sinks.ts';
import { inTime } from '../../ports/clock.ts';
import type { EnginePorts } from '../../ports/index.ts';
import { LIMITS } from '../../ports/limits.ts';
import type { Message, Outlet } from '../../ports/outlet.ts';
import type { Deployment } from '../group/deployment.ts';
import { messageMaker } from './pane-messages.ts';
import { panesAfter, type ReadPorts } from './stretch.ts';
import { writtenPane } from './written-pane.ts';

/** The entries of groups' logs that were just committed: the ordinals of each log. */
export type Committed = ReadonlyMap<string, readonly number[]>;

/** How long pushing may take: longer than AppSync takes, and so short that no other sink waits for it. */
const PUSHING = millis('1s');

const TOO_LATE = new LoggableError('Cannot push panes as that must take less than a second: it takes longer');

/**
 * Returns what pushes the panes of entries that were just committed: of each key and window the latest. It
 * never throws and never takes longer than a second: what fails is counted and reported, and is not pushed
 * again. It pushes no entry twice.
 */
export function pusher(
  ports: ReadPorts & Pick<EnginePorts, 'telemetry'>,
  sink: PushSink,
  outlet: Outlet,
): (deployment: Deployment, committed: Committed, deadline: EpochMillis) => Promise<void> {
  const { clock, telemetry } = ports;
  /** The last ordinal of each log that was pushed, or was to be. */
  const pushed = new Map<string, number>();

  const inASecond = <Result>(until: EpochMillis, work: Promise<Result>): Promise<Result> =>
    inTime(clock, until, work, () => {
      throw TOO_LATE;
    });

  const push = async ({ pipeline }: Deployment, committed: Committed, until: EpochMillis): Promise<void> => {
    const fresh = new Map(
      [...committed].map(([log, ordinals]) => {
        const past = pushed.get(log) ?? 0;
        return [log, new Set(ordinals.filter((ordinal) => ordinal > past))] as const;
      }),
    );
    for (const [log, ordinals] of fresh) {
      if (ordinals.size === 0) fresh.delete(log);
      else pushed.set(log, Math.max(...ordinals));
    }
    const from = new Map([...fresh].map(([log, ordinals]) => [log, [Math.min(...ordinals) - 1, 0] as const]));
    const { rowsStep } = ports.limits ?? LIMITS;
    const reading = panesAfter(ports, from, [...from.keys()], rowsStep, until);
    const { entries } = await inASecond(until, reading);
    const make = messageMaker(ports, sink, outlet);
    const latest = new Map<string, Message>();
    for (const { log, ordinal, panes } of entries) {
      if (!fresh.get(log)?.has(ordinal)) continue;
      for (const { message } of panes.flatMap((pane) => make(writtenPane(pipeline, pane)) ?? [])) {
        if (message) latest.set(JSON.stringify([message.key, message.attributes.window]), message);
      }
    }
    const messages = [...latest.values()];
    if (messages.length === 0 || clock.now() >= until) return;
    let accepted = 0;
    try {
      accepted = messages.length - (await inASecond(until, outlet.send(messages, until))).length;
    } finally {
      telemetry.count('sent', accepted);
      telemetry.count('refused', messages.length - accepted);
    }
  };

  return async (deployment, committed, deadline) => {
    const until = Math.min(deadline, after(clock.now(), PUSHING)) as EpochMillis;
    try {
      await push(deployment, committed, until);
    } catch (cause) {
      telemetry.fault(`push panes to the sink "${sink.name}"`, cause);
    }
  };
}
