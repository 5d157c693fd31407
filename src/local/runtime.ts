import type { S3Client } from '@aws-sdk/client-s3';
import { dynamoCommitLog } from '../adapters/dynamodb/commit-log.ts';
import { dynamoProgress } from '../adapters/dynamodb/progress.ts';
import { dynamoRows } from '../adapters/dynamodb/rows.ts';
import { s3Objects } from '../adapters/s3/objects.ts';
import { clockBy } from '../adapters/system/clock.ts';
import { after, type Millis } from '../core/time.ts';
import type { Sweep } from '../engine/intake/sweep.ts';
import { holdDeployment } from '../engine/log/definition-log.ts';
import { enginePorts } from '../engine/log/spill.ts';
import { processHandler, projectHandler, sweepHandler } from '../handlers.ts';
import type { Pipeline } from '../pipeline/pipeline.ts';
import { atOnce } from '../pipeline/sinks.ts';
import type { Ports } from '../ports/index.ts';
import { LIMITS } from '../ports/limits.ts';
import type { Telemetry } from '../ports/telemetry.ts';
import { groupLogPrefix } from '../wiring/names.ts';
import { openRunClock, type RunClock } from './clock.ts';
import { openTogether } from './closing.ts';
import { connect, createResources, disconnect, type ResourceNames, resourceNames } from './resources.ts';
import type { LocalServers, startServersBeside } from './servers/servers.ts';
import { serversPackage } from './servers-package.ts';
import { localSourceOf } from './sources/index.ts';
import type { Handle, LocalSource, SourceSettings } from './sources/source.ts';
import { startWakeUps } from './wake-ups.ts';

export interface LocalOptions {
  readonly pipeline: Pipeline;
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
export interface LocalRuntime {
  readonly endpoints: LocalServers['endpoints'];
  readonly names: ResourceNames;
  readonly s3: S3Client;
  readonly ports: Ports;
  readonly clock: RunClock;
  readonly source: LocalSource;
  /** Runs the sweeper once, as if the clock were `ahead` milliseconds further on. */
  sweep(ahead: number): Promise<Sweep>;
  /** Settles when the sinks have everything that is committed. */
  projected(): Promise<void>;
  close(): Promise<void>;
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
    pipeline,
    telemetry,
    dataDirectory,
    batchSize,
    port,
    broker,
    mapping,
    decorate = (ports) => ports,
    deliver = (handle) => handle,
    startServers = (await serversPackage()).startServersBeside,
  } = options;
  const openSource = localSourceOf(pipeline);
  const names = resourceNames(pipeline);
  const prefix = groupLogPrefix(pipeline.name);
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
  const { endpoints, askDynamodb } = servers;
  const clients = connect(endpoints, clock.at, askDynamodb);
  onClose(() => disconnect(clients));
  const { dynamodb, s3 } = clients;

  const progress = dynamoProgress(dynamodb, names.stateTable, pipeline.name);
  const log = dynamoCommitLog(dynamodb, names.stateTable);
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
  const ports = decorate({
    log: {
      ...log,
      async append(name, entry) {
        const outcome = await log.append(name, entry);
        if (outcome === 'committed' && name.startsWith(prefix)) wakeUps.insert(name);
        return outcome;
      },
    },
    objects: s3Objects(s3, names.bucket),
    rows: dynamoRows(dynamodb, names.rowsTable),
    progress,
    arrivals: source.arrivals,
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
  onClose(wakeUps.stop);

  await createResources(names, clients);
  // This refuses a directory that was kept by another definition: the handlers would fail for ever.
  await holdDeployment(enginePorts(ports), pipeline, source.arn);
  const process = processHandler(ports, inRealTime(pipeline, clock));
  const consumption = await source.consume(
    deliver((event) => process(event, INVOCATION)),
    {
      onError: (error) => telemetry.fault('deliver a batch', error),
    },
  );
  onClose(consumption.stop);
  // The schedule makes good a wake-up that was lost with an earlier process, as it does in AWS.
  wakeUps.schedule();

  return {
    endpoints,
    names,
    s3,
    ports,
    clock,
    source,
    sweep: (ahead) => {
      const later = clockBy(() => after(clock.now(), ahead as Millis));
      return sweepHandler({ ...ports, clock: later }, pipeline)({}, UNHURRIED);
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
