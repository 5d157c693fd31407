import type { Aggregates, Results } from '../core/aggregate.ts';
import { type Alignment, calendarAlignment, fixedAlignment } from '../core/alignment.ts';
import { calendarOf, type MonthUnit, SHORTEST } from '../core/calendar.ts';
import { checkOptions } from '../core/options.ts';
import type { PaneKind } from '../core/panes.ts';
import { type Duration, type EpochMillis, type Millis, millis } from '../core/time.ts';
import type { Emit, WindowOperator, WindowRules } from '../core/window.ts';
import { batchesOperator } from '../core/windows/batches.ts';
import { rollingOperator } from '../core/windows/rolling.ts';
import { runningOperator } from '../core/windows/running.ts';
import { sessionOperator } from '../core/windows/session.ts';
import { slidingOperator } from '../core/windows/sliding.ts';
import { trailingOperator } from '../core/windows/trailing.ts';

/** What the panes of one window are. */
export interface PaneShape {
  readonly kind: PaneKind;
  readonly results: unknown;
}

/** A window as a definition holds it: a recipe for its operator, and the shape of its panes. */
export interface Window<in Rec, out Shape extends PaneShape = PaneShape> {
  operator(rules: WindowRules<never>): WindowOperator;
  /** Of windows that overlap or show themselves in steps, how many panes show one record, and why; where it is left out, one or two. */
  readonly shows?: { readonly panes: number; readonly because: string };
  /** Never present, there for inference. */
  readonly reads?: (record: Rec) => void;
  readonly shape?: Shape;
}

type Shape<Kind extends PaneKind, Of> = { readonly kind: Kind; readonly results: Of };

/** What a window of time shows, by what was asked for; where only a run can tell, whatever it may be. */
type TimeShape<Of, When, Empty> =
  | Shape<'final' | 'late' | (Extract<When, 'record' | 'update'> extends never ? never : 'early'), Of>
  | (true extends Empty ? Shape<'empty', null> : never);

interface Emits<When> {
  /**
   * When a pane is emitted: as the window closes; after each of its records as well (`record`); or as well at the end of each
   * commit that brought it records (`update`): how many such panes there are depends on how records come in batches. Default `close`.
   */
  readonly emit?: When;
}

interface TimeOptions<When, Empty> extends Emits<When> {
  /** Shifts every window. Default 0. */
  readonly offset?: Duration;
  /** Whether windows without records emit, too, once there has been one with: up to 1,000 in a row. Default false. */
  readonly emitEmpty?: Empty;
}

type Weekday = (typeof WEEKDAYS)[number];
/** 1970-01-01 was a Thursday. */
const WEEKDAYS = ['thursday', 'friday', 'saturday', 'sunday', 'monday', 'tuesday', 'wednesday'] as const;

/** Stretches of time that follow each other. */
interface Periods {
  /** A length of time; or a week, a month, a quarter (from January, April, July or October) or a year of the calendar. */
  readonly size: Duration | 'week' | MonthUnit;
  /** The day on which weeks begin, where they are the size. Default: monday. */
  readonly weekStart?: Weekday;
  /** An IANA time zone, whose years, months, days, hours and minutes windows follow. Default: UTC. */
  readonly timeZone?: string;
}

interface TumblingOptions<When, Empty> extends TimeOptions<When, Empty>, Periods {}

interface CumulateOptions<Empty> extends Periods {
  readonly step: Duration;
  /** Shifts every window. Default 0. */
  readonly offset?: Duration;
  /** Whether windows without records emit a pane, when they end, once there has been one with: up to 1,000 in a row. Default false. */
  readonly emitEmpty?: Empty;
}

interface SlidingOptions<When, Empty> extends TimeOptions<When, Empty> {
  readonly size: Duration;
  readonly slide: Duration;
}

interface SessionOptions<Rec, When> extends Emits<When> {
  /** The silence that ends a session; may be a function of the record. */
  readonly gap: Duration | ((record: Rec) => Duration);
  /** The length that no session exceeds. */
  readonly maxDuration?: Duration;
}

