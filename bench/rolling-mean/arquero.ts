import { op, rolling, table } from 'arquero';
import { enter } from '../contender.ts';
import { checkRollingMean } from '../expected.ts';

enter((stream, { count = 0 }) => {
  let first = 0;
  let means: Float64Array = new Float64Array();
  return {
    prepare: (from, to) => {
      first = from;
      return stream.value.slice(from, to);
    },
    run: (value) => {
      const mean = rolling(op.mean('value'), [1 - count, 0]);
      means = table({ value }).derive({ mean }).array('mean', Float64Array);
    },
    check: (to) => checkRollingMean(stream, count, means, { from: first, to, full: false }, 1e-9),
    note: 'a batch: all values in one table',
  };
});
