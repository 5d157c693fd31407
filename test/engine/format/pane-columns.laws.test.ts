import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { CodecError, decodeTables, encodeTables } from '../../../src/core/codec.ts';
import { END, KEY, WATERMARK } from '../../../src/core/panes.ts';
import { Table } from '../../../src/core/table.ts';
import { readPanesOf, writePanes } from '../../../src/engine/format/pane-columns.ts';
import type { GroupLayout, GroupPanes } from '../../../src/engine/group/group.ts';
import { contentsOf, tableOf } from '../../core/codec-columns.ts';
import { EDGES, expectIdentical, plain } from '../../core/plain.ts';

const KEYS = ['a', 'b', 'c', 'd', 'e'];

/** Before a pane's results: ten numbers. */
const HEADER = 10;

const cell = fc.oneof(fc.nat(20), fc.constantFrom(...EDGES), fc.double());

/** The panes of a window: of any keys, and watermarks that are a second before ends, not there, or anything. */
const windows = fc.record({ numbers: fc.nat(2), plains: fc.nat(2) }).chain(({ numbers, plains }) =>
  fc
    .array(
      fc.tuple(
        fc.array(cell, { minLength: HEADER + numbers, maxLength: HEADER + numbers }),
        fc.nat(KEYS.length - 1),
        fc.integer({ min: 1, max: 1e6 }),
        fc.oneof({ weight: 9, arbitrary: fc.constantFrom(1_000, Number.NaN) }, cell),
        fc.array(plain, { minLength: plains, maxLength: plains }),
      ),
      { maxLength: 20 },
    )
    .map((rows) => {
      const made = rows.map(
        ([numbers, key, end, before, plains]) =>
          [
            numbers
              .with(KEY, key)
              .with(END, end)
              .with(WATERMARK, end - before),
            plains,
          ] as const,
      );
      return tableOf(HEADER + numbers, plains, made);
    }),
);

const layoutOf = (_: Table, window: number): GroupLayout => ({
  name: `window ${window}`,
  identity: 'start',
  ordered: false,
  epoch: window,
  results: [],
});

const panesIn = (tables: readonly Table[]): GroupPanes => ({
  keys: KEYS,
  layouts: tables.map(layoutOf),
  tables,
  length: 0,
});

/** Columns but that of keys, and each pane's key by its name; of a window without panes nothing. */
const shown = ({ keys, layouts, tables }: Omit<GroupPanes, 'length'>) => ({
  layouts,
  tables: tables.map((table) => {
    if (table.rows === 0) return { names: [] };
    const own = contentsOf(table);
    const names = Array.from(
      { length: table.rows },
      (_, row) => keys[own.numbers[row * table.width + KEY] as number],
    );
    return { ...own, names, numbers: own.numbers.map((value, at) => (at % table.width === KEY ? 0 : value)) };
  }),
});

/** Of two keys. */
const twoPanes = (): GroupPanes =>
  panesIn([
    tableOf(HEADER, 0, [
      [[0, 1, 0, 5, 6, 7, 8, 9, 0, 1], []],
      [[1, 2, 0, 5, 6, 7, 8, 9, 0, 1], []],
    ]),
  ]);

describe('panes as columns', () => {
  it('come back in their order, to the bit', () => {
    fc.assert(
      fc.property(fc.array(windows, { maxLength: 3 }), (tables) => {
        const panes = panesIn(tables);
        const [written, bytes] = writePanes(panes);
        expectIdentical(shown(readPanesOf(written, bytes)), shown(panes));
      }),
      { numRuns: 1_000 },
    );
  });

  it('leave what they were made of as it was', () => {
    fc.assert(
      fc.property(windows, (table) => {
        const before = contentsOf(table.copy());
        writePanes(panesIn([table]));
        expectIdentical(contentsOf(table), before);
      }),
    );
  });

  it('name the keys that have some, and none else', () => {
    fc.assert(
      fc.property(fc.array(windows, { maxLength: 3 }), (tables) => {
        const panes = panesIn(tables);
        const { keys } = readPanesOf(...writePanes(panes));
        const names = shown(panes).tables.flatMap((table) => table.names);
        expect([...keys].sort()).toEqual([...new Set(names)].sort());
      }),
    );
  });

  it.each<[string, (tables: [Table[], Table[]]) => void]>([
    ['of a key that there is not', ([[emitted]]) => emitted?.numbers.fill(7)],
    ['of a key that has not so many', ([[emitted]]) => emitted?.set(1, emitted, 0)],
    ['of no whole key', ([[emitted]]) => emitted?.numbers.fill(0.5)],
    ['with too few rows', ([, sorted]) => sorted.splice(0, 1, new Table(5, 0))],
    ['with too many rows', ([, sorted]) => sorted.push(tableOf(5, 0, [[[1, 2, 3, 4, 5], []]]))],
    ['of other columns', ([emitted]) => emitted.splice(0, 1, tableOf(4, 0, [[[0, 0, 0, 7], []]]))],
    ['without any', (slots) => slots.splice(0, 2)],
  ])('%s are refused', (_, change) => {
    const [written, bytes] = writePanes(twoPanes());
    const slots = decodeTables(bytes);
    change(slots as [Table[], Table[]]);
    expect(() => readPanesOf(written, encodeTables(slots))).toThrow(CodecError);
  });
});
