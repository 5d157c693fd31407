import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Pane } from '../../src/index.ts';
import { isNewer, type Row, type RowStore } from '../../src/ports/stores.ts';
import { fresher, type Gaps, itUnless, ODD_NAMES } from './contract-titles.ts';

export interface RowsHarness {
  readonly rows: RowStore;
  /** The results of the pane stored, with the order and revision it is stored under. */
  readonly read: (
    partition: string,
    sort: string,
  ) => Promise<{ order: number; revision: number; results: unknown } | undefined>;
}

const fresh = fresher();
const LATEST = 'fiveMinutes#latest';

export const rowOf = (
  name: { partition: string; sort?: string },
  order: number,
  revision: number,
  results: Record<string, unknown>,
  settled = false,
): Row => ({
  partition: name.partition,
  sort: name.sort ?? LATEST,
  order,
  settled,
  pane: {
    id: `contract/key/fiveMinutes/${order}/${revision}`,
    pipeline: 'contract',
    key: 'key',
    window: 'fiveMinutes',
    start: '2026-01-05T12:00:00.000Z',
    end: '2026-01-05T12:05:00.000Z',
    revision,
    kind: 'final',
    results,
    count: 1,
    watermark: '2026-01-05T12:05:00.000Z',
  } satisfies Pane,
});

const version = fc.record({
  order: fc.oneof(fc.integer({ min: -1, max: 1 }), fc.constantFrom(9, 10, 2 ** 31, Number.MAX_SAFE_INTEGER)),
  minute: fc.nat(1),
  revision: fc.oneof(fc.nat(2), fc.constantFrom(9, 10)),
});
/** Each of them twice, as of two as new the first stays. */
const versions = fc.array(version, { minLength: 1, maxLength: 4 }).map((all) => [...all, ...all]);

const rowsOf = (
  partition: string,
  all: readonly { order: number; minute: number; revision: number }[],
): Row[] =>
  all.map(({ order, minute, revision }, at) => {
    const row = rowOf({ partition }, order, revision, { at });
    return { ...row, pane: { ...row.pane, start: `2026-01-05T12:0${minute}:00.000Z` } };
  });

const newestOf = (rows: readonly Row[]): Row => rows.reduce((a, b) => (isNewer(b, a) ? b : a));

const shown = ({ order, pane: { revision, results } }: Row) => ({ order, revision, results });

