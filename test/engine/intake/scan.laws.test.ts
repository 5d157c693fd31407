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
  expect(keys).toEqual(texts.map((text) => ({ text, hash: hashOf(text) })));
  expect(texts.every((text, at) => keyOf(interned, text) === keys[at])).toBe(true);
});

it('begins anew once it is full, of keys or of bytes', () => {
  const interned = new Interned();
  for (const length of [8, 1_000]) {
    for (let n = 0; n < 140_000; n += length / 8) {
      const text = `k${n}`.padEnd(length, '.');
      expect(keyOf(interned, text).text).toBe(text);
    }
  }
});
