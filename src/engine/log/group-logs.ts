import { loggable } from '../../core/loggable.ts';
import { type LogEntry, LogLostError, MAX_SECTION_BYTES, type WholeLog } from '../../ports/commit-log.ts';
import type { EnginePorts } from '../../ports/index.ts';
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

type LogPorts = Pick<EnginePorts, 'log' | 'clock'>;

/**
 * The logs of a deployment's groups: the only way to read a group or to append to it.
 *
 * The logs are of one deployment, so whoever holds a newer deployment makes another `GroupLogs`. The cache
 * outlives them. It tells groups apart by what deployments must not share: the generation and the
 * incarnation of a log, and the version of a group.
 */
export class GroupLogs {
  readonly deployment: Deployment;
  readonly #ports: LogPorts;
  readonly #cache: GroupCache | undefined;

  /**
   * @param cache keeps the environment's groups from one invocation to the next; without it nothing is kept
   */
  constructor(ports: LogPorts, deployment: Deployment, cache?: GroupCache) {
    this.deployment = deployment;
    this.#ports = ports;
    this.#cache = cache;
  }

  /** Returns the name of the log of a group of the present generation. */
  nameOf(index: number): string {
    return this.#logOf(present(this.deployment), index);
  }

  /**
   * Returns how many bytes a group took up in memory when it was last read or appended to, or undefined if
   * that is unknown.
   */
  sizeOf(index: number): number | undefined {
    return this.#cache?.sizeOf(this.#memoryName(this.nameOf(index)));
  }

  /**
   * Loads a group of the present generation as of its log's last entry. It goes on from the cached group by
   * the entries appended since, or begins at the last snapshot. A group that has no entries is begun with
   * the keys that an earlier generation holds for it.
   *
   * @throws OutdatedError when a later generation or version has begun; LogLostError when entries are gone
   */
  async load(index: number): Promise<Group> {
    const { deployment } = this;
    const generation = present(deployment);
    for (;;) {
      const group = await this.#read(generation, index, this.#cache);
      if (group.sealed) {
        throw new OutdatedError(
          `Cannot go on with group ${index} of generation ${generation.number} as a later generation has begun`,
        );
      }
      if (group.ordinal > 0 || deployment.generations.length === 1) return group;
      await this.#begin(generation, index);
    }
  }

  /**
   * Appends the result of a fold to the log of a group of the present generation, unless another writer was
   * first. The fold must be of the group as it was loaded.
   */
  async append(
    index: number,
    { entry, group }: ReturnType<typeof nextEntry>,
  ): Promise<'committed' | 'conflict'> {
    const name = this.nameOf(index);
    const outcome = await this.#write(name, entry);
    if (outcome === 'committed') this.#cache?.set(this.#memoryName(name), group, entry.committedAt);
    return outcome;
  }

  /**
   * Reads a group of any generation, which is empty where its log has no entries. It writes nothing, and
   * caches nothing.
   */
  read(generation: Generation, index: number): Promise<Group> {
    return this.#read(generation, index);
  }

  /** Looks at a group of any generation as `read` does, and caches it. */
  look(generation: Generation, index: number): Promise<Group> {
    return this.#read(generation, index, this.#cache);
  }

  async #read(generation: Generation, index: number, cache?: GroupCache): Promise<Group> {
    const { log, clock } = this.#ports;
    const name = this.#logOf(generation, index);
    const now = clock.now();
    const cached = cache?.get(this.#memoryName(name), now);
    const group =
      (cached && (await readOn(log, this.deployment, name, cached))) ??
      (await readCold(log, this.deployment, name));
    if (group.ordinal > 0) cache?.set(this.#memoryName(name), group, now);
    return group;
  }

  /**
   * Begins a group with the keys that the generation before holds for it, whose groups it seals first. Any
   * writer may do so at any time.
   */
  async #begin(generation: Generation, index: number): Promise<void> {
    const { deployment } = this;
    const { generations } = deployment;
    const earlier = generations[generations.indexOf(generation) - 1] as Generation;
    const ratio = earlier.groups / generation.groups;
    const first = Math.floor(index * ratio);
    const parts: Group[] = [];
    for (let group = first; group < Math.max(first + 1, (index + 1) * ratio); group++) {
      parts.push(await this.#sealed(earlier, group));
    }
    const folded = joinedGroup(parts, earlier, generation, index, first);
    const draft = draftEntry(deployment, EMPTY_GROUP, folded, this.#ports.clock.now());
    if (!canBeWritten(draft.weight)) {
      throw loggable(
        new RangeError(
          `Cannot begin group ${index} of generation ${generation.number} as its state must weigh <= ${MAX_SECTION_BYTES} bytes: with all keys of ${parts.length} groups it would weigh ${draft.weight.state}`,
        ),
      );
    }
    await this.#write(this.#logOf(generation, index), draft.write().entry);
  }

  /** Returns a group of an earlier generation in its last state, and seals it if it is not sealed yet. */
  async #sealed(generation: Generation, index: number): Promise<Group> {
    const { deployment } = this;
    for (;;) {
      const group = await this.read(generation, index);
      if (group.sealed) return group;
      if (group.ordinal === 0 && generation !== deployment.generations[0]) {
        await this.#begin(generation, index);
        continue;
      }
      const now = this.#ports.clock.now();
      const { entry } = nextEntry(deployment, group, unchanged(group), now, { sealed: true });
      await this.#write(this.#logOf(generation, index), entry);
    }
  }

  /** Appends an entry to a log of this deployment, once the deployment is written down. */
  async #write(name: string, entry: LogEntry): Promise<'committed' | 'conflict'> {
    await writeDown(this.#ports, this.deployment);
    return this.#ports.log.append(name, entry);
  }

  #logOf({ number }: Generation, index: number): string {
    return groupLog(this.deployment.pipeline.name, number, index);
  }

  /**
   * Returns the name of a log in the cache. It holds the incarnation, as a log that was taken back to an
   * earlier time does not go on from the groups that were cached before.
   */
  #memoryName(log: string): string {
    return `${this.deployment.incarnation} ${log}`;
  }
}

/** Brings a cached group up to date, or returns undefined where it must be read anew. */
async function readOn(
  log: WholeLog,
  deployment: Deployment,
  name: string,
  cached: Group,
): Promise<Group | undefined> {
  if (cached.version !== deployment.pipeline.version) return undefined;
  const entries = await entriesAfter(log, name, cached.ordinal);
  const follows = entries.length === 0 || entries[0]?.ordinal === cached.ordinal + 1;
  return follows ? readGroup(deployment, cached, entries) : undefined;
}

async function readCold(log: WholeLog, deployment: Deployment, name: string): Promise<Group> {
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

/** Returns all entries after an ordinal, in as many answers as that takes. */
async function entriesAfter(log: WholeLog, name: string, ordinal: number): Promise<readonly LogEntry[]> {
  const entries: LogEntry[] = [];
  for (let last = ordinal; ; ) {
    const answer = await log.after(name, last);
    const end = answer.at(-1);
    if (end === undefined) return entries;
    entries.push(...answer);
    last = end.ordinal;
  }
}

/** Returns a fold of no records: the group as it is. */
export const unchanged = (group: Group): Folded => ({
  positions: group.positions,
  inherited: group.inherited,
  keys: group.keys,
  ids: group.ids,
  counters: group.counters,
  ...NOTHING,
});
