import { readFileSync } from 'node:fs';
import { tryPipeline } from 'millrace/testing';
import { describe, expect, it } from 'vitest';
import { kafkaLacks } from '../../src/local/servers/index.ts';
import { main } from './main.ts';
import { machines, type Reading } from './pipeline.ts';

const readings: readonly Reading[] = readFileSync(new URL('readings.ndjson', import.meta.url), 'utf8')
  .trim()
  .split('\n')
  .map((line) => JSON.parse(line));

/** The mean of the last ten readings of its machine, at each reading, by adding them up. */
function expected(): string[] {
  return readings
    .map(({ machineId }, at) => {
      const own = readings.slice(0, at + 1).filter((reading) => reading.machineId === machineId);
      const lastTen = own.slice(-10).map(({ celsius }) => celsius);
      const mean = lastTen.reduce((sum, celsius) => sum + celsius, 0) / lastTen.length;
      return `${machineId} ${own.length - 1} ${mean.toFixed(6)} ${Math.min(...lastTen)} ${Math.max(...lastTen)}`;
    })
    .sort();
}

interface Shown {
  readonly key: string;
  readonly index?: number | undefined;
  readonly results?:
    | { readonly mean: number | null; readonly min: unknown; readonly max: unknown }
    | undefined;
}

const shown = ({ key, index, results }: Shown): string =>
  `${key} ${index} ${results?.mean?.toFixed(6)} ${results?.min} ${results?.max}`;

it('has a pane of the last ten readings for each reading', () => {
  expect(tryPipeline(machines, readings).panes.map(shown).sort()).toEqual(expected());
});

const lack = await kafkaLacks();

describe.skipIf(lack)(`on Apache Kafka${lack ? ` (${lack})` : ''}`, () => {
  it('publishes each pane onto a topic, with an id of its own', async () => {
    const published = (await main()).map((pane) => JSON.parse(pane));
    expect(published.map(shown).sort()).toEqual(expected());
    expect(new Set(published.map(({ id }) => id)).size).toBe(readings.length);
    const ofOven = published.filter(({ key }) => key === 'oven').map(({ index }) => index);
    expect(ofOven).toEqual(ofOven.toSorted((a, b) => a - b));
  });
});
