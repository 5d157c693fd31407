/**
 * Error-free transformations: they return what a double loses to rounding, as a double. Kept beside the
 * rounded value, it makes a pair of about 106 bits.
 */

/**
 * Returns what `a + b` loses. `rounded` must be `a + b`. The result is exact; it is NaN where the sum
 * overflows.
 *
 * Knuth, "The Art of Computer Programming", volume 2, 1969, section 4.2.2.
 */
export function sumError(a: number, b: number, rounded: number): number {
  const partOfB = rounded - a;
  return a - (rounded - partOfB) + (b - partOfB);
}

/** 2^27 + 1, which splits a double of 53 bits into two halves of 26. */
const SPLITTER = 134_217_729;

/**
 * Returns what `a * b` loses. `rounded` must be `a * b`. The result is exact unless the product is below
 * about 1e-291; it is NaN when a factor is over about 1e300 or the product overflows.
 *
 * Dekker, "A floating-point technique for extending the available precision", 1971.
 */
export function productError(a: number, b: number, rounded: number): number {
  const scaledA = SPLITTER * a;
  const highA = scaledA - (scaledA - a);
  const lowA = a - highA;
  const scaledB = SPLITTER * b;
  const highB = scaledB - (scaledB - b);
  const lowB = b - highB;
  return lowA * lowB - (rounded - highA * highB - lowA * highB - highA * lowB);
}

/** Adds a pair of doubles to the sum at `to[at]`, and what that loses to `to[at + 1]`. */
export function accumulate(to: number[], at: number, high: number, low: number): void {
  const a = to[at] as number;
  const sum = a + high;
  to[at] = sum;
  to[at + 1] = (to[at + 1] as number) + (sumError(a, high, sum) + low);
}

/** Adds the product of two pairs of doubles, as `accumulate` does. */
export function accumulateProduct(
  to: number[],
  at: number,
  a: number,
  lowA: number,
  b: number,
  lowB: number,
): void {
  const product = a * b;
  accumulate(to, at, product, productError(a, b, product) + (a * lowB + lowA * b));
}

/** Returns n·a − b·c, where each of a, b and c is a pair of doubles, the lower one after the higher. */
export function apart(
  n: number,
  a: number,
  lowA: number,
  b: number,
  lowB: number,
  c: number,
  lowC: number,
): number {
  const na = n * a;
  const bc = b * c;
  const difference = na - bc;
  const lowNa = productError(n, a, na) + n * lowA;
  const lowBc = productError(b, c, bc) + (b * lowC + lowB * c);
  return difference + (sumError(na, -bc, difference) + (lowNa - lowBc));
}

/**
 * Returns the value of a compensated sum, rounded. Beyond the largest double the losses are NaN; then the sum
 * itself is the infinity that the reader should see.
 */
export function rounded(sum: number, lost: number, rest: number): number {
  const most = sum + lost;
  const whole = most + (sumError(sum, lost, most) + rest);
  return Number.isFinite(whole) ? whole : sum;
}

/**
 * A sum in three doubles: the rounded sum, what its additions lost, and what the additions of those losses
 * lost.
 *
 * Klein, "A generalized Kahan-Babuška-summation-algorithm", Computing 76, 2006.
 */
export class CompensatedSum {
  sum: number;
  lost: number;
  rest: number;

  constructor(sum = 0, lost = 0, rest = 0) {
    this.sum = sum;
    this.lost = lost;
    this.rest = rest;
  }

  add(value: number): void {
    const sum = this.sum + value;
    const error = sumError(this.sum, value, sum);
    const lost = this.lost + error;
    this.rest += sumError(this.lost, error, lost);
    this.lost = lost;
    this.sum = sum;
  }

  /** Adds `a * b`. */
  addProduct(a: number, b: number): void {
    const product = a * b;
    this.add(product);
    this.add(productError(a, b, product));
  }

  value(): number {
    return rounded(this.sum, this.lost, this.rest);
  }
}
