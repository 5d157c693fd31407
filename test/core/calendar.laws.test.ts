import fc from 'fast-check';
import { describe, expect, it, vi } from 'vitest';
import { type Calendar, calendarOf } from '../../src/core/calendar.ts';
import {
  type Duration,
  type EpochMillis,
  floorTo,
  isoTime,
  type Millis,
  millis,
  parseIsoTime,
} from '../../src/core/time.ts';
import {
  changesOf,
  clockOf,
  DAY,
  MINUTE,
  offsetOf,
  startsByMinute,
  ZONES,
  zoneAndInstant,
} from './calendar-clock.ts';

const none = 0 as Millis;
const minutesThatDivideADay = Array.from({ length: 1_440 }, (_, index) => (index + 1) * MINUTE).filter(
  (size) => DAY % size === 0,
) as Millis[];
const withinDay = fc.oneof(
  fc.constantFrom<Duration>('1m', '30m', '1h', '2h', '6h', '12h', '1d').map(millis),
  fc.constantFrom(...minutesThatDivideADay),
);
const days = fc.integer({ min: 1, max: 366 }).map((count) => (count * DAY) as Millis);
const size = fc.oneof({ weight: 4, arbitrary: withinDay }, { weight: 1, arbitrary: days });
const wholeMinutes = fc.constantFrom<Duration>('0s', '6h', '90m', '15m').map(millis);
const offset = fc.oneof(wholeMinutes, fc.constant(1 as Millis));
const drawn = fc.record({ size, offset, where: zoneAndInstant() });

/** When a zone's clock first reads, or has gone past, a date of the calendar: change by change of the clock. */
function firstAt(timeZone: string, date: number): number {
  const from = date - 3 * DAY;
  const edges = [from, ...changesOf(timeZone, from, date + 3 * DAY), date + 3 * DAY];
  const reached = edges.slice(1).flatMap((until, at) => {
    const since = edges[at] as number;
    const start = Math.max(since, date - offsetOf(timeZone)(since));
    return start < until ? [start] : [];
  });
  return reached[0] as number;
}

describe('windows of months', () => {
  const months = { month: 1, quarter: 3, year: 12 } as const;

  it('start as the clock first reads their first day, and end as the next does', () => {
    holds(
      fc.record({ unit: fc.constantFrom('month', 'quarter', 'year'), offset, where: zoneAndInstant() }),
      ({ unit, offset, where: { timeZone, at } }) => {
        const [start, end] = windowAt(calendarOf(timeZone, unit, offset), at);
        const read = new Date(clockOf(timeZone)(at) - offset);
        // The clock may have read the month, and have been put back: the one before is then over.
        const first = Math.floor(read.getUTCMonth() / months[unit]) * months[unit];
        const starts = [-1, 0, 1, 2].map((by) =>
          firstAt(timeZone, Date.UTC(read.getUTCFullYear(), first + by * months[unit]) + offset),
        );
        const place = starts.findLastIndex((start) => start <= at);
        expect([start, end]).toEqual([starts[place], starts[place + 1]]);
      },
    );
  });

  it('are those of the Gregorian calendar in UTC', () => {
    holds(
      fc.record({
        unit: fc.constantFrom('month', 'quarter', 'year'),
        at: fc.integer({ min: Date.UTC(1, 0), max: Date.UTC(9_998, 0) }),
      }),
      ({ unit, at }) => {
        const date = new Date(at);
        const first = Math.floor(date.getUTCMonth() / months[unit]) * months[unit];
        const [start, end] = [0, months[unit]].map((by) =>
          new Date(0).setUTCFullYear(date.getUTCFullYear(), first + by, 1),
        );
        expect(windowAt(calendarOf('UTC', unit, none), at as EpochMillis)).toEqual([start, end]);
      },
    );
  });

  it('are as long as the clock makes them', () => {
    const hours = (unit: 'month' | 'quarter' | 'year', day: string) => {
      const at = parseIsoTime(`${day}T12:00:00Z`) as EpochMillis;
      const [start, end] = windowAt(calendarOf('Europe/Berlin', unit, none), at);
      return (end - start) / 3_600_000;
    };
    expect(hours('month', '2026-02-10')).toBe(28 * 24);
    expect(hours('month', '2026-03-10')).toBe(31 * 24 - 1);
    expect(hours('month', '2026-10-10')).toBe(31 * 24 + 1);
    expect(hours('quarter', '2024-01-10')).toBe(91 * 24 - 1);
    expect(hours('year', '2024-01-10')).toBe(366 * 24);
  });
});

