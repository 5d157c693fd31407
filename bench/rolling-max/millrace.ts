import { max } from '../../src/core/aggregates/extrema.ts';
import { KeyState } from '../../src/core/key.ts';
import { Panes } from '../../src/core/panes.ts';
import { rollingOperator } from '../../src/core/windows/rolling.ts';
import { enter, Results } from '../contender.ts';
import { checkRollingMax } from '../expected.ts';
import { keepResult, type Reading, recordOf, rulesOf } from '../millrace.ts';

enter((stream, { count = 0 }) => {
  const greatest = new Results(stream);
  // A definition refuses more than 10,000 records: what the operator could do beyond is measured all the same.
  const rules = rulesOf({
    rolling: {
      operator: (of) => rollingOperator<Reading>({ count, partial: true }, { max: max('value') }, of),
    },
  });
  const state = new KeyState(rules);
  const panes = new Panes(rules);
  return {
    prepare: (from, to) => {
      greatest.of(to - from);
      return Array.from({ length: to - from }, (_, at) => recordOf(rules, stream, from + at));
    },
    run: (records) => {
      panes.clear();
      for (const record of records) state.apply(record, panes);
      panes.endPostponed();
    },
    keep: (from, to) => {
      keepResult(panes, greatest.batch);
      greatest.keep(from, to);
    },
    check: (to) => checkRollingMax(stream, count, greatest.all, { from: 0, to, full: false }),
    note: 'whole panes',
  };
});
