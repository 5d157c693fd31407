import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { CodecError, decode, encode } from '../src/core/codec.ts';
import type { Plain } from '../src/core/plain.ts';
import { deepFreeze, EDGES, expectIdentical, identical, nested, plain } from './support/core-plain.ts';

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

  it('is written as it always was: what is stored must stay readable', () => {
    const value = {
      nothing: null,
      yes: true,
      no: false,
      small: [-64, 0, 127],
      whole: [-65, 128, 1_700_000_000_000, -(2 ** 53 - 1)],
      double: [-0, 0.1, Number.NaN, Number.NEGATIVE_INFINITY, 2 ** 53],
      text: ['', 'é', '\u{1f600}', 'yes', 'text'],
      empty: [[], {}],
    };
    const written = [
      '0908' /* a map of 8 */,
      '06076e6f7468696e67' + '00',
      '0603796573' + '02',
      '06026e6f' + '01',
      '0605736d616c6c' + '0803' + '40' + '80' + 'ff',
      '060577686f6c65' + '0804' + '0541' + '048001' + '0480d095ffbc31' + '05ffffffffffffff0f',
      '0606646f75626c65' + '0805',
      '030000000000000080' +
        '039a9999999999b93f' +
        '03000000000000f87f' +
        '03000000000000f0ff' +
        '030000000000004043',
      '060474657874' + '0805' + '0600' + '0602c3a9' + '0604f09f9880' + '0701' + '0706',
      '0605656d707479' + '0802' + '0800' + '0900',
    ].join('');
    expect(Buffer.from(encode(value)).toString('hex')).toBe(written);
    expectIdentical(decode(Buffer.from(written, 'hex')), value);
  });
});

describe('what cannot come back', () => {
  it('is refused when it is read: 65 levels', () => {
    expect(() => decode(encode(nested(65, 'lists')))).toThrow(CodecError);
    expect(() => decode(encode(nested(65, 'maps')))).toThrow(CodecError);
  });
});
