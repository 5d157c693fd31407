import { bufferCount, map, Subject } from 'rxjs';
import { enter, Results } from '../contender.ts';
import { checkRollingMean } from '../expected.ts';

enter((stream, { count = 0 }) => {
  const means = new Results(stream);
  const values = new Subject<number>();
  let out = means.batch;
  let at = 0;
  values
    .pipe(
      bufferCount(count, 1),
      map((window) => window.reduce((sum, value) => sum + value, 0) / window.length),
    )
    .subscribe((mean) => {
      out[at] = mean;
    });
  return {
    prepare: (from, to) => {
      out = means.of(to - from);
      return stream.value.subarray(from, to);
    },
    run: (batch) => {
      for (at = 0; at < batch.length; at++) values.next(batch[at] as number);
    },
    keep: (from, to) => means.keep(from, to),
    check: (to) => checkRollingMean(stream, count, means.all, { from: 0, to, full: true }, 1e-9),
  };
});
