import type { RemovalPolicy } from 'aws-cdk-lib';
import * as kinesis from 'aws-cdk-lib/aws-kinesis';
import { KinesisEventSource } from 'aws-cdk-lib/aws-lambda-event-sources';
import { Construct } from 'constructs';
import type { KinesisSource as Stream } from '../../src/pipeline/source.ts';
import { ENVIRONMENT } from '../../src/wiring/names.ts';
import type { PipelineFunction } from './pipeline-function.ts';
import { type Reading, readingInOrder } from './stream-mapping.ts';

/** The most that Lambda hands over at once; 6 MB of payload usually come first. */
const BATCH_SIZE = 10_000;

export interface KinesisSourceProps {
  readonly source: Stream<unknown>;
  readonly removalPolicy: RemovalPolicy;
}

/** A data stream, its records kept for 24 hours. */
export class KinesisSource extends Construct {
  readonly environment: { readonly [name: string]: string };
  readonly outputs: { readonly [name: string]: string };
  readonly #stream: kinesis.Stream;

  constructor(scope: Construct, id: string, { source, removalPolicy }: KinesisSourceProps) {
    super(scope, id);
    this.#stream = new kinesis.Stream(this, 'Stream', {
      // Provisioned streams always honour partition keys. An on-demand one would also have to be told so, by
      // RecordDistributionStrategy USER_PARTITION_KEY, a property that provisioned ones do not take.
      streamMode: kinesis.StreamMode.PROVISIONED,
      shardCount: source.shards,
      encryption: kinesis.StreamEncryption.MANAGED,
      removalPolicy,
    });
    this.environment = { [ENVIRONMENT.stream]: this.#stream.streamName };
    this.outputs = { StreamName: this.#stream.streamName };
  }

  /** Hands every record to `handler`. */
  feed(handler: PipelineFunction, reading: Reading): void {
    handler.addEventSource(
      new KinesisEventSource(this.#stream, { ...readingInOrder(reading), batchSize: BATCH_SIZE }),
    );
  }

  /** Lets the sweeper see what no handler has read yet. */
  allowLook(sweeper: PipelineFunction): void {
    sweeper.permit(
      ['kinesis:ListShards', 'kinesis:GetShardIterator', 'kinesis:GetRecords'],
      this.#stream.streamArn,
    );
  }
}
