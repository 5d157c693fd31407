import { enter } from '../contender.ts';
import { Readings } from '../duckdb.ts';
import { checkSliding, PaneColumns } from '../expected.ts';

enter(async (stream, { size = 0, slide = 0 }) => {
  const readings = await Readings.create();
  let first = 0;
  let columns: readonly (readonly unknown[])[] = [];
  return {
    prepare: (from, to) => {
      first = from;
      return readings.load(stream, from, to);
    },
    run: async () => {
      columns = await readings.query(
        `select key, (instant // ${slide} - shift) * ${slide} as start, count(*), avg(value), max(value)
         from readings, range(${size / slide}) shifts(shift) group by key, start`,
      );
    },
    check: (to) => {
      const panes = new PaneColumns(columns[0]?.length ?? 0);
      const [keys = [], starts = [], counts = [], means = [], maxima = []] = columns;
      for (let at = 0; at < keys.length; at++) {
        panes.push(
          Number(keys[at]),
          Number(starts[at]),
          Number(counts[at]),
          Number(means[at]),
          Number(maxima[at]),
        );
      }
      const settings = { size, slide, outOfOrderness: Number.NEGATIVE_INFINITY };
      return checkSliding(stream, settings, panes, { from: first, to }, 1e-9);
    },
    note: () => readings.note(),
  };
});
