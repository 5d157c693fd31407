import fc from 'fast-check';
import { expect, it } from 'vitest';
import { cutOf } from '../../../src/core/delta.ts';
import { Table } from '../../../src/core/table.ts';
import type { EpochMillis } from '../../../src/core/time.ts';
import { BatchKey } from '../../../src/engine/group/batch-key.ts';
import { GroupRecord } from '../../../src/engine/group/group.ts';
import { type Digest, ID_WIDTH, idDigest, KnownIds } from '../../../src/engine/group/known-ids.ts';
import { PersistentMap } from '../../../src/engine/group/persistent-map.ts';
import { TakenIds } from '../../../src/engine/group/taken.ts';
import { count, definePipeline, sqs, tumbling } from '../../../src/index.ts';

const tableOf = (rows: readonly (readonly number[])[]): Table => {
  const table = new Table(ID_WIDTH, 0);
  for (const row of rows) table.pushNumbers(...row);
  return table;
};
const rowsOf = (table: Table | undefined): number[][] =>
  Array.from({ length: table?.rows ?? 0 }, (_, row) => [
    ...(table as Table).numbers.slice(row * ID_WIDTH, (row + 1) * ID_WIDTH),
  ]);

it('the digest of a text is its first 96 bits of MD5', () => {
  // md5('abc') is 900150983cd24fb0 d6963f7d28e17f72: RFC 1321, A.5.
  expect(idDigest('abc')).toEqual([0x900150983cd2, 0x4fb0d6963f7d]);
});

it('ids are found as a map would find them', () => {
  // Few halves, so that digests differ in one of them alone, and meet in a slot.
  const half = fc.constantFrom(0, 1, 2 ** 32, 2 ** 47 + 1, 2 ** 48 - 1);
  const digest = fc.oneof(fc.tuple(half, half), fc.tuple(fc.nat(99), fc.nat(99)));
  const until = fc.double({ noNaN: true });
  fc.assert(
    fc.property(
      fc.uniqueArray(fc.tuple(until, digest), { selector: ([, digest]) => digest.join(), maxLength: 40 }),
      fc.array(fc.tuple(digest, fc.option(until)), { maxLength: 200 }),
      (before, asked) => {
        const model = new Map(before.map(([until, digest]) => [digest.join(), until]));
        const known = new KnownIds(tableOf(before.map(([until, digest]) => [until, ...digest])));
        for (const [digest, until] of asked) {
          expect(known.has(digest)).toBe(model.has(digest.join()));
          expect(known.untilOf(digest)).toBe(model.get(digest.join()));
          if (until === null) continue;
          known.set(digest, until);
          model.set(digest.join(), until);
        }
      },
    ),
  );
  expect(new KnownIds(undefined).has([0, 0])).toBe(false);
});

const pipeline = definePipeline('ids', sqs<{ key: string; at: number }>(), {
  key: 'key',
  eventTime: 'at',
  windows: { w: tumbling({ size: '10ms' }, { n: count() }) },
});
const refusedFrom = (at: number): number =>
  Math.max(...pipeline.rules.windows.map(({ operator }) => operator.refusedFrom(at as EpochMillis)));

it('the ids of a key are those before and those of its records, first those that become unneeded first', () => {
  const time = fc.nat(200);
  fc.assert(
    fc.property(fc.array(time), fc.array(time, { maxLength: 20 }), time, (earlier, ats, passed) => {
      const before = earlier.sort((a, b) => a - b).map((until, at) => [until, 7, at]);
      const table = tableOf(before);
      const taken = new TakenIds(pipeline, PersistentMap.of([['key', table]]), 0);
      const records = ats.map((at, place) => {
        const data = Buffer.from('{}');
        const arrival = at as EpochMillis;
        const source = { lineage: 'q', position: `m${place}`, arrival, partitionKey: 'p', data } as never;
        const content = {
          outcome: 'record',
          key: 'key',
          record: { at: arrival, arrival, values: [] },
        } as const;
        return new GroupRecord(false, source, 0, 0, new BatchKey('key', 0), content);
      });
      for (const [place, record] of records.entries())
        taken.take(record, 'key', ats[place] as EpochMillis, 0 as EpochMillis);
      taken.forget('key', passed);
      const added = records.map(({ placeDigest }, at): [number, ...Digest] => [
        refusedFrom(ats[at] as number),
        ...placeDigest,
      ]);
      const expected = [...before, ...added]
        .filter(([until]) => (until as number) > passed)
        .toSorted(([a], [b]) => (a as number) - (b as number));
      const after = taken.taken().get('key');
      expect(rowsOf(after)).toEqual(expected);
      const { drop, keep } = cutOf(table, after ?? table);
      const kept = rowsOf(table).slice(drop, drop + keep);
      expect(rowsOf(after ?? table).slice(0, keep)).toEqual(kept);
    }),
  );
});
