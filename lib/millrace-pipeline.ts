import { join } from 'node:path';
import { Annotations, Duration, RemovalPolicy, Tags } from 'aws-cdk-lib';
import * as cloudwatch from 'aws-cdk-lib/aws-cloudwatch';
import * as iam from 'aws-cdk-lib/aws-iam';
import type * as kms from 'aws-cdk-lib/aws-kms';
import * as lambda from 'aws-cdk-lib/aws-lambda';
import * as logs from 'aws-cdk-lib/aws-logs';
import { Construct } from 'constructs';
import type { Pipeline } from '../src/index.ts';
import { byKind } from '../src/pipeline/kinds.ts';
import { type Service, serviceOf } from '../src/pipeline/services.ts';
import { type Sink, sinkName } from '../src/pipeline/sinks.ts';
import { defaultMemory } from '../src/plan/memory.ts';
import { MEASURES, type Measure, type Metric } from '../src/ports/telemetry.ts';
import {
  ENVIRONMENT,
  LATE_PREFIX,
  METRICS_NAMESPACE,
  POISON_PREFIX,
  STATE_PREFIX,
} from '../src/wiring/names.ts';
import { Bundles, entryOf, type Role } from './bundle.ts';
import { checkBrought, checkKey, checkTargets } from './checks.ts';
import { AccessLogsBucket, FailuresBucket, ResultsBucket } from './constructs/buckets.ts';
import { CheckStep } from './constructs/check-step.ts';
import { DynamoDBSource } from './constructs/dynamodb-source.ts';
import { EveryMinute } from './constructs/every-minute.ts';
import { KafkaSource } from './constructs/kafka-source.ts';
import { KinesisSource } from './constructs/kinesis-source.ts';
import { MessageSink, type SinkTarget } from './constructs/message-sink.ts';
import { PanesSource, type UpstreamResources } from './constructs/panes-source.ts';
import { PipelineDashboard } from './constructs/pipeline-dashboard.ts';
import { PipelineFunction, type PipelineFunctionProps } from './constructs/pipeline-function.ts';
import { PipelineKey } from './constructs/pipeline-key.ts';
import { QueryApi } from './constructs/query-api.ts';
import { RabbitmqSource } from './constructs/rabbitmq-source.ts';
import type { Rollout } from './constructs/rollout.ts';
import type { AnyBucket, ExistingResources, Kept, Names, Overrides } from './constructs/settings.ts';
import type { SourcePart } from './constructs/source.ts';
import { SqsSource, type SqsSourceProps } from './constructs/sqs-source.ts';
import { RowsTable, StateTable } from './constructs/tables.ts';
import { type Alarms, Watch } from './constructs/watch.ts';
import { checkLock } from './lock.ts';
import { tellCost } from './plan-summary.ts';
import { faultsOf } from './rules.ts';

