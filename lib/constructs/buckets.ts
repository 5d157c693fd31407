import { Duration } from 'aws-cdk-lib';
import * as iam from 'aws-cdk-lib/aws-iam';
import * as s3 from 'aws-cdk-lib/aws-s3';
import { Construct } from 'constructs';
import { LATE_PREFIX, PANES_PREFIX, STATE_PREFIX } from '../../src/wiring/names.ts';
import type { PipelineFunction } from './pipeline-function.ts';
import type { AnyBucket, Kept } from './settings.ts';
import { RECOVERY_DAYS } from './tables.ts';

/**
 * For how many days bodies of entries are kept. It is the time by which the state table can be taken back,
 * the eight days that an entry lives, the day by which an object may be older than its entry, and a week to
 * take the table back and have everything renewed.
 */
const STATE_DAYS = RECOVERY_DAYS + 8 + 1 + 7;

/** For how many days late records are kept, to be looked at and redriven. Refused records are kept for good. */
const LATE_DAYS = 90;

export interface BucketProps extends Kept {
  /** The bucket that is used; without it, the construct makes one. */
  readonly existing?: AnyBucket | undefined;
  readonly overrides?: s3.BucketProps | undefined;
}

/** A bucket of a pipeline: one that is made, closed to the public and to plain HTTP, or one that is brought. */
class PipelineBucket extends Construct {
  readonly bucket: s3.IBucket;
  readonly bucketName: string;
  readonly bucketArn: string;

  constructor(
    scope: Construct,
    id: string,
    { removalPolicy, key, name, existing, overrides }: BucketProps,
    props: s3.BucketProps = {},
  ) {
    super(scope, id);
    // CDK's class does not match its own interface under exactOptionalPropertyTypes.
    this.bucket = (existing ??
      new s3.Bucket(this, 'Default', {
        blockPublicAccess: s3.BlockPublicAccess.BLOCK_ALL,
        ...(key
          ? { encryption: s3.BucketEncryption.KMS, encryptionKey: key, bucketKeyEnabled: true }
          : { encryption: s3.BucketEncryption.S3_MANAGED }),
        enforceSSL: true,
        objectOwnership: s3.ObjectOwnership.BUCKET_OWNER_ENFORCED,
        ...(name !== undefined && { bucketName: name }),
        ...props,
        removalPolicy,
        ...overrides,
      })) as s3.IBucket;
    this.bucketName = this.bucket.bucketName;
    this.bucketArn = this.bucket.bucketArn;
  }

  arnForObjects(pattern: string): string {
    return this.bucket.arnForObjects(pattern);
  }
}

/**
 * The bucket that receives what Lambda gave up. Lambda itself writes to it, and never sends the header that the bucket
 * of results demands.
 */
export class FailuresBucket extends PipelineBucket {}

/**
 * The bucket of panes, of refused and of late records, and of large bodies of entries.
 *
 * The objects of one that is made never change once written: it refuses every write without `If-None-Match`, from
 * anyone. One that is brought has the policies and lifecycle rules of its owner.
 *
 * It also refuses multipart uploads and copies, as they cannot begin with that header. The condition
 * `s3:ObjectCreationOperation` would let them through; nothing here is large enough to need it.
 * https://docs.aws.amazon.com/AmazonS3/latest/userguide/conditional-writes-enforce.html
 */
export class ResultsBucket extends PipelineBucket {
  constructor(scope: Construct, id: string, props: BucketProps) {
    super(scope, id, props, {
      lifecycleRules: [
        // The body of an entry is useless once no table has the entry any more; the body of an append that lost
        // always is.
        { prefix: STATE_PREFIX, expiration: Duration.days(STATE_DAYS) },
        { prefix: LATE_PREFIX, expiration: Duration.days(LATE_DAYS) },
      ],
    });
    if (props.existing !== undefined) return;
    this.bucket.addToResourcePolicy(
      new iam.PolicyStatement({
        sid: 'CreateOnly',
        effect: iam.Effect.DENY,
        principals: [new iam.AnyPrincipal()],
        actions: ['s3:PutObject'],
        resources: [this.arnForObjects('*')],
        conditions: { Null: { 's3:if-none-match': 'true' } },
      }),
    );
  }

  /** Lets a function write panes, and read what it wrote. */
  allowWritePanes(projector: PipelineFunction): void {
    projector.permit(['s3:PutObject', 's3:GetObject'], this.arnForObjects(`${PANES_PREFIX}*`));
    // With this permission S3 answers 404, not 403, for an object that does not exist.
    projector.permit(['s3:ListBucket'], this.bucketArn);
  }

  /** Lets a principal list and get the objects of panes, and no others. */
  grantReadPanes(grantee: iam.IGrantable): iam.Grant {
    const listing = iam.Grant.addToPrincipal({
      grantee,
      actions: ['s3:ListBucket'],
      resourceArns: [this.bucketArn],
      conditions: { StringLike: { 's3:prefix': `${PANES_PREFIX}*` } },
    });
    const getting = iam.Grant.addToPrincipal({
      grantee,
      actions: ['s3:GetObject'],
      resourceArns: [this.arnForObjects(`${PANES_PREFIX}*`)],
    });
    return listing.combine(getting);
  }
}
