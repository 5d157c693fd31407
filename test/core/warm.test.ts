import fc from 'fast-check';
import { expect, it } from 'vitest';
import { KeyState, type StoredKey } from '../../src/core/key.ts';
import { Panes } from '../../src/core/panes.ts';
import type { Table } from '../../src/core/table.ts';
import type { EpochMillis } from '../../src/core/time.ts';
import { definePipeline, kinesis, max, mean, rolling } from '../../src/index.ts';

/** A window of the last records whose rows are kept warm from one batch of a key to the next. */
const rollingOver = (count: number) => {
  const { rules } = definePipeline('warm', kinesis<{ key: string; at: number; value: number }>(), {
    key: 'key',
    eventTime: 'at',
    costly: true,
    windows: { last: rolling({ count }, { mean: mean('value'), max: max('value') }) },
  });
  /** Takes values in, and returns the panes and what is stored. */
  return (stored: StoredKey | undefined, values: readonly number[]) => {
    const panes = new Panes(rules);
    const state = new KeyState(rules, stored);
    for (const value of values) {
      const at = (stored ? stored.maxEventTime + 1 : 0) as EpochMillis;
      state.apply({ at, arrival: at, values: [value] }, panes);
    }
    return { panes: panes.list(), stored: state.freeze() as StoredKey };
  };
};

const rowsOf = ({ windows }: StoredKey) =>
  (windows[0] as readonly Table[]).map(({ numbers, rows, width }) => numbers.slice(0, rows * width));

it('a state goes on as it was stored, whether its rows are warm or laid out anew', () => {
  const batches = fc.array(fc.array(fc.double({ noNaN: true }), { maxLength: 12 }), { maxLength: 8 });
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 9 }), batches, (count, batches) => {
      const takeIn = rollingOver(count);
      let stored: StoredKey | undefined;
      for (const values of batches.filter(({ length }) => length > 0)) {
        const before = stored && rowsOf(stored);
        // Only the first finds its rows warm.
        const [warm, anew, again] = [values, values, [...values, 1]].map((some) => takeIn(stored, some));
        expect(anew?.panes).toEqual(warm?.panes);
        expect(again?.panes.slice(0, warm?.panes.length)).toEqual(warm?.panes);
        expect(rowsOf(anew?.stored as StoredKey)).toEqual(rowsOf(warm?.stored as StoredKey));
        expect(stored && rowsOf(stored)).toEqual(before);
        stored = warm?.stored;
      }
    }),
  );
});

it('more keys than are kept warm go on, too', () => {
  const count = 4_096;
  const takeIn = rollingOver(count);
  const values = Array.from({ length: count }, (_, n) => (n * 7_919) % 1_009);
  // Rows of eight numbers and more, of which 2^21 are kept.
  const keys = Array.from({ length: 90 }, (_, key) => takeIn(undefined, [...values, key]).stored);
  for (let round = 0; round < 3; round++) {
    for (const [key, stored] of keys.entries()) {
      const { panes, ...after } = takeIn(stored, [10_000 + key]);
      expect(panes.map(({ results }) => results?.max)).toEqual([10_000 + key]);
      expect(panes[0]?.index).toBe(count + 1 + round);
      keys[key] = after.stored;
    }
  }
});
