import { createHash } from 'node:crypto';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { unpackRecords } from '../../src/adapters/kinesis/kpl.ts';
import type { Millis } from '../../src/core/time.ts';
import { hashKeyOf, kinesisSender, MAX_PACKED_BYTES } from '../../src/producer/kinesis.ts';
import { FakeStream, type Fault, HASH_KEYS, sceneOf } from './fake-stream.ts';

const FAULTS: readonly Fault[] = ['none', 'throttled', 'call refused', 'answer lost', 'entry refused'];

/** A run: keys of the records in turn, faults in turn, and the numbers of shards that the stream gets. */
const runs = fc.record({
  keys: fc.array(fc.integer({ min: 0, max: 12 }), { minLength: 1, maxLength: 80 }),
  faults: fc.array(fc.constantFrom(...FAULTS), { maxLength: 60 }),
  shards: fc.array(fc.integer({ min: 1, max: 9 }), { minLength: 1, maxLength: 4 }),
  slices: fc.constantFrom(1, 2, 8, 64),
  pauses: fc.array(fc.constantFrom(0, 40, 120, 2_000), { minLength: 1, maxLength: 10 }),
  jitter: fc.array(fc.double({ min: 0, max: 0.999, noNaN: true }), { minLength: 1, maxLength: 5 }),
});

describe('whatever fails, and however the stream is divided', () => {
  it('takes every record, and the records of a key in order', () =>
    fc.assert(
      fc.asyncProperty(runs, async ({ keys, faults, shards, slices, pauses, jitter }) => {
        const left = [...faults];
        const stream = new FakeStream(shards[0] as number, () => left.shift() ?? 'none');
        let draws = 0;
        const sends: Promise<void>[] = [];
        const random = () => jitter[draws++ % jitter.length] as number;
        const { producer, clock, during } = sceneOf(stream, { slices, random, maxBuffered: 200 });
        for (const [at, key] of keys.entries()) {
          // The sends do not wait for each other, so that records come while requests are under way.
          sends.push(producer.send({ key: `key ${key}`, data: `${at}` }));
          const pause = pauses[at % pauses.length] as number;
          clock.pass(pause as Millis);
          if (pause === 0) await clock.turn();
          if (at % 20 === 19) {
            stream.reshard(shards[at % shards.length] as number);
          }
          if (at % 5 === 4) {
            const stored = new Set(stream.members.map(({ text }) => Number(text)));
            const { settled } = producer.progress;
            expect([...Array(settled).keys()].filter((number) => !stored.has(number))).toEqual([]);
          }
        }
        await during(producer.close());
        await Promise.all(sends);

        const firstTimes = new Map<string, number[]>();
        const seen = new Set<string>();
        for (const { key, text } of stream.members) {
          if (seen.has(text)) continue;
          seen.add(text);
          firstTimes.set(key, [...(firstTimes.get(key) ?? []), Number(text)]);
        }
        expect(seen.size).toBe(keys.length);
        for (const numbers of firstTimes.values()) expect(numbers).toEqual(numbers.toSorted((a, b) => a - b));
        expect(producer.progress).toMatchObject({
          accepted: keys.length,
          taken: keys.length,
          settled: keys.length,
          buffered: 0,
        });
      }),
      { numRuns: 300 },
    ));

  it('takes each record once where no answer is lost', () =>
    fc.assert(
      fc.asyncProperty(runs, async ({ keys, faults, slices }) => {
        const left = faults.filter((fault) => fault !== 'answer lost');
        const stream = new FakeStream(3, () => left.shift() ?? 'none');
        const { producer, during } = sceneOf(stream, { slices });
        for (const [at, key] of keys.entries()) await during(producer.send({ key: `${key}`, data: `${at}` }));
        await during(producer.flush());
        expect(stream.members).toHaveLength(keys.length);
      }),
      { numRuns: 100 },
    ));
});

