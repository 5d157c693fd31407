import { invariant } from './plain.ts';
import { before, civilFromDays, daysFromCivil, type EpochMillis, floorTo, type Millis } from './time.ts';

/** Windows that follow each other without gap or overlap, so that every instant is in exactly one. */
export interface Calendar {
  /** Returns the start of the window that holds an instant. */
  floor(at: EpochMillis): EpochMillis;
  /** Returns the end of the window that holds an instant, which is the start of the next window. */
  next(at: EpochMillis): EpochMillis;
}

/** The unit of windows of months: each is a month, a quarter or a year. */
export type MonthUnit = keyof typeof MONTHS;
const MONTHS = { month: 1, quarter: 3, year: 12 } as const;

const MINUTE = 60_000;
const DAY = 86_400_000;
const MAX_SIZE = 366 * DAY;

/** The lengths of the shortest months, quarters and years. */
export const SHORTEST = { month: 28 * DAY, quarter: 90 * DAY, year: 365 * DAY } as const;

/**
 * Returns the windows by the wall clock of an IANA time zone.
 *
 * A window starts when the clock reads a whole number of `size`s after 1970-01-01T00:00 plus `offset`: days
 * start at local midnight, weeks on Thursday, hours when the clock strikes, also where that is half an hour
 * off UTC. A window of months starts `offset` after the first day of a month, of a quarter or of a year of
 * the Gregorian calendar. Where the clock is changed:
 *
 * - A clock put forward to such a reading, or over it, starts a window at the change: a day without
 *   midnight starts at 01:00. It starts a single window however many it leaves out: a date that a zone
 *   skipped has no window.
 * - A clock put back by `size` or more starts windows again at the readings that it repeats: each of the two
 *   hours from 02:00 is a window of `1h`.
 * - A clock put back by less starts no window at the readings that it repeats: of two midnights only the first
 *   starts a day.
 *
 * So a window that a change falls into, or that starts or ends with a change, may be shorter than `size`, or
 * up to twice as long (a day of 23 or 25 hours, six hours of five or seven); every other window is exactly as
 * long as `size`.
 *
 * The tz database of the runtime sets the clock, for any instant of the years 0000 to 9999 (before there were
 * zones it is the local mean time, to the second). Another release of that database may move windows, mostly
 * those of the future.
 *
 * @throws RangeError when the runtime does not know the zone, or size is neither whole minutes that divide a
 * day nor 1 to 366 whole days
 */
export function calendarOf(timeZone: string, size: Millis | MonthUnit, offset: Millis): Calendar {
  if (typeof size === 'string') return new WallClock(utcOffsetOf(timeZone), readingsOfMonths(size, offset));
  const dividesDay = size % MINUTE === 0 && DAY % size === 0;
  const wholeDays = size % DAY === 0 && size > 0 && size <= MAX_SIZE;
  if (!dividesDay && !wholeDays) {
    throw new RangeError(
      `Cannot follow the clock of "${timeZone}" as size must be whole minutes that divide a day, ` +
        `or 1 to 366 whole days: size is ${size} ms`,
    );
  }
  return new WallClock(utcOffsetOf(timeZone), readingsOf(size, offset));
}

/** The readings of a clock at which windows start. */
interface Readings {
  /** The least time between two such readings. */
  readonly shortest: number;
  /** Returns the latest such reading at or before `reading`. */
  floor(reading: number): number;
  /** Returns the earliest such reading after `reading`. */
  next(reading: number): number;
}

function readingsOf(size: Millis, offset: Millis): Readings {
  const floor = (reading: number) => floorTo(reading, size, offset);
  return { shortest: size, floor, next: (reading) => floor(reading) + size };
}

function readingsOfMonths(unit: MonthUnit, offset: Millis): Readings {
  const months = MONTHS[unit];
  /** Returns the number of whole units since the year 0. */
  const ordinal = (reading: number): number => {
    const { year, month } = civilFromDays(Math.floor((reading - offset) / DAY));
    return Math.floor((year * 12 + month - 1) / months);
  };
  const start = (ordinal: number): number => {
    const year = Math.floor((ordinal * months) / 12);
    return daysFromCivil(year, ordinal * months - year * 12 + 1, 1) * DAY + offset;
  };
  return {
    shortest: SHORTEST[unit],
    floor: (reading) => start(ordinal(reading)),
    next: (reading) => start(ordinal(reading) + 1),
  };
}

/**
 * The length of a cell. A clock changes at most once in a cell, as no zone has ever changed its clock again
 * within 3 days.
 */
const CELL = 3 * DAY;
/** About 8 years of cells. */
const MAX_CELLS = 1_000;

/** A stretch of time in which the clock is not changed. */
interface Stretch {
  readonly from: EpochMillis;
  readonly until: EpochMillis;
  /** By how much the clock is ahead of UTC. */
  readonly ahead: Millis;
  /**
   * The start of the first window since `from`, which may be past `until`. Every later reading at which a
   * window can start does start one.
   */
  readonly firstStart: EpochMillis;
}

/**
 * The one stretch of a cell, or the two stretches before and after its change. The first stretch goes back to
 * the change in the cell before, if there is one, as the clock may read again in this cell what it was put
 * back to there.
 */
