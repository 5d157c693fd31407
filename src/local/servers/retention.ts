import kinesaliteDb, { type Store } from 'kinesalite/db/index.js';
import { leaveNoneChanging } from './definitions.ts';

const { create } = kinesaliteDb;

const A_THOUSAND_YEARS = 1_000 * 365 * 24;

/**
 * Makes kinesalite keep records for ever.
 *
 * Otherwise kinesalite, when it reads a record that is a day old by the machine's clock, deletes it; it can
 * be told a week at most. A run that lay for so long would lose the records that it had not taken in, and
 * would send again those that it had.
 */
export function keepRecords(): void {
  kinesaliteDb.create = (options) => {
    const store: Store = create(options);
    leaveNoneChanging(store.metaDb, 'StreamStatus');
    const { getStream } = store;
    store.getStream = (name, answer) =>
      getStream(name, (error, stream) =>
        answer(error, stream && { ...stream, RetentionPeriodHours: A_THOUSAND_YEARS }),
      );
    return store;
  };
}
