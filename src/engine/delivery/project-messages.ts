import { LoggableError } from '../../core/loggable.ts';
import { invariant } from '../../core/plain.ts';
import { type EpochMillis, type Millis, millis } from '../../core/time.ts';
import { byKind } from '../../pipeline/kinds.ts';
import type { CustomSink, NotifySink, SinkBeginning, StreamSink } from '../../pipeline/message-sinks.ts';
import { type LogEntry, LogLostError } from '../../ports/commit-log.ts';
import { inParallel } from '../../ports/in-parallel.ts';
import type { EnginePorts } from '../../ports/index.ts';
import { LIMITS } from '../../ports/limits.ts';
import type { Message, Outlet } from '../../ports/outlet.ts';
import { groupLogPrefix, messagesLog } from '../../wiring/names.ts';
import { decodeSinkCursor, encodeSinkCursor, NOTHING_SPENT, type SinkCursor } from '../format/sink-cursor.ts';
import { type Deployment, groupLogsOf } from '../group/deployment.ts';
import { mustRenew } from '../group/lifetimes.ts';
import { messageMaker, type Outgoing } from './pane-messages.ts';
import { type Projector, type Step, stepOf, TO_BE_REPEATED } from './projector.ts';
import {
  BEGINNING,
  beginnings,
  type Cursor,
  type Cursors,
  coveredWith,
  inOrder,
  panesAfter,
  type ReadPorts,
  type Stretch,
} from './stretch.ts';
import { writtenPane } from './written-pane.ts';

/** A sink that notes how far it has sent its messages. */
export type NotingSink = NotifySink | StreamSink | CustomSink;

export type MessagePorts = ReadPorts & Pick<EnginePorts, 'telemetry' | 'outlets'>;

/** The panes that a projector sends, and where it notes how far it has come. */
export interface MessageTarget {
  readonly sink: NotingSink;
  /** The log in which it notes its cursors. */
  readonly log: string;
  /** The logs of the groups whose panes are sent. */
  readonly groupLogs: readonly string[];
  readonly from: SinkBeginning;
  readonly maxAge: Millis | undefined;
}

/** Returns the target of a sink's own projector. */
export const messageTarget = (
  { pipeline }: Pick<Deployment, 'pipeline'>,
  sink: NotingSink,
  groupLogs: readonly string[],
): MessageTarget => ({
  sink,
  log: messagesLog(pipeline.name, sink.name),
  groupLogs,
  from: sink.from,
  maxAge: 'maxAge' in sink ? sink.maxAge : undefined,
});

/** Sends some panes, and returns the ids of those that were not accepted. */
type Send = (outgoing: readonly Outgoing[], deadline: EpochMillis) => Promise<readonly string[]>;

/**
 * Sends the panes that are not yet covered as messages: those of a key in the order of its log, a later one
 * only once the earlier ones were accepted.
 *
 * Its cursor stops before the first pane of each log that was not accepted. What was accepted behind that is
 * not sent again by this projector, but by another one.
 *
 * @param deadline the time at and after which nothing is begun; the next wake-up continues
 * @throws Error when the outlet of the sink is not given
 */
