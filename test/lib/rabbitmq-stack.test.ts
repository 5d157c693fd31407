import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { App, Duration } from 'aws-cdk-lib';
import { Match, Template } from 'aws-cdk-lib/assertions';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { PipelineStack, type PipelineStackProps } from '../../lib/pipeline-stack.ts';
import { count, definePipeline, rabbitmq, table, tumbling } from '../../src/index.ts';
import { ENVIRONMENT } from '../../src/wiring/names.ts';
import { writeEntry } from './stack-entry.ts';

const scratch = mkdtempSync(join(tmpdir(), 'millrace-rabbitmq-'));
afterAll(() => rmSync(scratch, { recursive: true }));

const BROKER = 'arn:aws:mq:eu-central-1:123456789012:broker:plant:b-9bcfa592-423a-4942-879d-eb284b418fc8';
const SECRET = 'arn:aws:secretsmanager:eu-central-1:123456789012:secret:plant-reader-AbCdEf';

interface Reading {
  readonly id: string;
  readonly at: number;
}

const stackOf = (
  options: Partial<Parameters<typeof rabbitmq<Reading>>[0]>,
  more: Partial<PipelineStackProps> = {},
) => {
  const source = rabbitmq<Reading>({ queue: 'readings', broker: BROKER, secret: SECRET, ...options });
  const pipeline = definePipeline('readings', source, {
    key: (reading) => reading.id,
    eventTime: (reading) => reading.at,
    windows: { minute: tumbling({ size: '1m' }, { n: count() }) },
  }).to(table());
  const app = new App({ context: { 'aws:cdk:bundling-stacks': [] } });
  const entry = writeEntry(join(scratch, 'readings'), 'readings').folder;
  return new PipelineStack(app, 'Readings', { pipeline, alarms: 'none', entry, ...more });
};

describe('the stack of a pipeline that reads a RabbitMQ queue', () => {
  let template: Template;
  beforeAll(() => {
    template = Template.fromStack(stackOf({ virtualHost: 'plant', deadLetterExchange: 'refused' }));
  });

  /** The statements of the policy of a function's role whose actions are of a service. */
  const statementsOf = (name: string, service: string): readonly unknown[] =>
    Object.entries(template.findResources('AWS::IAM::Policy'))
      .filter(([id]) => id.startsWith(`${name}RoleDefaultPolicy`))
      .flatMap(([, { Properties }]) => Properties.PolicyDocument.Statement)
      .filter(({ Action }) => [Action].flat()[0].startsWith(`${service}:`))
      .map(({ Action, Resource }) => ({ Action, Resource }));

  it('maps the queue with its user and virtual host, and asks for no reports', () => {
    template.hasResource('AWS::Lambda::EventSourceMapping', {
      Properties: {
        EventSourceArn: BROKER,
        FunctionName: { Ref: Match.stringLikeRegexp('^Handler') },
        Queues: ['readings'],
        SourceAccessConfigurations: [
          { Type: 'BASIC_AUTH', URI: SECRET },
          { Type: 'VIRTUAL_HOST', URI: 'plant' },
        ],
        BatchSize: 10_000,
        MaximumBatchingWindowInSeconds: 5,
        FunctionResponseTypes: Match.absent(),
        StartingPosition: Match.absent(),
        DestinationConfig: Match.absent(),
      },
      // Lambda connects as soon as the mapping is made.
      DependsOn: Match.arrayWith([Match.stringLikeRegexp('^HandlerRoleDefaultPolicy')]),
    });
    template.resourceCountIs('AWS::AmazonMQ::Broker', 0);
    // That of the schedules.
    template.resourceCountIs('AWS::SQS::Queue', 1);
  });

  it('gathers messages for as long as it is told', () => {
    const batchingWindow = Duration.seconds(30);
    Template.fromStack(stackOf({ deliveryLimit: 'none' }, { batchingWindow })).hasResourceProperties(
      'AWS::Lambda::EventSourceMapping',
      { Queues: ['readings'], MaximumBatchingWindowInSeconds: 30 },
    );
  });

  it('lets the handler reach this broker with this secret, and nobody else', () => {
    expect(statementsOf('Handler', 'mq')).toEqual([{ Action: 'mq:DescribeBroker', Resource: BROKER }]);
    expect(statementsOf('Handler', 'secretsmanager')).toEqual([
      { Action: 'secretsmanager:GetSecretValue', Resource: SECRET },
    ]);
    expect(statementsOf('Handler', 'ec2')).toEqual([
      {
        Action: [
          'ec2:CreateNetworkInterface',
          'ec2:DeleteNetworkInterface',
          'ec2:DescribeNetworkInterfaces',
          'ec2:DescribeSecurityGroups',
          'ec2:DescribeSubnets',
          'ec2:DescribeVpcs',
        ],
        Resource: '*',
      },
    ]);
    for (const name of ['Sweeper', 'Projector']) {
      for (const service of ['mq', 'secretsmanager', 'ec2']) expect(statementsOf(name, service)).toEqual([]);
    }
  });

  it('lets the sweeper see the count of messages, and tells it of which broker', () => {
    expect(statementsOf('Sweeper', 'cloudwatch')).toEqual([
      { Action: 'cloudwatch:GetMetricStatistics', Resource: '*' },
    ]);
    template.allResourcesProperties('AWS::Lambda::Function', {
      Environment: { Variables: Match.objectLike({ [ENVIRONMENT.brokerName]: 'plant' }) },
    });
    template.hasOutput('QueueName', { Value: 'readings' });
  });
});

describe('no stack is made', () => {
  it.each([
    [{ broker: undefined, deliveryLimit: 'none' }, 'broker is not set'],
    [{ secret: undefined, deliveryLimit: 'none' }, 'secret is not set'],
  ] as const)('of a queue that nobody can reach: %j', (options, state) => {
    expect(() => stackOf(options)).toThrow(
      new RangeError(
        `Cannot make a stack of "readings" as rabbitmq must have the ARNs of its broker and of the secret with its user: ${state}`,
      ),
    );
  });

  it('of a queue that may drop messages without a trace', () => {
    expect(() => stackOf({})).toThrow(
      new RangeError(
        'Cannot make a stack of "readings" as a quorum queue drops a message after 20 deliveries since RabbitMQ 4.0, and every message of a batch that fails is delivered again, so rabbitmq must have a deadLetterExchange, or deliveryLimit: "none" for a queue without a limit: neither is set',
      ),
    );
  });
});
