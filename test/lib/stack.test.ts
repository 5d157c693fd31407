import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { App, Duration, RemovalPolicy, Stack } from 'aws-cdk-lib';
import { Match, Template } from 'aws-cdk-lib/assertions';
import { CfnEventSourceMapping } from 'aws-cdk-lib/aws-lambda';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { flights } from '../../functions/flights/pipeline.ts';
import { PipelineStack, type PipelineStackProps } from '../../lib/pipeline-stack.ts';
import { millis } from '../../src/core/time.ts';
import { dynamodbStream, kafka, kinesis, type Pipeline, sqs, table } from '../../src/index.ts';
import { ENTRY_LIFETIME } from '../../src/ports/commit-log.ts';
import { ENVIRONMENT } from '../../src/wiring/names.ts';
import { nameOf, permissionsOf, plain, type Statement } from './permissions.ts';
import { writeEntry } from './stack-entry.ts';

const PROJECT = fileURLToPath(new URL('../..', import.meta.url));
const scratch = mkdtempSync(join(tmpdir(), 'millrace-stack-'));
afterAll(() => rmSync(scratch, { recursive: true }));

/** The entry folder of a pipeline of another name, as its author would write it. */
const entryOf = (name: string): string => writeEntry(join(scratch, name), name).folder;

