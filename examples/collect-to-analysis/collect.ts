import { Random } from '../../src/simulation/random.ts';
import { isStarted } from '../local-run.ts';
import type { Reading } from './pipeline.ts';

const FIRST = Date.UTC(2026, 2, 2);
const MINUTE = 60_000;

/** What is put into a week of each station, for the analysis to find: its rush hour, its days of smog, its outage. */
export const PLANTED = {
  harbour: { rush: 6, smog: [2, 3], outage: [] },
  market: { rush: 17, smog: [3], outage: [] },
  park: { rush: 8, smog: [], outage: [50, 51, 52, 53] },
} as const satisfies Record<string, { rush: number; smog: readonly number[]; outage: readonly number[] }>;

/** A week of readings, one in twenty minutes of each station, as they come. */
export function readings(seed = 1): Reading[] {
  const random = new Random(seed);
  const collected: Reading[] = [];
  for (let minute = 0; minute < 7 * 1_440; minute += 20) {
    const [day, hour] = [Math.floor(minute / 1_440), Math.floor(minute / 60)];
    for (const [station, { rush, smog, outage }] of Object.entries(PLANTED)) {
      if ((outage as readonly number[]).includes(hour)) continue;
      const busy = 12 * Math.exp(-(((hour % 24) - rush) ** 2) / 6);
      const pm25 = 5 + busy + ((smog as readonly number[]).includes(day) ? 11 : 0) + 3 * random.next();
      const at = new Date(FIRST + minute * MINUTE + random.whole(0, 59_999)).toISOString();
      collected.push({ station, at, pm25: Math.round(pm25 * 10) / 10 });
    }
  }
  return collected.sort((a, b) => a.at.localeCompare(b.at));
}

if (isStarted(import.meta.url)) for (const reading of readings()) console.log(JSON.stringify(reading));
