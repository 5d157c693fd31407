import { KeyState, type StoredKey } from '../../core/key.ts';
import { LoggableError } from '../../core/loggable.ts';
import { Panes } from '../../core/panes.ts';
import { isAfter, type Position, subPlaceOf } from '../../core/position.ts';
import type { EpochMillis } from '../../core/time.ts';
import type { Pipeline } from '../../pipeline/pipeline.ts';
import { held } from '../../ports/held.ts';
import type { EnginePorts } from '../../ports/index.ts';
import { LIMITS } from '../../ports/limits.ts';
import { isInRange, type RowRange, type RowReader, type StoredRow } from '../../ports/reading.ts';
import { isNewer, type Ranked, type Row } from '../../ports/stores.ts';
import { groupLog, rowsLog } from '../../wiring/names.ts';
import { decodeCovered, partitionOf, rowsOf } from '../delivery/project-rows.ts';
import { type Cursors, panesAfter } from '../delivery/stretch.ts';
import { labelOf } from '../delivery/written-pane.ts';
import {
  type Deployment,
  firstDeployment,
  type Generation,
  groupLogsOf,
  present,
} from '../group/deployment.ts';
import { EMPTY_GROUP, type Group, type GroupPane, listPanes } from '../group/group.ts';
import { groupOf, hashOf } from '../group/key-group.ts';
import { readDeployment } from '../log/definition-log.ts';
import { GroupCache } from '../log/group-cache.ts';
import { GroupLogs } from '../log/group-logs.ts';

/** The ports through which keys are looked up. */
export type LookPorts = Pick<EnginePorts, 'log' | 'clock' | 'limits'> & {
  readonly rows: Pick<RowReader, 'ofPartition'>;
};

/** A key and its group as the group's last entry leaves them. */
export interface KeyLook {
  readonly key: string;
  /** Everything that was committed before this instant is in it. */
  readonly asOf: EpochMillis;
  readonly deployment: Deployment;
  readonly commit: CommitPlace;
  readonly group: Group;
  /** Undefined for a key that had no record yet, or was forgotten. */
  readonly stored: StoredKey | undefined;
}

/** The entry that a look is of. */
export interface CommitPlace {
  readonly incarnation: number;
  readonly generation: number;
  readonly index: number;
  readonly ordinal: number;
}

/** A place in a lineage of the source. */
export interface RecordPlace {
  readonly lineage: string;
  readonly position: Position;
}

/** Thrown where more panes wait to be written as rows than one look reads. */
export class RowsBehindError extends LoggableError {
  override readonly name = 'RowsBehindError';
}

/** The part of the key space that one page of keys is of. */
export interface KeysOfGroup {
  readonly generation: number;
  readonly groups: number;
  readonly keys: ReadonlyMap<string, StoredKey>;
}

/**
 * Looks keys up: their states in the logs of groups, and their panes in rows. It writes nothing.
 *
 * Rows follow commits, so the panes that were committed and are not rows yet are read from the logs, and an
 * answer holds all that was committed before it was asked for.
 */
export class KeyReader {
  readonly #ports: LookPorts;
  readonly #pipeline: Pipeline;
  readonly #logs: { get(): Promise<GroupLogs>; forget(): void };

