import { simulate, tryPipeline } from 'millrace/testing';
import { describe, expect, it } from 'vitest';
import { type Trade, trades } from '../functions/trades/pipeline.ts';

const trade = (tradedAt: string, price: number, shares: number): Trade => ({
  symbol: 'ACME',
  tradedAt,
  price,
  shares,
});

const morning = [
  trade('2026-01-05T14:30:01Z', 100, 10),
  trade('2026-01-05T14:30:20Z', 104, 30),
  trade('2026-01-05T14:30:59Z', 98, 10),
  trade('2026-01-05T14:31:05Z', 99, 5),
];

describe('the bar of a minute', () => {
  it('has open, high, low, close, volume and the price by volume', () => {
    const { panes } = tryPipeline(trades, morning);
    const bar = panes.find((pane) => pane.window === 'minute' && pane.start === '2026-01-05T14:30:00.000Z');
    expect(bar?.results).toEqual({ open: 100, high: 104, low: 98, close: 98, volume: 50, vwap: 102 });
  });

  it('is revised by a trade that comes late, and not by one that comes too late', () => {
    const late = trade('2026-01-05T14:30:30Z', 110, 50);
    const { panes } = tryPipeline(trades, [...morning, late]);
    const bars = panes.flatMap((pane) =>
      pane.window === 'minute' && pane.start === '2026-01-05T14:30:00.000Z'
        ? [[pane.kind, pane.results.volume]]
        : [],
    );
    expect(bars).toEqual([
      ['final', 50],
      ['late', 100],
    ]);
    const tooLate = [...morning, trade('2026-01-05T14:40:00Z', 99, 1), late];
    expect(tryPipeline(trades, tooLate).late).toMatchObject({ minute: 1 });
  });

  it('comes out exactly once whatever fails, in twenty schedules of faults', async () => {
    await expect(simulate(trades, morning, { seeds: 20 })).resolves.toMatchObject({ schedules: 20 });
  }, 60_000);
});
