import fc from 'fast-check';
import type { EpochMillis } from '../../src/core/time.ts';

export const MINUTE = 60_000;
const HOUR = 60 * MINUTE;
export const DAY = 24 * HOUR;

export const ZONES = Intl.supportedValuesOf('timeZone');

const clocks = new Map<string, (at: number) => number>();

/** What a zone's clock reads, in milliseconds since it read 1970-01-01T00:00: made of the parts that Intl writes. */
export function clockOf(timeZone: string): (at: number) => number {
  const clock = clocks.get(timeZone) ?? newClock(timeZone);
  clocks.set(timeZone, clock);
  return clock;
}

function newClock(timeZone: string): (at: number) => number {
  const format = new Intl.DateTimeFormat('en-US', {
    timeZone,
    calendar: 'gregory',
    hourCycle: 'h23',
    era: 'short',
    year: 'numeric',
    month: 'numeric',
    day: 'numeric',
    hour: 'numeric',
    minute: 'numeric',
    second: 'numeric',
  });
  return (at) => {
    const parts = Object.fromEntries(format.formatToParts(at).map(({ type, value }) => [type, value]));
    const year = parts.era === 'A' || parts.era === 'AD' ? Number(parts.year) : 1 - Number(parts.year);
    const date = new Date(0).setUTCFullYear(year, Number(parts.month) - 1, Number(parts.day));
    const seconds = (Number(parts.hour) * 60 + Number(parts.minute)) * 60 + Number(parts.second);
    return date + seconds * 1_000 + (((at % 1_000) + 1_000) % 1_000);
  };
}

/** How far a zone's clock is ahead of UTC. */
export function offsetOf(timeZone: string): (at: number) => number {
  const clock = clockOf(timeZone);
  return (at) => clock(at) - at;
}

/** The instants of `(from, until]` at which a zone's clock is changed: its changes are days apart. */
export function changesOf(timeZone: string, from: number, until: number): number[] {
  const offset = offsetOf(timeZone);
  const changes: number[] = [];
  for (let at = from; at < until; at += 3 * DAY) {
    let [before, changed] = [at, Math.min(at + 3 * DAY, until)];
    const old = offset(before);
    if (offset(changed) === old) continue;
    while (changed - before > 1) {
      const middle = Math.floor((before + changed) / 2);
      if (offset(middle) === old) before = middle;
      else changed = middle;
    }
    changes.push(changed);
  }
  return changes;
}

/**
 * The starts of windows after `from`, given what the clock reads there and at every minute after it: each new reading that
 * is in a later window than all before it, which are forgotten when the clock is put back by a window or more.
 */
export function startsByMinute(
  readings: readonly number[],
  from: number,
  size: number,
  offset: number,
): number[] {
  const windowOf = (reading: number): number => Math.floor((reading - offset) / size);
  const starts: number[] = [];
  let latest = windowOf(readings[0] ?? Number.NaN);
  let expected = readings[0] ?? Number.NaN;
  readings.forEach((reading, minute) => {
    if (expected - reading >= size) latest = windowOf(reading - 1);
    if (windowOf(reading) > latest) {
      latest = windowOf(reading);
      starts.push(from + minute * MINUTE);
    }
    expected = reading + MINUTE;
  });
  return starts;
}

/** A zone, and an instant: mostly around a change of its clock, if the zone had one in the year that is drawn. */
export const zoneAndInstant = (
  from = 1900,
  to = 2100,
): fc.Arbitrary<{ readonly timeZone: string; readonly at: EpochMillis }> =>
  fc
    .record({
      timeZone: fc.constantFrom(...ZONES),
      year: fc.integer({ min: from, max: to - 1 }),
      inYear: fc.nat(365 * DAY),
      change: fc.nat(3),
      shift: fc.oneof(
        fc.constantFrom(-HOUR, -1, 0, 1, HOUR),
        fc.integer({ min: -3 * HOUR, max: 3 * HOUR }),
        fc.integer({ min: -2 * DAY, max: 2 * DAY }),
      ),
    })
    .map(({ timeZone, year, inYear, change, shift }) => {
      const changed = changesOf(timeZone, Date.UTC(year, 0), Date.UTC(year + 1, 0))[change];
      return { timeZone, at: ((changed ?? Date.UTC(year, 0) + inYear) + shift) as EpochMillis };
    });