describe('windows by the wall clock', () => {
  it('hold every instant once, and follow each other without a gap', () => {
    holds(drawn, ({ size, offset, where: { timeZone, at } }) => {
      const calendar = calendarOf(timeZone, size, offset);
      const [start, end] = windowAt(calendar, at);
      expect(start).toBeLessThanOrEqual(at);
      expect(end).toBeGreaterThan(at);
      for (const inside of [start, end - 1, Math.floor((start + end) / 2)]) {
        const fresh = calendarOf(timeZone, size, offset);
        expect(windowAt(fresh, inside as EpochMillis)).toEqual([start, end]);
      }
      expect(calendar.floor(end)).toBe(end);
      expect(calendar.next((start - 1) as EpochMillis)).toBe(start);
    });
  });

  it('are the same whatever was asked before', () => {
    const shift = fc.oneof(
      fc.integer({ min: -2 * DAY, max: 2 * DAY }),
      fc.integer({ min: -9_999 * DAY, max: 9_999 * DAY }),
    );
    holds(
      fc.tuple(drawn, fc.array(shift)),
      ([
        {
          size,
          offset,
          where: { timeZone, at },
        },
        shifts,
      ]) => {
        const calendar = calendarOf(timeZone, size, offset);
        for (const shift of shifts) calendar.floor((at + shift) as EpochMillis);
        expect(windowAt(calendar, at)).toEqual(windowAt(calendarOf(timeZone, size, offset), at));
      },
    );
  });

  it('are the same after more of them were asked for than a calendar remembers', () => {
    const newYork = () => calendarOf('America/New_York', millis('6h'), none);
    const days = Array.from({ length: 12 * 365 }, (_, day) => (Date.UTC(1990, 0) + day * DAY) as EpochMillis);
    const calendar = newYork();
    const asked = days.map((at) => windowAt(calendar, at));
    for (let day = 0; day < days.length; day += 60) {
      const at = days[day] as EpochMillis;
      expect([asked[day], windowAt(calendar, at)]).toEqual(new Array(2).fill(windowAt(newYork(), at)));
    }
  });

  it('start where the clock reads whole sizes since 1970-01-01, or is put forward over that', () => {
    holds(drawn, ({ size, offset, where: { timeZone, at } }) => {
      const clock = clockOf(timeZone);
      const start = calendarOf(timeZone, size, offset).floor(at);
      const [before, reading] = [clock(start - 1), clock(start)];
      const ordinal = (reading: number): number => Math.floor((reading - offset) / size);
      const isRead = reading === ordinal(reading) * size + offset;
      const isSkipped = reading > before + 1 && ordinal(reading) > ordinal(before);
      expect(isRead || isSkipped).toBe(true);
    });
  });

  it('are exactly as long as their size where no change of the clock touches them, else less than twice', () => {
    holds(drawn, ({ size, offset, where: { timeZone, at } }) => {
      const [start, end] = windowAt(calendarOf(timeZone, size, offset), at);
      if (changesOf(timeZone, start - 1, end).length === 0) expect(end - start).toBe(size);
      expect(end - start).toBeLessThan(2 * size);
    });
  });

  it('are longer by what the clock is put back in them, and shorter by what it is put forward', () => {
    const large = fc.constantFrom<Duration>('12h', '1d', '2d', '7d').map(millis);
    holds(
      fc.record({ size: large, offset, where: zoneAndInstant(1980) }),
      ({ size, offset, where: { timeZone, at } }) => {
        const [start, end] = windowAt(calendarOf(timeZone, size, offset), at);
        const ahead = offsetOf(timeZone);
        fc.pre([start, end].every((edge) => ahead(edge) <= ahead(edge - 1)));
        expect(end - start).toBe(size + ahead(start) - ahead(end));
      },
    );
  });

  it('are those that a look at the clock every minute finds', () => {
    const where = zoneAndInstant(1975);
    const sizes = fc.uniqueArray(withinDay, { minLength: 8, maxLength: 16 });
    holds(
      fc.record({ sizes, offset: wholeMinutes, where }),
      ({ sizes, offset, where: { timeZone, at } }) => {
        const from = Math.floor(at / MINUTE) * MINUTE - 2 * DAY;
        const until = from + 4 * DAY;
        // The walk must not begin among readings that the clock repeats.
        fc.pre(changesOf(timeZone, from - DAY, from).length === 0);
        const clock = clockOf(timeZone);
        const readings = Array.from({ length: (until - from) / MINUTE }, (_, minute) =>
          clock(from + minute * MINUTE),
        );
        for (const size of sizes) {
          const found = startsBetween(calendarOf(timeZone, size, offset), from, until);
          expect(found).toEqual(startsByMinute(readings, from, size, offset));
        }
      },
      30,
    );
  });

  it('are right whenever a zone to come changes its clock', () => {
    const minutes = fc.record({
      change: fc.integer({ min: 5 * 1_440, max: 9 * 1_440 }),
      by: fc.integer({ min: -1_440, max: 1_440 }),
      offset: fc.nat(1_439),
    });
    const large = fc.constantFrom<Duration>('12h', '1d', '2d').map(millis);
    holds(fc.record({ minutes, size: fc.oneof(withinDay, large) }), ({ minutes, size }) => {
      const [change, by, offset] = [minutes.change * MINUTE, minutes.by * MINUTE, minutes.offset * MINUTE];
      const ahead = (at: number): number => (at < change ? 0 : by);
      const readings = Array.from({ length: 12 * 1_440 }, (_, minute) => minute * MINUTE).map(
        (at) => at + ahead(at),
      );
      const calendar = withClock(ahead, () => calendarOf('Europe/Berlin', size, offset as Millis));
      expect(startsBetween(calendar, 0, 12 * DAY)).toEqual(startsByMinute(readings, 0, size, offset));
    });
  });

  it('are those of UTC where the clock is UTC', () => {
    const instant = fc.integer({ min: EARLIEST, max: LATEST }).map((at) => at as EpochMillis);
    holds(fc.record({ at: instant, size, offset }), ({ at, size, offset }) => {
      const start = floorTo(at, size, offset);
      expect(windowAt(calendarOf('UTC', size, offset), at)).toEqual([start, start + size]);
    });
  });

  it('reach from the year 0000 to the year 9999 in every zone', () => {
    for (const timeZone of ZONES) {
      const clock = clockOf(timeZone);
      for (const at of [EARLIEST, time('1800-01-01T12:34:56.789Z'), LATEST]) {
        const [start, end] = windowAt(calendarOf(timeZone, millis('1d'), none), at);
        expect([modulo(clock(start), DAY), end - start]).toEqual([0, DAY]);
      }
    }
  });
});

