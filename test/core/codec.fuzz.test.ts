import { Worker } from 'node:worker_threads';
import { buildSync } from 'esbuild';
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
import { expectEqual } from '../expect.ts';
import { column, slots } from './codec-columns.ts';
import { sealed } from './codec-crc.ts';
import { plain } from './plain.ts';

/** Decodes, or is refused in the one way that callers expect. */
function decodeOrRefuse<Value>(bytes: Uint8Array, reader: (bytes: Uint8Array) => Value): Value | undefined {
  try {
    return reader(bytes);
  } catch (error) {
    expect(error).toBeInstanceOf(CodecError);
    return undefined;
  }
}

const LIST = 8;
const NUMBERS = 10;

/** Of a double, the lowest first. */
function double(value: number): readonly number[] {
  const bytes = new Uint8Array(8);
  new DataView(bytes.buffer).setFloat64(0, value, true);
  return [...bytes];
}

/** Of a whole number, seven bits each, the lowest first. */
const varint = (value: number): readonly number[] =>
  value < 128 ? [value] : [(value % 128) + 128, ...varint(Math.floor(value / 128))];

/** Values in a value, itself, its items and its names counted. */
function sizeOf(value: Plain): number {
  if (typeof value !== 'object' || value === null) return 1;
  const names = Array.isArray(value) ? 0 : Object.keys(value).length;
  return Object.values(value).reduce((total: number, item: Plain) => total + sizeOf(item), 1 + names);
}

/** Bytes that mean something: tags, counts and small numbers rather than noise. */
const meaningful = fc.array(fc.oneof(fc.integer({ min: 0, max: 12 }), fc.constantFrom(64, 127, 128, 255)), {
  maxLength: 60,
});

/** The tag of a list of numbers, its length, the kind of its column, and anything. */
const columnsOfNoise = fc
  .tuple(
    fc.integer({ min: 1, max: 127 }),
    fc.oneof(fc.constantFrom(0, 1, 2), fc.constantFrom(0x10, 0x20, 0x50, 0x90, 0xa0, 0xd0), fc.nat(255)),
    fc.oneof(fc.array(fc.nat(255), { maxLength: 200 }), fc.array(fc.nat(8), { maxLength: 40 })),
  )
  .map(([count, kind, rest]) => Uint8Array.from([NUMBERS, count, kind, ...rest]));

const damage = fc.array(
  fc.record({
    at: fc.nat(),
    to: fc.integer({ min: 0, max: 255 }),
    how: fc.constantFrom('overwrite', 'insert', 'delete', 'truncate'),
  }),
  { minLength: 1, maxLength: 4 },
);
type Damage = typeof damage extends fc.Arbitrary<infer Steps> ? Steps : never;

function damaged(written: Uint8Array, steps: Damage): Uint8Array {
  let bytes = [...written];
  for (const { at, to, how } of steps) {
    const place = at % (bytes.length + 1);
    if (how === 'overwrite') bytes[place] = to;
    else if (how === 'insert') bytes.splice(place, 0, to);
    else if (how === 'delete') bytes.splice(place, 1);
    else bytes = bytes.slice(0, place);
  }
  return Uint8Array.from(bytes);
}

describe('any bytes', () => {
  it.each([
    { what: 'noise', bytes: fc.uint8Array({ maxLength: 200 }) },
    { what: 'tags and counts', bytes: meaningful.map((bytes) => Uint8Array.from(bytes)) },
    { what: 'columns of noise', bytes: columnsOfNoise },
  ])('decode or are refused: $what', ({ bytes }) => {
    fc.assert(
      fc.property(bytes, (given) => {
        const value = decodeOrRefuse(given, decode);
        if (value === undefined) return;
        expect(sizeOf(value)).toBeLessThanOrEqual(given.length + MAX_NUMBERS);
        const again = encode(value);
        expect(Buffer.compare(encode(decode(again)), again)).toBe(0);
      }),
      { numRuns: 5_000 },
    );
  });

  it('that were written and then damaged decode or are refused', () => {
    fc.assert(
      fc.property(fc.oneof(plain, column), damage, (value, steps) => {
        decodeOrRefuse(damaged(encode(value), steps), decode);
      }),
      { numRuns: 3_000 },
    );
  });

  it('that end too early are refused wherever they end', () => {
    fc.assert(
      fc.property(fc.oneof(plain, column), (value) => {
        const bytes = encode(value);
        for (let length = 0; length < bytes.length; length++) {
          expect(() => decode(bytes.subarray(0, length))).toThrow(CodecError);
        }
      }),
      { numRuns: 200 },
    );
  });

  it('are read in place: what lies around them is nobody’s business', () => {
    fc.assert(
      fc.property(
        plain,
        fc.uint8Array({ maxLength: 9 }),
        fc.uint8Array({ maxLength: 9 }),
        (value, before, behind) => {
          const bytes = encode(value);
          const around = Uint8Array.from([...before, ...bytes, ...behind]);
          const [from, to] = [before.length, before.length + bytes.length];
          expectEqual(decode(around.subarray(from, to)), value);
          if (behind.length > 0) expect(() => decode(around.subarray(from))).toThrow(CodecError);
        },
      ),
    );
  });
});

