import type { Calendar } from './calendar.ts';
import { type EpochMillis, floorTo, type Millis } from './time.ts';

/** Where the windows of one definition lie in time. Every instant is in at least one of them. */
export interface Alignment {
  /** How many slices a window has. */
  readonly slices: number;
  /** The start of the slice, a stretch that no window's edge cuts, that holds an instant. */
  slice(at: number): EpochMillis;
  /** The start of the earliest, and of the latest, window that holds an instant. */
  first(at: number): EpochMillis;
  last(at: number): EpochMillis;
  /** The start of the window after the one that starts at `start`. */
  next(start: number): EpochMillis;
  end(start: number): EpochMillis;
  /** A boundary within `(start, end)`, or `start` itself: the same one for all windows that it cuts. */
  middle(start: number): EpochMillis;
}

/** Windows `[offset + k·slide, offset + k·slide + size)`; slices are as long as the greatest common divisor of both. */
export function fixedAlignment(size: Millis, slide: Millis, offset: Millis): Alignment {
  const sliceLength = greatestCommonDivisor(size, slide);
  const last = (at: number) => floorTo(at, slide, offset);
  return {
    slices: size / sliceLength,
    slice: (at) => floorTo(at, sliceLength, offset),
    first: (at) => (last(at - size) + slide) as EpochMillis,
    last,
    next: (start) => (start + slide) as EpochMillis,
    end: (start) => (start + size) as EpochMillis,
    middle: (start) => floorTo(start + size - 1, size, offset),
  };
}

/** Windows that follow each other as a calendar's days or hours do. */
export function calendarAlignment(calendar: Calendar): Alignment {
  const floor = (at: number) => calendar.floor(at as EpochMillis);
  const next = (start: number) => calendar.next(start as EpochMillis);
  const middle = (start: number) => start as EpochMillis;
  return { slices: 1, slice: floor, first: floor, last: floor, next, end: next, middle };
}

const greatestCommonDivisor = (a: Millis, b: Millis): Millis =>
  b === 0 ? a : greatestCommonDivisor(b, (a % b) as Millis);
