import type { Duration } from 'aws-cdk-lib';
import * as iam from 'aws-cdk-lib/aws-iam';
import * as lambda from 'aws-cdk-lib/aws-lambda';
import type { StreamEventSourceProps } from 'aws-cdk-lib/aws-lambda-event-sources';
import type { IConstruct } from 'constructs';
import type { PrivateBucket } from './buckets.ts';

export interface Reading {
  /** How long Lambda gathers records before it calls. */
  readonly batchingWindow: Duration;
  /** Receives, whole, what the stream let go of before a handler could take it. */
  readonly failures: PrivateBucket;
}

/** How a stream is read: from its oldest record, in order, and again until it succeeds or the stream lets go of it. */
export const readingInOrder = ({ batchingWindow, failures }: Reading) =>
  ({
    startingPosition: lambda.StartingPosition.TRIM_HORIZON,
    maxBatchingWindow: batchingWindow,
    parallelizationFactor: 1,
    reportBatchItemFailures: true,
    bisectBatchOnError: true,
    // Without end. So is the age of a record, which CDK cannot spell but has for its default.
    retryAttempts: -1,
    onFailure: failuresTo(failures),
  }) satisfies StreamEventSourceProps;

/** CDK's own S3 destination would let the function read, change and delete what lies there. */
const failuresTo = (bucket: PrivateBucket): lambda.IEventSourceDlq => ({
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

/** What is wrong with the mappings of a scope. Unless a mapping says so, Lambda ignores which records a handler refused. */
export const mappingFaults = (scope: IConstruct): string[] =>
  scope.node
    .findAll()
    .filter((construct) => construct instanceof lambda.CfnEventSourceMapping)
    .map(({ node, functionResponseTypes = [] }) => ({ path: node.path, responses: functionResponseTypes }))
    .filter(({ responses }) => !responses.includes('ReportBatchItemFailures'))
    .map(
      ({ path, responses }) =>
        `Cannot map "${path}" as a mapping must set ReportBatchItemFailures: it sets [${responses.join(', ')}]`,
    );
