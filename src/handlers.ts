import type { DynamoDBStreamEvent, KinesisStreamEvent, SQSEvent } from 'aws-lambda';
import * as dynamodb from './adapters/dynamodb-stream/records.ts';
import * as kafka from './adapters/kafka/records.ts';
import * as kinesis from './adapters/kinesis/records.ts';
import * as rabbitmq from './adapters/rabbitmq/records.ts';
import * as fifo from './adapters/sqs/fifo.ts';
import * as sqs from './adapters/sqs/standard.ts';
import { LoggableError } from './core/loggable.ts';
import { invariant } from './core/plain.ts';
import type { EpochMillis } from './core/time.ts';
import {
  messagesProjector,
  messageTarget,
  type NotingSink,
  outletOf,
} from './engine/delivery/project-messages.ts';
import { objectsProjector, ownTarget } from './engine/delivery/project-objects.ts';
import { rowsProjector } from './engine/delivery/project-rows.ts';
import { deliver, type Projector, type Step, tellGaps } from './engine/delivery/projector.ts';
import { type Committed, pusher } from './engine/delivery/push-panes.ts';
import { PanesReader, panesFrontier } from './engine/delivery/read-panes.ts';
import { type Deployment, groupLogsOf, OutdatedError } from './engine/group/deployment.ts';
import { processBatch, TIME_IS_UP } from './engine/intake/process-batch.ts';
import { rangesOf } from './engine/intake/record-ranges.ts';
import { ShardOverlap } from './engine/intake/shard-overlap.ts';
import { type Sweep, sweep } from './engine/intake/sweep.ts';
import { holdDeployment } from './engine/log/definition-log.ts';
import { GroupCache } from './engine/log/group-cache.ts';
import { GroupLogs } from './engine/log/group-logs.ts';
import { enginePorts } from './engine/log/spill.ts';
import { byKind, type OfKind } from './pipeline/kinds.ts';
import type { Pipeline } from './pipeline/pipeline.ts';
import { type Sink, sinkName } from './pipeline/sinks.ts';
import { upstreamOf } from './pipeline/upstream.ts';
import { type Clock, inTime } from './ports/clock.ts';
import { held } from './ports/held.ts';
import type { Ports, UpstreamStores } from './ports/index.ts';
import type { ColumnRecord, SourceRecord } from './ports/source.ts';
import type { Span, Tracer } from './ports/tracer.ts';
import { cacheBytes } from './wiring/memory.ts';
import { rowsLog, STATE_KEY } from './wiring/names.ts';

/** The part of Lambda's context that handlers use. */
export interface InvocationContext {
  /** Returns how much of the invocation's time remains, in milliseconds. */
  getRemainingTimeInMillis(): number;
}

/** How many milliseconds of an invocation are kept for its answer: a handler begins no commit in them. */
const ANSWER_MARGIN = 2_000;

/** The records that Lambda must redeliver. Each kind of source has its own way to name a record. */
export interface BatchAnswer {
  readonly batchItemFailures: readonly { readonly itemIdentifier: string | kafka.KafkaItem }[];
  /** What Lambda passes on within a tumbling window; nothing is ever in it. */
  readonly state?: object;
}

type SourceKind = Pipeline['source']['kind'];

/** Turns the events of a kind of source into records, and names records in an answer. */
interface SourceAdapter<Event, Of> {
  /**
   * Returns the records of an event, in the order of their source. A handler calls it before the others.
   *
   * @param now the time of the invocation, for sources that do not say when a record arrived
   * @throws TypeError or RangeError when the event is not of this kind of source
   */
  readonly recordsOf: (event: Event, now: EpochMillis, source: Of) => readonly ColumnRecord[];
  /**
   * Returns the name of the source that the event's records come from; undefined where the event names none.
   */
  readonly sourceOf: (event: Event) => string | undefined;
  /**
   * Returns the answer to an event.
   *
   * @param again the records of the event that must be redelivered, in order
   * @throws Error where Lambda redelivers a whole batch, and reads no answer
   */
  readonly responseOf: (again: readonly SourceRecord[], event: Event) => BatchAnswer;
  /** Empties an event of what neither its records nor `responseOf` need any more. */
  readonly letGo?: (event: Event) => void;
  /** Takes a record's bytes apart, where producers may have packed several records into one. */
  readonly membersOf?: (data: Uint8Array) => SourceRecord['members'];
}

/** For each kind of source, the event with which Lambda calls the handler. */
interface SourceEvents extends Record<SourceKind, unknown> {
  readonly kinesis: KinesisStreamEvent;
  readonly sqs: SQSEvent;
  readonly fifo: SQSEvent;
  readonly kafka: kafka.KafkaEvent;
  readonly rabbitmq: rabbitmq.RabbitEvent;
  readonly dynamodb: dynamodb.ChangeEvent;
  /** An event of a state table's stream, or of the schedule. */
  readonly panes: unknown;
}

