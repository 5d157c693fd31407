import { Validations } from 'aws-cdk-lib';
import type { IConstruct } from 'constructs';

/** A rule of cdk-nag that something in a stack breaks on purpose. */
export interface Acknowledgement {
  /** The rule without its pack, such as `S3BucketLoggingEnabled`. */
  readonly rule: string;
  /** How the path of the construct ends. */
  readonly on: RegExp;
  /** What the rule says it found, where it tells findings apart, such as `Resource::*`. */
  readonly finding?: RegExp;
  /** Why it is right so. */
  readonly reason: string;
}

const BUCKETS = /\/(Results|Failures|AccessLogs)\/Default\/Resource$/;
const KEEPING = /\/(Results|Failures)\/Default\/Resource$/;
const FUNCTIONS = /\/(Handler|Sweeper|Projector|Query|Check)\/Resource$/;
const POLICIES = /\/(Handler|Sweeper|Projector|Query|Check)Role\/DefaultPolicy\/Resource$/;
const INLINE = /\/((Handler|Sweeper|Projector|Query|Check)Role|EveryMinute\/Role)\/DefaultPolicy\/Resource$/;

/**
 * Every rule of the packs AwsSolutions, HIPAA.Security, NIST.800.53.R4, NIST.800.53.R5 and PCI.DSS.321 that a
 * pipeline's resources break, and why. What any of them breaks beside these is a fault.
 */
export const ACKNOWLEDGED: readonly Acknowledgement[] = [
  {
    rule: 'IAM5',
    on: POLICIES,
    finding: /^Resource::(?:arn:.+:s3:::)?<?[\w-]+(?:\.Arn)?>?\/(?:state|panes|poison|late)\/\*$/,
    reason:
      'A function reads and writes objects whose names it makes itself, under one prefix of one bucket: IAM can name the prefix alone.',
  },
  {
    rule: 'IAM5',
    on: POLICIES,
    finding: /^Resource::<Failures[0-9A-F]{8}\.Arn>\/\*$/,
    reason:
      'Lambda writes what it gave up with the rights of the function, under names of its own, in a bucket that holds nothing else.',
  },
  {
    rule: 'IAM5',
    on: POLICIES,
    finding: /^Resource::\*$/,
    reason:
      'These actions take no resource: dynamodb:ListStreams, cloudwatch:GetMetricStatistics, and those by which Lambda makes network interfaces, of which nobody knows the names.',
  },
  {
    rule: 'IAM5',
    on: /\/HandlerRole\/DefaultPolicy\/Resource$/,
    finding: /^Resource::arn:.+:kafka:.+:group\/.+\/\*$/,
    reason:
      'Lambda keeps its offsets in a consumer group of the id of the mapping, which is known only once the mapping is made.',
  },
  {
    rule: 'IAM5',
    on: POLICIES,
    finding: /^Action::kms:(?:ReEncrypt|GenerateDataKey)\*$/,
    reason:
      'Both stand for two actions of one kind each, on the one key of the pipeline: what DynamoDB asks of whoever uses a table.',
  },
  {
    rule: 'KDS3',
    on: /\/Stream\/Resource$/,
    reason:
      'The rule asks for the key of Kinesis, in the place of the key that the pipeline was told to use.',
  },
  {
    rule: 'IAMNoInlinePolicy',
    on: INLINE,
    reason:
      'The policy is of this one role and goes with it. A managed policy could be attached to others, whose rights would then change with this stack.',
  },
  {
    rule: 'S3BucketVersioningEnabled',
    on: BUCKETS,
    reason:
      'No object is ever written over: the bucket of results refuses it, Lambda draws names of its own for failures, and no role may delete. Versions would keep what was deleted for good at a person’s request.',
  },
  {
    rule: 'S3BucketDefaultLockEnabled',
    on: BUCKETS,
    reason:
      'A lock would forbid to delete what must be deleted at a person’s request, and restore, which moves objects that were taken back.',
  },
  {
    rule: 'S3BucketReplicationEnabled',
    on: BUCKETS,
    reason:
      'State and objects must be of one moment, and replication of a bucket beside a table is not. A second region reads the source itself.',
  },
  {
    rule: 'S3DefaultEncryptionKMS',
    on: KEEPING,
    reason: 'S3 encrypts with keys of its own.',
  },
  {
    rule: 'S3DefaultEncryptionKMS',
    on: /\/AccessLogs\/Default\/Resource$/,
    reason: 'S3 writes access logs only to a bucket that is encrypted with keys of its own.',
  },
  {
    rule: 'CloudWatchLogGroupEncrypted',
    on: /\/(Handler|Sweeper|Projector|Query|Check)Logs\/Resource$/,
    reason: 'CloudWatch encrypts logs with keys of its own, and no payload and no key is ever logged.',
  },
  {
    rule: 'DynamoDBInBackupPlan',
    on: /\/(State|Rows)\/Default\/Resource$/,
    reason:
      'Point-in-time recovery reaches back 35 days, to any second. The entries of a backup that is older have expired.',
  },
  {
    rule: 'LambdaConcurrency',
    on: FUNCTIONS,
    reason:
      'The mapping bounds how many run at once, by shards, partitions or its own setting. A reservation would take from what the account has for all.',
  },
  {
    rule: 'LambdaDLQ',
    on: FUNCTIONS,
    reason:
      'Mappings call the functions and wait for the answer, and keep failures in a bucket. The only event without an answer is the tick of a clock, and the next is a minute away.',
  },
  {
    rule: 'LambdaInsideVPC',
    on: FUNCTIONS,
    reason:
      'The functions call public endpoints of AWS alone, over TLS, with signatures. Nothing can call in, and there is nothing in a VPC for them to reach.',
  },
  {
    rule: 'SMG4',
    on: /\/PageSecret\/Resource$/,
    reason:
      'The secret signs marks of pages, which show nothing that the caller may not read. Another is made by deleting it and deploying again.',
  },
  {
    rule: 'SecretsManagerRotationEnabled',
    on: /\/PageSecret\/Resource$/,
    reason:
      'The secret signs marks of pages, which show nothing that the caller may not read. Another is made by deleting it and deploying again.',
  },
  {
    rule: 'SecretsManagerUsingKMSKey',
    on: /\/PageSecret\/Resource$/,
    reason: 'Secrets Manager encrypts with a key of its own.',
  },
  {
    rule: 'SQS3',
    on: /\/EveryMinute\/Lost\/Resource$/,
    reason: 'It is the dead-letter queue of the schedules, which the rule knows of queues alone.',
  },
  {
    rule: 'SQS3',
    on: /\/Sink\w+\/Queue\/Resource$/,
    reason:
      'Whoever reads the queue says when a message has failed, and where it goes then: the projector only sends.',
  },
];

