import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { App, Stack } from 'aws-cdk-lib';
import { Match, Template } from 'aws-cdk-lib/assertions';
import * as appsync from 'aws-cdk-lib/aws-appsync';
import * as kms from 'aws-cdk-lib/aws-kms';
import * as sqs from 'aws-cdk-lib/aws-sqs';
import { afterAll, describe, expect, it } from 'vitest';
import { PipelineStack, type PipelineStackProps } from '../../lib/pipeline-stack.ts';
import {
  count,
  definePipeline,
  kinesis,
  notify,
  type Pipeline,
  push,
  sink,
  stream,
  table,
  tumbling,
} from '../../src/index.ts';
import { namespaceVariable, sinkVariable } from '../../src/wiring/names.ts';
import { writeEntry } from './stack-entry.ts';

const scratch = mkdtempSync(join(tmpdir(), 'millrace-sinks-'));
afterAll(() => rmSync(scratch, { recursive: true }));
const { folder: entry } = writeEntry(scratch, 'readings');

const readings = definePipeline('readings', kinesis<{ id: string; at: number }>(), {
  key: ({ id }) => id,
  eventTime: ({ at }) => at,
  windows: { minute: tumbling({ size: '1m' }, { n: count() }) },
});

const newApp = () => new App({ context: { 'aws:cdk:bundling-stacks': [] } });
const env = { account: '123456789012', region: 'eu-west-1' };
const stackOf = (
  sinks: Pipeline['sinks'],
  more: Partial<PipelineStackProps> = {},
  app = newApp(),
): PipelineStack =>
  new PipelineStack(app, 'Readings', {
    pipeline: { ...readings, sinks },
    alarms: 'none',
    entry,
    env,
    // So many sinks at once need more than the default.
    memory: { projector: 1_024 },
    ...more,
  });

interface Statement {
  readonly Action: string | readonly string[];
  readonly Resource: unknown;
  readonly Effect: string;
}

/** What the roles of functions may do beside what every pipeline's may: actions, and the logical id or ARN of their resource. */
function permitted(template: Template): Record<string, readonly string[]> {
  const services = /^(sns|sqs|events|appsync|kms|kinesis:Put)/;
  const found: Record<string, string[]> = {};
  for (const { Properties } of Object.values(template.findResources('AWS::IAM::Policy'))) {
    const role = /^(Handler|Sweeper|Projector|Query)/.exec(
      JSON.stringify(Properties.Roles[0].Ref).slice(1),
    )?.[0];
    // The scheduler's own role is of no function.
    if (role === undefined) continue;
    for (const { Action, Resource } of Properties.PolicyDocument.Statement as Statement[]) {
      const allowed = [Action].flat().filter((action) => services.test(action));
      if (allowed.length === 0) continue;
      const lines = allowed.map((action) => `${action} ${placeOf(Resource)}`);
      found[role] = [...(found[role] ?? []), ...lines];
    }
  }
  return found;
}

