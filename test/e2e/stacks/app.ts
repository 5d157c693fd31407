import { App, type CfnResource, Duration, RemovalPolicy, Stack } from 'aws-cdk-lib';
import * as ec2 from 'aws-cdk-lib/aws-ec2';
import { flights } from '../../../functions/flights/pipeline.ts';
import { PipelineEndpoints } from '../../../lib/constructs/endpoints.ts';
import { PipelineStack } from '../../../lib/pipeline-stack.ts';
import {
  dynamodbStream,
  kafka,
  kinesis,
  stream as messages,
  notify,
  type Pipeline,
  panesOf,
  push,
  rabbitmq,
  sqs,
} from '../../../src/index.ts';

const PLACE = 'us-east-1:123456789012';
const secretOf = (name: string) => `arn:aws:secretsmanager:${PLACE}:secret:${name}-AbCdEf`;

/** A pipeline over every kind of source, by the names of their stacks. */
const SOURCES: { readonly [stack: string]: Pipeline['source'] } = {
  Provisioned: kinesis({ shards: 2 }),
  OnDemand: kinesis({ mode: 'on-demand' }),
  FanOut: kinesis({ fanOut: true }),
  Existing: kinesis({ stream: `arn:aws:kinesis:${PLACE}:stream/existing` }),
  Queue: sqs(),
  Fifo: sqs({ fifo: true }),
  Msk: kafka({ topic: 'flights', cluster: { msk: `arn:aws:kafka:${PLACE}:cluster/plant/2f6a-1` } }),
  Brokers: kafka({
    topic: 'flights',
    cluster: {
      brokers: ['one.plant.example:9096'],
      auth: { scram256: secretOf('reader') },
      subnets: ['subnet-1'],
      securityGroups: ['sg-1'],
    },
  }),
  Rabbit: rabbitmq({
    queue: 'flights',
    broker: `arn:aws:mq:${PLACE}:broker:plant:b-9bcfa592-423a-4942-879d-eb284b418fc8`,
    secret: secretOf('rabbit'),
    deadLetterExchange: 'refused',
  }),
  Table: dynamodbStream({ table: 'orders', kinds: ['INSERT'] }),
  Panes: panesOf({ ...flights, name: 'first' }, 'hourly'),
};

/** The stream of the table: of one that was made, or any. Stacks that are changed have other code, and other settings. */
const {
  TABLE_STREAM: tableStream = `arn:aws:dynamodb:${PLACE}:table/orders/stream/2026-01-05T08:00:00.000`,
  CHANGED_ENTRY: changedEntry,
} = process.env;
const settings = changedEntry
  ? {
      entry: changedEntry,
      batchingWindow: Duration.seconds(20),
      timeout: Duration.minutes(2),
      memory: { handler: 2_048 },
    }
  : { entry: 'test/e2e/stacks', batchingWindow: Duration.seconds(5) };
const common = {
  ...settings,
  alarms: 'none',
  removalPolicy: RemovalPolicy.DESTROY,
  env: { account: '123456789012', region: 'us-east-1' },
} as const;

// The code of functions is tried elsewhere, and takes long to bundle.
const app = new App({ postCliContext: { 'aws:cdk:bundling-stacks': [] } });
/** Every stack of the app. */
export const stacks = Object.entries(SOURCES).map(
  ([id, source]) =>
    new PipelineStack(app, id, {
      ...common,
      pipeline: { ...flights, source },
      tableStream,
      upstream: {
        stateTable: 'first-state',
        resultsBucket: 'first-results',
        stateStream: `arn:aws:dynamodb:${PLACE}:table/first-state/stream/2026-01-05T08:00:00.000`,
      },
      queryApi: id === 'Provisioned',
    }),
);

/** A pipeline, and one that reads its panes, each a stack of the same app. */
const upstream = { ...flights, name: 'upstream' };
const first = new PipelineStack(app, 'Upstream', { ...common, pipeline: upstream });
stacks.push(
  first,
  new PipelineStack(app, 'Downstream', {
    ...common,
    pipeline: { ...flights, name: 'downstream', source: panesOf(upstream, 'hourly') },
    upstream: first.asUpstream(),
  }),
);

/** The sinks of pipelines that send messages, to what their stacks make. Moto knows no Event API, and no FIFO queue without a name. */
const SINKS: Readonly<Record<string, Pipeline['sinks']>> = {
  Messages: [
    notify({ name: 'topic', to: 'sns' }),
    notify({ name: 'topic-fifo', to: 'sns-fifo' }),
    notify({ name: 'bus', to: 'eventbridge' }),
    messages({ name: 'queue', to: 'sqs' }),
    messages({ name: 'stream', to: 'kinesis' }),
  ],
  Channels: [push(), messages({ name: 'queue-fifo', to: 'sqs-fifo' })],
};
for (const [id, sinks] of Object.entries(SINKS)) {
  stacks.push(new PipelineStack(app, id, { ...common, pipeline: { ...flights, sinks } }));
}

// A stack whose data only its own key opens.
stacks.push(
  new PipelineStack(app, 'Keyed', {
    ...common,
    pipeline: { ...flights, name: 'keyed' },
    encryption: 'customer-managed',
    queryApi: true,
  }),
);

/** The ways out of a network that is there, for every pipeline but one that has none without a NAT gateway. */
export const network = new Stack(app, 'Network', { env: common.env });
const subnets = ['a', 'b'];
new PipelineEndpoints(network, 'Endpoints', {
  vpc: ec2.Vpc.fromVpcAttributes(network, 'Vpc', {
    vpcId: 'vpc-0123456789abcdef0',
    vpcCidrBlock: '10.0.0.0/16',
    availabilityZones: subnets.map((zone) => `us-east-1${zone}`),
    isolatedSubnetIds: subnets.map((zone) => `subnet-0123456789abcdef${zone}`),
    isolatedSubnetRouteTableIds: subnets.map((zone) => `rtb-0123456789abcdef${zone}`),
  }),
  pipelines: stacks
    .filter(({ stackName }) => stackName !== 'Channels')
    .map(({ millrace: { pipeline } }) => pipeline),
});

// cfn-lint 1.51.0 does not know RecordDistributionStrategy yet, which CloudFormation has.
for (const [id, owner] of [
  ['OnDemand', 'Source'],
  ['Messages', 'SinkStream'],
] as const) {
  const made = stacks.find(({ stackName }) => stackName === id)?.millrace.node.findChild(owner);
  const stream = made?.node.findChild('Stream').node.defaultChild as CfnResource;
  stream.addMetadata('cfn-lint', { config: { ignore_checks: ['E3002'] } });
}
