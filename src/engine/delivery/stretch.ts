import { after, type EpochMillis, millis } from '../../core/time.ts';
import { ENTRY_LIFETIME, type LogEntry, LogLostError, type WholeLog } from '../../ports/commit-log.ts';
import { FEW, inParallel } from '../../ports/in-parallel.ts';
import type { EnginePorts } from '../../ports/index.ts';
import { LIMITS } from '../../ports/limits.ts';
import { decodePanes } from '../format/entry.ts';
import { type Generations, goneLogsOf, groupLogsOf } from '../group/deployment.ts';
import type { GroupPane } from '../group/group.ts';
import { ABOUT_TO_EXPIRE } from '../group/lifetimes.ts';
import { plainBytes } from '../group/weight.ts';

/** The ports through which a pipeline's panes are read. */
export type ReadPorts = Pick<EnginePorts, 'log' | 'clock' | 'limits'>;

/**
 * How far the panes of a group are covered: all entries up to `ordinal`, and the first `panes` panes of the
 * next.
 */
export type Cursor = readonly [ordinal: number, panes: number];

/**
 * How far the panes of a pipeline are covered, by the log of each group. Nothing of an absent log is covered.
 */
export type Cursors = ReadonlyMap<string, Cursor>;

/** A stretch of the panes of some groups: all after `from` up to `to`. */
export interface Stretch {
  readonly from: Cursors;
  readonly to: Cursors;
  readonly panes: readonly GroupPane[];
  /** The same panes by their entries, in the order of each log. */
  readonly entries: readonly EntryPanes[];
  /** Whether panes may follow it. */
  readonly more: boolean;
  /** One error for each log that cannot be read on, as entries expired before they were covered. */
  readonly gaps: readonly LogLostError[];
}

export const BEGINNING: Cursor = [0, 0];

/** Consecutive panes of one entry. */
export interface EntryPanes extends Pick<LogEntry, 'ordinal' | 'committedAt' | 'arrived'> {
  readonly log: string;
  /** The place of the first of them among the entry's panes, from 0. */
  readonly first: number;
  readonly panes: readonly GroupPane[];
}

/**
 * The entries of a group after `from` up to `to`, all of which a projector skipped as some of them had
 * expired.
 */
export interface Skip {
  readonly log: string;
  readonly from: number;
  readonly to: number;
}

/** How long one step reads at most, as any number of entries may hold no panes. */
const READING = millis('5s');

/** For how long the same log is read first. */
const TURN = millis('1s');

/** How many more panes, and how many more bytes of panes, a step takes. */
interface Room {
  panes: number;
  bytes: number;
}

const isFull = ({ panes, bytes }: Room): boolean => panes <= 0 || bytes <= 0;

/**
 * Reads the panes after `covered` from some logs, in the order of the logs: at most `maxPanes` panes, and at
 * most as many bytes as a step takes. Each log has an equal share of both, and whatever other logs leave of
 * theirs. It returns fewer panes where reading takes more than 5 s.
 *
 * @param deadline the time at and after which nothing is read
 */
export async function panesAfter(
  ports: ReadPorts,
  covered: Cursors,
  logs: readonly string[],
  maxPanes: number,
  deadline: EpochMillis,
): Promise<Stretch> {
  const now = ports.clock.now();
  const until = Math.min(deadline, after(now, READING)) as EpochMillis;
  const fromOf = (name: string): Cursor => covered.get(name) ?? BEGINNING;
  const parts = new Map(logs.map((name) => [name, { taken: [], isEnd: false } as Part]));
  const gaps: LogLostError[] = [];
  const room: Room = { panes: maxPanes, bytes: (ports.limits ?? LIMITS).step };
  // The first log changes every second. Otherwise the same logs would always come last where time runs out,
  // or a few logs fill the step.
  const first = Math.floor(now / TURN) % Math.max(1, logs.length);
  let unread = [...logs.slice(first), ...logs.slice(0, first)];
  while (!isFull(room) && unread.length > 0 && ports.clock.now() < until) {
    const share = (): Room => ({ panes, bytes });
    const panes = Math.ceil(room.panes / unread.length);
    const bytes = Math.ceil(room.bytes / unread.length);
    await inParallel(
      unread,
      async (name) => {
        const { taken } = parts.get(name) as Part;
        const from = taken.at(-1)?.to ?? fromOf(name);
        try {
          const next = await readLog(ports, name, from, { share: share(), room, until });
          parts.set(name, { taken: [...taken, ...next.taken], isEnd: next.isEnd });
        } catch (error) {
          if (!(error instanceof LogLostError)) throw error;
          gaps.push(error);
          parts.set(name, { taken, isEnd: true });
        }
      },
      FEW,
    );
    unread = unread.filter((name) => !parts.get(name)?.isEnd);
  }
  // No pane is taken that was committed after a pane which is left for another step, so that panes of one
  // time come together, in few objects.
  const bound = Math.min(
    ...unread.map((name) => {
      const { taken } = parts.get(name) as Part;
      return taken.length === 0 ? Number.POSITIVE_INFINITY : lastCommit(taken);
    }),
  );
  const moved = [...parts].flatMap(([name, part]) => {
    const firstAfter = part.taken.findIndex(({ committedAt }) => committedAt > bound);
    // Clocks differ, so that an entry may have an earlier time than the entry before it.
    const taken = firstAfter === -1 ? part.taken : part.taken.slice(0, firstAfter);
    const to = taken.at(-1)?.to;
    return to ? [{ name, to, taken }] : [];
  });
  return {
    from: new Map(moved.map(({ name }) => [name, fromOf(name)])),
    to: new Map(moved.map(({ name, to }) => [name, to])),
    panes: moved.flatMap(({ taken }) => taken.flatMap(({ panes }) => panes)),
    entries: moved.flatMap(({ name, taken }) => taken.map((part) => ({ ...part, log: name }))),
    more: unread.length > 0,
    gaps,
  };
}

