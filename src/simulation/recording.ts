import { memoryCommitLog } from '../adapters/memory/commit-log.ts';
import { before, type EpochMillis, millis } from '../core/time.ts';
import { writtenPane } from '../engine/delivery/written-pane.ts';
import { decodePanes } from '../engine/format/entry.ts';
import type { Pipeline } from '../pipeline/pipeline.ts';
import type { PanesSource } from '../pipeline/sources/panes.ts';
import { upstreamOf } from '../pipeline/upstream.ts';
import type { LogEntry } from '../ports/commit-log.ts';
import type { UpstreamStores } from '../ports/index.ts';
import type { SourceRecord } from '../ports/source.ts';
import { groupLogPrefix } from '../wiring/names.ts';

/**
 * What the handlers of a pipeline did in a schedule of their own, for the schedule of a pipeline that reads its panes.
 * What is read never depends on who reads it, so that the first schedule is over before the other begins.
 */
export interface Recording {
  /** The entries of its logs, whole, in the order in which they landed. */
  readonly entries: readonly { readonly log: string; readonly entry: LogEntry; readonly at: EpochMillis }[];
  /** What its sweepers noted. */
  readonly swept: readonly { readonly silence: EpochMillis; readonly at: EpochMillis }[];
}

/** By how much a sweeper that goes on after the recording lags behind the clock. */
const SWEPT_LAG = millis('10s');

/** Shows a recording as it was at the present time of the world that reads it. */
export function replayed({ entries, swept }: Recording, now: () => EpochMillis): UpstreamStores {
  const log = memoryCommitLog({ answerEntries: 3 });
  let landed = 0;
  const upToNow = async () => {
    for (; (entries[landed]?.at ?? Number.POSITIVE_INFINITY) <= now(); landed++) {
      const { log: name, entry } = entries[landed] as Recording['entries'][number];
      const { body, ...place } = entry;
      await log.append(name, { ...place, stored: body });
    }
  };
  return {
    name: 'up-state',
    log: {
      async latest(name) {
        await upToNow();
        return log.latest(name);
      },
      async after(name, ordinal) {
        await upToNow();
        return log.after(name, ordinal);
      },
      append: log.append,
    },
    objects: { read: async () => undefined },
    swept: {
      async read() {
        const last = entries.at(-1);
        // Its sweeper comes by once a minute for ever.
        if (last === undefined || last.at < now()) return before(now(), SWEPT_LAG) as EpochMillis;
        return swept.findLast(({ at }) => at <= now())?.silence;
      },
    },
  };
}

/** A pane that a pipeline must take in once, and when it was there to be read. */
export interface RecordedPane {
  readonly record: SourceRecord;
  readonly at: EpochMillis;
}

/** Returns the panes of a recording that a pipeline reads, by the rules that docs/chaining.md states. */
export function panesIn({ entries }: Recording, pipeline: Pipeline): readonly RecordedPane[] {
  const { window, revisions } = pipeline.source as PanesSource<unknown>;
  const of = upstreamOf(pipeline) as Pipeline;
  return entries.flatMap(({ log, entry, at }) => {
    if (!log.startsWith(groupLogPrefix(of.name))) return [];
    return decodePanes(entry).flatMap((pane, place) => {
      const isSettled = !pane.revisable && pane.kind !== 'retracted';
      if (window !== undefined && pane.window !== window) return [];
      if (revisions === 'settled' && !isSettled) return [];
      const position = String(BigInt(entry.ordinal) * 1_000_000n + BigInt(place));
      const record = {
        lineage: log,
        position: position as SourceRecord['position'],
        arrival: entry.committedAt,
        partitionKey: pane.key,
        data: Buffer.from(JSON.stringify(writtenPane(of, pane))),
      };
      return [{ record, at }];
    });
  });
}