export interface MillracePipelineProps {
  readonly pipeline: Pipeline;
  /**
   * The file that exports the pipeline, or a folder with a `pipeline.ts`. Default `functions/<name of the
   * pipeline>`, in the folder that the app is synthesized in. The construct makes the modules of its functions from
   * it; a `handler.ts` beside it that exports `handler` replaces the one that takes records, and a `projector.ts`
   * that does the one that delivers panes.
   */
  readonly entry?: string;
  /**
   * Whom alarms tell: an SNS topic, as a construct or an ARN. `'none'` makes no alarms. Without one of the two
   * the app does not synthesize, as alarms that reach nobody are none.
   */
  readonly alarms?: Alarms;
  /** Makes a dashboard of the pipeline. Default: where alarms tell a topic. */
  readonly dashboard?: boolean;
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
   * queue, as a construct or an ARN, or an Event API and one of its namespaces. The construct makes the others.
   */
  readonly sinks?: { readonly [sink: string]: SinkTarget };
  /**
   * Whether all that is made and keeps data, logs among it, is encrypted by a key of the pipeline's own, which is made
   * and rotated every year. Default: by `existing.key`, or else by keys of AWS's own.
   */
  readonly encryption?: 'customer-managed';
  /**
   * The bucket to which S3 writes who asked for which object of the buckets that are made, or false for none. One that
   * is given must let `logging.s3.amazonaws.com` put objects. Default: one is made, which keeps them for 90 days.
   */
  readonly accessLogs?: AnyBucket | false;
  /** Adds a function that answers questions, at a URL for callers of this account. Default false. */
  readonly queryApi?: boolean;
  /**
   * What happens to what keeps data, and to what sinks send to, when the stack is destroyed. Default
   * RETAIN.
   */
  readonly removalPolicy?: RemovalPolicy;
  /** How the code of the functions is replaced: step by step, and taken back where it fails. Default: all at once. */
  readonly rollout?: Rollout;
  /** What exists already, and is used in place of what would be made. */
  readonly existing?: ExistingResources;
  /** Properties of what is made, which replace those that it would have. */
  readonly overrides?: Overrides;
  /** Names of what is made. Default: CloudFormation gives them. */
  readonly names?: Names;
  /** The memory of functions in MB. Default 1,024 for the handler, and 512 for each other, or what the pipeline needs. */
  readonly memory?: { readonly [Of in Role]?: number };
  /** How long an invocation may take. Default 1 minute. */
  readonly timeout?: Duration;
  /** The processors that functions run on. Default ARM. */
  readonly architecture?: lambda.Architecture;
  /** How many invocations of a function may run at once, which are kept for it. Default: what the account has left. */
  readonly reservedConcurrency?: { readonly [Of in Role]?: number };
  /** How many batches of a queue are handled at once, at most. Default 2, and 10 for a FIFO queue. */
  readonly maxConcurrency?: number;
  /** For how long logs are kept. Default a month. */
  readonly logRetention?: logs.RetentionDays;
  /** Tags of all that is made. */
  readonly tags?: { readonly [name: string]: string };
  /** The policy that bounds what each role that is made can be allowed. Default: none. */
  readonly permissionsBoundary?: iam.IManagedPolicy;
}

/**
 * Everything that a pipeline runs on, as its definition says, in a stack of your own beside whatever else it has.
 *
 * @throws RangeError when there is no pipeline at `entry`, the lock file is of another definition, alarms are
 * given without a topic, or the source is a Kafka topic without a cluster; also when something is both brought and named by the definition, or
 * both brought and overridden
 *
 * @example
 * ```ts compile-only
 * import { App, Stack } from 'aws-cdk-lib';
 * import * as lambda from 'aws-cdk-lib/aws-lambda';
 * import { definePipeline, kinesis, mean, table, tumbling } from 'millrace';
 * import { MillracePipeline } from 'millrace/cdk';
 *
 * interface Reading {
 *   machine: string;
 *   at: string;
 *   celsius: number;
 * }
 *
 * const temperature = definePipeline('temperature', kinesis<Reading>(), {
 *   key: 'machine',
 *   eventTime: 'at',
 *   windows: { minute: tumbling({ size: '1m' }, { celsius: mean('celsius') }) },
 * }).to(table());
 *
 * const stack = new Stack(new App(), 'Plant');
 * const producer = new lambda.Function(stack, 'Producer', {
 *   runtime: lambda.Runtime.NODEJS_24_X,
 *   handler: 'index.handler',
 *   code: lambda.Code.fromAsset('producer'),
 * });
 * const millrace = new MillracePipeline(stack, 'Temperature', { pipeline: temperature, alarms: 'none' });
 * millrace.grantPut(producer);
 * millrace.metric('poison').createAlarm(stack, 'Refused', { threshold: 1, evaluationPeriods: 1 });
 * ```
 */
export class MillracePipeline extends Construct {
  readonly pipeline: Pipeline;
  readonly source: SourcePart;
  /** The key that encrypts what is made; undefined where keys of AWS's own do. */
  readonly key: kms.IKey | undefined;
  /** The table of the commit logs. */
  readonly state: StateTable;
  /** The bucket of panes, of refused and of late records, and of large bodies of entries. */
  readonly results: ResultsBucket;
  /** The bucket that receives what Lambda gave up. */
  readonly failures: FailuresBucket;
  /** The table that the `table()` sink writes; undefined without that sink. */
  readonly rows: RowsTable | undefined;
  /** What the sinks that send messages send to, by the name of the sink. */
  readonly sinks: { readonly [sink: string]: MessageSink };
  /** Folds records into windows, and commits them. */
  readonly handler: PipelineFunction;
  /** Closes the windows of silent keys. */
  readonly sweeper: PipelineFunction;
  /** Delivers committed panes; undefined without sinks. */
  readonly projector: PipelineFunction | undefined;
  /** Answers questions about keys; undefined without `queryApi`. */
  readonly query: QueryApi | undefined;
  /** Calls the sweeper and the projector, and a handler that reads panes, once a minute. */
  readonly everyMinute: EveryMinute;
  /** The alarms by their names, as docs/operations.md lists them; none with `alarms: 'none'`. */
  readonly alarms: ReadonlyMap<string, cloudwatch.Alarm>;
  readonly dashboard: cloudwatch.Dashboard | undefined;
  /** What commands of `millrace` and other stacks need to know, by the names of the outputs of `PipelineStack`. */
  readonly outputs: { readonly [name: string]: string };
  readonly #readable: readonly Readable[];

