import { Random } from '../../src/simulation/random.ts';
import { isStarted } from '../local-run.ts';
import type { Reading } from './pipeline.ts';

export const MIDNIGHT = Date.UTC(2026, 5, 1);
const MINUTE = 60_000;

/** The flow out of each tank at some minutes of the day, in litres a minute; between them it changes evenly. */
const FLOWS = {
  greenhouse: { full: 5_000, at: [0, 360, 420, 600, 660, 720], flows: [0, 0, 12, 12, 3, 3] },
  stable: { full: 800, at: [0, 300, 330, 390, 420, 720], flows: [0.5, 0.5, 4, 4, 0.5, 0.5] },
} as const;

/** How much has run out by a minute of the day: the exact area, not a sum over readings. */
export function drawnBy(tank: keyof typeof FLOWS, minute: number): number {
  const { at } = FLOWS[tank];
  let area = 0;
  for (let next = 1; next < at.length && (at[next - 1] as number) < minute; next++) {
    const [from, to] = [at[next - 1] as number, Math.min(minute, at[next] as number)];
    area += ((flowAt(tank, from) + flowAt(tank, to)) / 2) * (to - from);
  }
  return area;
}

function flowAt(tank: keyof typeof FLOWS, minute: number): number {
  const { at, flows } = FLOWS[tank];
  const next = at.findIndex((time, place) => place > 0 && time >= minute);
  const [from, to] = [at[next - 1] as number, at[next] as number];
  const share = (minute - from) / (to - from);
  return (flows[next - 1] as number) * (1 - share) + (flows[next] as number) * share;
}

/** Half a day of both tanks, a reading some every minute, in an order that is up to a minute wrong. */
export function readings(seed = 1): Reading[] {
  const random = new Random(seed);
  const placed = Object.keys(FLOWS).flatMap((name) => {
    const tank = name as keyof typeof FLOWS;
    return Array.from({ length: 720 }, (_, at) => {
      const minute = at === 0 ? 0 : at + random.next() * 0.9;
      const instant = Math.round(MIDNIGHT + minute * MINUTE);
      const exact = (instant - MIDNIGHT) / MINUTE;
      const reading = {
        tank,
        at: new Date(instant).toISOString(),
        litres: FLOWS[tank].full - drawnBy(tank, exact),
        flow: flowAt(tank, exact),
      };
      return { reading, arrival: instant + random.next() * MINUTE };
    });
  });
  return placed.sort((a, b) => a.arrival - b.arrival).map(({ reading }) => reading);
}

if (isStarted(import.meta.url)) for (const reading of readings()) console.log(JSON.stringify(reading));