describe('a slice', () => {
  const hashOf = (key: string) => BigInt(`0x${createHash('md5').update(key).digest('hex')}`);
  const sender = (slices: number) => kinesisSender(new FakeStream(1).client, 'readings', slices);

  it('is the range of the hash keys that the MD5 of its keys falls into', () =>
    fc.assert(
      fc.property(
        fc.string({ maxLength: 400, unit: 'binary' }),
        fc.integer({ min: 0, max: 12 }),
        (key, exponent) => {
          const slices = 2 ** exponent;
          const slice = sender(slices).laneOf(key) as number;
          expect(hashOf(key)).toBeGreaterThanOrEqual(BigInt(hashKeyOf(slice, slices)));
          expect(hashOf(key)).toBeLessThan(
            slice + 1 === slices ? HASH_KEYS : BigInt(hashKeyOf(slice + 1, slices)),
          );
        },
      ),
    ));

  it('is in the shard that the MD5 of its keys falls into, where no shard ends within a slice', () =>
    fc.assert(
      fc.property(
        fc.string({ minLength: 1, maxLength: 60 }),
        fc.integer({ min: 0, max: 6 }),
        fc.integer({ min: 0, max: 6 }),
        (key, shardsExponent, more) => {
          const shards = 2n ** BigInt(shardsExponent);
          const slices = 2 ** (shardsExponent + more);
          const slice = sender(slices).laneOf(key) as number;
          const shardOf = (hash: bigint) => (hash * shards) / HASH_KEYS;
          expect(shardOf(BigInt(hashKeyOf(slice, slices)))).toBe(shardOf(hashOf(key)));
        },
      ),
    ));

  it('is in one shard at a time, wherever shards are cut', () =>
    fc.assert(
      fc.asyncProperty(
        fc.array(fc.integer({ min: 1, max: 40 }), { minLength: 1, maxLength: 5 }),
        async (shards) => {
          const stream = new FakeStream(1);
          const { producer, during } = sceneOf(stream, { slices: 8 });
          for (const count of shards) {
            stream.reshard(count);
            for (let key = 0; key < 30; key++) {
              // Long and short records, so that some are packed and some are alone.
              await during(producer.send({ key: `${key}`, data: 'x'.repeat(key % 3 === 0 ? 200_000 : 10) }));
            }
            await during(producer.flush());
          }
          const places = new Map<string, Set<bigint>>();
          for (const { shard, hashKey } of stream.stored) {
            const [generation] = shard.split('/');
            const slice = (hashKey * 8n) / HASH_KEYS;
            const name = `${generation} ${slice}`;
            places.set(name, new Set([...(places.get(name) ?? []), hashKey]));
          }
          for (const hashKeys of places.values()) expect(hashKeys.size).toBe(1);
        },
      ),
      { numRuns: 10 },
    ));
});

describe('a request', () => {
  it('keeps the bounds of Kinesis, and says its own size', () =>
    fc.assert(
      fc.asyncProperty(
        fc.array(
          fc.tuple(fc.string({ minLength: 1, maxLength: 300 }), fc.integer({ min: 0, max: 400_000 })),
          {
            minLength: 1,
            maxLength: 60,
          },
        ),
        async (records) => {
          const stream = new FakeStream(4);
          const { producer, during } = sceneOf(stream, { slices: 16 });
          for (const [key, length] of records)
            await during(producer.send({ key, data: Buffer.alloc(length, 'a') }));
          await during(producer.flush());
          for (const { partitionKey, data } of stream.stored) {
            const bytes = Buffer.byteLength(partitionKey) + data.length;
            if (unpackRecords(data) !== undefined) expect(bytes).toBeLessThanOrEqual(MAX_PACKED_BYTES);
            expect(bytes).toBeLessThanOrEqual(1_048_576);
          }
          for (const entries of stream.entries) expect(entries).toBeLessThanOrEqual(16);
        },
      ),
      { numRuns: 40 },
    ));
});
