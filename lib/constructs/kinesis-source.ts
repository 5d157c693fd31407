import type { RemovalPolicy } from 'aws-cdk-lib';
import * as kinesis from 'aws-cdk-lib/aws-kinesis';
import { KinesisEventSource } from 'aws-cdk-lib/aws-lambda-event-sources';
import { Construct } from 'constructs';
import type { KinesisSource as Stream } from '../../src/pipeline/source.ts';
import { ENVIRONMENT } from '../../src/wiring/names.ts';
import type { PipelineFunction } from './pipeline-function.ts';
import { type Reading, readingInOrder } from './stream-mapping.ts';

/** The most records that Lambda passes at once. Usually its limit of 6 MB of payload comes first. */
const BATCH_SIZE = 10_000;

export interface KinesisSourceProps {
  readonly source: Stream<unknown>;
  readonly removalPolicy: RemovalPolicy;
}

/** A data stream that keeps its records for 24 hours. */
export class KinesisSource extends Construct {
  readonly environment: { readonly [name: string]: string };
  readonly outputs: { readonly [name: string]: string };
  readonly #stream: kinesis.Stream;

  constructor(scope: Construct, id: string, { source, removalPolicy }: KinesisSourceProps) {
    super(scope, id);
    this.#stream = new kinesis.Stream(this, 'Stream', {
      // A provisioned stream always honours partition keys. An on-demand stream would need
      // RecordDistributionStrategy USER_PARTITION_KEY for that, a property that a provisioned stream does not
      // take.
      streamMode: kinesis.StreamMode.PROVISIONED,
      shardCount: source.shards,
      encryption: kinesis.StreamEncryption.MANAGED,
      removalPolicy,
    });
    this.environment = { [ENVIRONMENT.stream]: this.#stream.streamName };
    this.outputs = { StreamName: this.#stream.streamName };
  }

  /** Passes every record to `handler`. */
  feed(handler: PipelineFunction, reading: Reading): void {
    handler.addEventSource(
      new KinesisEventSource(this.#stream, { ...readingInOrder(reading), batchSize: BATCH_SIZE }),
    );
  }

  /** Lets the sweeper see which records no handler has read yet. */
  allowLook(sweeper: PipelineFunction): void {
    sweeper.permit(
      ['kinesis:ListShards', 'kinesis:GetShardIterator', 'kinesis:GetRecords'],
      this.#stream.streamArn,
    );
  }
}