/**
 * The key's last `count` records, in source order; a pane after every record, or with `partial: false` once there are so many.
 *
 * @throws RangeError when count is not a whole number from 1 to 10,000; TypeError for an option that there is not
 *
 * @example
 * ```ts
 * rolling({ count: 3 }, { total: sum('celsius') }) // of 5, 7, 6, 9 a minute apart: 5, 12, 18, 22
 * ```
 */
export function rolling<Rec, Of extends Results>(
  options: { readonly count: number; readonly partial?: boolean },
  aggregates: Aggregates<Rec, Of>,
): Window<Rec, Shape<'rolling', Of>> {
  checkWindow('rolling', options, ['count', 'partial'], aggregates);
  const { count, partial = true } = options;
  checkFlag('rolling', 'partial', partial);
  if (!isCount(count, 10_000)) {
    throw new RangeError(
      `Cannot roll over ${count} records as count must be a whole number from 1 to 10,000`,
    );
  }
  return { operator: (rules) => rollingOperator({ count, partial }, aggregates, rules) };
}

/**
 * Every `count` records of the key, in source order; a pane when there are so many.
 *
 * @throws RangeError when count is not a whole number from 1 to 1,000,000; TypeError for an option that there is not
 *
 * @example
 * ```ts
 * batches({ count: 2 }, { total: sum('celsius') }) // of 5, 7, 6, 9, 1 a minute apart: 12, 15
 * ```
 */
export function batches<Rec, Of extends Results>(
  options: { readonly count: number },
  aggregates: Aggregates<Rec, Of>,
): Window<Rec, Shape<'final', Of>> {
  checkWindow('batches', options, ['count'], aggregates);
  const { count } = options;
  if (!isCount(count, 1_000_000)) {
    throw new RangeError(`Cannot batch ${count} records as count must be a whole number from 1 to 1,000,000`);
  }
  return { operator: (rules) => batchesOperator(count, aggregates, rules) };
}

/**
 * `[k·size, (k+1)·size)` by event time, shifted by `offset`; a pane when the watermark reaches the end. With a `timeZone`,
 * days, hours and minutes of its calendar. With a `size` of `'week'`, `'month'`, `'quarter'` or `'year'` those of the calendar, in UTC
 * or in a `timeZone`.
 *
 * @throws RangeError when size is not positive, offset not below it (of months, the shortest), the time zone unknown, size nothing
 * that its clock has, or `weekStart` no day or not that of weeks; TypeError for an option that there is not
 *
 * @example
 * ```ts
 * tumbling({ size: '2m' }, { total: sum('celsius') }) // of 5, 7, 6 a minute apart: 12, 6
 * ```
 */
export function tumbling<Rec, Of extends Results, When extends Emit = 'close', Empty extends boolean = false>(
  options: TumblingOptions<When, Empty>,
  aggregates: Aggregates<Rec, Of>,
): Window<Rec, TimeShape<Of, When, Empty>> {
  const known = ['size', 'weekStart', 'offset', 'timeZone', 'emit', 'emitEmpty'] as const;
  checkWindow('tumbling', options, known, aggregates);
  return timeWindow('tumbling', gridOf('tumble by', options), options, aggregates);
}

/**
 * `[k·slide, k·slide + size)` by event time, shifted by `offset`; a pane when the watermark reaches the end.
 *
 * @throws RangeError when slide is not positive or larger than size, size is over 100,000 slides, over 100 where a pane is
 * emitted after each record, or, once it is defined, over 2,000 where late records are allowed, or offset is not below slide; TypeError for an option that there is not
 *
 * @example
 * ```ts
 * sliding({ size: '2m', slide: '1m' }, { total: sum('celsius') }) // of 5, 7, 6 a minute apart: 5, 12, 13, 6
 * ```
 */
