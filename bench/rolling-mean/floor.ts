import { enter, Results } from '../contender.ts';
import { checkRollingMean } from '../expected.ts';
import { RollingMean } from './two-stacks.ts';

enter((stream, { count = 0 }) => {
  const means = new Results(stream);
  const mean = new RollingMean(count);
  return {
    prepare: (from, to) => ({ values: stream.value.subarray(from, to), out: means.of(to - from) }),
    run: ({ values, out }) => mean.take(values, out),
    keep: (from, to) => means.keep(from, to),
    check: (to) => checkRollingMean(stream, count, means.all, { from: 0, to, full: false }, 1e-14),
  };
});
