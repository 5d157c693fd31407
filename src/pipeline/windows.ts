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

/** The kind and the results of the panes of one window. */
export interface PaneShape {
  readonly kind: PaneKind;
  readonly results: unknown;
}

/** A window as a definition holds it: a recipe for its operator, and the shape of its panes. */
export interface Window<in Rec, out Shape extends PaneShape = PaneShape> {
  operator(rules: WindowRules<never>): WindowOperator;
  /**
   * How many panes show one record, and why, where windows overlap or show themselves in steps. Without it,
   * one or two do.
   */
  readonly shows?: { readonly panes: number; readonly because: string };
  /** Carries the type of the record for inference. It is never present. */
  readonly reads?: (record: Rec) => void;
  readonly shape?: Shape;
}

type Shape<Kind extends PaneKind, Of> = { readonly kind: Kind; readonly results: Of };

/**
 * The panes that a window of time may emit by its options. Where only a run can tell an option, all kinds are
 * possible.
 */
type TimeShape<Of, When, Empty> =
  | Shape<'final' | 'late' | (Extract<When, 'record' | 'update'> extends never ? never : 'early'), Of>
  | (true extends Empty ? Shape<'empty', null> : never);

interface Emits<When> {
  /**
   * When a pane is emitted: as the window closes (`close`); also after each of its records (`record`); or
   * also at the end of each commit that brought it records (`update`). How many panes `update` emits depends
   * on how records come in batches. Default `close`.
   */
  readonly emit?: When;
}

interface TimeOptions<When, Empty> extends Emits<When> {
  /** Shifts every window. Default 0. */
  readonly offset?: Duration;
  /**
   * Whether windows without records emit too, once a window with records has: up to 1,000 in a row. Default
   * false.
   */
  readonly emitEmpty?: Empty;
}

type Weekday = (typeof WEEKDAYS)[number];
/** The week begins with Thursday, as 1970-01-01 was one. */
const WEEKDAYS = ['thursday', 'friday', 'saturday', 'sunday', 'monday', 'tuesday', 'wednesday'] as const;

/** Windows that follow each other without gap or overlap. */
interface Periods {
  /**
   * A length of time; or a week, a month, a quarter (from January, April, July or October) or a year of the
   * calendar.
   */
  readonly size: Duration | 'week' | MonthUnit;
  /** The day on which weeks begin, where `size` is `week`. Default: monday. */
  readonly weekStart?: Weekday;
  /** An IANA time zone whose years, months, days, hours and minutes the windows follow. Default: UTC. */
  readonly timeZone?: string;
}

interface TumblingOptions<When, Empty> extends TimeOptions<When, Empty>, Periods {}

interface CumulateOptions<Empty> extends Periods {
  readonly step: Duration;
  /** Shifts every window. Default 0. */
  readonly offset?: Duration;
  /**
   * Whether windows without records emit a pane as they end, once a window with records has: up to 1,000 in a
   * row. Default false.
   */
  readonly emitEmpty?: Empty;
}

interface SlidingOptions<When, Empty> extends TimeOptions<When, Empty> {
  readonly size: Duration;
  readonly slide: Duration;
}

interface SessionOptions<Rec, When> extends Emits<When> {
  /** The silence that ends a session. It may be a function of the record. */
  readonly gap: Duration | ((record: Rec) => Duration);
  /** The length that no session exceeds. Default: no limit. */
  readonly maxDuration?: Duration;
}