/**
 * Returns entries in the order of their commits. Clocks differ, so that an entry may have an earlier time than the
 * entry before it in its log, which it must not overtake.
 */
export function inOrder(entries: readonly EntryPanes[]): readonly EntryPanes[] {
  const latest = new Map<string, number>();
  return entries
    .map((entry) => {
      const at = Math.max(entry.committedAt, latest.get(entry.log) ?? 0);
      latest.set(entry.log, at);
      return { entry, at };
    })
    .sort((a, b) => a.at - b.at)
    .map(({ entry }) => entry);
}

/**
 * Returns how far everything is covered once a stretch is. It leaves out the logs of earlier generations that
 * are no longer read.
 */
export function coveredWith(
  covered: Cursors,
  { to }: Pick<Stretch, 'to'>,
  deployment: Generations,
  now: EpochMillis,
): Cursors {
  const gone = new Set(goneLogsOf(deployment, now));
  return new Map([...covered, ...to].filter(([name]) => !gone.has(name)));
}

/**
 * Returns where a projector begins that has never run: at the oldest entries that are sure to exist for
 * another day, as a sink may be added to a pipeline whose first entries have expired. Once the projector has
 * noted this, an entry that expires before it is covered is an error.
 */
export async function beginnings(ports: ReadPorts, deployment: Generations): Promise<Cursors> {
  const logs = groupLogsOf(deployment, ports.clock.now());
  const ordinals = await inParallel(logs, (name) => oldestKept(ports, name));
  return new Map(logs.map((name, at) => [name, [ordinals[at] ?? 0, 0]]));
}

/** Returns the ordinal before the oldest entry that is sure to exist for another day. */
export function oldestKept({ log, clock }: ReadPorts, name: string): Promise<number> {
  const oldest = clock.now() - ENTRY_LIFETIME + ABOUT_TO_EXPIRE;
  return coveredBefore(log, name, ({ committedAt }) => committedAt > oldest);
}

/**
 * Returns the ordinal before the first entry that stays, by binary search, as entries are in the order of
 * time.
 */
async function coveredBefore(
  log: WholeLog,
  name: string,
  stays: (entry: LogEntry) => boolean,
): Promise<number> {
  const [first] = await log.after(name, 0);
  if (first === undefined) return 0;
  if (stays(first)) return first.ordinal - 1;
  const last = await log.latest(name);
  if (last === undefined || !stays(last)) return last?.ordinal ?? 0;
  let [gone, there] = [first.ordinal, last.ordinal];
  while (there - gone > 1) {
    const middle = Math.floor((gone + there) / 2);
    const [entry] = await log.after(name, middle - 1);
    if (entry?.ordinal === middle && stays(entry)) there = middle;
    else gone = middle;
  }
  return gone;
}

/** Reads the panes of a stretch again, in the same order. */
export async function panesWithin(
  ports: ReadPorts,
  { from, to }: Pick<Stretch, 'from' | 'to'>,
): Promise<readonly GroupPane[]> {
  const read = await inParallel(
    [...from],
    ([name, start]) => readLog(ports, name, start, { end: to.get(name) ?? BEGINNING }),
    FEW,
  );
  return read.flatMap(({ taken }) => taken.flatMap(({ panes }) => panes));
}

