import { App } from 'aws-cdk-lib';
import { PipelineStack } from 'millrace/cdk';
import { sensors } from '../functions/sensors/pipeline.ts';

const app = new App();
new PipelineStack(app, 'MillraceSensors', { pipeline: sensors, alarms: 'none' });