describe('refuses', () => {
  const TEXT = 6;
  const SAME_TEXT = 7;
  const MAP = 9;
  it.each([
    { what: 'nothing at all', bytes: [], as: 'the bytes end inside a value' },
    { what: 'an unknown tag', bytes: [11], as: 'unknown tag 11' },
    { what: 'a value after the value', bytes: [0, 0], as: 'bytes follow the value' },
    { what: 'a number cut short', bytes: [3, 0, 0], as: 'the bytes end inside a value' },
    {
      what: 'a whole number that never ends',
      bytes: [4, ...Array(60).fill(128), 1],
      as: 'a whole number over 2^53',
    },
    { what: '2^53', bytes: [4, ...Array(7).fill(128), 16], as: 'a whole number over 2^53' },
    {
      what: 'a list longer than the bytes',
      bytes: [LIST, 3, 0],
      as: 'a count larger than the bytes that are left',
    },
    {
      what: 'a map longer than the bytes',
      bytes: [MAP, 127],
      as: 'a count larger than the bytes that are left',
    },
    {
      what: 'a text longer than the bytes',
      bytes: [TEXT, 2, 65],
      as: 'a count larger than the bytes that are left',
    },
    { what: 'text that is not UTF-8', bytes: [TEXT, 1, 0xff], as: 'text that is not UTF-8' },
    { what: 'half a character', bytes: [TEXT, 3, 0xed, 0xa0, 0x80], as: 'text that is not UTF-8' },
    { what: 'the same text as none', bytes: [SAME_TEXT, 0], as: 'a reference to no text' },
    { what: 'a name that is a number', bytes: [MAP, 1, 64, 0], as: 'a name that is not text' },
    { what: 'an unknown kind of numbers', bytes: [NUMBERS, 4, 3], as: 'numbers of unknown kind 3' },
    { what: 'ulps of constants', bytes: [NUMBERS, 4, 0x41], as: 'numbers of unknown kind 65' },
    { what: '13 digits', bytes: [NUMBERS, 4, 0x1d], as: 'numbers of unknown kind 29' },
    { what: 'doubles cut short', bytes: [NUMBERS, 4, 0, ...double(1)], as: 'the bytes end inside a value' },
    { what: 'bits cut short', bytes: [NUMBERS, 4, 0x10, 0, 9, 0, 1], as: 'the bytes end inside a value' },
    {
      what: 'wide bits cut short',
      bytes: [NUMBERS, 4, 0x10, 0, 40, 0, 1],
      as: 'the bytes end inside a value',
    },
    { what: '54 bits', bytes: [NUMBERS, 4, 0x10, 0, 54, 0], as: 'whole numbers of unknown width 54' },
    { what: 'an unknown split', bytes: [NUMBERS, 4, 0x10, 2], as: 'whole numbers of unknown kind 2' },
    {
      what: 'a power of two that is none',
      bytes: [NUMBERS, 4, 0x20, 0xfe, 0x0f],
      as: 'an exponent of 1023',
    },
    {
      what: 'a window of bits before the first one',
      bytes: [NUMBERS, 4, 2, ...double(1), 1],
      as: 'a number of no width',
    },
    {
      what: 'two other values of four',
      bytes: [NUMBERS, 4, 0x90, 0, 0, 0, 2, 0, 0],
      as: 'too many values that do not fit',
    },
    {
      what: 'another value after the last',
      bytes: [NUMBERS, 4, 0x90, 0, 0, 0, 1, 4, 1, ...double(1)],
      as: 'a value after the last one',
    },
    {
      what: 'more numbers than there is room for',
      bytes: [NUMBERS, ...varint(MAX_NUMBERS + 1), 1, ...double(0)],
      as: `more than ${MAX_NUMBERS} numbers`,
    },
    {
      what: 'more numbers than there is room for, in two lists',
      bytes: [LIST, 2, NUMBERS, 1, 1, ...double(0), NUMBERS, ...varint(MAX_NUMBERS), 1, ...double(0)],
      as: `more than ${MAX_NUMBERS} numbers`,
    },
    {
      what: 'numbers at 65 levels',
      bytes: [...Array(64).fill([LIST, 1]).flat(), NUMBERS, 4, 1, ...double(0)],
      as: 'nested deeper than 64',
    },
    { what: '65 levels', bytes: [...Array(65).fill([LIST, 1]).flat(), 0], as: 'nested deeper than 64' },
  ])('$what', ({ bytes, as }) => {
    const message = new RegExp(
      `^Cannot decode ${bytes.length} bytes: ${as.replace('^', '\\^')}, at byte \\d+$`,
    );
    expect(() => decode(Uint8Array.from(bytes))).toThrow(message);
  });

  it('not as many numbers as there is room for', () => {
    const bytes = Uint8Array.from([NUMBERS, ...varint(MAX_NUMBERS), 1, ...double(0.5)]);
    expect((decode(bytes) as number[]).length).toBe(MAX_NUMBERS);
  });

  // 64 lists, each the first item of the one before, each saying that it is as long as all the bytes that are left.
  it.each(['list', 'map'])(
    'a %s that says again and again that it is as long as its bytes, in little memory',
    async (kind) => {
      const size = 1_000_000;
      const bytes = new Uint8Array(size).fill(64);
      let at = 0;
      for (let level = 0; level < 64; level++) {
        const rest = size - at - 4;
        bytes.set(
          [kind === 'list' ? LIST : MAP, (rest & 127) | 128, ((rest >> 7) & 127) | 128, rest >> 14],
          at,
        );
        at += 4;
        if (kind === 'map') {
          bytes.set([TEXT, 0], at);
          at += 2;
        }
      }
      expect(await decodedWithin(32, bytes)).toBe('CodecError');
    },
  );
});