  constructor(scope: Construct, id: string, props: MillracePipelineProps) {
    super(scope, id);
    const {
      pipeline,
      entry: path = join('functions', pipeline.name),
      batchingWindow = Duration.seconds(5),
      deliveryWindow = Duration.seconds(10),
      removalPolicy = RemovalPolicy.RETAIN,
      existing = {},
      overrides = {},
      names = {},
      timeout = Duration.minutes(1),
    } = props;
    const entry = entryOf(path);
    checkLock(this, pipeline, entry.pipeline);
    checkTargets(pipeline, props.sinks ?? {});
    checkBrought(pipeline, existing, overrides, names);

    this.pipeline = pipeline;
    checkKey(pipeline, props.encryption, existing.key);
    const logKey =
      props.encryption === 'customer-managed'
        ? new PipelineKey(this, 'Key', { description: `Millrace ${pipeline.name}`, removalPolicy })
        : undefined;
    this.key = existing.key ?? logKey;
    const kept = { removalPolicy, key: this.key };
    this.source = this.#sourceOf(props, { ...kept, batchingWindow, timeout });
    this.state = new StateTable(this, 'State', {
      ...kept,
      name: names.stateTable,
      existing: existing.stateTable,
      overrides: overrides.state,
    });
    const { resultsBucket, failuresBucket } = existing;
    const makesBuckets = resultsBucket === undefined || failuresBucket === undefined;
    const requests =
      props.accessLogs === undefined && makesBuckets
        ? new AccessLogsBucket(this, 'AccessLogs', { removalPolicy })
        : undefined;
    const accessLogs = props.accessLogs === false ? undefined : (props.accessLogs ?? requests?.bucket);
    this.results = new ResultsBucket(this, 'Results', {
      ...kept,
      accessLogs,
      name: names.resultsBucket,
      existing: resultsBucket,
      overrides: overrides.results,
    });
    this.failures = new FailuresBucket(this, 'Failures', {
      ...kept,
      accessLogs,
      name: names.failuresBucket,
      existing: failuresBucket,
      overrides: overrides.failures,
    });
    requests?.allowLogsOf(
      ...(resultsBucket ? [] : [this.results]),
      ...(failuresBucket ? [] : [this.failures]),
    );
    const sinks = pipeline.sinks.map((sink) => this.#sinkOf(sink, props, kept));
    this.#readable = sinks.flatMap(({ kept }) => kept ?? []);
    this.rows = sinks.find(({ rows }) => rows)?.rows;
    this.source.checkWritten?.([this.state.table, ...(this.rows ? [this.rows.table] : [])]);
    this.sinks = Object.fromEntries(
      sinks.flatMap(({ messages }) => (messages ? [[messages.sink, messages]] : [])),
    );

    const environment = {
      [ENVIRONMENT.pipeline]: pipeline.name,
      ...this.source.environment,
      [ENVIRONMENT.stateTable]: this.state.tableName,
      ...Object.assign({}, ...sinks.map(({ environment }) => environment)),
      [ENVIRONMENT.bucket]: this.results.bucketName,
    };
    const roles: readonly Role[] = [
      'handler',
      'sweeper',
      ...(sinks.length > 0 ? (['projector'] as const) : []),
      ...(props.queryApi ? (['query'] as const) : []),
      'check',
    ];
    const bundles = new Bundles(
      entry,
      roles,
      pipeline.sinks.flatMap((sink) => serviceOf(sink) ?? []),
    );
    const settingsOf = (role: Role): FunctionProps => ({
      settings: {
        timeout,
        architecture: props.architecture ?? lambda.Architecture.ARM_64,
        logRetention: props.logRetention ?? logs.RetentionDays.ONE_MONTH,
        network: existing.network,
        // Only a key of ours is sure to let CloudWatch use it.
        logKey,
      },
      memorySize: props.memory?.[role] ?? defaultMemory(pipeline, role),
      name: names.functions === undefined ? undefined : `${names.functions}-${role}`,
      reservedConcurrency: props.reservedConcurrency?.[role],
      existingRole: existing.roles?.[role],
      overrides: overrides[role],
    });
    const addFunction = (
      name: string,
      role: Role,
      does: string,
      more: { readonly [name: string]: string } = {},
    ) => {
      const fn = new PipelineFunction(this, name, {
        description: `Millrace ${pipeline.name}: ${does}`,
        role,
        file: entry.pipeline,
        bundles,
        environment: { ...environment, ...more },
        rollout: props.rollout && { ...props.rollout, version: pipeline.version },
        ...settingsOf(role),
      });
      this.state.allowAppend(fn);
      this.key?.grantEncryptDecrypt(fn);
      fn.permit(['s3:GetObject', 's3:PutObject'], this.results.arnForObjects(`${STATE_PREFIX}*`));
      return fn;
    };

    this.handler = addFunction('Handler', 'handler', 'folds records into windows');
    this.source.feed(this.handler, { batchingWindow, failures: this.failures });
    for (const prefix of [POISON_PREFIX, LATE_PREFIX])
      this.handler.permit(['s3:PutObject'], this.results.arnForObjects(`${prefix}*`));

    const looking = this.source.lookingBy?.(this.handler);
    this.sweeper = addFunction('Sweeper', 'sweeper', 'closes the windows of silent keys', looking);
    this.source.allowLook(this.sweeper);
    if (pipeline.source.lineage.notesProgress) this.state.allowProgress(this.sweeper);

    if (sinks.length > 0) {
      this.projector = addFunction('Projector', 'projector', 'delivers committed panes');
      this.state.wake(this.projector, pipeline, { batchingWindow: deliveryWindow, failures: this.failures });
      for (const { allowWrite } of sinks) allowWrite(this.projector);
    }

    if (props.queryApi) {
      this.query = new QueryApi(this, 'Query', {
        pipeline,
        file: entry.pipeline,
        bundles,
        state: this.state,
        rows: this.rows,
        results: this.results,
        function: settingsOf('query'),
      });
      this.key?.grantDecrypt(this.query.function);
    }

    this.everyMinute = new EveryMinute(this, 'EveryMinute', {
      description: `Millrace ${pipeline.name}: sweeps, and takes in or delivers what a lost wake-up left behind`,
      functions: {
        Sweeper: this.sweeper,
        ...(this.projector && { Projector: this.projector }),
        ...(this.source.readsByTheClock && { Handler: this.handler }),
      },
    });

    this.alarms = new Watch(this, 'Watch', {
      pipeline,
      alarms: props.alarms,
      functions: { handler: this.handler, sweeper: this.sweeper, projector: this.projector },
      state: this.state,
      source: this.source.dimensions ?? {},
      settings: {
        timeoutMillis: timeout.toMilliseconds(),
        brought: existing.stream !== undefined || existing.queue !== undefined,
      },
    }).alarms;
    if (props.dashboard ?? this.alarms.size > 0)
      this.dashboard = new PipelineDashboard(this, 'Dashboard', this);
    const changing = [this.handler, this.sweeper, this.projector, this.query?.function];
    new CheckStep(
      this,
      'Check',
      {
        pipeline,
        file: entry.pipeline,
        bundles,
        function: settingsOf('check'),
        environment,
        state: this.state,
        results: this.results,
        key: this.key,
        source: this.source.arn,
      },
      changing.filter((fn) => fn !== undefined),
    );
    sayRemoval(this, removalPolicy);

    this.outputs = {
      HandlerName: this.handler.functionName,
      SweeperName: this.sweeper.functionName,
      ...(this.projector && { ProjectorName: this.projector.functionName }),
      ...(this.query && { QueryUrl: this.query.url }),
      ...this.source.outputs,
      StateTableName: this.state.tableName,
      StateStreamArn: this.state.streamArn,
      ...Object.assign({}, ...sinks.map(({ outputs }) => outputs)),
      ResultsBucketName: this.results.bucketName,
      FailuresBucketName: this.failures.bucketName,
      ScheduleGroupName: this.everyMinute.groupName,
    };
    for (const [name, value] of Object.entries(props.tags ?? {})) Tags.of(this).add(name, value);
    if (props.permissionsBoundary) iam.PermissionsBoundary.of(this).apply(props.permissionsBoundary);
    tellCost(this, pipeline, { batchingWindow, deliveryWindow, memory: settingsOf('handler').memorySize });
    const { handler, sweeper, projector, query } = this;
    this.node.addValidation({
      validate: () =>
        faultsOf({
          pipeline,
          functions: { handler, sweeper, projector, query: query?.function },
          state: this.state.table,
          rows: this.rows?.table,
          buckets: [this.results.bucket, this.failures.bucket],
        }),
    });
  }

  /**
   * Returns the resources by which another pipeline reads this one's panes.
   *
   * @param woken whether commits wake the other pipeline at once, which one pipeline alone can have; otherwise it reads
   * once a minute
   */
  asUpstream({ woken = true } = {}): UpstreamResources {
    const stores = { stateTable: this.state.tableName, resultsBucket: this.results.bucketName };
    return woken ? { ...stores, stateStream: this.state.streamArn } : stores;
  }

  /**
   * Lets a principal put records into the source: a stream, a queue, a topic of MSK that is used by IAM, or a table.
   *
   * @throws RangeError for a source that no policy of IAM opens, or that takes no records, as another pipeline's panes
   */
  grantPut(grantee: iam.IGrantable): iam.Grant {
    return this.source.grantPut(grantee);
  }

  /**
   * Lets a principal read what the sinks `table()` and `bucket()` write: query the rows, and list and get the objects
   * of panes. It gives nothing else of the bucket, where refused records and the logs are.
   *
   * @throws RangeError when the pipeline has neither sink
   */
  grantReadResults(grantee: iam.IGrantable): iam.Grant {
    const { name, sinks } = this.pipeline;
    const [first, ...others] = this.#readable;
    if (first === undefined) {
      throw new RangeError(
        `Cannot grant reading the results of "${name}" as it must have a table() or a bucket(): its sinks are ${sinks.map(sinkName).join(', ') || 'none'}`,
      );
    }
    return others.reduce((all, { grantRead }) => all.combine(grantRead(grantee)), first.grantRead(grantee));
  }

  /**
   * Returns what the functions count, by default its sum, or what they measure, by default its maximum:
   * docs/operations.md lists the names.
   */
  metric(name: Metric | Measure, props: cloudwatch.MetricOptions = {}): cloudwatch.Metric {
    const statistic = name in MEASURES ? cloudwatch.Stats.MAXIMUM : cloudwatch.Stats.SUM;
    return this.#metric(name, { statistic, ...props });
  }

  /** Returns how many records a window refused as late, by default their sum. */
  metricLateForWindow(window: string, props: cloudwatch.MetricOptions = {}): cloudwatch.Metric {
    return this.#metric('lateForWindow', { statistic: cloudwatch.Stats.SUM, ...props }, { window });
  }

  /**
   * Returns how long after a record's arrival a sink had what it emitted, in milliseconds, by default the 99th
   * percentile.
   */
  metricDeliveryLatency(sink: string, props: cloudwatch.MetricOptions = {}): cloudwatch.Metric {
    return this.#metric('deliveryLatency', { statistic: cloudwatch.Stats.p(99), ...props }, { sink });
  }

  /** Returns for how long panes have waited that a sink does not have, in milliseconds, by default the longest. */
  metricSinkLag(sink: string, props: cloudwatch.MetricOptions = {}): cloudwatch.Metric {
    return this.#metric('sinkLag', { statistic: cloudwatch.Stats.MAXIMUM, ...props }, { sink });
  }

  #metric(
    metricName: string,
    props: cloudwatch.MetricOptions,
    dimensions: { readonly [name: string]: string } = {},
  ): cloudwatch.Metric {
    return new cloudwatch.Metric({
      namespace: METRICS_NAMESPACE,
      metricName,
      ...props,
      dimensionsMap: { pipeline: this.pipeline.name, ...dimensions, ...props.dimensionsMap },
    }).attachTo(this);
  }

