import { bufferCount, groupBy, map, mergeMap, Subject } from 'rxjs';
import { enter } from '../contender.ts';
import { freshKeys } from '../data.ts';
import { checkRollingMean } from '../expected.ts';

interface Reading {
  readonly record: number;
  readonly key: string;
  readonly value: number;
}

enter((stream, { count = 0 }) => {
  const means = new Float64Array(stream.value.length);
  const readings = new Subject<Reading>();
  readings
    .pipe(
      groupBy((reading) => reading.key),
      mergeMap((ofKey) =>
        ofKey.pipe(
          bufferCount(count, 1),
          map((window) => ({
            record: window.at(-1)?.record ?? 0,
            mean: window.reduce((sum, { value }) => sum + value, 0) / window.length,
          })),
        ),
      ),
    )
    .subscribe(({ record, mean }) => {
      means[record] = mean;
    });
  return {
    prepare: (from, to) =>
      freshKeys(stream, from, to).map(
        (key, at): Reading => ({ record: from + at, key, value: stream.value[from + at] as number }),
      ),
    run: (batch) => {
      for (const reading of batch) readings.next(reading);
    },
    check: (to) => checkRollingMean(stream, count, means, { from: 0, to, full: true }, 1e-9),
    note: 'nothing until a key has its count; no event time, no position check',
  };
});