describe('the stack of a pipeline', () => {
  let template: Template;
  let other: Template;
  let bare: Template;
  beforeAll(() => {
    const app = new App();
    const stack = new PipelineStack(app, 'Flights', { pipeline: flights, alarms: 'none' });
    const quakes: Pipeline = { ...flights, name: 'quakes', sinks: [table()] };
    const otherStack = new PipelineStack(app, 'Quakes', {
      pipeline: quakes,
      alarms: 'none',
      entry: entryOf('quakes'),
      removalPolicy: RemovalPolicy.DESTROY,
    });
    const bareStack = new PipelineStack(app, 'Bare', { pipeline: { ...flights, sinks: [] }, alarms: 'none' });
    [template, other, bare] = [stack, otherStack, bareStack].map((each) => Template.fromStack(each)) as [
      Template,
      Template,
      Template,
    ];
  });

  it('has a provisioned, encrypted stream of the shards that the source asks for', () => {
    template.hasResource('AWS::Kinesis::Stream', {
      Properties: {
        ShardCount: 2,
        StreamModeDetails: { StreamMode: 'PROVISIONED' },
        RetentionPeriodHours: 7 * 24,
        StreamEncryption: { EncryptionType: 'KMS', KeyId: 'alias/aws/kinesis' },
      },
      DeletionPolicy: 'Retain',
    });
  });

  it('keeps the commit logs in a table with a stream, expiry and recovery', () => {
    template.hasResource('AWS::DynamoDB::Table', {
      Properties: {
        KeySchema: [
          { AttributeName: 'pk', KeyType: 'HASH' },
          { AttributeName: 'sk', KeyType: 'RANGE' },
        ],
        AttributeDefinitions: [
          { AttributeName: 'pk', AttributeType: 'S' },
          { AttributeName: 'sk', AttributeType: 'N' },
        ],
        BillingMode: 'PAY_PER_REQUEST',
        StreamSpecification: { StreamViewType: 'KEYS_ONLY' },
        TimeToLiveSpecification: { AttributeName: 'ttl', Enabled: true },
        PointInTimeRecoverySpecification: { PointInTimeRecoveryEnabled: true, RecoveryPeriodInDays: 35 },
      },
      DeletionPolicy: 'Retain',
      UpdateReplacePolicy: 'Retain',
    });
  });

  it('keeps the bodies of entries for longer than the table that names them can be taken back, late records for 90 days, and what was refused for a year', () => {
    const [{ Properties: state }] = Object.values(
      template.findResources('AWS::DynamoDB::Table', {
        Properties: { StreamSpecification: Match.anyValue() },
      }),
    ) as [{ Properties: { PointInTimeRecoverySpecification: { RecoveryPeriodInDays: number } } }];
    const reach = state.PointInTimeRecoverySpecification.RecoveryPeriodInDays;
    const rulesOf = (name: string) =>
      Object.entries(template.findResources('AWS::S3::Bucket'))
        .filter(([id]) => plain(id) === name)
        .flatMap(([, { Properties }]) => Properties.LifecycleConfiguration?.Rules ?? []);
    const rules = rulesOf('Results');
    const unfinished = { AbortIncompleteMultipartUpload: { DaysAfterInitiation: 1 }, Status: 'Enabled' };
    expect(rulesOf('Failures')).toEqual([{ ...unfinished, ExpirationInDays: 365 }]);
    expect(rulesOf('AccessLogs')).toEqual([{ ...unfinished, ExpirationInDays: 90 }]);
    expect(rules).toEqual([
      { Prefix: 'state/', Status: 'Enabled', ExpirationInDays: expect.any(Number) },
      { Prefix: 'late/', Status: 'Enabled', ExpirationInDays: 90 },
      { Prefix: 'poison/', Status: 'Enabled', ExpirationInDays: 365 },
      { Status: 'Enabled', AbortIncompleteMultipartUpload: { DaysAfterInitiation: 1 } },
    ]);
    // A day by which an object may be older than its entry, and some for who restores.
    expect(rules[0].ExpirationInDays).toBeGreaterThanOrEqual(reach + ENTRY_LIFETIME / millis('1d') + 1 + 7);
  });

  it('keeps rows in a table of their own', () => {
    template.hasResource('AWS::DynamoDB::Table', {
      Properties: {
        AttributeDefinitions: [
          { AttributeName: 'pk', AttributeType: 'S' },
          { AttributeName: 'sk', AttributeType: 'S' },
        ],
        BillingMode: 'PAY_PER_REQUEST',
        StreamSpecification: Match.absent(),
        PointInTimeRecoverySpecification: { PointInTimeRecoveryEnabled: true, RecoveryPeriodInDays: 35 },
      },
      DeletionPolicy: 'Retain',
    });
    template.resourceCountIs('AWS::DynamoDB::Table', 2);
  });

  it('is bundled only where it is among those that are to be deployed', () => {
    const app = new App({ context: { 'aws:cdk:bundling-stacks': ['Quakes'] } });
    for (const id of ['Flights', 'Quakes']) {
      const name = id.toLowerCase();
      new PipelineStack(app, id, { pipeline: { ...flights, name }, alarms: 'none', entry: entryOf(name) });
    }
    const { directory } = app.synth();
    const isBundle = (asset: string) => readdirSync(join(directory, asset)).includes('index.mjs');
    const assets = readdirSync(directory).filter((name) => name.startsWith('asset.'));
    expect(assets.filter(isBundle)).toHaveLength(4);
  });

  it('has no table for rows, and no projector, when no sink needs them', () => {
    bare.resourceCountIs('AWS::DynamoDB::Table', 1);
    expect(namesOf(bare, 'AWS::Lambda::Function')).toEqual(['Check', 'Handler', 'Sweeper']);
    bare.resourceCountIs('AWS::Lambda::EventSourceMapping', 1);
  });

  it('closes all buckets to the public, to plain HTTP and to other owners', () => {
    template.allResourcesProperties('AWS::S3::Bucket', {
      PublicAccessBlockConfiguration: {
        BlockPublicAcls: true,
        BlockPublicPolicy: true,
        IgnorePublicAcls: true,
        RestrictPublicBuckets: true,
      },
      BucketEncryption: {
        ServerSideEncryptionConfiguration: [{ ServerSideEncryptionByDefault: { SSEAlgorithm: 'AES256' } }],
      },
      OwnershipControls: { Rules: [{ ObjectOwnership: 'BucketOwnerEnforced' }] },
    });
    template.resourceCountIs('AWS::S3::Bucket', 3);
    template.allResourcesProperties('AWS::S3::BucketPolicy', {
      PolicyDocument: {
        Statement: Match.arrayWith([
          Match.objectLike({
            Effect: 'Deny',
            Action: 's3:*',
            Condition: { Bool: { 'aws:SecureTransport': 'false' } },
          }),
        ]),
      },
    });
    template.resourceCountIs('AWS::S3::BucketPolicy', 3);
  });

  it('has S3 write who asked for which object, of these buckets alone, to a third', () => {
    const to = Object.entries(template.findResources('AWS::S3::Bucket')).map(([id, { Properties }]) => [
      plain(id),
      Properties.LoggingConfiguration && {
        bucket: nameOf(Properties.LoggingConfiguration.DestinationBucketName),
        prefix: Properties.LoggingConfiguration.LogFilePrefix,
      },
    ]);
    expect(Object.fromEntries(to)).toEqual({
      AccessLogs: undefined,
      Results: { bucket: 'AccessLogs', prefix: 'Results/' },
      Failures: { bucket: 'AccessLogs', prefix: 'Failures/' },
    });
    template.hasResourceProperties('AWS::S3::BucketPolicy', {
      PolicyDocument: {
        Statement: Match.arrayWith([
          Match.objectLike({
            Effect: 'Allow',
            Principal: { Service: 'logging.s3.amazonaws.com' },
            Action: 's3:PutObject',
            Condition: {
              ArnEquals: {
                'aws:SourceArn': [
                  { 'Fn::GetAtt': [Match.stringLikeRegexp('^Results'), 'Arn'] },
                  { 'Fn::GetAtt': [Match.stringLikeRegexp('^Failures'), 'Arn'] },
                ],
              },
              StringEquals: { 'aws:SourceAccount': { Ref: 'AWS::AccountId' } },
            },
          }),
        ]),
      },
    });
    const quiet = Template.fromStack(
      new PipelineStack(new App({ context: { 'aws:cdk:bundling-stacks': [] } }), 'Quiet', {
        pipeline: flights,
        alarms: 'none',
        accessLogs: false,
      }),
    );
    quiet.resourceCountIs('AWS::S3::Bucket', 2);
    quiet.allResourcesProperties('AWS::S3::Bucket', { LoggingConfiguration: Match.absent() });
  });

  it('has tables that nobody deletes by mistake where it keeps them', () => {
    template.allResourcesProperties('AWS::DynamoDB::Table', { DeletionProtectionEnabled: true });
    other.allResourcesProperties('AWS::DynamoDB::Table', { DeletionProtectionEnabled: false });
  });

  it('refuses, from anyone, every write to the bucket of results that could overwrite', () => {
    const denials = Object.entries(template.findResources('AWS::S3::BucketPolicy'))
      .flatMap(([id, { Properties }]) =>
        Properties.PolicyDocument.Statement.map((one: Statement) => ({ id, ...one })),
      )
      .filter(({ Effect, Action }) => Effect === 'Deny' && Action === 's3:PutObject')
      .map(({ id, Effect, Principal, Resource, Condition }) => ({
        of: plain(id),
        Effect,
        Principal,
        on: nameOf(Resource),
        Condition,
      }));
    expect(denials).toEqual([
      {
        of: 'ResultsPolicy',
        Effect: 'Deny',
        Principal: { AWS: '*' },
        on: 'Results/*',
        Condition: { Null: { 's3:if-none-match': 'true' } },
      },
    ]);
  });

  it('runs four functions on Node 24 and ARM, each told the names of what it works on', () => {
    expect(namesOf(template, 'AWS::Lambda::Function')).toEqual(['Check', 'Handler', 'Projector', 'Sweeper']);
    template.allResourcesProperties('AWS::Lambda::Function', {
      Runtime: 'nodejs24.x',
      Architectures: ['arm64'],
      Handler: 'index.handler',
      Timeout: 60,
      ReservedConcurrentExecutions: Match.absent(),
      LoggingConfig: Match.anyValue(),
    });
    template.allResourcesProperties('AWS::Logs::LogGroup', { RetentionInDays: 30 });
    for (const { Properties } of Object.values(template.findResources('AWS::Lambda::Function'))) {
      const { NODE_OPTIONS, ...names } = Properties.Environment.Variables;
      // Objects are collected before a function's memory is used up.
      expect(NODE_OPTIONS).toBe(
        `--enable-source-maps --max-old-space-size=${Math.floor(0.6 * Properties.MemorySize)} --max-semi-space-size=${Math.floor(Properties.MemorySize / 32)}`,
      );
      const variables = Object.entries(names).map(([name, value]) => [name, nameOf(value)]);
      expect(Object.fromEntries(variables)).toEqual({
        [ENVIRONMENT.pipeline]: 'flights',
        [ENVIRONMENT.stream]: 'SourceStream',
        [ENVIRONMENT.stateTable]: 'State',
        [ENVIRONMENT.rowsTable]: 'Rows',
        [ENVIRONMENT.bucket]: 'Results',
      });
    }
  });

  it('gives each stack of an app the shared handlers of its own pipeline', () => {
    const codeOf = (of: Template, name: string) =>
      Object.entries(of.findResources('AWS::Lambda::Function')).find(([id]) => plain(id) === name)?.[1]
        .Properties.Code;
    expect(codeOf(other, 'Sweeper')).not.toEqual(codeOf(template, 'Sweeper'));
    expect(codeOf(bare, 'Sweeper')).toEqual(codeOf(template, 'Sweeper'));
  });

  it('reads the stream in order, from its beginning, and retries without end', () => {
    template.hasResourceProperties('AWS::Lambda::EventSourceMapping', {
      EventSourceArn: { 'Fn::GetAtt': [Match.stringLikeRegexp('^SourceStream'), 'Arn'] },
      FunctionName: { Ref: Match.stringLikeRegexp('^Handler') },
      StartingPosition: 'TRIM_HORIZON',
      BatchSize: 10_000,
      MaximumBatchingWindowInSeconds: 5,
      ParallelizationFactor: 1,
      FunctionResponseTypes: ['ReportBatchItemFailures'],
      BisectBatchOnFunctionError: true,
      MaximumRetryAttempts: -1,
      MaximumRecordAgeInSeconds: Match.absent(),
      DestinationConfig: {
        OnFailure: { Destination: { 'Fn::GetAtt': [Match.stringLikeRegexp('^Failures'), 'Arn'] } },
      },
    });
  });

  it('wakes the projector by new entries of its key groups alone', () => {
    template.hasResourceProperties('AWS::Lambda::EventSourceMapping', {
      EventSourceArn: { 'Fn::GetAtt': [Match.stringLikeRegexp('^State'), 'StreamArn'] },
      FunctionName: { Ref: Match.stringLikeRegexp('^Projector') },
      StartingPosition: 'TRIM_HORIZON',
      MaximumBatchingWindowInSeconds: 10,
      ParallelizationFactor: 1,
      FunctionResponseTypes: ['ReportBatchItemFailures'],
      BisectBatchOnFunctionError: true,
      MaximumRetryAttempts: -1,
      FilterCriteria: {
        Filters: [
          {
            Pattern: JSON.stringify({
              eventName: ['INSERT'],
              dynamodb: { Keys: { pk: { S: [{ prefix: 'flights/' }] } } },
            }),
          },
        ],
      },
      DestinationConfig: {
        OnFailure: { Destination: { 'Fn::GetAtt': [Match.stringLikeRegexp('^Failures'), 'Arn'] } },
      },
    });
  });

  it('calls sweeper and projector every minute, once each, and keeps the calls that Lambda did not take', () => {
    const schedules = Object.values(template.findResources('AWS::Scheduler::Schedule')).map(
      ({ Properties }) => Properties,
    );
    for (const { ScheduleExpression, FlexibleTimeWindow, GroupName, Target } of schedules) {
      expect(ScheduleExpression).toBe('rate(1 minute)');
      expect(FlexibleTimeWindow).toEqual({ Mode: 'OFF' });
      expect(GroupName).toMatch(/^Flights-.*EveryMinute/);
      expect(nameOf(Target.RoleArn)).toBe('EveryMinuteRole');
      expect(Target.Input).toBe('{"source":"millrace.schedule"}');
      expect(Target.RetryPolicy).toEqual({ MaximumEventAgeInSeconds: 60, MaximumRetryAttempts: 0 });
      expect(nameOf(Target.DeadLetterConfig.Arn)).toBe('EveryMinuteLost');
    }
    expect(schedules.map(({ Target }) => nameOf(Target.Arn)).toSorted()).toEqual(['Projector', 'Sweeper']);
    template.hasResourceProperties('AWS::SQS::Queue', { SqsManagedSseEnabled: true });
  });

  it('calls them by a role that may call these alone, and that the scheduler has for this group alone', () => {
    expect(permissionsOf(template)['EveryMinute']).toEqual([
      'lambda:InvokeFunction Projector',
      'lambda:InvokeFunction Sweeper',
      'sqs:SendMessage EveryMinuteLost',
    ]);
    template.hasResourceProperties('AWS::IAM::Role', {
      AssumeRolePolicyDocument: {
        Statement: [
          {
            Action: 'sts:AssumeRole',
            Effect: 'Allow',
            Principal: { Service: 'scheduler.amazonaws.com' },
            Condition: {
              StringEquals: {
                'aws:SourceAccount': { Ref: 'AWS::AccountId' },
                'aws:SourceArn': { 'Fn::Join': Match.anyValue() },
              },
            },
          },
        ],
      },
    });
    const { Properties } = Object.values(template.findResources('AWS::Scheduler::ScheduleGroup'))[0] ?? {};
    const trust = JSON.stringify(template.findResources('AWS::IAM::Role'));
    expect(trust).toContain(`:schedule-group/${Properties?.Name}"`);
    template.resourceCountIs('AWS::Lambda::Permission', 0);
  });

  it('lets each function do only what it does', () => {
    const { EveryMinute: _, ...ofFunctions } = permissionsOf(template);
    expect(ofFunctions).toEqual({
      Handler: [
        'dynamodb:PutItem State',
        'dynamodb:Query State',
        'kinesis:DescribeStream SourceStream',
        'kinesis:DescribeStreamConsumer SourceStream',
        'kinesis:DescribeStreamSummary SourceStream',
        'kinesis:GetRecords SourceStream',
        'kinesis:GetShardIterator SourceStream',
        'kinesis:ListShards SourceStream',
        'kinesis:ListStreams SourceStream',
        'kinesis:SubscribeToShard SourceStream',
        'logs:CreateLogStream HandlerLogs',
        'logs:PutLogEvents HandlerLogs',
        's3:GetObject Results/state/*',
        's3:ListBucket Failures',
        's3:PutObject Failures/*',
        's3:PutObject Results/late/*',
        's3:PutObject Results/poison/*',
        's3:PutObject Results/state/*',
      ],
      Projector: [
        'dynamodb:BatchWriteItem Rows',
        'dynamodb:DescribeStream State.StreamArn',
        'dynamodb:GetRecords State.StreamArn',
        'dynamodb:GetShardIterator State.StreamArn',
        // Lambda's own need, and it names no table.
        'dynamodb:ListStreams *',
        'dynamodb:PutItem Rows',
        'dynamodb:PutItem State',
        'dynamodb:Query State',
        'logs:CreateLogStream ProjectorLogs',
        'logs:PutLogEvents ProjectorLogs',
        's3:GetObject Results/panes/*',
        's3:GetObject Results/state/*',
        's3:ListBucket Failures',
        's3:ListBucket Results',
        's3:PutObject Failures/*',
        's3:PutObject Results/panes/*',
        's3:PutObject Results/state/*',
      ],
      Check: [
        'dynamodb:Query State',
        'logs:CreateLogStream CheckLogs',
        'logs:PutLogEvents CheckLogs',
        's3:GetObject Results/state/*',
      ],
      Sweeper: [
        'dynamodb:GetItem State',
        'dynamodb:PutItem State',
        'dynamodb:Query State',
        'kinesis:GetRecords SourceStream',
        'kinesis:GetShardIterator SourceStream',
        'kinesis:ListShards SourceStream',
        'logs:CreateLogStream SweeperLogs',
        'logs:PutLogEvents SweeperLogs',
        's3:GetObject Results/state/*',
        's3:PutObject Results/state/*',
      ],
    });
    template.allResourcesProperties('AWS::IAM::Role', { ManagedPolicyArns: Match.absent() });
  });

  it('allows every call that an adapter makes, but to remove objects, which only who restores may', () => {
    const allowed = Object.values(permissionsOf(template)).flat();
    for (const service of ['dynamodb', 'kinesis', 's3']) {
      const calls = callsOf(service).filter((call) => call !== 'DeleteObject');
      expect(calls).not.toEqual([]);
      for (const call of calls) {
        // A HEAD is a GET to IAM.
        const action = `${service}:${call.replace(/^HeadObject$/, 'GetObject')} `;
        expect(allowed).toContainEqual(expect.stringMatching(new RegExp(`^${action}`)));
      }
    }
  });

  it('lets no function remove anything', () => {
    expect(
      Object.values(permissionsOf(template))
        .flat()
        .filter((one) => one.includes(':Delete')),
    ).toEqual([]);
  });

  it('lets nothing reach the bucket when the pipeline has no bucket() sink, but poison, failures and large entries', () => {
    expect(permissionsOf(other)['Projector']?.filter((one) => one.startsWith('s3:'))).toEqual([
      's3:GetObject Results/state/*',
      's3:ListBucket Failures',
      's3:PutObject Failures/*',
      's3:PutObject Results/state/*',
    ]);
  });

  it('keeps what holds data unless it is told otherwise', () => {
    const kept = (of: Template) =>
      Object.entries(of.toJSON()['Resources'] as Record<string, { DeletionPolicy?: string }>)
        .filter(([, { DeletionPolicy }]) => DeletionPolicy === 'Retain')
        .map(([id]) => plain(id))
        .sort();
    expect(kept(template)).toEqual(['AccessLogs', 'Failures', 'Results', 'Rows', 'SourceStream', 'State']);
    expect(kept(other)).toEqual([]);
  });

  it('tells the names of what it made', () => {
    const outputs = Object.entries(template.findOutputs('*')).map(([name, { Value }]) => [
      name,
      nameOf(Value),
    ]);
    expect(Object.fromEntries(outputs)).toEqual({
      StreamName: 'SourceStream',
      StateTableName: 'State',
      StateStreamArn: 'State.StreamArn',
      RowsTableName: 'Rows',
      ResultsBucketName: 'Results',
      FailuresBucketName: 'Failures',
      ScheduleGroupName: expect.stringMatching(/^Flights-.*EveryMinute/),
      HandlerName: 'Handler',
      SweeperName: 'Sweeper',
      ProjectorName: 'Projector',
    });
  });
});

