import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { StoredKey } from '../../../src/core/key.ts';
import { Table } from '../../../src/core/table.ts';
import type { EpochMillis } from '../../../src/core/time.ts';
import { sharingOf } from '../../../src/engine/format/group-tables.ts';
import { nextEntry } from '../../../src/engine/format/next-entry.ts';
import { firstDeployment } from '../../../src/engine/group/deployment.ts';
import { EMPTY_GROUP, type Group } from '../../../src/engine/group/group.ts';
import { PackedKeys } from '../../../src/engine/group/packed-keys.ts';
import { newsOf } from '../../../src/engine/group/taken.ts';
import { fold, foldIdle } from '../../../src/engine/intake/fold.ts';
import { count, definePipeline, kinesis, tumbling } from '../../../src/index.ts';
import { expectIdentical } from '../../core/plain.ts';
import { cutsOf, groupContents, pipelines, recordsOf } from '../batches.ts';
import { at, Scene } from '../scene.ts';

const DAY = 86_400_000;

const number = fc.oneof(fc.double(), fc.constantFrom(0, -0, Number.NaN, Number.NEGATIVE_INFINITY));

/** A table of two numbers a row, and a text. */
const table = (rows: readonly (readonly [number, number])[]): Table => {
  const made = new Table(2, 1);
  for (const row of rows) {
    made.plains.push(`${row}`);
    made.pushNumbers(...row);
  }
  return made;
};
const tables = fc.array(fc.tuple(number, number), { maxLength: 4 }).map(table);

/** A key of two windows, of two tables and of one, which keep their slices together or not. */
const keys = fc
  .record({
    times: fc.tuple(number, number, number),
    slices: tables,
    others: tables,
    own: tables,
    shared: fc.boolean(),
  })
  .map(
    ({ times: [maxEventTime, lastArrival, watermark], slices, others, own, shared }): StoredKey => ({
      maxEventTime: maxEventTime as EpochMillis,
      lastArrival: lastArrival as EpochMillis,
      watermark: watermark as EpochMillis,
      windows: [[slices, own], [shared ? slices : others]],
    }),
  );

const contentOf = ({ windows, ...times }: StoredKey) => ({
  ...times,
  windows: windows.map((some) =>
    some?.map(({ width, plainWidth, rows, numbers, plains }) => ({
      width,
      plainWidth,
      rows,
      numbers: numbers.slice(0, rows * width),
      plains: plains.slice(0, rows * plainWidth),
    })),
  ),
  sharing: sharingOf(windows).numbers.slice(0, 2),
});

describe('keys that are packed', () => {
  it('are unpacked as they were, to the bit, whatever was packed, packed over and dropped in between', () => {
    const steps = fc.array(fc.record({ of: fc.nat(5), key: fc.option(keys) }), { maxLength: 40 });
    fc.assert(
      fc.property(steps, (steps) => {
        const packed = new PackedKeys();
        const expected = new Map<number, StoredKey>();
        for (const { of, key } of steps) {
          if (key) {
            expect(packed.pack(of, key)).toBe(true);
            expected.set(of, key);
          } else {
            packed.drop(of);
            expected.delete(of);
          }
        }
        expect(packed.count).toBe(expected.size);
        for (const of of [0, 1, 2, 3, 4, 5, 6]) expect(packed.has(of)).toBe(expected.has(of));
        for (const [of, key] of expected) expectIdentical(contentOf(packed.unpack(of)), contentOf(key));
      }),
    );
  });

  it('take up as much as their numbers and a quarter more, however often they are packed anew', () => {
    const packed = new PackedKeys();
    const times = { maxEventTime: 1, lastArrival: 2, watermark: 3 } as const;
    for (let round = 0; round < 50; round++) {
      for (let of = 0; of < 100; of++) {
        const rows = new Table(2, 0);
        while (rows.rows < (of + round) % 3) rows.pushNumbers(of, round);
        packed.pack(of, { ...times, windows: [[rows]] } as unknown as StoredKey);
      }
    }
    // Two numbers of room, three times, a number of rows, and at most three rows of two numbers.
    expect(packed.bytes).toBeLessThanOrEqual(1.25 * 8 * 101 * (2 + 3 + 1 + 6));
  });

  it('of which one has become short gives its room back', () => {
    const packed = new PackedKeys();
    const times = { maxEventTime: 1, lastArrival: 2, watermark: 3 } as const;
    const packAll = (count: number): void => {
      const rows = new Table(2, 0);
      while (rows.rows < count) rows.pushNumbers(1, 2);
      for (let of = 0; of < 100; of++)
        packed.pack(of, { ...times, windows: [[rows]] } as unknown as StoredKey);
    };
    packAll(60);
    expect(packed.bytes).toBeGreaterThan(8 * 100 * 120);
    packAll(1);
    packAll(2);
    expect(packed.bytes).toBeLessThan(8 * 100 * 120);
  });

  it('are those whose tables are as those of the first', () => {
    const times = { maxEventTime: 1, lastArrival: 2, watermark: 3 };
    const key = (...windows: readonly (readonly Table[] | undefined)[]) =>
      ({ ...times, windows }) as StoredKey;
    const row = table([[1, 2]]);
    const texts = new Table(1, 1);
    const packed = new PackedKeys();
    expect(packed.pack(0, key([row, texts], undefined))).toBe(false);
    expect(packed.pack(0, key([row, texts]))).toBe(true);
    expect(packed.pack(1, key([row]))).toBe(false);
    expect(packed.pack(1, key([row, texts], [row]))).toBe(false);
    expect(packed.pack(1, key(undefined))).toBe(false);
    expect(packed.pack(1, key([row, row]))).toBe(false);
    expect(packed.pack(1, key([row, new Table(1, 0)]))).toBe(false);
    expect(packed.has(1)).toBe(false);
    expect(packed.count).toBe(1);
  });
});