/**
 * Aggregates the key's last `count` records in source order. It emits a pane after every record; with
 * `partial: false` only once it holds `count` records.
 *
 * @throws RangeError when `count` is not a whole number from 1 to 10,000; TypeError for an unknown option
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
 * Aggregates every `count` records of the key in source order. It emits a pane once it holds that many.
 *
 * @throws RangeError when `count` is not a whole number from 1 to 1,000,000; TypeError for an unknown option
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
 * Aggregates windows `[k·size, (k+1)·size)` by event time, shifted by `offset`. It emits a pane when the
 * watermark reaches the end of a window. With a `timeZone`, windows are the days, hours and minutes of that
 * zone's calendar. With a `size` of `'week'`, `'month'`, `'quarter'` or `'year'` they are those of the
 * calendar, in UTC or in a `timeZone`.
 *
 * @throws RangeError when `size` is not positive or nothing that the zone's clock has, `offset` is not below
 * it (for months, below the shortest), the time zone is unknown, or `weekStart` is not a weekday or `size` is
 * not `'week'`; TypeError for an unknown option
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
  const allowed = ['size', 'weekStart', 'offset', 'timeZone', 'emit', 'emitEmpty'] as const;
  checkWindow('tumbling', options, allowed, aggregates);
  return timeWindow('tumbling', gridOf('tumble by', options), options, aggregates);
}

/**
 * Aggregates windows `[k·slide, k·slide + size)` by event time, shifted by `offset`. It emits a pane when the
 * watermark reaches the end of a window.
 *
 * @throws RangeError when `slide` is not positive or larger than `size`; when `size` is over 100,000 slides,
 * over 100 where each record emits a pane, or, once the pipeline is defined, over 2,000 where late records
 * are allowed; or when `offset` is not below `slide`; TypeError for an unknown option
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
      `Cannot slide by "${options.slide}" as size must be <= ${most.toLocaleString('en')} slides${when}: ` +
        `size is "${options.size}"`,
    );
  }
  const offset = offsetBelow('slide', options.slide, slide, options.offset);
  const { operator } = timeWindow('sliding', fixed(size, slide, offset), options, aggregates);
  return {
    shows: panesShown(Math.ceil(size / slide), options),
    operator(rules) {
      if (rules.allowedLateness > 0 && size > 2_000 * slide) {
        throw new RangeError(
          `Cannot slide by "${options.slide}" as size must be <= 2,000 slides where each late record ` +
            `emits: size is "${options.size}"`,
        );
      }
      return operator(rules);
    },
  };
}

/**
 * Aggregates windows that follow each other, as `tumbling` does, and shows each window at every `step` from
 * its first record on: the day so far, each hour. It emits a pane when the watermark reaches a step. The pane
 * holds the records before the step: `end` is the step, and `start` is the start of the window. All panes are
 * revisions of one window: `early`, and `final` at its end. A record that is late for a step is in the next
 * step; a record that is late for the window corrects the window.
 *
 * @throws RangeError as `tumbling` does; when `step` is not positive, not a whole part of `size`, not shorter
 * than it, or more than 10,000 times in it; and for weeks, for months and in a time zone when `step` is
 * neither a whole part of a day nor a day; TypeError for an unknown option
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
  const allowed = ['size', 'step', 'weekStart', 'offset', 'timeZone', 'emitEmpty'] as const;
  checkWindow('cumulate', options, allowed, aggregates);
  const { step: duration, emitEmpty = false, ...periods } = options;
  const windows = gridOf('cumulate over', periods);
  const step = positive('cumulate by', 'step', duration);
  const { length, offset, byCalendar } = windows;
  const [whole, name] = byCalendar && length > DAY ? [DAY, 'a day'] : [length, 'size'];
  if (whole % step !== 0 || step === length) {
    throw new RangeError(
      `Cannot cumulate by "${duration}" as step must be a whole part of ${name}, and shorter than size: ` +
        `size is "${options.size}"`,
    );
  }
  const slices = Math.ceil(length / step);
  if (slices > MOST_STEPS) {
    throw new RangeError(
      `Cannot cumulate by "${duration}" as size must be <= ${MOST_STEPS.toLocaleString('en')} steps: ` +
        `size is "${options.size}"`,
    );
  }
  const { timeZone } = periods;
  const steps =
    timeZone === undefined
      ? fixedAlignment(step, step, offset)
      : calendarAlignment(calendarOf(timeZone, step, offset));
  const stepAfter = (at: number) => steps.end(steps.last(at));
  const alignment = { ...windows.alignment, slices, slice: steps.slice, grid: undefined };
  const grid = { shape: `cumulate(${step},${windows.shape}`, alignment, stepAfter };
  const { operator } = timeWindow('cumulate', grid, { emitEmpty }, aggregates);
  return { operator, shows: { panes: slices, because: `size ${options.size} / step ${duration}` } };
}

const DAY = millis('1d');
const MOST_STEPS = 10_000;

/** Where windows lie in time, and the beginning of the signature that says so. */
interface Grid {
  readonly shape: string;
  readonly alignment: Alignment;
  readonly stepAfter?: (at: number) => EpochMillis;
}

/**
 * The grid of windows that follow each other, with the length of the shortest of them, by the clock, and
 * their offset.
 */
interface PeriodGrid extends Grid {
  readonly length: Millis;
  readonly offset: Millis;
  /**
   * True for the clock of a time zone, or months: the length is then a whole number of days, or a whole part
   * of a day.
   */
  readonly byCalendar: boolean;
}

const fixed = (size: Millis, slide: Millis, offset: Millis): Grid => ({
  shape: `sliding(${size},${slide},${offset}`,
  alignment: fixedAlignment(size, slide, offset),
});

/** Returns the grid of windows that follow each other. */
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

/** Returns how long after 1970-01-01 the first week begins. */
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

/**
 * Counts the panes that show one record of overlapping windows: each window as it closes, and as often again
 * before that.
 */
function panesShown(windows: number, { size, slide, emit = 'close' }: SlidingOptions<Emit, boolean>) {
  return emit === 'close'
    ? { panes: windows, because: `size ${size} / slide ${slide}` }
    : { panes: 2 * windows, because: `size ${size} / slide ${slide}, and as much before they close` };
}

/**
 * Aggregates, for each record at t, the records in `(t − size, t]` by event time. It emits a pane once the
 * watermark has passed t.
 *
 * @throws RangeError when `size` is not positive; TypeError for an unknown option
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
 * Aggregates records that are at most `gap` from a neighbour, as `[first, last + gap)`. It emits a pane once
 * the watermark is past the end. A session that becomes part of another session after it was emitted emits a
 * `retracted` pane.
 *
 * @throws RangeError when `gap` or `maxDuration` is not positive; TypeError for an unknown option
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
 * Aggregates everything since the key began. It emits a pane after every record, or with `emit: 'update'` at
 * the end of each commit that brought records. How many panes `update` emits depends on how records come in
 * batches.
 *
 * @throws RangeError when `emit` is neither `'record'` nor `'update'`; TypeError for an unknown option
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
  allowed: readonly (keyof Options & string)[],
  aggregates: object,
): void {
  checkOptions(`define a ${window} window`, options, allowed);
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
