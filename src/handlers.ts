import type { DynamoDBStreamEvent, KinesisStreamEvent, SQSEvent } from 'aws-lambda';
import * as kafka from './adapters/kafka/records.ts';
import * as kinesis from './adapters/kinesis/records.ts';
import * as fifo from './adapters/sqs/fifo.ts';
import * as sqs from './adapters/sqs/standard.ts';
import { after, type EpochMillis, millis } from './core/time.ts';
import { objectsProjector, ownTarget } from './engine/delivery/project-objects.ts';
import { rowsProjector } from './engine/delivery/project-rows.ts';
import { deliver, type Projector } from './engine/delivery/projector.ts';
import { type Deployment, groupLogsOf, OutdatedError } from './engine/group/deployment.ts';
import { processBatch, TIME_IS_UP } from './engine/intake/process-batch.ts';
import { rangesOf } from './engine/intake/record-ranges.ts';
import { type Sweep, sweep } from './engine/intake/sweep.ts';
import { holdDeployment } from './engine/log/definition-log.ts';
import { GroupCache } from './engine/log/group-cache.ts';
import { GroupLogs } from './engine/log/group-logs.ts';
import { enginePorts } from './engine/log/spill.ts';
import type { Pipeline } from './pipeline/pipeline.ts';
import { bySink, type Sink } from './pipeline/sinks.ts';
import { type Clock, inTime } from './ports/clock.ts';
import type { Ports } from './ports/index.ts';
import type { SourceRecord } from './ports/source.ts';
import { rowsLog, STATE_KEY } from './wiring/names.ts';

/** What a handler reads of Lambda's context. */
export interface InvocationContext {
  getRemainingTimeInMillis(): number;
}

/** Left for the answer: no commit is begun in the last of an invocation's time. */
const ANSWER_MARGIN = 2_000;

/** What Lambda is to give again; how an item is named, each source has its own way. */
export interface BatchAnswer {
  readonly batchItemFailures: readonly { readonly itemIdentifier: string | kafka.KafkaItem }[];
}

type SourceKind = Pipeline['source']['kind'];

/** Between the events of a source and records. */
interface SourceAdapter<Event> {
  /** @throws TypeError when the event is not of that form: nothing else is asked of it then */
  readonly recordsOf: (event: Event) => readonly SourceRecord[];
  /** The source that all records of the event are of; undefined where it has none. */
  readonly sourceOf: (event: Event) => string | undefined;
  /** @param again of the records of the event those to be given again, in order */
  readonly responseOf: (again: readonly SourceRecord[], event: Event) => BatchAnswer;
}

/** What Lambda calls the handler of each kind of source with. */
interface SourceEvents extends Record<SourceKind, unknown> {
  readonly kinesis: KinesisStreamEvent;
  readonly sqs: SQSEvent;
  readonly fifo: SQSEvent;
  readonly kafka: kafka.KafkaEvent;
}

const ADAPTERS: { readonly [Kind in SourceKind]: SourceAdapter<SourceEvents[Kind]> } = {
  kinesis,
  sqs,
  fifo,
  kafka,
};

/** The adapter of a source for whatever Lambda hands over, which has no type: `recordsOf` is asked first, and refuses other events. */
const adapterForAnyEvent = ({ source }: Pipeline): SourceAdapter<unknown> =>
  ADAPTERS[source.kind] as SourceAdapter<unknown>;

/**
 * What environments keep of groups in memory: a fifth of the handler's function by default, as every group that it has to
 * read anew costs it more than to take records in; of the sweeper's, which is smaller and comes once a minute, a tenth.
 */
const HANDLER_CACHE_BYTES = 208 * 1_048_576;
const SWEEPER_CACHE_BYTES = 48 * 1_048_576;

/** Takes the records of an event of the pipeline's source in. */
export function processHandler(
  ports: Pick<Ports, 'log' | 'objects' | 'progress' | 'clock' | 'telemetry' | 'limits'>,
  pipeline: Pipeline,
) {
  const { recordsOf, sourceOf, responseOf } = adapterForAnyEvent(pipeline);
  const engine = enginePorts(ports);
  const cache = new GroupCache(ports.limits?.kept ?? HANDLER_CACHE_BYTES);
  let source: string | undefined;
  const logs = held(
    ports.clock,
    async () => new GroupLogs(engine, await holdDeployment(engine, pipeline, source), cache),
  );
  return async (event: unknown, invocation: InvocationContext): Promise<BatchAnswer> => {
    const deadline = deadlineOf(ports.clock, invocation);
    const records = recordsOf(event);
    const place = { records: rangesOf(pipeline, records) };
    const from = sourceOf(event);
    if (from !== undefined && from !== source) {
      source = from;
      logs.forget();
    }
    ports.telemetry.count('received', records.length);
    // One that is being found, and has no answer, is not waited for by the next invocation either.
    const found = () =>
      inTime(ports.clock, deadline, logs.get(), () => {
        logs.forget();
        return undefined;
      });
    // Another number of groups, or newer code: only the first can be gone on with. The other takes in what is left.
    const renew = async () => {
      logs.forget();
      try {
        return await found();
      } catch (cause) {
        if (!(cause instanceof OutdatedError)) throw cause;
        ports.telemetry.fault('go on with a batch', cause, place);
        return undefined;
      }
    };
    const known = await found().catch((cause) => {
      ports.telemetry.fault('take a batch in', cause, place);
      throw cause;
    });
    if (known === undefined) {
      ports.telemetry.fault('commit', TIME_IS_UP, place);
      return responseOf(records, event);
    }
    const outcome = await processBatch(engine, known, records, deadline, renew);
    return responseOf(outcome.again, event);
  };
}

