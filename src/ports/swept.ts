import { positionOf } from '../core/position.ts';
import type { EpochMillis } from '../core/time.ts';
import type { Progress, Swept } from './stores.ts';

/** What a sweeper's progress is noted under. No lineage of a source is named so. */
const SWEPT_LINEAGE = '~swept';

/** Keeps how far a sweeper has come where progress is kept. */
export const sweptIn = (progress: Progress): Swept => ({
  note: (silence) => progress.note(SWEPT_LINEAGE, positionOf(String(silence))),
  async read() {
    const noted = await progress.read(SWEPT_LINEAGE);
    return noted === undefined ? undefined : (Number(noted) as EpochMillis);
  },
});
