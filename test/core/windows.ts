import fc from 'fast-check';
import type { Results } from '../../src/core/aggregate.ts';
import { decodeTables, encodeTables } from '../../src/core/codec.ts';
import { type KeyRecord, type KeyRules, KeyState, type StoredKey } from '../../src/core/key.ts';
import { Panes } from '../../src/core/panes.ts';
import type { Table } from '../../src/core/table.ts';
import type { EpochMillis } from '../../src/core/time.ts';
import {
  batches,
  cumulate,
  type Duration,
  definePipeline,
  kinesis,
  rolling,
  running,
  session,
  sliding,
  trailing,
  tumbling,
} from '../../src/index.ts';
import type { Window } from '../../src/pipeline/windows.ts';
import { AGGREGATES, type AggregateName, aggregatesOf } from './aggregates.ts';
import { shiftsOf, ZONES } from './calendar.ts';

/** A definition as numbers of milliseconds, for an oracle to read. */
export interface Plan {
  readonly outOfOrderness: number;
  readonly allowedLateness: number;
  readonly idleAfter: number;
  readonly windows: { readonly [name: string]: WindowPlan };
}

export type WindowPlan =
  | RollingPlan
  | BatchesPlan
  | SlidingPlan
  | CalendarPlan
  | CumulatePlan
  | TrailingPlan
  | SessionPlan
  | RunningPlan;

interface Aggregating {
  readonly aggregates: readonly AggregateName[];
}
export interface RollingPlan extends Aggregating {
  readonly kind: 'rolling';
  readonly count: number;
  readonly partial: boolean;
}
export interface BatchesPlan extends Aggregating {
  readonly kind: 'batches';
  readonly count: number;
}
/** Where `slide` is `size` it is defined as tumbling. */
export interface SlidingPlan extends Aggregating {
  readonly kind: 'sliding';
  readonly size: number;
  readonly slide: number;
  readonly offset: number;
  readonly emit: 'close' | 'record' | 'update';
  readonly emitEmpty: boolean;
}
/** Tumbling by the clocks of a zone. */
export interface CalendarPlan extends Aggregating {
  readonly kind: 'calendar';
  readonly size: number;
  readonly offset: number;
  readonly timeZone: (typeof ZONES)[number];
  readonly emit: 'close' | 'record' | 'update';
  readonly emitEmpty: boolean;
}
/** Windows that show themselves at each step: by the clocks of a zone, if there is one. */
export interface CumulatePlan extends Aggregating {
  readonly kind: 'cumulate';
  readonly size: number;
  readonly step: number;
  readonly offset: number;
  readonly timeZone?: (typeof ZONES)[number];
  readonly emitEmpty: boolean;
}
export interface TrailingPlan extends Aggregating {
  readonly kind: 'trailing';
  readonly size: number;
}
export interface SessionPlan extends Aggregating {
  readonly kind: 'session';
  /** `'record'`: each record says its own. */
  readonly gap: number | 'record';
  readonly maxDuration?: number;
  readonly emit: 'close' | 'record' | 'update';
}
export interface RunningPlan extends Aggregating {
  readonly kind: 'running';
  readonly emit: 'record' | 'update';
}

export interface Rec {
  readonly at: number;
  readonly arrival: number;
  readonly value: number;
  /** From 0, quarters. */
  readonly weight: number;
  /** A counter that begins anew now and then. */
  readonly total: number;
  readonly tag: string;
  /** One of a few. */
  readonly category: string;
  readonly nested: { readonly value: number };
  /** What an aggregate passes over, or keeps, unless it is a finite number. */
  readonly odd?: number | string | null;
  /** How long a session waits for the record's next. */
  readonly gap: number;
}

/** The rules of a key, by way of the definition that an author would write. */
export function rulesOf(plan: Plan): KeyRules<Rec> {
  const windows = Object.entries(plan.windows).map(([name, window]) => [name, windowOf(window)]);
  return definePipeline('plan', kinesis<Rec>(), {
    key: () => 'key',
    eventTime: ({ at }) => at,
    outOfOrderness: ms(plan.outOfOrderness),
    allowedLateness: ms(plan.allowedLateness),
    idleAfter: ms(plan.idleAfter),
    windows: Object.fromEntries(windows),
  }).rules as KeyRules<Rec>;
}

