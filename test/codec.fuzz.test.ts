import { Worker } from 'node:worker_threads';
import { buildSync } from 'esbuild';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { CodecError, decode, encode } from '../src/core/codec.ts';
import type { Plain } from '../src/core/plain.ts';
import { plain } from './support/core-plain.ts';

/** Decodes, or is refused in the one way that callers expect. */
function decodeOrRefuse(bytes: Uint8Array): Plain | undefined {
  try {
    return decode(bytes);
  } catch (error) {
    expect(error).toBeInstanceOf(CodecError);
    return undefined;
  }
}

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

describe('any bytes', () => {
  it.each([
    { what: 'noise', bytes: fc.uint8Array({ maxLength: 200 }) },
    { what: 'tags and counts', bytes: meaningful.map((bytes) => Uint8Array.from(bytes)) },
  ])('decode or are refused: $what', ({ bytes }) => {
    fc.assert(
      fc.property(bytes, (given) => {
        const value = decodeOrRefuse(given);
        if (value === undefined) return;
        expect(sizeOf(value)).toBeLessThanOrEqual(given.length);
        expect(decode(encode(value))).toEqual(value);
      }),
      { numRuns: 5_000 },
    );
  });

  it('that were written and then damaged decode or are refused', () => {
    const damage = fc.array(
      fc.record({
        at: fc.nat(),
        to: fc.integer({ min: 0, max: 255 }),
        how: fc.constantFrom('overwrite', 'insert', 'delete', 'truncate'),
      }),
      { minLength: 1, maxLength: 4 },
    );
    fc.assert(
      fc.property(plain, damage, (value, steps) => {
        let bytes = [...encode(value)];
        for (const { at, to, how } of steps) {
          const place = at % (bytes.length + 1);
          if (how === 'overwrite') bytes[place] = to;
          else if (how === 'insert') bytes.splice(place, 0, to);
          else if (how === 'delete') bytes.splice(place, 1);
          else bytes = bytes.slice(0, place);
        }
        decodeOrRefuse(Uint8Array.from(bytes));
      }),
      { numRuns: 2_000 },
    );
  });

  it('that end too early are refused wherever they end', () => {
    fc.assert(
      fc.property(plain, (value) => {
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
          expect(decode(around.subarray(from, to))).toEqual(value);
          if (behind.length > 0) expect(() => decode(around.subarray(from))).toThrow(CodecError);
        },
      ),
    );
  });
});

describe('refuses', () => {
  const TEXT = 6;
  const SAME_TEXT = 7;
  const LIST = 8;
  const MAP = 9;
  it.each([
    { what: 'nothing at all', bytes: [], as: 'the bytes end inside a value' },
    { what: 'an unknown tag', bytes: [10], as: 'unknown tag 10' },
    { what: 'a value after the value', bytes: [0, 0], as: 'bytes follow the value' },
    { what: 'a number cut short', bytes: [3, 0, 0], as: 'the bytes end inside a number' },
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
    { what: '65 levels', bytes: [...Array(65).fill([LIST, 1]).flat(), 0], as: 'nested deeper than 64' },
  ])('$what', ({ bytes, as }) => {
    const message = new RegExp(
      `^Cannot decode ${bytes.length} bytes: ${as.replace('^', '\\^')}, at byte \\d+$`,
    );
    expect(() => decode(Uint8Array.from(bytes))).toThrow(message);
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

/** What decoding ends with in a thread that has so many megabytes. */
function decodedWithin(megabytes: number, bytes: Uint8Array): Promise<string> {
  const [codec] = buildSync({
    stdin: {
      contents: `
        import { parentPort, workerData } from 'node:worker_threads';
        import { decode } from './src/core/codec.ts';
        try { parentPort.postMessage(typeof decode(workerData)); } catch (error) { parentPort.postMessage(error.name); }`,
      resolveDir: new URL('..', import.meta.url).pathname,
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
