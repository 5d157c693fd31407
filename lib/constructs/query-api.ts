import { RemovalPolicy } from 'aws-cdk-lib';
import * as lambda from 'aws-cdk-lib/aws-lambda';
import * as secretsmanager from 'aws-cdk-lib/aws-secretsmanager';
import { Construct } from 'constructs';
import type { Pipeline } from '../../src/index.ts';
import { ENVIRONMENT, STATE_PREFIX } from '../../src/wiring/names.ts';
import type { Bundles } from '../bundle.ts';
import type { ResultsBucket } from './buckets.ts';
import { PipelineFunction, type PipelineFunctionProps } from './pipeline-function.ts';
import type { RowsTable, StateTable } from './tables.ts';

export interface QueryApiProps {
  readonly pipeline: Pipeline;
  /** The file that exports the pipeline. */
  readonly file: string;
  readonly bundles: Bundles;
  readonly function: Pick<
    PipelineFunctionProps,
    'settings' | 'memorySize' | 'name' | 'reservedConcurrency' | 'existingRole' | 'overrides'
  >;
  readonly state: StateTable;
  readonly rows: RowsTable | undefined;
  /** The bucket that holds large bodies of entries. */
  readonly results: ResultsBucket;
}

/**
 * A function that answers questions about a pipeline at a URL of its own, which asks its callers for a signature
 * of AWS. The function may read the logs and the rows, and nothing else.
 */
export class QueryApi extends Construct {
  readonly function: PipelineFunction;
  readonly url: string;

  constructor(scope: Construct, id: string, props: QueryApiProps) {
    super(scope, `${id}Api`);
    const { pipeline, file, bundles, state, rows, results } = props;
    // CloudFormation resolves the secret as it deploys, so that the function needs no permission to read it.
    const secret = new secretsmanager.Secret(this, 'PageSecret', {
      description: `Millrace ${pipeline.name}: signs the page tokens of the query API`,
      generateSecretString: { passwordLength: 64, excludePunctuation: true },
      // Whoever holds a token of before asks anew.
      removalPolicy: RemovalPolicy.DESTROY,
    });
    const fn = new PipelineFunction(scope, id, {
      description: `Millrace ${pipeline.name}: answers questions about keys`,
      role: 'query',
      file,
      bundles,
      ...props.function,
      environment: {
        [ENVIRONMENT.pipeline]: pipeline.name,
        [ENVIRONMENT.stateTable]: state.tableName,
        ...(rows && { [ENVIRONMENT.rowsTable]: rows.tableName }),
        [ENVIRONMENT.bucket]: results.bucketName,
        [ENVIRONMENT.pageSecret]: secret.secretValue.unsafeUnwrap(),
      },
    });
    state.allowRead(fn);
    if (rows) fn.permit(['dynamodb:Query'], rows.tableArn);
    fn.permit(['s3:GetObject'], results.arnForObjects(`${STATE_PREFIX}*`));
    const { url } = fn.addFunctionUrl({ authType: lambda.FunctionUrlAuthType.AWS_IAM });
    this.function = fn;
    this.url = url;
  }
}
