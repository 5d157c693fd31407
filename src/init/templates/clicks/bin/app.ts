import { App } from 'aws-cdk-lib';
import { PipelineStack } from 'millrace/cdk';
import { clicks } from '../functions/clicks/pipeline.ts';

const app = new App();
new PipelineStack(app, 'MillraceClicks', { pipeline: clicks, alarms: 'none' });
