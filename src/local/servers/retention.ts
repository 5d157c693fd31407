import kinesaliteDb, { type Store } from 'kinesalite/db/index.js';

const { create } = kinesaliteDb;

const A_THOUSAND_YEARS = 1_000 * 365 * 24;

/**
 * Lets kinesalite keep records for ever.
 *
 * After a day it would delete them on reading, by the clock of the machine: a run that lay for so long would lose what it had
 * not taken in, and send again what it had. It can be told a week at most.
 */
export function keepRecords(): void {
  kinesaliteDb.create = (options) => {
    const store: Store = create(options);
    const { getStream } = store;
    store.getStream = (name, answer) =>
      getStream(name, (error, stream) =>
        answer(error, stream && { ...stream, RetentionPeriodHours: A_THOUSAND_YEARS }),
      );
    return store;
  };
}
