import type * as dynamodb from 'aws-cdk-lib/aws-dynamodb';
import type * as iam from 'aws-cdk-lib/aws-iam';
import type { PipelineFunction } from './pipeline-function.ts';
import type { Reading } from './stream-mapping.ts';

/** By which dimensions CloudWatch has the figures of what a source reads. */
export type SourceDimensions = {
  readonly [Of in 'queue' | 'deadLetters' | 'stream' | 'broker']?: { readonly [dimension: string]: string };
};

/** Where a pipeline's records come from, as a part of its stack. */
export interface SourcePart {
  /** The variables of every function of the pipeline. */
  readonly environment: { readonly [name: string]: string };
  readonly outputs: { readonly [name: string]: string };
  /** Whether the handler is called once a minute as well, for what no event announces. */
  readonly readsByTheClock?: boolean;
  /** Where CloudWatch has figures of what is read, as far as alarms need any. */
  readonly dimensions?: SourceDimensions;
  /** What batches come with as the source of their records: the ARN of a stream or a queue, where it has one. */
  readonly arn?: string;
  /** Passes every record to `handler`. */
  feed(handler: PipelineFunction, reading: Reading): void;
  /** Returns the variables by which the sweeper looks at what the handler reads, where it needs any. */
  lookingBy?(handler: PipelineFunction): { readonly [name: string]: string };
  /** Lets the sweeper see what waits. */
  allowLook(sweeper: PipelineFunction): void;
  /** @throws RangeError when the source is one of these tables, which the pipeline writes */
  checkWritten?(tables: readonly dynamodb.ITable[]): void;
  /**
   * Lets a principal put records into the source.
   *
   * @throws RangeError when no policy of IAM can allow that
   */
  grantPut(grantee: iam.IGrantable): iam.Grant;
}