const STREAM = 'arn:aws:kinesis:eu-central-1:123456789012:stream/flights';

describe('the stack of a pipeline that reads a stream', () => {
  const reading = (source: Pipeline['source'], more: Partial<PipelineStackProps> = {}) => {
    const app = new App({ context: { 'aws:cdk:bundling-stacks': [] } });
    const pipeline = { ...flights, source };
    return Template.fromStack(
      new PipelineStack(app, 'Stream', { pipeline, alarms: 'none', entry: entryOf('flights'), ...more }),
    );
  };

  it('on demand has no number of shards, and heeds partition keys', () => {
    const template = reading(kinesis({ mode: 'on-demand', retention: '30d' }));
    template.hasResourceProperties('AWS::Kinesis::Stream', {
      ShardCount: Match.absent(),
      StreamModeDetails: { StreamMode: 'ON_DEMAND' },
      RecordDistributionStrategy: 'USER_PARTITION_KEY',
      RetentionPeriodHours: 30 * 24,
      StreamEncryption: { EncryptionType: 'KMS', KeyId: 'alias/aws/kinesis' },
    });
    reading(kinesis()).hasResourceProperties('AWS::Kinesis::Stream', {
      RecordDistributionStrategy: Match.absent(),
    });
  });

  it('with enhanced fan-out is read by a consumer of its own, and looked at without one', () => {
    const template = reading(kinesis({ fanOut: true }));
    template.hasResourceProperties('AWS::Kinesis::StreamConsumer', {
      ConsumerName: Match.stringLikeRegexp('^Stream-?Source'),
      StreamARN: { 'Fn::GetAtt': [Match.stringLikeRegexp('^SourceStream'), 'Arn'] },
    });
    template.hasResourceProperties('AWS::Lambda::EventSourceMapping', {
      EventSourceArn: { 'Fn::GetAtt': [Match.stringLikeRegexp('^SourceConsumer'), 'ConsumerARN'] },
      StartingPosition: 'TRIM_HORIZON',
      BatchSize: 10_000,
      FunctionResponseTypes: ['ReportBatchItemFailures'],
      BisectBatchOnFunctionError: true,
    });
    const { Handler = [], Sweeper = [] } = permissionsOf(template);
    const ofKinesis = (all: readonly string[]) => all.filter((one) => one.startsWith('kinesis:'));
    expect(ofKinesis(Handler)).toEqual([
      'kinesis:DescribeStream SourceStream',
      'kinesis:DescribeStreamConsumer SourceConsumer.ConsumerARN',
      'kinesis:DescribeStreamConsumer SourceStream',
      'kinesis:DescribeStreamSummary SourceStream',
      'kinesis:GetRecords SourceStream',
      'kinesis:GetShardIterator SourceStream',
      'kinesis:ListShards SourceStream',
      'kinesis:ListStreams SourceStream',
      'kinesis:SubscribeToShard SourceConsumer.ConsumerARN',
      'kinesis:SubscribeToShard SourceStream',
    ]);
    expect(ofKinesis(Sweeper)).toEqual([
      'kinesis:GetRecords SourceStream',
      'kinesis:GetShardIterator SourceStream',
      'kinesis:ListShards SourceStream',
    ]);
  });

  it.each([false, true])('that exists makes none, and may read it alone (fan-out: %s)', (fanOut) => {
    const template = reading(kinesis({ stream: STREAM, fanOut }));
    template.resourceCountIs('AWS::Kinesis::Stream', 0);
    template.resourceCountIs('AWS::Kinesis::StreamConsumer', fanOut ? 1 : 0);
    if (!fanOut)
      template.hasResourceProperties('AWS::Lambda::EventSourceMapping', { EventSourceArn: STREAM });
    for (const { Properties } of Object.values(template.findResources('AWS::Lambda::Function'))) {
      expect(Properties.Environment.Variables[ENVIRONMENT.stream]).toBe('flights');
    }
    expect(template.findOutputs('StreamName')['StreamName']?.['Value']).toBe('flights');
    const { Handler = [], Sweeper = [] } = permissionsOf(template);
    for (const one of [...Handler, ...Sweeper].filter((one) => one.startsWith('kinesis:'))) {
      expect([STREAM, 'SourceConsumer.ConsumerARN']).toContain(one.split(' ')[1]);
    }
  });

  it.each([
    ['region', 'eu-west-1', '123456789012', 'eu-west-1'],
    ['account', 'eu-central-1', '210987654321', '210987654321'],
  ])('that exists elsewhere is refused: another %s', (what, region, account, ours) => {
    expect(() => reading(kinesis({ stream: STREAM }), { env: { region, account } })).toThrow(
      new RangeError(
        `Cannot read the stream "${STREAM}" as it must be of the stack's own region and account: the stack's ${what} is ${ours}`,
      ),
    );
    const env = { region: 'eu-central-1', account: '123456789012' };
    expect(() => reading(kinesis({ stream: STREAM }), { env })).not.toThrow();
  });
});

