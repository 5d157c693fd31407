import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { App, Duration, Stack } from 'aws-cdk-lib';
import { Match, Template } from 'aws-cdk-lib/assertions';
import * as dynamodb from 'aws-cdk-lib/aws-dynamodb';
import * as ec2 from 'aws-cdk-lib/aws-ec2';
import * as iam from 'aws-cdk-lib/aws-iam';
import * as kinesis from 'aws-cdk-lib/aws-kinesis';
import * as kms from 'aws-cdk-lib/aws-kms';
import * as lambda from 'aws-cdk-lib/aws-lambda';
import * as logs from 'aws-cdk-lib/aws-logs';
import * as s3 from 'aws-cdk-lib/aws-s3';
import * as sqs from 'aws-cdk-lib/aws-sqs';
import { afterAll, describe, expect, it } from 'vitest';
import { flights } from '../../functions/flights/pipeline.ts';
import { MillracePipeline, type MillracePipelineProps } from '../../lib/millrace-pipeline.ts';
import { bucket, kinesis as kinesisSource, type Pipeline, sqs as sqsSource, table } from '../../src/index.ts';
import { permissionsOf, plain } from './permissions.ts';
import { writeEntry } from './stack-entry.ts';

const scratch = mkdtempSync(join(tmpdir(), 'millrace-existing-'));
afterAll(() => rmSync(scratch, { recursive: true }));
const entry = writeEntry(join(scratch, 'flights'), 'flights').folder;

const arn = (service: string, name: string) => `arn:aws:${service}:us-east-1:123456789012:${name}`;
const KEY = arn('kms', 'key/1234abcd-12ab-34cd-56ef-1234567890ab');
const newStack = () =>
  new Stack(new App({ context: { 'aws:cdk:bundling-stacks': [] } }), 'Plant', {
    env: { account: '123456789012', region: 'us-east-1' },
  });

interface Deployed {
  readonly pipeline?: Partial<Pipeline>;
  readonly props?: (stack: Stack) => Partial<MillracePipelineProps>;
}

function deployed({ pipeline = {}, props = () => ({}) }: Deployed): Template {
  const stack = newStack();
  new MillracePipeline(stack, 'It', {
    pipeline: { ...flights, ...pipeline },
    entry,
    alarms: 'none',
    ...props(stack),
  });
  return Template.fromStack(stack);
}

/** How many resources of each type a template makes. */
const countsOf = (template: Template, ...types: readonly string[]) =>
  Object.fromEntries(types.map((type) => [type, Object.keys(template.findResources(`AWS::${type}`)).length]));

const importedTable = (stack: Stack, name: string, stream = true) =>
  dynamodb.Table.fromTableAttributes(stack, name, {
    tableArn: arn('dynamodb', `table/${name}`),
    ...(stream && { tableStreamArn: arn('dynamodb', `table/${name}/stream/2026-01-05T08:00:00.000`) }),
  });

