import type { CellAggregate, Cells } from '../aggregate.ts';
import { accumulate, accumulateProduct, apart, productError, sumError } from '../compensated.ts';
import { optionsOf } from '../options.ts';
import {
  type Allowed,
  type Invalid,
  type NumberOptions,
  type NumberPath,
  nameOf,
  numberInput,
} from '../select.ts';
import { fewerOf, type SpreadOptions } from './moments.ts';

/**
 * Measures how two numbers move together. The cells are the count, an origin (X, Y), and with u = x − X and v
 * = y − Y the sums of u, v, u², v² and u·v, each as a rounded sum and what its additions lost.
 *
 * The origin is the first pair taken in, as the shift of `variance` is, and a part is re-centred on the
 * origin of the earlier part when they join. Chan, Golub & LeVeque, "Algorithms for Computing the Sample
 * Variance", The American Statistician 37, 1983, in two dimensions.
 */
class Comoments implements Cells {
  readonly width = 13;

  clear(to: number[], at: number): void {
    to.fill(0, at, at + 13);
  }

  add(to: number[], at: number, x: number, y: number): void {
    const n = to[at] as number;
    if (n === 0) {
      to[at + 1] = x;
      to[at + 2] = y;
    }
    const originX = to[at + 1] as number;
    const originY = to[at + 2] as number;
    const u = x - originX;
    const v = y - originY;
    const lowU = sumError(x, -originX, u);
    const lowV = sumError(y, -originY, v);
    to[at] = n + 1;
    accumulate(to, at + 3, u, lowU);
    accumulate(to, at + 5, v, lowV);
    accumulateProduct(to, at + 7, u, lowU, u, lowU);
    accumulateProduct(to, at + 9, v, lowV, v, lowV);
    accumulateProduct(to, at + 11, u, lowU, v, lowV);
  }

  join(to: number[], at: number, from: number[], place: number): void {
    const n = from[place] as number;
    if (n === 0) return;
    if (to[at] === 0) {
      for (let k = 0; k < 13; k++) to[at + k] = from[place + k] as number;
      return;
    }
    // With P = X' − X and Q = Y' − Y, the later part's sums about (X, Y) are Σu + nP, Σu² + P(2Σu + nP) and
    // Σuv + PΣv + Q(Σu + nP).
    const [originX, otherX] = [to[at + 1] as number, from[place + 1] as number];
    const [originY, otherY] = [to[at + 2] as number, from[place + 2] as number];
    const p = otherX - originX;
    const q = otherY - originY;
    const lowP = sumError(otherX, -originX, p);
    const lowQ = sumError(otherY, -originY, q);
    const [u, lowU] = [from[place + 3] as number, from[place + 4] as number];
    const [v, lowV] = [from[place + 5] as number, from[place + 6] as number];
    const np = n * p;
    const nq = n * q;
    const lowNp = productError(n, p, np) + n * lowP;
    const lowNq = productError(n, q, nq) + n * lowQ;
    const movedU = u + np;
    const lowMovedU = sumError(u, np, movedU) + (lowU + lowNp);
    const movedV = v + nq;
    const lowMovedV = sumError(v, nq, movedV) + (lowV + lowNq);
    to[at] = (to[at] as number) + n;
    for (let k = 3; k < 13; k += 2) {
      accumulate(to, at + k, from[place + k] as number, from[place + k + 1] as number);
    }
    accumulate(to, at + 3, np, lowNp);
    accumulate(to, at + 5, nq, lowNq);
    accumulateProduct(to, at + 7, p, lowP, u, lowU);
    accumulateProduct(to, at + 7, p, lowP, movedU, lowMovedU);
    accumulateProduct(to, at + 9, q, lowQ, v, lowV);
    accumulateProduct(to, at + 9, q, lowQ, movedV, lowMovedV);
    accumulateProduct(to, at + 11, p, lowP, v, lowV);
    accumulateProduct(to, at + 11, q, lowQ, movedU, lowMovedU);
  }
}