/** Names a resource without the hash of its logical id. */
const placeOf = (resource: unknown): string => {
  const [, id = JSON.stringify(resource)] =
    /"(?:Ref|Fn::GetAtt)":\[?"([A-Za-z]+?)[0-9A-F]{8}"/.exec(JSON.stringify(resource)) ?? [];
  return id;
};

const everyKind = [
  table(),
  notify({ name: 'alerts', to: 'sns' }),
  notify({ name: 'on-call', to: 'sns-fifo' }),
  notify({ name: 'bus', to: 'eventbridge' }),
  stream({ name: 'hop', to: 'kinesis' }),
  stream({ name: 'work', to: 'sqs' }),
  stream({ name: 'in-order', to: 'sqs-fifo' }),
  push({ name: 'live' }),
  sink({ name: 'own', deliver: () => {} }),
];

describe('the stack of a pipeline whose sinks send messages', () => {
  const template = Template.fromStack(stackOf(everyKind));

  it('lets the projector alone send, and to these resources alone', () => {
    const { Projector = [], ...others } = permitted(template);
    expect(others).toEqual({});
    expect(Projector.toSorted()).toEqual(
      [
        'sns:Publish SinkAlertsTopic',
        'sns:Publish SinkOnCallTopic',
        'events:PutEvents SinkBus',
        'kinesis:PutRecords SinkHopStream',
        'sqs:SendMessage SinkWorkQueue',
        'sqs:SendMessage SinkInOrderQueue',
        'appsync:EventPublish SinkLiveApi',
      ].toSorted(),
    );
    expect(JSON.stringify(template.toJSON())).toContain('/channelNamespace/panes');
  });

  it('makes topics and queues that are encrypted, refuse what comes without TLS, and tell ids apart by key', () => {
    template.resourceCountIs('AWS::SNS::Topic', 2);
    template.allResourcesProperties('AWS::SNS::Topic', { KmsMasterKeyId: Match.anyValue() });
    template.hasResourceProperties('AWS::SNS::Topic', {
      FifoTopic: true,
      ContentBasedDeduplication: false,
      FifoThroughputScope: 'MessageGroup',
    });
    template.allResourcesProperties('AWS::SQS::Queue', { SqsManagedSseEnabled: true });
    template.hasResourceProperties('AWS::SQS::Queue', {
      FifoQueue: true,
      ContentBasedDeduplication: false,
      DeduplicationScope: 'messageGroup',
      FifoThroughputLimit: 'perMessageGroupId',
    });
    // The third queue is that of the schedules.
    for (const [type, count] of [
      ['AWS::SNS::TopicPolicy', 2],
      ['AWS::SQS::QueuePolicy', 3],
    ] as const) {
      template.resourceCountIs(type, count);
      template.allResourcesProperties(type, {
        PolicyDocument: {
          Statement: [{ Effect: 'Deny', Condition: { Bool: { 'aws:SecureTransport': 'false' } } }],
        },
      });
    }
  });

  it('makes a stream that heeds partition keys, and an API whose callers all sign', () => {
    template.hasResourceProperties('AWS::Kinesis::Stream', {
      StreamModeDetails: { StreamMode: 'ON_DEMAND' },
      StreamEncryption: { EncryptionType: 'KMS' },
      RecordDistributionStrategy: 'USER_PARTITION_KEY',
    });
    const iam = [{ AuthType: 'AWS_IAM' }];
    template.hasResourceProperties('AWS::AppSync::Api', {
      EventConfig: {
        AuthProviders: iam,
        ConnectionAuthModes: iam,
        DefaultPublishAuthModes: iam,
        DefaultSubscribeAuthModes: iam,
      },
    });
    template.hasResourceProperties('AWS::AppSync::ChannelNamespace', { Name: 'panes' });
  });

  it('tells every function where sinks send to, and whoever deploys', () => {
    const named = [
      ...['alerts', 'on-call', 'bus', 'hop', 'work', 'in-order', 'live'].map(sinkVariable),
      namespaceVariable('live'),
    ];
    const [projector] = Object.values(
      template.findResources('AWS::Lambda::Function', {
        Properties: { Description: Match.stringLikeRegexp('delivers') },
      }),
    );
    const { Variables } = projector?.['Properties'].Environment ?? {};
    expect(
      Object.keys(Variables)
        .filter((name) => /SINK|NAMESPACE/.test(name))
        .toSorted(),
    ).toEqual(named.toSorted());
    for (const output of [
      'SinkAlertsTopicArn',
      'SinkOnCallTopicArn',
      'SinkBusBusName',
      'SinkHopStreamName',
      'SinkWorkQueueUrl',
      'SinkInOrderQueueUrl',
      'SinkLiveEventsUrl',
      'SinkLiveRealtimeUrl',
    ]) {
      template.hasOutput(output, {});
    }
  });
});

describe('the stack of a pipeline whose sinks send to what exists', () => {
  it('makes nothing of its own, and allows what the sinks need', () => {
    const app = newApp();
    const other = new Stack(app, 'Other', { env });
    const key = new kms.Key(other, 'Key');
    const queue = new sqs.Queue(other, 'Queue', { fifo: true, encryptionMasterKey: key });
    const api = appsync.EventApi.fromEventApiAttributes(other, 'Api', {
      apiId: 'abc',
      httpDns: 'abc.appsync-api.eu-west-1.amazonaws.com',
      realtimeDns: 'abc.appsync-realtime-api.eu-west-1.amazonaws.com',
    });
    const template = Template.fromStack(
      stackOf(
        everyKind.filter((one) => !('name' in one) || !['own', 'work', 'on-call'].includes(one.name)),
        {
          sinks: {
            alerts: 'arn:aws:sns:eu-west-1:123456789012:alerts',
            bus: 'arn:aws:events:eu-west-1:123456789012:event-bus/plant',
            hop: 'arn:aws:kinesis:eu-west-1:123456789012:stream/hop',
            'in-order': queue,
            live: { api, namespace: 'plant' },
          },
        },
        app,
      ),
    );
    for (const type of ['SNS::Topic', 'Events::EventBus', 'AppSync::Api'])
      template.resourceCountIs(`AWS::${type}`, 0);
    // That of the schedules, and the source's own.
    template.resourceCountIs('AWS::SQS::Queue', 1);
    template.resourceCountIs('AWS::Kinesis::Stream', 1);
    const { Projector = [] } = permitted(template);
    expect(Projector.map((one) => one.replaceAll(/\{.*?(\w+)\}*$/g, '$1').split(' ')[0]).toSorted()).toEqual([
      'appsync:EventPublish',
      'events:PutEvents',
      'kinesis:PutRecords',
      'kms:Decrypt',
      'kms:GenerateDataKey',
      'sns:Publish',
      'sqs:SendMessage',
    ]);
    expect(Projector).toContain('sns:Publish "arn:aws:sns:eu-west-1:123456789012:alerts"');
    expect(Projector.join()).toContain('apis/abc/channelNamespace/plant');
  });

  it.each([
    ['a sink that is not there', { none: 'arn:aws:sns:eu-west-1:1:a' }, /target for the sink "none".*alerts/],
    ['a sink of rows', { table: 'arn:aws:sns:eu-west-1:1:a' }, /target for the sink "table"/],
    ['an ARN of another service', { alerts: 'arn:aws:sqs:eu-west-1:1:a' }, /"alerts".*an ARN of sns/],
    ['a topic that is no FIFO', { 'on-call': 'arn:aws:sns:eu-west-1:1:a' }, /"on-call".*must be FIFO/],
    ['a FIFO queue', { work: 'arn:aws:sqs:eu-west-1:1:a.fifo' }, /"work".*must be no FIFO/],
    ['an ARN for channels', { live: 'arn:aws:appsync:eu-west-1:1:apis/a' }, /"live".*an Event API/],
  ])('refuses %s', (_, sinks, error) => {
    expect(() => stackOf(everyKind, { sinks })).toThrow(error);
  });
});
