import { max } from '../../src/core/aggregates/extrema.ts';
import { mean } from '../../src/core/aggregates/sums.ts';
import { type Folded, listPanes } from '../../src/engine/group/group.ts';
import { sliding } from '../../src/pipeline/windows.ts';
import { enter } from '../contender.ts';
import { checkSliding, PaneColumns } from '../expected.ts';
import { GroupLog, groupRecordsOf, pipelineOf, type SentReading } from '../fold.ts';

enter((stream, { size = 0, slide = 0, outOfOrderness = 0, coded = 0 }) => {
  const window = sliding<SentReading, { mean: number; max: number }>(
    { size: `${size}ms`, slide: `${slide}ms` },
    { mean: mean('value'), max: max('value') },
  );
  const pipeline = pipelineOf({ sliding: window }, outOfOrderness);
  const log = new GroupLog(pipeline, coded);
  let folded: Folded = log.take([]);
  const kept: Folded['panes'][] = [];
  let length = 0;
  return {
    prepare: (from, to) => groupRecordsOf(pipeline, stream, from, to),
    run: (records) => {
      folded = log.take(records);
    },
    keep: () => {
      kept.push(folded.panes);
      length += folded.panes.length;
    },
    check: (to) => {
      const panes = new PaneColumns(length);
      for (const { key, start, count, results } of kept.flatMap(listPanes)) {
        const { mean = Number.NaN, max = Number.NaN } = results as { mean?: number; max?: number };
        panes.push(Number(key.slice(-6)), start, count, mean, max);
      }
      return checkSliding(stream, { size, slide, outOfOrderness }, panes, { from: 0, to }, 1e-14);
    },
    note: () => log.note(),
  };
});
