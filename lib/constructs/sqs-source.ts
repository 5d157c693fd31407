import { Duration } from 'aws-cdk-lib';
import * as iam from 'aws-cdk-lib/aws-iam';
import { SqsEventSource } from 'aws-cdk-lib/aws-lambda-event-sources';
import * as sqs from 'aws-cdk-lib/aws-sqs';
import { Construct } from 'constructs';
import type { QueueSource } from '../../src/pipeline/sources/sqs.ts';
import { MAPPINGS } from '../../src/wiring/mappings.ts';
import { ENVIRONMENT } from '../../src/wiring/names.ts';
import type { PipelineFunction } from './pipeline-function.ts';
import type { Kept } from './settings.ts';
import type { SourceDimensions, SourcePart } from './source.ts';
import type { Reading } from './stream-mapping.ts';

/** How each kind of queue is made. */
const QUEUES: { readonly [Kind in QueueSource<unknown>['kind']]: sqs.QueueProps } = {
  sqs: {},
  // By content, two equal readings would be one. So the sender has to say which messages of a FIFO queue are
  // the same.
  fifo: { fifo: true, contentBasedDeduplication: false },
};

export interface SqsSourceProps extends Kept {
  /** The name of the pipeline. */
  readonly pipeline: string;
  readonly source: QueueSource<unknown>;
  readonly batchingWindow: Duration;
  /** How long an invocation of the handler may take. */
  readonly timeout: Duration;
  /** How many batches are handled at once, at most. Default 2 for a standard queue, 10 for a FIFO queue. */
  readonly maxConcurrency?: number | undefined;
  /** The queue that is read; without it, the construct makes one. */
  readonly existing?: sqs.IQueue | undefined;
  readonly overrides?: { readonly queue?: sqs.QueueProps; readonly deadLetters?: sqs.QueueProps } | undefined;
}

/**
 * A queue that keeps its messages for four days, and a dead-letter queue that keeps messages which could not
 * be processed for another ten; or a queue that is brought, whose dead letters are its owner's.
 */
export class SqsSource extends Construct implements SourcePart {
  readonly environment: { readonly [name: string]: string };
  readonly arn: string;
  readonly outputs: { readonly [name: string]: string };
  readonly dimensions: SourceDimensions;
  readonly queue: sqs.IQueue;
  /** Undefined for a queue that is brought. */
  readonly deadLetters: sqs.Queue | undefined;
  readonly #mapping: (typeof MAPPINGS)[QueueSource<unknown>['kind']];
  readonly #concurrency: number;

  /** @throws RangeError when a queue is brought that is FIFO and must not be, or the other way about */
  constructor(scope: Construct, id: string, props: SqsSourceProps) {
    super(scope, id);
    const { source, existing, maxConcurrency } = props;
    this.#mapping = MAPPINGS[source.kind];
    this.#concurrency = maxConcurrency ?? this.#mapping.concurrency;
    if (existing === undefined) {
      this.deadLetters = deadLettersOf(this, props);
      this.queue = queueOf(this, this.deadLetters, props);
    } else {
      const isFifo = QUEUES[source.kind].fifo ?? false;
      if (existing.fifo !== isFifo) {
        throw new RangeError(
          `Cannot bring a queue for "${props.pipeline}" as it must be ${isFifo ? '' : 'no '}FIFO, as the definition says: it is ${existing.fifo ? '' : 'no '}FIFO`,
        );
      }
      this.queue = existing;
    }
    this.arn = this.queue.queueArn;
    this.environment = { [ENVIRONMENT.queueUrl]: this.queue.queueUrl };
    this.dimensions = {
      queue: { QueueName: this.queue.queueName },
      ...(this.deadLetters && { deadLetters: { QueueName: this.deadLetters.queueName } }),
    };
    this.outputs = {
      QueueUrl: this.queue.queueUrl,
      ...(this.deadLetters && { DeadLettersUrl: this.deadLetters.queueUrl }),
    };
  }

  /** Passes every message to `handler`. */
  feed(handler: PipelineFunction, { batchingWindow }: Pick<Reading, 'batchingWindow'>): void {
    const { batchSize, ungatheredBatchSize, reportsFailures } = this.#mapping;
    const gathers = batchSize > ungatheredBatchSize && batchingWindow.toSeconds() > 0;
    handler.addEventSource(
      new SqsEventSource(this.queue, {
        ...(gathers ? { batchSize, maxBatchingWindow: batchingWindow } : { batchSize: ungatheredBatchSize }),
        maxConcurrency: this.#concurrency,
        reportBatchItemFailures: reportsFailures,
      }),
    );
  }

  /** Lets the sweeper see whether any message waits, and how old it is. */
  allowLook(sweeper: PipelineFunction): void {
    sweeper.permit(['sqs:GetQueueAttributes'], this.queue.queueArn);
    // This action takes no resource.
    sweeper.permit(['cloudwatch:GetMetricStatistics'], '*');
  }

  grantPut(grantee: iam.IGrantable): iam.Grant {
    const sending = iam.Grant.addToPrincipal({
      grantee,
      actions: ['sqs:SendMessage'],
      resourceArns: [this.queue.queueArn],
    });
    const key = this.queue.encryptionMasterKey;
    return key === undefined
      ? sending
      : sending.combine(key.grant(grantee, 'kms:GenerateDataKey', 'kms:Decrypt'));
  }
}

/** What both queues have. */
const common = ({ source, key, removalPolicy }: SqsSourceProps): sqs.QueueProps => ({
  ...QUEUES[source.kind],
  ...(key
    ? { encryption: sqs.QueueEncryption.KMS, encryptionMasterKey: key }
    : { encryption: sqs.QueueEncryption.SQS_MANAGED }),
  enforceSSL: true,
  removalPolicy,
});

/** Returns the name of a queue with what follows it: that of a FIFO queue must end with `.fifo`. */
const named = ({ name, source }: SqsSourceProps, suffix = ''): { queueName?: string } =>
  name === undefined
    ? {}
    : { queueName: `${name.replace(/\.fifo$/, '')}${suffix}${QUEUES[source.kind].fifo ? '.fifo' : ''}` };

function deadLettersOf(scope: Construct, props: SqsSourceProps): sqs.Queue {
  return new sqs.Queue(scope, 'DeadLetters', {
    ...common(props),
    ...named(props, '-dead'),
    // A message of a standard queue keeps its age in the dead-letter queue.
    retentionPeriod: Duration.days(14),
    ...props.overrides?.deadLetters,
  });
}

function queueOf(scope: Construct, deadLetters: sqs.Queue, props: SqsSourceProps): sqs.Queue {
  return new sqs.Queue(scope, 'Queue', {
    ...common(props),
    ...named(props),
    retentionPeriod: Duration.days(4),
    // No other consumer sees the messages of a batch while it is gathered and tried.
    visibilityTimeout: Duration.seconds(6 * props.timeout.toSeconds() + props.batchingWindow.toSeconds()),
    deadLetterQueue: { queue: deadLetters, maxReceiveCount: MAPPINGS[props.source.kind].maxReceives },
    ...props.overrides?.queue,
  });
}
