import { mean } from '../../src/core/aggregates/sums.ts';
import { KeyState } from '../../src/core/key.ts';
import { Panes } from '../../src/core/panes.ts';
import { rollingOperator } from '../../src/core/windows/rolling.ts';
import { enter, Results } from '../contender.ts';
import { checkRollingMean } from '../expected.ts';
import { keepResult, type Reading, recordOf, rulesOf } from '../millrace.ts';

enter((stream, { count = 0 }) => {
  const means = new Results(stream);
  // A definition refuses more than 10,000 records: what the operator could do beyond is measured all the same.
  const rules = rulesOf({
    rolling: {
      operator: (of) => rollingOperator<Reading>({ count, partial: true }, { mean: mean('value') }, of),
    },
  });
  const state = new KeyState(rules);
  const panes = new Panes(rules);
  return {
    prepare: (from, to) => {
      means.of(to - from);
      return Array.from({ length: to - from }, (_, at) => recordOf(rules, stream, from + at));
    },
    run: (records) => {
      panes.clear();
      for (const record of records) state.apply(record, panes);
      panes.endPostponed();
    },
    keep: (from, to) => {
      keepResult(panes, means.batch);
      means.keep(from, to);
    },
    check: (to) => checkRollingMean(stream, count, means.all, { from: 0, to, full: false }, 1e-14),
    note: 'whole panes',
  };
});
