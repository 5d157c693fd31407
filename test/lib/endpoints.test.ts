import { readFileSync } from 'node:fs';
import { App, Stack } from 'aws-cdk-lib';
import { Annotations, Match, Template } from 'aws-cdk-lib/assertions';
import * as ec2 from 'aws-cdk-lib/aws-ec2';
import { describe, expect, it } from 'vitest';
import { flights } from '../../functions/flights/pipeline.ts';
import { MillracePipeline, PipelineEndpoints, type PipelineEndpointsProps } from '../../lib/index.ts';
import {
  bucket,
  dynamodbStream,
  kafka,
  kinesis,
  notify,
  type Pipeline,
  panesOf,
  push,
  rabbitmq,
  sink,
  sqs,
  stream,
  table,
} from '../../src/index.ts';
import { calledBy } from '../../src/plan/endpoints.ts';

const panes = panesOf({ ...flights, name: 'first' }, 'hourly');
const reading = (source: Pipeline['source']): Pipeline => ({ ...flights, source, sinks: [] });
const sending = (...sinks: Pipeline['sinks']): Pipeline => ({ ...flights, source: panes, sinks });
const calling = sink({ name: 'calling', deliver() {} });

const entry = 'test/e2e/stacks';
const newStack = () =>
  new Stack(new App({ context: { 'aws:cdk:bundling-stacks': [] } }), 'Plant', {
    env: { account: '123456789012', region: 'us-east-1' },
  });
const PRIVATE_ISOLATED = { name: 'Functions', subnetType: ec2.SubnetType.PRIVATE_ISOLATED };
const madeIn = (stack: Stack, more: ec2.VpcProps = {}) =>
  new ec2.Vpc(stack, 'Vpc', { maxAzs: 2, subnetConfiguration: [PRIVATE_ISOLATED], ...more });
const importedIn = (stack: Stack, more: Partial<ec2.VpcAttributes> = {}) =>
  ec2.Vpc.fromVpcAttributes(stack, 'Vpc', {
    vpcId: 'vpc-0123456789abcdef0',
    availabilityZones: ['us-east-1a', 'us-east-1b', 'us-east-1b'],
    privateSubnetIds: ['subnet-0123456789abcdefa', 'subnet-0123456789abcdefb', 'subnet-0123456789abcdefc'],
    ...more,
  });
const ROUTED = {
  privateSubnetRouteTableIds: ['rtb-0123456789abcdefa', 'rtb-0123456789abcdefb', 'rtb-0123456789abcdefb'],
};

type Props = Omit<PipelineEndpointsProps, 'vpc'>;

function made(
  vpcIn: (stack: Stack) => PipelineEndpointsProps['vpc'],
  props: Props | ((stack: Stack) => Props),
): { readonly stack: Stack; readonly endpoints: PipelineEndpoints; readonly template: Template } {
  const stack = newStack();
  const vpc = vpcIn(stack);
  const endpoints = new PipelineEndpoints(stack, 'Endpoints', {
    vpc,
    ...(typeof props === 'function' ? props(stack) : props),
  });
  return { stack, endpoints, template: Template.fromStack(stack) };
}

/** The services of the endpoints of a type, in order. */
const servicesOf = (template: Template, type: 'Gateway' | 'Interface') =>
  Object.values(
    template.findResources('AWS::EC2::VPCEndpoint', { Properties: { VpcEndpointType: type } }),
  ).map(({ Properties: { ServiceName: name } }) => (name['Fn::Join']?.[1].at(-1) ?? name).split('.').at(-1));

const ALL = [
  reading(kinesis()),
  reading(sqs()),
  reading(sqs({ fifo: true })),
  reading(dynamodbStream({ table: 'orders', kinds: ['INSERT'] })),
  sending(table(), notify({ to: 'sns' }), stream({ to: 'kinesis' })),
  sending(notify({ to: 'eventbridge' })),
];

