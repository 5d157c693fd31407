import { enter, Results } from '../contender.ts';
import { checkRollingMean } from '../expected.ts';

/**
 * Means of the last `count` slices of one record each without two-stacks: `slices` combines them all for each record, `windows`
 * keeps a sum for each window that is open and adds each record to all of them.
 */
enter((stream, { count = 0, windows = 0 }) => {
  const means = new Results(stream);
  const sums = new Float64Array(count);
  const losses = new Float64Array(count);
  let taken = 0;

  function combineSlices(value: number): number {
    const place = taken % count;
    sums[place] = value;
    // Until the first window is full there is nothing to see.
    if (++taken < count) return Number.NaN;
    let sum = 0;
    let loss = 0;
    for (let slice = 0; slice < count; slice++) {
      const more = sums[slice] as number;
      const longer = sum + more;
      const added = longer - sum;
      loss += (losses[slice] as number) + (sum - (longer - added) + (more - added));
      sum = longer;
    }
    return (sum + loss) / count;
  }

  function addToWindows(value: number): number {
    const begun = taken % count;
    sums[begun] = 0;
    losses[begun] = 0;
    taken++;
    const open = Math.min(taken, count);
    for (let window = 0; window < open; window++) {
      const sum = sums[window] as number;
      const longer = sum + value;
      const added = longer - sum;
      losses[window] = (losses[window] as number) + (sum - (longer - added) + (value - added));
      sums[window] = longer;
    }
    const closed = taken % count;
    return ((sums[closed] as number) + (losses[closed] as number)) / count;
  }

  return {
    prepare: (from, to) => ({ values: stream.value.subarray(from, to), out: means.of(to - from) }),
    run: ({ values, out }) => {
      if (windows === 1)
        for (let at = 0; at < values.length; at++) out[at] = addToWindows(values[at] as number);
      else for (let at = 0; at < values.length; at++) out[at] = combineSlices(values[at] as number);
    },
    keep: (from, to) => means.keep(from, to),
    check: (to) => checkRollingMean(stream, count, means.all, { from: 0, to, full: true }, 1e-14),
    note: 'measured on few records',
  };
});
