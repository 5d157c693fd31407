import { enter } from '../contender.ts';
import { Readings } from '../duckdb.ts';
import { checkRollingMean } from '../expected.ts';

enter(async (stream, { count = 0 }) => {
  const readings = await Readings.create();
  let first = 0;
  let means: readonly unknown[] = [];
  return {
    prepare: (from, to) => {
      first = from;
      return readings.load(stream, from, to);
    },
    run: async () => {
      [means = []] = await readings.query(
        `select avg(value) over (partition by key order by record rows ${count - 1} preceding)
         from readings order by record`,
      );
    },
    check: (to) =>
      checkRollingMean(
        stream,
        count,
        Float64Array.from(means as number[]),
        { from: first, to, full: false },
        1e-9,
      ),
    note: () => readings.note(),
  };
});
