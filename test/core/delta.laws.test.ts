import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { cutOf, foundCut, patched } from '../../src/core/delta.ts';
import { cloneOf, isSame, type Plain } from '../../src/core/plain.ts';
import { relate, unrelate } from '../../src/core/related.ts';
import { Table } from '../../src/core/table.ts';
import { contentsOf, tableOf } from './codec-columns.ts';
import { EDGES, expectIdentical, identical, plain } from './plain.ts';

type Row = readonly [numbers: readonly number[], plains: readonly Plain[]];

/** Few different values, so that rows are often alike, and those that are easily taken for one another. */
const number = fc.constantFrom(0, -0, 1, Number.NaN, Number.NEGATIVE_INFINITY, 0.1);
const value: fc.Arbitrary<Plain> = fc.oneof(
  fc.constantFrom<Plain>(null, 0, -0, '', 'a', [], {}, [0], [-0], { a: 1, b: 2 }, { b: 2, a: 1 }),
  plain,
);

/** Rows of one layout: those of a table, others that are added to it, and how many go at its front. */
const layouts = fc.record({ width: fc.nat(3), plainWidth: fc.nat(2) });
const histories = layouts.chain(({ width, plainWidth }) => {
  const row = fc.tuple(
    fc.array(number, { minLength: width, maxLength: width }),
    fc.array(value, { minLength: plainWidth, maxLength: plainWidth }),
  );
  const rows = fc.array(row, { maxLength: 12 });
  return fc.record({
    width: fc.constant(width),
    plainWidth: fc.constant(plainWidth),
    before: rows,
    after: rows,
    added: rows,
    dropped: fc.nat(12),
  });
});

const made = (width: number, plainWidth: number, rows: readonly Row[]): Table =>
  tableOf(
    width,
    plainWidth,
    rows.map(([numbers, plains]) => [numbers, [...plains]]),
  );

/** The table after, of the one before and of what stands in place of its end. */
function rebuilt(before: Table, after: Table): Table {
  const cut = cutOf(before, after);
  const tail = new Table(after.width, after.plainWidth);
  for (let row = cut.keep; row < after.rows; row++) tail.set(tail.push(), after, row);
  return patched(before, cut, tail);
}

describe('a delta', () => {
  it('makes of the table before the one after, to the bit', () => {
    fc.assert(
      fc.property(histories, ({ width, plainWidth, before, after }) => {
        const [from, to] = [made(width, plainWidth, before), made(width, plainWidth, after)];
        expectIdentical(contentsOf(rebuilt(from, to)), contentsOf(to));
      }),
      { numRuns: 2_000 },
    );
  });

  it('of a table that forgot at its front and grew at its end holds what is new alone', () => {
    fc.assert(
      fc.property(histories, ({ width, plainWidth, before, added, dropped }) => {
        // No row is like another, as those of records have times or ordinals.
        const numbered = [...before, ...added].map(
          ([numbers, plains], at): Row => [[at, ...numbers], plains],
        );
        const from = made(width + 1, plainWidth, numbered.slice(0, before.length));
        const to = made(width + 1, plainWidth, numbered.slice(Math.min(dropped, before.length)));
        expect(to.rows - cutOf(from, to).keep).toBe(added.length);
        expectIdentical(contentsOf(rebuilt(from, to)), contentsOf(to));
      }),
      { numRuns: 1_000 },
    );
  });

  it('of a table that is as it was holds nothing', () => {
    fc.assert(
      fc.property(histories, ({ width, plainWidth, before }) => {
        const [from, to] = [made(width, plainWidth, before), made(width, plainWidth, before)];
        expect(cutOf(from, to)).toEqual({ drop: 0, keep: before.length });
      }),
    );
  });

  it('leaves both tables as they were, and what comes of it shares no room with them', () => {
    const from = made(1, 1, [
      [[1], ['a']],
      [[2], ['b']],
    ]);
    const to = made(1, 1, [
      [[2], ['b']],
      [[3], ['c']],
    ]);
    const result = rebuilt(from, to);
    expect(cutOf(from, to)).toEqual({ drop: 1, keep: 1 });
    result.numbers.fill(9);
    result.plains.fill('z');
    expect(contentsOf(from)).toMatchObject({ numbers: [1, 2], plains: ['a', 'b'] });
    expect(contentsOf(to)).toMatchObject({ numbers: [2, 3], plains: ['b', 'c'] });
  });

  it('takes no room that a table has for more as rows of it', () => {
    const [from, to] = [made(1, 0, [[[1], []]]), made(1, 0, [[[1], []]])];
    from.push();
    from.remove(1, 2);
    from.numbers[1] = 7;
    expect(cutOf(from, to)).toEqual({ drop: 0, keep: 1 });
    expect(contentsOf(rebuilt(from, to))).toEqual(contentsOf(to));
  });

  it('is refused by a table that has not the rows that it keeps', () => {
    const three = made(
      1,
      0,
      [1, 2, 3].map((one) => [[one], []]),
    );
    const two = made(
      1,
      0,
      [1, 2].map((one) => [[one], []]),
    );
    expect(() => patched(two, cutOf(three, three), made(1, 0, []))).toThrow(
      new RangeError('Cannot keep rows 0 to 3 of a table as it must have them: it has 2'),
    );
    expect(() => patched(two, { drop: 1, keep: 2 }, made(1, 0, []))).toThrow(RangeError);
  });
});

