import { AsyncLocalStorage } from 'node:async_hooks';
import { randomBytes } from 'node:crypto';
import type { S3Client } from '@aws-sdk/client-s3';
import type { Hono } from 'hono';
import { dynamoCommitLog } from '../adapters/dynamodb/commit-log.ts';
import { dynamoProgress } from '../adapters/dynamodb/progress.ts';
import { dynamoRowReader } from '../adapters/dynamodb/row-reader.ts';
import { dynamoRows } from '../adapters/dynamodb/rows.ts';
import { s3Objects } from '../adapters/s3/objects.ts';
import { clockBy } from '../adapters/system/clock.ts';
import { after, type EpochMillis, type Millis } from '../core/time.ts';
import type { Sweep } from '../engine/intake/sweep.ts';
import { holdDeployment } from '../engine/log/definition-log.ts';
import { enginePorts } from '../engine/log/spill.ts';
import { panesArrivals, processHandler, projectHandler, sweepHandler } from '../handlers.ts';
import type { Pipeline } from '../pipeline/pipeline.ts';
import { serviceOf } from '../pipeline/services.ts';
import { atOnce } from '../pipeline/sinks.ts';
import { chainOf } from '../pipeline/upstream.ts';
import type { Ports, UpstreamStores } from '../ports/index.ts';
import { LIMITS } from '../ports/limits.ts';
import { sweptIn } from '../ports/swept.ts';
import type { Telemetry } from '../ports/telemetry.ts';
import { queryApp } from '../query/app.ts';
import { groupLogPrefix } from '../wiring/names.ts';
import { openRunClock, type RunClock } from './clock.ts';
import { openTogether } from './closing.ts';
import type { SinkPlace } from './outlets.ts';
import {
  type Clients,
  connect,
  createResources,
  disconnect,
  type ResourceNames,
  resourceNames,
} from './resources.ts';
import type { LocalServers, startServersBeside } from './servers/servers.ts';
import { serversPackage } from './servers-package.ts';
import { localSourceOf } from './sources/index.ts';
import type { Handle, LocalSource, SourceSettings } from './sources/source.ts';
import { READING_WINDOW_MILLIS, startWakeUps } from './wake-ups.ts';

export interface LocalOptions {
  readonly pipeline: Pipeline;
  /**
   * Of a delivery it is told when the handler got the batch, by the machine's clock: the run's clock, by which
   * records arrive, stands still while an input is read.
   */
  readonly telemetry: Telemetry;
  /** The directory in which everything outlives the process; without it, everything is in memory. */
  readonly dataDirectory?: string | undefined;
  /** The most records that one event holds. */
  readonly batchSize?: number | undefined;
  /** The port of Kinesis; DynamoDB and S3 take the next two. Without it, each takes a free one. */
  readonly port?: number | undefined;
  /** The address of a broker of the source's kind that runs already; without it, the run starts its own. */
  readonly broker?: string | undefined;
  /** Wraps the ports between the handlers and the servers, to watch them or to inject faults. */
  readonly decorate?: (ports: Ports) => Ports;
  /** Watches a pipeline that the pipeline reads, directly or through others. Without it, they are watched alike. */
  readonly upstream?: (pipeline: Pipeline) => Pick<LocalOptions, 'telemetry' | 'decorate'>;
  /** Wraps the handler as the event source mapping calls it, to deliver records in another way. */
  readonly deliver?: (handle: Handle) => Handle;
  /** Has the event source mapping of a stream give up, which the mapping that stacks deploy never does. */
  readonly mapping?: SourceSettings['mapping'];
  /** Starts the servers; without it, they run in a thread of their own. */
  readonly startServers?: typeof startServersBeside | undefined;
}

/**
 * A pipeline running on this machine: local servers, the handlers that run in AWS, and stand-ins for the
 * services that invoke them there.
 */
export interface LocalRuntime extends Pick<LocalStage, 'names' | 'ports' | 'places' | 'query' | 'projected'> {
  readonly endpoints: LocalServers['endpoints'];
  readonly s3: S3Client;
  readonly clock: RunClock;
  /** The source of the first stage. */
  readonly source: LocalSource;
  /** The pipelines that run: those that the pipeline reads, the first of them first, and then the pipeline itself. */
  readonly stages: readonly [LocalStage, ...LocalStage[]];
  /** Runs all sweepers once. */
  sweep(): Promise<void>;
  close(): Promise<void>;
}

