/**
 * Error-free transformations: what a double loses to rounding, as a double. Kept beside the rounded value, it makes a pair
 * of about 106 bits.
 */

/**
 * What `a + b` loses: `rounded` must be `a + b`. Exact unless the sum overflows, when it is NaN.
 *
 * Knuth, "The Art of Computer Programming", volume 2, 1969, section 4.2.2.
 */
export function sumError(a: number, b: number, rounded: number): number {
  const partOfB = rounded - a;
  return a - (rounded - partOfB) + (b - partOfB);
}

/** 2^27 + 1: a double of 53 bits falls into two halves of 26. */
const SPLITTER = 134_217_729;

/**
 * What `a * b` loses: `rounded` must be `a * b`. Exact unless the product is below about 1e-291; NaN when a factor is over
 * about 1e300 or the product overflows.
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

/** Adds a pair to a sum, and what it has lost beside it, in an array. */
export function accumulate(to: Float64Array, at: number, high: number, low: number): void {
  const a = to[at] as number;
  const sum = a + high;
  to[at] = sum;
  to[at + 1] = (to[at + 1] as number) + (sumError(a, high, sum) + low);
}

/** Likewise the product of two pairs. */
export function accumulateProduct(
  to: Float64Array,
  at: number,
  a: number,
  lowA: number,
  b: number,
  lowB: number,
): void {
  const product = a * b;
  accumulate(to, at, product, productError(a, b, product) + (a * lowB + lowA * b));
}

/** n·a − b·c, in pairs of doubles, the lower ones each after its own. */
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
 * The value of a compensated sum, rounded. Beyond the largest double what was lost is NaN; the sum itself is the infinity
 * that the reader should see.
 */
export function rounded(sum: number, lost: number, rest: number): number {
  const most = sum + lost;
  const whole = most + (sumError(sum, lost, most) + rest);
  return Number.isFinite(whole) ? whole : sum;
}

/**
 * A sum in three doubles: the rounded sum, what its additions lost, and what adding that up lost.
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