type SourceOf<Kind extends SourceKind> = OfKind<Pipeline['source'], Kind>;

const ADAPTERS: { readonly [Kind in SourceKind]: SourceAdapter<SourceEvents[Kind], SourceOf<Kind>> } = {
  kinesis,
  sqs,
  fifo,
  kafka,
  rabbitmq,
  dynamodb,
  // Such an event only wakes the handler, which reads the panes themselves in the logs.
  panes: {
    recordsOf: () => [],
    sourceOf: () => undefined,
    responseOf: () => ({ batchItemFailures: [] }),
  },
};

/**
 * Returns the adapter of a source for events of unknown type, as Lambda's events have no type. This is safe
 * as `recordsOf` comes first, and throws for an event of any other type.
 */
const adapterForAnyEvent = ({ source }: Pipeline): SourceAdapter<unknown, unknown> =>
  ADAPTERS[source.kind] as SourceAdapter<unknown, unknown>;

/** Returns what takes the bytes of a record apart, where producers of its source may pack records. */
export const unpackerOf = (pipeline: Pipeline) => adapterForAnyEvent(pipeline).membersOf;

/** Returns what reads an event of a pipeline's source that was kept as it was. */
export function eventReaderOf(pipeline: Pipeline, clock: Pick<Ports['clock'], 'now'>) {
  const { recordsOf, sourceOf } = adapterForAnyEvent(pipeline);
  return {
    sourceOf,
    recordsOf: (event: unknown): readonly SourceRecord[] => recordsOf(event, clock.now(), pipeline.source),
  };
}

type IntakePorts = Pick<
  Ports,
  'log' | 'objects' | 'progress' | 'clock' | 'telemetry' | 'limits' | 'upstream' | 'tracer'
>;

/**
 * Makes the handler that takes in the records of the pipeline's source.
 *
 * The handler answers with the records that Lambda must redeliver. It throws for an event that is not of
 * that kind of source, and when it cannot read the pipeline's deployment, so that Lambda redelivers the whole
 * batch.
 *
 * @param ownsEvent whether nobody else reads an event that the handler was called with. It then empties the event
 * where it can, once it has read it: else all of it is in memory until the answer, and is moved there by each
 * collection of garbage
 */
export function processHandler(ports: IntakePorts, pipeline: Pipeline, ownsEvent = false) {
  const { recordsOf, sourceOf, responseOf, letGo } = adapterForAnyEvent(pipeline);
  const take = intakeOf(ports, pipeline);
  if (upstreamOf(pipeline)) return panesHandler(ports, pipeline, take);
  return async (event: unknown, invocation: InvocationContext): Promise<BatchAnswer> => {
    const deadline = deadlineOf(ports.clock, invocation);
    const records = recordsOf(event, ports.clock.now(), pipeline.source);
    const source = sourceOf(event);
    if (ownsEvent) letGo?.(event);
    return responseOf(await take(records, source, deadline), event);
  };
}

/**
 * Makes the handler that takes in the panes of another pipeline, whatever the event: those that are there now, and those that come
 * meanwhile.
 *
 * It throws where panes are left that could not be taken in, so that the next wake-up comes soon.
 *
 * @param take takes in what is read
 */
export function panesHandler({ upstream, ...ports }: IntakePorts, pipeline: Pipeline, take: Intake) {
  invariant(upstream !== undefined, 'a pipeline that reads panes is given the stores that hold them');
  const reader = new PanesReader(enginePorts(ports), upstream, pipeline);
  const { clock, telemetry } = ports;
  const step = async (deadline: EpochMillis): Promise<Pick<Step, 'moved' | 'gaps'>> => {
    const next = await reader.next(deadline);
    if (next === undefined) return { moved: false, gaps: [] };
    const { records, stretch } = next;
    const again = records.length > 0 ? await take(records, upstream.name, deadline) : [];
    const moved = await reader.cover(next, again);
    if (moved || again.length === 0) return { moved, gaps: stretch.gaps };
    throw new LoggableError(
      `Cannot go on reading the panes for "${pipeline.name}" as those that are read must be taken in: ${again.length} are not`,
    );
  };
  return async (_event: unknown, invocation: InvocationContext): Promise<BatchAnswer> => {
    const deadline = deadlineOf(clock, invocation);
    try {
      for (let moved = true; moved && clock.now() < deadline; ) {
        const done = await byThen(clock, deadline, step(deadline));
        moved = done.moved;
        if (!moved) tellGaps(telemetry, done.gaps);
      }
      return { batchItemFailures: [] };
    } catch (cause) {
      telemetry.fault('read the panes of another pipeline', cause, { log: reader.log });
      throw cause;
    }
  };
}

