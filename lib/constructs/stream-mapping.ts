import { Duration } from 'aws-cdk-lib';
import * as iam from 'aws-cdk-lib/aws-iam';
import * as lambda from 'aws-cdk-lib/aws-lambda';
import type { StreamEventSourceProps } from 'aws-cdk-lib/aws-lambda-event-sources';
import type { MAPPINGS } from '../../src/wiring/mappings.ts';

export interface Reading {
  /** For how long Lambda gathers records before it invokes the function. */
  readonly batchingWindow: Duration;
  /**
   * The bucket that receives, whole, the records that the stream dropped before a handler could take them.
   */
  readonly failures: { readonly bucketArn: string; arnForObjects(pattern: string): string };
}

/**
 * Reads a stream from its oldest record, in order, and retries until a batch succeeds or the stream drops it.
 */
export const readingInOrder = (
  {
    batchSize,
    reportsFailures,
    bisects,
    maxRetries,
    maxAge,
  }: (typeof MAPPINGS)['kinesis' | 'dynamodb' | 'state'],
  { batchingWindow, failures }: Reading,
) =>
  ({
    startingPosition: lambda.StartingPosition.TRIM_HORIZON,
    maxBatchingWindow: batchingWindow,
    parallelizationFactor: 1,
    batchSize,
    reportBatchItemFailures: reportsFailures,
    bisectBatchOnError: bisects,
    // −1 retries without end. So does the maximum age of a record, which CDK cannot express but has as its
    // default.
    retryAttempts: Number.isFinite(maxRetries) ? maxRetries : -1,
    ...(Number.isFinite(maxAge) && { maxRecordAge: Duration.millis(maxAge) }),
    onFailure: failuresTo(failures),
  }) satisfies StreamEventSourceProps;

/** CDK's own S3 destination would let the function read, change and delete the objects of the bucket. */
const failuresTo = (bucket: Reading['failures']): lambda.IEventSourceDlq => ({
  bind: (_, target) => {
    target.addToRolePolicy(
      new iam.PolicyStatement({ actions: ['s3:ListBucket'], resources: [bucket.bucketArn] }),
    );
    target.addToRolePolicy(
      new iam.PolicyStatement({ actions: ['s3:PutObject'], resources: [bucket.arnForObjects('*')] }),
    );
    return { destination: bucket.bucketArn };
  },
});
