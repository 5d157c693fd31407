import { readFileSync } from 'node:fs';
import type { Pipeline } from 'millrace';
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
  const holdsUp = (published: readonly string[]): void => {
    const panes = published.map((pane) => JSON.parse(pane));
    expect(panes.map(shown).sort()).toEqual(expected());
    for (const machine of new Set(panes.map(({ key }) => key))) {
      const places = panes.filter(({ key }) => key === machine).map(({ index }) => index);
      expect(places).toEqual([...places.keys()]);
    }
  };

  /** What a reader keeps that drops what has an id that it has seen. */
  const eachOnce = (published: readonly string[]): readonly string[] => {
    const ids = published.map((pane) => JSON.parse(pane).id);
    return published.filter((_, at) => ids.indexOf(ids[at]) === at);
  };

  it('publishes each pane onto a topic, those of a machine in order', async () => {
    holdsUp(await main());
  });

  it('publishes each at least once where answers are lost', async () => {
    let times = 0;
    const sinks = machines.sinks.map((sink) => {
      if (sink.kind !== 'sink') return sink;
      return {
        ...sink,
        async deliver(...panes: Parameters<typeof sink.deliver>) {
          await sink.deliver(...panes);
          if (times++ < 2) throw new Error('the answer was lost');
        },
      };
    });
    const published = await main({ ...machines, sinks } as Pipeline);
    expect(published.length).toBeGreaterThan(readings.length);
    holdsUp(eachOnce(published));
  });
});
