import type { PartAggregate, Parts } from '../aggregate.ts';
import { optionsOf } from '../options.ts';
import {
  type Allowed,
  type Invalid,
  type NumberOptions,
  type NumberPath,
  nameOf,
  numberInput,
} from '../select.ts';
import { lowerBound, unionOf } from './sorted.ts';

export interface QuantileOptions<On extends Invalid> extends NumberOptions<On> {
  /** The greatest relative error, from 0.005 to 0.1 (default 0.01). */
  readonly error?: number;
}

/** One number for a single quantile, and a list of numbers for a list of quantiles. */
export type Quantiles<Q> = Q extends readonly number[] ? { readonly [At in keyof Q]: number } : number;

/**
 * Estimates the values at one or more quantiles of a number, from the least (0) to the greatest (1), within a
 * relative error of `error` (default 1 %). It is NaN when there is no value.
 *
 * The value at q of n values is the value at index ⌊q(n − 1)⌋, from 0, in the order of size; the estimate is
 * never further from it than `error` times its magnitude. Numbers closer to zero than 1e-300 count as zero.
 * Kept infinities are the least and the greatest values; one kept NaN makes all quantiles NaN.
 *
 * The positive and the negative values are counted in at most 2,048 bins each. Where they would take more,
 * the values closest to zero are counted in the lowest bin that is kept, and the estimate takes them for
 * further from zero than they are, without a bound; all other values keep theirs. That needs values over
 * 4·10^17-fold apart at 1 %, or over 6·10^8-fold at 0.5 %.
 *
 * The result is the same to the bit however the records are cut into parts, and on every machine. A bin costs
 * 0.5 to 2 bytes: log-normal delays take about 170 B in all after a thousand records and 0.5 KB after a
 * million, or 0.3 and 1 KB where both signs occur. A record takes about 15 ns, or about 100 ns if its bin is
 * new.
 *
 * DDSketch: Masson, Rim, Lee, "DDSketch: A Fast and Fully-Mergeable Quantile Sketch with Relative-Error
 * Guarantees", 2019.
 *
 * @throws RangeError when there is no quantile, a quantile is not from 0 to 1, or `error` is not from 0.005
 * to 0.1; TypeError for an unknown option
 *
 * @example
 * ```ts
 * quantile('celsius', 0.5) // of 20, 22, 27: 22.167901257868436
 * ```
 */
export function quantile<Rec, const Q extends number | readonly number[], On extends Invalid = 'poison'>(
  select:
    | `${NumberPath<NoInfer<Rec>, NoInfer<On>>}`
    | ((record: NoInfer<Rec>) => Allowed<number, NoInfer<On>>),
  q: Q,
  options: QuantileOptions<On> = {},
): PartAggregate<Rec, Quantiles<Q>> {
  const { error = 0.01, invalid } = optionsOf('quantile', options, 'error');
  const quantiles: readonly number[] = typeof q === 'number' ? [q] : q;
  if (quantiles.length === 0 || !quantiles.every((quantile) => quantile >= 0 && quantile <= 1)) {
    throw new RangeError(`Cannot compute the quantile ${q} as it must be one or more numbers from 0 to 1`);
  }
  if (!(error >= 0.005 && error <= 0.1)) {
    throw new RangeError(
      `Cannot compute quantiles within ${error} as error must be a number from 0.005 to 0.1`,
    );
  }
  const sketches = error === 0.01 ? WITHIN_ONE_PERCENT : new Sketches(error);
  return {
    signature: `quantile(${nameOf(select, invalid)},${JSON.stringify(q)},${error})`,
    inputs: [numberInput<Rec>(select, invalid)],
    parts: sketches,
    lower: (sketch: Sketch | null) => {
      const values = quantiles.map((quantile) => sketches.valueAt(sketch, quantile));
      return (typeof q === 'number' ? values[0] : values) as Quantiles<Q>;
    },
  };
}

/**
 * Counts values by bin, in one of two forms. Either it lists the index and the count of each bin that holds a
 * value, in the order of the indexes. Or it is a row: the least index alone, and the count of every bin from
 * there to the last that holds a value.
 *
 * It is a row if that takes no more numbers and at most 2,048 bins, so that the same counts always have the
 * same form.
 */
type Bins = readonly [indexes: readonly number[], counts: readonly number[]];
type OwnBins = readonly [indexes: number[], counts: number[]];

/**
 * The values counted: NaNs, zeros, and by the bin of their magnitude the positive and the negative values.
 */
type Sketch = readonly [nans: number, zeros: number, positive: Bins, negative: Bins];
type OwnSketch = [nans: number, zeros: number, positive: OwnBins, negative: OwnBins];

const MAX_BINS = 2_048;

/**
 * Magnitudes below this count as zero, so that the reciprocals of all others, and their bins, still are
 * ordinary doubles.
 */
const LEAST_MAGNITUDE = 1e-300;

class Sketches implements Parts<Sketch | null, number> {
  readonly identity = null;
  readonly #scale: LogScale;

