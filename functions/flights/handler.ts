import { lambdaHandler } from '../../src/lambda.ts';
import { flights } from './pipeline.ts';

export const handler = lambdaHandler(flights);
