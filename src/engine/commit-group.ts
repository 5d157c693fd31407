import type { EpochMillis } from '../core/time.ts';
import { MAX_BODY_BYTES } from '../ports/commit-log.ts';
import { inParallel } from '../ports/in-parallel.ts';
import type { Ports } from '../ports/index.ts';
import type { Deployment } from './deployment.ts';
import { fold } from './fold.ts';
import type { Folded, Group, GroupRecord } from './group.ts';
import type { GroupCache } from './group-cache.ts';
import { appendTo, loadGroup } from './group-log.ts';
import { newsOf, withoutOld } from './news.ts';
import { type Appendable, nextEntry } from './next-entry.ts';
import { keepPoison } from './poison.ts';

type CommitPorts = Pick<Ports, 'log' | 'objects' | 'clock' | 'telemetry'>;

/** How far a group's records got: all of them, or those before `rest`, with the reason. */
export type GroupOutcome =
  | { readonly outcome: 'committed' }
  | { readonly outcome: 'stopped'; readonly rest: readonly GroupRecord[]; readonly cause: unknown };

/** A race is lost only to a writer that got further, so this many in a row means something else is wrong. */
const MAX_CONFLICTS = 20;

/**
 * Commits a group's records in order, once it is loaded: folds them, and appends the result as the next entry of the group's
 * log. Records that the group holds already are dropped. Where another writer was first, its entry is adopted and the rest
 * folded again; where a commit would be too large, the records go in several.
 */
export async function commitGroup(
  ports: CommitPorts,
  deployment: Deployment,
  index: number,
  loading: Promise<Group>,
  records: readonly GroupRecord[],
  deadline: EpochMillis,
  cache?: GroupCache,
): Promise<GroupOutcome> {
  const { pipeline } = deployment;
  let rest = records;
  try {
    let group = await loading;
    let conflicts = 0;
    let atMost = records.length;
    for (;;) {
      const news = newsOf(pipeline, group, rest);
      ports.telemetry.count('duplicate', rest.length - news.length);
      rest = news;
      if (rest.length === 0) return { outcome: 'committed' };

      const now = ports.clock.now();
      const { folded, next, taken } = foldToFit(deployment, group, rest, atMost, now);
      await inParallel(folded.poison, (refused) => keepPoison(ports.objects, refused));
      if (ports.clock.now() >= deadline)
        throw new Error('Cannot commit as the time of this invocation is up');
      if ((await appendTo(ports, deployment, index, next, cache)) === 'conflict') {
        ports.telemetry.count('conflicts', 1);
        if (++conflicts > MAX_CONFLICTS)
          throw new Error(`Cannot commit as ${conflicts} appends in a row lost a race`);
        group = await loadGroup(ports, deployment, index, cache);
        continue;
      }
      countCommit(ports, group, folded);
      group = next.group;
      rest = rest.slice(taken);
      atMost = 2 * taken;
      conflicts = 0;
    }
  } catch (cause) {
    return { outcome: 'stopped', rest, cause };
  }
}

/**
 * Folds as many of the records as make an entry that fits, `atMost` to begin with. A record that does not fit even alone is
 * refused: kept, it can be taken in once there is room, and it holds up no other.
 */
function foldToFit(
  deployment: Deployment,
  group: Group,
  records: readonly GroupRecord[],
  atMost: number,
  now: EpochMillis,
): { readonly folded: Folded; readonly next: Appendable; readonly taken: number } {
  let taken = Math.min(records.length, atMost);
  let batch = records.slice(0, taken);
  for (;;) {
    const folded = fold(deployment, group, batch);
    const kept = withoutOld(folded, deployment.pipeline, now);
    const next = nextEntry(deployment, group, { ...folded, ...kept }, now);
    if (next.entry.body.length <= MAX_BODY_BYTES) return { folded, next, taken };
    if (taken > 1) {
      taken = Math.ceil(taken / 2);
      batch = records.slice(0, taken);
    } else {
      const { message: reason } = tooLarge('one record', next, folded);
      const [only] = batch as [GroupRecord];
      if (only.content.outcome === 'poison') throw new RangeError(reason);
      batch = [{ ...only, content: { outcome: 'poison', poison: { code: 'no-room', reason } } }];
    }
  }
}

export const tooLarge = (what: string, { entry }: Appendable, { keys, panes }: Folded): RangeError =>
  new RangeError(
    `Cannot commit ${what} as an entry must be <= ${MAX_BODY_BYTES} bytes: it is ${entry.body.length}, with the state of ${keys.size} keys and ${panes.length} panes`,
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