type Cell = readonly [Stretch, Stretch?];

/**
 * Caches the last window and the surveyed cells, as an offset from Intl takes a microsecond. The cache does
 * not influence the results, as changes are sought between the ends of fixed cells.
 */
class WallClock implements Calendar {
  readonly #utcOffset: (at: number) => Millis;
  readonly #readings: Readings;
  /** The cells by their ordinal since the epoch. */
  readonly #cells = new Map<number, Cell>();
  #start = 0 as EpochMillis;
  #end = 0 as EpochMillis;

  constructor(utcOffset: (at: number) => Millis, readings: Readings) {
    this.#utcOffset = utcOffset;
    this.#readings = readings;
  }

  floor(at: EpochMillis): EpochMillis {
    if (at < this.#start || at >= this.#end) this.#seek(at);
    return this.#start;
  }

  next(at: EpochMillis): EpochMillis {
    if (at < this.#start || at >= this.#end) this.#seek(at);
    return this.#end;
  }

  #seek(at: EpochMillis): void {
    const stretch = this.#stretchAt(at);
    this.#start = this.#lastStart(stretch, at);
    this.#end = this.#startAfter(stretch, at);
  }

  #lastStart(stretch: Stretch, at: EpochMillis): EpochMillis {
    if (at < stretch.firstStart) {
      const earlier = (stretch.from - 1) as EpochMillis;
      return this.#lastStart(this.#stretchAt(earlier), earlier);
    }
    const { firstStart, ahead } = stretch;
    return Math.max(firstStart, this.#readings.floor(at + ahead) - ahead) as EpochMillis;
  }

  #startAfter(stretch: Stretch, at: EpochMillis): EpochMillis {
    const { until, ahead, firstStart } = stretch;
    const start = at < firstStart ? firstStart : this.#readings.next(at + ahead) - ahead;
    if (start < until) return start as EpochMillis;
    return this.#startAfter(this.#stretchAt(until), (until - 1) as EpochMillis);
  }

  #stretchAt(at: EpochMillis): Stretch {
    const [first, second] = this.#cell(Math.floor(at / CELL));
    return second !== undefined && at >= second.from ? second : first;
  }

  #cell(ordinal: number): Cell {
    const cached = this.#cells.get(ordinal);
    if (cached) return cached;
    const cell = this.#survey((ordinal * CELL) as EpochMillis, ((ordinal + 1) * CELL) as EpochMillis);
    if (this.#cells.size === MAX_CELLS) this.#cells.clear();
    this.#cells.set(ordinal, cell);
    return cell;
  }

  #survey(from: EpochMillis, until: EpochMillis): Cell {
    const earlier = this.#changeIn(before(from, CELL as Millis), from) ?? from;
    const change = this.#changeIn(from, until);
    if (change === undefined) return [this.#stretch(earlier, until)];
    return [this.#stretch(earlier, change), this.#stretch(change, until)];
  }

  /** Finds by bisection the instant in `[from, until)` at which the clock is changed, if it is. */
  #changeIn(from: EpochMillis, until: EpochMillis): EpochMillis | undefined {
    let [unchanged, changed] = [from - 1, until - 1];
    const offset = this.#utcOffset(unchanged);
    if (this.#utcOffset(changed) === offset) return undefined;
    while (changed - unchanged > 1) {
      const middle = Math.floor((unchanged + changed) / 2);
      if (this.#utcOffset(middle) === offset) unchanged = middle;
      else changed = middle;
    }
    return changed as EpochMillis;
  }

  #stretch(from: EpochMillis, until: EpochMillis): Stretch {
    const [aheadBefore, ahead] = [this.#utcOffset(from - 1), this.#utcOffset(from)];
    const { shortest, next } = this.#readings;
    if (aheadBefore - ahead >= shortest) {
      return { from, until, ahead, firstStart: (next(from - 1 + ahead) - ahead) as EpochMillis };
    }
    // The first start follows the latest start that the clock has read, by the readings of the changed clock;
    // if the change skips that reading, the change itself is the start.
    const firstStart = Math.max(from, next(from - 1 + aheadBefore) - ahead) as EpochMillis;
    return { from, until, ahead, firstStart };
  }
}

/** Returns by how much the clock of a zone is ahead of UTC at an instant. */
function utcOffsetOf(timeZone: string): (at: number) => Millis {
  const format = formatOf(timeZone);
  return (at) => {
    const match = /GMT(?:([+-])(\d\d):(\d\d)(?::(\d\d))?)?$/.exec(format.format(at));
    invariant(match, 'Intl writes the offset from UTC as "GMT", "GMT+hh:mm" or "GMT+hh:mm:ss"');
    const [, sign, hours = 0, minutes = 0, seconds = 0] = match;
    const length = ((Number(hours) * 60 + Number(minutes)) * 60 + Number(seconds)) * 1_000;
    return (sign === '-' ? -length : length) as Millis;
  };
}

function formatOf(timeZone: string): Intl.DateTimeFormat {
  try {
    return new Intl.DateTimeFormat('en-US', { timeZone, timeZoneName: 'longOffset' });
  } catch (error) {
    throw new RangeError(
      `Cannot follow the clock of "${timeZone}" as the runtime's tz database must have the zone`,
      { cause: error },
    );
  }
}