/** One pipeline of a run. */
export interface LocalStage {
  readonly pipeline: Pipeline;
  readonly names: ResourceNames;
  readonly ports: Ports;
  /** Where its sinks send messages. */
  readonly places: readonly SinkPlace[];
  /** Settles when it has taken in all panes of the stage before; at once for the first stage. */
  read(): Promise<void>;
  /** Runs the sweeper once, as if the clock were `ahead` milliseconds further on. */
  sweep(ahead: number): Promise<Sweep>;
  /** Returns the app that answers questions about the pipeline. */
  query(): Hono;
  /** Settles when the sinks have everything that is committed. */
  projected(): Promise<void>;
}

/** The time limit of a function as it is deployed. */
const INVOCATION = { getRemainingTimeInMillis: () => 60_000 };

/** The projector has no deadline here, as no schedule runs that would go on with what it leaves behind. */
const UNHURRIED = { getRemainingTimeInMillis: () => Number.POSITIVE_INFINITY };

/**
 * Projectors take larger steps here: a machine has more memory than a function, and larger steps need fewer
 * requests.
 */
const ROOMY = {
  ...LIMITS,
  step: 8 * LIMITS.step,
  rowsStep: 200_000,
  objectsStep: 200_000,
  stepObjects: 10_000,
};

/** @throws Error when any of it cannot be started; what was started by then is closed */
export const startLocal = (options: LocalOptions): Promise<LocalRuntime> =>
  openTogether((onClose) => startParts(options, onClose));

async function startParts(
  options: LocalOptions,
  onClose: (close: () => unknown) => void,
): Promise<Omit<LocalRuntime, 'close'>> {
  const {
    dataDirectory,
    batchSize,
    port,
    broker,
    mapping,
    deliver = (handle) => handle,
    startServers = (await serversPackage()).startServersBeside,
  } = options;
  const chain = chainOf(options.pipeline);
  const [pipeline] = chain;
  const openSource = localSourceOf(pipeline);
  const names = resourceNames(pipeline);
  const clock = openRunClock({ directory: dataDirectory });
  const servers = await startServers({
    dataDirectory,
    ports: port === undefined ? {} : { kinesis: port, dynamodb: port + 1, s3: port + 2 },
  }).catch((error) => {
    clock.close();
    throw error;
  });
  onClose(servers.close);
  // It writes to the directory, which another run may take as soon as the servers are closed.
  onClose(clock.close);
  const { endpoints, ask } = servers;
  const clients = connect(endpoints, clock.at, ask);
  onClose(() => disconnect(clients));

  const progress = dynamoProgress(clients.dynamodb, names.stateTable, pipeline.name);
  clock.keep();
  const source = await openSource({
    pipeline,
    names,
    endpoints,
    clients,
    progress,
    clock,
    dataDirectory,
    broker,
    batchSize,
    mapping,
  });
  onClose(source.close);

  const run = { options, clients, endpoints, clock, onClose };
  const first = await startStage(run, pipeline, { arrivals: source.arrivals, arn: source.arn });
  const stages: [StartedStage, ...StartedStage[]] = [first];
  for (const next of chain.slice(1)) stages.push(await startStage(run, next, last(stages)));
  const consumption = await source.consume(
    deliver((event) => first.process(event, INVOCATION)),
    { onError: (error) => first.ports.telemetry.fault('deliver a batch', error) },
  );
  onClose(consumption.stop);
  // The schedule makes good a wake-up that was lost with an earlier process, as it does in AWS.
  for (const stage of stages) stage.schedule();

  return {
    ...last(stages),
    endpoints,
    s3: clients.s3,
    clock,
    source,
    stages,
    async sweep() {
      for (const stage of stages) await stage.sweep(0);
    },
  };
}

/** Returns the stores of a stage, for the stage that reads its panes. */
const storesOf = ({ names, ports: { log, objects, progress } }: LocalStage): UpstreamStores => ({
  name: names.stateTable,
  log,
  objects,
  swept: sweptIn(progress),
});

/** What all stages of a run share. */
interface Run {
  readonly options: LocalOptions;
  readonly clients: Clients;
  readonly endpoints: LocalServers['endpoints'];
  readonly clock: RunClock;
  readonly onClose: (close: () => unknown) => void;
}

interface StartedStage extends LocalStage {
  readonly process: ReturnType<typeof processHandler>;
  /** Has a function called whenever an entry was appended to a group's log. */
  readonly onCommit: (wake: (log: string, ordinal: number) => void) => void;
  /** Sends the event of the once-a-minute schedule. */
  schedule(): void;
}

const last = <Item>(items: readonly [Item, ...Item[]]): Item => items.at(-1) as Item;

const sendsMessages = ({ sinks }: Pipeline): boolean => sinks.some((sink) => serviceOf(sink) !== undefined);

/** The outlets of a pipeline none of whose sinks sends messages. */
const NO_OUTLETS = { openOutlets: async () => ({ outlets: new Map(), places: [], close() {} }) };