/** Visits every key group, once a minute. */
export function sweepHandler(
  ports: Pick<Ports, 'log' | 'objects' | 'arrivals' | 'clock' | 'telemetry' | 'limits'>,
  pipeline: Pipeline,
) {
  const engine = enginePorts(ports);
  const cache = new GroupCache(ports.limits?.kept ?? SWEEPER_CACHE_BYTES);
  return async (_event: unknown, invocation: InvocationContext): Promise<Sweep> => {
    const deadline = deadlineOf(ports.clock, invocation);
    const deployment = await byThen(ports.clock, deadline, holdDeployment(engine, pipeline));
    return sweep(engine, new GroupLogs(engine, deployment, cache), deadline);
  };
}

/**
 * Brings every sink up to the logs: rows to those of the groups that a DynamoDB Streams event names, or, on any other event, of
 * all groups, which makes good a wake-up that was lost; objects to those of all groups, once their panes have been gathered.
 */
export function projectHandler(
  ports: Pick<Ports, 'log' | 'objects' | 'rows' | 'clock' | 'telemetry'>,
  pipeline: Pipeline,
) {
  const engine = enginePorts(ports);
  const projectors = Object.values(
    bySink<{ readonly [Kind in Sink['kind']]: ProjectorFor }>(pipeline.sinks, {
      table: () => (deployment, groupLogs, deadline) =>
        rowsProjector(engine, deployment, { log: rowsLog(pipeline.name), groupLogs }, deadline),
      bucket: (sink) => (deployment, _groupLogs, deadline) =>
        objectsProjector(engine, deployment, ownTarget(deployment, engine.objects, sink), deadline),
    }),
  );
  return async (event: Partial<DynamoDBStreamEvent>, invocation: InvocationContext): Promise<void> => {
    const deadline = deadlineOf(ports.clock, invocation);
    const deployment = await byThen(ports.clock, deadline, holdDeployment(engine, pipeline));
    const groupLogs = logsNamedBy(event, groupLogsOf(deployment, ports.clock.now()));
    const outcomes = await Promise.allSettled(
      projectors.map((projectorFor) => {
        const projector = projectorFor(deployment, groupLogs, deadline);
        return deliver(engine, projector, deadline).catch((cause) => {
          ports.telemetry.fault('project', cause, { log: projector.log });
          throw cause;
        });
      }),
    );
    for (const outcome of outcomes) if (outcome.status === 'rejected') throw outcome.reason;
  };
}

/** The projector of a sink for one invocation: of the groups that woke it, unless it covers all groups together. */
type ProjectorFor = (
  deployment: Deployment,
  groupLogs: readonly string[],
  deadline: EpochMillis,
) => Projector;

const deadlineOf = (clock: Clock, invocation: InvocationContext): EpochMillis =>
  (clock.now() + invocation.getRemainingTimeInMillis() - ANSWER_MARGIN) as EpochMillis;

/** What a handler's work comes to. Where it has no answer in time another invocation goes on with it, so nobody waits for it. */
const byThen = <Result>(clock: Clock, deadline: EpochMillis, work: Promise<Result>): Promise<Result> =>
  inTime(clock, deadline, work, () => {
    throw TIME_IS_UP;
  });

/** How long an environment may go on by what was settled before, at the cost of a read each: whoever restores waits for it. */
const HELD = millis('1m');

/** What is found out when it is first asked for, and again after a failure, once it is forgotten, or when it is a minute old. */
function held<Value>(clock: Clock, find: () => Promise<Value>): { get(): Promise<Value>; forget(): void } {
  let value: Promise<Value> | undefined;
  let foundAt: EpochMillis;
  const forget = (): void => {
    value = undefined;
  };
  return {
    get() {
      const now = clock.now();
      if (value === undefined || after(foundAt, HELD) <= now) {
        foundAt = now;
        const finding = find();
        value = finding;
        // Where it was asked for anew meanwhile, only the newer answer is kept.
        finding.catch(() => {
          if (value === finding) forget();
        });
      }
      return value;
    },
    forget,
  };
}

/** The logs of groups that an event names; all of them on any other event. */
function logsNamedBy(event: Partial<DynamoDBStreamEvent>, all: readonly string[]): readonly string[] {
  if (event.Records === undefined) return all;
  const named = new Set(event.Records.map(({ dynamodb }) => dynamodb?.Keys?.[STATE_KEY.partition]?.S));
  return all.filter((log) => named.has(log));
}
