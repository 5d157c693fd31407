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
import type { Duration, EpochMillis } from '../time.ts';
import { unitOf } from './unit.ts';

/**
 * Holds up to two points with different times: time and value of the point before the latest, then of the
 * latest.
 */
type Step = readonly number[];

class LatestStep implements Parts<Step | null, number> {
  readonly identity = null;

  lift(x: number, _y: unknown, time: EpochMillis): Step {
    return [time, x];
  }

  combine(earlier: Step | null, later: Step | null): Step | null {
    if (earlier === null || later === null) return earlier ?? later;
    let step = earlier;
    for (let at = 0; at < later.length; at += 2) {
      step = withPoint(step, later[at] as number, later[at + 1] as number);
    }
    return step;
  }

  add(step: Step | null, x: number, _y: unknown, time: EpochMillis): Step {
    return step === null ? [time, x] : withPoint(step, time, x);
  }
}

/**
 * Adds a point that is later in source order than both: it replaces the point of its own time, or takes its
 * place among them.
 */
function withPoint(step: Step, time: number, x: number): Step {
  const [time0 = 0, x0 = 0, time1, x1 = 0] = step;
  if (time1 === undefined) {
    if (time === time0) return [time, x];
    return time > time0 ? [time0, x0, time, x] : [time, x, time0, x0];
  }
  if (time > time1) return [time1, x1, time, x];
  if (time === time1) return [time0, x0, time, x];
  return time >= time0 ? [time, x, time1, x1] : step;
}

const LATEST_STEP = new LatestStep();

/**
 * Measures how fast a number changed last: the difference between the latest value by event time and the
 * value before it, in the unit of the number per `per` (default a second). Among values with one event time
 * the last in source order counts. It is NaN with fewer than two event times. It is off by at most four
 * roundings. The state is two points; a record takes 20 ns.
 *
 * @throws RangeError when `per` is not a positive duration; TypeError for an unknown option
 *
 * @example
 * ```ts
 * derivative('celsius', { per: '1m' }) // of 20, 22, 27: 5
 * ```
 */
export function derivative<Rec, On extends Invalid = 'poison'>(
  select:
    | `${NumberPath<NoInfer<Rec>, NoInfer<On>>}`
    | ((record: NoInfer<Rec>) => Allowed<number, NoInfer<On>>),
  options: NumberOptions<On> & { readonly per?: Duration } = {},
): PartAggregate<Rec, number> {
  const { per, invalid } = optionsOf('derivative', options, 'per');
  const unit = unitOf(per);
  return {
    signature: `derivative(${nameOf(select, invalid)},${unit})`,
    inputs: [numberInput<Rec>(select, invalid)],
    parts: LATEST_STEP,
    lower: (step: Step | null) => {
      const [time0 = 0, x0 = 0, time1 = Number.NaN, x1 = 0] = step ?? [];
      return ((x1 - x0) / (time1 - time0)) * unit;
    },
  };
}