describe('tables', () => {
  const tablesOfNoise = fc
    .tuple(
      fc.nat(3),
      fc.nat(3),
      fc.nat(2),
      fc.oneof(fc.array(fc.nat(255), { maxLength: 100 }), fc.array(fc.nat(10), { maxLength: 60 })),
    )
    .map(([keys, width, plainWidth, rest]) => Uint8Array.from([1, keys, width, plainWidth, ...rest]));

  it.each([
    { what: 'noise', bytes: fc.uint8Array({ maxLength: 200 }) },
    { what: 'tables of noise', bytes: tablesOfNoise },
    {
      what: 'damaged tables',
      bytes: fc.tuple(slots, damage).map(([given, steps]) => damaged(encodeTables(given), steps)),
    },
  ])('decode or are refused: $what', ({ bytes }) => {
    fc.assert(
      fc.property(bytes, (given) => {
        for (const table of decodeOrRefuse(given, decodeTables)?.flat() ?? []) {
          expect(table.numbers.length).toBe(table.rows * table.width);
          expect(table.plains.length).toBe(table.rows * table.plainWidth);
        }
      }),
      { numRuns: 2_000 },
    );
  });

  it('that end too early are refused wherever they end', () => {
    fc.assert(
      fc.property(slots, (given) => {
        const bytes = encodeTables(given);
        const step = Math.ceil(bytes.length / 200);
        for (let length = 0; length < bytes.length; length += step) {
          expect(() => decodeTables(bytes.subarray(0, length))).toThrow(CodecError);
        }
      }),
      { numRuns: 100 },
    );
  });

  const rows = (count: number) => [1, ...double(count)];
  it.each([
    { what: 'nothing at all', bytes: [], as: 'the bytes end inside a value' },
    { what: 'more slots than bytes', bytes: [2, 0], as: 'a count larger than the bytes that are left' },
    { what: 'bytes after the last slot', bytes: [1, 0, 0], as: 'bytes follow the value' },
    { what: 'a table of half a row', bytes: [1, 1, 1, 0, ...rows(0.5)], as: 'no whole number of rows' },
    { what: 'a table of -1 rows', bytes: [1, 1, 1, 0, ...rows(-1)], as: 'no whole number of rows' },
    { what: 'a table of -0 rows', bytes: [1, 1, 1, 0, ...rows(-0)], as: 'no whole number of rows' },
    { what: 'a table of NaN rows', bytes: [1, 1, 1, 0, ...rows(Number.NaN)], as: 'no whole number of rows' },
    {
      what: 'the same as a column that comes later',
      bytes: [1, 1, 1, 0, ...rows(1), 1],
      as: 'a column that equals none before it',
    },
    {
      what: 'a column of too few plain values',
      bytes: [1, 1, 0, 1, ...rows(2), LIST, 1, 0],
      as: 'a column that has not one value a row',
    },
    {
      what: 'a column that is no list',
      bytes: [1, 1, 0, 1, ...rows(1), 0],
      as: 'a column that has not one value a row',
    },
    { what: 'a key for every atom', bytes: [1, ...varint(2 ** 52), 0, 0], as: 'numbers' },
    { what: 'too many keys without a row', bytes: [1, ...varint(MAX_NUMBERS + 1), 0, 0], as: 'numbers' },
    { what: 'too many rows', bytes: [1, 1, 1, 0, ...rows(MAX_NUMBERS)], as: 'numbers' },
    { what: 'rows without end', bytes: [1, 2, 1, 0, ...rows(2 ** 52)], as: 'numbers' },
    { what: 'too wide a row', bytes: [1, 1, ...varint(2 ** 52), 0, ...rows(1)], as: 'numbers' },
  ])('are refused: $what', ({ bytes, as }) => {
    expect(() => decodeTables(Uint8Array.from(bytes))).toThrow(CodecError);
    expect(() => decodeTables(Uint8Array.from(bytes))).toThrow(as);
  });

  it('without rows take no time, however wide', () => {
    const wide = Number.MAX_SAFE_INTEGER;
    const [[table] = []] = decodeTables(
      Uint8Array.from([1, 1, ...varint(wide), ...varint(wide), ...rows(0)]),
    );
    expect(table).toMatchObject({ width: wide, plainWidth: wide, rows: 0 });
  });
});