const COMOMENTS: Cells = new Comoments();

/**
 * Returns n² times the covariance of two of the sums at 3 and 5. `products` is the place of the sum of their
 * products.
 */
function together(from: number[], at: number, a: number, b: number, products: number): number {
  return apart(
    from[at] as number,
    from[at + products] as number,
    from[at + products + 1] as number,
    from[at + a] as number,
    from[at + a + 1] as number,
    from[at + b] as number,
    from[at + b + 1] as number,
  );
}

/**
 * Computes the covariance of two numbers, in the product of their units: Σ(x − x̄)(y − ȳ) / (n − 1), or
 * divided by n where `of` is `population`. It is NaN when there is no pair, and for a single pair unless `of`
 * is `population`. Where `invalid` is `skip`, a record that lacks either number is passed over.
 *
 * Before rounding it is off by about n³·2^-106 of the product of the two deviations. It may be NaN when
 * values are more than 1e148 apart. The state is thirteen cells, shared with `correlation`.
 *
 * @throws RangeError when `of` is neither `sample` nor `population`; TypeError for an unknown option
 *
 * @example
 * ```ts
 * covariance('celsius', 'rpm') // of 20, 22, 27: 1300
 * ```
 */
export function covariance<Rec, On extends Invalid = 'poison'>(
  x: `${NumberPath<NoInfer<Rec>, NoInfer<On>>}` | ((record: NoInfer<Rec>) => Allowed<number, NoInfer<On>>),
  y: `${NumberPath<NoInfer<Rec>, NoInfer<On>>}` | ((record: NoInfer<Rec>) => Allowed<number, NoInfer<On>>),
  options: SpreadOptions<On> = {},
): CellAggregate<Rec, number> {
  const { of = 'sample', invalid } = optionsOf('covariance', options, 'of');
  const fewer = fewerOf('covariance', of);
  return {
    signature: `covariance(${nameOf(x)},${nameOf(y, invalid)},${of})`,
    inputs: [numberInput<Rec>(x, invalid), numberInput<Rec>(y, invalid)],
    cells: COMOMENTS,
    lower: (from, at) => {
      const n = from[at] as number;
      return together(from, at, 3, 5, 11) / (n * (n - fewer));
    },
  };
}

/**
 * Computes Pearson's correlation of two numbers, from −1 to 1: their covariance divided by the product of
 * their standard deviations. It is NaN while either number has had a single value only, and so for a single
 * pair. Where `invalid` is `skip`, a record that lacks either number is passed over.
 *
 * It is off by about n³·2^-106, and is then rounded. It may be NaN when values are more than 1e148 apart. The
 * state is the thirteen cells of `covariance`.
 *
 * @throws TypeError for an unknown option
 *
 * @example
 * ```ts
 * correlation('celsius', 'rpm') // of 20, 22, 27: 1
 * ```
 */
export function correlation<Rec, On extends Invalid = 'poison'>(
  x: `${NumberPath<NoInfer<Rec>, NoInfer<On>>}` | ((record: NoInfer<Rec>) => Allowed<number, NoInfer<On>>),
  y: `${NumberPath<NoInfer<Rec>, NoInfer<On>>}` | ((record: NoInfer<Rec>) => Allowed<number, NoInfer<On>>),
  options: NumberOptions<On> = {},
): CellAggregate<Rec, number> {
  const { invalid } = optionsOf('correlation', options);
  return {
    signature: `correlation(${nameOf(x)},${nameOf(y, invalid)})`,
    inputs: [numberInput<Rec>(x, invalid), numberInput<Rec>(y, invalid)],
    cells: COMOMENTS,
    lower: (from, at) => {
      const spreads = Math.sqrt(together(from, at, 3, 3, 7)) * Math.sqrt(together(from, at, 5, 5, 9));
      return Math.max(-1, Math.min(1, together(from, at, 3, 5, 11) / spreads));
    },
  };
}
