import { App } from 'aws-cdk-lib';
import { PipelineStack } from 'millrace/cdk';
import { trades } from '../functions/trades/pipeline.ts';

const app = new App();
new PipelineStack(app, 'MillraceTrades', { pipeline: trades, alarms: 'none' });
