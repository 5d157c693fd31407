import incrmmean from '@stdlib/stats-incr-mmean';
import { enter, Results } from '../contender.ts';
import { freshKeys } from '../data.ts';
import { checkRollingMean } from '../expected.ts';

enter((stream, { count = 0 }) => {
  const means = new Results(stream);
  const byKey = new Map<string, (value: number) => number>();
  return {
    prepare: (from, to) => ({
      out: means.of(to - from),
      names: freshKeys(stream, from, to),
      values: stream.value.subarray(from, to),
    }),
    run: ({ out, names, values }) => {
      for (let at = 0; at < values.length; at++) {
        const name = names[at] as string;
        let mean = byKey.get(name);
        if (mean === undefined) {
          mean = incrmmean(count);
          byKey.set(name, mean);
        }
        out[at] = mean(values[at] as number);
      }
    },
    keep: (from, to) => means.keep(from, to),
    check: (to) => checkRollingMean(stream, count, means.all, { from: 0, to, full: false }, 1e-9),
    note: 'an accumulator per key in a Map; no event time, no position check',
  };
});
