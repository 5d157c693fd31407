const bits = new DataView(new ArrayBuffer(8));

/** Doubles as whole numbers of the smallest one, 2^-1074: sums without rounding. */
function exactly(value: number): bigint {
  bits.setFloat64(0, value);
  const high = bits.getUint32(0);
  const exponent = (high >>> 20) & 0x7ff;
  const fraction = (BigInt(high & 0xfffff) << 32n) | BigInt(bits.getUint32(4));
  const magnitude = exponent === 0 ? fraction : (fraction | (1n << 52n)) << BigInt(exponent - 1);
  return high >>> 31 === 1 ? -magnitude : magnitude;
}

const magnitude = (value: bigint): bigint => (value < 0n ? -value : value);

const exactSum = (values: readonly number[]): bigint =>
  values.reduce((total, value) => total + exactly(value), 0n);

/** A number as a fraction, without rounding. */
export interface Fraction {
  readonly numerator: bigint;
  readonly denominator: bigint;
}

/** An instant or a length, and the value at it. */
export type Point = readonly [time: number, x: number];

/** Smallest doubles to one. */
const ONE = 1n << 1_074n;

const sumOf = (terms: readonly bigint[]): bigint => terms.reduce((total, term) => total + term, 0n);

export const exactMean = (values: readonly number[]): Fraction => ({
  numerator: exactSum(values),
  denominator: ONE * BigInt(values.length),
});

/** The sum of squared deviations from the mean, over n − `fewer`. */
export function exactVariance(values: readonly number[], fewer = 1): Fraction {
  const n = BigInt(values.length);
  const xs = values.map(exactly);
  const total = sumOf(xs);
  const squares = sumOf(xs.map((x) => x * x));
  return { numerator: n * squares - total * total, denominator: n * (n - BigInt(fewer)) * ONE * ONE };
}

/** The sum of products of deviations from the means, over n − `fewer`. */
export function exactCovariance(pairs: readonly (readonly [x: number, y: number])[], fewer = 1): Fraction {
  const n = BigInt(pairs.length);
  const xs = pairs.map(([x]) => exactly(x));
  const ys = pairs.map(([, y]) => exactly(y));
  const products = sumOf(xs.map((x, at) => x * (ys[at] as bigint)));
  return {
    numerator: n * products - sumOf(xs) * sumOf(ys),
    denominator: n * (n - BigInt(fewer)) * ONE * ONE,
  };
}

/** The square of Pearson's correlation, with the sign of the correlation itself. */
export function exactSquaredCorrelation(pairs: readonly (readonly [x: number, y: number])[]): Fraction {
  const { numerator: both } = exactCovariance(pairs);
  const [x, y] = [exactVariance(pairs.map(([x]) => x)), exactVariance(pairs.map(([, y]) => y))];
  return { numerator: both * magnitude(both), denominator: x.numerator * y.numerator };
}

/** The slope of the least-squares line, per unit of time. */
export function exactSlope(points: readonly Point[]): Fraction {
  const n = BigInt(points.length);
  const ts = points.map(([time]) => BigInt(time));
  const xs = points.map(([, x]) => exactly(x));
  const [sumT, sumX] = [sumOf(ts), sumOf(xs)];
  return {
    numerator: n * sumOf(ts.map((t, at) => t * (xs[at] as bigint))) - sumT * sumX,
    denominator: (n * sumOf(ts.map((t) => t * t)) - sumT * sumT) * ONE,
  };
}

export function exactWeightedMean(pairs: readonly (readonly [x: number, weight: number])[]): Fraction {
  return {
    numerator: sumOf(pairs.map(([x, weight]) => exactly(x) * exactly(weight))),
    denominator: exactSum(pairs.map(([, weight]) => weight)) * ONE,
  };
}

/** By the trapezoidal rule, over points in order of time. */
export const exactIntegral = (points: readonly Point[]): Fraction => ({
  numerator: sumOf(
    steps(points).map(([[time, x], [next, nextX]]) => (exactly(x) + exactly(nextX)) * BigInt(next - time)),
  ),
  denominator: 2n * ONE,
});

/** The mean over time of values that hold until the next, over points in order of time. */
export const exactTimeWeightedMean = (points: readonly Point[]): Fraction => ({
  numerator: sumOf(steps(points).map(([[time, x], [next]]) => exactly(x) * BigInt(next - time))),
  denominator: BigInt((points.at(-1)?.[0] ?? 0) - (points[0]?.[0] ?? 0)) * ONE,
});

/** Each point and the one after it. */
export const steps = (points: readonly Point[]): (readonly [Point, Point])[] =>
  points.slice(1).map((next, at) => [points[at] as Point, next]);

/** By how much of a fraction a double is off it; what is off 0 is off by all. */
export function relativeError(actual: number, { numerator, denominator }: Fraction): number {
  if (!Number.isFinite(actual)) return Number.POSITIVE_INFINITY;
  const off = magnitude(exactly(actual) * denominator - numerator * ONE);
  if (off === 0n) return 0;
  const digits = 10n ** 30n;
  return numerator === 0n ? 1 : Number((off * digits) / magnitude(numerator * ONE)) / Number(digits);
}
