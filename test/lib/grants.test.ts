import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { App, Stack } from 'aws-cdk-lib';
import { Template } from 'aws-cdk-lib/assertions';
import * as iam from 'aws-cdk-lib/aws-iam';
import { describe, expect, it } from 'vitest';
import { Bundles, entryOf, type Role } from '../../lib/bundle.ts';
import { stacks } from '../e2e/stacks/app.ts';
import type { Statement } from './permissions.ts';

const ROLES = ['handler', 'sweeper', 'projector', 'query', 'check'] as const satisfies readonly Role[];

/** Which action of IAM allows a command, where it is not the command's own name. */
const ACTIONS: { readonly [command: string]: readonly string[] } = {
  BatchWriteItem: ['dynamodb:BatchWriteItem'],
  DescribeStream: ['dynamodb:DescribeStream'],
  GetItem: ['dynamodb:GetItem'],
  GetMetricStatistics: ['cloudwatch:GetMetricStatistics'],
  GetObject: ['s3:GetObject'],
  GetQueueAttributes: ['sqs:GetQueueAttributes'],
  // Streams of both services are read by commands of one name.
  GetRecords: ['kinesis:GetRecords', 'dynamodb:GetRecords'],
  GetShardIterator: ['kinesis:GetShardIterator', 'dynamodb:GetShardIterator'],
  HeadObject: ['s3:GetObject'],
  ListShards: ['kinesis:ListShards'],
  PublishBatch: ['sns:Publish'],
  PutEvents: ['events:PutEvents'],
  PutItem: ['dynamodb:PutItem'],
  PutObject: ['s3:PutObject'],
  PutRecords: ['kinesis:PutRecords'],
  Query: ['dynamodb:Query'],
  SendMessageBatch: ['sqs:SendMessage'],
};

/** The commands by which the SDK itself finds credentials and endpoints. None of them is called in Lambda. */
const OF_THE_SDK = [
  'AssumeRole',
  'AssumeRoleWithWebIdentity',
  'CreateOAuth2Token',
  'CreateOAuth2TokenWithIAM',
  'CreateSession',
  'CreateToken',
  'DescribeEndpoints',
  'GetRoleCredentials',
];

const MAPPING = 'Lambda reads the source with the rights of the function';
const FAILURES = 'Lambda writes what it gave up with the rights of the function';
const LOGS = 'Lambda writes what a function prints with the rights of the function';
const KEY = 'tables, buckets and streams decrypt and encrypt by the key on behalf of whoever asks';
const NETWORK = 'Lambda makes network interfaces, to reach a broker, with the rights of the function';

