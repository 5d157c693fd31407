export { flights } from '../../../functions/flights/pipeline.ts';
