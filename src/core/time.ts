declare const instant: unique symbol;
declare const length: unique symbol;

/** An instant: integer milliseconds since 1970-01-01T00:00:00Z. */
export type EpochMillis = number & { readonly [instant]: true };

/** A length of time: integer milliseconds. */
export type Millis = number & { readonly [length]: true };

/** A length of time as a user writes it: `'500ms'`, `'30s'`, `'5m'`, `'2h'`, `'1d'` (a day is 24 hours). */
export type Duration = `${number}${'ms' | 's' | 'm' | 'h' | 'd'}`;

const MILLIS_PER_UNIT = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 } as const;

const DAY = MILLIS_PER_UNIT.d as Millis;

/**
 * Reads a duration, and returns its milliseconds.
 *
 * @throws RangeError when it is not a whole, non-negative number of milliseconds below 2^53
 */
export function millis(duration: Duration): Millis {
  const [, whole = 'none', fraction = '', unit] = /^(\d+)(?:\.(\d+))?(ms|s|m|h|d)$/.exec(duration) ?? [];
  // The division comes last: 1.1 times an hour is no whole number of milliseconds, but 11 times an hour over
  // 10 is.
  const value =
    (Number(whole + fraction) * MILLIS_PER_UNIT[unit as keyof typeof MILLIS_PER_UNIT]) /
    10 ** fraction.length;
  if (!Number.isSafeInteger(value)) {
    throw new RangeError(
      `Cannot read "${duration}" as a duration: it must be a whole number of milliseconds ` +
        'written like "500ms", "30s", "5m", "2h" or "1d"',
    );
  }
  return value as Millis;
}

export const after = (at: EpochMillis, length: Millis): EpochMillis => (at + length) as EpochMillis;
export const before = (at: EpochMillis, length: Millis): EpochMillis => (at - length) as EpochMillis;

/** Returns the latest instant at or before `at` that is a whole number of `step`s after `origin`. */
export function floorTo(at: number, step: Millis, origin: Millis): EpochMillis {
  const since = at - origin;
  // The quotient of whole numbers below 2^53 is never rounded up to a whole number. The operator % would take
  // five times as long.
  return (at - (since - Math.floor(since / step) * step)) as EpochMillis;
}

/**
 * The instants that ISO 8601 writes with four digits of year: from 0000-01-01 up to, but not including,
 * 10000-01-01.
 */
const EARLIEST = -62_167_219_200_000;
const LATEST = 253_402_300_800_000;

export const isInstant = (value: number): value is EpochMillis =>
  Number.isInteger(value) && value >= EARLIEST && value < LATEST;

/** Writes an instant as ISO 8601 in UTC with milliseconds: `2001-01-01T00:47:00.000Z`. */
export function isoTime(at: EpochMillis): string {
  const days = Math.floor(at / DAY);
  const inDay = at - days * DAY;
  const { year, month, day } = civilFromDays(days);
  const hour = Math.floor(inDay / 3_600_000);
  const minute = Math.floor(inDay / 60_000) % 60;
  const second = Math.floor(inDay / 1_000) % 60;
  const date = `${pad(year, 4)}-${pad(month, 2)}-${pad(day, 2)}`;
  return `${date}T${pad(hour, 2)}:${pad(minute, 2)}:${pad(second, 2)}.${pad(inDay % 1_000, 3)}Z`;
}

const ISO = /^(\d{4})-(\d\d)-(\d\d)T(\d\d):(\d\d)(?::(\d\d)(?:\.(\d{1,9}))?)?(?:Z|([+-])(\d\d):?(\d\d))$/;

/**
 * Returns the instant that an ISO 8601 date-time names, or undefined when the text is not one. A zone (`Z` or
 * `±hh:mm`) is required, as without it the same text would mean another instant on every machine. Digits
 * finer than a millisecond are cut off.
 */
export function parseIsoTime(text: string): EpochMillis | undefined {
  const inUtc = parseInUtc(text);
  if (inUtc !== undefined) return inUtc;
  const match = ISO.exec(text);
  if (!match) return undefined;
  const [year, month, day, hour, minute, second] = match.slice(1, 7).map((digits) => Number(digits ?? 0)) as [
    number,
    number,
    number,
    number,
    number,
    number,
  ];
  const [offsetHours, offsetMinutes] = [Number(match[9] ?? 0), Number(match[10] ?? 0)];
  if (offsetHours > 23 || offsetMinutes > 59) return undefined;
  const fraction = Number((match[7] ?? '').padEnd(3, '0').slice(0, 3));
  const offset = (match[8] === '-' ? -1 : 1) * (offsetHours * 60 + offsetMinutes);
  return instantOf(year, month, day, hour, minute, second, fraction, offset);
}

