import fc from 'fast-check';
import type { KeyRecord, KeyRules } from '../../src/core/key.ts';
import type { EpochMillis } from '../../src/core/time.ts';
import type { Aggregates, Results } from '../../src/core/window.ts';
import {
  collect,
  count,
  definePipeline,
  first,
  kinesis,
  last,
  max,
  mean,
  min,
  range,
  rolling,
  sliding,
  sum,
  tumbling,
} from '../../src/index.ts';

/** A definition as numbers of milliseconds, for an oracle to read. */
export interface Plan {
  readonly outOfOrderness: number;
  readonly allowedLateness: number;
  readonly idleAfter: number;
  readonly windows: { readonly [name: string]: WindowPlan };
}

export type WindowPlan =
  | { readonly kind: 'rolling'; readonly count: number }
  | { readonly kind: 'sliding'; readonly size: number; readonly slide: number; readonly offset: number };

export interface Rec {
  readonly at: number;
  readonly arrival: number;
  readonly value: number;
  readonly tag: string;
}

/** How many values `recent` keeps. */
export const RECENT = 3;

const aggregates: Aggregates<Rec, Results> = {
  count: count(),
  sum: sum('value'),
  mean: mean('value'),
  min: min('value'),
  max: max('value'),
  range: range('value'),
  first: first('tag'),
  last: last('tag'),
  recent: collect('tag', { limit: RECENT }),
  all: collect((record) => [record.tag, record.value]),
};

/** The rules of a key, by way of the definition that an author would write. */
export function rulesOf(plan: Plan): KeyRules<Rec> {
  const ms = (length: number) => `${length}ms` as const;
  const windows = Object.entries(plan.windows).map(([name, window]) => {
    if (window.kind === 'rolling') return [name, rolling({ count: window.count }, aggregates)];
    const { size, slide, offset } = window;
    if (size === slide) return [name, tumbling({ size: ms(size), offset: ms(offset) }, aggregates)];
    return [name, sliding({ size: ms(size), slide: ms(slide), offset: ms(offset) }, aggregates)];
  });
  return definePipeline('plan', kinesis<Rec>(), {
    key: () => 'key',
    eventTime: ({ at }) => at,
    outOfOrderness: ms(plan.outOfOrderness),
    allowedLateness: ms(plan.allowedLateness),
    idleAfter: ms(plan.idleAfter),
    windows: Object.fromEntries(windows),
  }).rules;
}

export const keyRecord = (rules: KeyRules<Rec>, record: Rec): KeyRecord => ({
  at: record.at as EpochMillis,
  arrival: record.arrival as EpochMillis,
  selected: rules.windows.map(({ operator }) => operator.select(record)),
});

const rollingPlan: fc.Arbitrary<WindowPlan> = fc.record({
  kind: fc.constant('rolling'),
  count: fc.integer({ min: 1, max: 12 }),
});

const tumblingPlan: fc.Arbitrary<WindowPlan> = fc
  .tuple(fc.integer({ min: 1, max: 20 }), fc.nat())
  .map(([size, offset]) => ({ kind: 'sliding', size, slide: size, offset: offset % size }));

/** Slides that divide the size as often as not, and offsets within the slide. */
const slidingPlan: fc.Arbitrary<WindowPlan> = fc
  .tuple(fc.integer({ min: 1, max: 6 }), fc.integer({ min: 1, max: 5 }), fc.nat({ max: 5 }), fc.nat())
  .map(([slide, slides, more, offset]) => ({
    kind: 'sliding',
    size: slide * slides + more,
    slide,
    offset: offset % slide,
  }));

const planOf = (...kinds: readonly fc.Arbitrary<WindowPlan>[]): fc.Arbitrary<Plan> =>
  fc.record({
    outOfOrderness: length(12),
    allowedLateness: length(15),
    idleAfter: length(15),
    windows: fc
      .array(fc.oneof(...kinds), { minLength: 1, maxLength: 3 })
      .map((windows) => Object.fromEntries(windows.map((window, at) => [`w${at}`, window]))),
  });

const length = (max: number): fc.Arbitrary<number> =>
  fc.oneof({ arbitrary: fc.constant(0), weight: 1 }, { arbitrary: fc.integer({ min: 1, max }), weight: 3 });

/** Time windows alone can refuse a record: a rolling window among them takes every record in. */
export const plan: fc.Arbitrary<Plan> = fc.oneof(
  planOf(rollingPlan, tumblingPlan, slidingPlan),
  planOf(tumblingPlan, slidingPlan),
);

/** Multiples of a quarter: their sums and means are exact, so that an oracle may add them in any order. */
export const quarters: fc.Arbitrary<number> = fc.integer({ min: -400, max: 400 }).map((value) => value / 4);

/** Numbers whose sum is another for another order of adding, even where the sum carries what rounding loses. */
export const rough: fc.Arbitrary<number> = fc.oneof(
  fc.double({ noNaN: true, min: -1e3, max: 1e3 }),
  fc.integer({ min: -1e6, max: 1e6 }).map((thousandths) => thousandths / 1_000),
  fc.constantFrom(0.1, 1e15, -1e15, 1e100, -1e100, 1e200, -1e200, -0),
);

/**
 * The records of one key in source order: event times mostly wander on, now and then fall far back or leap; arrivals
 * keep to their own pace, with silences, and rarely step back as they do where a stream is split.
 */
export const records = (value: fc.Arbitrary<number>): fc.Arbitrary<readonly Rec[]> =>
  fc
    .record({
      origin: fc.constantFrom(-40, 0, 1_700_000_000_000),
      steps: fc.array(
        fc.record({
          value,
          passes: often(fc.integer({ min: -6, max: 8 }), fc.integer({ min: -40, max: 40 })),
          silence: often(fc.integer({ min: 0, max: 6 }), fc.integer({ min: -10, max: 60 })),
        }),
        { maxLength: 24, size: 'max' },
      ),
    })
    .map(({ origin, steps }) => {
      let at = origin;
      let arrival = 1_700_000_000_100;
      return steps.map(({ value, passes, silence }, index) => {
        at += passes;
        arrival += silence;
        return { at, arrival, value, tag: `r${index}` };
      });
    });

const often = (usual: fc.Arbitrary<number>, rare: fc.Arbitrary<number>): fc.Arbitrary<number> =>
  fc.oneof({ arbitrary: usual, weight: 5 }, { arbitrary: rare, weight: 1 });
