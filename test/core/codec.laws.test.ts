import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  CodecError,
  decode,
  decodeTables,
  encode,
  encodeTables,
  frame,
  MAX_NUMBERS,
  unframe,
} from '../../src/core/codec.ts';
import type { Plain } from '../../src/core/plain.ts';
import type { Table } from '../../src/core/table.ts';
import { column, contentsOf, drawn, slots, tableOf } from './codec-columns.ts';
import { crc32c } from './codec-crc.ts';
import { deepFreeze, EDGES, expectIdentical, identical, nested, plain } from './plain.ts';

const expectRoundTrip = (value: Plain) => expectIdentical(decode(encode(value)), value);

describe('plain data', () => {
  it('comes back to the bit', () => {
    fc.assert(fc.property(plain, expectRoundTrip), { numRuns: 2_000 });
  });

  it.each(EDGES.map((value) => [Object.is(value, -0) ? '-0' : String(value), value] as const))(
    'comes back to the bit where it is %s',
    (_, value) => expectRoundTrip([value, { value }]),
  );

  it('comes back to the bit where a whole number is next to a power of two', () => {
    for (let power = 0; power <= 53; power++) {
      for (const value of [2 ** power - 1, 2 ** power, 2 ** power + 1]) expectRoundTrip([value, -value]);
    }
  });

  it.each(['lists', 'maps'] as const)('comes back from 64 %s in each other', (within) => {
    expectRoundTrip(nested(64, within));
    expectRoundTrip(nested(63, within, []));
  });

  it('comes back with texts of every length that is written in another number of bytes', () => {
    for (const length of [0, 1, 127, 128, 16_383, 16_384, 100_000]) {
      expectRoundTrip('x'.repeat(length));
      expectRoundTrip({ ['é'.repeat(length)]: '\u{1f600}'.repeat(length) });
    }
  });

  it('keeps a name that an object literal would take for its prototype', () => {
    const value = JSON.parse('{"__proto__":{"admin":true},"constructor":1}');
    const back = decode(encode(value)) as object;
    expectIdentical(back, value);
    expect(Object.getPrototypeOf(back)).toBe(Object.prototype);
    expect('admin' in back).toBe(false);
  });

  it('is left as it was', () => {
    fc.assert(
      fc.property(plain, (value) => {
        encode(deepFreeze(value));
      }),
    );
  });

  it('costs a reference where a text occurs again', () => {
    fc.assert(
      fc.property(fc.string({ minLength: 20 }), fc.integer({ min: 1, max: 60 }), (text, times) => {
        const once = encode([text]).length;
        const more = encode(Array.from({ length: times + 1 }, () => text)).length;
        // A tag and the number of the text.
        expect(more - once).toBe(2 * times);
      }),
    );
  });

  it('has one encoding', () => {
    fc.assert(
      fc.property(plain, plain, (a, b) => {
        expect(Buffer.compare(encode(a), encode(b)) === 0).toBe(identical(a, b));
        expect(encode(decode(encode(a)))).toEqual(encode(a));
      }),
    );
  });
});

describe('what cannot come back', () => {
  it('is refused when it is read: 65 levels', () => {
    expect(() => decode(encode(nested(65, 'lists')))).toThrow(CodecError);
    expect(() => decode(encode(nested(65, 'maps')))).toThrow(CodecError);
  });

  it('is refused when it is written: one number more than are read back', () => {
    const refused = new CodecError(`Cannot encode more than ${MAX_NUMBERS} numbers`);
    const eighth = new Array<number>(MAX_NUMBERS / 8).fill(0.5);
    const most = new Array<Plain>(8).fill(eighth);
    expect((decode(encode(most)) as readonly number[][]).flat()).toHaveLength(MAX_NUMBERS);
    expect(() => encode([...most, [1, 2, 3, 4]])).toThrow(refused);

    // A table takes as much as its place, and where it has rows 16 numbers more.
    const tables = new Array<Table>(Math.floor(MAX_NUMBERS / 17)).fill(tableOf(0, 0, [[[], []]]));
    expect(decodeTables(encodeTables([tables]))[0]).toHaveLength(tables.length);
    expect(() => encodeTables([tables, tables.slice(0, 2)])).toThrow(refused);
  });
});

