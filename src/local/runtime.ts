import type { KinesisClient } from '@aws-sdk/client-kinesis';
import type { S3Client } from '@aws-sdk/client-s3';
import { dynamoCommitLog } from '../adapters/dynamodb/commit-log.ts';
import { dynamoProgress } from '../adapters/dynamodb/progress.ts';
import { dynamoRows } from '../adapters/dynamodb/rows.ts';
import { kinesisArrivals } from '../adapters/kinesis/arrivals.ts';
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
import { type EventSource, startEventSource } from './event-source.ts';
import { connect, createResources, disconnect, type ResourceNames, resourceNames } from './resources.ts';
import type { LocalServers, startServersBeside } from './servers/servers.ts';
import { serversPackage } from './servers-package.ts';
import { startWakeUps } from './wake-ups.ts';

export interface LocalOptions {
  readonly pipeline: Pipeline;
  readonly telemetry: Telemetry;
  /** Where everything outlives the process; in memory without it. */
  readonly dataDirectory?: string | undefined;
  /** Records at most in one event. */
  readonly batchSize?: number | undefined;
  /** That Kinesis listens on, with DynamoDB and S3 on the next two; free ones where left out. */
  readonly port?: number | undefined;
  /** Stands between the handlers and the servers: to watch, or to inject faults. */
  readonly decorate?: (ports: Ports) => Ports;
  /** Starts the servers: in a thread of their own where left out. */
  readonly startServers?: typeof startServersBeside | undefined;
}

/** A pipeline running on this machine: embedded servers, the handlers that run in AWS, and what wakes them there. */
export interface LocalRuntime {
  readonly endpoints: LocalServers['endpoints'];
  readonly names: ResourceNames;
  readonly kinesis: KinesisClient;
  readonly s3: S3Client;
  readonly ports: Ports;
  readonly clock: RunClock;
  readonly source: EventSource;
  /** Runs the sweeper once, as if the clock stood `ahead` milliseconds further on. */
  sweep(ahead: number): Promise<Sweep>;
  /** Settles when the sinks have everything that is committed. */
  projected(): Promise<void>;
  close(): Promise<void>;
}

/** A function's time limit, as deployed. */
const INVOCATION = { getRemainingTimeInMillis: () => 60_000 };

/** No schedule comes by to go on with what a projector leaves at its deadline. */
const UNHURRIED = { getRemainingTimeInMillis: () => Number.POSITIVE_INFINITY };

/** A machine has more memory than a function: larger steps of projectors come to fewer requests. */
const ROOMY = {
  ...LIMITS,
  step: 8 * LIMITS.step,
  rowsStep: 200_000,
  objectsStep: 200_000,
  stepObjects: 10_000,
};

/** A tenth of what Lambda hands over at most, so that there is something to watch. */
const BATCH_SIZE = 1_000;

export async function startLocal(options: LocalOptions): Promise<LocalRuntime> {
  const {
    pipeline,
    telemetry,
    dataDirectory,
    batchSize = BATCH_SIZE,
    port,
    decorate = (ports) => ports,
    startServers = (await serversPackage()).startServersBeside,
  } = options;
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
  const { endpoints, askDynamodb } = servers;
  const clients = connect(endpoints, clock.at, askDynamodb);
  const { kinesis, dynamodb, s3 } = clients;

  const progress = dynamoProgress(dynamodb, names.stateTable, pipeline.name);
  const log = dynamoCommitLog(dynamodb, names.stateTable);
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
    arrivals: kinesisArrivals(kinesis, names.stream, progress, clock),
    clock,
    telemetry,
    limits: ROOMY,
  });
  // Someone is watching, or waits for the end.
  const project = projectHandler(ports, { ...pipeline, sinks: atOnce(pipeline.sinks) });
  const wakeUps = startWakeUps(
    (event) => project(event, UNHURRIED),
    (error) => telemetry.fault('project', error),
  );

  try {
    clock.keep();
    await createResources(pipeline, names, clients);
    // What a directory keeps may not be for this definition: handlers would be called in vain for ever.
    await holdDeployment(enginePorts(ports), pipeline);
    const process = processHandler(ports, inRealTime(pipeline, clock));
    const source = await startEventSource(kinesis, names.stream, (event) => process(event, INVOCATION), {
      batchSize,
      onError: (error) => telemetry.fault('deliver a batch', error),
    });
    // A wake-up that was lost with the process is made good as in AWS: by the schedule.
    wakeUps.schedule();

    return {
      endpoints,
      names,
      kinesis,
      s3,
      ports,
      clock,
      source,
      sweep: (ahead) => {
        const later = clockBy(() => after(clock.now(), ahead as Millis));
        return sweepHandler({ ...ports, clock: later }, pipeline)({}, UNHURRIED);
      },
      projected: wakeUps.settled,
      async close() {
        await source.stop();
        await wakeUps.stop();
        disconnect(clients);
        clock.close();
        await servers.close();
      },
    };
  } catch (error) {
    clock.close();
    disconnect(clients);
    await servers.close();
    throw error;
  }
}

/** The clock of a run may be far behind that of the machine, by which event times are: they are held against the latter. */
const inRealTime = (pipeline: Pipeline, clock: RunClock): Pipeline => ({
  ...pipeline,
  get maxFutureSkew() {
    return (pipeline.maxFutureSkew + clock.real() - clock.now()) as Millis;
  },
});
