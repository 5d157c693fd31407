import { join } from 'node:path';
import { CfnOutput, Duration, RemovalPolicy, Stack, type StackProps } from 'aws-cdk-lib';
import * as events from 'aws-cdk-lib/aws-events';
import * as targets from 'aws-cdk-lib/aws-events-targets';
import type { Construct } from 'constructs';
import type { Pipeline } from '../src/index.ts';
import { byKind } from '../src/pipeline/kinds.ts';
import { type Service, serviceOf } from '../src/pipeline/services.ts';
import { type Sink, sinkName } from '../src/pipeline/sinks.ts';
import { ENVIRONMENT, LATE_PREFIX, PANES_PREFIX, POISON_PREFIX, STATE_PREFIX } from '../src/wiring/names.ts';
import { Bundles, entryOf, type Role } from './bundle.ts';
import { CreateOnlyBucket, PrivateBucket } from './constructs/buckets.ts';
import { DynamoDBSource } from './constructs/dynamodb-source.ts';
import { KafkaSource } from './constructs/kafka-source.ts';
import { KinesisSource } from './constructs/kinesis-source.ts';
import { MessageSink, type SinkTarget } from './constructs/message-sink.ts';
import { PanesSource, type UpstreamResources } from './constructs/panes-source.ts';
import { PipelineFunction } from './constructs/pipeline-function.ts';
import { QueryApi } from './constructs/query-api.ts';
import { RabbitmqSource } from './constructs/rabbitmq-source.ts';
import { SqsSource, type SqsSourceProps } from './constructs/sqs-source.ts';
import { mappingFaults, type Reading } from './constructs/stream-mapping.ts';
import { RECOVERY_DAYS, RowsTable, StateTable } from './constructs/tables.ts';
import { checkLock } from './lock.ts';

export { acknowledgeFindings, type RulePack } from './acknowledged.ts';

/**
 * For how many days bodies of entries are kept. It is the time by which the state table can be taken back,
 * the eight days that an entry lives, the day by which an object may be older than its entry, and a week to
 * take the table back and have everything renewed.
 */
const STATE_DAYS = RECOVERY_DAYS + 8 + 1 + 7;

/** For how many days late records are kept, to be looked at and redriven. Refused records are kept for good. */
const LATE_DAYS = 90;

/** The event of the functions that run on the schedule. */
const TICK = { source: 'millrace.schedule' };

export interface PipelineStackProps extends StackProps {
  readonly pipeline: Pipeline;
  /**
   * The file that exports the pipeline, or a folder with a `pipeline.ts`. Default `functions/<name of the
   * pipeline>`, in the folder that the app is synthesized in. The stack makes the modules of its functions from
   * it; a `handler.ts` beside it that exports `handler` replaces the one that takes records, and a `projector.ts`
   * that does the one that delivers panes.
   */
  readonly entry?: string;
  /** For how long records gather before they are committed: fewer, larger commits cost less. Default 5 s. */
  readonly batchingWindow?: Duration;
  /** For how long commits gather before their panes are delivered. Default 10 s. */
  readonly deliveryWindow?: Duration;
  /**
   * The ARN of the stream of the table that the definition reads, such as `table.tableStreamArn`, where the
   * definition does not say it.
   */
  readonly tableStream?: string;
  /** Where the logs are of the pipeline whose panes the definition reads, such as `orders.asUpstream()`. */
  readonly upstream?: UpstreamResources;
  /**
   * What exists already that sinks send messages to, by the name of the sink: a topic, an event bus, a stream or a
   * queue, as a construct or an ARN, or an Event API and one of its namespaces. The stack makes the others.
   */
  readonly sinks?: { readonly [sink: string]: SinkTarget };
  /** Adds a function that answers questions, at a URL for callers of this account. Default false. */
  readonly queryApi?: boolean;
  /**
   * What happens to what keeps data, and to what sinks send to, when the stack is destroyed. Default
   * RETAIN.
   */
  readonly removalPolicy?: RemovalPolicy;
}

/**
 * Deploys everything that a pipeline runs on, as its definition says.
 *
 * @throws RangeError when there is no pipeline at `entry`, the lock file is of another definition, or the
 * source is a Kafka topic without a cluster
 */
export class PipelineStack extends Stack {
  readonly #upstream: Required<UpstreamResources>;