describe('the endpoints of pipelines', () => {
  const { template, endpoints } = made(madeIn, { pipelines: ALL });

  it('are made once for all of them', () => {
    expect(servicesOf(template, 'Gateway')).toEqual(['dynamodb', 's3']);
    const services = ['dynamodb-streams', 'events', 'kinesis-streams', 'monitoring', 'sns', 'sqs'];
    expect(servicesOf(template, 'Interface')).toEqual(services);
    expect(Object.keys(endpoints.interfaces)).toEqual(services);
    expect(Object.keys(endpoints.gateways)).toEqual(['dynamodb', 's3']);
  });

  it('let in the range of the VPC by TLS, and nothing out', () => {
    template.hasResourceProperties('AWS::EC2::SecurityGroup', {
      SecurityGroupIngress: [
        {
          CidrIp: '10.0.0.0/16',
          IpProtocol: 'tcp',
          FromPort: 443,
          ToPort: 443,
          Description: 'Requests by TLS',
        },
      ],
      SecurityGroupEgress: [Match.objectLike({ Description: 'Disallow all traffic' })],
    });
    template.resourcePropertiesCountIs(
      'AWS::EC2::VPCEndpoint',
      { PrivateDnsEnabled: true, SecurityGroupIds: [Match.anyValue()] },
      5,
    );
  });

  it('let through principals of the account alone, but for S3', () => {
    const StringEquals = { 'aws:PrincipalAccount': '123456789012' };
    const Statement = [
      { Effect: 'Allow', Principal: { AWS: '*' }, Action: '*', Resource: '*', Condition: { StringEquals } },
    ];
    template.resourcePropertiesCountIs(
      'AWS::EC2::VPCEndpoint',
      { PolicyDocument: Match.objectLike({ Statement }) },
      7,
    );
  });

  it('leave out those that the VPC has, and need no group where none is an interface', () => {
    const { template, endpoints } = made(importedIn, {
      pipelines: [reading(sqs())],
      existing: ['dynamodb', 's3', 'sqs', 'monitoring'],
    });
    template.resourceCountIs('AWS::EC2::VPCEndpoint', 0);
    template.resourceCountIs('AWS::EC2::SecurityGroup', 0);
    expect(endpoints.securityGroup).toBeUndefined();
  });

  it('are in the route tables and the zones of an imported VPC, and let in the groups that are given', () => {
    const { template } = made(
      (stack) => importedIn(stack, ROUTED),
      (stack) => ({
        pipelines: [reading(kinesis())],
        securityGroups: [ec2.SecurityGroup.fromSecurityGroupId(stack, 'Functions', 'sg-0123456789abcdef0')],
      }),
    );
    template.resourcePropertiesCountIs(
      'AWS::EC2::VPCEndpoint',
      { RouteTableIds: ['rtb-0123456789abcdefa', 'rtb-0123456789abcdefb'] },
      2,
    );
    template.hasResourceProperties('AWS::EC2::VPCEndpoint', {
      VpcId: 'vpc-0123456789abcdef0',
      VpcEndpointType: 'Interface',
      SubnetIds: ['subnet-0123456789abcdefa', 'subnet-0123456789abcdefb'],
    });
    template.hasResourceProperties('AWS::EC2::SecurityGroupIngress', {
      SourceSecurityGroupId: 'sg-0123456789abcdef0',
      IpProtocol: 'tcp',
      FromPort: 443,
      ToPort: 443,
    });
    template.resourceCountIs('AWS::EC2::SecurityGroup', 1);
  });

  it('are told to functions where no name leads to them, and are there before functions are', () => {
    const stack = newStack();
    const vpc = madeIn(stack);
    const pipeline = ALL[3] as Pipeline;
    const endpoints = new PipelineEndpoints(stack, 'Endpoints', { vpc, pipelines: [pipeline] });
    new MillracePipeline(stack, 'It', {
      pipeline,
      entry,
      alarms: 'none',
      tableStream: 'arn:aws:dynamodb:us-east-1:123456789012:table/orders/stream/2026-01-05T08:00:00.000',
      existing: { network: { vpc, endpoints } },
    });
    const template = Template.fromStack(stack);
    const [[streams = ''] = []] = Object.entries(
      template.findResources('AWS::EC2::VPCEndpoint', { Properties: { PrivateDnsEnabled: false } }),
    );
    const name = { 'Fn::Select': [0, { 'Fn::GetAtt': [streams, 'DnsEntries'] }] };
    const url = { 'Fn::Join': ['', ['https://', { 'Fn::Select': [1, { 'Fn::Split': [':', name] }] }]] };
    const functions = template.findResources('AWS::Lambda::Function');
    expect(Object.keys(functions)).toHaveLength(3);
    for (const { Properties, DependsOn } of Object.values(functions)) {
      expect(Properties.Environment.Variables.AWS_ENDPOINT_URL_DYNAMODB_STREAMS).toEqual(url);
      expect(DependsOn).toEqual(
        expect.arrayContaining(Object.keys(template.findResources('AWS::EC2::VPCEndpoint'))),
      );
    }
  });

  it('are made in a VPC that CDK has not looked up yet, of which it then knows no group of subnets', () => {
    const { template } = made(
      (stack) => ec2.Vpc.fromLookup(stack, 'Vpc', { vpcId: 'vpc-0123456789abcdef0' }),
      {
        pipelines: [sending(push())],
        subnets: { subnetGroupName: 'Functions' },
      },
    );
    expect(servicesOf(template, 'Gateway')).toEqual(['dynamodb', 's3']);
  });

  it('are not made for what an author’s own function calls, which is said', () => {
    const { stack } = made(madeIn, { pipelines: [sending(calling, table())] });
    Annotations.fromStack(stack).hasInfo(
      '/Plant/Endpoints',
      Match.stringLikeRegexp('^No endpoint is made for what the sink "calling" of "flights" calls'),
    );
    const { stack: without } = made(madeIn, { pipelines: [sending(table())] });
    Annotations.fromStack(without).hasNoInfo('/Plant/Endpoints', Match.anyValue());
  });

  it('may stand beside a NAT gateway, by which panes are pushed', () => {
    const withWayOut = (stack: Stack) => new ec2.Vpc(stack, 'Vpc', { maxAzs: 2 });
    const { template } = made(withWayOut, { pipelines: [sending(push())] });
    expect(servicesOf(template, 'Interface')).toEqual([]);
  });

  it.each<readonly [string, Parameters<typeof made>[0], Pipeline, string]>([
    [
      'for push() in a subnet without a way out',
      madeIn,
      sending(push()),
      'Cannot run "flights" in "Plant/Vpc/FunctionsSubnet1" as the sink "push" must have a NAT gateway: its service has no endpoint, and the subnet is isolated',
    ],
    [
      'in a VPC that resolves no names',
      (stack) => madeIn(stack, { enableDnsHostnames: false }),
      reading(kinesis()),
      'Cannot make endpoints in "Plant/Vpc" as a VPC must resolve the names of services to them: enableDnsHostnames is false and enableDnsSupport is true',
    ],
    [
      'without the route tables of an imported VPC',
      (stack) => importedIn(stack, { vpcCidrBlock: '10.0.0.0/16' }),
      reading(kinesis()),
      `Cannot make gateway endpoints as the route table of each subnet must be known: "Plant/Vpc/PrivateSubnet1", "Plant/Vpc/PrivateSubnet2", "Plant/Vpc/PrivateSubnet3" was imported without one; give Vpc.fromVpcAttributes the routeTableIds of its subnets, or set existing: ['dynamodb', 's3'] where the VPC has both`,
    ],
    [
      'without the range of an imported VPC',
      (stack) => importedIn(stack, ROUTED),
      reading(kinesis()),
      'Cannot let functions use endpoints in "Plant/Vpc" as securityGroups must say which may, or the VPC must say its range: it was imported without vpcCidrBlock',
    ],
  ])('are refused %s', (_, vpcIn, pipeline, why) => {
    expect(() => made(vpcIn, { pipelines: [pipeline] })).toThrow(new RangeError(why));
  });
});