function windowOf(plan: WindowPlan): Window<Rec> {
  const aggregates = aggregatesOf(plan.aggregates);
  switch (plan.kind) {
    case 'rolling':
      return rolling<Rec, Results>({ count: plan.count, partial: plan.partial }, aggregates);
    case 'batches':
      return batches<Rec, Results>({ count: plan.count }, aggregates);
    case 'sliding': {
      const { size, slide, offset, emit, emitEmpty } = plan;
      const settings = { size: ms(size), offset: ms(offset), emit, emitEmpty };
      return size === slide
        ? tumbling(settings, aggregates)
        : sliding({ ...settings, slide: ms(slide) }, aggregates);
    }
    case 'calendar': {
      const { size, offset, timeZone, emit, emitEmpty } = plan;
      return tumbling(
        { size: calendarSize(size), offset: ms(offset), timeZone, emit, emitEmpty },
        aggregates,
      );
    }
    case 'cumulate': {
      const { size, step, offset, timeZone, emitEmpty } = plan;
      const settings = { offset: ms(offset), emitEmpty, ...(timeZone && { timeZone }) };
      return cumulate({ size: ms(size), step: ms(step), ...settings }, aggregates);
    }
    case 'trailing':
      return trailing<Rec, Results>({ size: ms(plan.size) }, aggregates);
    case 'session': {
      const gap = plan.gap === 'record' ? ({ gap }: Rec) => ms(gap) : ms(plan.gap);
      const { emit, maxDuration } = plan;
      return session({ gap, emit, ...(maxDuration && { maxDuration: ms(maxDuration) }) }, aggregates);
    }
    case 'running':
      return running<Rec, Results>({ emit: plan.emit }, aggregates);
  }
}

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;

const ms = (length: number): Duration => `${length}ms`;
/** In the largest unit that it is a whole number of. */
const calendarSize = (size: number): Duration =>
  size % DAY === 0 ? `${size / DAY}d` : size % HOUR === 0 ? `${size / HOUR}h` : `${size / MINUTE}m`;

export const keyRecord = (rules: KeyRules<Rec>, record: Rec): KeyRecord => ({
  at: record.at as EpochMillis,
  arrival: record.arrival as EpochMillis,
  values: rules.inputs.read(record),
});

export const noPanes = (rules: KeyRules): Panes => new Panes(rules);

/** The key as the next invocation reads it from the commit log. */
export function committed(rules: KeyRules, key: KeyState): KeyState {
  const stored = key.freeze();
  if (stored === undefined) return new KeyState(rules);
  const slots = stored.windows.flatMap((tables) => tables?.map((table) => [table]) ?? []);
  const tables = decodeTables(encodeTables(slots)).map(([table]) => table as Table);
  const windows = rules.windows.map(({ operator }) => tables.splice(0, operator.layout.length));
  return new KeyState(rules, { ...stored, windows });
}

/** What a stored key holds, apart from it: the room that its tables have for more is no part of it. */
export const contentOf = (stored: StoredKey | undefined): unknown =>
  stored && {
    ...stored,
    windows: stored.windows.map((tables) => tables?.map((table) => structuredClone(table.copy()))),
  };

/** By then every window of a key has closed by silence. */
export const longAfter = (input: readonly Rec[]): EpochMillis =>
  (Math.max(0, ...input.map(({ arrival }) => arrival)) + 60 * DAY) as EpochMillis;

/** A plan, and the records of one key in source order. */
export interface Case {
  readonly plan: Plan;
  readonly input: readonly Rec[];
}

const KINDS = [
  'rolling',
  'batches',
  'sliding',
  'calendar',
  'cumulate',
  'trailing',
  'session',
  'running',
] as const;
type Kind = (typeof KINDS)[number];

/** Windows by event time alone can refuse a record: one that counts records takes every record in. */
const REFUSING = ['sliding', 'cumulate', 'trailing', 'session'] as const;
const ALL = KINDS.filter((kind) => kind !== 'calendar');

/**
 * Cases whose lengths are a few milliseconds and, where windows follow clocks, some quarters of an hour: what two records
 * are apart, and what a window is long, are always of one size.
 */
export function cases(value: fc.Arbitrary<number>): fc.Arbitrary<Case> {
  const origin = fc.constantFrom(-40, 0, 1_700_000_000_000);
  return fc.oneof(
    { weight: 4, arbitrary: casesOf(1, ALL, origin, value) },
    { weight: 4, arbitrary: casesOf(1, REFUSING, origin, value) },
    { weight: 1, arbitrary: casesOf(QUARTER_HOUR, ['calendar', 'cumulate'], nearShifts, value) },
    {
      weight: 1,
      arbitrary: casesOf(QUARTER_HOUR, ['calendar', 'calendar', 'session', 'sliding'], nearShifts, value),
    },
  );
}

