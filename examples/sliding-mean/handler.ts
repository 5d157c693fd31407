import { tryPipeline } from 'millrace/testing';
import { slidingMean } from './pipeline.ts';

interface Asked {
  readonly data: readonly number[];
}

interface Answer {
  /** For each number from the tenth on: the mean, the maximum and the minimum of it and the nine before it. */
  readonly means: readonly number[];
  readonly maxima: readonly number[];
  readonly minima: readonly number[];
}

/**
 * Answers a plain event, such as `{ "data": [1, 2, 3] }`, by the windows of the pipeline. Nothing is stored.
 *
 * @throws TypeError when `data` is not a list of finite numbers
 */
export async function handler({ data }: Asked): Promise<Answer> {
  if (!Array.isArray(data) || !data.every(Number.isFinite))
    throw new TypeError('Cannot compute means as "data" must be a list of finite numbers');
  const readings = data.map((value, at) => ({ sensor: 'event', at, value }));
  const { panes } = tryPipeline(slidingMean, readings);
  const results = panes.flatMap(({ results }) => results ?? []);
  return {
    means: results.map(({ mean }) => mean),
    maxima: results.map(({ max }) => max),
    minima: results.map(({ min }) => min),
  };
}
