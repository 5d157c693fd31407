import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  isAfter,
  MAX_PARTS,
  type Position,
  positionOf,
  subPlaceOf,
  subPositionOf,
  unorderedPositionOf,
} from '../../src/core/position.ts';
import {
  type EpochMillis,
  floorTo,
  isInstant,
  isoTime,
  type Millis,
  millis,
  parseIsoTime,
} from '../../src/core/time.ts';
import type { Duration } from '../../src/index.ts';

const EARLIEST = Date.parse('0000-01-01T00:00:00.000Z');
const LATEST = Date.parse('9999-12-31T23:59:59.999Z');
const DAY = 86_400_000;

const instant = fc.oneof(
  fc.integer({ min: EARLIEST, max: LATEST }),
  fc.integer({ min: -1_000, max: 1_000 }),
  fc.constantFrom(EARLIEST, LATEST, 0),
) as fc.Arbitrary<unknown> as fc.Arbitrary<EpochMillis>;

describe('an instant', () => {
  it('is what four digits of year can write', () => {
    expect(isInstant(EARLIEST)).toBe(true);
    expect(isInstant(LATEST)).toBe(true);
    for (const other of [
      EARLIEST - 1,
      LATEST + 1,
      0.5,
      Number.NaN,
      Number.POSITIVE_INFINITY,
      -Number.MAX_VALUE,
    ]) {
      expect(isInstant(other)).toBe(false);
    }
  });

  it('is written as Date writes it', () => {
    fc.assert(
      fc.property(instant, (at) => {
        expect(isoTime(at)).toBe(new Date(at).toISOString());
      }),
      { numRuns: 5_000 },
    );
  });

  it('is written as Date writes it around every turn of a year and a February of ten millennia', () => {
    for (let year = 0; year <= 9_999; year++) {
      const padded = String(year).padStart(4, '0');
      const turns = [
        `${padded}-01-01T00:00:00.000Z`,
        `${padded}-03-01T00:00:00.000Z`,
        `${padded}-12-31T23:59:59.999Z`,
      ];
      for (const turn of turns) {
        const at = Date.parse(turn) as EpochMillis;
        if (isoTime(at) !== turn || parseIsoTime(turn) !== at)
          expect([isoTime(at), parseIsoTime(turn)]).toEqual([turn, at]);
        const before = (at - 1) as EpochMillis;
        if (isInstant(before)) expect(parseIsoTime(isoTime(before))).toBe(before);
      }
    }
  });

  it('comes back from how it is written', () => {
    fc.assert(
      fc.property(instant, (at) => {
        expect(parseIsoTime(isoTime(at))).toBe(at);
      }),
      { numRuns: 5_000 },
    );
  });
});

/** A date-time in any form that has a zone; its numbers may be out of range by a little. */
const zoned = fc
  .record({
    year: fc.integer({ min: 0, max: 9_999 }),
    month: fc.integer({ min: 0, max: 13 }),
    day: fc.oneof(fc.integer({ min: 0, max: 32 }), fc.integer({ min: 28, max: 31 })),
    hour: fc.integer({ min: 0, max: 24 }),
    minute: fc.integer({ min: 0, max: 60 }),
    second: fc.option(fc.integer({ min: 0, max: 60 })),
    fraction: fc.option(fc.stringMatching(/^\d{1,9}$/)),
    zone: fc.oneof(
      fc.constant('Z'),
      fc
        .tuple(fc.constantFrom('+', '-'), fc.integer({ min: 0, max: 25 }), fc.integer({ min: 0, max: 61 }))
        .map(([sign, hours, minutes]) => `${sign}${two(hours)}:${two(minutes)}`),
    ),
  })
  .map(({ year, month, day, hour, minute, second, fraction, zone }) => {
    const time = [hour, minute, ...(second === null ? [] : [second])].map(two).join(':');
    const rest = second === null || fraction === null ? '' : `.${fraction}`;
    return {
      date: `${String(year).padStart(4, '0')}-${two(month)}-${two(day)}`,
      hour,
      text: `T${time}${rest}${zone}`,
    };
  });
const two = (value: number): string => String(value).padStart(2, '0');

