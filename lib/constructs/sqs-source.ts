import { Duration, type RemovalPolicy } from 'aws-cdk-lib';
import * as iam from 'aws-cdk-lib/aws-iam';
import { SqsEventSource } from 'aws-cdk-lib/aws-lambda-event-sources';
import * as sqs from 'aws-cdk-lib/aws-sqs';
import { Construct } from 'constructs';
import type { QueueSource } from '../../src/pipeline/sources/sqs.ts';
import { MAPPINGS } from '../../src/wiring/mappings.ts';
import { ENVIRONMENT } from '../../src/wiring/names.ts';
import { FUNCTION_TIMEOUT, type PipelineFunction } from './pipeline-function.ts';
import type { SourcePart } from './source.ts';
import type { Reading } from './stream-mapping.ts';

/** How each kind of queue is made. */
const QUEUES: { readonly [Kind in QueueSource<unknown>['kind']]: sqs.QueueProps } = {
  sqs: {},
  // By content, two equal readings would be one. So the sender has to say which messages of a FIFO queue are
  // the same.
  fifo: { fifo: true, contentBasedDeduplication: false },
};

export interface SqsSourceProps {
  readonly source: QueueSource<unknown>;
  readonly batchingWindow: Duration;
  readonly removalPolicy: RemovalPolicy;
}

/**
 * A queue that keeps its messages for four days, and a dead-letter queue that keeps messages which could not
 * be processed for another ten.
 */
export class SqsSource extends Construct implements SourcePart {
  readonly environment: { readonly [name: string]: string };
  readonly outputs: { readonly [name: string]: string };
  readonly #queue: sqs.Queue;
  readonly #mapping: (typeof MAPPINGS)[QueueSource<unknown>['kind']];

  constructor(scope: Construct, id: string, { source, batchingWindow, removalPolicy }: SqsSourceProps) {
    super(scope, id);
    const common = {
      ...QUEUES[source.kind],
      encryption: sqs.QueueEncryption.SQS_MANAGED,
      enforceSSL: true,
      removalPolicy,
    };
    // A message of a standard queue keeps its age in the dead-letter queue.
    const deadLetters = new sqs.Queue(this, 'DeadLetters', { ...common, retentionPeriod: Duration.days(14) });
    this.#queue = new sqs.Queue(this, 'Queue', {
      ...common,
      retentionPeriod: Duration.days(4),
      // No other consumer sees the messages of a batch while it is gathered and tried.
      visibilityTimeout: Duration.seconds(6 * FUNCTION_TIMEOUT.toSeconds() + batchingWindow.toSeconds()),
      deadLetterQueue: { queue: deadLetters, maxReceiveCount: MAPPINGS[source.kind].maxReceives },
    });
    this.#mapping = MAPPINGS[source.kind];
    this.environment = { [ENVIRONMENT.queueUrl]: this.#queue.queueUrl };
    this.outputs = { QueueUrl: this.#queue.queueUrl, DeadLettersUrl: deadLetters.queueUrl };
  }

  /** Passes every message to `handler`. */
  feed(handler: PipelineFunction, { batchingWindow }: Pick<Reading, 'batchingWindow'>): void {
    const { batchSize, ungatheredBatchSize, concurrency, reportsFailures } = this.#mapping;
    const gathers = batchSize > ungatheredBatchSize && batchingWindow.toSeconds() > 0;
    handler.addEventSource(
      new SqsEventSource(this.#queue, {
        ...(gathers ? { batchSize, maxBatchingWindow: batchingWindow } : { batchSize: ungatheredBatchSize }),
        maxConcurrency: concurrency,
        reportBatchItemFailures: reportsFailures,
      }),
    );
  }

  /** Lets the sweeper see whether any message waits, and how old it is. */
  allowLook(sweeper: PipelineFunction): void {
    sweeper.permit(['sqs:GetQueueAttributes'], this.#queue.queueArn);
    // This action takes no resource.
    sweeper.permit(['cloudwatch:GetMetricStatistics'], '*');
  }

  grantPut(grantee: iam.IGrantable): iam.Grant {
    return iam.Grant.addToPrincipal({
      grantee,
      actions: ['sqs:SendMessage'],
      resourceArns: [this.#queue.queueArn],
    });
  }
}
