import type { PartAggregate, Parts } from '../aggregate.ts';
import { sumError } from '../compensated.ts';
import { optionsOf } from '../options.ts';
import {
  type Invalid,
  type NumberOptions,
  type NumberSelector,
  nameOf,
  numberInput,
  type OrNothing,
} from '../select.ts';
import type { Duration, EpochMillis, Millis } from '../time.ts';
import { epochOf, halfLifeOf, halved, weightOf } from './decay.ts';

/**
 * The latest value by event time (of several the last in source order), and of those before it how many they are, the sum of
 * their weights, their mean as a pair of doubles, and the weighted sum of squared deviations from it. Weights are those of an
 * epoch.
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
  /** None: all values weigh the same. */
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
    const weight = this.#halfLife === undefined ? 1 : weightOf(time, epoch, this.#halfLife);
    const before = pooled(latest, count, weights * decay, mean, lowMean, squares * decay);
    return pooled(before, 1, weight * decay, value, 0, 0);
  }
}

/** With others among the values before the latest. */
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

/** The latest value, set against those before it. */
export type Anomaly = {
  readonly isAnomaly: boolean;
  /** How many deviations the value is above the mean; NaN where it is not judged. */
  readonly score: number;
  readonly value: number;
  readonly mean: number;
  /** The sample standard deviation. */
  readonly stddev: number;
};

/**
 * How many standard deviations the latest value by event time (of several the last in source order) is from the mean of all
 * others: an anomaly if that is more than `threshold` (3 unless told) either way. It is not judged, and no anomaly, while
 * there are fewer than `atLeast` others (10 unless told), or they are all the same.
 *
 * Mean and deviation are off by some n·2^-50 of the deviation. At most 72 bytes of state; 60 ns a record.
 *
 * @throws RangeError when threshold is not a positive number, or atLeast not a whole number from 2; TypeError for an option
 * that there is not
 */
export function anomaly<Rec, On extends Invalid = 'poison'>(
  select: NumberSelector<NoInfer<Rec>, NoInfer<On>>,
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

/** The latest value, and the band in which those before it let it be expected. */
export type Band = {
  readonly isAnomaly: boolean;
  /** How many deviations the value is above the mean; NaN where it is not judged. */
  readonly score: number;
  readonly value: number;
  readonly mean: number;
  readonly lower: number;
  readonly upper: number;
};

/**
 * The band of `width` deviations (3 unless told) around the exponentially weighted mean of all values but the latest by event
 * time (of several the last in source order), and whether that one is outside of it. A value counts half as much as one that
 * is `halfLife` later. It is not judged, and no anomaly, while there are fewer than `atLeast` others (10 unless told), or they
 * are all the same.
 *
 * Mean and deviation are off by some n·2^-50 of the deviation. At most 72 bytes of state; 70 ns a record.
 *
 * @throws RangeError when halfLife is not a positive duration, width not a positive number, or atLeast not a whole number
 * from 2; TypeError for an option that there is not
 */
export function ewmaBand<Rec, On extends Invalid = 'poison'>(
  select: NumberSelector<NoInfer<Rec>, NoInfer<On>>,
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
