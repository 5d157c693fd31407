import { type CfnResource, CustomResource, Duration, Stack } from 'aws-cdk-lib';
import type { IKey } from 'aws-cdk-lib/aws-kms';
import type { CfnFunction, IFunction } from 'aws-cdk-lib/aws-lambda';
import { Construct } from 'constructs';
import type { Pipeline } from '../../src/index.ts';
import { STATE_PREFIX } from '../../src/wiring/names.ts';
import type { Bundles } from '../bundle.ts';
import type { ResultsBucket } from './buckets.ts';
import { PipelineFunction } from './pipeline-function.ts';
import type { QueryApiProps } from './query-api.ts';
import type { StateTable } from './tables.ts';

export interface CheckStepProps {
  readonly pipeline: Pipeline;
  /** The file that exports the pipeline. */
  readonly file: string;
  readonly bundles: Bundles;
  readonly function: QueryApiProps['function'];
  readonly state: StateTable;
  /** The bucket that holds large bodies of entries. */
  readonly results: ResultsBucket;
  /** The key that encrypts both, where it is one of the user's. */
  readonly key: IKey | undefined;
  /** What the pipeline's records come from, where the stack knows it: the ARN of a stream, a queue or a table's stream. */
  readonly source: string | undefined;
  /** The variables that every function of the pipeline has. */
  readonly environment: { readonly [name: string]: string };
}

/** For how long CloudFormation waits for an answer. Without it a function that cannot start holds a stack for an hour. */
const ANSWER_TIMEOUT = Duration.minutes(2);

/**
 * A step of the deployment before the functions of a pipeline change. Its function compares the definition with what
 * has committed, and fails the deployment where handlers would refuse to run it. It may read the logs, and nothing
 * else.
 */
export class CheckStep extends Construct {
  /** @param changing the functions that change only once the step has let their definition through */
  constructor(scope: Construct, id: string, props: CheckStepProps, changing: readonly IFunction[]) {
    super(scope, `${id}Step`);
    const { pipeline, file, bundles, function: settings, environment, state, results, key, source } = props;
    const fn = new PipelineFunction(scope, id, {
      description: `Millrace ${pipeline.name}: checks a definition before it is deployed`,
      role: 'check',
      file,
      bundles,
      ...settings,
      environment,
    });
    state.allowRead(fn);
    key?.grantDecrypt(fn);
    fn.permit(['s3:GetObject'], results.arnForObjects(`${STATE_PREFIX}*`));
    const step = new CustomResource(this, 'Resource', {
      serviceToken: fn.functionArn,
      properties: {
        version: String(pipeline.version),
        ...(source !== undefined && { source }),
        // The step is called when a property has changed: whenever the code has, and never otherwise.
        code: Stack.of(this).resolve((fn.node.defaultChild as CfnFunction).code).s3Key,
      },
    });
    // CDK's own property gives a text, where CloudFormation wants a number.
    (step.node.defaultChild as CfnResource).addPropertyOverride('ServiceTimeout', ANSWER_TIMEOUT.toSeconds());
    // What the function may do, and where it logs, has to be there before it is called.
    step.node.addDependency(fn, ...(fn.role ? [fn.role] : []), fn.logGroup);
    for (const each of changing) each.node.addDependency(step);
  }
}
