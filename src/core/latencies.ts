import type { Parts } from './aggregate.ts';
import { quantile } from './aggregates/quantile.ts';
import type { EpochMillis, Millis } from './time.ts';

/** Counts times in bins, whatever is asked of them later. */
const parts = sketchOf([0]).parts as Required<Parts>;

/** The bins do not depend on when a time was taken. */
const WHENEVER = 0 as EpochMillis;

/**
 * Times that something took, in bins whose number is bounded: each time is known within 1 %, and one of 0
 * exactly. See `quantile`.
 */
export class Latencies {
  #sketch = parts.identity;
  #count = 0;

  /** @param latency what is below 0 counts as 0, as clocks differ */
  add(latency: Millis): void {
    this.#sketch = parts.add(this.#sketch, Math.max(0, latency), null, WHENEVER);
    this.#count++;
  }

  get count(): number {
    return this.#count;
  }

  /** Returns the time at a quantile from 0 to 1; NaN where there is none. */
  at(q: number): Millis {
    return sketchOf([q]).lower(this.#sketch)[0] as Millis;
  }

  /**
   * Returns at most so many times that stand for all of them, in the order of size: all times where there are
   * no more, and otherwise each stands for as many, the last one for the greatest.
   */
  sample(most: number): readonly Millis[] {
    const all = this.#count;
    const size = Math.min(most, all);
    if (size === 0) return [];
    const indexOf = (at: number) => (at === size - 1 ? all - 1 : Math.floor(((at + 0.5) * all) / size));
    // A quantile is taken at ⌊q(n − 1)⌋: the half keeps it clear of rounding.
    const quantiles = Array.from({ length: size }, (_, at) => Math.min(1, (indexOf(at) + 0.5) / (all - 1)));
    return sketchOf(quantiles).lower(this.#sketch) as Millis[];
  }
}

function sketchOf(quantiles: readonly number[]) {
  return quantile<{ readonly latency: number }, readonly number[], 'poison'>('latency', quantiles);
}
