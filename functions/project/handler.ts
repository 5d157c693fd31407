import * as definition from '#pipeline';
import { pipelineOf, projectHandler } from '../../src/lambda.ts';

export const handler = projectHandler(pipelineOf(definition));