describe('the table of endpoints in docs/security.md', () => {
  const page = readFileSync(new URL('../../docs/security.md', import.meta.url), 'utf8');
  it.each<readonly [string, Pipeline]>([
    ['`kinesis()`', reading(kinesis())],
    ['`sqs()`', reading(sqs())],
    ['`kafka()`', reading(kafka({ topic: 'any' }))],
    ['`rabbitmq()`', reading(rabbitmq({ queue: 'any' }))],
    ['`dynamodbStream()`', reading(dynamodbStream({ table: 'any', kinds: ['INSERT'] }))],
    ['`panesOf()`', reading(panes)],
    ['`table()`', sending(table())],
    ['`bucket()`', sending(bucket())],
    [
      "`notify({ to: 'sns' })`, `'sns-fifo'`",
      sending(notify({ to: 'sns' }), notify({ to: 'sns-fifo', name: 'fifo' })),
    ],
    ["`notify({ to: 'eventbridge' })`", sending(notify({ to: 'eventbridge' }))],
    ["`stream({ to: 'kinesis' })`", sending(stream({ to: 'kinesis' }))],
    [
      "`stream({ to: 'sqs' })`, `'sqs-fifo'`",
      sending(stream({ to: 'sqs' }), stream({ to: 'sqs-fifo', name: 'fifo' })),
    ],
  ])('says what %s needs', (what, pipeline) => {
    const needs = calledBy(pipeline).endpoints.map((name) => `\`${name}\``);
    expect(page).toContain(`\n| ${what} | ${needs.join(', ') || 'none'} |\n`);
  });
});