  /** @param cacheBytes how many bytes of groups it keeps in memory */
  constructor(ports: LookPorts, pipeline: Pipeline, cacheBytes: number) {
    this.#ports = ports;
    this.#pipeline = pipeline;
    const cache = new GroupCache(cacheBytes);
    this.#logs = held(
      ports.clock,
      async () =>
        new GroupLogs(ports, (await readDeployment(ports, pipeline)) ?? firstDeployment(pipeline), cache),
    );
  }

  /**
   * Looks at a key.
   *
   * @throws RangeError and OutdatedError as `holdDeployment` does; LogLostError when entries are gone
   */
  async look(key: string): Promise<KeyLook> {
    const asOf = this.#ports.clock.now();
    const hash = hashOf(key);
    return this.#ofPresent(async (logs) => {
      const { deployment } = logs;
      const found = await firstBegun(deployment, async (generation) => {
        const index = groupOf(hash, generation.groups);
        return { index, parts: [await logs.look(generation, index)] };
      });
      const { generation, index, parts } = found;
      const [group] = parts as [Group];
      const { incarnation } = deployment;
      const commit = { incarnation, generation: generation.number, index, ordinal: group.ordinal };
      return { found, look: { key, asOf, deployment, commit, group, stored: group.keys.get(key) } };
    });
  }

  /**
   * Returns the rows of a key's window within a range of its own names, the newest of those that are stored
   * and those that are committed and not stored yet.
   *
   * @param deadline the time at and after which no entry is read
   * @throws RowsBehindError where rows are further behind than one step of their projector
   */
  async *rows(
    look: KeyLook,
    window: string,
    range: RowRange,
    deadline: EpochMillis,
  ): AsyncIterable<StoredRow> {
    const label = labelOfWindow(look.deployment, window);
    const inWindow = (name: string): string => `${label}#${name}`;
    const whole = {
      ...range,
      from: inWindow(range.from),
      to: inWindow(range.to),
      after: range.after === undefined ? undefined : inWindow(range.after),
    };
    const partition = partitionOf(this.#pipeline, look.key);
    const waiting = await this.#waiting(look, deadline);
    const within = waiting.filter((row) => row.partition === partition && isInRange(row, whole));
    within.sort((a, b) => (a.sort < b.sort === !range.descending ? -1 : 1));
    const nameOf = ({ sort, ...row }: StoredRow): StoredRow => ({
      ...row,
      sort: sort.slice(label.length + 1),
    });
    for await (const row of merged(this.#ports.rows.ofPartition(partition, whole), within, range.descending))
      yield nameOf(row);
  }

  /** Returns the keys of a group of the present generation, whoever holds them until that group begins. */
  async keysOf(index: number): Promise<KeysOfGroup> {
    return this.#ofPresent(async (logs) => {
      const { number, groups } = present(logs.deployment);
      const found = await firstBegun(logs.deployment, async (generation) => {
        const ratio = generation.groups / groups;
        const first = Math.floor(index * ratio);
        const parts: Group[] = [];
        for (let at = first; at < Math.max(first + 1, (index + 1) * ratio); at++)
          parts.push(await logs.look(generation, at));
        return { index, parts };
      });
      const isOwn = (key: string): boolean => groupOf(hashOf(key), groups) === index;
      const keys = new Map(found.parts.flatMap((part) => [...part.keys].filter(([key]) => isOwn(key))));
      return { found, look: { generation: number, groups, keys } };
    });
  }

  /** Returns how many groups the present generation has, and its number. */
  async generation(): Promise<Generation> {
    return present((await this.#logs.get()).deployment);
  }

  /** Looks by a deployment whose present generation goes on. */
  async #ofPresent<Look>(
    look: (logs: GroupLogs) => Promise<{ readonly found: Found; readonly look: Look }>,
  ): Promise<Look> {
    for (;;) {
      const logs = await this.#logs.get();
      const { found, look: seen } = await look(logs);
      const isOver =
        found.generation === present(logs.deployment) && found.parts.some(({ sealed }) => sealed);
      if (!isOver) return seen;
      // The later generation was written down before this one was sealed.
      this.#logs.forget();
    }
  }

  /** Returns the rows of the panes of a key's group that are committed, and that no row has yet. */
  async #waiting({ key, deployment }: KeyLook, deadline: EpochMillis): Promise<readonly Row[]> {
    const { log, clock, limits = LIMITS } = this.#ports;
    const hash = hashOf(key);
    const kept = new Set(groupLogsOf(deployment, clock.now()));
    const names = deployment.generations
      .map(({ number, groups }) => groupLog(this.#pipeline.name, number, groupOf(hash, groups)))
      .filter((name) => kept.has(name));
    const last = await log.latest(rowsLog(this.#pipeline.name));
    const covered: Cursors = last === undefined ? new Map() : decodeCovered(last).covered;
    const { panes, more, gaps } = await panesAfter(this.#ports, covered, names, limits.rowsStep, deadline);
    if (more || gaps.length > 0) {
      throw new RowsBehindError(
        `Cannot tell the panes of a key as its group's panes must be rows, but for ${limits.rowsStep} at most: ${gaps.length > 0 ? 'entries expired before they were' : 'more wait'}`,
      );
    }
    return rowsOf(
      this.#pipeline,
      panes.filter((pane) => pane.key === key),
    );
  }
}

/** The groups that hold some keys, and their generation. */
interface Found {
  readonly generation: Generation;
  readonly index: number;
  readonly parts: readonly Group[];
}

/** Returns the groups of the latest generation that has begun with some keys, or of the first. */
async function firstBegun(
  { generations }: Deployment,
  read: (generation: Generation) => Promise<Omit<Found, 'generation'>>,
): Promise<Found> {
  const [first, ...later] = generations;
  for (const generation of later.reverse()) {
    const found = await read(generation);
    if (found.parts.some((part) => part !== EMPTY_GROUP)) return { generation, ...found };
  }
  return { generation: first, ...(await read(first)) };
}

/**
 * Lists the open windows of a key with their results so far, at most `limit` of each definition.
 */
export function openPanes({ key, deployment, stored }: KeyLook, limit: number): readonly GroupPane[] {
  const { rules } = deployment.pipeline;
  const panes = new Panes(rules);
  new KeyState(rules, stored).peek(panes, limit);
  const layouts = rules.windows.map(({ name, operator: { identity, lanes, ordered } }, at) => ({
    name,
    identity,
    results: lanes.results,
    ordered,
    epoch: deployment.epochs[at] as number,
  }));
  return listPanes({ keys: [key], layouts, tables: panes.tables });
}

/** Says whether a key's group has taken in a record of an ordered lineage. */
export function hasTakenIn({ key, group }: Pick<KeyLook, 'key' | 'group'>, record: RecordPlace): boolean {
  const hash = hashOf(key);
  const inherited = group.inherited.filter((part) => groupOf(hash, part.groups) === part.group);
  return [group, ...inherited].some(({ positions }) => {
    const reached = positions.get(record.lineage);
    return reached !== undefined && !isAfter(record.position, subPlaceOf(reached.position).position);
  });
}

/** What a look says of a commit that a caller has seen. */
export type Seen = 'visible' | 'taken back' | 'of another key';

/** Says whether a look holds what an earlier look of the same key did. */
export function seenIn({ key, deployment, commit }: KeyLook, earlier: CommitPlace): Seen {
  const generation = deployment.generations.find(({ number }) => number === earlier.generation);
  if (earlier.incarnation !== commit.incarnation || generation === undefined) return 'taken back';
  if (groupOf(hashOf(key), generation.groups) !== earlier.index) return 'of another key';
  if (earlier.generation < commit.generation) return 'visible';
  const isThere = earlier.generation === commit.generation && earlier.ordinal <= commit.ordinal;
  return isThere ? 'visible' : 'taken back';
}

/** The name of a window in its rows, with the version in which it began where another had its name before. */
function labelOfWindow({ pipeline, epochs }: Deployment, window: string): string {
  const at = pipeline.rules.windows.findIndex(({ name }) => name === window);
  return labelOf({ window, layout: { epoch: epochs[at] } } as GroupPane);
}

/** Merges stored rows with others in the same order; of two of one name it returns the newer. */
async function* merged(
  stored: AsyncIterable<StoredRow>,
  others: readonly StoredRow[],
  descending = false,
): AsyncIterable<StoredRow> {
  const waiting = [...others];
  const precedes = (a: StoredRow, b: StoredRow): boolean => (descending ? a.sort > b.sort : a.sort < b.sort);
  for await (const row of stored) {
    for (let [next] = waiting; next && precedes(next, row); [next] = waiting) {
      waiting.shift();
      yield next;
    }
    const same = waiting[0]?.sort === row.sort ? waiting.shift() : undefined;
    yield same && isNewer(same as Ranked, row) ? same : row;
  }
  yield* waiting;
}