export function messagesProjector(
  ports: MessagePorts,
  deployment: Deployment,
  target: MessageTarget,
  deadline: EpochMillis,
): Projector {
  const { sink, log } = target;
  const { outlet, send } = sendingOf(ports, sink);
  const make = messageMaker(ports, sink, outlet);
  const accepted = new Set<string>();
  const aged = new Set<string>();
  const limit = 'limit' in sink ? sink.limit : undefined;

  const append = (ordinal: number, cursor: SinkCursor): Promise<'committed' | 'conflict'> =>
    ports.log.append(log, { ordinal, committedAt: ports.clock.now(), body: encodeSinkCursor(cursor) });

  /** Returns what is to be sent of a pane; undefined where that is nothing, or was accepted already. */
  const outgoingOf = (place: Place, now: EpochMillis): Outgoing | undefined => {
    const pane = writtenPane(deployment.pipeline, place.pane);
    if (accepted.has(pane.id)) return undefined;
    const outgoing = make(pane);
    if (outgoing === undefined || target.maxAge === undefined) return outgoing;
    if (now - place.committedAt <= target.maxAge) return outgoing;
    if (!aged.has(pane.id)) ports.telemetry.count('tooOld', 1);
    aged.add(pane.id);
    return undefined;
  };

  const step = async (): Promise<Step> => {
    const last = await ports.log.latest(log);
    if (last === undefined) {
      const covered = await BEGIN[target.from](ports, deployment);
      await append(1, { covered, skipped: [], spent: NOTHING_SPENT });
      return TO_BE_REPEATED;
    }
    return stepAfter(last);
  };

  const stepAfter = async (last: LogEntry): Promise<Step> => {
    const { covered, spent } = decodeSinkCursor(last);
    const stretch = await panesInOrder(ports, deployment, covered, target.groupLogs, deadline);
    const now = ports.clock.now();
    if (stretch.to.size === 0 && !mustRenew(last.committedAt, now)) return stepOf(stretch);
    const due = placesOf(stretch).flatMap((place) => {
      const outgoing = outgoingOf(place, now);
      return outgoing ? [{ place, outgoing }] : [];
    });
    // The clock of whoever noted it may be ahead.
    const minute = Math.max(Math.floor(now / MINUTE), spent.minute);
    const used = spent.minute === minute ? spent.messages : 0;
    const room = limit === undefined ? due.length : Math.max(0, limit - used);
    const sent = due.slice(0, room);
    ports.telemetry.count('heldBack', due.length - sent.length);

    let noted: SinkCursor = { covered, skipped: [], spent };
    let { ordinal } = last;
    let until = deadline;
    if (limit !== undefined && sent.length > 0) {
      // What is set aside first is never sent by another projector as well, nor in another minute.
      noted = { ...noted, spent: { minute, messages: used + sent.length } };
      if ((await append(++ordinal, noted)) === 'conflict') return TO_BE_REPEATED;
      until = Math.min(deadline, nextMinute((minute * MINUTE) as EpochMillis)) as EpochMillis;
    }
    if (sent.length > 0 && ports.clock.now() >= until) return TO_BE_REPEATED;
    const { refused, cause } = await sendAll(sent, until);
    const reached = upToFirst([...refused, ...due.slice(room)], stretch);
    if (reached.to.size === 0 && refused.length > 0) {
      if (ports.clock.now() >= until) return TO_BE_REPEATED;
      throw cause ?? refusal(sink, refused.length);
    }
    if (reached.to.size === 0 && !mustRenew(last.committedAt, now)) return stepOf(reached);
    const next = coveredWith(covered, reached, deployment, ports.clock.now());
    const outcome = await append(ordinal + 1, { ...noted, covered: next });
    return outcome === 'conflict' ? TO_BE_REPEATED : stepOf(reached);
  };

  const sendAll = async (sent: readonly Due[], until: EpochMillis) => {
    if (sent.length === 0) return { refused: [], cause: undefined };
    let back: ReadonlySet<string>;
    let cause: unknown;
    try {
      back = new Set(
        await send(
          sent.map(({ outgoing }) => outgoing),
          until,
        ),
      );
    } catch (thrown) {
      cause = thrown;
      back = new Set(sent.map(({ outgoing }) => outgoing.pane.id));
    }
    const refused = sent.filter(({ outgoing }) => back.has(outgoing.pane.id));
    for (const { outgoing } of sent) if (!back.has(outgoing.pane.id)) accepted.add(outgoing.pane.id);
    ports.telemetry.count('sent', sent.length - refused.length);
    ports.telemetry.count('refused', refused.length);
    return { refused, cause };
  };

  return { log, step };
}

/** A pane that is to be sent, and where it stands. */
interface Due {
  readonly place: Place;
  readonly outgoing: Outgoing;
}

const MINUTE = millis('1m');

/** Returns when the next minute begins. */
export const nextMinute = (now: EpochMillis): EpochMillis =>
  ((Math.floor(now / MINUTE) + 1) * MINUTE) as EpochMillis;

const refusal = ({ name }: NotingSink, messages: number): Error =>
  new LoggableError(
    `Cannot go on with the sink "${name}" as its messages must be accepted: ${messages} were refused`,
  );

/** Returns the outlet of a sink among those that are given. */
export function outletOf(
  { outlets }: Pick<EnginePorts, 'outlets'>,
  { name }: { readonly name: string },
): Outlet {
  const outlet = outlets?.get(name);
  invariant(outlet !== undefined, 'whoever delivers to a sink that sends messages is given its outlet');
  return outlet;
}

/** Returns how a sink sends, and its outlet where it has one. */
function sendingOf(
  ports: Pick<MessagePorts, 'outlets'>,
  sink: NotingSink,
): { readonly outlet: Outlet | undefined; readonly send: Send } {
  const byOutlet = (of: NotifySink | StreamSink) => {
    const outlet = outletOf(ports, of);
    const send: Send = async (outgoing, deadline) => {
      const messages = outgoing.map(({ message }) => message as Message);
      return (await outlet.send(messages, deadline)).map(({ id }) => id);
    };
    return { outlet, send };
  };
  return byKind<NotingSink, ReturnType<typeof sendingOf>>(sink, {
    notify: byOutlet,
    stream: byOutlet,
    sink: ({ deliver }) => ({
      outlet: undefined,
      async send(outgoing) {
        const panes = outgoing.map(({ pane }) => pane);
        await deliver(panes, { ids: panes.map(({ id }) => id) });
        return [];
      },
    }),
  });
}