describe('what is brought', () => {
  const template = deployed({
    pipeline: { source: kinesisSource(), sinks: [table(), bucket()] },
    props: (stack) => ({
      existing: {
        stream: kinesis.Stream.fromStreamArn(stack, 'Stream', arn('kinesis', 'stream/delays')),
        stateTable: importedTable(stack, 'logs'),
        rowsTable: importedTable(stack, 'rows', false),
        resultsBucket: s3.Bucket.fromBucketName(stack, 'Results', 'my-results'),
        failuresBucket: s3.Bucket.fromBucketName(stack, 'Failures', 'my-failures'),
        key: kms.Key.fromKeyArn(stack, 'Key', KEY),
        roles: Object.fromEntries(
          (['handler', 'sweeper', 'projector', 'check'] as const).map((of) => [
            of,
            iam.Role.fromRoleArn(stack, of, `arn:aws:iam::123456789012:role/${of}`),
          ]),
        ),
        network: {
          vpc: ec2.Vpc.fromVpcAttributes(stack, 'Vpc', {
            vpcId: 'vpc-1',
            availabilityZones: ['us-east-1a'],
            privateSubnetIds: ['subnet-0123456789abcdef0'],
          }),
          securityGroups: [ec2.SecurityGroup.fromSecurityGroupId(stack, 'Group', 'sg-0123456789abcdef0')],
        },
      },
    }),
  });

  it('is not made', () => {
    expect(
      countsOf(
        template,
        'Kinesis::Stream',
        'DynamoDB::Table',
        'S3::Bucket',
        'S3::BucketPolicy',
        'KMS::Key',
        'IAM::Role',
        'EC2::VPC',
        'EC2::SecurityGroup',
      ),
    ).toEqual({
      'Kinesis::Stream': 0,
      'DynamoDB::Table': 0,
      'S3::Bucket': 0,
      'S3::BucketPolicy': 0,
      'KMS::Key': 0,
      // By this one the scheduler calls the functions.
      'IAM::Role': 1,
      'EC2::VPC': 0,
      'EC2::SecurityGroup': 0,
    });
  });

  it('is what the functions work on, in the network that is brought', () => {
    template.allResourcesProperties('AWS::Lambda::Function', {
      VpcConfig: { SubnetIds: ['subnet-0123456789abcdef0'], SecurityGroupIds: ['sg-0123456789abcdef0'] },
      Environment: {
        Variables: Match.objectLike({
          MILLRACE_STREAM: 'delays',
          MILLRACE_STATE_TABLE: 'logs',
          MILLRACE_ROWS_TABLE: 'rows',
          MILLRACE_BUCKET: 'my-results',
        }),
      },
    });
    expect(
      Object.values(template.findResources('AWS::Lambda::EventSourceMapping')).map(
        ({ Properties }) => Properties.EventSourceArn,
      ),
    ).toEqual([
      arn('kinesis', 'stream/delays'),
      arn('dynamodb', 'table/logs/stream/2026-01-05T08:00:00.000'),
    ]);
  });

  it('is granted to the functions, with the key and the network', () => {
    const policies = Object.entries(template.findResources('AWS::IAM::Policy'));
    const actionsOf = (role: string) =>
      policies
        .filter(([, { Properties }]) => Properties.Roles[0] === role)
        .flatMap(([, { Properties }]) => Properties.PolicyDocument.Statement)
        .flatMap(({ Action }: { Action: string | string[] }) => Action);
    for (const role of ['handler', 'sweeper', 'projector']) {
      expect(actionsOf(role)).toEqual(
        expect.arrayContaining([
          'dynamodb:Query',
          's3:GetObject',
          'kms:Decrypt',
          'kms:GenerateDataKey*',
          'ec2:CreateNetworkInterface',
          'ec2:AssignPrivateIpAddresses',
        ]),
      );
    }
  });

  it('encrypts, as a key, all that is made and keeps data', () => {
    const template = deployed({
      pipeline: { source: kinesisSource(), sinks: [table(), bucket()] },
      props: (stack) => ({ existing: { key: kms.Key.fromKeyArn(stack, 'Key', KEY) } }),
    });
    template.allResourcesProperties('AWS::Kinesis::Stream', {
      StreamEncryption: { EncryptionType: 'KMS', KeyId: KEY },
    });
    template.allResourcesProperties('AWS::DynamoDB::Table', {
      SSESpecification: { SSEEnabled: true, SSEType: 'KMS', KMSMasterKeyId: KEY },
    });
    // S3 writes access logs only to a bucket of its own keys.
    template.resourcePropertiesCountIs(
      'AWS::S3::Bucket',
      {
        BucketEncryption: {
          ServerSideEncryptionConfiguration: [
            {
              BucketKeyEnabled: true,
              ServerSideEncryptionByDefault: { SSEAlgorithm: 'aws:kms', KMSMasterKeyID: KEY },
            },
          ],
        },
      },
      2,
    );
    const queues = deployed({
      pipeline: { source: sqsSource() },
      props: (stack) => ({ existing: { key: kms.Key.fromKeyArn(stack, 'Key', KEY) } }),
    });
    // The queue of calls that were lost holds no data.
    queues.resourcePropertiesCountIs('AWS::SQS::Queue', { KmsMasterKeyId: KEY }, 2);
  });

  it('may be a queue, whose dead letters are its owner’s, or a table of the app itself', () => {
    const template = deployed({
      pipeline: { source: sqsSource(), sinks: [] },
      props: (stack) => ({
        existing: {
          queue: new sqs.Queue(stack, 'Mine', { visibilityTimeout: Duration.minutes(10) }),
          stateTable: new dynamodb.Table(stack, 'Logs', {
            partitionKey: { name: 'pk', type: dynamodb.AttributeType.STRING },
            sortKey: { name: 'sk', type: dynamodb.AttributeType.NUMBER },
            timeToLiveAttribute: 'ttl',
            stream: dynamodb.StreamViewType.KEYS_ONLY,
          }),
        },
      }),
    });
    expect(Object.keys(template.findResources('AWS::SQS::Queue')).map(plain)).toEqual([
      'Mine',
      'ItEveryMinuteLost',
    ]);
    expect(Object.keys(template.findResources('AWS::DynamoDB::Table')).map(plain)).toEqual(['Logs']);
    expect(permissionsOf(template)['ItHandler']).toEqual(
      expect.arrayContaining(['dynamodb:PutItem Logs', 'sqs:ReceiveMessage Mine']),
    );
  });

  const fifo = (stack: Stack) =>
    sqs.Queue.fromQueueArn(stack, 'Mine', 'arn:aws:sqs:us-east-1:123456789012:mine.fifo');
  it.each<readonly [string, Deployed, string]>([
    [
      'beside a stream that the definition names',
      {
        pipeline: { source: kinesisSource({ stream: arn('kinesis', 'stream/named') }) },
        props: (stack) => ({ existing: { stream: new kinesis.Stream(stack, 'Mine') } }),
      },
      'Cannot bring a stream for "flights" as one place alone must say which it reads: the definition names arn:aws:kinesis:us-east-1:123456789012:stream/named',
    ],
    [
      'with overrides',
      {
        props: (stack) => ({
          existing: { stateTable: importedTable(stack, 'logs') },
          overrides: { state: { contributorInsightsSpecification: { enabled: true } } },
        }),
      },
      'Cannot deploy "flights" as what is brought must be used as it is: there are existing.stateTable and overrides.state',
    ],
    [
      'with a name',
      {
        props: (stack) => ({
          existing: { resultsBucket: s3.Bucket.fromBucketName(stack, 'Results', 'mine') },
          names: { resultsBucket: 'other' },
        }),
      },
      'Cannot deploy "flights" as what is brought must be used as it is: there are existing.resultsBucket and names.resultsBucket',
    ],
    [
      'for a source that has none',
      { props: (stack) => ({ existing: { queue: new sqs.Queue(stack, 'Mine') } }) },
      'Cannot deploy "flights" with existing.queue as what is said of a resource must be of one that it has: it has stream, rowsTable, stateTable, resultsBucket, failuresBucket',
    ],
    [
      'as a FIFO queue where the definition says none',
      {
        pipeline: { source: sqsSource() },
        props: (stack) => ({ existing: { queue: fifo(stack) } }),
      },
      'Cannot bring a queue for "flights" as it must be no FIFO, as the definition says: it is FIFO',
    ],
    [
      'as a state table without a stream',
      { props: (stack) => ({ existing: { stateTable: importedTable(stack, 'logs', false) } }) },
      'Cannot keep logs in "logs" as the stream of a state table must be known: it has none, or was imported without a tableStreamArn',
    ],
  ])('is refused %s', (_, of, why) => {
    expect(() => deployed(of)).toThrow(new RangeError(why));
  });
});