describe('a group whose keys are packed', () => {
  it('goes on as one whose keys are not: its entries are the same bytes', () => {
    const drawn = pipelines.chain((pipeline) =>
      recordsOf(pipeline, 60).chain((records) =>
        fc.record({
          deployment: fc.constant(firstDeployment(pipeline)),
          parts: cutsOf(records, 6),
          packs: fc.infiniteStream(fc.boolean()),
          days: fc.infiniteStream(fc.constantFrom(0, 0, 1, 2)),
        }),
      ),
    );
    let packed = 0;
    fc.assert(
      fc.property(drawn, ({ deployment, parts, packs, days }) => {
        let loose: Group = EMPTY_GROUP;
        let group: Group = EMPTY_GROUP;
        for (const part of parts) {
          const [expected, found] = [loose, group].map((before) => {
            const news = newsOf(deployment.pipeline, before, part);
            const at = part.at(-1)?.arrival as EpochMillis;
            return nextEntry(deployment, before, fold(deployment, before, news), at);
          });
          expectIdentical(found?.entry, expected?.entry);
          loose = expected?.group as Group;
          group = found?.group as Group;
          if (packs.next().value) group.keys.pack();
          packed += group.keys.packed.count;
          expectIdentical(groupContents(group), groupContents(loose));
          // What a sweep closes and forgets.
          const now = ((part.at(-1)?.arrival as EpochMillis) +
            (days.next().value as number) * DAY) as EpochMillis;
          const [idle, idleToo] = [loose, group].map((before) => {
            const passed = foldIdle(deployment, before, now);
            return passed.changed ? nextEntry(deployment, before, passed, now) : undefined;
          });
          expectIdentical(idleToo?.entry, idle?.entry);
          loose = idle?.group ?? loose;
          group = idleToo?.group ?? group;
        }
      }),
      { numRuns: 200 },
    );
    expect(packed).toBeGreaterThan(100);
  });

  it('forgets a key as one whose keys are not: the entry says nothing of the others', async () => {
    const pipeline = definePipeline('readings', kinesis<{ machine: string; at: number }>(), {
      key: 'machine',
      eventTime: 'at',
      maxLateness: '1d',
      groups: 1,
      windows: { minute: tumbling({ size: '1m' }, { n: count() }) },
    });
    const scene = new Scene(pipeline);
    await scene.process([scene.put('pump', at(0))]);
    await scene.process([scene.put('oven', at(2_880)), scene.put('lathe', at(2_880))]);
    const entries = [false, true].map((packs) => {
      const group = scene.groupOf('pump');
      if (packs) group.keys.pack();
      const now = at(2_880, 20);
      const passed = foldIdle(scene.deployment, group, now);
      return passed.changed ? nextEntry(scene.deployment, group, passed, now).entry : undefined;
    });
    expect(entries[0]).toBeDefined();
    expectIdentical(entries[1], entries[0]);
  });
});