  constructor(error: number) {
    this.#scale = new LogScale(error);
  }

  lift(x: number): Sketch {
    return this.add([0, 0, [[], []], [[], []]], x);
  }

  add(partial: OwnSketch | null, x: number): Sketch {
    if (partial === null) return this.lift(x);
    if (x >= LEAST_MAGNITUDE) partial[2] = take(partial[2], this.#scale.indexOf(x));
    else if (x <= -LEAST_MAGNITUDE) partial[3] = take(partial[3], this.#scale.indexOf(-x));
    else if (Number.isNaN(x)) partial[0]++;
    else partial[1]++;
    return partial;
  }

  combine(earlier: Sketch | null, later: Sketch | null): Sketch | null {
    if (earlier === null || later === null) return earlier ?? later;
    return [
      earlier[0] + later[0],
      earlier[1] + later[1],
      union(earlier[2], later[2]),
      union(earlier[3], later[3]),
    ];
  }

  valueAt(sketch: Sketch | null, quantile: number): number {
    if (sketch === null || sketch[0] > 0) return Number.NaN;
    const [, zeros, positive, negative] = sketch;
    const negatives = totalOf(negative);
    const rank = Math.floor(quantile * (negatives + zeros + totalOf(positive) - 1));
    if (rank < negatives) return -this.#scale.valueOf(indexAt(negative, negatives - 1 - rank));
    if (rank < negatives + zeros) return 0;
    return this.#scale.valueOf(indexAt(positive, rank - negatives - zeros));
  }
}

/**
 * Cuts the positive numbers into bins, so that one value stands for every number of a bin with a relative
 * error of at most `error`.
 *
 * A number 2^e·(1 + x) with 0 ≤ x < 1 is placed at e + P(x), with P(x) = (6x³ − 21x² + 50x) / 35, which goes
 * from 0 to 1 and is close to log2(1 + x). As (1 + x)·P'(x) ≥ 10/7 (least where x is 0 and 2/3), the
 * logarithm grows by at most 7/10 of what the place grows by. A bin of 2·error·10/7 thus goes from a to at
 * most e^(2·error)·a, and the harmonic mean of its ends is off by at most tanh(error) < error − error³/4,
 * which leaves room for more than all rounding. The scale uses nothing but + − × ÷ and whole parts, which
 * unlike a logarithm are the same to the bit on every machine.
 */
class LogScale {
  readonly #binsPerOctave: number;
  /** A scratch buffer: every method writes it before it reads it. */
  readonly #bits = new DataView(new ArrayBuffer(8));

  constructor(error: number) {
    this.#binsPerOctave = 0.35 / error;
  }

  /** Returns the bin of a number from 1e-300 on. */
  indexOf(value: number): number {
    if (value === Number.POSITIVE_INFINITY) return INFINITE;
    const bits = this.#bits;
    bits.setFloat64(0, value);
    const high = bits.getInt32(0);
    const x = ((high & 0xfffff) * TWO_TO_32 + bits.getUint32(4)) / TWO_TO_52;
    return Math.floor(((high >> 20) - 1_023 + place(x)) * this.#binsPerOctave);
  }

  /** Returns the value that stands for the numbers of a bin: the harmonic mean of its ends. */
  valueOf(index: number): number {
    if (index === INFINITE) return Number.POSITIVE_INFINITY;
    const start = index / this.#binsPerOctave;
    const end = (index + 1) / this.#binsPerOctave;
    const octave = Math.floor(start);
    const low = significand(start - octave);
    const high = end - octave < 1 ? significand(end - octave) : 2 * significand(end - octave - 1);
    return Math.min(((2 * low * high) / (low + high)) * this.#powerOfTwo(octave), Number.MAX_VALUE);
  }

  #powerOfTwo(exponent: number): number {
    this.#bits.setInt32(0, (exponent + 1_023) << 20);
    this.#bits.setInt32(4, 0);
    return this.#bits.getFloat64(0);
  }
}

const TWO_TO_32 = 0x1_0000_0000;
const TWO_TO_52 = 0x10_0000_0000_0000;

/** The bin of infinity, past every bin of a finite number, whatever the error is. */
const INFINITE = 1_000_000;

const place = (x: number): number => (x * (50 + x * (6 * x - 21))) / 35;

/**
 * Returns 1 + x for the x whose `place(x)` is `at`, by Newton's method from `at` on: each step squares the
 * error, which is 0.1 at first.
 */
function significand(at: number): number {
  let x = at;
  for (let step = 0; step < 5; step++) x -= (place(x) - at) / ((50 + x * (18 * x - 42)) / 35);
  return 1 + x;
}

const WITHIN_ONE_PERCENT = new Sketches(0.01);

/** Counts one more value, either in place or in new bins, which the caller keeps instead of `bins`. */
function take(bins: OwnBins, index: number): OwnBins {
  const [indexes, counts] = bins;
  if (indexes.length !== 1) return takeApart(bins, index);
  const at = index - (indexes[0] as number);
  if (at >= 0 && at < counts.length) {
    counts[at] = (counts[at] as number) + 1;
  } else if (at === counts.length && at < MAX_BINS) {
    counts.push(1);
  } else if (at === -1 && counts.length < MAX_BINS) {
    counts.unshift(1);
    indexes[0] = index;
  } else if (at < 0 && counts.length === MAX_BINS && !counts.includes(0)) {
    counts[0] = (counts[0] as number) + 1;
  } else {
    return takeApart(apart(bins), index);
  }
  return bins;
}

/** Counts one more value in bins that are not a row, as `take` does. */
function takeApart(bins: OwnBins, index: number): OwnBins {
  const [indexes, counts] = bins;
  const at = lowerBound(indexes, index);
  if (indexes[at] === index || (at === 0 && counts.length === MAX_BINS)) {
    counts[at] = (counts[at] as number) + 1;
    return bins;
  }
  insert(indexes, at, index);
  insert(counts, at, 1);
  if (counts.length > MAX_BINS) {
    indexes.shift();
    const lowest = counts.shift() as number;
    counts[0] = (counts[0] as number) + lowest;
  }
  return shortest(bins);
}

/** Inserts a value into a list. It is faster than `splice` where few items are moved. */
function insert(list: number[], at: number, value: number): void {
  for (let to = list.length; to > at; to--) list[to] = list[to - 1] as number;
  list[at] = value;
}

/** Counts the values of both. */
function union(a: Bins, b: Bins): OwnBins {
  if (b[1].length === 0) return [[...a[0]], [...a[1]]];
  if (a[1].length === 0) return [[...b[0]], [...b[1]]];
  return rowOf(a, b) ?? shortest(bounded(unionOf(apart(a), apart(b))));
}

/** Joins two rows into one, or returns undefined where either is no row or their union is none. */
function rowOf([indexesA, countsA]: Bins, [indexesB, countsB]: Bins): OwnBins | undefined {
  if (indexesA.length !== 1 || indexesB.length !== 1) return undefined;
  const [firstA, firstB] = [indexesA[0] as number, indexesB[0] as number];
  const first = Math.min(firstA, firstB);
  const length = Math.max(firstA + countsA.length, firstB + countsB.length) - first;
  if (length > MAX_BINS) return undefined;
  const row = new Array<number>(length).fill(0);
  for (let at = 0; at < countsA.length; at++) row[firstA - first + at] = countsA[at] as number;
  for (let at = 0; at < countsB.length; at++)
    row[firstB - first + at] = (row[firstB - first + at] as number) + (countsB[at] as number);
  let taken = 0;
  for (const count of row) if (count > 0) taken++;
  return isShortAsRow(length, taken) ? [[first], row] : undefined;
}

/**
 * Counts the lowest bins in one if there are more than 2,048. Of any parts, the highest 2,048 bins of all are
 * among the highest 2,048 of each, so that a value counted in a lower bin in a part is counted lower in the
 * whole too.
 */
function bounded([indexes, counts]: OwnBins): OwnBins {
  const excess = indexes.length - MAX_BINS;
  if (excess <= 0) return [indexes, counts];
  const lowest = counts.slice(0, excess + 1).reduce((sum, count) => sum + count);
  return [indexes.slice(excess), [lowest, ...counts.slice(excess + 1)]];
}

/** Lists the bins that hold a value, each with its index, whether or not they are a row. */
function apart([indexes, counts]: Bins): OwnBins {
  const first = indexes[0];
  if (indexes.length !== 1 || first === undefined) return [[...indexes], [...counts]];
  const listed: OwnBins = [[], []];
  for (let at = 0; at < counts.length; at++) {
    if (counts[at] === 0) continue;
    listed[0].push(first + at);
    listed[1].push(counts[at] as number);
  }
  return listed;
}

/** Takes bins that are listed with their indexes, and returns them as a row if that is shorter. */
function shortest(bins: OwnBins): OwnBins {
  const [indexes, counts] = bins;
  const first = indexes[0] as number;
  const length = (indexes.at(-1) as number) - first + 1;
  if (!isShortAsRow(length, indexes.length)) return bins;
  const row = new Array<number>(length).fill(0);
  for (let at = 0; at < indexes.length; at++) row[(indexes[at] as number) - first] = counts[at] as number;
  return [[first], row];
}

/**
 * A row holds one index, and a count for each bin; a list holds an index and a count for each bin that holds
 * a value.
 */
const isShortAsRow = (length: number, taken: number): boolean =>
  length <= MAX_BINS && 1 + length <= 2 * taken;

const totalOf = ([, counts]: Bins): number => counts.reduce((sum, count) => sum + count, 0);

/** Returns the index of the bin of the value that `rank` values are below. */
function indexAt([indexes, counts]: Bins, rank: number): number {
  let at = 0;
  for (let below = counts[0] as number; below <= rank; below += counts[at] as number) at++;
  return indexes.length === 1 ? (indexes[0] as number) + at : (indexes[at] as number);
}
