import { App } from 'aws-cdk-lib';
import type { CfnFunction } from 'aws-cdk-lib/aws-lambda';
import { PipelineStack } from '../../../lib/pipeline-stack.ts';

/** The stack of bin/app.ts, changed: by the definition in the folder `ENTRY`, by a setting, and by the layer `LAYER`. */
const { ENTRY: entry = '', LAYER: layer = '' } = process.env;
const { flights } = await import(`${entry}/pipeline.ts`);
const { handler } = new PipelineStack(new App(), 'MillraceFlights', {
  pipeline: flights,
  entry,
  alarms: 'none',
  memory: { handler: 2_048 },
}).millrace;
(handler.node.defaultChild as CfnFunction).layers = [layer];
