import { Duration, type RemovalPolicy } from 'aws-cdk-lib';
import { SqsEventSource } from 'aws-cdk-lib/aws-lambda-event-sources';
import * as sqs from 'aws-cdk-lib/aws-sqs';
import { Construct } from 'constructs';
import type { QueueSource } from '../../src/pipeline/sources/sqs.ts';
import { ENVIRONMENT } from '../../src/wiring/names.ts';
import { FUNCTION_TIMEOUT, type PipelineFunction } from './pipeline-function.ts';
import type { Reading } from './stream-mapping.ts';

/** The most messages that Lambda passes at once where it gathers them. */
const GATHERED = 10_000;
/** The most messages that Lambda passes at once where it does not gather them, as for FIFO queues. */
const UNGATHERED = 10;

/** How each kind of queue is made and read. */
const QUEUES: { readonly [Kind in QueueSource<unknown>['kind']]: Queue } = {
  sqs: { settings: {}, gathers: true, concurrency: 2 },
  // By content, two equal readings would be one. So the sender has to say which messages of a FIFO queue are
  // the same.
  fifo: { settings: { fifo: true, contentBasedDeduplication: false }, gathers: false, concurrency: 10 },
};

interface Queue {
  readonly settings: sqs.QueueProps;
  /** Whether Lambda can gather messages for longer than it takes to receive a few. */
  readonly gathers: boolean;
  /**
   * How many batches are folded at once. As they meet in the same key groups, large batches run a few at a
   * time; batches of ten are worth running many at a time.
   */
  readonly concurrency: number;
}

/**
 * How often a message is received before it goes to the dead-letter queue. A handler deals with a faulty
 * message on its first receipt, so that only commits fail repeatedly, and this many tries outlast an outage
 * of ten hours.
 */
const MAX_RECEIVES = 100;

export interface SqsSourceProps {
  readonly source: QueueSource<unknown>;
  readonly batchingWindow: Duration;
  readonly removalPolicy: RemovalPolicy;
}

/**
 * A queue that keeps its messages for four days, and a dead-letter queue that keeps messages which could not
 * be processed for another ten.
 */
export class SqsSource extends Construct {
  readonly environment: { readonly [name: string]: string };
  readonly outputs: { readonly [name: string]: string };
  readonly #queue: sqs.Queue;
  readonly #reading: Queue;

  constructor(scope: Construct, id: string, { source, batchingWindow, removalPolicy }: SqsSourceProps) {
    super(scope, id);
    const common = {
      ...QUEUES[source.kind].settings,
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
      deadLetterQueue: { queue: deadLetters, maxReceiveCount: MAX_RECEIVES },
    });
    this.#reading = QUEUES[source.kind];
    this.environment = { [ENVIRONMENT.queueUrl]: this.#queue.queueUrl };
    this.outputs = { QueueUrl: this.#queue.queueUrl, DeadLettersUrl: deadLetters.queueUrl };
  }

  /** Passes every message to `handler`. */
  feed(handler: PipelineFunction, { batchingWindow }: Pick<Reading, 'batchingWindow'>): void {
    const { concurrency } = this.#reading;
    const gathers = this.#reading.gathers && batchingWindow.toSeconds() > 0;
    handler.addEventSource(
      new SqsEventSource(this.#queue, {
        ...(gathers ? { batchSize: GATHERED, maxBatchingWindow: batchingWindow } : { batchSize: UNGATHERED }),
        maxConcurrency: concurrency,
        reportBatchItemFailures: true,
      }),
    );
  }

  /** Lets the sweeper see whether any message waits, and how old it is. */
  allowLook(sweeper: PipelineFunction): void {
    sweeper.permit(['sqs:GetQueueAttributes'], this.#queue.queueArn);
    // This action takes no resource.
    sweeper.permit(['cloudwatch:GetMetricStatistics'], '*');
  }
}
