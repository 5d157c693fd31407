import { after, type EpochMillis } from '../../core/time.ts';
import { type CommitLog, ENTRY_LIFETIME, LogLostError, type StoredEntry } from '../../ports/commit-log.ts';

export interface MemoryCommitLog extends CommitLog {
  /** The entries, by ordinal, of every log that was ever written to. */
  readonly logs: ReadonlyMap<string, readonly StoredEntry[]>;
  /** Drops the entries whose lifetime is over, as DynamoDB does some time after it. */
  expire(now: EpochMillis): void;
}

/** The bounds of DynamoDB on an answer and on an item. */
const ANSWER_BYTES = 1_048_576;
const ITEM_BYTES = 409_600;

/**
 * Keeps logs in memory. As in DynamoDB, an append asks only whether its own ordinal is free, an entry and an
 * answer are limited in bytes, every reader has its own copy of the bytes, and a log whose entries have all
 * expired remembers that it had some.
 *
 * @param options.answerEntries limits the entries of an answer as well, as their sizes in bytes differ from
 * engine to engine
 */
export function memoryCommitLog({ answerEntries = Number.POSITIVE_INFINITY } = {}): MemoryCommitLog {
  const logs = new Map<string, StoredEntry[]>();
  return {
    logs,

    async latest(log) {
      const entries = logs.get(log);
      if (entries?.length === 0) {
        throw new LogLostError(`Cannot read log ${log} as all of its entries have expired`);
      }
      const last = entries?.at(-1);
      return last && copyOf(last);
    },

    async after(log, ordinal) {
      const answer: StoredEntry[] = [];
      let bytes = 0;
      for (const entry of logs.get(log) ?? []) {
        if (entry.ordinal <= ordinal) continue;
        bytes += entry.stored.length;
        if (answer.length === answerEntries || (answer.length > 0 && bytes > ANSWER_BYTES)) break;
        answer.push(copyOf(entry));
      }
      return answer;
    },

    async append(log, entry) {
      if (entry.stored.length >= ITEM_BYTES) {
        throw new RangeError(
          `Cannot append to log ${log} as an entry must be below ${ITEM_BYTES} bytes: it is ${entry.stored.length}`,
        );
      }
      const entries = logs.get(log) ?? [];
      const place = entries.findLastIndex(({ ordinal }) => ordinal <= entry.ordinal);
      if (entries[place]?.ordinal === entry.ordinal) return 'conflict';
      entries.splice(place + 1, 0, copyOf(entry));
      logs.set(log, entries);
      return 'committed';
    },

    expire(now) {
      for (const [log, entries] of logs) {
        logs.set(
          log,
          entries.filter(({ committedAt }) => after(committedAt, ENTRY_LIFETIME) > now),
        );
      }
    },
  };
}

const copyOf = (entry: StoredEntry): StoredEntry => ({ ...entry, stored: Uint8Array.from(entry.stored) });
