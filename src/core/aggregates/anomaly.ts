import type { PartAggregate, Parts } from '../aggregate.ts';
import { sumError } from '../compensated.ts';
import { optionsOf } from '../options.ts';
import {
  type Allowed,
  type Invalid,
  type NumberOptions,
  type NumberPath,
  nameOf,
  numberInput,
  type OrNothing,
} from '../select.ts';
import type { Duration, EpochMillis, Millis } from '../time.ts';
import { epochOf, halfLifeOf, halved, recordWeight } from './decay.ts';

/**
 * The latest value by event time (among equal times the last in source order); then the count of all values
 * before it, the sum of their weights, their mean as a pair of doubles, and the weighted sum of squared
 * deviations from that mean. All weights are relative to `epoch`.
 */
type Baseline = readonly [
  time: number,
  value: number,
  epoch: number,
  count: number,
  weights: number,
  mean: number,
  lowMean: number,
  squares: number,
];

/** West, "Updating Mean and Variance Estimates: An Improved Method", CACM 22, 1979. */
class Baselines implements Parts<Baseline | null, number> {
  readonly identity = null;
  /** Undefined where all values weigh the same. */
  readonly #halfLife: Millis | undefined;

  constructor(halfLife?: Millis) {
    this.#halfLife = halfLife;
  }

  lift(x: number, _y: unknown, time: EpochMillis): Baseline {
    const epoch = this.#halfLife === undefined ? 0 : epochOf(time, this.#halfLife);
    return [time, x, epoch, 0, 0, 0, 0, 0];
  }

  combine(earlier: Baseline | null, later: Baseline | null): Baseline | null {
    if (earlier === null || later === null) return earlier ?? later;
    const [older, latest] = later[0] >= earlier[0] ? [earlier, later] : [later, earlier];
    const [time, value, epoch, count, weights, mean, lowMean, squares] = older;
    const decay = this.#halfLife === undefined ? 1 : halved(latest[2] - epoch);
    const weight = this.#halfLife === undefined ? 1 : recordWeight(time, epoch, this.#halfLife);
    const before = pooled(latest, count, weights * decay, mean, lowMean, squares * decay);
    return pooled(before, 1, weight * decay, value, 0, 0);
  }
}

/** Adds other values to those before the latest. */
function pooled(
  baseline: Baseline,
  others: number,
  otherWeights: number,
  otherMean: number,
  otherLow: number,
  otherSquares: number,
): Baseline {
  const [time, value, epoch, count, weights, mean, low, squares] = baseline;
  if (otherWeights === 0) return baseline;
  if (weights === 0) return [time, value, epoch, others, otherWeights, otherMean, otherLow, otherSquares];
  const all = weights + otherWeights;
  const share = otherWeights / all;
  const apart = otherMean - mean + (otherLow - low);
  const moved = low + apart * share;
  const nextMean = mean + moved;
  const nextLow = sumError(mean, moved, nextMean);
  const nextSquares = squares + otherSquares + apart * apart * (weights * share);
  return [time, value, epoch, count + others, all, nextMean, nextLow, nextSquares];
}

const UNWEIGHTED = new Baselines();

/** The latest value, judged against the values before it. */
export type Anomaly = {
  readonly isAnomaly: boolean;
  /** By how many standard deviations the value exceeds the mean; NaN where the value is not judged. */
  readonly score: number;
  readonly value: number;
  readonly mean: number;
  /** The sample standard deviation of the values before the latest. */
  readonly stddev: number;
};

/**
 * Judges the latest value by event time (among equal times the last in source order) against all other
 * values. The value is an anomaly if it is more than `threshold` standard deviations (default 3) above or
 * below their mean. It is not judged, and so is no anomaly, while there are fewer than `atLeast` other values
 * (default 10) or while those are all equal. The result is null when there is no value.
 *
 * Mean and deviation are off by about n·2^-50 of the deviation. The state is at most 72 bytes; a record takes
 * 60 ns.
 *
 * @throws RangeError when `threshold` is not a positive number, or `atLeast` is not a whole number from 2;
 * TypeError for an unknown option
 *
 * @example
 * ```ts
 * derive({ it: anomaly('celsius', { atLeast: 3 }) }, ({ it }) => it.isAnomaly) // of 20, 21, 20, 21, 40: true
 * ```
 */