describe('overrides', () => {
  it('replace what Millrace sets, and leave the rest', () => {
    const template = deployed({
      props: () => ({
        overrides: {
          stream: { shardCount: 5 },
          state: { deletionProtection: true },
          results: { versioned: true },
          handler: { memorySize: 2_048, environment: { LOG: 'debug' }, tracing: lambda.Tracing.ACTIVE },
        },
      }),
    });
    template.hasResourceProperties('AWS::Kinesis::Stream', { ShardCount: 5, RetentionPeriodHours: 168 });
    template.hasResourceProperties('AWS::DynamoDB::Table', {
      DeletionProtectionEnabled: true,
      TimeToLiveSpecification: { AttributeName: 'ttl', Enabled: true },
    });
    template.hasResourceProperties('AWS::S3::Bucket', {
      VersioningConfiguration: { Status: 'Enabled' },
      LifecycleConfiguration: Match.anyValue(),
    });
    template.hasResourceProperties('AWS::Lambda::Function', {
      MemorySize: 2_048,
      TracingConfig: { Mode: 'Active' },
      Environment: {
        Variables: Match.objectLike({
          LOG: 'debug',
          MILLRACE_PIPELINE: 'flights',
          // The heap follows the memory.
          NODE_OPTIONS: Match.stringLikeRegexp('--max-old-space-size=1228 --max-semi-space-size=64$'),
        }),
      },
    });
  });

  it('are refused where they change a variable that the pipeline settles', () => {
    const override = (environment: Record<string, string>) => () =>
      deployed({ props: () => ({ overrides: { sweeper: { environment } } }) });
    for (const name of ['MILLRACE_BUCKET', 'NODE_OPTIONS']) {
      expect(override({ [name]: 'other' })).toThrow(
        new RangeError(
          `Cannot override ${name} of the sweeper as a variable that the pipeline settles must keep its value: give it another name`,
        ),
      );
    }
  });
});