const QUARTER_HOUR = 15 * MINUTE;

/** Up to ten hours before the clocks of a zone change. */
const nearShifts: fc.Arbitrary<number> = fc
  .tuple(fc.constantFrom(...ZONES), fc.nat(), fc.integer({ min: 0, max: 40 }))
  .map(([zone, which, before]) => {
    const since = [...shiftsOf(zone).slice(1), { since: 1_700_000_000_000 }].map((shift) => shift.since);
    return (since[which % Math.min(since.length, 6)] as number) - before * QUARTER_HOUR;
  });

function casesOf(
  tick: number,
  kinds: readonly Kind[],
  origin: fc.Arbitrary<number>,
  value: fc.Arbitrary<number>,
): fc.Arbitrary<Case> {
  return fc.record({ plan: planOf(tick, kinds), input: recordsOf(tick, origin, value) });
}

/** From `min` to `max` ticks. */
const ticks = (tick: number, min: number, max: number): fc.Arbitrary<number> =>
  fc.integer({ min, max }).map((length) => length * tick);

const often = <Drawn>(
  usual: fc.Arbitrary<Drawn>,
  rare: fc.Arbitrary<Drawn>,
  weight = 5,
): fc.Arbitrary<Drawn> => fc.oneof({ arbitrary: usual, weight }, { arbitrary: rare, weight: 1 });

function planOf(tick: number, kinds: readonly Kind[]): fc.Arbitrary<Plan> {
  const length = (max: number) => often(ticks(tick, 1, max), fc.constant(0), 3);
  return fc.record({
    outOfOrderness: length(12),
    allowedLateness: often(length(15), ticks(tick, 30, 80), 2),
    idleAfter: length(15),
    windows: fc
      .array(fc.oneof(...kinds.map((kind) => windowPlans[kind](tick))), { minLength: 1, maxLength: 3 })
      .map((windows) => Object.fromEntries(windows.map((window, at) => [`w${at}`, window]))),
  });
}

const aggregates = fc.uniqueArray(fc.constantFrom(...(Object.keys(AGGREGATES) as AggregateName[])), {
  minLength: 1,
  maxLength: 5,
});
const emit = fc.constantFrom('close', 'close', 'record', 'update');
const emitEmpty = often(fc.constant(false), fc.constant(true), 2);

const windowPlans: { readonly [Name in Kind]: (tick: number) => fc.Arbitrary<WindowPlan> } = {
  rolling: () =>
    fc.record({
      kind: fc.constant('rolling'),
      count: fc.integer({ min: 1, max: 12 }),
      partial: often(fc.constant(true), fc.constant(false), 2),
      aggregates,
    }),
  batches: () =>
    fc.record({ kind: fc.constant('batches'), count: fc.integer({ min: 1, max: 8 }), aggregates }),
  /** Slides that divide the size as often as not, and offsets within the slide. */
  sliding: (tick) =>
    fc
      .record({
        slide: fc.integer({ min: 1, max: 6 }),
        slides: often(fc.integer({ min: 1, max: 5 }), fc.constant(1), 1),
        more: often(fc.constant(0), fc.integer({ min: 1, max: 5 }), 1),
        offset: fc.nat({ max: 6 * tick }),
        emit,
        emitEmpty,
        aggregates,
      })
      .map(({ slide, slides, more, offset, ...rest }) => ({
        kind: 'sliding',
        size: (slide * slides + more) * tick,
        slide: slide * tick,
        offset: offset % (slide * tick),
        ...rest,
      })),
  calendar: () =>
    fc
      .record({
        size: fc.constantFrom(15 * MINUTE, 30 * MINUTE, HOUR, 2 * HOUR, 6 * HOUR, DAY, 2 * DAY),
        offset: often(fc.constant(0), ticks(QUARTER_HOUR, 1, 48 * 4), 1),
        timeZone: fc.constantFrom(...ZONES),
        emit,
        emitEmpty,
        aggregates,
      })
      .map(({ size, offset, ...rest }) => ({ kind: 'calendar', size, offset: offset % size, ...rest })),
  cumulate: (tick) =>
    fc
      .record({
        steps: often(fc.integer({ min: 2, max: 6 }), fc.constant(20), 3),
        step: fc.integer({ min: 1, max: 4 }),
        local: fc.constantFrom(
          { size: HOUR, step: QUARTER_HOUR },
          { size: 6 * HOUR, step: HOUR },
          { size: DAY, step: 30 * MINUTE },
          { size: 2 * DAY, step: DAY },
        ),
        offset: fc.nat({ max: 100 * tick }),
        timeZone: fc.constantFrom(...ZONES),
        emitEmpty,
        aggregates,
      })
      .map(({ steps, step, local, offset, timeZone, ...rest }) => {
        const size = tick === 1 ? { size: steps * step, step } : local;
        const whole = Math.floor(offset / tick) * tick;
        return {
          kind: 'cumulate',
          ...size,
          offset: whole % size.size,
          ...(tick > 1 && { timeZone }),
          ...rest,
        };
      }),
  trailing: (tick) => fc.record({ kind: fc.constant('trailing'), size: ticks(tick, 1, 20), aggregates }),
  session: (tick) =>
    fc
      .record({
        gap: often<number | 'record'>(ticks(tick, 1, 10), fc.constant('record'), 1),
        longer: often(fc.constant(null), ticks(tick, 1, 14), 2),
        emit,
        aggregates,
      })
      .map(({ gap, longer, ...rest }) => ({
        kind: 'session',
        gap,
        ...(longer !== null && { maxDuration: (gap === 'record' ? 0 : gap) + longer }),
        ...rest,
      })),
  running: () =>
    fc.record({ kind: fc.constant('running'), emit: fc.constantFrom('record', 'update'), aggregates }),
};