/** A pane in the log of its group. */
interface Place {
  readonly log: string;
  readonly committedAt: EpochMillis;
  /** How far the log is covered when everything before the pane is. */
  readonly before: Cursor;
  readonly pane: Stretch['panes'][number];
}

/** Lists the panes of a stretch with their places, in its order. */
const placesOf = ({ entries }: Stretch): readonly Place[] =>
  entries.flatMap(({ log, ordinal, committedAt, first, panes }) =>
    panes.map((pane, at) => ({ log, committedAt, before: [ordinal - 1, first + at] as const, pane })),
  );

/** Returns a stretch up to the first pane of each log that waits. */
function upToFirst(waiting: readonly Due[], stretch: Stretch): Stretch {
  const ends = new Map<string, Cursor>();
  for (const { place } of waiting) if (!ends.has(place.log)) ends.set(place.log, place.before);
  const isMoved = ([log, [ordinal, panes]]: readonly [string, Cursor]): boolean => {
    const [from, done] = stretch.from.get(log) ?? BEGINNING;
    return ordinal > from || panes > done;
  };
  const to = new Map(
    [...stretch.to].map(([log, end]) => [log, ends.get(log) ?? end] as const).filter(isMoved),
  );
  const panes = stretch.entries.flatMap(({ log, ordinal, first, panes }) => {
    const [end, part] = to.get(log) ?? stretch.from.get(log) ?? BEGINNING;
    if (ordinal <= end) return panes;
    return ordinal === end + 1 ? panes.slice(0, Math.max(0, part - first)) : [];
  });
  return { ...stretch, to, panes, more: stretch.more || waiting.length > 0 };
}

/**
 * Reads the panes after `covered` so that those of a key are in order, whatever generation they are of: the
 * panes of a generation come only after all panes of the generations before it.
 *
 * The logs of later generations are read first. What a key has in the log of an earlier generation was
 * committed before that, and is there by then.
 */
async function panesInOrder(
  ports: ReadPorts,
  deployment: Deployment,
  covered: Cursors,
  groupLogs: readonly string[],
  deadline: EpochMillis,
): Promise<Stretch> {
  const { pipeline, generations } = deployment;
  const all = groupLogsOf(deployment, ports.clock.now());
  const byGeneration = generations
    .map(({ number }) => all.filter((log) => log.startsWith(`${groupLogPrefix(pipeline.name)}${number}/`)))
    .filter((logs) => logs.length > 0);
  const { messagesStep } = ports.limits ?? LIMITS;
  const read: Stretch[] = [];
  for (const logs of byGeneration.length > 1 ? byGeneration.toReversed() : [groupLogs]) {
    // Each log has room in a step, as a limit would else be spent on those that are read first.
    const most = Math.max(messagesStep, logs.length);
    read.unshift(await panesAfter(ports, covered, logs, most, deadline));
  }
  const isEnd = ({ more, gaps }: Stretch): boolean => !more && gaps.length === 0;
  const unfinished = read.findIndex((stretch) => !isEnd(stretch));
  const ready = unfinished === -1 ? read : read.slice(0, unfinished + 1);
  return {
    from: new Map(ready.flatMap(({ from }) => [...from])),
    to: new Map(ready.flatMap(({ to }) => [...to])),
    panes: ready.flatMap(({ panes }) => panes),
    // A limit would else be spent on the log that is read first, minute after minute.
    entries: ready.flatMap(({ entries }) => inOrder(entries)),
    more: unfinished !== -1 && (ready.length < read.length || (ready.at(-1) as Stretch).more),
    gaps: read.flatMap(({ gaps }) => gaps),
  };
}

/** Where a projector begins that has never run. */
const BEGIN: {
  readonly [From in SinkBeginning]: (ports: ReadPorts, deployment: Deployment) => Promise<Cursors>;
} = { beginning: beginnings, now: endings };

/** Returns the end of each group's log as of now. */
async function endings({ log, clock }: ReadPorts, deployment: Deployment): Promise<Cursors> {
  const logs = groupLogsOf(deployment, clock.now());
  const ends = await inParallel(logs, async (name): Promise<Cursor> => {
    try {
      return [(await log.latest(name))?.ordinal ?? 0, 0];
    } catch (error) {
      // Nobody will append to a log whose entries have all expired.
      if (error instanceof LogLostError) return BEGINNING;
      throw error;
    }
  });
  return new Map(logs.map((name, at) => [name, ends[at] as Cursor]));
}