/** The actions that no command of a function needs, and what needs them. */
const BY_SERVICES: { readonly [Of in Role]?: { readonly [action: string]: string } } = {
  handler: {
    'dynamodb:DescribeStream': MAPPING,
    'dynamodb:GetRecords': MAPPING,
    'dynamodb:GetShardIterator': MAPPING,
    'dynamodb:ListStreams': MAPPING,
    'kinesis:DescribeStream': MAPPING,
    'kinesis:DescribeStreamConsumer': MAPPING,
    'kinesis:DescribeStreamSummary': MAPPING,
    'kinesis:GetRecords': MAPPING,
    'kinesis:GetShardIterator': MAPPING,
    'kinesis:ListShards': MAPPING,
    'kinesis:ListStreams': MAPPING,
    'kinesis:SubscribeToShard': MAPPING,
    'sqs:ChangeMessageVisibility': MAPPING,
    'sqs:DeleteMessage': MAPPING,
    'sqs:GetQueueAttributes': MAPPING,
    'sqs:GetQueueUrl': MAPPING,
    'sqs:ReceiveMessage': MAPPING,
    'kafka:DescribeCluster': MAPPING,
    'kafka:DescribeClusterV2': MAPPING,
    'kafka:GetBootstrapBrokers': MAPPING,
    'kafka-cluster:AlterGroup': MAPPING,
    'kafka-cluster:Connect': MAPPING,
    'kafka-cluster:DescribeClusterDynamicConfiguration': MAPPING,
    'kafka-cluster:DescribeGroup': MAPPING,
    'kafka-cluster:DescribeTopic': MAPPING,
    'kafka-cluster:ReadData': MAPPING,
    'mq:DescribeBroker': MAPPING,
    'secretsmanager:GetSecretValue': MAPPING,
    'ec2:CreateNetworkInterface': NETWORK,
    'ec2:DeleteNetworkInterface': NETWORK,
    'ec2:DescribeNetworkInterfaces': NETWORK,
    'ec2:DescribeSecurityGroups': NETWORK,
    'ec2:DescribeSubnets': NETWORK,
    'ec2:DescribeVpcs': NETWORK,
    's3:ListBucket': FAILURES,
    'kms:Decrypt': KEY,
    'kms:Encrypt': KEY,
    'kms:GenerateDataKey*': KEY,
    'kms:ReEncrypt*': KEY,
    'logs:CreateLogStream': LOGS,
    'logs:PutLogEvents': LOGS,
  },
  sweeper: {
    'kms:Decrypt': KEY,
    'kms:Encrypt': KEY,
    'kms:GenerateDataKey*': KEY,
    'kms:ReEncrypt*': KEY,
    'logs:CreateLogStream': LOGS,
    'logs:PutLogEvents': LOGS,
  },
  projector: {
    'dynamodb:DescribeStream': MAPPING,
    'dynamodb:GetRecords': MAPPING,
    'dynamodb:GetShardIterator': MAPPING,
    'dynamodb:ListStreams': MAPPING,
    's3:ListBucket': `${FAILURES}, and S3 answers 404 of an object that is not there`,
    'kms:Decrypt': KEY,
    'kms:DescribeKey': MAPPING,
    'kms:Encrypt': KEY,
    'kms:GenerateDataKey*': KEY,
    'kms:ReEncrypt*': KEY,
    'appsync:EventPublish': 'src/adapters/appsync/channel.ts posts to the API without a command of the SDK',
    'logs:CreateLogStream': LOGS,
    'logs:PutLogEvents': LOGS,
  },
  query: { 'kms:Decrypt': KEY, 'logs:CreateLogStream': LOGS, 'logs:PutLogEvents': LOGS },
  check: { 'kms:Decrypt': KEY, 'logs:CreateLogStream': LOGS, 'logs:PutLogEvents': LOGS },
};

/** The commands that a bundle holds, though its function never gives them. */
const NEVER_GIVEN: { readonly [Of in Role]?: { readonly [command: string]: string } } = {
  handler: { GetItem: 'the sweeper alone asks how far a lineage is in' },
  projector: { GetItem: 'the sweeper alone asks how far a lineage is in' },
  query: {
    GetItem: 'the sweeper alone asks how far a lineage is in',
    PutItem: 'the port of logs appends, too, and no question does',
    PutObject: 'the port of objects creates, too, and no question does',
  },
  check: {
    GetItem: 'the sweeper alone asks how far a lineage is in',
    PutItem: 'the port of logs appends, too, and a check never does',
    PutObject: 'the port of objects creates, too, and a check never does',
  },
};

