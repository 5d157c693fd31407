import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { App, Stack } from 'aws-cdk-lib';
import { Template } from 'aws-cdk-lib/assertions';
import * as iam from 'aws-cdk-lib/aws-iam';
import { afterAll, describe, expect, it, vi } from 'vitest';
import { flights } from '../../functions/flights/pipeline.ts';
import { MillracePipeline, type MillracePipelineProps } from '../../lib/millrace-pipeline.ts';
import { memoryClock } from '../../src/adapters/memory/clock.ts';
import { powertoolsTelemetry } from '../../src/adapters/powertools/telemetry.ts';
import type { EpochMillis } from '../../src/core/time.ts';
import {
  bucket,
  dynamodbStream,
  kafka,
  kinesis,
  type Pipeline,
  panesOf,
  push,
  rabbitmq,
  sqs,
  table,
} from '../../src/index.ts';
import { permissionsOf, plain } from './permissions.ts';
import { writeEntry } from './stack-entry.ts';

const scratch = mkdtempSync(join(tmpdir(), 'millrace-construct-'));
afterAll(() => rmSync(scratch, { recursive: true }));

const PLACE = 'us-east-1:123456789012';
const CLUSTER = `arn:aws:kafka:${PLACE}:cluster/plant/2f6a-1`;
const entry = writeEntry(join(scratch, 'flights'), 'flights').folder;

const newStack = () =>
  new Stack(new App({ context: { 'aws:cdk:bundling-stacks': [] } }), 'Plant', {
    env: { account: '123456789012', region: 'us-east-1' },
  });

const pipelineIn = (
  stack: Stack,
  pipeline: Partial<Pipeline> = {},
  props: Partial<MillracePipelineProps> = {},
) =>
  new MillracePipeline(stack, 'Flights', {
    pipeline: { ...flights, ...pipeline },
    alarms: 'none',
    entry,
    ...props,
  });

const userIn = (stack: Stack) =>
  new iam.Role(stack, 'User', { assumedBy: new iam.ServicePrincipal('ecs.amazonaws.com') });

describe('a pipeline as a construct', () => {
  it('stands beside another in a stack, under its own id', () => {
    const stack = newStack();
    pipelineIn(stack);
    const quakes = { ...flights, name: 'quakes' };
    new MillracePipeline(stack, 'Quakes', { pipeline: quakes, alarms: 'none', entry });
    const functions = Object.keys(Template.fromStack(stack).findResources('AWS::Lambda::Function'));
    expect(functions.map(plain).toSorted()).toEqual(
      ['Flights', 'Quakes'].flatMap((id) =>
        ['Check', 'Handler', 'Projector', 'Sweeper'].map((name) => id + name),
      ),
    );
  });

  it('has members for what it made, and none for what its definition does not need', () => {
    const { handler, sweeper, projector, query, rows, sinks } = pipelineIn(newStack(), {
      sinks: [bucket(), push()],
    });
    expect([handler, sweeper, projector].map((fn) => fn?.node.id)).toEqual([
      'Handler',
      'Sweeper',
      'Projector',
    ]);
    expect([query, rows]).toEqual([undefined, undefined]);
    expect(Object.keys(sinks)).toEqual(['push']);
    expect(pipelineIn(newStack(), { sinks: [] }).projector).toBeUndefined();
  });
});

describe('the metrics of a construct', () => {
  /** The lines in the embedded metric format that a function writes. */
  const writtenBy = (count: (telemetry: ReturnType<typeof powertoolsTelemetry>) => void) => {
    const written: string[] = [];
    const spy = vi
      .spyOn(process.stdout, 'write')
      .mockImplementation((some) => written.push(String(some)) > 0);
    const telemetry = powertoolsTelemetry(flights.name, memoryClock(0 as EpochMillis));
    count(telemetry);
    telemetry.flush();
    spy.mockRestore();
    return written.flatMap((some) => some.trim().split('\n')).map((line) => JSON.parse(line));
  };

  const millrace = pipelineIn(newStack());
  it.each([
    ['poison', millrace.metric('poison'), 'Sum'],
    ['keys', millrace.metric('keys'), 'Maximum'],
    ['sinkLag', millrace.metricSinkLag('table'), 'Maximum'],
    ['lateForWindow', millrace.metricLateForWindow('hourly'), 'Sum'],
    ['deliveryLatency', millrace.metricDeliveryLatency('table'), 'p99'],
  ])('are those that functions write: %s', (name, { namespace, metricName, dimensions, statistic }, by) => {
    const [line] = writtenBy((telemetry) => {
      if (name === 'poison') telemetry.count('poison', 1);
      if (name === 'keys') telemetry.measure('keys', 1);
      if (name === 'sinkLag') telemetry.measureLag('table', 1);
      if (name === 'lateForWindow') telemetry.countLate('hourly', 1);
      if (name === 'deliveryLatency') telemetry.countDelivery('table', 0 as EpochMillis, 7 as EpochMillis);
    });
    const [{ Namespace, Dimensions, Metrics }] = line._aws.CloudWatchMetrics;
    expect({ namespace, names: [metricName] }).toEqual({
      namespace: Namespace,
      names: Metrics.map(({ Name }: { Name: string }) => Name),
    });
    const [names] = Dimensions as string[][];
    expect(dimensions).toEqual(Object.fromEntries((names as string[]).map((name) => [name, line[name]])));
    expect(statistic).toBe(by);
  });

  it('take what a metric of CDK takes', () => {
    expect(millrace.metric('conflicts', { statistic: 'Maximum', label: 'races' })).toMatchObject({
      statistic: 'Maximum',
      label: 'races',
    });
  });
});