/** Multiples of a quarter: their sums and means are exact, so that an oracle may add them in any order. */
export const quarters: fc.Arbitrary<number> = fc.integer({ min: -400, max: 400 }).map((value) => value / 4);

/** Numbers whose sum is another for another order of adding, even where the sum carries what rounding loses. */
export const rough: fc.Arbitrary<number> = fc.oneof(
  fc.double({ noNaN: true, min: -1e3, max: 1e3 }),
  fc.integer({ min: -1e6, max: 1e6 }).map((thousandths) => thousandths / 1_000),
  fc.constantFrom(0.1, 1e15, -1e15, 1e100, -1e100, 1e200, -1e200, -0),
);

const odd: fc.Arbitrary<Pick<Rec, 'odd'>> = fc.oneof(
  { weight: 3, arbitrary: quarters.map((value) => ({ odd: value })) },
  {
    weight: 2,
    arbitrary: fc.constantFrom<Pick<Rec, 'odd'>>(
      {},
      { odd: null },
      { odd: 'none' },
      { odd: Number.NaN },
      { odd: 1 / 0 },
    ),
  },
);

/**
 * The records of one key in source order: event times mostly wander on, stand still, now and then fall far back or leap;
 * arrivals keep to their own pace, with silences, and rarely step back as they do where a stream is split.
 */
function recordsOf(
  tick: number,
  origin: fc.Arbitrary<number>,
  value: fc.Arbitrary<number>,
): fc.Arbitrary<readonly Rec[]> {
  const far = often(ticks(tick, -40, 40), ticks(tick, 0, tick === 1 ? 2_500 : 400), 12);
  // Where lengths are whole ticks, a millisecond more or less is what tells an edge from its neighbour.
  const jitter = tick === 1 ? fc.constant(0) : fc.integer({ min: -1, max: 1 });
  const step = fc.record({
    value,
    weight: fc.integer({ min: 0, max: 12 }).map((weight) => weight / 4),
    rises: often(fc.integer({ min: 0, max: 40 }), fc.constant(-1)),
    category: fc.constantFrom('a', 'b', 'c', 'd', 'e'),
    odd,
    gap: often(ticks(tick, 1, 3), ticks(tick, 4, 30), 3),
    passes: often(ticks(tick, -6, 8), far),
    jitter,
    silence: often(ticks(tick, 0, 6), ticks(tick, -10, 60)),
  });
  return fc
    .record({ origin, steps: fc.array(step, { maxLength: 24, size: 'max' }) })
    .map(({ origin, steps }) => {
      let at = origin;
      let arrival = 1_700_000_000_100;
      let total = 0;
      return steps.map(({ passes, jitter, silence, rises, odd, ...drawn }, index) => {
        at += passes;
        arrival += silence;
        total = rises < 0 ? 0 : total + rises;
        const { value } = drawn;
        return {
          at: at + jitter,
          arrival,
          total,
          tag: `r${index}`,
          nested: { value: -value },
          ...odd,
          ...drawn,
        };
      });
    });
}
