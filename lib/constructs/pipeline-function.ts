import { dirname } from 'node:path';
import { AssetHashType, DockerImage, Duration, RemovalPolicy, Token } from 'aws-cdk-lib';
import * as iam from 'aws-cdk-lib/aws-iam';
import * as lambda from 'aws-cdk-lib/aws-lambda';
import * as logs from 'aws-cdk-lib/aws-logs';
import type { Construct } from 'constructs';
import { bundle } from '../bundle.ts';
import { checkLoading } from '../loading.ts';

export interface PipelineFunctionProps {
  readonly description: string;
  readonly handler: string;
  readonly pipeline: string;
  readonly memorySize: number;
  readonly environment: { readonly [name: string]: string };
}

export const FUNCTION_TIMEOUT = Duration.minutes(1);

/** The share of a function's memory that objects may take up before they are collected: the rest is for buffers, code and requests. */
const HEAP_SHARE = 0.6;

/** A function with its own log group, and a role that may do nothing yet but write there. */
export class PipelineFunction extends lambda.Function {
  constructor(scope: Construct, id: string, props: PipelineFunctionProps) {
    const { description, handler, pipeline, memorySize } = props;
    const environment = {
      ...props.environment,
      // Stacks name lines of the sources: the map is beside the bundle, and is only read through where one is asked for.
      NODE_OPTIONS: `--enable-source-maps --max-old-space-size=${Math.floor(HEAP_SHARE * memorySize)}`,
    };
    super(scope, id, {
      description,
      runtime: lambda.Runtime.NODEJS_24_X,
      architecture: lambda.Architecture.ARM_64,
      handler: 'index.handler',
      code: bundled(handler, pipeline, environment),
      memorySize,
      timeout: FUNCTION_TIMEOUT,
      environment,
      // Not the managed policy that CDK would attach: it lets a function write every log group of the account.
      role: new iam.Role(scope, `${id}Role`, { assumedBy: new iam.ServicePrincipal('lambda.amazonaws.com') }),
      logGroup: new logs.LogGroup(scope, `${id}Logs`, {
        retention: logs.RetentionDays.ONE_MONTH,
        removalPolicy: RemovalPolicy.DESTROY,
      }),
    });
    this.logGroup.grantWrite(this);
    // What calls it without waiting calls again by itself, every minute.
    this.configureAsyncInvoke({ retryAttempts: 0, maxEventAge: Duration.minutes(1) });
  }

  /** Lets the function do exactly these actions on exactly these resources. */
  permit(actions: readonly string[], ...resources: readonly string[]): void {
    this.addToRolePolicy(new iam.PolicyStatement({ actions: [...actions], resources: [...resources] }));
  }
}

const bundled = (
  handler: string,
  pipeline: string,
  environment: PipelineFunctionProps['environment'],
): lambda.Code =>
  lambda.Code.fromAsset(dirname(handler), {
    assetHashType: AssetHashType.OUTPUT,
    bundling: {
      image: DockerImage.fromRegistry('never-run'),
      // Never run either, but CDK remembers a bundle by it: the shared handlers differ by their pipeline alone.
      command: [handler, pipeline],
      local: {
        tryBundle(to) {
          checkLoading(bundle({ handler, pipeline, to }).path, named(environment));
          return true;
        },
      },
    },
  });

/** The variables of a function, with names for what only has one once it is deployed. */
const named = (environment: PipelineFunctionProps['environment']): Record<string, string> =>
  Object.fromEntries(
    Object.entries(environment).map(([name, value]) => [name, Token.isUnresolved(value) ? 'any' : value]),
  );
