import { simulate, tryPipeline } from 'millrace/testing';
import { describe, expect, it } from 'vitest';
import { type Click, clicks } from '../functions/clicks/pipeline.ts';

const click = (clickedAt: string, page: string): Click => ({ visitor: 'ada', clickedAt, page });

const monday = [
  click('2026-01-05T09:00:00Z', '/'),
  click('2026-01-05T09:10:00Z', '/pricing'),
  click('2026-01-05T09:35:00Z', '/'),
  click('2026-01-05T12:00:00Z', '/docs'),
];

describe('the visits of a visitor', () => {
  //  09:00  09:10        09:35                     12:00
  //    /   /pricing        /                       /docs
  //  [-------------------------30m)              [-----30m)
  it('end after half an hour without a click', () => {
    const { panes } = tryPipeline(clicks, monday);
    const visits = panes.flatMap((pane) => (pane.window === 'visit' ? [pane.results] : []));
    expect(visits).toEqual([
      { clicks: 3, pages: 2, entry: '/', exit: '/' },
      { clicks: 1, pages: 1, entry: '/docs', exit: '/docs' },
    ]);
  });

  it('are counted by the day', () => {
    const { panes } = tryPipeline(clicks, monday);
    const [day] = panes.flatMap((pane) => (pane.window === 'day' ? [pane.results] : []));
    expect(day?.clicks).toBe(4);
  });

  it('come out exactly once whatever fails, in twenty schedules of faults', async () => {
    await expect(simulate(clicks, monday, { seeds: 20 })).resolves.toMatchObject({ schedules: 20 });
  }, 60_000);
});
