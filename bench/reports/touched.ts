import { groupOf } from '../one-group.ts';
import { enterReport, mean as meanOf, median, type Report, shown } from '../report.ts';

/** How many invocations of one record are timed, after as many that are not. */
const INVOCATIONS = 100;
const GOAL_MILLIS = 5;

/**
 * The wall time of invocations of one record each, in milliseconds, of one group that holds so many keys already.
 */
async function millisOf(keys: number, environments: number): Promise<readonly number[]> {
  const { take } = await groupOf(keys, environments);
  const times: number[] = [];
  // In strides, so that keys of all places are met.
  for (let at = 0; at < 2 * INVOCATIONS; at++) times.push(await take([at * 7_919]));
  return times.slice(INVOCATIONS);
}

/** What a record costs that comes alone, by the keys that its group holds. */
enterReport(async (quick): Promise<Report> => {
  const rows: string[][] = [];
  for (const keys of quick ? [1_000, 10_000] : [1_000, 10_000, 100_000]) {
    for (const environments of [1, 2]) {
      const times = await millisOf(keys, environments);
      const [middle, average, most] = [median(times), meanOf(times), Math.max(...times)];
      rows.push([
        keys.toLocaleString('en'),
        String(environments),
        shown(middle),
        shown(average),
        shown(most),
        middle <= GOAL_MILLIS ? 'met' : 'missed',
      ]);
    }
  }
  return {
    head: [
      'keys of the group',
      'environments in turns',
      'median, ms',
      'mean, ms',
      'most, ms',
      `goal ${GOAL_MILLIS}`,
    ],
    rows,
    faults: [],
  };
});
