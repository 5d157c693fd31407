import { setFlagsFromString } from 'node:v8';
import { compileFunction } from 'node:vm';
import fc from 'fast-check';
import { expect, it } from 'vitest';
import { KeyState, type StoredKey } from '../src/core/key.ts';
import { Table, zeros } from '../src/core/table.ts';
import { cases, keyRecord, noPanes, rough, rulesOf } from './core/windows.ts';

/**
 * Whether V8 keeps the numbers of tables as doubles. It does no more once code reads them that reads arrays of other
 * things, too, as what compares values in tests does: so this has a process of its own, and compares none of them.
 */

setFlagsFromString('--allow-natives-syntax');

const isOfDoubles = compileFunction('return %HasDoubleElements(numbers) && !%HasHoleyElements(numbers)', [
  'numbers',
]) as (numbers: readonly unknown[]) => boolean;

it('is told of arrays', () => {
  const others = [[], [1], [0.5, 'a']];
  expect([[0.5], ...others].map(isOfDoubles)).toEqual([true, false, false, false]);
});

it.each([0, 1, 1_024, 1_025, 5_001, 131_072, 400_001])(
  'is so of %i zeros, which nobody else has',
  (length) => {
    const numbers = zeros(length);
    expect(isOfDoubles(numbers)).toBe(true);
    expect(numbers.length).toBe(length);
    for (let at = 0; at < length; at++) numbers[at] = 1;
    const others = zeros(length);
    expect(others.every((zero) => zero === 0)).toBe(true);
    expect(isOfDoubles(others)).toBe(true);
  },
);

it('stays so of a table, whatever becomes of it', () => {
  let table = new Table(3, 0);
  for (let row = 0; row < 40; row++) {
    table.pushNumbers(row, -0, Number.NaN);
    if (row % 5 === 0) table.insert(row >> 1);
    if (row % 7 === 0) table.remove(0, 2);
    if (row % 11 === 0) table = table.copy();
    expect(isOfDoubles(table.numbers)).toBe(true);
  }
});

it('stays so of what windows keep', () => {
  fc.assert(
    fc.property(cases(rough), ({ plan, input }) => {
      const rules = rulesOf(plan);
      let stored: StoredKey | undefined;
      for (const record of input) {
        const panes = noPanes(rules);
        const key = new KeyState(rules, stored);
        key.apply(keyRecord(rules, record), panes);
        key.update(panes);
        stored = key.freeze();
        const tables = [...panes.tables, ...(stored?.windows.flatMap((kept) => kept ?? []) ?? [])];
        expect(tables.every(({ rows, numbers }) => rows === 0 || isOfDoubles(numbers))).toBe(true);
      }
    }),
  );
});