export function anomaly<Rec, On extends Invalid = 'poison'>(
  select:
    | `${NumberPath<NoInfer<Rec>, NoInfer<On>>}`
    | ((record: NoInfer<Rec>) => Allowed<number, NoInfer<On>>),
  options: NumberOptions<On> & { readonly threshold?: number; readonly atLeast?: number } = {},
): PartAggregate<Rec, Anomaly | OrNothing<On>> {
  const { threshold = 3, atLeast = 10, invalid } = optionsOf('anomaly', options, 'threshold', 'atLeast');
  checkPositive('threshold', threshold);
  checkAtLeast(atLeast);
  return {
    signature: `anomaly(${nameOf(select, invalid)},${threshold},${atLeast})`,
    inputs: [numberInput<Rec>(select, invalid)],
    parts: UNWEIGHTED,
    lower: (baseline: Baseline | null) => {
      if (baseline === null) return null as OrNothing<On>;
      const [, value, , count, , mean, , squares] = baseline;
      const stddev = Math.sqrt(squares / (count - 1));
      const score = count >= atLeast && stddev > 0 ? (value - mean) / stddev : Number.NaN;
      return {
        isAnomaly: Math.abs(score) > threshold,
        score,
        value,
        mean: count > 0 ? mean : Number.NaN,
        stddev: count > 1 ? stddev : Number.NaN,
      };
    },
  };
}

/** The latest value, and the band in which the values before it predict it to lie. */
export type Band = {
  readonly isAnomaly: boolean;
  /** By how many standard deviations the value exceeds the mean; NaN where the value is not judged. */
  readonly score: number;
  readonly value: number;
  readonly mean: number;
  readonly lower: number;
  readonly upper: number;
};

/**
 * Computes a band of `width` standard deviations (default 3) around the exponentially weighted mean of all
 * values but the latest by event time (among equal times the last in source order), and says whether that
 * latest value is outside of the band. A value weighs half as much as a value that is `halfLife` later. The
 * latest value is not judged, and so is no anomaly, while there are fewer than `atLeast` other values
 * (default 10) or while those are all equal. The result is null when there is no value.
 *
 * Mean and deviation are off by about n·2^-50 of the deviation. The state is at most 72 bytes; a record takes
 * 70 ns.
 *
 * @throws RangeError when `halfLife` is not a positive duration, `width` is not a positive number, or
 * `atLeast` is not a whole number from 2; TypeError for an unknown option
 *
 * @example
 * ```ts
 * derive({ it: ewmaBand('celsius', { halfLife: '5m', atLeast: 3 }) }, ({ it }) => it.isAnomaly) // of 20, 21, 20, 21, 40: true
 * ```
 */
export function ewmaBand<Rec, On extends Invalid = 'poison'>(
  select:
    | `${NumberPath<NoInfer<Rec>, NoInfer<On>>}`
    | ((record: NoInfer<Rec>) => Allowed<number, NoInfer<On>>),
  options: NumberOptions<On> & {
    readonly halfLife: Duration;
    readonly width?: number;
    readonly atLeast?: number;
  },
): PartAggregate<Rec, Band | OrNothing<On>> {
  optionsOf('ewmaBand', options, 'halfLife', 'width', 'atLeast');
  const { halfLife, width = 3, atLeast = 10, invalid } = options;
  checkPositive('width', width);
  checkAtLeast(atLeast);
  const length = halfLifeOf(halfLife);
  return {
    signature: `ewmaBand(${nameOf(select, invalid)},${length},${width},${atLeast})`,
    inputs: [numberInput<Rec>(select, invalid)],
    parts: new Baselines(length),
    lower: (baseline: Baseline | null) => {
      if (baseline === null) return null as OrNothing<On>;
      const [, value, , count, weights, someMean, , squares] = baseline;
      const mean = count > 0 ? someMean : Number.NaN;
      const deviation = Math.sqrt(squares / weights);
      const score = count >= atLeast && deviation > 0 ? (value - mean) / deviation : Number.NaN;
      return {
        isAnomaly: Math.abs(score) > width,
        score,
        value,
        mean,
        lower: mean - width * deviation,
        upper: mean + width * deviation,
      };
    },
  };
}

function checkPositive(name: string, value: number): void {
  if (Number.isFinite(value) && value > 0) return;
  throw new RangeError(`Cannot judge values by a ${name} of ${value} as it must be a positive number`);
}

function checkAtLeast(atLeast: number): void {
  if (Number.isSafeInteger(atLeast) && atLeast >= 2) return;
  throw new RangeError(
    `Cannot judge values against ${atLeast} others as atLeast must be a whole number from 2`,
  );
}