export function sliding<Rec, Of extends Results, When extends Emit = 'close', Empty extends boolean = false>(
  options: SlidingOptions<When, Empty>,
  aggregates: Aggregates<Rec, Of>,
): Window<Rec, TimeShape<Of, When, Empty>> {
  checkWindow('sliding', options, ['size', 'slide', 'offset', 'emit', 'emitEmpty'], aggregates);
  const size = millis(options.size);
  const slide = positive('slide by', 'slide', options.slide);
  if (slide > size) {
    throw new RangeError(
      `Cannot slide by "${options.slide}" as slide must be <= size: size is "${options.size}"`,
    );
  }
  const [most, when] = options.emit === 'record' ? [100, ' where each record emits'] : [100_000, ''];
  if (size > most * slide) {
    throw new RangeError(
      `Cannot slide by "${options.slide}" as size must be <= ${most.toLocaleString('en')} slides${when}: size is "${options.size}"`,
    );
  }
  const offset = offsetBelow('slide', options.slide, slide, options.offset);
  const { operator } = timeWindow('sliding', fixed(size, slide, offset), options, aggregates);
  return {
    shows: panesOf(Math.ceil(size / slide), options),
    operator(rules) {
      if (rules.allowedLateness > 0 && size > 2_000 * slide) {
        throw new RangeError(
          `Cannot slide by "${options.slide}" as size must be <= 2,000 slides where each late record emits: size is "${options.size}"`,
        );
      }
      return operator(rules);
    },
  };
}

/**
 * Windows that follow each other, as those of `tumbling`, each of which shows itself at every `step` of its time from its first
 * record on: the day so far, each hour. A pane is emitted when the watermark reaches the step, and holds what is before it: `end`
 * is the step, `start` that of the window. All are revisions of one window: `early`, and `final` at its end. A record that comes late
 * for a step is in the next one; for the window, it corrects that.
 *
 * @throws RangeError as `tumbling`; when step is not positive, is no whole part of size, not shorter than it, over 10,000 times in it, or, of weeks
 * and months and in a time zone, no whole part of a day, or a day; TypeError for an option that there is not
 *
 * @example
 * ```ts
 * cumulate({ size: '4m', step: '2m' }, { total: sum('celsius') }) // of 5, 7, 6, 9 a minute apart: 12, 27
 * ```
 */
export function cumulate<Rec, Of extends Results, Empty extends boolean = false>(
  options: CumulateOptions<Empty>,
  aggregates: Aggregates<Rec, Of>,
): Window<Rec, TimeShape<Of, 'record', Empty>> {
  const known = ['size', 'step', 'weekStart', 'offset', 'timeZone', 'emitEmpty'] as const;
  checkWindow('cumulate', options, known, aggregates);
  const { step: duration, emitEmpty = false, ...periods } = options;
  const windows = gridOf('cumulate over', periods);
  const step = positive('cumulate by', 'step', duration);
  const { length, offset, byCalendar } = windows;
  const [whole, name] = byCalendar && length > DAY ? [DAY, 'a day'] : [length, 'size'];
  if (whole % step !== 0 || step === length) {
    throw new RangeError(
      `Cannot cumulate by "${duration}" as step must be a whole part of ${name}, and shorter than size: size is "${options.size}"`,
    );
  }
  const slices = Math.ceil(length / step);
  if (slices > MOST_STEPS) {
    throw new RangeError(
      `Cannot cumulate by "${duration}" as size must be <= ${MOST_STEPS.toLocaleString('en')} steps: size is "${options.size}"`,
    );
  }
  const { timeZone } = periods;
  const steps =
    timeZone === undefined
      ? fixedAlignment(step, step, offset)
      : calendarAlignment(calendarOf(timeZone, step, offset));
  const stepAfter = (at: number) => steps.end(steps.last(at));
  const alignment = { ...windows.alignment, slices, slice: steps.slice };
  const grid = { shape: `cumulate(${step},${windows.shape}`, alignment, stepAfter };
  const { operator } = timeWindow('cumulate', grid, { emitEmpty }, aggregates);
  return { operator, shows: { panes: slices, because: `size ${options.size} / step ${duration}` } };
}

const DAY = millis('1d');
const MOST_STEPS = 10_000;