const cell = fc.oneof(fc.nat(20), fc.constantFrom(...EDGES), fc.double());

describe('a column as what it is above another', () => {
  it('comes back to the bit, or stays', () => {
    fc.assert(
      fc.property(fc.array(fc.tuple(cell, cell)), (rows) => {
        const table = tableOf(
          2,
          0,
          rows.map((row) => [row, []]),
        );
        const before = contentsOf(table.copy());
        if (relate(table, 1, 0)) unrelate(table, 1, 0);
        expectIdentical(contentsOf(table), before);
      }),
      { numRuns: 1_000 },
    );
  });

  it('is small where the two go together', () => {
    const table = tableOf(2, 0, [
      [[1_700_000_000_000, 1_700_000_005_000], []],
      [[1_700_000_060_000, 1_700_000_065_000], []],
    ]);
    expect(relate(table, 1, 0)).toBe(true);
    expect(contentsOf(table).numbers).toEqual([1_700_000_000_000, 5_000, 1_700_000_060_000, 5_000]);
  });

  it('stays where it would lose bits', () => {
    const table = tableOf(2, 0, [[[1e300, 1], []]]);
    expect(relate(table, 1, 0)).toBe(false);
    expect(contentsOf(table).numbers).toEqual([1e300, 1]);
  });
});

describe('plain data', () => {
  it('is the same as another where every bit is, and the order of names', () => {
    fc.assert(
      fc.property(plain, plain, (a, b) => {
        expect(isSame(a, b)).toBe(identical(a, b));
        expect(isSame(a, cloneOf(a))).toBe(true);
      }),
      { numRuns: 1_000 },
    );
  });

  it.each<[Plain | undefined, Plain | undefined]>([
    [0, -0],
    [[], {}],
    [null, []],
    [{}, null],
    [[1], [1, 2]],
    [
      { a: 1, b: 2 },
      { b: 2, a: 1 },
    ],
    [{ a: 1 }, { b: 1 }],
    ['1', 1],
    [undefined, null],
    [[], undefined],
  ])('%j is not %j', (a, b) => {
    expect(isSame(a, b)).toBe(false);
    expect(isSame(b, a)).toBe(false);
  });

  it('is the same as itself, whatever number it is', () => {
    for (const edge of EDGES) expect(isSame([edge], [edge])).toBe(true);
  });
});

