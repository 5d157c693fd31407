import { enter, Results } from '../contender.ts';
import { checkRollingMean } from '../expected.ts';
import { RollingPanes } from '../pane-stacks.ts';

enter((stream, { count = 0 }) => {
  const means = new Results(stream);
  let keys = new Uint32Array(0);
  const windows = new RollingPanes(count, 1);
  return {
    prepare: (from, to) => {
      windows.makeRoom(to - from);
      if (keys.length < to - from) keys = new Uint32Array(to - from);
      means.of(to - from);
      return { values: stream.value.subarray(from, to), times: stream.at.subarray(from, to) };
    },
    run: ({ values, times }) => windows.take(keys, values, times),
    keep: (from, to) => {
      windows.copyMeans(means.batch, to - from);
      means.keep(from, to);
    },
    check: (to) => checkRollingMean(stream, count, means.all, { from: 0, to, full: false }, 1e-14),
    note: 'from when to when, index, count and watermark as well',
  };
});