describe('a date-time with a zone', () => {
  it('names the instant that Date.parse says, or none where it says none', () => {
    fc.assert(
      fc.property(zoned, ({ date, hour, text }) => {
        // Date.parse takes the 30th of February for the 2nd of March, and 24:00 for the next day; ISO 8601 names neither.
        const exists = new Date(`${date}T00:00Z`).toJSON()?.startsWith(date) === true && hour < 24;
        const at = exists ? Date.parse(date + text) : Number.NaN;
        expect(parseIsoTime(date + text)).toBe(isInstant(at) ? at : undefined);
      }),
      { numRuns: 5_000 },
    );
  });

  it('in UTC, with any of its characters changed, is what it is with an offset of none', () => {
    const written = fc.oneof(
      zoned.map(({ date, text }) => date + text),
      fc.constantFrom('2001-01-01T00:47:00Z', '2001-01-01T00:47:00.123Z'),
    );
    const change = fc.tuple(fc.nat({ max: 23 }), fc.constantFrom(...'0123456789-:T.Z+/ ａ'));
    fc.assert(
      fc.property(written, fc.option(change), (text, changed) => {
        const said = changed ? text.slice(0, changed[0]) + changed[1] + text.slice(changed[0] + 1) : text;
        expect(parseIsoTime(said)).toBe(parseIsoTime(said.replace(/Z$/, '+00:00')));
      }),
      { numRuns: 5_000 },
    );
  });

  it.each([
    ['2001-01-01T00:47:00Z', '2001-01-01T00:47:00.000Z'],
    ['2001-01-01T00:47Z', '2001-01-01T00:47:00.000Z'],
    ['2001-01-01T00:47:00.5Z', '2001-01-01T00:47:00.500Z'],
    ['2001-01-01T00:47:00.123456789Z', '2001-01-01T00:47:00.123Z'],
    ['2001-01-01T00:47:00+02:00', '2000-12-31T22:47:00.000Z'],
    ['2001-01-01T00:47:00-0530', '2001-01-01T06:17:00.000Z'],
    ['2000-02-29T12:00:00Z', '2000-02-29T12:00:00.000Z'],
    ['1969-12-31T23:59:59.999Z', '1969-12-31T23:59:59.999Z'],
    ['0000-02-29T00:00:00Z', '0000-02-29T00:00:00.000Z'],
  ])('%s is %s', (text, expected) => {
    expect(isoTime(parseIsoTime(text) as EpochMillis)).toBe(expected);
  });

  it.each([
    ['no zone', '2001-01-01T00:47:00'],
    ['a date alone', '2001-01-01'],
    ['no T', '2001-01-01 00:47:00Z'],
    ['February 30', '2001-02-30T00:00:00Z'],
    ['February 29 of no leap year', '1900-02-29T00:00:00Z'],
    ['April 31', '2001-04-31T00:00:00Z'],
    ['month 13', '2001-13-01T00:00:00Z'],
    ['month 0', '2001-00-01T00:00:00Z'],
    ['day 0', '2001-01-00T00:00:00Z'],
    ['hour 24', '2001-01-01T24:00:00Z'],
    ['minute 60', '2001-01-01T00:60:00Z'],
    ['a leap second', '2016-12-31T23:59:60Z'],
    ['an offset of 24 hours', '2001-01-01T00:00:00+24:00'],
    ['an offset of 60 minutes', '2001-01-01T00:00:00+05:60'],
    ['an offset of an hour alone', '2001-01-01T00:00:00+05'],
    ['a fraction of nothing', '2001-01-01T00:00:00.Z'],
    ['ten digits of fraction', '2001-01-01T00:00:00.0123456789Z'],
    ['a year of five digits', '10000-01-01T00:00:00Z'],
    ['a sign before the year', '+002001-01-01T00:00:00Z'],
    ['before the year 0', '0000-01-01T00:00:00+00:01'],
    ['after the year 9999', '9999-12-31T23:59:59-00:01'],
    ['something before it', ' 2001-01-01T00:00:00Z'],
    ['something after it', '2001-01-01T00:00:00Z\n'],
    ['digits of another script', '２００１-01-01T00:00:00Z'],
    ['nothing', ''],
  ])('%s is none: %j', (_, text) => {
    expect(parseIsoTime(text)).toBeUndefined();
  });
});

//  origin                         at
//    |------|------|------|------|--·---|      floorTo: the last mark at or before
describe('floorTo', () => {
  const step = fc.integer({ min: 1, max: 400 * DAY }) as fc.Arbitrary<unknown> as fc.Arbitrary<Millis>;
  const origin = fc.nat({ max: 400 * DAY }) as fc.Arbitrary<unknown> as fc.Arbitrary<Millis>;

  it('is the latest whole number of steps after the origin that is not after the instant', () => {
    fc.assert(
      fc.property(instant, step, origin, (at, each, from) => {
        const floor = floorTo(at, each, from);
        expect(floor).toBeLessThanOrEqual(at);
        expect(at).toBeLessThan(floor + each);
        expect((BigInt(floor) - BigInt(from)) % BigInt(each)).toBe(0n);
      }),
      { numRuns: 2_000 },
    );
  });

  it('changes nothing twice, never turns the order round, and does not mind whole steps of the origin', () => {
    fc.assert(
      fc.property(instant, instant, step, origin, (a, b, each, from) => {
        const [floorA, floorB] = [floorTo(a, each, from), floorTo(b, each, from)];
        expect(floorTo(floorA, each, from)).toBe(floorA);
        if (a <= b) expect(floorA).toBeLessThanOrEqual(floorB);
        expect(floorTo(a, each, (from + 3 * each) as Millis)).toBe(floorA);
      }),
    );
  });
});

