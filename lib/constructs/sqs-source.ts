import { Duration, type RemovalPolicy } from 'aws-cdk-lib';
import { SqsEventSource } from 'aws-cdk-lib/aws-lambda-event-sources';
import * as sqs from 'aws-cdk-lib/aws-sqs';
import { Construct } from 'constructs';
import type { QueueSource } from '../../src/pipeline/source.ts';
import { ENVIRONMENT } from '../../src/wiring/names.ts';
import { FUNCTION_TIMEOUT, type PipelineFunction } from './pipeline-function.ts';
import type { Reading } from './stream-mapping.ts';

/** The most that Lambda hands over at once where it gathers messages, and where it does not, as for FIFO queues. */
const GATHERED = 10_000;
const UNGATHERED = 10;

/** How each kind of queue is made and read. */
const QUEUES: { readonly [Kind in QueueSource<unknown>['kind']]: Queue } = {
  sqs: { settings: {}, gathers: true, concurrency: 2 },
  // By content two equal readings would be one: a FIFO queue is to be told which are the same.
  fifo: { settings: { fifo: true, contentBasedDeduplication: false }, gathers: false, concurrency: 10 },
};

interface Queue {
  readonly settings: sqs.QueueProps;
  /** Whether Lambda can gather messages for longer than it takes to receive some. */
  readonly gathers: boolean;
  /** Batches that are folded at once meet in the same key groups: few large ones, but many of ten, are worth it. */
  readonly concurrency: number;
}

/**
 * Receives before a message is set aside. What is wrong with a message itself is dealt with when it is first received:
 * what fails is the commit, and this many tries outlast an outage of ten hours.
 */
const MAX_RECEIVES = 100;

export interface SqsSourceProps {
  readonly source: QueueSource<unknown>;
  readonly batchingWindow: Duration;
  readonly removalPolicy: RemovalPolicy;
}

/** A queue, its messages kept for four days, and one for those that could not be taken, kept for another ten. */
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
    // A standard queue's message keeps its age there.
    const deadLetters = new sqs.Queue(this, 'DeadLetters', { ...common, retentionPeriod: Duration.days(14) });
    this.#queue = new sqs.Queue(this, 'Queue', {
      ...common,
      retentionPeriod: Duration.days(4),
      // While a batch is gathered and tried, no other consumer sees it.
      visibilityTimeout: Duration.seconds(6 * FUNCTION_TIMEOUT.toSeconds() + batchingWindow.toSeconds()),
      deadLetterQueue: { queue: deadLetters, maxReceiveCount: MAX_RECEIVES },
    });
    this.#reading = QUEUES[source.kind];
    this.environment = { [ENVIRONMENT.queueUrl]: this.#queue.queueUrl };
    this.outputs = { QueueUrl: this.#queue.queueUrl, DeadLettersUrl: deadLetters.queueUrl };
  }

  /** Hands every message to `handler`. */
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

  /** Lets the sweeper see whether anything waits, and how old it is. */
  allowLook(sweeper: PipelineFunction): void {
    sweeper.permit(['sqs:GetQueueAttributes'], this.#queue.queueArn);
    // It takes no resource.
    sweeper.permit(['cloudwatch:GetMetricStatistics'], '*');
  }
}
