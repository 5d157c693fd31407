import { type EpochMillis, millis } from '../core/time.ts';
import type { Pipeline } from '../pipeline/pipeline.ts';
import { type CommitLog, ENTRY_LIFETIME, LogLostError } from '../ports/commit-log.ts';
import { inParallel } from '../ports/in-parallel.ts';
import { groupLog } from '../wiring/names.ts';
import { decodePanes } from './entry.ts';
import type { GroupPane } from './group.ts';

/** How far the panes of a group are covered: every entry up to `ordinal`, and the first `panes` panes of the next. */
type Cursor = readonly [ordinal: number, panes: number];

/** How far the panes of a pipeline are covered, by group. A group that is absent is not covered at all. */
export type Cursors = ReadonlyMap<number, Cursor>;

/** A stretch of the panes of some groups: those after `from` up to `to`. */
export interface Stretch {
  readonly from: Cursors;
  readonly to: Cursors;
  readonly panes: readonly GroupPane[];
}

const START: Cursor = [0, 0];

/** Entries this close to expiry may go, one before the other, while they are read. */
const ABOUT_TO_EXPIRE = millis('1d');

/**
 * The panes after `from` of the given groups: about `maxPanes` at most, each group its share.
 *
 * @throws LogLostError when a log has a gap: its entries expired before they were covered
 */
export async function panesAfter(
  log: CommitLog,
  pipeline: Pipeline,
  from: Cursors,
  groups: readonly number[],
  maxPanes: number,
): Promise<Stretch> {
  const share = Math.ceil(maxPanes / groups.length);
  const read = await inParallel(groups, (group) =>
    readGroup(log, pipeline, group, from.get(group) ?? START, UNBOUNDED, share),
  );
  const moved = groups.flatMap((group, at) => {
    const [ordinal, panes] = from.get(group) ?? START;
    const to = read[at]?.to ?? START;
    return to[0] === ordinal && to[1] === panes ? [] : [{ group, from: [ordinal, panes] as const, to }];
  });
  return {
    from: new Map(moved.map(({ group, from: start }) => [group, start])),
    to: new Map(moved.map(({ group, to }) => [group, to])),
    panes: read.flatMap(({ panes }) => panes),
  };
}

/**
 * Where a projector begins that has never run: at the oldest entries that are sure to be there, as a sink may be added
 * to a pipeline whose first entries have expired. Once it is written down, what expires before it is covered is an
 * error.
 */
export async function beginnings(log: CommitLog, pipeline: Pipeline, now: EpochMillis): Promise<Cursors> {
  const groups = Array.from({ length: pipeline.groups }, (_, group) => group);
  const ordinals = await inParallel(groups, async (group) => {
    let before = 0;
    for (;;) {
      const entries = await log.after(groupLog(pipeline.name, group), before);
      const first = entries.find(({ committedAt }) => committedAt > now - ENTRY_LIFETIME + ABOUT_TO_EXPIRE);
      if (first) return first.ordinal - 1;
      const last = entries.at(-1);
      if (last === undefined) return before;
      before = last.ordinal;
    }
  });
  return new Map(groups.map((group, at) => [group, [ordinals[at] ?? 0, 0]]));
}

/** The panes of a stretch, read again. */
export async function panesOf(
  log: CommitLog,
  pipeline: Pipeline,
  { from, to }: Pick<Stretch, 'from' | 'to'>,
): Promise<readonly GroupPane[]> {
  const read = await inParallel([...from], ([group, start]) =>
    readGroup(log, pipeline, group, start, to.get(group) ?? START, Number.POSITIVE_INFINITY),
  );
  return read.flatMap(({ panes }) => panes);
}

const UNBOUNDED: Cursor = [Number.POSITIVE_INFINITY, 0];

async function readGroup(
  log: CommitLog,
  pipeline: Pipeline,
  group: number,
  from: Cursor,
  until: Cursor,
  maxPanes: number,
): Promise<{ readonly panes: readonly GroupPane[]; readonly to: Cursor }> {
  const panes: GroupPane[] = [];
  let [ordinal, done] = from;
  while (panes.length < maxPanes && (ordinal < until[0] || done < until[1])) {
    const entries = await log.after(groupLog(pipeline.name, group), ordinal);
    if (entries.length === 0) {
      if (until === UNBOUNDED) break;
      throw new LogLostError(
        `Cannot read group ${group} up to entry ${until[0]} as there is none after ${ordinal}`,
      );
    }
    for (const entry of entries) {
      if (entry.ordinal !== ordinal + 1) {
        throw new LogLostError(
          `Cannot read on in group ${group} as entries must follow each other: ${entry.ordinal} came after ${ordinal}`,
        );
      }
      const emitted = decodePanes(entry);
      const end = ordinal === until[0] ? until[1] : emitted.length;
      const taken = emitted.slice(done, Math.min(end, done + maxPanes - panes.length));
      panes.push(...taken);
      done += taken.length;
      if (done < emitted.length) return { panes, to: [ordinal, done] };
      ordinal = entry.ordinal;
      done = 0;
      if (ordinal === until[0] && until[1] === 0) return { panes, to: until };
    }
  }
  return { panes, to: [ordinal, done] };
}

/** Cursors as a log's entry holds them, and back. */
export const packCursors = (cursors: Cursors) =>
  [...cursors].map(([group, [ordinal, panes]]) => [group, ordinal, panes] as const);

export const unpackCursors = (packed: ReturnType<typeof packCursors>): Cursors =>
  new Map(packed.map(([group, ordinal, panes]) => [group, [ordinal, panes]]));
