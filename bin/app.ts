import { App } from 'aws-cdk-lib';
import { PipelineStack } from 'millrace/cdk';
import { flights } from '../functions/flights/pipeline.ts';

const app = new App();
new PipelineStack(app, 'MillraceFlights', {
  pipeline: flights,
  description: 'Millrace: flight delays by airport',
});