  #sourceOf(
    {
      pipeline: { name, source },
      existing = {},
      overrides = {},
      names = {},
      ...props
    }: MillracePipelineProps,
    settings: KeptHow & { readonly batchingWindow: Duration; readonly timeout: Duration },
  ): SourcePart {
    const queue = (source: SqsSourceProps['source']) =>
      new SqsSource(this, 'Source', {
        ...settings,
        pipeline: name,
        source,
        name: names.queue,
        maxConcurrency: props.maxConcurrency,
        existing: existing.queue,
        overrides,
      });
    return byKind<Pipeline['source'], SourcePart>(source, {
      kinesis: (source) =>
        new KinesisSource(this, 'Source', {
          ...settings,
          pipeline: name,
          source,
          name: names.stream,
          existing: existing.stream,
          overrides: overrides.stream,
        }),
      sqs: queue,
      fifo: queue,
      kafka: (source) => new KafkaSource(this, 'Source', { name, source }),
      rabbitmq: (source) => new RabbitmqSource(this, 'Source', { pipeline: name, source }),
      dynamodb: (source) => new DynamoDBSource(this, 'Source', { name, source, stream: props.tableStream }),
      panes: (source) => new PanesSource(this, 'Source', { name, source, upstream: props.upstream }),
    });
  }

  #sinkOf(
    sink: Sink,
    { sinks = {}, existing = {}, overrides = {}, names = {} }: MillracePipelineProps,
    kept: KeptHow,
  ): SinkResources {
    const messages = (sink: Sink): SinkResources => {
      const name = sinkName(sink);
      const messages = new MessageSink(this, `Sink${pascal(name)}`, {
        name,
        service: serviceOf(sink) as Service,
        isFifo: 'to' in sink && sink.to.endsWith('-fifo'),
        target: sinks[name],
        ...kept,
      });
      const { environment, outputs, allowWrite } = messages;
      return { environment, outputs, allowWrite, messages };
    };
    return byKind<Sink, SinkResources>(sink, {
      table: () => {
        const rows = new RowsTable(this, 'Rows', {
          ...kept,
          name: names.rowsTable,
          existing: existing.rowsTable,
          overrides: overrides.rows,
        });
        return {
          environment: { [ENVIRONMENT.rowsTable]: rows.tableName },
          outputs: { RowsTableName: rows.tableName },
          allowWrite: (projector) => rows.allowWrite(projector),
          kept: { grantRead: (grantee) => rows.grantReadRows(grantee) },
          rows,
        };
      },
      // Every pipeline has the bucket, as its functions keep there what the state table cannot hold.
      bucket: () => ({
        environment: {},
        outputs: {},
        allowWrite: (projector) => this.results.allowWritePanes(projector),
        kept: { grantRead: (grantee) => this.results.grantReadPanes(grantee) },
      }),
      notify: messages,
      stream: messages,
      push: messages,
      sink: () => OWN_SINK,
    });
  }
}

