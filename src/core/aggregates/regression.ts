import type { CellAggregate, Cells, DerivedAggregate } from '../aggregate.ts';
import { accumulate, accumulateProduct, apart, productError, sumError } from '../compensated.ts';
import { optionsOf } from '../options.ts';
import {
  type Allowed,
  type Input,
  type Invalid,
  type NumberOptions,
  type NumberPath,
  nameOf,
  numberInput,
} from '../select.ts';
import { type Duration, type EpochMillis, millis } from '../time.ts';
import { unitOf } from './unit.ts';

/**
 * Holds what a line through points (t, x) needs. The cells are the count, an origin (T, X), and with u = t −
 * T and v = x − X the sum of u, which is whole, and the sums of v, u² and u·v, each as a rounded sum and what
 * its additions lost.
 *
 * The origin is the first point taken in, and so one of the points: epoch milliseconds, and values far from
 * 0, lose no more than a factor of about n when the sums are subtracted from each other. A part is re-centred
 * on the origin of the earlier part when they join, in pairs of doubles.
 */
class Regression implements Cells {
  readonly width = 10;

  clear(to: number[], at: number): void {
    to.fill(0, at, at + 10);
  }

  add(to: number[], at: number, x: number, _y: number, time: EpochMillis): void {
    const n = to[at] as number;
    if (n === 0) {
      to[at + 1] = time;
      to[at + 2] = x;
    }
    const u = time - (to[at + 1] as number);
    const origin = to[at + 2] as number;
    const v = x - origin;
    const lowV = sumError(x, -origin, v);
    to[at] = n + 1;
    to[at + 3] = (to[at + 3] as number) + u;
    accumulate(to, at + 4, v, lowV);
    accumulateProduct(to, at + 6, u, 0, u, 0);
    accumulateProduct(to, at + 8, u, 0, v, lowV);
  }

  join(to: number[], at: number, from: number[], place: number): void {
    const n = from[place] as number;
    if (n === 0) return;
    if (to[at] === 0) {
      for (let k = 0; k < 10; k++) to[at + k] = from[place + k] as number;
      return;
    }
    joinProducts(to, at, from, place);
    joinSums(to, at, from, place);
  }
}

/*
 * With P = T' − T and Q = X' − X, the later part's sums about (T, X) are Σu + nP, Σv + nQ, Σu² + P(2Σu + nP)
 * and Σuv + PΣv + Q(Σu + nP). There are two functions, as V8 does not inline within a single function of that
 * length.
 */

function joinProducts(to: number[], at: number, from: number[], place: number): void {
  const p = (from[place + 1] as number) - (to[at + 1] as number);
  const origin = to[at + 2] as number;
  const otherOrigin = from[place + 2] as number;
  const q = otherOrigin - origin;
  const sumU = from[place + 3] as number;
  const movedU = sumU + (from[place] as number) * p;
  const twiceU = sumU + movedU;
  accumulate(to, at + 6, from[place + 6] as number, from[place + 7] as number);
  accumulateProduct(to, at + 6, p, 0, twiceU, 0);
  accumulate(to, at + 8, from[place + 8] as number, from[place + 9] as number);
  accumulateProduct(to, at + 8, p, 0, from[place + 4] as number, from[place + 5] as number);
  accumulateProduct(to, at + 8, q, sumError(otherOrigin, -origin, q), movedU, 0);
}

function joinSums(to: number[], at: number, from: number[], place: number): void {
  const n = from[place] as number;
  const p = (from[place + 1] as number) - (to[at + 1] as number);
  const origin = to[at + 2] as number;
  const otherOrigin = from[place + 2] as number;
  const q = otherOrigin - origin;
  const nq = n * q;
  to[at] = (to[at] as number) + n;
  to[at + 3] = (to[at + 3] as number) + ((from[place + 3] as number) + n * p);
  accumulate(to, at + 4, from[place + 4] as number, from[place + 5] as number);
  accumulate(to, at + 4, nq, productError(n, q, nq) + n * sumError(otherOrigin, -origin, q));
}

const REGRESSION: Cells = new Regression();

/** The cell is the latest event time. */
class LatestTime implements Cells {
  readonly width = 1;

  clear(to: number[], at: number): void {
    to[at] = Number.NEGATIVE_INFINITY;
  }

  add(to: number[], at: number, _x: number, _y: number, time: EpochMillis): void {
    to[at] = Math.max(to[at] as number, time);
  }

