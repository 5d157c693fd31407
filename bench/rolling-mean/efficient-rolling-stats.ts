import { RollingAvg } from 'efficient-rolling-stats';
import { enter, Results } from '../contender.ts';
import { checkRollingMean } from '../expected.ts';

enter((stream, { count = 0 }) => {
  const means = new Results(stream);
  const mean = RollingAvg(count);
  return {
    prepare: (from, to) => ({ values: stream.value.subarray(from, to), out: means.of(to - from) }),
    run: ({ values, out }) => {
      for (let at = 0; at < values.length; at++) out[at] = mean(values[at] as number);
    },
    keep: (from, to) => means.keep(from, to),
    check: (to) => checkRollingMean(stream, count, means.all, { from: 0, to, full: false }, 1e-9),
  };
});