describe('a duration', () => {
  it.each([
    ['0s', 0],
    ['500ms', 500],
    ['30s', 30_000],
    ['5m', 300_000],
    ['2h', 7_200_000],
    ['1d', 86_400_000],
    ['1.5s', 1_500],
    ['0.25d', 21_600_000],
    ['007s', 7_000],
  ] as const)('%s is %d milliseconds', (duration, expected) => {
    expect(millis(duration)).toBe(expected);
  });

  it('is exact wherever it is a whole number of milliseconds, and refused wherever it is not', () => {
    const units = { ms: 1n, s: 1_000n, m: 60_000n, h: 3_600_000n, d: 86_400_000n };
    const unit = fc.constantFrom(...(Object.keys(units) as (keyof typeof units)[]));
    fc.assert(
      fc.property(fc.nat({ max: 10_000 }), fc.stringMatching(/^\d{0,4}$/), unit, (whole, fraction, of) => {
        const duration = `${whole}${fraction && '.'}${fraction}${of}` as Duration;
        const scaled = BigInt(whole + fraction) * units[of];
        const scale = 10n ** BigInt(fraction.length);
        if (scaled % scale === 0n) expect(millis(duration)).toBe(Number(scaled / scale));
        else expect(() => millis(duration)).toThrow(RangeError);
      }),
      { numRuns: 2_000 },
    );
  });

  it.each([
    '',
    '5',
    's',
    '5 m',
    ' 5m',
    '5m ',
    '5M',
    '-5m',
    '+5m',
    '1e3ms',
    '.5s',
    '5.s',
    '1m30s',
    '0.5ms',
    '1.0001s',
    'Infinitys',
    'NaNms',
    '9007199254740992ms',
    '5 minutes',
    '٥m',
  ])('%j is none', (text) => {
    expect(() => millis(text as Duration)).toThrow(
      new RangeError(
        `Cannot read "${text}" as a duration: it must be a whole number of milliseconds written like "500ms", "30s", "5m", "2h" or "1d"`,
      ),
    );
  });
});

describe('a position', () => {
  const position = fc
    .oneof(fc.bigInt({ min: 0n, max: 2n ** 186n }), fc.bigInt({ min: 0n, max: 300n }))
    .map((value) => positionOf(String(value)));

  it('stands after another where its number is greater', () => {
    fc.assert(
      fc.property(position, position, (a, b) => {
        expect(isAfter(a, b)).toBe(BigInt(a) > BigInt(b));
        expect(isAfter(a, a)).toBe(false);
      }),
      { numRuns: 2_000 },
    );
  });

  it('stands after the one before it, at every number of digits', () => {
    for (let digits = 1; digits <= 60; digits++) {
      const [nines, power] = [positionOf('9'.repeat(digits)), positionOf(`1${'0'.repeat(digits)}`)];
      expect(isAfter(power, nines)).toBe(true);
      expect(isAfter(nines, power)).toBe(false);
    }
  });

  const part = fc.oneof(fc.nat(MAX_PARTS - 1), fc.constantFrom(0, 1, MAX_PARTS - 1));

  it('has parts that stand in the order of position, member and child, each as wide as any', () => {
    const parts = fc.tuple(position, part, part);
    const numberOf = ([at, member, child]: [Position, number, number]): bigint =>
      BigInt(at) * 10n ** 12n + BigInt(member) * 10n ** 6n + BigInt(child);
    fc.assert(
      fc.property(parts, parts, fc.constantFrom(0, 1, 2), (a, drawn, alike) => {
        const b = [...a.slice(0, alike), ...drawn.slice(alike)] as typeof a;
        const [one, other] = [subPositionOf(true, ...a), subPositionOf(true, ...b)];
        expect(one).toBe(String(numberOf(a)));
        expect(isAfter(one, other)).toBe(numberOf(a) > numberOf(b));
        expect(subPlaceOf(one)).toEqual({ position: a[0], member: a[1], child: a[2] });
      }),
      { numRuns: 2_000 },
    );
  });

  it('that is an id has parts that are told apart by it', () => {
    const id = fc.stringMatching(/^[\w-]{1,100}$/).map(unorderedPositionOf);
    fc.assert(
      fc.property(id, part, part, (position, member, child) => {
        expect(subPlaceOf(subPositionOf(false, position, member, child))).toEqual({
          position,
          member,
          child,
        });
      }),
    );
  });

  it('has no more parts than there is room for', () => {
    for (const [member, child] of [
      [MAX_PARTS, 0],
      [0, MAX_PARTS],
    ] as const) {
      expect(() => subPositionOf(true, positionOf('1'), member, child)).toThrow(
        'Invariant broken: a record has no more parts than its position has room for',
      );
    }
  });

  it('is the text it was made from', () => {
    const largest = '9'.repeat(100) as Position;
    expect([positionOf('0'), positionOf('49590338271490256608559692538361571095921575989136588898')]).toEqual(
      ['0', '49590338271490256608559692538361571095921575989136588898'],
    );
    expect(positionOf(largest)).toBe(largest);
  });

  it.each([
    '',
    '00',
    '01',
    '-1',
    '+1',
    '1.0',
    '1e3',
    '0x10',
    ' 1',
    '1 ',
    '1\n',
    '1n',
    '٣',
    'TRIM_HORIZON',
    '9'.repeat(101),
  ])('is not %j: as text it would compare otherwise than as a number', (text) => {
    expect(() => positionOf(text)).toThrow(
      new RangeError('Cannot use a position that is not a whole number of at most 100 digits'),
    );
  });
});