  join(to: number[], at: number, from: number[], place: number): void {
    to[at] = Math.max(to[at] as number, from[place] as number);
  }
}

const LATEST_TIME: Cells = new LatestTime();

/**
 * Measures how fast a number changes: the slope of its least-squares line over event time, in the unit of the
 * number per `per` (default a second). It is NaN where all records have one event time.
 *
 * Before rounding it is off by about n³·2^-106 of the values' range divided by the range of the times: within
 * 1e-12 of the exact slope of 100,000 doubles whose line rises by more than 1e-5 of their range. It is NaN
 * for values more than 1e280 apart. The state is ten cells, of which three are whole numbers; a record takes
 * 7 ns, a join 16 ns.
 *
 * @throws RangeError when `per` is not a positive duration; TypeError for an unknown option
 *
 * @example
 * ```ts
 * slope('celsius', { per: '1m' }) // of 20, 22, 24: 2
 * ```
 */
export function slope<Rec, On extends Invalid = 'poison'>(
  select:
    | `${NumberPath<NoInfer<Rec>, NoInfer<On>>}`
    | ((record: NoInfer<Rec>) => Allowed<number, NoInfer<On>>),
  options: NumberOptions<On> & { readonly per?: Duration } = {},
): CellAggregate<Rec, number> {
  const { per, invalid } = optionsOf('slope', options, 'per');
  const unit = unitOf(per);
  return {
    signature: `slope(${nameOf(select, invalid)},${unit})`,
    inputs: [numberInput<Rec>(select, invalid)],
    cells: REGRESSION,
    lower: (from, at) => slopePerMilli(from, at) * unit,
  };
}

/**
 * Predicts the value of a number `ahead` of its latest event time, if it goes on along its least-squares
 * line. It is NaN where all records have one event time. It is as exact as `slope`. The state is the ten
 * cells of `slope`, and one more.
 *
 * @throws RangeError when `ahead` is not a duration; TypeError for an unknown option
 *
 * @example
 * ```ts
 * forecast('celsius', { ahead: '5m' }) // of 20, 22, 24: 34
 * ```
 */
export function forecast<Rec, On extends Invalid = 'poison'>(
  select:
    | `${NumberPath<NoInfer<Rec>, NoInfer<On>>}`
    | ((record: NoInfer<Rec>) => Allowed<number, NoInfer<On>>),
  options: NumberOptions<On> & { readonly ahead: Duration },
): DerivedAggregate<Rec, number> {
  const { ahead, invalid } = optionsOf('forecast', options, 'ahead');
  const length = millis(ahead);
  const name = nameOf(select, invalid);
  const inputs = [numberInput<Rec>(select, invalid)];
  return {
    signature: `forecast(${name},${length})`,
    of: { line: line(name, inputs), latest: latestTime(name, inputs) },
    derive: ({ line, latest }) => {
      const [time, value, rise] = line as Line;
      return value + rise * ((latest as number) - time + length);
    },
  };
}

/** A point of the line, and its rise per millisecond. */
type Line = readonly [time: number, value: number, rise: number];

/** Returns the line at the mean of the points. Its `time` is that of the origin, which is whole. */
const line = <Rec>(name: string, inputs: readonly Input<Rec>[]): CellAggregate<Rec, Line> => ({
  signature: `line(${name})`,
  inputs,
  cells: REGRESSION,
  lower: (from, at) => {
    const [n, time, value] = [from[at] as number, from[at + 1] as number, from[at + 2] as number];
    const rise = slopePerMilli(from, at);
    const meanU = (from[at + 3] as number) / n;
    const meanV = ((from[at + 4] as number) + (from[at + 5] as number)) / n;
    return [time, value + (meanV - rise * meanU), rise];
  },
});

const latestTime = <Rec>(name: string, inputs: readonly Input<Rec>[]): CellAggregate<Rec, number> => ({
  signature: `latestTime(${name})`,
  inputs,
  cells: LATEST_TIME,
  lower: (from, at) => from[at] as number,
});

/** Returns (nΣuv − ΣuΣv) / (nΣu² − (Σu)²). */
function slopePerMilli(from: number[], at: number): number {
  const n = from[at] as number;
  const u = from[at + 3] as number;
  const rise = apart(
    n,
    from[at + 8] as number,
    from[at + 9] as number,
    u,
    0,
    from[at + 4] as number,
    from[at + 5] as number,
  );
  return rise / apart(n, from[at + 6] as number, from[at + 7] as number, u, 0, u, 0);
}