describe('a frame', () => {
  const framed = fc.array(fc.uint8Array({ maxLength: 100 }), { maxLength: 3 }).map(frame);

  it('is refused with any bit flipped', () => {
    fc.assert(
      fc.property(framed, (bytes) => {
        for (let bit = 0; bit < 8 * bytes.length; bit++) {
          const flipped = Uint8Array.from(bytes);
          flipped[bit >> 3] = (flipped[bit >> 3] as number) ^ (1 << (bit & 7));
          expect(() => unframe(flipped)).toThrow(CodecError);
        }
      }),
      { numRuns: 30 },
    );
  });

  it('is refused with up to 32 bits on end altered', () => {
    fc.assert(
      fc.property(framed, fc.nat(), fc.integer({ min: 1, max: 2 ** 32 - 1 }), (bytes, at, pattern) => {
        const altered = Uint8Array.from(bytes);
        const view = new DataView(altered.buffer);
        const place = at % (bytes.length - 3);
        view.setUint32(place, (view.getUint32(place) ^ pattern) >>> 0);
        expect(() => unframe(altered)).toThrow(CodecError);
      }),
      { numRuns: 2_000 },
    );
  });

  it('is refused cut short, grown, or made of noise', () => {
    fc.assert(
      fc.property(framed, fc.uint8Array({ minLength: 1, maxLength: 40 }), (bytes, noise) => {
        for (let length = 0; length < bytes.length; length++) {
          expect(() => unframe(bytes.subarray(0, length))).toThrow(CodecError);
        }
        expect(() => unframe(Uint8Array.from([...bytes, ...noise]))).toThrow(CodecError);
        expect(() => unframe(noise)).toThrow(CodecError);
      }),
    );
  });

  it.each([
    { what: 'another version', bytes: sealed([2, 0]), as: /this code reads version 1: it is of version 2$/ },
    { what: 'no version', bytes: new Uint8Array(0), as: /this code reads version 1: it is of version none$/ },
    { what: 'a section that is too long', bytes: sealed([1, 1, 2, 0]), as: /the bytes end inside a value/ },
    { what: 'a section that is too short', bytes: sealed([1, 1, 1, 0, 0]), as: /bytes follow the value/ },
    { what: 'more sections than bytes', bytes: sealed([1, 99]), as: /a count larger than the bytes/ },
    { what: 'no number of sections', bytes: sealed([1]), as: /the bytes end inside a value/ },
  ])('that is sealed is refused nevertheless: $what', ({ bytes, as }) => {
    expect(() => unframe(bytes)).toThrow(CodecError);
    expect(() => unframe(bytes)).toThrow(as);
  });
});

/** What decoding ends with in a thread that has so many megabytes. */
function decodedWithin(megabytes: number, bytes: Uint8Array): Promise<string> {
  const [codec] = buildSync({
    stdin: {
      contents: `
        import { parentPort, workerData } from 'node:worker_threads';
        import { decode } from './src/core/codec.ts';
        try { parentPort.postMessage(typeof decode(workerData)); } catch (error) { parentPort.postMessage(error.name); }`,
      resolveDir: new URL('../..', import.meta.url).pathname,
    },
    bundle: true,
    platform: 'node',
    write: false,
  }).outputFiles;
  const worker = new Worker(codec?.text ?? '', {
    eval: true,
    workerData: bytes,
    resourceLimits: { maxOldGenerationSizeMb: megabytes },
  });
  return new Promise((resolve) => {
    worker.once('message', resolve);
    worker.once('error', (error) => resolve(error.name === 'Error' ? error.message : error.name));
  });
}