/** Tells up to which time everything is taken in of the panes that a pipeline reads. */
export const panesArrivals = (
  ports: Pick<Ports, 'log' | 'objects' | 'limits'>,
  upstream: UpstreamStores,
  pipeline: Pipeline,
): Ports['arrivals'] => ({
  frontier: panesFrontier(enginePorts(ports), upstream, pipeline),
});

/**
 * Returns what takes records of a source in, and answers with those that must be given again.
 *
 * @throws Error when it cannot read the pipeline's deployment
 */
export function intakeOf(ports: IntakePorts, pipeline: Pipeline): Intake {
  const engine = enginePorts(ports);
  const cache = new GroupCache(ports.limits?.kept ?? cacheBytes('handler'));
  const overlap = new ShardOverlap(pipeline, ports.telemetry);
  let source: string | undefined;
  const logs = held(
    ports.clock,
    async () => new GroupLogs(engine, await holdDeployment(engine, pipeline, source), cache),
  );
  const take: Intake = async (records, from, deadline, span) => {
    const place = () => ({ records: rangesOf(pipeline, records) });
    if (from !== undefined && from !== source) {
      source = from;
      logs.forget();
    }
    ports.telemetry.count('received', records.length);
    // A search without an answer in time is forgotten, so that the next invocation does not wait for it.
    const found = () =>
      inTime(ports.clock, deadline, logs.get(), () => {
        logs.forget();
        return undefined;
      });
    // There is another number of groups now, or newer code was deployed. This invocation goes on with another
    // number of groups, but leaves the remaining records to newer code.
    const renew = async () => {
      logs.forget();
      try {
        return await found();
      } catch (cause) {
        if (!(cause instanceof OutdatedError)) throw cause;
        ports.telemetry.fault('go on with a batch', cause, place());
        return undefined;
      }
    };
    const groupLogs = await found().catch((cause) => {
      ports.telemetry.fault('take a batch in', cause, place());
      throw cause;
    });
    if (groupLogs === undefined) {
      ports.telemetry.fault('commit', TIME_IS_UP, place());
      return records;
    }
    const traced = span ? { ...engine, tracer: span } : engine;
    const outcome = await processBatch(traced, groupLogs, records, deadline, renew);
    overlap.see(records, outcome.spread, ports.clock.now());
    return outcome.again;
  };
  return ports.tracer ? tracedIntake(ports.tracer, pipeline, take) : take;
}

/** Takes records of a source in by a deadline, and answers with those that must be given again. */
type Intake = (
  records: readonly SourceRecord[],
  from: string | undefined,
  deadline: EpochMillis,
  span?: Span,
) => Promise<readonly SourceRecord[]>;

/** Takes batches in, each within a span. It has failed where records must be given again. */
const tracedIntake =
  (tracer: Tracer, { name }: Pipeline, take: Intake): Intake =>
  (records, from, deadline) =>
    tracer.span('batch', { pipeline: name, records: records.length }, async (span) => {
      const again = await take(records, from, deadline, span);
      span.set({ again: again.length });
      if (again.length > 0) span.fail();
      return again;
    });

/**
 * Makes the handler that visits every key group, once a minute: it closes the windows of silent keys, and
 * renews what must not expire. It throws when a group cannot be swept, once it has swept the others.
 */
export function sweepHandler(
  ports: Pick<Ports, 'log' | 'objects' | 'arrivals' | 'clock' | 'telemetry' | 'limits' | 'swept'>,
  pipeline: Pipeline,
) {
  const engine = enginePorts(ports);
  const cache = new GroupCache(ports.limits?.kept ?? cacheBytes('sweeper'));
  return async (_event: unknown, invocation: InvocationContext): Promise<Sweep> => {
    const deadline = deadlineOf(ports.clock, invocation);
    const deployment = await byThen(ports.clock, deadline, holdDeployment(engine, pipeline));
    return sweep(engine, new GroupLogs(engine, deployment, cache), deadline);
  };
}

/**
 * Makes the handler that brings every sink up to date with the logs. It throws when a sink cannot be written
 * to, once it has served the others.
 *
 * On a DynamoDB Streams event it writes the rows of the groups that the event names. On any other event it
 * writes the rows of all groups, which makes good for lost wake-ups. It writes the objects of all groups
 * together, once their panes have been gathered. What is pushed is what the event names, and never in the way
 * of what other sinks are given.
 */
