import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Point } from './pipeline.ts';

/** A series, and the stretches of time that people have labelled as anomalous. */
export interface Series {
  readonly name: string;
  readonly points: readonly Point[];
  /** First and last instant of each, in ISO 8601. */
  readonly windows: readonly (readonly [first: string, last: string])[];
}

/** An instant as NAB writes it, `2014-04-01 00:05:00`, without a zone, as one in UTC. */
const instantOf = (text: string): string =>
  new Date(`${text.trim().replace(' ', 'T').slice(0, 19)}Z`).toISOString();

/**
 * Reads series from a folder that is laid out as NAB is: `data/<group>/<name>.csv` with `timestamp,value`, and the
 * labelled windows of each in `labels/combined_windows.json`.
 *
 * @throws Error when there are no such labels, or a series that they name is missing
 */
export function* readCorpus(folder: string): Generator<Series> {
  const labels = JSON.parse(readFileSync(join(folder, 'labels/combined_windows.json'), 'utf8'));
  const there = readdirSync(join(folder, 'data'), { recursive: true, encoding: 'utf8' });
  for (const name of there.filter((path) => path.endsWith('.csv')).sort()) {
    const [, ...rows] = readFileSync(join(folder, 'data', name), 'utf8')
      .trim()
      .split('\n');
    const points = rows.map((row) => {
      const [at = '', value] = row.split(',');
      return { series: name, at: instantOf(at), value: Number(value) };
    });
    const windows = (labels[name] ?? []).map((window: string[]) => window.map(instantOf));
    yield { name, points, windows };
  }
}
