import type { EpochMillis } from '../core/time.ts';
import type { Pipeline } from '../pipeline/pipeline.ts';
import { MAX_BODY_BYTES } from '../ports/commit-log.ts';
import { inParallel } from '../ports/in-parallel.ts';
import type { Ports } from '../ports/index.ts';
import { groupLog } from '../wiring/names.ts';
import { encodeEntry, groupAt } from './entry.ts';
import { type Folded, fold, type Group, type GroupRecord, holds } from './group.ts';
import { keepPoison } from './poison.ts';

type CommitPorts = Pick<Ports, 'log' | 'objects' | 'clock' | 'telemetry'>;

/** How far a group's records got: all of them, or those before `from`, with the reason. */
export type GroupOutcome =
  | { readonly outcome: 'committed' }
  | { readonly outcome: 'stopped'; readonly from: GroupRecord; readonly cause: unknown };

/** A race is lost only to a writer that got further, so this many in a row means something else is wrong. */
const MAX_CONFLICTS = 20;

/**
 * Commits a group's records in order: folds them, and appends the result as the next entry of the group's log. Records
 * that the group holds already are dropped. Where another writer was first, its entry is adopted and the rest folded
 * again; where a commit would be too large, the records go in several.
 */
export async function commitGroup(
  ports: CommitPorts,
  pipeline: Pipeline,
  index: number,
  records: readonly GroupRecord[],
  deadline: EpochMillis,
): Promise<GroupOutcome> {
  let rest = records;
  try {
    let group = await loadGroup(ports, pipeline, index);
    let conflicts = 0;
    let atMost = records.length;
    for (;;) {
      const news = rest.filter((record) => !holds(group, record));
      ports.telemetry.count('duplicate', rest.length - news.length);
      rest = news;
      if (rest.length === 0) return { outcome: 'committed' };

      const { folded, body, taken } = foldToFit(pipeline, group, rest, atMost);
      await inParallel(folded.poison, (refused) => keepPoison(ports.objects, refused));
      if (ports.clock.now() >= deadline)
        throw new Error('Cannot commit as the time of this invocation is up');
      const next = { ordinal: group.ordinal + 1, committedAt: ports.clock.now(), body };
      if ((await ports.log.append(groupLog(pipeline.name, index), next)) === 'conflict') {
        ports.telemetry.count('conflicts', 1);
        if (++conflicts > MAX_CONFLICTS)
          throw new Error(`Cannot commit as ${conflicts} appends in a row lost a race`);
        group = await loadGroup(ports, pipeline, index);
        continue;
      }
      countCommit(ports, group, folded);
      group = { ...folded, ordinal: next.ordinal, committedAt: next.committedAt };
      rest = rest.slice(taken);
      atMost = 2 * taken;
      conflicts = 0;
    }
  } catch (cause) {
    return { outcome: 'stopped', from: rest[0] as GroupRecord, cause };
  }
}

export const loadGroup = async (
  { log }: Pick<Ports, 'log'>,
  pipeline: Pipeline,
  index: number,
): Promise<Group> => groupAt(pipeline, await log.latest(groupLog(pipeline.name, index)));

/**
 * Folds as many of the records as make an entry that fits, `atMost` to begin with. A record that does not fit even alone is
 * refused: kept, it can be taken in once there is room, and it holds up no other.
 */
function foldToFit(
  pipeline: Pipeline,
  group: Group,
  records: readonly GroupRecord[],
  atMost: number,
): { readonly folded: Folded; readonly body: Uint8Array; readonly taken: number } {
  let taken = Math.min(records.length, atMost);
  let batch = records.slice(0, taken);
  for (;;) {
    const folded = fold(pipeline, group, batch);
    const body = encodeEntry(pipeline, folded);
    if (body.length <= MAX_BODY_BYTES) return { folded, body, taken };
    if (taken > 1) {
      taken = Math.ceil(taken / 2);
      batch = records.slice(0, taken);
    } else {
      const { message: reason } = tooLarge('one record', body, folded);
      const [only] = batch as [GroupRecord];
      if (only.content.outcome === 'poison') throw new RangeError(reason);
      batch = [{ ...only, content: { outcome: 'poison', poison: { code: 'no-room', reason } } }];
    }
  }
}

export const tooLarge = (what: string, body: Uint8Array, { keys, panes }: Folded): RangeError =>
  new RangeError(
    `Cannot commit ${what} as an entry must be <= ${MAX_BODY_BYTES} bytes: it is ${body.length}, with the state of ${keys.size} keys and ${panes.length} panes`,
  );

function countCommit(
  { telemetry }: Pick<Ports, 'telemetry'>,
  before: Group,
  { counters, panes }: Folded,
): void {
  telemetry.count('applied', counters.applied - before.counters.applied);
  telemetry.count('late', counters.late - before.counters.late);
  telemetry.count('poison', counters.poison - before.counters.poison);
  telemetry.count('panes', panes.length);
}
