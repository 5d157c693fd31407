import type { Pipeline } from './pipeline.ts';

/** Returns the pipeline whose panes a pipeline reads; undefined where its source is none. */
export const upstreamOf = ({ source }: Pick<Pipeline, 'source'>): Pipeline | undefined =>
  'of' in source ? (source.of as Pipeline) : undefined;

/** Lists a pipeline and those that it reads, directly or through others: the first of them first. */
export function chainOf(pipeline: Pipeline): readonly [Pipeline, ...Pipeline[]] {
  const upstream = upstreamOf(pipeline);
  return upstream === undefined ? [pipeline] : [...chainOf(upstream), pipeline];
}
