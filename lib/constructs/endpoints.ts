import { Annotations, Fn, Stack } from 'aws-cdk-lib';
import * as ec2 from 'aws-cdk-lib/aws-ec2';
import * as iam from 'aws-cdk-lib/aws-iam';
import { Construct } from 'constructs';
import type { Pipeline } from '../../src/index.ts';
import { calledBy, type EndpointService } from '../../src/plan/endpoints.ts';
import type { Network } from './settings.ts';

const GATEWAYS = {
  dynamodb: ec2.GatewayVpcEndpointAwsService.DYNAMODB,
  s3: ec2.GatewayVpcEndpointAwsService.S3,
};

const INTERFACES: { readonly [Of in EndpointService]: ec2.InterfaceVpcEndpointAwsService } = {
  'dynamodb-streams': ec2.InterfaceVpcEndpointAwsService.DYNAMODB_STREAMS,
  events: ec2.InterfaceVpcEndpointAwsService.EVENTBRIDGE,
  'kinesis-streams': ec2.InterfaceVpcEndpointAwsService.KINESIS_STREAMS,
  monitoring: ec2.InterfaceVpcEndpointAwsService.CLOUDWATCH_MONITORING,
  sns: ec2.InterfaceVpcEndpointAwsService.SNS,
  sqs: ec2.InterfaceVpcEndpointAwsService.SQS,
};

/** Endpoints to which the name of the service itself does not lead: clients must be told of them. */
const WITHOUT_NAME: readonly EndpointService[] = ['dynamodb-streams'];

type Gateway = keyof typeof GATEWAYS;

/**
 * The network as `existing.network` of the pipelines has it. `subnets` are those of the functions. `securityGroups` are
 * those that may use the interface endpoints; default: whatever has an address of the VPC's primary range.
 */
export interface PipelineEndpointsProps extends Omit<Network, 'endpoints'> {
  /** The pipelines whose functions run in the network. */
  readonly pipelines: readonly Pipeline[];
  /** Services of which the VPC has an endpoint already, such as `['s3', 'dynamodb']`: none of these is made. */
  readonly existing?: readonly (Gateway | EndpointService)[];
}

/**
 * The ways from a VPC without a way out to all that the functions of pipelines call: gateway endpoints of DynamoDB and
 * S3 in the route tables of the subnets, and an interface endpoint of each other service, one for all pipelines, which
 * is billed by the hour in each zone. A VPC has one part of these.
 *
 * Through the endpoints of all but S3 only principals of the stack's own account reach a service: what else is to be let
 * through, `addToPolicy` of an endpoint adds.
 *
 * @throws RangeError when a subnet has no route table that is known, the VPC does not resolve names, or nobody knows its
 * range; also when a sink sends to a service without an endpoint, and a subnet has no way out
 *
 * @example
 * ```ts compile-only
 * import { App, Stack } from 'aws-cdk-lib';
 * import * as ec2 from 'aws-cdk-lib/aws-ec2';
 * import { definePipeline, mean, sqs, table, tumbling } from 'millrace';
 * import { MillracePipeline, PipelineEndpoints } from 'millrace/cdk';
 *
 * interface Reading {
 *   machine: string;
 *   at: string;
 *   celsius: number;
 * }
 *
 * const temperature = definePipeline('temperature', sqs<Reading>(), {
 *   key: 'machine',
 *   eventTime: 'at',
 *   windows: { minute: tumbling({ size: '1m' }, { celsius: mean('celsius') }) },
 * }).to(table());
 *
 * const stack = new Stack(new App(), 'Plant');
 * const vpc = new ec2.Vpc(stack, 'Vpc', {
 *   subnetConfiguration: [{ name: 'Functions', subnetType: ec2.SubnetType.PRIVATE_ISOLATED }],
 * });
 * const endpoints = new PipelineEndpoints(stack, 'Endpoints', { vpc, pipelines: [temperature] });
 * new MillracePipeline(stack, 'Temperature', {
 *   pipeline: temperature,
 *   alarms: 'none',
 *   existing: { network: { vpc, endpoints } },
 * });
 * ```
 */
export class PipelineEndpoints extends Construct {
  readonly gateways: { readonly [Of in Gateway]?: ec2.GatewayVpcEndpoint };
  readonly interfaces: { readonly [Of in EndpointService]?: ec2.InterfaceVpcEndpoint };
  /** The group of the interface endpoints; undefined where none is made. */
  readonly securityGroup: ec2.SecurityGroup | undefined;
  /** Variables of functions, by which their clients find the endpoints that have no private name. */
  readonly environment: { readonly [name: string]: string };

