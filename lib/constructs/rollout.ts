import { Duration } from 'aws-cdk-lib';
import * as cloudwatch from 'aws-cdk-lib/aws-cloudwatch';
import * as codedeploy from 'aws-cdk-lib/aws-codedeploy';
import * as lambda from 'aws-cdk-lib/aws-lambda';

/** How the code of a pipeline's functions is replaced while its definition keeps its version. */
export interface Rollout {
  /** What share of the invocations new code takes, and for how long. Default a tenth for five minutes, then all. */
  readonly config?: codedeploy.ILambdaDeploymentConfig;
  /** Alarms that take the deployment back beside the one on errors, which each function has. */
  readonly alarms?: readonly cloudwatch.IAlarm[];
}

/**
 * Makes the alias of a function by which its code is replaced step by step, and taken back where invocations fail.
 *
 * There is an alias for each version of the definition. Code of a version that has never committed and code of the
 * one before must not share the invocations: once the new one has committed, the old one refuses whatever it is given.
 * So a deployment with another version makes another alias, which takes all invocations at once.
 */
export function aliasOf(
  fn: lambda.Function,
  {
    config = codedeploy.LambdaDeploymentConfig.CANARY_10PERCENT_5MINUTES,
    alarms = [],
    version,
  }: Rollout & { readonly version: number },
): lambda.IFunction {
  const alias = new lambda.Alias(fn, `LiveV${version}`, {
    aliasName: `v${version}`,
    // CDK's class does not match its own interface under exactOptionalPropertyTypes.
    version: fn.currentVersion as lambda.IVersion,
  });
  const failing = new cloudwatch.Alarm(fn, 'Failing', {
    alarmDescription: 'Takes a deployment back, as an invocation failed',
    metric: alias.metricErrors({ period: Duration.minutes(1) }),
    threshold: 1,
    evaluationPeriods: 1,
    treatMissingData: cloudwatch.TreatMissingData.NOT_BREACHING,
  });
  new codedeploy.LambdaDeploymentGroup(fn, 'Rollout', {
    alias,
    deploymentConfig: config,
    alarms: [failing, ...alarms],
  });
  return alias as lambda.IFunction;
}
