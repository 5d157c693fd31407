import { sma } from 'indicatorts';
import { enter } from '../contender.ts';
import { checkRollingMean } from '../expected.ts';

enter((stream, { count = 0 }) => {
  let first = 0;
  let means: number[] = [];
  return {
    prepare: (from, to) => {
      first = from;
      return Array.from(stream.value.subarray(from, to));
    },
    run: (values) => {
      means = sma(values, { period: count });
    },
    check: (to) =>
      checkRollingMean(stream, count, Float64Array.from(means), { from: first, to, full: false }, 1e-9),
    note: 'a batch: all values in one array',
  };
});
