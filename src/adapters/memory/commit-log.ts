import { after, type EpochMillis } from '../../core/time.ts';
import { type CommitLog, ENTRY_LIFETIME, type LogEntry, LogLostError } from '../../ports/commit-log.ts';

export interface MemoryCommitLog extends CommitLog {
  /** The entries, by ordinal, of every log ever written to. */
  readonly logs: ReadonlyMap<string, readonly LogEntry[]>;
  /** Drops the entries whose lifetime is over, as DynamoDB does some time after it. */
  expire(now: EpochMillis): void;
}

/** What one answer of DynamoDB holds. */
const ANSWER_BYTES = 1_048_576;

/**
 * Logs in memory. As in DynamoDB an append asks only whether its own ordinal is free, an answer is limited in bytes, and
 * a log whose entries have all expired is known to have had some.
 */
export function memoryCommitLog({ answerBytes = ANSWER_BYTES } = {}): MemoryCommitLog {
  const logs = new Map<string, LogEntry[]>();
  return {
    logs,

    async latest(log) {
      const entries = logs.get(log);
      if (entries?.length === 0) {
        throw new LogLostError(`Cannot read log ${log} as all of its entries have expired`);
      }
      return entries?.at(-1);
    },

    async after(log, ordinal) {
      const answer: LogEntry[] = [];
      let bytes = 0;
      for (const entry of logs.get(log) ?? []) {
        if (entry.ordinal <= ordinal) continue;
        bytes += entry.body.length;
        if (answer.length > 0 && bytes > answerBytes) break;
        answer.push(entry);
      }
      return answer;
    },

    async append(log, entry) {
      const entries = logs.get(log) ?? [];
      const place = entries.findLastIndex(({ ordinal }) => ordinal <= entry.ordinal);
      if (entries[place]?.ordinal === entry.ordinal) return 'conflict';
      entries.splice(place + 1, 0, { ...entry, body: Uint8Array.from(entry.body) });
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
