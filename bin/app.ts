import { App } from 'aws-cdk-lib';
import { flights } from '../functions/flights/pipeline.ts';
import { PipelineStack } from '../lib/pipeline-stack.ts';

const app = new App();
new PipelineStack(app, 'MillraceFlights', {
  pipeline: flights,
  description: 'Millrace: flight delays by airport',
});
