import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { isAfter, positionOf } from '../../src/core/position.ts';
import type { Progress } from '../../src/ports/stores.ts';
import { fresher, type Gaps, itUnless, ODD_NAMES } from './contract-titles.ts';

export interface ProgressHarness {
  readonly progress: Progress;
  /** The same progress as another process has it. */
  readonly another: Progress;
  readonly ofAnotherPipeline: Progress;
}

const fresh = fresher();
const digits = fc.oneof(fc.nat(120).map(String), fc.bigInt({ min: 10n ** 54n, max: 10n ** 56n }).map(String));

export function progressContract(open: () => ProgressHarness, { races }: Gaps = {}): void {
  const furthestIsKept = (note: (all: readonly (() => Promise<void>)[]) => Promise<unknown>) =>
    fc.assert(
      fc.asyncProperty(fc.array(digits, { minLength: 1, maxLength: 5 }), async (noted) => {
        const { progress, another } = open();
        const lineage = fresh('stream/shard');
        const positions = noted.map(positionOf);
        await note(positions.map((one, at) => () => (at % 2 ? progress : another).note(lineage, one)));
        expect(await progress.read(lineage)).toBe(positions.reduce((a, b) => (isAfter(b, a) ? b : a)));
      }),
      { numRuns: 30 },
    );

  describe('progress', () => {
    it('knows of no lineage before something is noted of it', async () => {
      const { progress, another } = open();
      const [one, other] = [fresh('stream/shard'), fresh('stream/shard')];
      await progress.note(one, positionOf('7'));
      expect(await another.read(one)).toBe('7');
      expect(await progress.read(other)).toBeUndefined();
    });

    it('tells a first position from none', async () => {
      const { progress } = open();
      const lineage = fresh('topic-0');
      await progress.note(lineage, positionOf('0'));
      expect(await progress.read(lineage)).toBe('0');
    });

    it('holds on to the furthest position, in whatever order they are noted', async () => {
      await furthestIsKept(async (all) => {
        for (const note of all) await note();
      });
    });

    itUnless(races)('holds on to the furthest position of those noted at once', async () => {
      await furthestIsKept((all) => Promise.all(all.map((note) => note())));
    });

    it('keeps lineages apart, whatever they are called', async () => {
      const { progress } = open();
      const stream = fresh('stream');
      for (const [at, name] of ODD_NAMES.entries())
        await progress.note(`${stream}/${name}`, positionOf(`${at}`));
      for (const [at, name] of ODD_NAMES.entries())
        expect(await progress.read(`${stream}/${name}`)).toBe(`${at}`);
    });

    it('keeps pipelines apart', async () => {
      const { progress, ofAnotherPipeline } = open();
      const lineage = fresh('stream/shard');
      await progress.note(lineage, positionOf('7'));
      expect(await ofAnotherPipeline.read(lineage)).toBeUndefined();
    });
  });
}
