import { mean } from '../../src/core/aggregates/sums.ts';
import { COUNT, START } from '../../src/core/panes.ts';
import { sliding } from '../../src/pipeline/windows.ts';
import { enter } from '../contender.ts';
import { Comparison } from '../expected.ts';
import { decodedOf, Keys, keepingOf, type Reading, rulesOf } from '../millrace.ts';

/** A window of `count` seconds every second, over one key that has a record a second. */
enter((stream, { count = 0, cold = 0 }) => {
  const rules = rulesOf({
    day: sliding<Reading, { mean: number }>({ size: `${count}s`, slide: '1s' }, { mean: mean('value') }),
  });
  const keys = new Keys(rules, keepingOf(cold));
  const means = new Float64Array(stream.value.length).fill(Number.NaN);
  const comparison = new Comparison(1e-14);
  const begin = stream.at[0] as number;
  return {
    prepare: (from, to) => decodedOf(rules, stream, from, to),
    run: (records) => keys.take(records),
    keep: () => {
      const [table] = keys.panes.tables;
      for (let row = 0; row < (table?.rows ?? 0); row++) {
        const at = row * (table?.width ?? 0);
        // The window that ends with this second, which the next one's record closes.
        const last = ((table?.numbers[at + START] as number) - begin) / 1_000 + count - 1;
        if (!Number.isNaN(means[last])) comparison.fault(`second ${last}: a second pane`);
        means[last] = table?.numbers[at + (table.width - 1)] as number;
        comparison.number(
          table?.numbers[at + COUNT],
          Math.min(count, last + 1),
          () => `second ${last}, count`,
        );
      }
    },
    check: (to) => {
      let sum = 0;
      for (let second = 0; second < to - 1; second++) {
        sum += stream.thousandths[second] as number;
        if (second >= count) sum -= stream.thousandths[second - count] as number;
        comparison.number(means[second], sum / 1_000 / Math.min(count, second + 1), () => `second ${second}`);
      }
      return comparison.check();
    },
  };
});