/** The variables, outputs and permissions that a sink adds to a pipeline, and what it makes or was brought. */
interface SinkResources {
  readonly environment: { readonly [name: string]: string };
  readonly outputs: { readonly [name: string]: string };
  readonly allowWrite: (projector: PipelineFunction) => void;
  /** What its panes can be read from, where they stay there. */
  readonly kept?: Readable;
  readonly rows?: RowsTable;
  readonly messages?: MessageSink;
}

/** What keeps the panes that a sink writes. */
interface Readable {
  grantRead(grantee: iam.IGrantable): iam.Grant;
}

/** Says what destroying the stack does to data, as that cannot be taken back. */
function sayRemoval(scope: Construct, removalPolicy: RemovalPolicy): void {
  if (removalPolicy === RemovalPolicy.DESTROY) {
    Annotations.of(scope).addWarningV2(
      'millrace:destroys-data',
      'Destroying this stack destroys the source with its records, the state of all windows, and all results, as removalPolicy is DESTROY',
    );
  } else {
    Annotations.of(scope).addInfoV2(
      'millrace:keeps-data',
      `Destroying this stack keeps what it made to hold data, which goes on being billed, as removalPolicy is ${removalPolicy.toUpperCase()}`,
    );
  }
}

/** A function of the author's runs in the projector. */
const OWN_SINK: SinkResources = { environment: {}, outputs: {}, allowWrite: () => {} };

/** How all that keeps data does so. */
type KeptHow = Omit<Kept, 'name'>;

/** What options say of a function. */
type FunctionProps = Pick<
  PipelineFunctionProps,
  'settings' | 'memorySize' | 'name' | 'reservedConcurrency' | 'existingRole' | 'overrides'
>;

/** Returns a name such as `on-call` as `OnCall`. */
const pascal = (name: string): string =>
  name.replaceAll(/(?:^|-)([a-z0-9]?)/g, (_, first: string) => first.toUpperCase());