/** @param from the source of the pipeline, or the stage whose panes it reads */
async function startStage(
  { options, clients, endpoints, clock, onClose }: Run,
  pipeline: Pipeline,
  from: { readonly arrivals: Ports['arrivals']; readonly arn: string | undefined } | StartedStage,
): Promise<StartedStage> {
  const isLast = pipeline === options.pipeline;
  const { telemetry, decorate = (ports: Ports) => ports } =
    isLast || options.upstream === undefined ? options : options.upstream(pipeline);
  const names = resourceNames(pipeline);
  const prefix = groupLogPrefix(pipeline.name);
  const { dynamodb, s3 } = clients;
  const log = dynamoCommitLog(dynamodb, names.stateTable);
  const objects = s3Objects(s3, names.bucket);
  const upstream = 'ports' in from ? storesOf(from) : undefined;
  // Loading the clients of more services takes a tenth of a second, which most pipelines need not wait for.
  const { openOutlets } = sendsMessages(pipeline) ? await import('./outlets.ts') : NO_OUTLETS;
  const sending = await openOutlets(pipeline, endpoints, clients, clock);
  onClose(sending.close);
  const wakes: ((log: string, ordinal: number) => void)[] = [];
  // Within an invocation of the handler: when it began, by the machine's clock.
  const received = new AsyncLocalStorage<EpochMillis>();
  const ports = decorate({
    log: {
      ...log,
      async append(name, entry) {
        const arrived = received.getStore();
        const outcome = await log.append(
          name,
          arrived === undefined || entry.arrived === undefined ? entry : { ...entry, arrived },
        );
        if (outcome === 'committed' && name.startsWith(prefix)) {
          for (const wake of wakes) wake(name, entry.ordinal);
        }
        return outcome;
      },
    },
    objects,
    rows: dynamoRows(dynamodb, names.rowsTable),
    progress: dynamoProgress(dynamodb, names.stateTable, pipeline.name),
    arrivals: 'ports' in from ? panesArrivals({ log, objects }, storesOf(from), pipeline) : from.arrivals,
    ...(upstream && { upstream }),
    outlets: sending.outlets,
    clock,
    telemetry,
    limits: ROOMY,
  });
  // The sinks write at once, as someone is watching or waits for the end.
  const project = projectHandler(ports, { ...pipeline, sinks: atOnce(pipeline.sinks) });
  const wakeUps = startWakeUps(
    (event) => project(event, UNHURRIED),
    (error) => telemetry.fault('project', error),
  );
  wakes.push(wakeUps.insert);
  onClose(wakeUps.stop);

  await createResources(names, clients);
  // This refuses a directory that was kept by another definition: the handlers would fail for ever.
  await holdDeployment(enginePorts(ports), pipeline, 'ports' in from ? upstream?.name : from.arn);
  const handle = processHandler(ports, inRealTime(pipeline, clock));
  const process: typeof handle = (...event) => received.run(clock.real(), () => handle(...event));
  const reads =
    'ports' in from
      ? startWakeUps(
          async (event) => void (await process(event, INVOCATION)),
          (error) => telemetry.fault('read the panes of another pipeline', error),
          READING_WINDOW_MILLIS,
        )
      : undefined;
  if (reads && 'ports' in from) {
    from.onCommit(reads.insert);
    onClose(reads.stop);
  }
  return {
    pipeline,
    names,
    ports,
    places: sending.places,
    process,
    onCommit: (wake) => wakes.push(wake),
    schedule() {
      wakeUps.schedule();
      reads?.schedule();
    },
    async read() {
      reads?.schedule();
      await reads?.settled();
    },
    sweep: (ahead) => {
      const later = clockBy(() => after(clock.now(), ahead as Millis));
      // Only a pipeline that another reads needs it noted.
      const swept = isLast ? {} : { swept: sweptIn(ports.progress) };
      return sweepHandler({ ...ports, ...swept, clock: later }, pipeline)({}, UNHURRIED);
    },
    query: () => {
      // The run itself is all that knows the tokens of its pages.
      const secret = randomBytes(32).toString('hex');
      return queryApp({ ...ports, rows: dynamoRowReader(dynamodb, names.rowsTable) }, pipeline, { secret });
    },
    projected: wakeUps.settled,
  };
}

/** Holds event times against the machine's clock, which they follow. The run's clock may be far behind it. */
const inRealTime = (pipeline: Pipeline, clock: RunClock): Pipeline => ({
  ...pipeline,
  get maxFutureSkew() {
    return (pipeline.maxFutureSkew + clock.real() - clock.now()) as Millis;
  },
});
