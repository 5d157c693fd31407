import { max } from '../../src/core/aggregates/extrema.ts';
import { mean } from '../../src/core/aggregates/sums.ts';
import { readPanes } from '../../src/core/panes.ts';
import type { Table } from '../../src/core/table.ts';
import { sliding } from '../../src/pipeline/windows.ts';
import { enter } from '../contender.ts';
import { checkSliding, PaneColumns } from '../expected.ts';
import { decodedOf, Keys, keepingOf, type Reading, rulesOf } from '../millrace.ts';

enter((stream, { size = 0, slide = 0, outOfOrderness = 0, cold = 0 }) => {
  const window = sliding<Reading, { mean: number; max: number }>(
    { size: `${size}ms`, slide: `${slide}ms` },
    { mean: mean('value'), max: max('value') },
  );
  const rules = rulesOf({ sliding: window }, outOfOrderness);
  const keys = new Keys(rules, keepingOf(cold));
  const kept: Table[] = [];
  let length = 0;
  return {
    prepare: (from, to) => decodedOf(rules, stream, from, to),
    run: (records) => keys.take(records),
    keep: () => {
      length += keys.panes.length;
      for (const table of keys.panes.tables) kept.push(table.copy());
    },
    check: (to) => {
      const panes = new PaneColumns(length);
      for (const table of kept) {
        for (const { key, pane } of readPanes(keys.panes.layouts, [table])) {
          const { mean = Number.NaN, max = Number.NaN } = pane.results as { mean?: number; max?: number };
          panes.push(Number(keys.names[key]?.slice(-6)), pane.start, pane.count, mean, max);
        }
      }
      return checkSliding(stream, { size, slide, outOfOrderness }, panes, { from: 0, to }, 1e-14);
    },
    note: () => `${(length / stream.at.length).toFixed(2)} panes a record`,
  };
});