describe('the stack of a pipeline that reads a queue', () => {
  let standard: Template;
  let fifo: Template;
  let prompt: Template;
  beforeAll(() => {
    const reading = (source: Pipeline['source'], more: Partial<PipelineStackProps> = {}) => {
      const app = new App({ context: { 'aws:cdk:bundling-stacks': [] } });
      return Template.fromStack(
        new PipelineStack(app, 'Queue', {
          pipeline: { ...flights, source },
          alarms: 'none',
          entry: entryOf('flights'),
          ...more,
        }),
      );
    };
    standard = reading(sqs());
    fifo = reading(sqs({ fifo: true }), { removalPolicy: RemovalPolicy.DESTROY });
    prompt = reading(sqs(), { batchingWindow: Duration.seconds(0) });
  });

  it('has an encrypted queue, and another for what was tried a hundred times, which keeps it longer', () => {
    for (const [of, named] of [
      [standard, Match.absent()],
      [fifo, true],
    ] as const) {
      expect(namesOf(of, 'AWS::SQS::Queue')).toEqual(['EveryMinuteLost', 'SourceDeadLetters', 'SourceQueue']);
      of.resourceCountIs('AWS::Kinesis::Stream', 0);
      of.allResourcesProperties('AWS::SQS::Queue', { SqsManagedSseEnabled: true });
      of.resourcePropertiesCountIs('AWS::SQS::Queue', { FifoQueue: named }, named === true ? 2 : 3);
      of.hasResourceProperties('AWS::SQS::Queue', {
        MessageRetentionPeriod: 4 * 86_400,
        RedrivePolicy: {
          deadLetterTargetArn: { 'Fn::GetAtt': [Match.stringLikeRegexp('^SourceDeadLetters'), 'Arn'] },
          maxReceiveCount: 100,
        },
      });
      of.hasResourceProperties('AWS::SQS::Queue', {
        MessageRetentionPeriod: 14 * 86_400,
        RedrivePolicy: Match.absent(),
      });
    }
    fifo.resourcePropertiesCountIs('AWS::SQS::Queue', { ContentBasedDeduplication: false }, 2);
    standard.resourceCountIs('AWS::SQS::QueuePolicy', 3);
    standard.allResourcesProperties('AWS::SQS::QueuePolicy', {
      PolicyDocument: {
        Statement: [
          Match.objectLike({
            Effect: 'Deny',
            Action: 'sqs:*',
            Condition: { Bool: { 'aws:SecureTransport': 'false' } },
          }),
        ],
      },
    });
  });

  it('hides a batch for six times as long as a function may run, and while it is gathered', () => {
    const hidden = (of: Template) =>
      Object.values(of.findResources('AWS::SQS::Queue')).flatMap(
        ({ Properties }) => Properties.VisibilityTimeout ?? [],
      );
    const timeouts = Object.values(standard.findResources('AWS::Lambda::Function')).map(
      ({ Properties }) => Properties.Timeout,
    );
    expect(hidden(standard)).toEqual([6 * Math.max(...timeouts) + 5]);
    expect(hidden(prompt)).toEqual([6 * Math.max(...timeouts)]);
  });

  it('reads large batches of a standard queue, two at once', () => {
    standard.hasResourceProperties('AWS::Lambda::EventSourceMapping', {
      EventSourceArn: { 'Fn::GetAtt': [Match.stringLikeRegexp('^SourceQueue'), 'Arn'] },
      FunctionName: { Ref: Match.stringLikeRegexp('^Handler') },
      BatchSize: 10_000,
      MaximumBatchingWindowInSeconds: 5,
      ScalingConfig: { MaximumConcurrency: 2 },
      FunctionResponseTypes: ['ReportBatchItemFailures'],
    });
  });

  it.each([
    ['a FIFO queue', () => fifo, 10],
    ['a standard queue that is not to wait', () => prompt, 2],
  ])('reads ten messages of %s at a time, the most that Lambda then gives', (_, of, concurrency) => {
    of().hasResourceProperties('AWS::Lambda::EventSourceMapping', {
      EventSourceArn: { 'Fn::GetAtt': [Match.stringLikeRegexp('^SourceQueue'), 'Arn'] },
      BatchSize: 10,
      MaximumBatchingWindowInSeconds: Match.absent(),
      ScalingConfig: { MaximumConcurrency: concurrency },
      FunctionResponseTypes: ['ReportBatchItemFailures'],
    });
  });

  it('lets handler and sweeper do only what they do', () => {
    const { Handler, Sweeper } = permissionsOf(standard);
    expect(Handler).toEqual([
      'dynamodb:PutItem State',
      'dynamodb:Query State',
      'logs:CreateLogStream HandlerLogs',
      'logs:PutLogEvents HandlerLogs',
      's3:GetObject Results/state/*',
      's3:PutObject Results/late/*',
      's3:PutObject Results/poison/*',
      's3:PutObject Results/state/*',
      'sqs:ChangeMessageVisibility SourceQueue',
      'sqs:DeleteMessage SourceQueue',
      'sqs:GetQueueAttributes SourceQueue',
      'sqs:GetQueueUrl SourceQueue',
      'sqs:ReceiveMessage SourceQueue',
    ]);
    expect(Sweeper).toEqual([
      // It takes no resource.
      'cloudwatch:GetMetricStatistics *',
      'dynamodb:PutItem State',
      'dynamodb:Query State',
      'logs:CreateLogStream SweeperLogs',
      'logs:PutLogEvents SweeperLogs',
      's3:GetObject Results/state/*',
      's3:PutObject Results/state/*',
      'sqs:GetQueueAttributes SourceQueue',
    ]);
  });

  it('allows every call that an adapter makes', () => {
    const allowed = (permissionsOf(standard)['Sweeper'] ?? []).map((one) => one.split(' ')[0]);
    expect(callsOf('sqs').map((call) => `sqs:${call}`)).toEqual(['sqs:GetQueueAttributes']);
    for (const service of ['sqs', 'cloudwatch']) {
      for (const call of callsOf(service)) expect(allowed).toContain(`${service}:${call}`);
    }
  });

  it('tells its functions, and whoever deploys it, where the queue is', () => {
    for (const { Properties } of Object.values(standard.findResources('AWS::Lambda::Function'))) {
      const { Variables } = Properties.Environment;
      expect(nameOf(Variables[ENVIRONMENT.queueUrl])).toBe('SourceQueue');
      expect(Variables).not.toHaveProperty(ENVIRONMENT.stream);
    }
    const outputs = standard.findOutputs('*');
    expect([outputs['QueueUrl'], outputs['DeadLettersUrl']].map((one) => nameOf(one?.['Value']))).toEqual([
      'SourceQueue',
      'SourceDeadLetters',
    ]);
    expect(outputs).not.toHaveProperty('StreamName');
  });

  it('keeps the queues unless it is told otherwise', () => {
    const kept = Object.entries(standard.findResources('AWS::SQS::Queue', { DeletionPolicy: 'Retain' })).map(
      ([id]) => plain(id),
    );
    expect(kept.toSorted()).toEqual(['SourceDeadLetters', 'SourceQueue']);
    fifo.allResources('AWS::SQS::Queue', { DeletionPolicy: 'Delete' });
  });
});