/** Where windows lie in time, and what a signature calls that. */
interface Grid {
  readonly shape: string;
  readonly alignment: Alignment;
  readonly stepAfter?: (at: number) => EpochMillis;
}

/** Of windows that follow each other: the length of the shortest, as the clock has it, and what they are shifted by. */
interface PeriodGrid extends Grid {
  readonly length: Millis;
  readonly offset: Millis;
  /** By the clock of a time zone, or by months: a whole number of days, or a whole part of one. */
  readonly byCalendar: boolean;
}

const fixed = (size: Millis, slide: Millis, offset: Millis): Grid => ({
  shape: `sliding(${size},${slide},${offset}`,
  alignment: fixedAlignment(size, slide, offset),
});

/** Of windows that follow each other. */
function gridOf(
  action: string,
  { size, weekStart, timeZone, ...more }: Periods & { readonly offset?: Duration },
): PeriodGrid {
  if (weekStart !== undefined && size !== 'week') {
    throw new RangeError(
      `Cannot begin weeks on "${weekStart}" as size must be "week" for that: size is "${size}"`,
    );
  }
  if (size === 'month' || size === 'quarter' || size === 'year') {
    const length = SHORTEST[size] as Millis;
    const offset = offsetBelow('size', size, length, more.offset);
    return { ...ofCalendar(timeZone ?? 'UTC', size, offset), length, offset, byCalendar: true };
  }
  const length = size === 'week' ? WEEK : positive(action, 'size', size);
  const shift = offsetBelow('size', size, length, more.offset);
  const offset = (size === 'week' ? (shift + startOfWeek(weekStart)) % WEEK : shift) as Millis;
  return timeZone === undefined
    ? { ...fixed(length, length, offset), length, offset, byCalendar: false }
    : { ...ofCalendar(timeZone, length, offset), length, offset, byCalendar: true };
}

const WEEK = millis('7d');

/** How long after 1970-01-01 the first week begins. */
function startOfWeek(weekStart: Weekday = 'monday'): number {
  const days = WEEKDAYS.indexOf(weekStart);
  if (days >= 0) return days * millis('1d');
  throw new RangeError(
    `Cannot begin weeks on "${weekStart}" as weekStart must be one of ${WEEKDAYS.join(', ')}`,
  );
}

const ofCalendar = (timeZone: string, size: Millis | MonthUnit, offset: Millis): Grid => ({
  shape: `calendar(${timeZone},${size},${offset}`,
  alignment: calendarAlignment(calendarOf(timeZone, size, offset)),
});

function timeWindow<Rec, Of extends Results>(
  window: string,
  { shape, ...grid }: Grid,
  { emit = 'close', emitEmpty = false }: TimeOptions<Emit, boolean>,
  aggregates: Aggregates<Rec, Of>,
): Window<Rec, never> {
  checkFlag(window, 'emitEmpty', emitEmpty);
  const settings = { ...grid, emit: emitOf(emit, ['close', 'record', 'update']), emitEmpty };
  return { operator: (rules) => slidingOperator(shape, settings, aggregates, rules) };
}

/** The panes that show one record of overlapping windows: each as it closes, or once more before that. */
function panesOf(windows: number, { size, slide, emit = 'close' }: SlidingOptions<Emit, boolean>) {
  return emit === 'close'
    ? { panes: windows, because: `size ${size} / slide ${slide}` }
    : { panes: 2 * windows, because: `size ${size} / slide ${slide}, and as much before they close` };
}

/**
 * For each record at t the records in `(t − size, t]` by event time; a pane once the watermark has passed t.
 *
 * @throws RangeError when size is not positive; TypeError for an option that there is not
 *
 * @example
 * ```ts
 * trailing({ size: '2m' }, { total: sum('celsius') }) // of 5, 7, 6 a minute apart: 5, 12, 13
 * ```
 */
