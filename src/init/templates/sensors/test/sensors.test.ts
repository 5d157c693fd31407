import { simulate, tryPipeline } from 'millrace/testing';
import { describe, expect, it } from 'vitest';
import { type Reading, sensors } from '../functions/sensors/pipeline.ts';

const reading = (measuredAt: string, celsius: number): Reading => ({
  machineId: 'pump',
  measuredAt,
  celsius,
});

const readings = [
  reading('2026-01-05T12:00:10Z', 20),
  reading('2026-01-05T12:02:50Z', 26),
  reading('2026-01-05T12:06:00Z', 32),
];

describe('the temperature of a machine', () => {
  it('is the mean of its last ten readings, after each', () => {
    const { panes } = tryPipeline(sensors, readings);
    const means = panes.flatMap((pane) => (pane.window === 'lastTen' ? [pane.results.mean] : []));
    expect(means).toEqual([20, 23, 26]);
  });

  //  12:00   12:01   12:02   12:03   12:04   12:05
  //    20              26
  //  [---------------------------------------)        -> mean 23, max 26
  it('is the mean and the maximum of five minutes, each minute', () => {
    const { panes } = tryPipeline(sensors, readings);
    const fromNoon = panes.find(
      (pane) => pane.window === 'fiveMinutes' && pane.start === '2026-01-05T12:00:00.000Z',
    );
    expect(fromNoon?.results).toEqual({ mean: 23, max: 26 });
  });

  it('is told of a reading without a number as poison, not as a result', () => {
    const broken = { machineId: 'pump', measuredAt: '2026-01-05T12:00:10Z', celsius: 'hot' };
    expect(tryPipeline(sensors, [broken]).poison).toHaveLength(1);
  });

  it('comes out exactly once whatever fails, in twenty schedules of faults', async () => {
    await expect(simulate(sensors, readings, { seeds: 20 })).resolves.toMatchObject({ schedules: 20 });
  }, 60_000);
});
