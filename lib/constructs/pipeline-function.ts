import { dirname } from 'node:path';
import { AssetHashType, DockerImage, Duration, RemovalPolicy, Token } from 'aws-cdk-lib';
import type { IVpc } from 'aws-cdk-lib/aws-ec2';
import * as iam from 'aws-cdk-lib/aws-iam';
import * as lambda from 'aws-cdk-lib/aws-lambda';
import * as logs from 'aws-cdk-lib/aws-logs';
import type { Construct } from 'constructs';
import { heapOptions } from '../../src/wiring/memory.ts';
import type { Bundles, Role } from '../bundle.ts';
import { checkLoading } from '../loading.ts';
import { aliasOf, type Rollout } from './rollout.ts';
import type { FunctionOverrides, FunctionSettings, Network } from './settings.ts';

export interface PipelineFunctionProps {
  readonly description: string;
  readonly role: Role;
  /** The file that exports the pipeline. */
  readonly file: string;
  readonly bundles: Bundles;
  readonly memorySize: number;
  readonly environment: { readonly [name: string]: string };
  readonly settings: FunctionSettings;
  readonly name?: string | undefined;
  /** How many invocations may run at once, which are kept for it. Default: as many as the account has left. */
  readonly reservedConcurrency?: number | undefined;
  /** The role that the function has; without it, it has one of its own. */
  readonly existingRole?: iam.IRole | undefined;
  readonly overrides?: FunctionOverrides | undefined;
  /** Has its code replaced by shares, while the definition keeps this version. */
  readonly rollout?: (Rollout & { readonly version: number }) | undefined;
}

const TRIED_ONCE = { retryAttempts: 0, maxEventAge: Duration.minutes(1) };

/** What Lambda must be allowed to reach a broker in a VPC: the network interfaces there have no names that anybody knows. */
export const NETWORK_ACTIONS = [
  'ec2:CreateNetworkInterface',
  'ec2:DeleteNetworkInterface',
  'ec2:DescribeNetworkInterfaces',
  'ec2:DescribeSecurityGroups',
  'ec2:DescribeSubnets',
  'ec2:DescribeVpcs',
];

/** What Lambda needs besides for a function in a VPC. */
const ADDRESS_ACTIONS = ['ec2:AssignPrivateIpAddresses', 'ec2:UnassignPrivateIpAddresses'];

/** A function with its own log group, and a role that so far allows it only to write there. */
export class PipelineFunction extends lambda.Function {
  /** What mappings and schedules lead to: an alias where code is replaced by shares, otherwise the function itself. */
  readonly live: lambda.IFunction;

  constructor(scope: Construct, id: string, props: PipelineFunctionProps) {
    const { description, settings, name, reservedConcurrency, overrides = {} } = props;
    const { memorySize = props.memorySize } = overrides;
    checkVariables(props, overrides.environment ?? {});
    const environment = {
      ...settings.network?.endpoints?.environment,
      ...overrides.environment,
      ...props.environment,
      // With the source map beside the bundle, stack traces name lines of the sources. Node parses the map
      // only when it needs one.
      NODE_OPTIONS: `--enable-source-maps ${heapOptions(memorySize)}`,
    };
    super(scope, id, {
      description,
      runtime: lambda.Runtime.NODEJS_24_X,
      architecture: settings.architecture,
      handler: 'index.handler',
      timeout: settings.timeout,
      ...(name !== undefined && { functionName: name }),
      ...(reservedConcurrency !== undefined && { reservedConcurrentExecutions: reservedConcurrency }),
      ...networkOf(settings.network),
      // CDK would attach a managed policy that lets a function write to every log group of the account.
      role:
        props.existingRole ??
        new iam.Role(scope, `${id}Role`, { assumedBy: new iam.ServicePrincipal('lambda.amazonaws.com') }),
      logGroup: new logs.LogGroup(scope, `${id}Logs`, {
        retention: settings.logRetention,
        ...(settings.logKey && { encryptionKey: settings.logKey }),
        removalPolicy: RemovalPolicy.DESTROY,
      }),
      ...overrides,
      memorySize,
      environment,
      code: bundled(props, environment),
    });
    this.logGroup.grantWrite(this);
    // CDK would attach a managed policy, and only to a role that it makes itself.
    if (settings.network?.endpoints) this.node.addDependency(settings.network.endpoints);
    if (settings.network) this.permit([...NETWORK_ACTIONS, ...ADDRESS_ACTIONS], '*');
    // Asynchronous callers call again by themselves every minute, so that Lambda need not retry.
    this.configureAsyncInvoke(TRIED_ONCE);
    const { rollout } = props;
    const alias = rollout && aliasOf(this, rollout);
    alias?.configureAsyncInvoke(TRIED_ONCE);
    this.live = alias ?? this;
  }

  /** A mapping stays the same one, and goes on where it was, as it leads to another alias. */
  override addEventSourceMapping(
    id: string,
    options: lambda.EventSourceMappingOptions,
  ): lambda.EventSourceMapping {
    const mapping = super.addEventSourceMapping(id, options);
    if (this.live !== this)
      (mapping.node.defaultChild as lambda.CfnEventSourceMapping).functionName = this.live.functionArn;
    return mapping;
  }

  /** Allows the function exactly these actions on exactly these resources. */
  permit(actions: readonly string[], ...resources: readonly string[]): void {
    this.addToRolePolicy(new iam.PolicyStatement({ actions: [...actions], resources: [...resources] }));
  }
}

const networkOf = (network: Network | undefined): Partial<lambda.FunctionProps> =>
  network === undefined
    ? {}
    : {
        vpc: network.vpc as IVpc,
        ...(network.subnets && { vpcSubnets: network.subnets }),
        ...(network.securityGroups && { securityGroups: [...network.securityGroups] }),
      };

/** @throws RangeError when a variable that the pipeline settles is to have another value */
function checkVariables(
  { role, environment }: PipelineFunctionProps,
  others: { readonly [name: string]: string },
): void {
  const settled = Object.keys(others).find((name) => name in environment || name === 'NODE_OPTIONS');
  if (settled === undefined) return;
  throw new RangeError(
    `Cannot override ${settled} of the ${role} as a variable that the pipeline settles must keep its value: give it another name`,
  );
}

const bundled = (
  { role, file, bundles }: PipelineFunctionProps,
  environment: PipelineFunctionProps['environment'],
): lambda.Code =>
  lambda.Code.fromAsset(dirname(file), {
    assetHashType: AssetHashType.OUTPUT,
    bundling: {
      image: DockerImage.fromRegistry('never-run'),
      // This command never runs either. CDK caches bundles by it.
      command: [role, file],
      local: {
        tryBundle(to) {
          checkLoading(bundles.write(role, to).path, named(environment));
          return true;
        },
      },
    },
  });

/**
 * Returns the variables of a function, with a placeholder for each value that is only known once it is
 * deployed.
 */
const named = (environment: PipelineFunctionProps['environment']): Record<string, string> =>
  Object.fromEntries(
    Object.entries(environment).map(([name, value]) => [name, Token.isUnresolved(value) ? 'any' : value]),
  );