describe('a grant of a construct', () => {
  const granted = (
    pipeline: Partial<Pipeline>,
    grant: (millrace: MillracePipeline, to: iam.Role) => void,
  ) => {
    const stack = newStack();
    const millrace = pipelineIn(stack, pipeline, {
      upstream: { stateTable: 'first-state', resultsBucket: 'first-results' },
    });
    grant(millrace, userIn(stack));
    return permissionsOf(Template.fromStack(stack))['User'];
  };
  const putting = (source: Pipeline['source']) =>
    granted({ source }, (millrace, user) => millrace.grantPut(user));
  const tableStream = `arn:aws:dynamodb:${PLACE}:table/orders/stream/2026-01-05T08:00:00.000`;

  it.each([
    [
      'Kinesis',
      kinesis(),
      ['kinesis:PutRecord FlightsSourceStream', 'kinesis:PutRecords FlightsSourceStream'],
    ],
    ['SQS', sqs(), ['sqs:SendMessage FlightsSourceQueue']],
    [
      'Kafka',
      kafka({ topic: 'delays', cluster: { msk: CLUSTER } }),
      [
        `kafka-cluster:Connect ${CLUSTER}`,
        `kafka-cluster:DescribeTopic ${CLUSTER.replace('cluster/', 'topic/')}/delays`,
        `kafka-cluster:WriteData ${CLUSTER.replace('cluster/', 'topic/')}/delays`,
        `kafka-cluster:WriteDataIdempotently ${CLUSTER}`,
      ],
    ],
  ])('lets a producer put records into %s, and nothing else', (_, source, allowed) => {
    expect(putting(source)).toEqual(allowed);
  });

  it('lets a producer change the table whose changes are read', () => {
    expect(
      putting(dynamodbStream({ table: 'orders', stream: tableStream }))?.map((one) => one.split(' ')[0]),
    ).toEqual(['BatchWriteItem', 'DeleteItem', 'PutItem', 'UpdateItem'].map((call) => `dynamodb:${call}`));
  });

  it.each([
    [
      'a secret of MSK',
      kafka({ topic: 'delays', cluster: { msk: CLUSTER, auth: 'none' } }),
      'Cannot grant putting records into "delays" as its cluster must be one of MSK that is used by IAM: its clients have a secret, or need none',
    ],
    [
      'brokers',
      kafka({
        topic: 'delays',
        cluster: { brokers: ['plant.example:9096'], subnets: ['subnet-1'], securityGroups: ['sg-1'] },
      }),
      'Cannot grant putting records into "delays" as its cluster must be one of MSK that is used by IAM: its brokers are your own',
    ],
    [
      'RabbitMQ',
      rabbitmq({
        queue: 'delays',
        broker: `arn:aws:mq:${PLACE}:broker:plant:b-9bcfa592-423a-4942-879d-eb284b418fc8`,
        secret: `arn:aws:secretsmanager:${PLACE}:secret:rabbit-AbCdEf`,
        deadLetterExchange: 'refused',
      }),
      'Cannot grant putting messages into "delays" as a policy of IAM must be able to allow it: a RabbitMQ broker has users of its own',
    ],
    [
      'panes',
      panesOf({ ...flights, name: 'first' }, 'hourly'),
      'Cannot grant putting records as the source must take records: it is the panes of "first", whose stack grants putting records there',
    ],
  ])('is refused where IAM cannot allow it: %s', (_, source, why) => {
    expect(() => putting(source)).toThrow(new RangeError(why));
  });

  it('lets a reader have rows and objects of panes, and nothing else of the bucket', () => {
    const reading = (millrace: MillracePipeline, user: iam.Role) => millrace.grantReadResults(user);
    expect(granted({ sinks: [table(), bucket()] }, reading)).toEqual([
      'dynamodb:BatchGetItem FlightsRows',
      'dynamodb:GetItem FlightsRows',
      'dynamodb:Query FlightsRows',
      's3:GetObject FlightsResults/panes/*',
      's3:ListBucket FlightsResults',
    ]);
    expect(granted({ sinks: [table()] }, reading)?.some((one) => one.startsWith('s3:'))).toBe(false);
    expect(() => granted({ sinks: [push()] }, reading)).toThrow(
      new RangeError(
        'Cannot grant reading the results of "flights" as it must have a table() or a bucket(): its sinks are push',
      ),
    );
  });

  it('lists panes alone', () => {
    const stack = newStack();
    pipelineIn(stack).grantReadResults(userIn(stack));
    const statements = Object.values(Template.fromStack(stack).findResources('AWS::IAM::Policy'))
      .filter(({ Properties }) => JSON.stringify(Properties.Roles).includes('User'))
      .flatMap(({ Properties }) => Properties.PolicyDocument.Statement);
    expect(statements.filter(({ Action }) => Action === 's3:ListBucket')).toMatchObject([
      { Condition: { StringLike: { 's3:prefix': 'panes/*' } } },
    ]);
  });
});
