import { enter, Results } from '../contender.ts';
import { freshKeys, freshPositions } from '../data.ts';
import { checkRollingMean } from '../expected.ts';
import { RollingPanes } from '../pane-stacks.ts';

// Per record: is its position after the last, and which key is it of; then as for one series.
enter((stream, { count = 0 }) => {
  const slots = new Map<string, number>();
  const means = new Results(stream);
  const windows = new RollingPanes(count, stream.settings.keys);
  let lastPosition = '';
  let keys = new Uint32Array(0);

  interface Batch {
    readonly names: readonly string[];
    readonly positions: readonly string[];
    readonly times: Float64Array;
    readonly values: Float64Array;
  }

  function take({ names, positions, times, values }: Batch): void {
    let last = lastPosition;
    let taken = 0;
    for (let at = 0; at < names.length; at++) {
      const position = positions[at] as string;
      if (position.length === last.length ? position <= last : position.length < last.length) {
        throw new Error('Cannot take a record in twice');
      }
      last = position;
      const name = names[at] as string;
      let slot = slots.get(name);
      if (slot === undefined) {
        slot = slots.size;
        slots.set(name, slot);
      }
      keys[taken++] = slot;
    }
    lastPosition = last;
    windows.take(keys, values, times);
  }

  return {
    prepare: (from, to) => {
      windows.makeRoom(to - from);
      if (keys.length < to - from) keys = new Uint32Array(to - from);
      means.of(to - from);
      return {
        names: freshKeys(stream, from, to),
        positions: freshPositions(from, to),
        times: stream.at.subarray(from, to),
        values: stream.value.subarray(from, to),
      };
    },
    run: take,
    keep: (from, to) => {
      windows.copyMeans(means.batch, to - from);
      means.keep(from, to);
    },
    check: (to) => checkRollingMean(stream, count, means.all, { from: 0, to, full: false }, 1e-14),
  };
});
