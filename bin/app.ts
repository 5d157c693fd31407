import { App } from 'aws-cdk-lib';
import { PipelineStack } from 'millrace/cdk';
import { flights } from '../functions/flights/pipeline.ts';

const app = new App();
// npx cdk deploy --context alarmTopic=<ARN of an SNS topic>
const topic: string | undefined = app.node.tryGetContext('alarmTopic');
new PipelineStack(app, 'MillraceFlights', {
  pipeline: flights,
  alarms: topic ? { topic } : 'none',
  description: 'Millrace: flight delays by airport',
});
