import { KeyState } from '../../core/key.ts';
import { type EpochMillis, isoTime } from '../../core/time.ts';
import type { OpenWindow } from '../../core/window.ts';
import type { Pipeline } from '../../pipeline/pipeline.ts';
import type { EnginePorts } from '../../ports/index.ts';
import { groupLog } from '../../wiring/names.ts';
import { encodeWindows, type GroupEntry, readEntry } from '../format/read-entry.ts';
import type { Deployment, Generation } from '../group/deployment.ts';
import { type Counters, EMPTY_GROUP, type Group, lateByWindow } from '../group/group.ts';
import { groupOf, hashOf } from '../group/key-group.ts';
import { roomUsed } from '../group/room.ts';
import { rememberedOf } from '../group/taken.ts';
import { readDeployment } from '../log/definition-log.ts';
import { GroupLogs } from '../log/group-logs.ts';

/**
 * What is known of one key of a pipeline and of its group, and what they wait for. Times are ISO 8601 in UTC.
 */
export interface Explanation {
  readonly pipeline: string;
  readonly key: string;
  readonly at: string;
  readonly group: {
    readonly generation: number;
    readonly index: number;
    readonly log: string;
    /** The ordinal of the last entry. */
    readonly ordinal: number;
    readonly keys: number;
    /** The size of the windows of all its keys, before they are compressed. */
    readonly stateBytes: number;
    /** How close the group is to where it takes in no records of new keys. From 1 on it takes in none. */
    readonly roomUsed: number;
    /** The last commits, the newest first. */
    readonly commits: readonly Commit[];
  };
  readonly watermark: {
    readonly now: string;
    readonly maxEventTime: string;
    readonly lastArrival: string;
    readonly outOfOrdernessMillis: number;
    readonly idleAfterMillis: number;
    /** By how much silence would advance the watermark by now, if nothing waits at the source. */
    readonly silenceAddsMillis: number;
  };
  readonly stateBytes: number;
  /** Undefined where the group remembers no ids of the key's records. */
  readonly ids: RememberedIds | undefined;
  readonly windows: readonly OpenWindows[];
  /** When silence closes the next window, if no record comes; undefined where no window is open. */
  readonly nextIdleClose: string | undefined;
}

/**
 * The ids by which records of the key are known when they come again. The ids themselves are not shown: they
 * may be personal data, and the group holds only digests of them.
 */
interface RememberedIds {
  readonly count: number;
  /** The watermark from which on the first of them is forgotten. */
  readonly firstUntil: string;
  /** The watermark from which on all of them are forgotten. */
  readonly lastUntil: string;
}

interface Commit {
  readonly ordinal: number;
  readonly at: string;
  /** Undefined where the entry before has expired, or is of an earlier generation. */
  readonly applied: number | undefined;
  /** The number of records that each window refused as late. */
  readonly late: Counters['late'];
  readonly panes: number;
  readonly bytes: number;
}

/** The open windows of one definition. */
interface OpenWindows {
  readonly window: string;
  /** What brings its next pane. */
  readonly waitsFor: 'watermark' | 'records';
  readonly open: number;
  /** The first of the open windows. */
  readonly first: readonly WaitingWindow[];
}

interface WaitingWindow {
  readonly start: string;
  readonly end: string;
  readonly count: number;
  /** A record of this event time or later makes it emit; undefined where it waits for records alone. */
  readonly recordFrom?: string;
  /** Silence until then makes it emit, too. */
  readonly silenceUntil?: string;
}

export interface ExplainOptions {
  readonly commits?: number;
  /** The most open windows of one definition that are listed. */
  readonly windows?: number;
}

/** Thrown for a key of which its group holds no state: it never had a record, or was forgotten. */
export class UnknownKeyError extends Error {
  override readonly name = 'UnknownKeyError';
}

/**
 * Explains what is known of a key, and what each of its windows waits for. It writes nothing.
 *
 * @throws UnknownKeyError when its group holds no state of it; RangeError and OutdatedError as
 * `holdDeployment` does; LogLostError when entries are gone
 */
