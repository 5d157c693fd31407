import type { Duration, RemovalPolicy } from 'aws-cdk-lib';
import type * as dynamodb from 'aws-cdk-lib/aws-dynamodb';
import type * as ec2 from 'aws-cdk-lib/aws-ec2';
import type * as iam from 'aws-cdk-lib/aws-iam';
import type * as kinesis from 'aws-cdk-lib/aws-kinesis';
import type * as kms from 'aws-cdk-lib/aws-kms';
import type * as lambda from 'aws-cdk-lib/aws-lambda';
import type * as logs from 'aws-cdk-lib/aws-logs';
import type * as s3 from 'aws-cdk-lib/aws-s3';
import type * as sqs from 'aws-cdk-lib/aws-sqs';
import type { IDependable } from 'constructs';
import type { Role } from '../bundle.ts';

// CDK's classes do not match its own interfaces under exactOptionalPropertyTypes, hence both.
export type AnyTable = dynamodb.ITable | dynamodb.Table;
export type AnyBucket = s3.IBucket | s3.Bucket;
type AnyVpc = ec2.IVpc | ec2.Vpc;

/**
 * What exists already, and is used instead of being made. Nothing of it is changed but by grants: policies of the
 * pipeline's own roles, and of the key where it demands them.
 */
export interface ExistingResources {
  /** The stream of a `kinesis()` whose definition names none. */
  readonly stream?: kinesis.IStream;
  /** The queue of an `sqs()`; what becomes of messages that fail too often is its owner's. */
  readonly queue?: sqs.IQueue;
  /** The table of the commit logs: with the keys `pk`, a text, and `sk`, a number, a stream, and expiry by `ttl`. */
  readonly stateTable?: AnyTable;
  /** The table of rows: with the keys `pk` and `sk`, both texts. */
  readonly rowsTable?: AnyTable;
  readonly resultsBucket?: AnyBucket;
  readonly failuresBucket?: AnyBucket;
  /** The key that encrypts all that is made and keeps data. Default: keys of AWS's own. */
  readonly key?: kms.IKey;
  /** The network that the functions run in. Default: none. */
  readonly network?: Network;
  /** The roles of functions. Default: each has one of its own. */
  readonly roles?: { readonly [Of in Role]?: iam.IRole };
}

export interface Network {
  readonly vpc: AnyVpc;
  /** Default: the private subnets with a way out. */
  readonly subnets?: ec2.SubnetSelection;
  /** Default: one is made for each function, which lets nothing in. */
  readonly securityGroups?: readonly ec2.ISecurityGroup[];
  /** The `PipelineEndpoints` by which functions reach what they call, where they have no other way. */
  readonly endpoints?: IDependable & { readonly environment: { readonly [name: string]: string } };
}

/** What is a function's own: its code, and what the pipeline settles. */
type Settled = 'code' | 'handler' | 'role' | 'vpc' | 'vpcSubnets' | 'securityGroups';

export type FunctionOverrides = Partial<Omit<lambda.FunctionProps, Settled>>;

/** Properties of what is made, which replace those of Millrace. What they make of it is checked as the app is synthesized. */
export interface Overrides {
  readonly stream?: kinesis.StreamProps;
  readonly queue?: sqs.QueueProps;
  readonly deadLetters?: sqs.QueueProps;
  readonly state?: Partial<dynamodb.TableProps>;
  readonly rows?: Partial<dynamodb.TableProps>;
  readonly results?: s3.BucketProps;
  readonly failures?: s3.BucketProps;
  readonly handler?: FunctionOverrides;
  readonly sweeper?: FunctionOverrides;
  readonly projector?: FunctionOverrides;
  readonly query?: FunctionOverrides;
  readonly check?: FunctionOverrides;
}

/** Names of what is made. Default: CloudFormation's, by which a change that replaces a resource can be deployed. */
export interface Names {
  readonly stream?: string;
  /** The queue; its dead-letter queue is called the same with `-dead` behind it. */
  readonly queue?: string;
  readonly stateTable?: string;
  readonly rowsTable?: string;
  readonly resultsBucket?: string;
  readonly failuresBucket?: string;
  /** The functions are called by it and their role, such as `orders-handler`. */
  readonly functions?: string;
}

/** What holds for all functions. */
export interface FunctionSettings {
  readonly timeout: Duration;
  readonly architecture: lambda.Architecture;
  readonly logRetention: logs.RetentionDays;
  readonly network: Network | undefined;
  /** The key that encrypts log groups, which CloudWatch must be allowed to use. Default: one of CloudWatch's own. */
  readonly logKey: kms.IKey | undefined;
}

/** How a part keeps what it is given. */
export interface Kept {
  readonly removalPolicy: RemovalPolicy;
  readonly key?: kms.IKey | undefined;
  readonly name?: string | undefined;
}
