import { readFileSync } from 'node:fs';
import { tryPipeline } from 'millrace/testing';
import { describe, expect, it } from 'vitest';
import { rabbitmqLacks } from '../../src/local/servers/index.ts';
import { main } from './main.ts';
import { recommendations, type View } from './pipeline.ts';
import { produce } from './producer.ts';

const lines = readFileSync(new URL('views.ndjson', import.meta.url), 'utf8')
  .trim()
  .split('\n');

/** The views that can be counted: they are JSON, have a number by which they are known, and a time. */
const views = lines.flatMap((line): View[] => {
  try {
    const view = JSON.parse(line);
    return view.view && !Number.isNaN(Date.parse(view.at)) ? [view] : [];
  } catch {
    return [];
  }
});

/** How often each category was looked at in each ten minutes, by counting. */
function expected(): string[] {
  const counts = new Map<string, number>();
  for (const { category, at } of views) {
    const start = new Date(Math.floor(Date.parse(at) / 600_000) * 600_000).toISOString();
    counts.set(`${category} ${start}`, (counts.get(`${category} ${start}`) ?? 0) + 1);
  }
  return [...counts].map(([name, count]) => `${name} ${count}`).sort();
}

const shown = ({ key, start, results }: { key: string; start?: unknown; results?: unknown }): string =>
  `${key} ${start} ${(results as { views: number }).views}`;

it('counts what visitors look at, and names the three products that they look at most', () => {
  const { panes } = tryPipeline(recommendations, views);
  expect(panes.map(shown).sort()).toEqual(expected());
  for (const { key, start, end, results } of panes) {
    const counts = new Map<string, number>();
    for (const { category, product, at } of views) {
      if (category !== key || at < String(start) || at >= end) continue;
      counts.set(product, (counts.get(product) ?? 0) + 1);
    }
    const most = results?.most.map(({ value, count }) => [value, count] as const) ?? [];
    expect(most.map(([, count]) => count)).toEqual([...counts.values()].sort((a, b) => b - a).slice(0, 3));
    for (const [value, count] of most) expect(counts.get(String(value))).toBe(count);
  }
});

const lack = rabbitmqLacks();

describe.skipIf(lack)(`on RabbitMQ${lack ? ` (${lack})` : ''}`, () => {
  const holdsUp = ({ panes, applied, poison }: Awaited<ReturnType<typeof main>>): void => {
    expect(panes.map(shown).sort()).toEqual(expected());
    expect({ applied, poison }).toEqual({ applied: views.length, poison: lines.length - views.length });
    expect(poison).toBe(5);
  };

  it('counts each view once, though some are sent twice, and keeps those that it refuses', {
    timeout: 240_000,
  }, async () => {
    holdsUp(await main());
  });

  it('counts the same where the broker crashes with the messages', { timeout: 240_000 }, async () => {
    holdsUp(
      await main(async (broker) => {
        // What has just been made is on disk once the broker has been stopped.
        await broker.stop();
        await broker.start();
        await produce(broker.url);
        await broker.kill();
        await broker.start();
      }),
    );
  });
});