export function trailing<Rec, Of extends Results>(
  options: { readonly size: Duration },
  aggregates: Aggregates<Rec, Of>,
): Window<Rec, Shape<'final' | 'late', Of>> {
  checkWindow('trailing', options, ['size'], aggregates);
  const size = positive('trail by', 'size', options.size);
  return { operator: (rules) => trailingOperator(size, aggregates, rules) };
}

/**
 * Records that are at most `gap` from a neighbour, as `[first, last + gap)`; a pane once the watermark is past the end. A
 * session that becomes part of another after it was emitted emits a `retracted` pane.
 *
 * @throws RangeError when gap or maxDuration is not positive; TypeError for an option that there is not
 *
 * @example
 * ```ts
 * session({ gap: '1m' }, { total: sum('celsius') }) // of 5, 7, 6 a minute apart: 18
 * session({ gap: '30s' }, { total: sum('celsius') }) // of 5, 7 a minute apart: 5, 7
 * ```
 */
export function session<Rec, Of extends Results, When extends Emit = 'close'>(
  options: SessionOptions<Rec, When>,
  aggregates: Aggregates<Rec, Of>,
): Window<Rec, TimeShape<Of, When, false> | Shape<'retracted', null>> {
  checkWindow('session', options, ['gap', 'maxDuration', 'emit'], aggregates);
  const { gap, maxDuration, emit = 'close' }: SessionOptions<Rec, Emit> = options;
  const settings = {
    gap: typeof gap === 'function' ? gap : positive('end sessions after', 'gap', gap),
    maxDuration:
      maxDuration === undefined ? undefined : positive('end sessions at', 'maxDuration', maxDuration),
    emit: emitOf(emit, ['close', 'record', 'update']),
  };
  return { operator: (rules) => sessionOperator(settings, aggregates, rules) };
}

/**
 * Everything since the key began; a pane after every record, or with `emit: 'update'` at the end of each commit that brought
 * some: how many such panes there are depends on how records come in batches.
 *
 * @throws RangeError when emit is anything else; TypeError for an option that there is not
 *
 * @example
 * ```ts
 * running({}, { total: sum('celsius') }) // of 5, 7, 6 a minute apart: 5, 12, 18
 * ```
 */
export function running<Rec, Of extends Results>(
  options: { readonly emit?: Exclude<Emit, 'close'> },
  aggregates: Aggregates<Rec, Of>,
): Window<Rec, Shape<'running', Of>> {
  checkWindow('running', options, ['emit'], aggregates);
  const { emit = 'record' } = options;
  const settings = { emit: emitOf(emit, ['record', 'update']) };
  return { operator: (rules) => runningOperator(settings, aggregates, rules) };
}

function checkWindow<Options extends object>(
  window: string,
  options: Options,
  known: readonly (keyof Options & string)[],
  aggregates: object,
): void {
  checkOptions(`define a ${window} window`, options, known);
  if (typeof aggregates === 'object' && aggregates !== null) return;
  throw new TypeError(
    `Cannot define a ${window} window as its aggregates must be an object: it is ${typeof aggregates}`,
  );
}

function checkFlag(window: string, name: string, flag: boolean): void {
  if (typeof flag === 'boolean') return;
  throw new TypeError(
    `Cannot define a ${window} window as ${name} must be true or false: it is ${typeof flag}`,
  );
}

const isCount = (count: number, most: number): boolean =>
  Number.isInteger(count) && count >= 1 && count <= most;

function positive(action: string, name: string, duration: Duration): Millis {
  const length = millis(duration);
  if (length > 0) return length;
  throw new RangeError(`Cannot ${action} "${duration}" as ${name} must be > 0`);
}

function offsetBelow(name: string, step: string, shortest: Millis, offset: Duration = '0s'): Millis {
  const length = millis(offset);
  if (length < shortest) return length;
  throw new RangeError(`Cannot offset by "${offset}" as offset must be < ${name}: ${name} is "${step}"`);
}

function emitOf<Of extends Emit>(emit: Of, of: readonly Of[]): Of {
  if (of.includes(emit)) return emit;
  throw new RangeError(`Cannot emit at "${emit}" as emit must be one of ${of.join(', ')}`);
}