describe('a list of numbers', () => {
  it('comes back to the bit', () => {
    fc.assert(fc.property(column, expectRoundTrip), { numRuns: 3_000 });
  });

  it('comes back to the bit where its values are multiples of any power of two', () => {
    for (let power = -1_074; power <= 1_021; power++) {
      const unit = 2 ** power;
      expectRoundTrip([unit, 3 * unit, -unit, 2 * unit, 0, 1.5 * unit]);
    }
  });

  it('comes back to the bit where its values have any number of digits behind the point', () => {
    for (let places = 0; places <= 20; places++) {
      expectRoundTrip([1, 12, 7, 123, -5, 0, 98, 99].map((digits) => Number(`${digits}e-${places}`)));
    }
  });

  it('never takes more than its doubles, a tag for it and for them, and its length', () => {
    fc.assert(
      fc.property(column, (values) => {
        expect(encode(values).length).toBeLessThanOrEqual(8 * values.length + 5);
      }),
      { numRuns: 1_000 },
    );
  });

  it('is written in the same bytes whatever the bits of its NaNs', () => {
    const bits = new BigUint64Array([0x7ff8_0000_0000_0000n, 0xfff8_0000_0000_0000n, 0x7ff0_0000_0000_0abcn]);
    for (const odd of new Float64Array(bits.buffer)) {
      for (const rest of [
        [1, 2, 3, 4, 5, 6, 7],
        [0.1 + 0.2, Math.PI, Math.E],
        [Number.NaN, Number.NaN],
      ]) {
        expect(encode([odd, ...rest, odd])).toEqual(encode([Number.NaN, ...rest, Number.NaN]));
      }
      expect(encode(odd)).toEqual(encode(Number.NaN));
    }
  });
});

describe('tables', () => {
  it('come back to the bit, with room for their rows alone', () => {
    fc.assert(
      fc.property(slots, (given) => {
        const back = decodeTables(encodeTables(given));
        expectIdentical(
          back.map((tables) => tables.map(contentsOf)),
          given.map((tables) => tables.map(contentsOf)),
        );
        for (const table of back.flat()) expect(table.numbers.length).toBe(table.rows * table.width);
      }),
      { numRuns: 1_000 },
    );
  });

  it('come back each with an array of its own', () => {
    const [[a, b] = []] = decodeTables(encodeTables([[tableOf(1, 0, [[[1]]]), tableOf(1, 0, [[[2]]])]]));
    expect(a?.numbers).not.toBe(b?.numbers);
  });

  it('are written in the same bytes whatever room they have', () => {
    fc.assert(
      fc.property(slots, (given) => {
        const grown = given.map((tables) =>
          tables.map((table) => {
            const copy = table.copy();
            copy.push();
            copy.numbers.fill(7, table.rows * table.width);
            copy.rows = table.rows;
            return copy;
          }),
        );
        expect(Buffer.compare(encodeTables(grown), encodeTables(given))).toBe(0);
      }),
      { numRuns: 200 },
    );
  });

  it('are left as they were', () => {
    fc.assert(
      fc.property(slots, (given) => {
        const before = given.map((tables) => tables.map(contentsOf));
        encodeTables(given);
        expectIdentical(
          given.map((tables) => tables.map(contentsOf)),
          before,
        );
      }),
      { numRuns: 200 },
    );
  });

  it('never take more than 1.02 times their doubles and a little', () => {
    fc.assert(
      fc.property(fc.array(column, { minLength: 1, maxLength: 4 }), (columns) => {
        const rows = Math.max(...columns.map((values) => values.length));
        const table = tableOf(
          columns.length,
          0,
          Array.from({ length: rows }, (_, row) => [columns.map((values) => values[row] ?? 0)]),
        );
        const doubles = 8 * rows * columns.length;
        expect(encodeTables([[table]]).length).toBeLessThanOrEqual(1.02 * doubles + 2 * columns.length + 14);
      }),
    );
  });

  it('cost a byte where a column equals another one', () => {
    fc.assert(
      fc.property(column, (values) => {
        fc.pre(values.length > 0);
        const once = tableOf(
          1,
          0,
          values.map((value) => [[value]]),
        );
        const twice = tableOf(
          2,
          0,
          values.map((value) => [[value, value]]),
        );
        expect(encodeTables([[twice]]).length - encodeTables([[once]]).length).toBe(1);
      }),
    );
  });

  it('share their texts', () => {
    const text = 'a text of some length';
    const tables = Array.from({ length: 10 }, () => tableOf(0, 1, [[[], [text]]]));
    expect(encodeTables([tables, tables]).length).toBeLessThan(2 * text.length + 60);
  });

  it('of one slot that have different layouts are refused', () => {
    expect(() => encodeTables([[tableOf(1, 0, []), tableOf(2, 0, [])]])).toThrow(/one layout/);
    expect(() => encodeTables([[tableOf(1, 0, []), tableOf(1, 1, [])]])).toThrow(/one layout/);
  });
});