const MSK = 'arn:aws:kafka:eu-central-1:123456789012:cluster/plant/2f6a-1';
const secretOf = (name: string) => `arn:aws:secretsmanager:eu-central-1:123456789012:secret:${name}`;

describe('the stack of a pipeline that reads a topic', () => {
  const reading = (
    cluster: NonNullable<Parameters<typeof kafka>[0]['cluster']> | undefined,
    more: Partial<PipelineStackProps> = {},
  ) => {
    const app = new App({ context: { 'aws:cdk:bundling-stacks': [] } });
    const pipeline = {
      ...flights,
      source: kafka({ topic: 'flights', partitions: 6, ...(cluster && { cluster }) }),
    };
    return Template.fromStack(
      new PipelineStack(app, 'Topic', { pipeline, alarms: 'none', entry: entryOf('flights'), ...more }),
    );
  };
  const mappingOf = (template: Template) =>
    Object.values(template.findResources('AWS::Lambda::EventSourceMapping'))
      .map(({ Properties }) => Properties)
      .find(({ Topics }) => Topics);
  const ofCluster = (all: readonly string[] = []) =>
    all.filter((allowed) => /^(kafka|kafka-cluster|ec2|secretsmanager|kms|cloudwatch):/.test(allowed));

  it('reads it from its oldest record, in provisioned mode, without end and without a failure destination', () => {
    const template = reading({ msk: MSK });
    template.resourceCountIs('AWS::Kinesis::Stream', 0);
    expect(mappingOf(template)).toEqual({
      FunctionName: { Ref: expect.stringMatching(/^Handler/) },
      EventSourceArn: MSK,
      Topics: ['flights'],
      StartingPosition: 'TRIM_HORIZON',
      BatchSize: 10_000,
      MaximumBatchingWindowInSeconds: 5,
      ProvisionedPollerConfig: { MinimumPollers: 1, MaximumPollers: 6 },
      FunctionResponseTypes: ['ReportBatchItemFailures'],
    });
    expect(template.findOutputs('TopicName')['TopicName']?.['Value']).toBe('flights');
  });

  it('makes the mapping when the handler may reach the cluster', () => {
    const [mapping] = Object.values(
      reading({ msk: MSK }).findResources('AWS::Lambda::EventSourceMapping', {
        Properties: { Topics: ['flights'] },
      }),
    );
    expect(mapping?.['DependsOn']).toContainEqual(expect.stringMatching(/^HandlerRoleDefaultPolicy/));
  });

  it('reads brokers of your own in their VPC, by a secret', () => {
    const template = reading({
      brokers: ['one.plant.example:9096', 'two.plant.example:9096'],
      auth: { scram256: secretOf('reader') },
      rootCa: secretOf('ca'),
      subnets: ['subnet-1', 'subnet-2'],
      securityGroups: ['sg-1'],
    });
    expect(mappingOf(template)).toMatchObject({
      SelfManagedEventSource: {
        Endpoints: { KafkaBootstrapServers: ['one.plant.example:9096', 'two.plant.example:9096'] },
      },
      SourceAccessConfigurations: [
        { Type: 'SASL_SCRAM_256_AUTH', URI: secretOf('reader') },
        { Type: 'SERVER_ROOT_CA_CERTIFICATE', URI: secretOf('ca') },
        { Type: 'VPC_SUBNET', URI: 'subnet:subnet-1' },
        { Type: 'VPC_SUBNET', URI: 'subnet:subnet-2' },
        { Type: 'VPC_SECURITY_GROUP', URI: 'security_group:sg-1' },
      ],
    });
    expect(mappingOf(template)).not.toHaveProperty('EventSourceArn');
    expect(ofCluster(permissionsOf(template)['Handler'])).toEqual([
      ...NETWORK,
      `secretsmanager:GetSecretValue ${secretOf('ca')}`,
      `secretsmanager:GetSecretValue ${secretOf('reader')}`,
    ]);
  });

  const NETWORK = [
    'ec2:CreateNetworkInterface *',
    'ec2:DeleteNetworkInterface *',
    'ec2:DescribeNetworkInterfaces *',
    'ec2:DescribeSecurityGroups *',
    'ec2:DescribeSubnets *',
    'ec2:DescribeVpcs *',
  ];
  const CLUSTER = [
    `kafka:DescribeCluster ${MSK}`,
    `kafka:DescribeClusterV2 ${MSK}`,
    `kafka:GetBootstrapBrokers ${MSK}`,
  ];
  const KEY = 'arn:aws:kms:eu-central-1:123456789012:key/1234';

  it.each([
    [
      'iam',
      undefined,
      undefined,
      [
        ...NETWORK,
        `kafka-cluster:AlterGroup ${MSK.replace(':cluster/', ':group/')}/*`,
        `kafka-cluster:Connect ${MSK}`,
        `kafka-cluster:DescribeClusterDynamicConfiguration ${MSK}`,
        `kafka-cluster:DescribeGroup ${MSK.replace(':cluster/', ':group/')}/*`,
        `kafka-cluster:DescribeTopic ${MSK.replace(':cluster/', ':topic/')}/flights`,
        `kafka-cluster:ReadData ${MSK.replace(':cluster/', ':topic/')}/flights`,
        ...CLUSTER,
      ],
    ],
    [
      'scram',
      { scram: secretOf('reader'), key: KEY },
      'SASL_SCRAM_512_AUTH',
      [
        ...NETWORK,
        ...CLUSTER,
        `kafka:ListScramSecrets ${MSK}`,
        `kms:Decrypt ${KEY}`,
        `secretsmanager:GetSecretValue ${secretOf('reader')}`,
      ],
    ],
    [
      'mtls',
      { mtls: secretOf('certificate') },
      'CLIENT_CERTIFICATE_TLS_AUTH',
      [...NETWORK, ...CLUSTER, `secretsmanager:GetSecretValue ${secretOf('certificate')}`],
    ],
    ['none', 'none' as const, undefined, [...NETWORK, ...CLUSTER]],
  ])('reads a cluster of MSK by %s, and may do nothing else there', (_, auth, type, allowed) => {
    const template = reading({ msk: MSK, ...(auth && { auth }) });
    const configured = mappingOf(template)?.['SourceAccessConfigurations'];
    expect(configured?.map(({ Type }: { Type: string }) => Type)).toEqual(type && [type]);
    const { Handler, Sweeper, Projector } = permissionsOf(template);
    expect(ofCluster(Handler)).toEqual(allowed);
    expect(ofCluster(Sweeper)).toEqual(['cloudwatch:GetMetricStatistics *']);
    expect(ofCluster(Projector)).toEqual([]);
  });

  it('tells the sweeper alone which function reads the topic', () => {
    const template = reading({ msk: MSK });
    const readers = Object.entries(template.findResources('AWS::Lambda::Function')).map(
      ([id, { Properties }]) =>
        [nameOf({ Ref: id }), Properties.Environment.Variables[ENVIRONMENT.topicReader]] as const,
    );
    expect(Object.fromEntries(readers)).toEqual({
      Handler: undefined,
      Projector: undefined,
      Sweeper: { Ref: expect.stringMatching(/^Handler/) },
    });
  });

  it('is refused without a cluster, and with one in another region', () => {
    expect(() => reading(undefined)).toThrow(
      new RangeError(
        'Cannot make a stack of "flights" as its source must name the cluster of topic "flights": give kafka cluster: { msk: <ARN> } or { brokers: [<host:port>] }',
      ),
    );
    expect(() => reading({ msk: MSK }, { env: { region: 'us-east-1' } })).toThrow(
      new RangeError(
        `Cannot read the cluster "${MSK}" as it must be in the stack's own region: the stack's region is us-east-1`,
      ),
    );
    expect(() => reading({ msk: MSK }, { env: { region: 'eu-central-1' } })).not.toThrow();
  });
});