describe('a column that stands above another', () => {
  const cells = fc.array(fc.tuple(fc.oneof(fc.double(), fc.integer()), fc.oneof(fc.double(), fc.integer())), {
    maxLength: 20,
  });
  const tableOfPairs = (pairs: readonly (readonly [number, number])[]): Table => {
    const table = new Table(2, 0);
    for (const pair of pairs) table.pushNumbers(...pair);
    return table;
  };

  it('comes back in every bit, or is left as it is', () => {
    fc.assert(
      fc.property(cells, (pairs) => {
        const table = tableOfPairs(pairs);
        const before = table.copy();
        if (relate(table, 1, 0)) unrelate(table, 1, 0);
        expectIdentical(contentsOf(table), contentsOf(before));
      }),
    );
  });

  it.each<[string, readonly [number, number][], boolean]>([
    [
      'times',
      [
        [1_767_600_000_000, 1_767_600_030_000],
        [5, 3],
      ],
      true,
    ],
    [
      'what is too far off',
      [
        [1e300, 1],
        [5, 3],
      ],
      false,
    ],
    ['NaN', [[5, Number.NaN]], true],
    ['an infinity', [[Number.POSITIVE_INFINITY, 5]], false],
    ['a zero below none', [[0, -0]], false],
  ])('is written as what it is above the other: %s', (_, pairs, related) => {
    const table = tableOfPairs(pairs);
    expect(relate(table, 1, 0)).toBe(related);
    expect(table.numbers[1]).toBe(
      related ? (pairs[0]?.[1] as number) - (pairs[0]?.[0] as number) : pairs[0]?.[1],
    );
  });
});

describe('what stayed of a tracked table', () => {
  /** Changes a row, inserts one, removes some, appends one; or takes the rows so far as those before. */
  const step = fc.record({
    kind: fc.constantFrom('change', 'set', 'insert', 'remove', 'push', 'track'),
    at: fc.nat(),
    to: fc.nat(),
  });

  const isAtAnEnd = ({ kind }: { kind: string }) => !['change', 'set', 'insert'].includes(kind);

  it('is what a look at all rows finds, or less, and is not known of another table', () => {
    fc.assert(
      fc.property(fc.nat(9), fc.array(step, { maxLength: 12 }), (rows, steps) => {
        let values = 0;
        let before = new Table(2, 0);
        for (let row = 0; row < rows; row++) before.pushNumbers(values++, values++);
        let after = before.tracked();
        for (const { kind, at, to } of steps) {
          const row = after.rows === 0 ? 0 : at % after.rows;
          if (kind === 'track') [before, after] = [after, after.tracked()];
          else if (kind === 'insert') {
            after.insert(at % (after.rows + 1));
            const place = 2 * (at % after.rows);
            after.numbers[place] = after.numbers[place + 1] = values++;
          } else if (kind === 'remove') after.remove(at % 3 === 0 ? row : 0, to % (after.rows + 1));
          else if (kind === 'push') after.pushNumbers(values++, values++);
          else if (after.rows > 0 && kind === 'set') {
            const other = new Table(2, 0);
            other.pushNumbers(values++, values++);
            after.set(row, other, 0);
          } else if (after.rows > 0) {
            after.touch(row);
            after.numbers[2 * row] = values++;
          }
          expectIdentical(contentsOf(rebuilt(before, after)), contentsOf(after));
          expect(cutOf(before, after)).toEqual(after.cutSince(before));
          // Where a row is changed or inserted, and then removed, those after it count as changed.
          if (!steps.some((step) => step.kind === 'remove') || steps.every(isAtAnEnd)) {
            expect(after.cutSince(before)).toEqual(foundCut(before, after));
          }
        }
        expect(after.cutSince(before.copy())).toBeUndefined();
        before.tracked();
        expect(after.cutSince(before)).toBeUndefined();
        expect(after.copy().cutSince(before)).toBeUndefined();
      }),
    );
  });
});