/** Reads what remains of a stretch some of whose entries have expired, and says which entries are gone. */
export async function remainsOf(
  { log }: ReadPorts,
  { from, to }: Pick<Stretch, 'from' | 'to'>,
): Promise<{ readonly panes: readonly GroupPane[]; readonly gone: readonly Skip[] }> {
  const panes: GroupPane[] = [];
  const gone: Skip[] = [];
  for (const [name, [first, done]] of from) {
    const [whole, part] = to.get(name) ?? BEGINNING;
    let read = first;
    for (let entries = await log.after(name, read); entries.length > 0; ) {
      const within = entries.filter(({ ordinal }) => ordinal <= (part > 0 ? whole + 1 : whole));
      for (const entry of within) {
        if (entry.ordinal > read + 1) gone.push({ log: name, from: read, to: entry.ordinal - 1 });
        read = entry.ordinal;
        const emitted = decodePanes(entry);
        panes.push(
          ...emitted.slice(read === first + 1 ? done : 0, read === whole + 1 ? part : emitted.length),
        );
      }
      entries = within.length < entries.length ? [] : await log.after(name, read);
    }
    // An entry inside which the stretch ends may be missing as well. `resume` finds that by itself, as the
    // next stretch begins inside it.
    if (read < whole) gone.push({ log: name, from: read, to: whole });
  }
  return { panes, gone };
}

/** What was read from one group's log, entry by entry, and whether that is the end of the log. */
interface Part {
  readonly taken: readonly Taken[];
  readonly isEnd: boolean;
}

/** Returns the latest commit time, which need not be that of the last entry, as clocks differ. */
const lastCommit = (taken: readonly Taken[]): number =>
  taken.reduce((last, { committedAt }) => Math.max(last, committedAt), Number.NEGATIVE_INFINITY);

/** What was taken from an entry: some of its panes, and how far the group is covered with them. */
interface Taken extends Omit<EntryPanes, 'log'> {
  readonly to: Cursor;
}

/**
 * How far a group's log is read: exactly up to a cursor; or to its end, unless the group's share or the room
 * of the whole step is used up, or the time has come, before that.
 */
type Extent =
  | { readonly end: Cursor }
  | { readonly end?: never; readonly share: Room; readonly room: Room; readonly until: EpochMillis };

async function readLog({ log, clock }: ReadPorts, name: string, from: Cursor, extent: Extent): Promise<Part> {
  const { end } = extent;
  const all: Taken[] = [];
  let [ordinal, done] = from;
  const isRead = (): boolean =>
    end
      ? ordinal === end[0] && done === end[1]
      : isFull(extent.share) || isFull(extent.room) || clock.now() >= extent.until;
  while (!isRead()) {
    const entries = await log.after(name, ordinal);
    if (entries.length === 0) {
      if (end === undefined) return { taken: all, isEnd: true };
      throw new LogLostError(
        `Cannot read log ${name} up to entry ${end[0]} as there is none after ${ordinal}`,
      );
    }
    for (const entry of entries) {
      if (entry.ordinal !== ordinal + 1) {
        // A later step reports the gap, once the panes before it are delivered.
        if (end === undefined && (ordinal !== from[0] || done !== from[1])) {
          return { taken: all, isEnd: false };
        }
        throw new LogLostError(
          `Cannot read on in log ${name} as entries must follow each other: ${entry.ordinal} came after ${ordinal}`,
        );
      }
      const emitted = decodePanes(entry);
      const first = done;
      const taken = end
        ? emitted.slice(done, ordinal === end[0] ? end[1] : emitted.length)
        : thoseThatFit(emitted, done, extent);
      done += taken.length;
      const isWhole = done === emitted.length;
      if (isWhole) [ordinal, done] = [entry.ordinal, 0];
      const { committedAt, arrived } = entry;
      all.push({ ordinal: entry.ordinal, committedAt, arrived, first, panes: taken, to: [ordinal, done] });
      if (!isWhole) return { taken: all, isEnd: false };
      if (isRead()) break;
    }
  }
  return { taken: all, isEnd: false };
}

/**
 * Returns the panes after the first `from` that there is room for, and takes up that room. The last may
 * exceed it.
 */
function thoseThatFit(
  panes: readonly GroupPane[],
  from: number,
  { share, room }: { readonly share: Room; readonly room: Room },
): readonly GroupPane[] {
  let end = from;
  while (end < panes.length && !isFull(share) && !isFull(room)) {
    const { key, results } = panes[end++] as GroupPane;
    const bytes = PANE_BYTES + key.length + plainBytes(results);
    for (const used of [share, room]) {
      used.panes--;
      used.bytes -= bytes;
    }
  }
  return panes.slice(from, end);
}

/** About how many bytes a pane takes up besides its key and results. */
const PANE_BYTES = 256;

/** Returns skips as the entries of a projector's log hold them; `unpackSkips` undoes it. */
export const packSkips = (skips: readonly Skip[]) =>
  skips.map(({ log, from, to }) => [log, from, to] as const);

export const unpackSkips = (packed: ReturnType<typeof packSkips>): readonly Skip[] =>
  packed.map(([log, from, to]) => ({ log, from, to }));

/** Returns cursors as the entries of a projector's log hold them; `unpackCursors` undoes it. */
export const packCursors = (cursors: Cursors) =>
  [...cursors].map(([name, [ordinal, panes]]) => [name, ordinal, panes] as const);

export const unpackCursors = (packed: ReturnType<typeof packCursors>): Cursors =>
  new Map(packed.map(([name, ordinal, panes]) => [name, [ordinal, panes]]));