describe('sizes and names', () => {
  const sized = deployed({
    pipeline: { source: sqsSource() },
    props: (stack) => ({
      memory: { handler: 1_536 },
      timeout: Duration.minutes(2),
      architecture: lambda.Architecture.X86_64,
      reservedConcurrency: { sweeper: 1 },
      maxConcurrency: 7,
      logRetention: logs.RetentionDays.ONE_WEEK,
      tags: { team: 'plant' },
      permissionsBoundary: iam.ManagedPolicy.fromManagedPolicyName(stack, 'Boundary', 'bounds'),
      names: {
        queue: 'delays',
        stateTable: 'delays-logs',
        failuresBucket: 'delays-failures',
        functions: 'delays',
      },
    }),
  });
  const functionOf = (name: string) =>
    Object.values(sized.findResources('AWS::Lambda::Function')).find(
      ({ Properties }) => Properties.FunctionName === `delays-${name}`,
    )?.['Properties'];

  it('are those of every function', () => {
    sized.allResourcesProperties('AWS::Lambda::Function', { Timeout: 120, Architectures: ['x86_64'] });
    sized.allResourcesProperties('AWS::Logs::LogGroup', { RetentionInDays: 7 });
  });

  it('are those of each function, and of no other', () => {
    const sizes = ['handler', 'sweeper', 'projector'].map((name) => {
      const { MemorySize, ReservedConcurrentExecutions } = functionOf(name);
      return [MemorySize, ReservedConcurrentExecutions];
    });
    expect(sizes).toEqual([
      [1_536, undefined],
      [512, 1],
      [512, undefined],
    ]);
  });

  it('settle how long a queue hides a batch, and how many are handled at once', () => {
    sized.hasResourceProperties('AWS::SQS::Queue', { QueueName: 'delays', VisibilityTimeout: 6 * 120 + 5 });
    sized.hasResourceProperties('AWS::SQS::Queue', { QueueName: 'delays-dead' });
    sized.hasResourceProperties('AWS::Lambda::EventSourceMapping', {
      ScalingConfig: { MaximumConcurrency: 7 },
    });
    deployed({
      pipeline: { source: sqsSource({ fifo: true }) },
      props: () => ({ names: { queue: 'delays' } }),
    }).hasResourceProperties('AWS::SQS::Queue', { QueueName: 'delays-dead.fifo' });
  });

  it('name and tag what is made, and bound its roles', () => {
    sized.hasResourceProperties('AWS::DynamoDB::Table', { TableName: 'delays-logs' });
    sized.hasResourceProperties('AWS::S3::Bucket', { BucketName: 'delays-failures' });
    for (const type of ['DynamoDB::Table', 'S3::Bucket', 'SQS::Queue', 'Lambda::Function']) {
      sized.allResourcesProperties(`AWS::${type}`, {
        Tags: Match.arrayWith([{ Key: 'team', Value: 'plant' }]),
      });
    }
    sized.allResourcesProperties('AWS::IAM::Role', { PermissionsBoundary: Match.anyValue() });
  });
});
