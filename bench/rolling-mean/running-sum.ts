import { enter, Results } from '../contender.ts';
import { checkRollingMean } from '../expected.ts';

// Add what comes, subtract what goes: fewer steps than the floor, but it never forgets a rounding error or a NaN.
enter((stream, { count = 0 }) => {
  const means = new Results(stream);
  const ring = new Float64Array(count);
  const sum = new Float64Array(1);
  let place = 0;
  let holds = 0;

  function take(values: Float64Array, out: Float64Array): void {
    for (let at = 0; at < values.length; at++) {
      const value = values[at] as number;
      const present = (sum[0] as number) + (value - (ring[place] as number));
      sum[0] = present;
      ring[place] = value;
      if (++place === count) place = 0;
      if (holds < count) holds++;
      out[at] = present / holds;
    }
  }

  return {
    prepare: (from, to) => ({ values: stream.value.subarray(from, to), out: means.of(to - from) }),
    run: ({ values, out }) => take(values, out),
    keep: (from, to) => means.keep(from, to),
    check: (to) => checkRollingMean(stream, count, means.all, { from: 0, to, full: false }, 1e-9),
  };
});