  constructor(scope: Construct, id: string, props: PipelineStackProps) {
    super(scope, id, props);
    const {
      pipeline,
      entry: path = join('functions', pipeline.name),
      batchingWindow = Duration.seconds(5),
      deliveryWindow = Duration.seconds(10),
      removalPolicy = RemovalPolicy.RETAIN,
    } = props;
    const entry = entryOf(path);
    checkLock(this, pipeline, entry.pipeline);

    const source = this.#sourceOf(pipeline, {
      batchingWindow,
      removalPolicy,
      stream: props.tableStream,
      upstream: props.upstream,
    });
    const state = new StateTable(this, 'State', { removalPolicy });
    const results = new CreateOnlyBucket(this, 'Results', { removalPolicy });
    this.#upstream = {
      stateTable: state.tableName,
      resultsBucket: results.bucketName,
      stateStream: state.streamArn,
    };
    // The body of an entry is useless once no table has the entry any more; the body of an append that lost
    // always is.
    results.addLifecycleRule({ prefix: STATE_PREFIX, expiration: Duration.days(STATE_DAYS) });
    results.addLifecycleRule({ prefix: LATE_PREFIX, expiration: Duration.days(LATE_DAYS) });
    // Lambda itself writes to this bucket, and never sends the header that the other bucket demands.
    const failures = new PrivateBucket(this, 'Failures', { removalPolicy });
    let rows: RowsTable | undefined;
    checkTargets(pipeline, props.sinks ?? {});
    const messages = (sink: Sink): SinkResources => {
      const name = sinkName(sink);
      return new MessageSink(this, `Sink${pascal(name)}`, {
        name,
        service: serviceOf(sink) as Service,
        isFifo: 'to' in sink && sink.to.endsWith('-fifo'),
        target: props.sinks?.[name],
        removalPolicy,
      });
    };
    const sinks = pipeline.sinks.map((sink) =>
      byKind<Sink, SinkResources>(sink, {
        table: () => {
          rows = new RowsTable(this, 'Rows', { removalPolicy });
          return rowsSink(rows);
        },
        bucket: () => objectsSink(results),
        notify: messages,
        stream: messages,
        push: messages,
        sink: () => OWN_SINK,
      }),
    );

    const environment = {
      [ENVIRONMENT.pipeline]: pipeline.name,
      ...source.environment,
      [ENVIRONMENT.stateTable]: state.tableName,
      ...Object.assign({}, ...sinks.map(({ environment }) => environment)),
      [ENVIRONMENT.bucket]: results.bucketName,
    };
    const roles: readonly Role[] = [
      'handler',
      'sweeper',
      ...(sinks.length > 0 ? (['projector'] as const) : []),
      ...(props.queryApi ? (['query'] as const) : []),
    ];
    const bundles = new Bundles(
      entry,
      roles,
      pipeline.sinks.flatMap((sink) => serviceOf(sink) ?? []),
    );
    const addFunction = (
      name: string,
      role: Role,
      memorySize: number,
      does: string,
      more: { readonly [name: string]: string } = {},
    ) => {
      const fn = new PipelineFunction(this, name, {
        description: `Millrace ${pipeline.name}: ${does}`,
        role,
        file: entry.pipeline,
        bundles,
        memorySize,
        environment: { ...environment, ...more },
      });
      state.allowAppend(fn);
      fn.permit(['s3:GetObject', 's3:PutObject'], results.arnForObjects(`${STATE_PREFIX}*`));
      new CfnOutput(this, `${name}Name`, { value: fn.functionName });
      return fn;
    };

    // This memory comes with about 0.6 of a processor. A batch mostly waits for DynamoDB, and is folded in
    // milliseconds.
    const handler = addFunction('Handler', 'handler', 1_024, 'folds records into windows');
    source.feed(handler, { batchingWindow, failures });
    for (const prefix of [POISON_PREFIX, LATE_PREFIX])
      handler.permit(['s3:PutObject'], results.arnForObjects(`${prefix}*`));

    const looking = source.lookingBy?.(handler);
    const sweeper = addFunction('Sweeper', 'sweeper', 512, 'closes the windows of silent keys', looking);
    source.allowLook(sweeper);
    if (pipeline.source.lineage.notesProgress) state.allowProgress(sweeper);
    const byTheClock = [sweeper];

    if (sinks.length > 0) {
      const projector = addFunction('Projector', 'projector', 512, 'delivers committed panes');
      state.wake(projector, pipeline, { batchingWindow: deliveryWindow, failures });
      for (const { allowWrite } of sinks) allowWrite(projector);
      byTheClock.push(projector);
    }

    if (props.queryApi) {
      const { url } = new QueryApi(this, 'Query', {
        pipeline,
        file: entry.pipeline,
        bundles,
        state,
        rows,
        results,
      });
      new CfnOutput(this, 'QueryUrl', { value: url });
    }

    new events.Rule(this, 'EveryMinute', {
      description: `Millrace ${pipeline.name}: sweeps, and delivers what a lost wake-up left behind`,
      schedule: events.Schedule.rate(Duration.minutes(1)),
      targets: byTheClock.map(
        (fn) => new targets.LambdaFunction(fn, { event: events.RuleTargetInput.fromObject(TICK) }),
      ),
    });

    const outputs: SinkResources['outputs'] = {
      ...source.outputs,
      StateTableName: state.tableName,
      StateStreamArn: state.streamArn,
      ...Object.assign({}, ...sinks.map(({ outputs }) => outputs)),
      ResultsBucketName: results.bucketName,
      FailuresBucketName: failures.bucketName,
    };
    for (const [name, value] of Object.entries(outputs)) new CfnOutput(this, name, { value });

    this.node.addValidation({ validate: () => mappingFaults(this) });
  }

  /**
   * Returns the resources by which the stack of another pipeline reads this one's panes.
   *
   * @param woken whether commits wake the other pipeline at once, which one pipeline alone can have; otherwise it reads
   * once a minute
   */
  asUpstream({ woken = true } = {}): UpstreamResources {
    const { stateStream, ...stores } = this.#upstream;
    return woken ? { ...stores, stateStream } : stores;
  }

  #sourceOf(
    { name, source }: Pipeline,
    settings: {
      readonly batchingWindow: Duration;
      readonly removalPolicy: RemovalPolicy;
      readonly stream: string | undefined;
      readonly upstream: UpstreamResources | undefined;
    },
  ): SourceResources {
    const queue = (source: SqsSourceProps['source']) =>
      new SqsSource(this, 'Source', { ...settings, source });
    return byKind(source, {
      kinesis: (source) => new KinesisSource(this, 'Source', { ...settings, source }),
      sqs: queue,
      fifo: queue,
      kafka: (source) => new KafkaSource(this, 'Source', { name, source }),
      rabbitmq: (source) => new RabbitmqSource(this, 'Source', { pipeline: name, source }),
      dynamodb: (source) => new DynamoDBSource(this, 'Source', { ...settings, name, source }),
      panes: (source) => new PanesSource(this, 'Source', { ...settings, name, source }),
    });
  }
}