describe('what is kept most is small', () => {
  const KEYS = 100;
  const ROWS = 100;
  const perRow = (width: number, rowOf: (key: number, row: number) => readonly number[]) => {
    const tables = Array.from({ length: KEYS }, (_, key) =>
      tableOf(
        width,
        0,
        Array.from({ length: ROWS }, (_, row) => [rowOf(key, row)]),
      ),
    );
    return encodeTables([tables]).length / (KEYS * ROWS);
  };

  it.each([1, 2, 3])(
    'readings with %i digits behind the point, up to 0.5 apart, take 1.5 bytes',
    (places) => {
      const random = drawn(1);
      let at = 20;
      const next = () => {
        at = Math.round((at + random() - 0.5) * 10 ** places) / 10 ** places;
        return at;
      };
      expect(perRow(1, () => [next()])).toBeLessThan(1.5);
    },
  );

  it.each([0, 20])('times that a second lies between, give or take %i ms, take 1.1 bytes', (jitter) => {
    const random = drawn(1);
    expect(
      perRow(1, (key, row) => [1.7e12 + 137 * key + 1_000 * row + Math.round((random() - 0.5) * 2 * jitter)]),
    ).toBeLessThan(1.1);
  });

  it('slices of a mean over 100 readings with 3 digits behind the point take 8 bytes', () => {
    const random = drawn(1);
    let at = 20;
    expect(
      perRow(6, (_, row) => {
        const count = 98 + Math.round(4 * random());
        let [sum, lost] = [0, 0];
        for (let i = 0; i < count; i++) {
          at = Math.round((at + (20 - at) * 0.01 + random() - 0.5) * 1_000) / 1_000;
          const next = sum + at;
          lost += sum - (next - (next - sum)) + (at - (next - sum));
          sum = next;
        }
        return [1.7e12 + 10_000 * row, count, count, sum, lost, 0];
      }),
    ).toBeLessThan(8);
  });
});

describe('a frame', () => {
  const sections = fc.array(fc.uint8Array({ maxLength: 300 }), { maxLength: 5 });

  it('gives its sections back', () => {
    fc.assert(
      fc.property(sections, (given) => {
        expect(unframe(frame(given))).toEqual(given);
      }),
    );
  });

  it('takes its version, its checksum, and some bytes a section', () => {
    expect(frame([]).length).toBe(6);
    expect(frame([new Uint8Array(100), new Uint8Array(0)]).length).toBe(1 + 1 + 2 + 100 + 4);
  });

  it('ends with the CRC-32C of the bytes before', () => {
    const bytes = frame([new TextEncoder().encode('123456789')]);
    expect(crc32c(bytes.subarray(0, -4))).toBe(new DataView(bytes.buffer).getUint32(bytes.length - 4, true));
    // RFC 3720, section B.4: 32 bytes of 0.
    expect(crc32c(new Uint8Array(32))).toBe(0x8a91_36aa);
  });
});