describe('the stack of a pipeline that reads a table', () => {
  const TABLE_STREAM =
    'arn:aws:dynamodb:eu-central-1:123456789012:table/orders/stream/2026-01-05T08:00:00.000';
  const reading = (options: Partial<Parameters<typeof dynamodbStream>[0]> = {}, tableStream?: string) => {
    const app = new App({ context: { 'aws:cdk:bundling-stacks': [] } });
    const pipeline = { ...flights, source: dynamodbStream({ table: 'orders', ...options }) };
    const props: PipelineStackProps = {
      pipeline,
      alarms: 'none',
      entry: entryOf('flights'),
      ...(tableStream ? { tableStream } : {}),
    };
    return Template.fromStack(new PipelineStack(app, 'Table', props));
  };

  it('makes neither table nor stream for it', () => {
    const template = reading({ stream: TABLE_STREAM });
    template.resourceCountIs('AWS::Kinesis::Stream', 0);
    expect(namesOf(template, 'AWS::DynamoDB::Table')).toEqual(['Rows', 'State']);
  });

  it.each([
    ['definition', () => reading({ stream: TABLE_STREAM })],
    ['stack', () => reading({}, TABLE_STREAM)],
  ])('reads the stream that the %s says in order, shard by shard, from its beginning', (_, of) => {
    const template = of();
    template.hasResourceProperties('AWS::Lambda::EventSourceMapping', {
      EventSourceArn: TABLE_STREAM,
      FunctionName: { Ref: Match.stringLikeRegexp('^Handler') },
      StartingPosition: 'TRIM_HORIZON',
      BatchSize: 10_000,
      MaximumBatchingWindowInSeconds: 5,
      // With it alone Lambda says which shard a batch is of.
      TumblingWindowInSeconds: 900,
      ParallelizationFactor: 1,
      FunctionResponseTypes: ['ReportBatchItemFailures'],
      BisectBatchOnFunctionError: true,
      MaximumRetryAttempts: -1,
      FilterCriteria: Match.absent(),
      DestinationConfig: {
        OnFailure: { Destination: { 'Fn::GetAtt': [Match.stringLikeRegexp('^Failures'), 'Arn'] } },
      },
    });
    for (const { Properties } of Object.values(template.findResources('AWS::Lambda::Function'))) {
      expect(Properties.Environment.Variables[ENVIRONMENT.tableStream]).toBe(TABLE_STREAM);
    }
  });

  it('has Lambda leave out the kinds of changes that are not read', () => {
    reading({ stream: TABLE_STREAM, kinds: ['INSERT', 'MODIFY'] }).hasResourceProperties(
      'AWS::Lambda::EventSourceMapping',
      {
        EventSourceArn: TABLE_STREAM,
        FilterCriteria: { Filters: [{ Pattern: JSON.stringify({ eventName: ['INSERT', 'MODIFY'] }) }] },
      },
    );
  });

  it('lets handler and sweeper read the stream, and every call that the adapter makes', () => {
    const { Handler = [], Sweeper = [] } = permissionsOf(reading({ stream: TABLE_STREAM }));
    const ofStream = (all: readonly string[]) =>
      all.filter((one) => one.startsWith('dynamodb:') && !/ (State|Rows)$/.test(one));
    expect(ofStream(Handler)).toEqual([
      `dynamodb:DescribeStream ${TABLE_STREAM}`,
      `dynamodb:GetRecords ${TABLE_STREAM}`,
      `dynamodb:GetShardIterator ${TABLE_STREAM}`,
      'dynamodb:ListStreams *',
    ]);
    expect(ofStream(Sweeper)).toEqual([
      `dynamodb:DescribeStream ${TABLE_STREAM}`,
      `dynamodb:GetRecords ${TABLE_STREAM}`,
      `dynamodb:GetShardIterator ${TABLE_STREAM}`,
    ]);
    expect(Sweeper).toContain('dynamodb:GetItem State');
    const allowed = ofStream(Sweeper).map((one) => one.split(' ')[0]);
    expect([...new Set(callsOf('dynamodb-stream'))].map((call) => `dynamodb:${call}`).toSorted()).toEqual(
      allowed,
    );
  });

  it('is refused where nobody says which stream', () => {
    expect(() => reading()).toThrow(
      new RangeError(
        'Cannot make a stack of "flights" as the ARN of the stream of its table must be known: give dynamodbStream a stream, or the stack a tableStream',
      ),
    );
  });

  it.each(['Table-State1C20CC9A-1ABC', 'Table-Rows2606D84C-1ABC'])(
    'is refused where the table is its own: %s',
    (name) => {
      expect(() => reading({ table: name }, TABLE_STREAM)).toThrow(
        new RangeError(
          `Cannot make a stack of "flights" as a pipeline must not read the tables that it writes: "${name}" is one of the stack`,
        ),
      );
    },
  );
});

