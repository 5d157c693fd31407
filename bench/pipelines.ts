import { max } from '../src/core/aggregates/extrema.ts';
import { mean } from '../src/core/aggregates/sums.ts';
import type { Pipeline } from '../src/index.ts';
import { rolling, sliding } from '../src/pipeline/windows.ts';
import { pipelineOf, type SentReading } from './fold.ts';

/** A pipeline of four groups, and how many records a key has until its windows are full, about. */
export interface Measurable {
  readonly name: string;
  make(): Pipeline;
  readonly fullAfter: number;
}

export const SLIDING: Measurable = {
  name: 'sliding 60 s / 10 s, mean and max',
  make: () =>
    pipelineOf({
      sliding: sliding<SentReading, { mean: number; max: number }>(
        { size: '60s', slide: '10s' },
        { mean: mean('value'), max: max('value') },
      ),
    }),
  fullAfter: 80,
};

export const ROLLING: Measurable = {
  name: 'rolling 100, mean',
  make: () =>
    pipelineOf({
      rolling: rolling<SentReading, { mean: number }>({ count: 100 }, { mean: mean('value') }),
    }),
  fullAfter: 120,
};
