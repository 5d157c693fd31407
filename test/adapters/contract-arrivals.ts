import { describe, expect, it } from 'vitest';
import type { Position } from '../../src/core/position.ts';
import type { EpochMillis } from '../../src/core/time.ts';
import type { Arrivals, Progress } from '../../src/ports/stores.ts';
import { itUnless } from './contract-titles.ts';

export interface ArrivalsHarness {
  readonly arrivals: Arrivals;
  readonly progress: Progress;
  /** Puts a record and tells how the source knows it. */
  readonly put: (shard: 0 | 1) => Promise<Waiting>;
  /** Closes shard 0 and opens two others in its place. */
  readonly split: () => Promise<void>;
}

export interface Waiting {
  readonly lineage: string;
  readonly position: Position;
  readonly arrival: EpochMillis;
}

/** Why a source is no evidence for a part of the contract. */
export interface ArrivalsGaps {
  readonly closing?: string;
}

/** Far beyond any record of these tests. */
const NOW = Date.UTC(2200, 0, 1) as EpochMillis;

/** What waits at a source of two shards, empty when opened. */
export function arrivalsContract(open: () => Promise<ArrivalsHarness>, { closing }: ArrivalsGaps = {}): void {
  const noted = ({ progress }: ArrivalsHarness, { lineage, position }: Waiting) =>
    progress.note(lineage, position);

  describe('what waits at a source', () => {
    it('is nothing, up to now, where it is empty', async () => {
      const { arrivals } = await open();
      expect(await arrivals.frontier(NOW)).toBe(NOW);
    });

    it('begins with the oldest record where nothing was ever noted', async () => {
      const { arrivals, put } = await open();
      const first = await put(0);
      await put(0);
      expect(await arrivals.frontier(NOW)).toBe(first.arrival);
    });

    it('follows each shard from where it is committed', async () => {
      const harness = await open();
      const { arrivals, put } = harness;
      const [first, second, third] = [await put(1), await put(0), await put(1)];
      expect(await arrivals.frontier(NOW)).toBe(Math.min(first.arrival, second.arrival));
      await noted(harness, first);
      expect(await arrivals.frontier(NOW)).toBe(Math.min(second.arrival, third.arrival));
      await noted(harness, second);
      expect(await arrivals.frontier(NOW)).toBe(third.arrival);
      await noted(harness, third);
      expect(await arrivals.frontier(NOW)).toBe(NOW);
    });

    it('is the arrival of the first record that waits, however many follow', async () => {
      const harness = await open();
      const { arrivals, put } = harness;
      const committed = await put(0);
      const first = await put(0);
      for (let more = 0; more < 3; more++) await put(0);
      await noted(harness, committed);
      expect(await arrivals.frontier(NOW)).toBe(first.arrival);
      expect(await arrivals.frontier(NOW)).toBe(first.arrival);
    });

    it('sees what is put after it was told that nothing waits', async () => {
      const harness = await open();
      const { arrivals, put } = harness;
      await noted(harness, await put(0));
      expect(await arrivals.frontier(NOW)).toBe(NOW);
      const waiting = await put(0);
      expect(await arrivals.frontier(NOW)).toBe(waiting.arrival);
    });

    it('is never later than now', async () => {
      const { arrivals, put } = await open();
      const waiting = [await put(0), await put(1)];
      const now = (Math.min(...waiting.map(({ arrival }) => arrival)) - 1) as EpochMillis;
      expect(await arrivals.frontier(now)).toBe(now);
    });

    itUnless(closing)('is what waits in a closed shard, until that is committed', async () => {
      const harness = await open();
      const { arrivals, put, split } = harness;
      const [first, last] = [await put(0), await put(0)];
      await noted(harness, first);
      await split();
      expect(await arrivals.frontier(NOW)).toBe(last.arrival);
      await noted(harness, last);
      expect(await arrivals.frontier(NOW)).toBe(NOW);
      const inChild = await put(0);
      expect(inChild.lineage).not.toBe(last.lineage);
      expect(await arrivals.frontier(NOW)).toBe(inChild.arrival);
    });

    itUnless(closing)('is nothing where a shard was closed that never had a record', async () => {
      const { arrivals, split } = await open();
      await split();
      expect(await arrivals.frontier(NOW)).toBe(NOW);
    });
  });
}
