import { enter, Results } from '../contender.ts';
import { checkRollingMax } from '../expected.ts';

// Block-aligned two-stacks: van Herk, 1992; Gil & Werman, 1993.
enter((stream, { count = 0 }) => {
  const greatest = new Results(stream);
  const block = new Float64Array(count + 1).fill(Number.NEGATIVE_INFINITY);
  const present = new Float64Array(1).fill(Number.NEGATIVE_INFINITY);
  let place = 0;

  function take(values: Float64Array, out: Float64Array): void {
    let next = place;
    let most = present[0] as number;
    for (let at = 0; at < values.length; ) {
      const blockEnd = Math.min(values.length, at + count - next);
      for (; at < blockEnd; at++) {
        const value = values[at] as number;
        block[next++] = value;
        most = Math.max(most, value);
        out[at] = Math.max(most, block[next] as number);
      }
      if (next === count) {
        // What the present block took in becomes the greatest from there to its end.
        for (let end = count - 2; end >= 0; end--) {
          block[end] = Math.max(block[end] as number, block[end + 1] as number);
        }
        next = 0;
        most = Number.NEGATIVE_INFINITY;
      }
    }
    place = next;
    present[0] = most;
  }

  return {
    prepare: (from, to) => ({ values: stream.value.subarray(from, to), out: greatest.of(to - from) }),
    run: ({ values, out }) => take(values, out),
    keep: (from, to) => greatest.keep(from, to),
    check: (to) => checkRollingMax(stream, count, greatest.all, { from: 0, to, full: false }),
  };
});