it('refuses a mapping that would have Lambda ignore which records failed', () => {
  const app = new App({ context: { 'aws:cdk:bundling-stacks': [] } });
  const stack = new PipelineStack(app, 'Flights', { pipeline: flights, alarms: 'none' });
  new CfnEventSourceMapping(new Stack(app, 'Elsewhere'), 'Planted', { functionName: 'any' });
  expect(() => app.synth()).not.toThrow();
  new CfnEventSourceMapping(stack, 'Planted', { functionName: stack.millrace.handler.functionName });
  expect(() => app.synth({ force: true })).toThrow(
    'Cannot map "Flights/Planted" as a mapping must set ReportBatchItemFailures: it sets []',
  );
});

/** What the adapter of a service calls. */
function callsOf(service: string): string[] {
  const folder = join(PROJECT, 'src/adapters', service);
  // What a person's own command asks is that person's affair. Only sinks that send messages have outlets.
  const source = readdirSync(folder)
    .filter((file) => !/-(reader|outlet)\.ts$/.test(file) && file !== 'dead-letters.ts')
    .map((file) => readFileSync(join(folder, file), 'utf8'))
    .join('\n');
  return [...source.matchAll(/new (\w+)Command\(/g)].map(([, call = '']) => call);
}

const namesOf = (template: Template, type: string): string[] =>
  Object.keys(template.findResources(type)).map(plain).sort();
