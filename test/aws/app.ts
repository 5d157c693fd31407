import { App, RemovalPolicy } from 'aws-cdk-lib';
import { PipelineStack } from '../../lib/pipeline-stack.ts';
import { verified } from './pipeline.ts';

new PipelineStack(new App(), 'MillraceVerified', {
  alarms: 'none',
  pipeline: verified,
  entry: 'test/aws',
  // Moto does not know the URL of a function, of which there is an output.
  queryApi: process.env['AWS_ENDPOINT_URL'] === undefined,
  description: 'Millrace: what only an account can show; to be removed',
  removalPolicy: RemovalPolicy.DESTROY,
  // S3 writes these hours later, also into a bucket that was just emptied to be removed.
  accessLogs: false,
});