export async function explain(
  ports: Pick<EnginePorts, 'log' | 'clock'>,
  pipeline: Pipeline,
  key: string,
  { commits = 10, windows = 20 }: ExplainOptions = {},
): Promise<Explanation> {
  const deployment = await readDeployment(ports, pipeline);
  const { generation, index, group, isFirst } = await groupOfKey(ports, deployment, key);
  const log = groupLog(pipeline.name, generation, index);
  const stored = group.keys.get(key);
  if (stored === undefined) {
    throw new UnknownKeyError(
      `Cannot explain a key that has no state: log ${log}, which it falls into, has ${group.keys.size} other keys after ${group.ordinal} entries; it had no record yet, or was forgotten`,
    );
  }
  const remembered = rememberedOf(group, key);
  const now = ports.clock.now();
  const { outOfOrderness, idleAfter } = pipeline.rules.time;
  const { maxEventTime, lastArrival, watermark } = stored;
  /** Returns until when silence must last for the watermark to reach an instant. */
  const silenceUntil = (reached: EpochMillis) =>
    (lastArrival + idleAfter + (reached - (maxEventTime - outOfOrderness))) as EpochMillis;
  const listed = new KeyState(pipeline.rules, stored).listOpen();
  const open = pipeline.rules.windows.map(({ name, operator }, at) => {
    const all = listed[at] ?? [];
    const waitsFor = operator.ordered ? 'records' : 'watermark';
    return { window: name, waitsFor, all } as const;
  });
  const dues = open.flatMap(({ all }) => all.flatMap(({ due }) => due ?? []));
  const nextDue = dues.reduce((least, due) => Math.min(least, due), Number.POSITIVE_INFINITY);
  const waiting = ({ start, end, due, count }: OpenWindow): WaitingWindow => ({
    start: isoTime(start),
    end: isoTime(end),
    count,
    ...(due === undefined
      ? {}
      : {
          recordFrom: isoTime((due + outOfOrderness) as EpochMillis),
          silenceUntil: isoTime(silenceUntil(due)),
        }),
  });
  return {
    pipeline: pipeline.name,
    key,
    at: isoTime(now),
    group: {
      generation,
      index,
      log,
      ordinal: group.ordinal,
      keys: group.keys.size,
      stateBytes: encodeWindows(pipeline, [...group.keys.values()]).length,
      roomUsed: roomUsed(group),
      commits: await lastCommits(ports, log, group, commits, isFirst),
    },
    watermark: {
      now: isoTime(watermark),
      maxEventTime: isoTime(maxEventTime),
      lastArrival: isoTime(lastArrival),
      outOfOrdernessMillis: outOfOrderness,
      idleAfterMillis: idleAfter,
      silenceAddsMillis: Math.max(
        0,
        maxEventTime - outOfOrderness + (now - lastArrival - idleAfter) - watermark,
      ),
    },
    stateBytes: encodeWindows(pipeline, [stored]).length,
    ids: remembered && {
      count: remembered.count,
      firstUntil: isoTime(remembered.first),
      lastUntil: isoTime(remembered.last),
    },
    windows: open.map(({ window, waitsFor, all }) => ({
      window,
      waitsFor,
      open: all.length,
      first: all.slice(0, windows).map(waiting),
    })),
    nextIdleClose: dues.length === 0 ? undefined : isoTime(silenceUntil(nextDue as EpochMillis)),
  };
}

interface Found {
  readonly generation: number;
  readonly index: number;
  readonly group: Group;
  /** Whether there was no generation before. */
  readonly isFirst: boolean;
}

/**
 * Returns the group that has a key's state: the present group or, where that has not begun, the group with
 * which it will begin.
 */
async function groupOfKey(
  ports: Pick<EnginePorts, 'log' | 'clock'>,
  deployment: Deployment | undefined,
  key: string,
): Promise<Found> {
  if (deployment === undefined)
    throw new UnknownKeyError('Cannot explain a key as no record was taken in yet');
  const hash = hashOf(key);
  const [first, ...others] = deployment.generations;
  const logs = new GroupLogs(ports, deployment);
  const readIn = async (generation: Generation): Promise<Found> => {
    const index = groupOf(hash, generation.groups);
    const group = await logs.read(generation, index);
    return { generation: generation.number, index, group, isFirst: generation === first };
  };
  for (const generation of others.reverse()) {
    const found = await readIn(generation);
    if (found.group !== EMPTY_GROUP) return found;
  }
  return readIn(first);
}

/** Returns the last commits of a group, the newest first. */
async function lastCommits(
  { log }: Pick<EnginePorts, 'log'>,
  name: string,
  { ordinal: last }: Group,
  count: number,
  isFirst: boolean,
): Promise<readonly Commit[]> {
  const commits: Commit[] = [];
  let before: Pick<GroupEntry, 'ordinal' | 'counters'> | undefined = isFirst ? EMPTY_GROUP : undefined;
  for (let done = Math.max(0, last - count - 1); done < last; ) {
    const entries = await log.after(name, done);
    for (const entry of entries) {
      const read = readEntry(entry);
      commits.push(commitOf(read, before));
      before = read;
    }
    done = entries.at(-1)?.ordinal ?? last;
  }
  return commits.slice(-count).reverse();
}

function commitOf(
  { ordinal, committedAt, counters, late, panes, bytes }: GroupEntry,
  before: Pick<GroupEntry, 'ordinal' | 'counters'> | undefined,
): Commit {
  const applied = before?.ordinal === ordinal - 1 ? counters.applied - before.counters.applied : undefined;
  const at = isoTime(committedAt);
  return { ordinal, at, applied, late: lateByWindow(late), panes: panes.length, bytes };
}
