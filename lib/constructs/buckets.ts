import { Duration, Stack } from 'aws-cdk-lib';
import * as iam from 'aws-cdk-lib/aws-iam';
import * as s3 from 'aws-cdk-lib/aws-s3';
import { Construct } from 'constructs';
import { LATE_PREFIX, PANES_PREFIX, POISON_PREFIX, STATE_PREFIX } from '../../src/wiring/names.ts';
import type { PipelineFunction } from './pipeline-function.ts';
import type { AnyBucket, Kept } from './settings.ts';
import { RECOVERY_DAYS } from './tables.ts';

/**
 * For how many days bodies of entries are kept. It is the time by which the state table can be taken back,
 * the eight days that an entry lives, the day by which an object may be older than its entry, and a week to
 * take the table back and have everything renewed.
 */
const STATE_DAYS = RECOVERY_DAYS + 8 + 1 + 7;

/** For how many days late records are kept, to be looked at and redriven. */
const LATE_DAYS = 90;

/** For how many days records are kept that were refused, or that Lambda gave up: until somebody has surely looked. */
const REFUSED_DAYS = 365;

/** For how many days it is kept who asked for which object. */
const ACCESS_DAYS = 90;

/** Parts of an upload that was never finished are of no object, and are billed. */
const NO_PARTS = { abortIncompleteMultipartUploadAfter: Duration.days(1) };

export interface BucketProps extends Kept {
  /** The bucket that is used; without it, the construct makes one. */
  readonly existing?: AnyBucket | undefined;
  readonly overrides?: s3.BucketProps | undefined;
  /** Where S3 writes who asked for which object; without it, nowhere. */
  readonly accessLogs?: AnyBucket | undefined;
}

/** A bucket of a pipeline: one that is made, closed to the public and to plain HTTP, or one that is brought. */
class PipelineBucket extends Construct {
  readonly bucket: s3.IBucket;
  readonly bucketName: string;
  readonly bucketArn: string;

  constructor(
    scope: Construct,
    id: string,
    { removalPolicy, key, name, existing, overrides, accessLogs }: BucketProps,
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
    // CDK's own property writes an access control list, which the other bucket refuses, unless the app sets a flag.
    const made = existing === undefined && this.bucket.node.defaultChild;
    if (accessLogs && made instanceof s3.CfnBucket && made.loggingConfiguration === undefined)
      made.loggingConfiguration = { destinationBucketName: accessLogs.bucketName, logFilePrefix: `${id}/` };
  }

  arnForObjects(pattern: string): string {
    return this.bucket.arnForObjects(pattern);
  }
}

/**
 * The bucket that receives what Lambda gave up. Lambda itself writes to it, and never sends the header that the bucket
 * of results demands.
 */
export class FailuresBucket extends PipelineBucket {
  constructor(scope: Construct, id: string, props: BucketProps) {
    super(scope, id, props, {
      lifecycleRules: [{ expiration: Duration.days(REFUSED_DAYS), ...NO_PARTS }],
    });
  }
}

/**
 * The bucket to which S3 writes who asked for which object of a pipeline's buckets, for 90 days. The lines name objects,
 * whose names hold no key and no payload. S3 writes them to a bucket of its own keys alone.
 */
export class AccessLogsBucket extends PipelineBucket {
  constructor(scope: Construct, id: string, { removalPolicy }: Pick<BucketProps, 'removalPolicy'>) {
    super(
      scope,
      id,
      { removalPolicy },
      { lifecycleRules: [{ expiration: Duration.days(ACCESS_DAYS), ...NO_PARTS }] },
    );
  }

  /** Lets S3 write the access logs of these buckets, and of no others. */
  allowLogsOf(...buckets: readonly PipelineBucket[]): void {
    this.bucket.addToResourcePolicy(
      new iam.PolicyStatement({
        sid: 'AccessLogs',
        principals: [new iam.ServicePrincipal('logging.s3.amazonaws.com')],
        actions: ['s3:PutObject'],
        resources: [this.arnForObjects('*')],
        conditions: {
          ArnEquals: { 'aws:SourceArn': buckets.map(({ bucketArn }) => bucketArn) },
          StringEquals: { 'aws:SourceAccount': Stack.of(this).account },
        },
      }),
    );
  }
}

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
        { prefix: POISON_PREFIX, expiration: Duration.days(REFUSED_DAYS) },
        NO_PARTS,
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
