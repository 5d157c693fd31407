import { expect, it } from 'vitest';
import { memoryPorts } from '../../../src/adapters/memory/index.ts';
import { hashOf } from '../../../src/engine/group/key-group.ts';
import { Interned } from '../../../src/engine/intake/interned.ts';
import { processHandler } from '../../../src/handlers.ts';
import { drawEvent, fuzzScan } from './fuzz-scan.ts';
import { ARRIVAL } from './source-records.ts';

it('what is read in the bytes of records is what parsing each of them says, or the same refusal', () => {
  let scanned = 0;
  for (let seed = 1; seed <= 40; seed++) scanned += fuzzScan(seed, 100);
  expect(scanned).toBeGreaterThan(1_000);
});

it('the same entries are written, and the same records kept, in whichever way records are read', async () => {
  const written = async (seed: number, isScanned: boolean) => {
    const [pipeline, { Records }] = drawEvent(seed, 300);
    const ports = memoryPorts({ start: ARRIVAL });
    const handler = processHandler(ports, isScanned ? pipeline : { ...pipeline, reads: undefined });
    for (const from of [0, 100, 200]) {
      const answer = await handler(
        { Records: Records.slice(from, from + 100) },
        { getRemainingTimeInMillis: () => 60_000 },
      );
      expect(answer).toEqual({ batchItemFailures: [] });
    }
    return { logs: ports.log.logs, kept: ports.objects.stored, counted: ports.telemetry.counted };
  };
  for (let seed = 1; seed <= 12; seed++)
    expect(await written(seed, true)).toEqual(await written(seed, false));
});

const keyOf = (interned: Interned, text: string) => {
  const bytes = Buffer.from(`<${text}>`);
  return interned.of(bytes, 1, bytes.length - 1);
};

it('a key that was met before is the same object, and others are others though their hashes are one', () => {
  const interned = new Interned();
  // FNV-1a of 32 bits makes one number of each pair.
  const texts = ['costarring', 'liquid', 'declinate', 'macallums', 'altarage', 'zinke', 'a', 'ab', ''];
  const keys = texts.map((text) => keyOf(interned, text));
  expect(keys).toEqual(texts.map((text, number) => ({ text, hash: hashOf(text), number, numberInGroup: 0 })));
  expect(texts.every((text, at) => keyOf(interned, text) === keys[at])).toBe(true);
});

it.each([
  { keys: 131_072, half: 65_536, length: 8 },
  { keys: 8_388, half: 4_195, length: 1_000 },
])(
  'leaves keys of $length bytes to others once it is full, and another one begins by then',
  ({ keys, half, length }) => {
    const interned = new Interned();
    const textOf = (n: number) => `k${n}`.padEnd(length, '.');
    let halfFull: number | undefined;
    for (let n = 0; n < keys; n++) {
      expect(keyOf(interned, textOf(n))).toMatchObject({ text: textOf(n), number: n });
      if (interned.isFull) halfFull ??= n + 1;
    }
    expect(halfFull).toBe(half);
    expect(keyOf(interned, textOf(keys))).toBeUndefined();
    expect(keyOf(interned, textOf(7))).toMatchObject({ number: 7 });
  },
);