export function rowStoreContract(open: () => RowsHarness, { items, races }: Gaps = {}): void {
  describe('a row store', () => {
    it('keeps the newest row, in whatever order rows come; of two as new the first', async () => {
      const { rows, read } = open();
      await fc.assert(
        fc.asyncProperty(versions, async (all) => {
          const partition = fresh('contract#key');
          const given = rowsOf(partition, all);
          for (const row of given) await rows.put([row]);
          expect(await read(partition, LATEST)).toEqual(shown(newestOf(given)));
        }),
        { numRuns: 40 },
      );
    });

    itUnless(races)('keeps the newest row of those that are put at once', async () => {
      const { rows, read } = open();
      await fc.assert(
        fc.asyncProperty(versions, async (all) => {
          const partition = fresh('contract#key');
          const given = rowsOf(partition, all);
          await Promise.all(given.map((row) => rows.put([row])));
          const { order, revision } = shown(newestOf(given));
          expect(await read(partition, LATEST)).toMatchObject({ order, revision });
        }),
        { numRuns: 20 },
      );
    });

    it('takes many rows at once, settled ones and others', async () => {
      const { rows, read } = open();
      const partition = fresh('contract#key');
      const sorts = Array.from({ length: 90 }, (_, at) => `fiveMinutes#${at}`);
      await rows.put(sorts.map((sort, at) => rowOf({ partition, sort }, at, 0, { at }, at % 3 > 0)));
      const stored = await Promise.all(sorts.map((sort) => read(partition, sort)));
      expect(stored).toEqual(sorts.map((_, at) => ({ order: at, revision: 0, results: { at } })));
    });

    it('writes a settled row again without harm', async () => {
      const { rows, read } = open();
      const partition = fresh('contract#key');
      const row = rowOf({ partition }, 5, 0, { n: 1 }, true);
      await Promise.all([rows.put([row]), rows.put([row])]);
      await rows.put([row]);
      expect(await read(partition, LATEST)).toEqual({ order: 5, revision: 0, results: { n: 1 } });
    });

    it('refuses two settled rows of one name', async () => {
      const { rows } = open();
      const row = rowOf({ partition: fresh('contract#key') }, 5, 0, { n: 1 }, true);
      await expect(rows.put([row, row])).rejects.toThrow();
    });

    it('takes no rows at all', async () => {
      await expect(open().rows.put([])).resolves.toBeUndefined();
    });

    it('keeps rows apart, whatever their key and window are called', async () => {
      const { rows, read } = open();
      const prefix = fresh('contract#');
      const names = ['', ...ODD_NAMES, '\u0000', '#', 'ß'.repeat(400)];
      for (const settled of [true, false]) {
        const given = names.map((name, at) =>
          rowOf({ partition: prefix + name, sort: `${name}#${settled}` }, at, 0, { at }, settled),
        );
        await rows.put(given);
        for (const row of given) expect(await read(row.partition, row.sort)).toEqual(shown(row));
      }
    });

    it('gives results back as they were', async () => {
      const { rows, read } = open();
      const partition = fresh('contract#key');
      const results = {
        least: Number.MIN_SAFE_INTEGER,
        exact: 0.1 + 0.2,
        small: -1.5e-7,
        large: 1e125,
        text: '',
        list: [1, 'two', [true, null], { three: 3 }, []],
        'odd name': 'ünï😀\u0000',
        none: {},
      };
      await rows.put([rowOf({ partition }, 1, 0, results)]);
      expect((await read(partition, LATEST))?.results).toEqual(results);
    });

    it('takes a full request of rows as large as they may be', async () => {
      const { rows, read } = open();
      const partition = fresh('contract#key');
      const resultsOf = (at: number) =>
        // Of results of one length numbers make the largest item.
        at === 0 ? { list: Array.from({ length: 63_000 }, () => 7) } : { text: 'x'.repeat(127_900) };
      const given = Array.from({ length: 25 }, (_, at) =>
        rowOf({ partition, sort: String(at) }, 1, 0, resultsOf(at), true),
      );
      await rows.put(given);
      for (const row of given) expect(await read(partition, row.sort)).toEqual(shown(row));
    });

    itUnless(items)('leaves out results that no item can hold', async () => {
      const { rows, read } = open();
      const partition = fresh('contract#key');
      const results = { large: 'x'.repeat(128_100) };
      await rows.put([
        rowOf({ partition }, 1, 0, results),
        rowOf({ partition, sort: 'settled' }, 1, 0, results, true),
      ]);
      for (const sort of [LATEST, 'settled']) expect((await read(partition, sort))?.results).toBeNull();
    });

    itUnless(items)(
      'writes as text what nests too deep or has a name that no attribute can have',
      async () => {
        const { rows, read } = open();
        const partition = fresh('contract#key');
        const nested = (levels: number, innermost = 'innermost'): unknown =>
          levels === 0 ? innermost : { in: nested(levels - 1, innermost) };
        // The results are a level themselves.
        const results = {
          deepest: nested(30),
          tooDeep: [nested(30)],
          empty: { '': 3, other: 4 },
          longest: { ['n'.repeat(65_535)]: 1 },
          tooLong: { ['n'.repeat(65_536)]: 1 },
        };
        const sorts = Object.keys(results) as (keyof typeof results)[];
        for (const settled of [true, false]) {
          await rows.put(
            sorts.map((sort) => rowOf({ partition, sort }, 1, 0, { [sort]: results[sort] }, settled)),
          );
        }
        const stored = await Promise.all(sorts.map(async (sort) => (await read(partition, sort))?.results));
        expect(stored).toEqual([
          { deepest: results.deepest },
          { tooDeep: [nested(29, '{"in":"innermost"}')] },
          { empty: '{"":3,"other":4}' },
          { longest: results.longest },
          { tooLong: JSON.stringify(results.tooLong) },
        ]);
      },
    );

    itUnless(items)('writes numbers that no item can hold as text, or null', async () => {
      const { rows, read } = open();
      const partition = fresh('contract#key');
      const { NaN: none, POSITIVE_INFINITY: infinity } = Number;
      const results = { huge: 1e200, negative: -1e200, tiny: 1e-200, infinity, less: -infinity, none };
      await rows.put([rowOf({ partition }, 1, 0, results)]);
      expect((await read(partition, LATEST))?.results).toEqual({
        huge: '1e+200',
        negative: '-1e+200',
        tiny: '1e-200',
        infinity: null,
        less: null,
        none: null,
      });
    });
  });
}
