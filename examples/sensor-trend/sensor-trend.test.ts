import { beforeAll, describe, expect, it } from 'vitest';
import { startServers } from '../../src/local/servers/servers.ts';
import { runToEnd } from '../local-run.ts';
import { type Reading, tanks } from './pipeline.ts';
import { drawnBy, MIDNIGHT, readings } from './readings.ts';

/** How far a result may be from the batch formula, in parts of it. */
const TOLERANCE = 1e-9;
const HOUR = 3_600_000;

interface Point {
  readonly time: number;
  readonly litres: number;
  readonly flow: number;
}

type Panes = Awaited<ReturnType<typeof runToEnd<NonNullable<typeof tanks.pane>>>>;

const given = readings();

/** The readings of a tank from one instant up to another, in order of time. */
const pointsOf = (tank: string, from: number, to: number): readonly Point[] =>
  given
    .filter((reading) => reading.tank === tank)
    .map(({ at, litres, flow }: Reading) => ({ time: Date.parse(at), litres, flow }))
    .filter(({ time }) => time >= from && time < to)
    .sort((a, b) => a.time - b.time);

function expectNear(result: number, expected: number): void {
  expect(Math.abs(result - expected)).toBeLessThanOrEqual(TOLERANCE * Math.max(1, Math.abs(expected)));
}

/** The least-squares line of some points as its textbook has it: the rise in litres a millisecond, and the mean point. */
function lineOf(points: readonly Point[]) {
  const mean = (numbers: readonly number[]) => numbers.reduce((sum, it) => sum + it, 0) / numbers.length;
  const [time, litres] = [mean(points.map((it) => it.time)), mean(points.map((it) => it.litres))];
  const rise =
    points.reduce((sum, it) => sum + (it.time - time) * (it.litres - litres), 0) /
    points.reduce((sum, it) => sum + (it.time - time) ** 2, 0);
  return { rise, at: (instant: number) => litres + rise * (instant - time) };
}

describe('the trend of a tank', () => {
  let panes: Panes;
  beforeAll(async () => {
    panes = await runToEnd(tanks, given, { startServers });
  });

  it('has drawn the area below the flow since midnight, by trapezoids', () => {
    const today = panes.flatMap((pane) => (pane.window === 'today' ? [pane] : []));
    expect(today).toHaveLength(2 * 24);
    for (const { key, end, kind, results } of today) {
      const to = kind === 'final' ? MIDNIGHT + 24 * HOUR : Date.parse(end);
      const points = pointsOf(key, MIDNIGHT, to);
      const area = points.reduce((sum, { time, flow }, at) => {
        const next = points[at + 1];
        return next ? sum + (((flow + next.flow) / 2) * (next.time - time)) / 60_000 : sum;
      }, 0);
      expectNear(results.drawn, area);
      // What the tank has lost meanwhile: but for the corners of the flow between two readings, a minute apart.
      const lost = drawnBy(key as 'stable', ((points.at(-1) as Point).time - MIDNIGHT) / 60_000);
      expect(Math.abs(results.drawn - lost)).toBeLessThan(0.1);
    }
  });

  it('rises by the least-squares line of the last hour, and says where that leads', () => {
    const trends = panes.flatMap((pane) => (pane.window === 'trend' ? [pane] : []));
    expect(trends).toHaveLength(2 * 25);
    for (const { key, start, end, results } of trends) {
      const points = pointsOf(key, Date.parse(start), Date.parse(end));
      const line = lineOf(points);
      const last = points.at(-1) as Point;
      expectNear(results.perHour, line.rise * HOUR);
      expectNear(results.inAnHour, line.at(last.time + HOUR));
      if (results.hoursLeft === null) expect(line.rise).toBeGreaterThanOrEqual(-1e-12);
      else expectNear(results.hoursLeft * results.perHour, -last.litres);
    }
    expect(trends.filter(({ results }) => results.hoursLeft !== null).length).toBeGreaterThan(25);
  });

  it('changes from each reading to the next by what lies between them', () => {
    const changes = panes.flatMap((pane) => (pane.window === 'change' ? [pane] : []));
    expect(changes).toHaveLength(given.length);
    for (const { key, start, end, results } of changes) {
      const [before, latest] = pointsOf(key, Date.parse(start), Date.parse(end)).slice(-2);
      if (latest === undefined) expect(results.perMinute).toBe(null);
      else if (before)
        expectNear(
          results.perMinute,
          (latest.litres - before.litres) / ((latest.time - before.time) / 60_000),
        );
    }
  });
});