/**
 * Reads `YYYY-MM-DDThh:mm:ssZ` and `YYYY-MM-DDThh:mm:ss.sssZ`, as most are written, in a fraction of the time that the
 * pattern takes. It returns undefined for what is of another form, or no time.
 */
function parseInUtc(text: string): EpochMillis | undefined {
  const { length } = text;
  const hasFraction = length === 24 && text[19] === '.';
  if ((length !== 20 && !hasFraction) || text[length - 1] !== 'Z') return undefined;
  if (text[4] !== '-' || text[7] !== '-' || text[10] !== 'T' || text[13] !== ':' || text[16] !== ':')
    return undefined;
  return instantOf(
    digits(text, 0, 4),
    digits(text, 5, 7),
    digits(text, 8, 10),
    digits(text, 11, 13),
    digits(text, 14, 16),
    digits(text, 17, 19),
    hasFraction ? digits(text, 20, 23) : 0,
    0,
  );
}

/** Reads the digits `[from, to)` of a text: NaN where one of them is none. */
function digits(text: string, from: number, to: number): number {
  let value = 0;
  for (let at = from; at < to; at++) {
    const digit = text.charCodeAt(at) - 48;
    value = digit >= 0 && digit <= 9 ? 10 * value + digit : Number.NaN;
  }
  return value;
}

/** @param offset in minutes, of the zone from UTC */
function instantOf(
  year: number,
  month: number,
  day: number,
  hour: number,
  minute: number,
  second: number,
  fraction: number,
  offset: number,
): EpochMillis | undefined {
  if (month < 1 || month > 12 || day < 1 || day > daysInMonth(year, month)) return undefined;
  if (hour > 23 || minute > 59 || second > 59) return undefined;
  const local =
    daysFromCivil(year, month, day) * DAY + ((hour * 60 + minute) * 60 + second) * 1_000 + fraction;
  const at = local - offset * 60_000;
  return isInstant(at) ? at : undefined;
}

const pad = (value: number, width: number): string => String(value).padStart(width, '0');

const daysInMonth = (year: number, month: number): number =>
  daysFromCivil(month === 12 ? year + 1 : year, (month % 12) + 1, 1) - daysFromCivil(year, month, 1);

/**
 * Converts between a date of the proleptic Gregorian calendar and the days since 1970-01-01.
 *
 * Years are counted from March, so that the leap day is the last day of a year; an era is 400 years, 146,097
 * days. Hinnant, "chrono-Compatible Low-Level Date Algorithms", 2013.
 */
export function daysFromCivil(year: number, month: number, day: number): number {
  const marchYear = month <= 2 ? year - 1 : year;
  const era = Math.floor(marchYear / 400);
  const yearOfEra = marchYear - era * 400;
  const dayOfYear = Math.floor((153 * (month + (month > 2 ? -3 : 9)) + 2) / 5) + day - 1;
  const dayOfEra = yearOfEra * 365 + Math.floor(yearOfEra / 4) - Math.floor(yearOfEra / 100) + dayOfYear;
  return era * 146_097 + dayOfEra - 719_468;
}

export function civilFromDays(days: number): { year: number; month: number; day: number } {
  const shifted = days + 719_468;
  const era = Math.floor(shifted / 146_097);
  const dayOfEra = shifted - era * 146_097;
  const yearOfEra = Math.floor(
    (dayOfEra -
      Math.floor(dayOfEra / 1_460) +
      Math.floor(dayOfEra / 36_524) -
      Math.floor(dayOfEra / 146_096)) /
      365,
  );
  const dayOfYear = dayOfEra - (365 * yearOfEra + Math.floor(yearOfEra / 4) - Math.floor(yearOfEra / 100));
  const shiftedMonth = Math.floor((5 * dayOfYear + 2) / 153);
  const month = shiftedMonth < 10 ? shiftedMonth + 3 : shiftedMonth - 9;
  const day = dayOfYear - Math.floor((153 * shiftedMonth + 2) / 5) + 1;
  return { year: yearOfEra + era * 400 + (month <= 2 ? 1 : 0), month, day };
}