/** The commands of the SDK that the bundle of each function holds: esbuild leaves out what nothing names. */
function commandsOf(): { readonly [Of in Role]: readonly string[] } {
  const folder = mkdtempSync(join(tmpdir(), 'millrace-grants-'));
  try {
    const bundles = new Bundles(entryOf('functions/flights'), ROLES, [
      'sns',
      'sqs',
      'kinesis',
      'eventbridge',
      'appsync',
    ]);
    const held = ROLES.map((role) => {
      const text = readFileSync(bundles.write(role, join(folder, role)).path, 'utf8');
      const commands = [...text.matchAll(/class extends [\w$]+\([\w$]+,[\w$]+,"(\w+)"/g)].map(
        ([, command = '']) => command,
      );
      return [role, [...new Set(commands)].filter((command) => !OF_THE_SDK.includes(command))] as const;
    });
    return Object.fromEntries(held) as Record<Role, string[]>;
  } finally {
    rmSync(folder, { recursive: true });
  }
}

/** What the role of each function may do in some stack. */
const granted = ((): { readonly [Of in Role]: readonly string[] } => {
  const policies = stacks.flatMap((stack) =>
    Object.values(Template.fromStack(stack).findResources('AWS::IAM::Policy')),
  );
  const allowedTo = (role: Role) =>
    policies
      .filter(({ Properties }) => String(Properties.Roles[0].Ref).toLowerCase().startsWith(`${role}role`))
      .flatMap(({ Properties }) => Properties.PolicyDocument.Statement as Statement[])
      .flatMap(({ Action }) => [Action].flat());
  return Object.fromEntries(ROLES.map((role) => [role, [...new Set(allowedTo(role))]])) as Record<
    Role,
    string[]
  >;
})();

const commands = commandsOf();

const byCode = (role: Role): readonly string[] =>
  commands[role].flatMap((command) => ACTIONS[command] ?? [`unknown:${command}`]);

/** The actions among those that are allowed which neither the code of a function nor Lambda needs. */
const unneeded = (role: Role, allowed: readonly string[]): readonly string[] => {
  const needed = new Set([...byCode(role), ...Object.keys(BY_SERVICES[role] ?? {})]);
  return allowed.filter((action) => !needed.has(action));
};

it('a right that nobody needs is seen', () => {
  const planted = [...granted.sweeper, 's3:DeleteObject'];
  expect(unneeded('sweeper', planted)).toEqual(['s3:DeleteObject']);
});

describe.each(ROLES)('whatever the source and the sinks are, the role of the %s', (role) => {
  const services = BY_SERVICES[role] ?? {};
  const never = NEVER_GIVEN[role] ?? {};

  it('may do what its code or Lambda does, and nothing else', () => {
    expect(unneeded(role, granted[role])).toEqual([]);
  });

  it('may do what its code does', () => {
    const missing = commands[role].filter(
      (command) => !(ACTIONS[command] ?? []).some((action) => granted[role].includes(action)),
    );
    expect(missing.toSorted()).toEqual(Object.keys(never));
  });

  it('may do all that the list of what Lambda does says', () => {
    expect(Object.keys(services).filter((action) => !granted[role].includes(action))).toEqual([]);
  });
});

it('commands are found in bundles, and none where it is not', () => {
  expect(commands.projector).toEqual(expect.arrayContaining(['BatchWriteItem', 'PublishBatch', 'PutObject']));
  expect(commands.handler).not.toContain('BatchWriteItem');
});

/** The policies that say who may use a resource, or be a role. */
const RESOURCE_POLICIES = {
  'AWS::IAM::Role': 'AssumeRolePolicyDocument',
  'AWS::KMS::Key': 'KeyPolicy',
  'AWS::S3::BucketPolicy': 'PolicyDocument',
  'AWS::SQS::QueuePolicy': 'PolicyDocument',
  'AWS::SNS::TopicPolicy': 'PolicyDocument',
} as const;

/** The services that a policy of a template lets in on behalf of whoever asks them. */
const deputiesOf = (template: Template): string[] =>
  Object.entries(RESOURCE_POLICIES).flatMap(([type, field]) =>
    Object.entries(template.findResources(type)).flatMap(([id, { Properties }]) =>
      (Properties[field].Statement as Statement[])
        .filter(({ Effect }) => Effect === 'Allow')
        .filter(
          ({ Condition }) =>
            !/"(aws:Source(Account|Arn)|kms:EncryptionContext)/.test(JSON.stringify(Condition ?? {})),
        )
        .flatMap(({ Principal }) => (Principal as { readonly Service?: string })?.Service ?? [])
        .map((service) => `${id.replace(/[0-9A-F]{8}$/, '')} ${JSON.stringify(service)}`),
    ),
  );

describe('whoever acts for a pipeline', () => {
  it('does so for its own account, but Lambda, to which nobody can pass a role of another account', () => {
    const deputies = new Set(stacks.flatMap((stack) => deputiesOf(Template.fromStack(stack))));
    expect([...deputies].toSorted()).toEqual(
      ['Check', 'Handler', 'Projector', 'Query', 'Sweeper'].map(
        (name) => `${name}Role "lambda.amazonaws.com"`,
      ),
    );
    // Lambda calls the functions by mappings and the scheduler by its role: no policy of theirs lets a service in.
    for (const stack of stacks) Template.fromStack(stack).resourceCountIs('AWS::Lambda::Permission', 0);
  });

  it('is seen where it does so for any', () => {
    const stack = new Stack(new App(), 'Planted');
    new iam.Role(stack, 'Role', { assumedBy: new iam.ServicePrincipal('scheduler.amazonaws.com') });
    expect(deputiesOf(Template.fromStack(stack))).toEqual(['Role "scheduler.amazonaws.com"']);
  });
});