describe('a day', () => {
  it('lasts 23 hours where the clock is put forward, and 25 where it is put back', () => {
    follow('Europe/Berlin', '1d', [
      '2024-03-30T00:00+01:00',
      '2024-03-31T00:00+01:00',
      '2024-04-01T00:00+02:00',
      '2024-04-02T00:00+02:00',
    ]);
    follow('America/New_York', '1d', [
      '2024-11-02T00:00-04:00',
      '2024-11-03T00:00-04:00',
      '2024-11-04T00:00-05:00',
      '2024-11-05T00:00-05:00',
    ]);
  });

  it('may be half an hour longer', () => {
    follow('Australia/Lord_Howe', '1d', ['2024-04-07T00:00+11:00', '2024-04-08T00:00+10:30']);
  });

  it('without a midnight starts when the clock is put forward over it', () => {
    follow('America/Sao_Paulo', '1d', [
      '2018-11-03T00:00-03:00',
      '2018-11-04T01:00-02:00',
      '2018-11-05T00:00-02:00',
    ]);
    follow('Africa/Algiers', '1d', [
      '1977-05-05T00:00+00:00',
      '1977-05-06T01:00+01:00',
      '1977-05-07T00:00+01:00',
    ]);
    follow('Asia/Beirut', '1d', ['2024-03-30T00:00+02:00', '2024-03-31T01:00+03:00']);
  });

  it('with two midnights starts at the first', () => {
    follow('America/Havana', '1d', ['2024-11-03T00:00-04:00', '2024-11-04T00:00-05:00']);
    follow('Europe/Lisbon', '1d', ['1976-09-26T00:00+01:00', '1976-09-27T00:00+00:00']);
    // A minute of 7 November, then the last hour of the 6th once more.
    follow('America/St_Johns', '1d', ['2010-11-07T00:00-02:30', '2010-11-08T00:00-03:30']);
  });

  it('whose last hour comes twice has 25', () => {
    follow('America/Sao_Paulo', '1d', ['2019-02-16T00:00-02:00', '2019-02-17T00:00-03:00']);
  });

  it('is right where a zone changed its clock and changed it back within days', () => {
    const starts = ['1943-04-16T00:00+02:00', '1943-04-17T00:00+02:00'];
    for (let date = 18; date <= 25; date++) starts.push(`1943-04-${date}T00:00+01:00`);
    follow('Africa/Tunis', '1d', [...starts, '1943-04-26T00:00+02:00', '1943-04-27T00:00+02:00']);
  });

  it('that a zone left out has no window', () => {
    follow('Pacific/Apia', '1d', [
      '2011-12-29T00:00-10:00',
      '2011-12-31T00:00+14:00',
      '2012-01-01T00:00+14:00',
    ]);
  });

  it('that a zone had twice has two', () => {
    const start = time('1867-10-18T09:01:13Z');
    const calendar = calendarOf('America/Sitka', millis('1d'), none);
    expect(windowAt(calendar, start)).toEqual([start, start + DAY]);
    expect(clockOf('America/Sitka')(start + DAY)).toBe(clockOf('America/Sitka')(start));
  });

  it('starts at an offset from midnight by the wall clock', () => {
    follow(
      'Europe/Berlin',
      '1d',
      ['2024-03-30T06:00+01:00', '2024-03-31T06:00+02:00', '2024-04-01T06:00+02:00'],
      '6h',
    );
  });

  it('starts at the midnight of local mean time, to the second, before there were zones', () => {
    follow('Europe/Berlin', '1d', ['1850-03-29T23:06:32Z', '1850-03-30T23:06:32Z']);
  });
});

