import { mmax } from 'indicatorts';
import { enter } from '../contender.ts';
import { checkRollingMax } from '../expected.ts';

enter((stream, { count = 0 }) => {
  let first = 0;
  let greatest: number[] = [];
  return {
    prepare: (from, to) => {
      first = from;
      return Array.from(stream.value.subarray(from, to));
    },
    run: (values) => {
      greatest = mmax(values, { period: count });
    },
    check: (to) =>
      checkRollingMax(stream, count, Float64Array.from(greatest), { from: first, to, full: false }),
    note: 'a batch: all values in one array',
  };
});
