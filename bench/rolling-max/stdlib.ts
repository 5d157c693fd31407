import incrmmax from '@stdlib/stats-incr-mmax';
import { enter, Results } from '../contender.ts';
import { checkRollingMax } from '../expected.ts';

enter((stream, { count = 0 }) => {
  const greatest = new Results(stream);
  const max = incrmmax(count);
  return {
    prepare: (from, to) => ({ values: stream.value.subarray(from, to), out: greatest.of(to - from) }),
    run: ({ values, out }) => {
      for (let at = 0; at < values.length; at++) out[at] = max(values[at] as number);
    },
    keep: (from, to) => greatest.keep(from, to),
    check: (to) => checkRollingMax(stream, count, greatest.all, { from: 0, to, full: false }),
  };
});
