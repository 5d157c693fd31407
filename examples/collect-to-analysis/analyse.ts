import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { linesOf } from '../../src/commands/panes.ts';
import type { air } from './pipeline.ts';

type Pane = NonNullable<typeof air.pane>;

/** What the week was like at a station. */
export interface Week {
  readonly station: string;
  /** The hour of the day, from 0 to 23 in UTC, whose mean over the week is the greatest, and that mean. */
  readonly worst_hour: number;
  readonly mean_then: number;
  /** The days whose mean was above 15 µg/m³, the 24-hour guideline of the WHO (2021). */
  readonly days_above: number;
  /** The hours without a reading. */
  readonly hours_missing: number;
}

/** Reads the panes of all objects below a folder. */
export async function readObjects(folder: string): Promise<readonly Pane[]> {
  const names = readdirSync(folder, { recursive: true, encoding: 'utf8' }).filter((name) =>
    name.endsWith('.gz'),
  );
  const lines = await Promise.all(names.map((name) => linesOf(name, readFileSync(join(folder, name)))));
  return lines.flat().map((line) => JSON.parse(line));
}

/** Answers what `week.sql` asks, in the order of the stations, of panes of one revision each. */
export function weekOf(panes: readonly Pane[]): readonly Week[] {
  const stations = [...new Set(panes.map(({ key }) => key))].sort();
  return stations.map((station) => {
    const own = panes.filter(({ key }) => key === station);
    const hourly = own.filter(({ window }) => window === 'hourly');
    const hours = Array.from({ length: 24 }, (_, hour) => {
      const means = hourly.filter(({ start }) => Number(start.slice(11, 13)) === hour).map(meanOf);
      return means.reduce((sum, mean) => sum + mean, 0) / means.length;
    });
    const mean_then = Math.max(...hours);
    return {
      station,
      worst_hour: hours.indexOf(mean_then),
      mean_then,
      days_above: own.filter((pane) => pane.window === 'daily' && meanOf(pane) > 15).length,
      hours_missing: 168 - hourly.length,
    };
  });
}

const meanOf = ({ results }: Pane): number => results.mean;