/** What a source adds to a stack. */
interface SourceResources {
  readonly environment: { readonly [name: string]: string };
  readonly outputs: { readonly [name: string]: string };
  /** Passes every record to `handler`. */
  feed(handler: PipelineFunction, reading: Reading): void;
  /** Returns the variables by which the sweeper looks at what the handler reads, where it needs any. */
  lookingBy?(handler: PipelineFunction): { readonly [name: string]: string };
  /** Lets the sweeper see what waits. */
  allowLook(sweeper: PipelineFunction): void;
}

/** The variables, outputs and permissions that a sink adds to a stack. */
interface SinkResources {
  readonly environment: { readonly [name: string]: string };
  readonly outputs: { readonly [name: string]: string };
  readonly allowWrite: (projector: PipelineFunction) => void;
}

/** A function of the author's runs in the projector. */
const OWN_SINK: SinkResources = { environment: {}, outputs: {}, allowWrite: () => {} };

/** @throws RangeError when there is a target for a sink that the pipeline does not have, or that sends no messages */
function checkTargets({ name, sinks }: Pipeline, targets: { readonly [sink: string]: SinkTarget }): void {
  const sending = sinks.filter((sink) => serviceOf(sink) !== undefined).map(sinkName);
  const unknown = Object.keys(targets).find((target) => !sending.includes(target));
  if (unknown === undefined) return;
  throw new RangeError(
    `Cannot deploy "${name}" with a target for the sink "${unknown}" as it must be one that sends messages: they are ${sending.join(', ') || 'none'}`,
  );
}

/** Returns a name such as `on-call` as `OnCall`. */
const pascal = (name: string): string =>
  name.replaceAll(/(?:^|-)([a-z0-9]?)/g, (_, first: string) => first.toUpperCase());

const rowsSink = (rows: RowsTable): SinkResources => ({
  environment: { [ENVIRONMENT.rowsTable]: rows.tableName },
  outputs: { RowsTableName: rows.tableName },
  allowWrite: (projector) => projector.permit(['dynamodb:PutItem', 'dynamodb:BatchWriteItem'], rows.tableArn),
});

/**
 * Every pipeline has the bucket, as its functions keep there what the state table cannot hold. The sink adds
 * the permission to write panes.
 */
const objectsSink = (results: CreateOnlyBucket): SinkResources => ({
  environment: {},
  outputs: {},
  allowWrite(projector) {
    projector.permit(['s3:PutObject', 's3:GetObject'], results.arnForObjects(`${PANES_PREFIX}*`));
    // With this permission S3 answers 404, not 403, for an object that does not exist.
    projector.permit(['s3:ListBucket'], results.bucketArn);
  },
});