  constructor(scope: Construct, id: string, props: PipelineEndpointsProps) {
    super(scope, id);
    const { subnets, pipelines, existing = [] } = props;
    const vpc = props.vpc as ec2.IVpc;
    const selected = vpc.selectSubnets(subnets);
    // Before CDK has looked a VPC up, nothing is known of it.
    if (!selected.isPendingLookup) checkWays(vpc, selected.subnets, pipelines);
    for (const pipeline of pipelines) tellUnknown(this, pipeline);

    const isMade = (service: Gateway | EndpointService): boolean => !existing.includes(service);
    const needed = new Set(pipelines.flatMap((pipeline) => calledBy(pipeline).endpoints));
    const interfaces = [...needed].filter(isMade).toSorted();
    const gateways = (Object.keys(GATEWAYS) as Gateway[]).filter(isMade);
    if (gateways.length > 0 && !selected.isPendingLookup) checkRouteTables(selected.subnets);
    this.gateways = Object.fromEntries(
      gateways.map((name) => [
        name,
        new ec2.GatewayVpcEndpoint(this, name, {
          vpc,
          service: GATEWAYS[name],
          ...(!selected.isPendingLookup && { subnets: [{ subnets: selected.subnets }] }),
        }),
      ]),
    );
    this.securityGroup = interfaces.length > 0 ? groupOf(this, vpc, props.securityGroups) : undefined;
    const securityGroups = this.securityGroup ? [this.securityGroup] : [];
    this.interfaces = Object.fromEntries(
      interfaces.map((name) => [
        name,
        new ec2.InterfaceVpcEndpoint(this, name, {
          vpc,
          service: INTERFACES[name],
          subnets: { subnets: onePerZone(selected.subnets) },
          securityGroups,
          open: false,
          privateDnsEnabled: !WITHOUT_NAME.includes(name),
        }),
      ]),
    );
    this.environment = Object.fromEntries(
      WITHOUT_NAME.flatMap((name) => {
        const endpoint = this.interfaces[name];
        return endpoint
          ? [[`AWS_ENDPOINT_URL_${name.toUpperCase().replace('-', '_')}`, urlOf(endpoint)]]
          : [];
      }),
    );
    // Of S3 others want more: packages of Amazon Linux and layers of images are there, and CloudFormation's answers,
    // which principals of other accounts have signed, or none.
    const guarded = [this.gateways.dynamodb, ...Object.values(this.interfaces)];
    for (const endpoint of guarded) endpoint?.addToPolicy(ofAccount(this));
  }
}

/** Returns where an endpoint is, by the name that it has in all of its zones: entries are `<hosted zone>:<name>`. */
const urlOf = ({ vpcEndpointDnsEntries: entries }: ec2.InterfaceVpcEndpoint): string =>
  `https://${Fn.select(1, Fn.split(':', Fn.select(0, entries)))}`;

/** An endpoint takes one subnet of a zone. */
const onePerZone = (subnets: readonly ec2.ISubnet[]): ec2.ISubnet[] => {
  const zones = subnets.map(({ availabilityZone }) => availabilityZone);
  return subnets.filter(({ availabilityZone }, at) => zones.indexOf(availabilityZone) === at);
};

/** Lets in by TLS whoever may use the endpoints, and lets nothing out. */
function groupOf(
  scope: Construct,
  vpc: ec2.IVpc,
  users: Network['securityGroups'] = undefined,
): ec2.SecurityGroup {
  const group = new ec2.SecurityGroup(scope, 'Group', {
    vpc,
    description: 'Interface endpoints of Millrace pipelines',
    allowAllOutbound: false,
  });
  for (const peer of users ?? [ec2.Peer.ipv4(rangeOf(vpc))])
    group.addIngressRule(peer, ec2.Port.tcp(443), 'Requests by TLS');
  return group;
}

/** @throws RangeError when the VPC was imported without its range */
function rangeOf(vpc: ec2.IVpc): string {
  const { defaultChild: made } = vpc.node;
  // The range itself, where it is known, so that packs of rules can read it.
  if (made instanceof ec2.CfnVPC && made.cidrBlock !== undefined) return made.cidrBlock;
  try {
    return vpc.vpcCidrBlock;
  } catch {
    throw new RangeError(
      `Cannot let functions use endpoints in "${vpc.node.path}" as securityGroups must say which may, or the VPC must say its range: it was imported without vpcCidrBlock`,
    );
  }
}

const ofAccount = (scope: Construct): iam.PolicyStatement =>
  new iam.PolicyStatement({
    principals: [new iam.AnyPrincipal()],
    actions: ['*'],
    resources: ['*'],
    conditions: { StringEquals: { 'aws:PrincipalAccount': Stack.of(scope).account } },
  });

/** @throws RangeError when functions in the subnets could not reach what they call, whatever endpoints there are */
function checkWays(vpc: ec2.IVpc, subnets: readonly ec2.ISubnet[], pipelines: readonly Pipeline[]): void {
  if (vpc instanceof ec2.Vpc && !(vpc.dnsHostnamesEnabled && vpc.dnsSupportEnabled)) {
    throw new RangeError(
      `Cannot make endpoints in "${vpc.node.path}" as a VPC must resolve the names of services to them: enableDnsHostnames is ${vpc.dnsHostnamesEnabled} and enableDnsSupport is ${vpc.dnsSupportEnabled}`,
    );
  }
  const isolated = subnets.find((subnet) => vpc.isolatedSubnets.includes(subnet));
  if (isolated === undefined) return;
  for (const pipeline of pipelines) {
    const [sink] = calledBy(pipeline).withoutEndpoint;
    if (sink === undefined) continue;
    throw new RangeError(
      `Cannot run "${pipeline.name}" in "${isolated.node.path}" as the sink "${sink}" must have a NAT gateway: its service has no endpoint, and the subnet is isolated`,
    );
  }
}

/** @throws RangeError when it is not known where a route to a gateway goes in */
function checkRouteTables(subnets: readonly ec2.ISubnet[]): void {
  const unknown = subnets.filter(({ routeTable }) => !routeTable?.routeTableId);
  if (unknown.length === 0) return;
  throw new RangeError(
    `Cannot make gateway endpoints as the route table of each subnet must be known: ${unknown.map(({ node }) => `"${node.path}"`).join(', ')} was imported without one; give Vpc.fromVpcAttributes the routeTableIds of its subnets, or set existing: ['dynamodb', 's3'] where the VPC has both`,
  );
}

function tellUnknown(scope: Construct, pipeline: Pipeline): void {
  for (const sink of calledBy(pipeline).unknown) {
    Annotations.of(scope).addInfoV2(
      `millrace:own-sink-in-network:${pipeline.name}:${sink}`,
      `No endpoint is made for what the sink "${sink}" of "${pipeline.name}" calls, as its function is the author's own`,
    );
  }
}
