import type { PartAggregate, Parts } from '../aggregate.ts';
import { CompensatedSum, sumError } from '../compensated.ts';
import { optionsOf } from '../options.ts';
import { invariant } from '../plain.ts';
import { type Invalid, type NumberOptions, type NumberSelector, nameOf, numberInput } from '../select.ts';
import type { Duration, EpochMillis } from '../time.ts';
import { insert, merge } from './timeline.ts';
import { unitOf } from './unit.ts';

/** Points by event time, and what is kept of those that were settled. */
type Points = readonly [settled: Settled, times: readonly EpochMillis[], values: readonly number[]];
type OwnPoints = readonly [settled: number[], times: EpochMillis[], values: number[]];

/**
 * Up to when points are settled, if at all; and if there were any, the times of the first and the last, the value of the
 * last, and the compensated sum over the steps between them in three doubles.
 */
type Settled = readonly number[];

/** Adds what the step from one point to the next contributes. */
type AddStep = (sum: CompensatedSum, time: number, x: number, nextTime: number, nextX: number) => void;

/** A sum over steps from each point to the next by event time, for which the points have to be there. */
class Steps implements Parts<Points | null, number> {
  readonly identity = null;
  readonly #addStep: AddStep;

  constructor(addStep: AddStep) {
    this.#addStep = addStep;
  }

  lift(x: number, _y: unknown, time: EpochMillis): Points {
    return [[], [time], [x]];
  }

  combine(earlier: Points | null, later: Points | null): Points | null {
    if (earlier === null || later === null) return earlier ?? later;
    invariant(earlier[0].length + later[0].length === 0, 'points that are settled are only added to');
    const [times, values] = merge([earlier[1], earlier[2]], [later[1], later[2]]);
    return [[], times, values];
  }

  add(points: OwnPoints | null, x: number, _y: unknown, time: EpochMillis): Points {
    if (points === null) return [[], [time], [x]];
    const [settled, times, values] = points;
    const horizon = settled[0];
    if (horizon === undefined || time > horizon) insert([times, values], time, x);
    return points;
  }

  settle(points: OwnPoints | null, horizon: EpochMillis): Points {
    if (points === null) return [[horizon], [], []];
    const [settled, times, values] = points;
    let count = 0;
    while (count < times.length && (times[count] as number) <= horizon) count++;
    if (count === 0) {
      settled[0] = horizon;
      return points;
    }
    const total = totalOf([settled, times.splice(0, count), values.splice(0, count)], this.#addStep) as Total;
    const { first, last, x, sum } = total;
    return [[horizon, first, last, x, sum.sum, sum.lost, sum.rest], times, values];
  }

  /** The sum over all points, if there are any. */
  total(points: Points | null): Total | null {
    return points && totalOf(points, this.#addStep);
  }
}

interface Total {
  /** The times of the first and the last point, and the value of the last. */
  readonly first: number;
  readonly last: number;
  readonly x: number;
  readonly sum: CompensatedSum;
}

function totalOf([settled, times, values]: Points, addStep: AddStep): Total | null {
  const [, first = times[0], settledLast, settledX, high, lost, rest] = settled;
  if (first === undefined) return null;
  const sum = new CompensatedSum(high, lost, rest);
  let last = settledLast ?? first;
  let x = settledX ?? (values[0] as number);
  for (let at = settledLast === undefined ? 1 : 0; at < times.length; at++) {
    const nextTime = times[at] as number;
    const nextX = values[at] as number;
    addStep(sum, last, x, nextTime, nextX);
    last = nextTime;
    x = nextX;
  }
  return { first, last, x, sum };
}

/** Twice the area of the trapezoid below a step. */
const TRAPEZOIDS = new Steps((sum, time, x, nextTime, nextX) => {
  const length = nextTime - time;
  const both = x + nextX;
  sum.addProduct(both, length);
  sum.addProduct(sumError(x, nextX, both), length);
});

/** The area below a value that holds until the next one. */
const HOLDS = new Steps((sum, time, x, nextTime) => sum.addProduct(x, nextTime - time));

/** What a counter has gone up by; one that went down began again from 0. */
const INCREASES = new Steps((sum, _time, x, _nextTime, nextX) => {
  sum.add(nextX);
  if (!(nextX < x)) sum.add(-x);
});

/**
 * The integral of a number over event time by the trapezoidal rule, in its unit times `per` (a second unless told): of watts
 * per `1h`, watt-hours. Of one point 0; of nothing NaN.
 *
 * As exact as `sum`, and rounded twice more. Keeps every point, in a running window only those that may still have others put
 * between them: at most 18 bytes and 10 ns each, and 20 ns whenever a pane is made.
 *
 * @throws RangeError when `per` is not a positive duration; TypeError for an option that there is not
 */
export function integral<Rec, On extends Invalid = 'poison'>(
  select: NumberSelector<NoInfer<Rec>, NoInfer<On>>,
  options: NumberOptions<On> & { readonly per?: Duration } = {},
): PartAggregate<Rec, number> {
  const { per, invalid } = optionsOf('integral', options, 'per');
  const unit = unitOf(per);
  return {
    signature: `integral(${nameOf(select, invalid)},${unit})`,
    inputs: [numberInput<Rec>(select, invalid)],
    parts: TRAPEZOIDS,
    lower: (points: Points | null) => (TRAPEZOIDS.total(points)?.sum.value() ?? Number.NaN) / 2 / unit,
  };
}

/**
 * The mean of a number over event time, each value holding until the next one: the last has no length. Where all event times
 * are one, the last value; of nothing NaN. As exact, and as large, as `integral`.
 *
 * @throws TypeError for an option that there is not
 */
export function timeWeightedMean<Rec, On extends Invalid = 'poison'>(
  select: NumberSelector<NoInfer<Rec>, NoInfer<On>>,
  options: NumberOptions<On> = {},
): PartAggregate<Rec, number> {
  const { invalid } = optionsOf('timeWeightedMean', options);
  return {
    signature: `timeWeightedMean(${nameOf(select, invalid)})`,
    inputs: [numberInput<Rec>(select, invalid)],
    parts: HOLDS,
    lower: (points: Points | null) => {
      const total = HOLDS.total(points);
      if (total === null) return Number.NaN;
      return total.last === total.first ? total.x : total.sum.value() / (total.last - total.first);
    },
  };
}

/**
 * How fast a counter goes up: its increases from the first to the last point by event time over the time between them, per
 * `per` (a second unless told). A value below the one before it means that the counter began again from 0. NaN with fewer
 * than two event times. As exact, and as large, as `integral`.
 *
 * As in Prometheus, but for what it adds for the time before the first point and after the last.
 *
 * @throws RangeError when `per` is not a positive duration; TypeError for an option that there is not
 */
export function rate<Rec, On extends Invalid = 'poison'>(
  select: NumberSelector<NoInfer<Rec>, NoInfer<On>>,
  options: NumberOptions<On> & { readonly per?: Duration } = {},
): PartAggregate<Rec, number> {
  const { per, invalid } = optionsOf('rate', options, 'per');
  const unit = unitOf(per);
  return {
    signature: `rate(${nameOf(select, invalid)},${unit})`,
    inputs: [numberInput<Rec>(select, invalid)],
    parts: INCREASES,
    lower: (points: Points | null) => {
      const total = INCREASES.total(points);
      if (total === null || total.last === total.first) return Number.NaN;
      return (total.sum.value() / (total.last - total.first)) * unit;
    },
  };
}
