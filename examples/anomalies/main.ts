import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { tryPipeline } from 'millrace/testing';
import { isStarted } from '../local-run.ts';
import { readCorpus, type Series } from './corpus.ts';
import { anomalies } from './pipeline.ts';
import { type Labelled, nabScore } from './score.ts';

export const OWN = fileURLToPath(new URL('corpus', import.meta.url));

/**
 * Runs the pipeline on a series by itself, in memory, and says which of its points are anomalies.
 *
 * @throws RangeError where a point is refused, as its value is no number
 */
export function detect({ name, points, windows }: Series): Labelled {
  const { panes, poison } = tryPipeline(anomalies, points);
  if (poison.length > 0)
    throw new RangeError(`Cannot judge ${name} as each point must have a number: ${poison.length} have none`);
  const detected = panes.flatMap(({ results }, at) => (results.isAnomaly ? [at] : []));
  const places = windows.map(([first, last]) => {
    const from = points.findIndex(({ at }) => at >= first);
    return [from, points.findLastIndex(({ at }) => at <= last)] as const;
  });
  return { length: points.length, windows: places, detected };
}

if (isStarted(import.meta.url)) {
  const { values } = parseArgs({ options: { nab: { type: 'string' } } });
  const corpus: Labelled[] = [];
  for (const series of readCorpus(values.nab ?? OWN)) {
    const labelled = detect(series);
    corpus.push(labelled);
    const { windows, detected } = labelled;
    const found = windows.filter(([from, to]) => detected.some((at) => at >= from && at <= to)).length;
    const outside = detected.filter((at) => !windows.some(([from, to]) => at >= from && at <= to)).length;
    console.log(`${series.name}: ${found} of ${windows.length} windows found, ${outside} alarms outside`);
  }
  console.log(`NAB score, standard profile: ${nabScore(corpus).toFixed(1)} of 100`);
}