export function projectHandler(
  ports: Pick<Ports, 'log' | 'objects' | 'rows' | 'clock' | 'telemetry' | 'limits' | 'outlets' | 'tracer'>,
  pipeline: Pipeline,
) {
  const engine = enginePorts(ports);
  const messages = (sink: NotingSink) => {
    return (deployment: Deployment, groupLogs: readonly string[], deadline: EpochMillis) =>
      messagesProjector(engine, deployment, messageTarget(deployment, sink, groupLogs), deadline);
  };
  const pushers: ReturnType<typeof pusher>[] = [];
  const projectors = pipeline.sinks.flatMap((sink) => {
    const projectorFor = byKind<Sink, ProjectorFor | undefined>(sink, {
      table: () => (deployment, groupLogs, deadline) =>
        rowsProjector(engine, deployment, { log: rowsLog(pipeline.name), groupLogs }, deadline),
      bucket: (sink) => (deployment, _groupLogs, deadline) =>
        objectsProjector(engine, deployment, ownTarget(deployment, engine.objects, sink), deadline),
      notify: messages,
      stream: messages,
      push(sink) {
        pushers.push(pusher(engine, sink, outletOf(engine, sink)));
        return undefined;
      },
      sink: messages,
    });
    return projectorFor ? [{ name: sinkName(sink), projectorFor }] : [];
  });
  return async (event: Partial<DynamoDBStreamEvent>, invocation: InvocationContext): Promise<void> => {
    const deadline = deadlineOf(ports.clock, invocation);
    const deployment = await byThen(ports.clock, deadline, holdDeployment(engine, pipeline));
    const groupLogs = logsNamedBy(event, groupLogsOf(deployment, ports.clock.now()));
    const ofAll = event.Records === undefined;
    const committed = committedIn(event, groupLogs);
    const pushing = pushers.map((push) => push(deployment, committed, deadline));
    const outcomes = await Promise.allSettled(
      projectors.map(({ name, projectorFor }) => {
        const projector = projectorFor(deployment, groupLogs, deadline);
        const delivering = ports.tracer
          ? tracedDelivery(ports.tracer, pipeline, engine, projector, deadline, name, ofAll)
          : deliver(engine, projector, deadline, name, ofAll);
        return delivering.catch((cause) => {
          ports.telemetry.fault('project', cause, { log: projector.log });
          throw cause;
        });
      }),
    );
    await Promise.all(pushing);
    for (const outcome of outcomes) if (outcome.status === 'rejected') throw outcome.reason;
  };
}

/** Delivers to a sink within a span. */
const tracedDelivery = (
  tracer: Tracer,
  { name }: Pipeline,
  ...[engine, projector, deadline, sink, ofAll]: Parameters<typeof deliver>
): ReturnType<typeof deliver> =>
  tracer.span('project', { pipeline: name, sink, log: projector.log }, async (span) => {
    const delivered = await deliver(engine, projector, deadline, sink, ofAll);
    span.set(delivered);
    return delivered;
  });

/**
 * Makes the projector of a sink for one invocation, for the groups that woke it. The projector of objects
 * covers all groups instead.
 */
type ProjectorFor = (
  deployment: Deployment,
  groupLogs: readonly string[],
  deadline: EpochMillis,
) => Projector;

/** Returns the time at and after which an invocation begins nothing, so that it can still answer. */
const deadlineOf = (clock: Clock, invocation: InvocationContext): EpochMillis =>
  (clock.now() + invocation.getRemainingTimeInMillis() - ANSWER_MARGIN) as EpochMillis;

/**
 * Returns the result of a handler's work.
 *
 * @throws TIME_IS_UP when there is no result by the deadline; the next invocation does the work again
 */
const byThen = <Result>(clock: Clock, deadline: EpochMillis, work: Promise<Result>): Promise<Result> =>
  inTime(clock, deadline, work, () => {
    throw TIME_IS_UP;
  });

/** Returns the logs that a DynamoDB Streams event names, or all logs for any other event. */
function logsNamedBy(event: Partial<DynamoDBStreamEvent>, all: readonly string[]): readonly string[] {
  if (event.Records === undefined) return all;
  const named = new Set(event.Records.map(({ dynamodb }) => dynamodb?.Keys?.[STATE_KEY.partition]?.S));
  return all.filter((log) => named.has(log));
}

/** Returns the entries that a DynamoDB Streams event names, of some logs; none for any other event. */
function committedIn({ Records = [] }: Partial<DynamoDBStreamEvent>, logs: readonly string[]): Committed {
  const places = Records.map(({ dynamodb }) => ({
    log: dynamodb?.Keys?.[STATE_KEY.partition]?.S,
    ordinal: Number(dynamodb?.Keys?.[STATE_KEY.sort]?.N),
  }));
  const ordinalsOf = (name: string) => places.filter(({ log }) => log === name).map(({ ordinal }) => ordinal);
  return new Map(
    Records.length === 0 ? [] : logs.map((log) => [log, ordinalsOf(log).filter(Number.isFinite)]),
  );
}
