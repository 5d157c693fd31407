import { mean } from '../../src/core/aggregates/sums.ts';
import { rolling } from '../../src/pipeline/windows.ts';
import { enter, Results } from '../contender.ts';
import { checkRollingMean } from '../expected.ts';
import { decodedOf, Keys, keepingOf, keepResult, type Reading, rulesOf } from '../millrace.ts';

enter((stream, { count = 0, cold = 0 }) => {
  const means = new Results(stream);
  const rules = rulesOf({ rolling: rolling<Reading, { mean: number }>({ count }, { mean: mean('value') }) });
  const keys = new Keys(rules, keepingOf(cold));
  return {
    prepare: (from, to) => {
      means.of(to - from);
      return decodedOf(rules, stream, from, to);
    },
    run: (records) => keys.take(records),
    keep: (from, to) => {
      keepResult(keys.panes, means.batch);
      means.keep(from, to);
    },
    check: (to) => checkRollingMean(stream, count, means.all, { from: 0, to, full: false }, 1e-14),
  };
});
