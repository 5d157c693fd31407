import { mean } from '../../src/core/aggregates/sums.ts';
import type { Folded } from '../../src/engine/group/group.ts';
import { rolling } from '../../src/pipeline/windows.ts';
import { enter, Results } from '../contender.ts';
import { checkRollingMean } from '../expected.ts';
import { GroupLog, groupRecordsOf, pipelineOf, type SentReading } from '../fold.ts';
import { keepResult } from '../millrace.ts';

enter((stream, { count = 0, coded = 0 }) => {
  const means = new Results(stream);
  const pipeline = pipelineOf({
    rolling: rolling<SentReading, { mean: number }>({ count }, { mean: mean('value') }),
  });
  const log = new GroupLog(pipeline, coded);
  let folded: Folded = log.take([]);
  return {
    prepare: (from, to) => {
      means.of(to - from);
      return groupRecordsOf(pipeline, stream, from, to);
    },
    run: (records) => {
      folded = log.take(records);
    },
    keep: (from, to) => {
      keepResult(folded.panes, means.batch);
      means.keep(from, to);
    },
    check: (to) => checkRollingMean(stream, count, means.all, { from: 0, to, full: false }, 1e-14),
    note: () => log.note(),
  };
});
