import { millis } from '../../src/core/time.ts';
import { sweepHandler } from '../../src/handlers.ts';
import { LIMITS } from '../../src/ports/limits.ts';
import { groupOf, invocation } from '../one-group.ts';
import { enterReport, mean as meanOf, median, type Report, shown } from '../report.ts';

/** How many sweeps are timed, after as many that are not. */
const SWEEPS = 20;
const DUE = 10;
/** The windows of a record, which all close by its silence. */
const PANES = 6;

/**
 * The wall time of sweeps of one environment, in microseconds, over one group of which some keys took in a record
 * since the sweep before and have fallen silent. All other keys have open windows that are not due, or, where some are
 * due, none.
 */
async function microsOf(keys: number, due: number): Promise<readonly number[]> {
  const { pipeline, ports, take } = await groupOf(keys);
  // A sweeper of 512 MB, as it is by default, keeps groups of up to some 90,000 such keys.
  const sweep = sweepHandler({ ...ports, limits: { ...LIMITS, kept: 1e9 } }, pipeline);
  if (due > 0) {
    ports.clock.pass(millis('10m'));
    await sweep(undefined, invocation);
  }
  const times: number[] = [];
  for (let at = 0; at < 2 * SWEEPS; at++) {
    if (due > 0) {
      await take(Array.from({ length: due }, (_, place) => (at * due + place) * 7_919));
      ports.clock.pass(millis('10m'));
    }
    const begun = performance.now();
    const { open, panes } = await sweep(undefined, invocation);
    times.push(1_000 * (performance.now() - begun));
    if (panes !== PANES * due || open !== (due > 0 ? 0 : PANES * keys))
      throw new Error(`Cannot measure a sweep that emits ${panes} panes and leaves ${open} windows open`);
  }
  return times.slice(SWEEPS);
}

/** What a sweep costs, by the keys that its group holds. */
enterReport(async (quick): Promise<Report> => {
  const rows: string[][] = [];
  for (const keys of quick ? [1_000, 10_000] : [1_000, 10_000, 100_000]) {
    for (const due of [0, DUE]) {
      const times = await microsOf(keys, due);
      const [middle, average, most] = [median(times), meanOf(times), Math.max(...times)];
      rows.push([keys.toLocaleString('en'), String(due), shown(middle), shown(average), shown(most)]);
    }
  }
  return { head: ['keys of the group', 'keys due', 'median, µs', 'mean, µs', 'most, µs'], rows, faults: [] };
});