/** A pack of rules of cdk-nag, version 3, such as `new AwsSolutionsChecks(app)`. */
export interface RulePack {
  /** Reports what breaks its rules in a scope. */
  validateScope(scope: IConstruct): {
    readonly violations: readonly {
      readonly ruleName: string;
      readonly violatingResources: readonly { readonly constructPath?: string }[];
    }[];
  };
}

/** Something that breaks a rule. */
export interface Finding {
  /** The rule with its pack, and what it found where it tells findings apart. */
  readonly rule: string;
  /** The path of the construct. */
  readonly path: string;
}

/** Returns what a pack reports of a scope, one finding for each rule and construct. */
export const findingsOf = (scope: IConstruct, pack: RulePack): readonly Finding[] =>
  pack
    .validateScope(scope)
    .violations.flatMap(({ ruleName, violatingResources }) =>
      violatingResources.map(({ constructPath = '' }) => ({ rule: ruleName, path: constructPath })),
    );

/** Returns the acknowledgements of a finding: one, or none where it is a fault. */
export const acknowledgementsOf = ({ rule, path }: Finding): readonly Acknowledgement[] => {
  const [, name, finding = ''] = /^[\w.]+-(\w+)(?:\[(.*)\])?$/.exec(rule) ?? [];
  return ACKNOWLEDGED.filter(
    (one) => one.rule === name && one.on.test(path) && (one.finding?.test(finding) ?? finding === ''),
  );
};

/**
 * Acknowledges, with its reason, each rule of a pack that the resources of pipelines break on purpose. Call it when
 * everything in the scope is made. What is not acknowledged so, the pack reports as ever.
 *
 * @param scope a stack, or the app
 * @param pack the pack of cdk-nag 3 that is then added to the app
 */
export function acknowledgeFindings(scope: IConstruct, pack: RulePack): void {
  const byPath = new Map(scope.node.findAll().map((construct) => [construct.node.path, construct]));
  for (const finding of findingsOf(scope, pack)) {
    const construct = byPath.get(finding.path);
    const [acknowledgement] = acknowledgementsOf(finding);
    if (construct === undefined || acknowledgement === undefined) continue;
    Validations.of(construct).acknowledge({ id: finding.rule, reason: acknowledgement.reason });
  }
}
