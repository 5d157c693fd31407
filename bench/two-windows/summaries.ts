import type { Check } from '../contender.ts';
import type { Stream } from '../data.ts';
import { allOf, checkRollingMax, checkRollingMean, checkRollingMin } from '../expected.ts';

/** Mean, least and greatest of the last records of its key, for each record. */
export class RollingSummaries {
  readonly #stream: Stream;
  readonly #mean: Float64Array;
  readonly #min: Float64Array;
  readonly #max: Float64Array;

  constructor(stream: Stream) {
    const { length } = stream.value;
    this.#stream = stream;
    this.#mean = new Float64Array(length).fill(Number.NaN);
    this.#min = new Float64Array(length).fill(Number.NaN);
    this.#max = new Float64Array(length).fill(Number.NaN);
  }

  set(record: number, mean: number, min: number, max: number): void {
    this.#mean[record] = mean;
    this.#min[record] = min;
    this.#max[record] = max;
  }

  /** Compares them, and takes in how what came beside them compared. */
  check(count: number, to: number, other: Check): Check {
    const span = { from: 0, to, full: false };
    return allOf([
      checkRollingMean(this.#stream, count, this.#mean, span, 1e-14),
      checkRollingMin(this.#stream, count, this.#min, span),
      checkRollingMax(this.#stream, count, this.#max, span),
      other,
    ]);
  }
}
