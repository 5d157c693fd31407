import { op, rolling, table } from 'arquero';
import { enter } from '../contender.ts';
import { freshKeys } from '../data.ts';
import { checkRollingMean } from '../expected.ts';

enter((stream, { count = 0 }) => {
  let first = 0;
  let means: Float64Array = new Float64Array();
  return {
    prepare: (from, to) => {
      first = from;
      return { key: freshKeys(stream, from, to), value: stream.value.slice(from, to) };
    },
    run: (columns) => {
      const mean = rolling(op.mean('value'), [1 - count, 0]);
      means = table(columns).groupby('key').derive({ mean }).array('mean', Float64Array);
    },
    check: (to) => checkRollingMean(stream, count, means, { from: first, to, full: false }, 1e-9),
    note: 'a batch: all records in one table',
  };
});