describe('several days', () => {
  it('are counted from 1970-01-01, a Thursday', () => {
    follow('Europe/Berlin', '7d', ['2024-03-28T00:00+01:00', '2024-04-04T00:00+02:00']);
    follow('Europe/Berlin', '7d', ['2024-03-25T00:00+01:00', '2024-04-01T00:00+02:00'], '4d');
    follow('Europe/Berlin', '366d', ['1970-01-01T00:00+01:00', '1971-01-02T00:00+01:00']);
  });
});

describe('hours', () => {
  it('that come twice are two windows, and one that is left out is none', () => {
    follow('Europe/Berlin', '1h', [
      '2024-10-27T01:00+02:00',
      '2024-10-27T02:00+02:00',
      '2024-10-27T02:00+01:00',
      '2024-10-27T03:00+01:00',
    ]);
    follow('Europe/Berlin', '1h', ['2024-03-31T01:00+01:00', '2024-03-31T03:00+02:00']);
  });

  it('grow and shrink together where the clock is changed by less than they are', () => {
    follow('Europe/Berlin', '2h', [
      '2024-10-27T00:00+02:00',
      '2024-10-27T02:00+02:00',
      '2024-10-27T04:00+01:00',
    ]);
    follow('America/New_York', '6h', ['2024-03-10T00:00-05:00', '2024-03-10T06:00-04:00']);
    follow('America/New_York', '6h', ['2024-11-03T00:00-04:00', '2024-11-03T06:00-05:00']);
    follow('America/Havana', '12h', ['2024-11-03T00:00-04:00', '2024-11-03T12:00-05:00']);
  });

  it('are half an hour longer or shorter where that is what the clock is changed by', () => {
    follow('Australia/Lord_Howe', '1h', [
      '2024-04-07T01:00+11:00',
      '2024-04-07T02:00+10:30',
      '2024-04-07T03:00+10:30',
    ]);
    follow('Australia/Lord_Howe', '1h', [
      '2024-10-06T01:00+10:30',
      '2024-10-06T02:30+11:00',
      '2024-10-06T03:00+11:00',
    ]);
  });

  it('whose start is left out begin with the change', () => {
    follow(
      'Africa/Algiers',
      '1h',
      ['1977-05-05T23:30+00:00', '1977-05-06T01:00+01:00', '1977-05-06T01:30+01:00'],
      '30m',
    );
  });

  it('start when the clock strikes, also where it is half an hour off', () => {
    follow('Asia/Kolkata', '1h', ['2024-03-30T17:00+05:30', '2024-03-30T18:00+05:30']);
  });
});

