import * as definition from '#pipeline';
import { pipelineOf, sweepHandler } from '../../src/lambda.ts';

export const handler = sweepHandler(pipelineOf(definition));
