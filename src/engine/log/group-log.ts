import { loggable } from '../../core/loggable.ts';
import { type CommitLog, type LogEntry, LogLostError, MAX_SECTION_BYTES } from '../../ports/commit-log.ts';
import type { Ports } from '../../ports/index.ts';
import { groupLog } from '../../wiring/names.ts';
import { baseOf } from '../format/entry.ts';
import { draftEntry, nextEntry } from '../format/next-entry.ts';
import { readGroup } from '../format/read-group.ts';
import { type Deployment, type Generation, OutdatedError, present } from '../group/deployment.ts';
import { EMPTY_GROUP, type Folded, type Group, NOTHING } from '../group/group.ts';
import { canBeWritten } from '../group/room.ts';
import { joinedGroup } from '../group/takeover.ts';
import { writeDown } from './definition-log.ts';
import type { GroupCache } from './group-cache.ts';

type LogPorts = Pick<Ports, 'log' | 'clock'>;

/**
 * A group of the present generation as of its log's last entry: on from the cache by what has been appended since, or from the
 * last snapshot. A group that has not begun, but whose keys an earlier generation has, is begun with them.
 *
 * @throws OutdatedError where a later generation or version has begun; LogLostError where entries are gone
 */
export async function loadGroup(
  ports: LogPorts,
  deployment: Deployment,
  index: number,
  cache?: GroupCache,
): Promise<Group> {
  const generation = present(deployment);
  const group = await readLog(ports, deployment, generation, index, cache);
  if (group.sealed) {
    throw new OutdatedError(
      `Cannot go on with group ${index} of generation ${generation.number} as a later generation has begun`,
    );
  }
  if (group.ordinal > 0 || deployment.generations.length === 1) return group;
  await begin(ports, deployment, generation, index);
  return loadGroup(ports, deployment, index, cache);
}

/** A group of some generation, empty where its log has no entries. Writes nothing. */
export async function readLog(
  { log, clock }: LogPorts,
  deployment: Deployment,
  generation: Generation,
  index: number,
  cache?: GroupCache,
): Promise<Group> {
  const name = groupLog(deployment.pipeline.name, generation.number, index);
  const now = clock.now();
  const known = cache?.get(memoryName(deployment, name), now);
  const group =
    (known && (await readOn(log, deployment, name, known))) ?? (await readCold(log, deployment, name));
  if (group.ordinal > 0) cache?.set(memoryName(deployment, name), group, now);
  return group;
}

/** What is in memory of a log that was taken back to an earlier time since is not what the log goes on from. */
const memoryName = ({ incarnation }: Deployment, log: string): string => `${incarnation} ${log}`;

/** A group that was kept, as of now; undefined where it must be read anew. */
async function readOn(
  log: CommitLog,
  deployment: Deployment,
  name: string,
  known: Group,
): Promise<Group | undefined> {
  if (known.version !== deployment.pipeline.version) return undefined;
  const entries = await entriesAfter(log, name, known.ordinal);
  const follows = entries.length === 0 || entries[0]?.ordinal === known.ordinal + 1;
  return follows ? readGroup(deployment, known, entries) : undefined;
}

async function readCold(log: CommitLog, deployment: Deployment, name: string): Promise<Group> {
  const last = await log.latest(name);
  if (last === undefined) return EMPTY_GROUP;
  const base = baseOf(last);
  if (base === last.ordinal) return readGroup(deployment, EMPTY_GROUP, [last]);
  const entries = await entriesAfter(log, name, base - 1);
  if (entries[0]?.ordinal !== base) {
    throw new LogLostError(`Cannot read log ${name} as its snapshot, entry ${base}, is gone`);
  }
  return readGroup(deployment, EMPTY_GROUP, entries);
}

/** All of them, in as many answers as it takes. */
async function entriesAfter(log: CommitLog, name: string, ordinal: number): Promise<readonly LogEntry[]> {
  const entries: LogEntry[] = [];
  for (let last = ordinal; ; ) {
    const answer = await log.after(name, last);
    const end = answer.at(-1);
    if (end === undefined) return entries;
    entries.push(...answer);
    last = end.ordinal;
  }
}

/** The log of a group of the present generation. */
export const logOf = (deployment: Deployment, index: number): string =>
  groupLog(deployment.pipeline.name, present(deployment).number, index);

/** What a group took up in memory when it was last read or appended to, if that is known. */
export const sizeOf = (deployment: Deployment, index: number, cache?: GroupCache): number | undefined =>
  cache?.sizeOf(memoryName(deployment, logOf(deployment, index)));

/** Appends what a fold comes to, unless another writer was first. The group must be the one that was folded. */
export async function appendTo(
  ports: LogPorts,
  deployment: Deployment,
  index: number,
  { entry, group }: ReturnType<typeof nextEntry>,
  cache?: GroupCache,
): Promise<'committed' | 'conflict'> {
  const name = logOf(deployment, index);
  await writeDown(ports, deployment);
  const outcome = await ports.log.append(name, entry);
  if (outcome === 'committed') cache?.set(memoryName(deployment, name), group, entry.committedAt);
  return outcome;
}

/** Begins a group with what the generation before has of its keys, whose groups are sealed first. Anyone may, at any time. */
async function begin(
  ports: LogPorts,
  deployment: Deployment,
  generation: Generation,
  index: number,
): Promise<void> {
  const { generations } = deployment;
  const earlier = generations[generations.indexOf(generation) - 1] as Generation;
  const ratio = earlier.groups / generation.groups;
  const first = Math.floor(index * ratio);
  const parts: Group[] = [];
  for (let group = first; group < Math.max(first + 1, (index + 1) * ratio); group++) {
    parts.push(await sealed(ports, deployment, earlier, group));
  }
  const folded = joinedGroup(parts, earlier, generation, index, first);
  const draft = draftEntry(deployment, EMPTY_GROUP, folded, ports.clock.now());
  if (!canBeWritten(draft.weight)) {
    throw loggable(
      new RangeError(
        `Cannot begin group ${index} of generation ${generation.number} as its state must weigh <= ${MAX_SECTION_BYTES} bytes: with all keys of ${parts.length} groups it would weigh ${draft.weight.state}`,
      ),
    );
  }
  const { entry } = draft.write();
  await writeDown(ports, deployment);
  await ports.log.append(groupLog(deployment.pipeline.name, generation.number, index), entry);
}

/** A group of an earlier generation as it will for ever be. */
async function sealed(
  ports: LogPorts,
  deployment: Deployment,
  generation: Generation,
  index: number,
): Promise<Group> {
  for (;;) {
    const group = await readLog(ports, deployment, generation, index);
    if (group.sealed) return group;
    if (group.ordinal === 0 && generation !== deployment.generations[0]) {
      await begin(ports, deployment, generation, index);
      continue;
    }
    const { entry } = nextEntry(deployment, group, unchanged(group), ports.clock.now(), { sealed: true });
    await writeDown(ports, deployment);
    await ports.log.append(groupLog(deployment.pipeline.name, generation.number, index), entry);
  }
}

/** A fold of nothing. */
export const unchanged = (group: Group): Folded => ({
  positions: group.positions,
  inherited: group.inherited,
  keys: group.keys,
  ids: group.ids,
  counters: group.counters,
  ...NOTHING,
});