describe('a calendar', () => {
  it('is refused for a zone that the runtime does not know', () => {
    expect(() => calendarOf('Europe/Atlantis', millis('1d'), none)).toThrow(
      new RangeError(
        `Cannot follow the clock of "Europe/Atlantis" as the runtime's tz database must have the zone`,
      ),
    );
  });

  it.each<Duration>(['0s', '30s', '61s', '7m', '5h', '36h', '25h', '367d'])('is refused for %s', (size) => {
    expect(() => calendarOf('Europe/Berlin', millis(size), none)).toThrow(
      new RangeError(
        `Cannot follow the clock of "Europe/Berlin" as size must be whole minutes that divide a day, or 1 to 366 whole days: size is ${millis(size)} ms`,
      ),
    );
  });
});

const EARLIEST = time('0000-01-01T00:00:00Z');
const LATEST = time('9999-12-31T23:59:59.999Z');

/** Whether windows start at each of these, and nowhere between. */
function follow(timeZone: string, size: Duration, starts: readonly string[], offset: Duration = '0s'): void {
  const edges = starts.map(time);
  const open = (): Calendar => calendarOf(timeZone, millis(size), millis(offset));
  const calendar = open();
  for (const [index, start] of edges.entries()) {
    const end = edges[index + 1];
    if (end === undefined) break;
    const step = (end - start) / 50;
    for (let at: number = start; at < end; at = Math.floor(at + step)) {
      expect(windowAt(calendar, at as EpochMillis).map(isoTime)).toEqual([start, end].map(isoTime));
    }
    expect(windowAt(open(), (end - 1) as EpochMillis).map(isoTime)).toEqual([start, end].map(isoTime));
    expect(open().floor(end)).toBe(end);
  }
}

/** What is made with an Intl whose only zone has a clock that is so far ahead of UTC. */
function withClock<Made>(ahead: (at: number) => number, make: () => Made): Made {
  const format = (at: number): string => {
    const minutes = Math.abs(ahead(at)) / MINUTE;
    const [hour, minute] = [Math.floor(minutes / 60), minutes % 60].map((part) => `${part}`.padStart(2, '0'));
    return `GMT${ahead(at) < 0 ? '-' : '+'}${hour}:${minute}`;
  };
  const spy = vi.spyOn(Intl, 'DateTimeFormat').mockImplementation(
    class {
      format = format;
    } as never,
  );
  try {
    return make();
  } finally {
    spy.mockRestore();
  }
}

/** The starts after `from` and before `until`. */
function startsBetween(calendar: Calendar, from: number, until: number): EpochMillis[] {
  const starts: EpochMillis[] = [];
  let start = calendar.next(from as EpochMillis);
  for (; start < until; start = calendar.next(start)) starts.push(start);
  return starts;
}

const windowAt = (calendar: Calendar, at: EpochMillis): [start: EpochMillis, end: EpochMillis] => [
  calendar.floor(at),
  calendar.next(at),
];

function time(text: string): EpochMillis {
  const at = parseIsoTime(text);
  if (at === undefined) throw new Error(`no time: ${text}`);
  return at;
}

function modulo(value: number, by: number): number {
  return ((value % by) + by) % by;
}

function holds<Value>(drawn: fc.Arbitrary<Value>, law: (value: Value) => void, numRuns = 250): void {
  fc.assert(fc.property(drawn, law), { numRuns });
}
