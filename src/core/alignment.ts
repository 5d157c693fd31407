import type { Calendar } from './calendar.ts';
import { type EpochMillis, floorTo, type Millis } from './time.ts';

/**
 * Windows of which one begins with each slice. Of two such definitions with the same slices, the longer windows need a
 * slice for as long as the shorter do, and take in each record that these take in.
 */
export interface Grid {
  /** Equal slices have equal names. */
  readonly slices: string;
  /** How long a window is. */
  readonly length: Millis;
}

/** Where the windows of one definition lie in time. Every instant is in at least one window. */
export interface Alignment {
  /** The number of slices of a window. */
  readonly slices: number;
  /** Undefined where not each slice begins a window. */
  readonly grid?: Grid | undefined;
  /**
   * Returns the start of the slice that holds an instant. A slice is a stretch that no window's edge cuts.
   */
  slice(at: number): EpochMillis;
  /** Returns the start of the earliest window that holds an instant. */
  first(at: number): EpochMillis;
  /** Returns the start of the latest window that holds an instant. */
  last(at: number): EpochMillis;
  /** Returns the start of the window after the window that starts at `start`. */
  next(start: number): EpochMillis;
  end(start: number): EpochMillis;
  /**
   * Returns a boundary within `(start, end)`, or `start` itself. It is the same for all windows that it cuts.
   */
  middle(start: number): EpochMillis;
}

/**
 * Aligns windows `[offset + k·slide, offset + k·slide + size)`. A slice is as long as the greatest common
 * divisor of `size` and `slide`.
 */
export function fixedAlignment(size: Millis, slide: Millis, offset: Millis): Alignment {
  const sliceLength = greatestCommonDivisor(size, slide);
  const last = (at: number) => floorTo(at, slide, offset);
  return {
    slices: size / sliceLength,
    ...(sliceLength === slide && { grid: { slices: `${slide},${offset}`, length: size } }),
    slice: (at) => floorTo(at, sliceLength, offset),
    first: (at) => (last(at - size) + slide) as EpochMillis,
    last,
    next: (start) => (start + slide) as EpochMillis,
    end: (start) => (start + size) as EpochMillis,
    middle: (start) => floorTo(start + size - 1, size, offset),
  };
}

/** Aligns windows that follow each other as a calendar's days or hours do. */
export function calendarAlignment(calendar: Calendar): Alignment {
  const floor = (at: number) => calendar.floor(at as EpochMillis);
  const next = (start: number) => calendar.next(start as EpochMillis);
  const middle = (start: number) => start as EpochMillis;
  return { slices: 1, slice: floor, first: floor, last: floor, next, end: next, middle };
}

const greatestCommonDivisor = (a: Millis, b: Millis): Millis =>
  b === 0 ? a : greatestCommonDivisor(b, (a % b) as Millis);
