import { invariant } from './plain.ts';
import { before, civilFromDays, daysFromCivil, type EpochMillis, floorTo, type Millis } from './time.ts';

/** Windows that follow each other without gap or overlap: every instant is in exactly one. */
export interface Calendar {
  /** The start of the window that holds an instant. */
  floor(at: EpochMillis): EpochMillis;
  /** The end of the window that holds an instant, which is the start of the one after it. */
  next(at: EpochMillis): EpochMillis;
}

/** What of a year, of months, a window is. */
export type MonthUnit = keyof typeof MONTHS;
const MONTHS = { month: 1, quarter: 3, year: 12 } as const;

const MINUTE = 60_000;
const DAY = 86_400_000;
const MAX_SIZE = 366 * DAY;

/** The lengths of the shortest months, quarters and years. */
export const SHORTEST = { month: 28 * DAY, quarter: 90 * DAY, year: 365 * DAY } as const;

/**
 * Windows by the wall clock of an IANA time zone.
 *
 * A window starts when the clock reads a whole number of `size`s after 1970-01-01T00:00 plus `offset`: days start at local
 * midnight, weeks on Thursday, hours when the clock strikes, also where that is half an hour off. One of months starts `offset`
 * after the first day of a month, of a quarter or of a year of the Gregorian calendar. Where the clock is changed:
 *
 * - Put forward to such a reading, or over it, it starts a window at the change: a day without midnight starts at 01:00. It
 *   starts only one however many it leaves out: a date that a zone skipped has no window.
 * - Put back by `size` or more, it starts windows again at what it reads again: each of two hours from 02:00 is a window of
 *   `1h`.
 * - Put back by less, it starts none at what it reads again: of two midnights only the first starts a day.
 *
 * So a window that a change falls into, or that starts or ends with one, may be shorter than `size`, or up to twice as long
 * (a day of 23 or 25 hours, six hours of five or seven); every other is exactly as long.
 *
 * The clock is what the runtime's tz database says, for any instant of the years 0000 to 9999 (local mean time, to the
 * second, before there were zones). Another release of that database may move windows, mostly those yet to come.
 *
 * @throws RangeError when the runtime does not know the zone, or size is neither whole minutes that divide a day nor 1 to
 * 366 whole days
 */
export function calendarOf(timeZone: string, size: Millis | MonthUnit, offset: Millis): Calendar {
  if (typeof size === 'string') return new WallClock(utcOffsetOf(timeZone), readingsOfMonths(size, offset));
  const dividesDay = size % MINUTE === 0 && DAY % size === 0;
  const wholeDays = size % DAY === 0 && size > 0 && size <= MAX_SIZE;
  if (!dividesDay && !wholeDays) {
    throw new RangeError(
      `Cannot follow the clock of "${timeZone}" as size must be whole minutes that divide a day, or 1 to 366 whole days: size is ${size} ms`,
    );
  }
  return new WallClock(utcOffsetOf(timeZone), readingsOf(size, offset));
}

/** What a clock reads as windows start. */
interface Readings {
  /** The least time between two of them. */
  readonly shortest: number;
  /** The latest at or before a reading, and the earliest after it. */
  floor(reading: number): number;
  next(reading: number): number;
}

function readingsOf(size: Millis, offset: Millis): Readings {
  const floor = (reading: number) => floorTo(reading, size, offset);
  return { shortest: size, floor, next: (reading) => floor(reading) + size };
}

function readingsOfMonths(unit: MonthUnit, offset: Millis): Readings {
  const months = MONTHS[unit];
  /** Whole units since the year 0. */
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

/** The length of a cell, in which a clock is changed once at most: no zone has ever changed its own again within 3 days. */
const CELL = 3 * DAY;
/** Some 8 years of cells. */
const MAX_CELLS = 1_000;

/** A stretch of time in which the clock is not changed. */
interface Stretch {
  readonly from: EpochMillis;
  readonly until: EpochMillis;
  /** How far the clock is ahead of UTC. */
  readonly ahead: Millis;
  /** The first start of a window since `from`; it may be past `until`. All later readings of a start are starts. */
  readonly firstStart: EpochMillis;
}

/**
 * The stretches of one cell: one, or those before and after its change. The first goes back to a change in the cell before,
 * as what the clock was put back to there may still be read again in this one.
 */
type Cell = readonly [Stretch, Stretch?];

/**
 * Remembers the window asked for last, and cells, as to ask Intl for an offset takes a microsecond. What it answers does
 * not depend on that: changes are sought between the ends of fixed cells.
 */
class WallClock implements Calendar {
  readonly #utcOffset: (at: number) => Millis;
  readonly #readings: Readings;
  /** By ordinal since the epoch. */
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
    const known = this.#cells.get(ordinal);
    if (known) return known;
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

  /** The instant in `[from, until)` at which the clock is changed, if it is: by bisection. */
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
    // What follows the latest start that the clock has read, as the changed clock reads it; unless that is skipped.
    const firstStart = Math.max(from, next(from - 1 + aheadBefore) - ahead) as EpochMillis;
    return { from, until, ahead, firstStart };
  }
}

/** How far a zone's clock is ahead of UTC at an instant. */
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
