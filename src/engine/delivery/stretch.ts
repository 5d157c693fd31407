import { after, type EpochMillis, millis } from '../../core/time.ts';
import { ENTRY_LIFETIME, type LogEntry, LogLostError, type WholeLog } from '../../ports/commit-log.ts';
import { FEW, inParallel } from '../../ports/in-parallel.ts';
import type { EnginePorts } from '../../ports/index.ts';
import { LIMITS } from '../../ports/limits.ts';
import { decodePanes } from '../format/entry.ts';
import { type Deployment, goneLogsOf, groupLogsOf } from '../group/deployment.ts';
import type { GroupPane } from '../group/group.ts';
import { ABOUT_TO_EXPIRE } from '../group/lifetimes.ts';
import { plainBytes } from '../group/weight.ts';

/** What reading a pipeline's panes takes. */
export type ReadPorts = Pick<EnginePorts, 'log' | 'clock' | 'limits'>;

/** How far the panes of a group are covered: every entry up to `ordinal`, and the first `panes` panes of the next. */
export type Cursor = readonly [ordinal: number, panes: number];

/** How far the panes of a pipeline are covered, by the log of a group. One that is absent is not covered at all. */
export type Cursors = ReadonlyMap<string, Cursor>;

/** A stretch of the panes of some groups: those after `from` up to `to`. */
export interface Stretch {
  readonly from: Cursors;
  readonly to: Cursors;
  readonly panes: readonly GroupPane[];
  /** Whether there may be others after it. */
  readonly more: boolean;
  /** Logs that cannot be read on, as entries expired before they were covered: the others go on. */
  readonly gaps: readonly LogLostError[];
}

export const BEGINNING: Cursor = [0, 0];

/** The entries of a group after `from` up to `to`, which a projector skipped as some of them had expired. */
export interface Skip {
  readonly log: string;
  readonly from: number;
  readonly to: number;
}

/** How long one step reads: of entries that hold no panes there may be any number. */
const READING = millis('5s');

/** How long the same log is read first. */
const TURN = millis('1s');

/** What of a step is left to be filled. */
interface Room {
  panes: number;
  bytes: number;
}

const isFull = ({ panes, bytes }: Room): boolean => panes <= 0 || bytes <= 0;

/**
 * The panes after `covered` of the given logs, in their order: `maxPanes` at most, and of so many bytes, each its share and what
 * the others leave of theirs; fewer where reading takes long.
 *
 * @param deadline nothing is read at or after it
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
  const left: Room = { panes: maxPanes, bytes: (ports.limits ?? LIMITS).step };
  // Where time, or the panes of a few logs, fill a step, those that are read first are not always the same.
  const first = Math.floor(now / TURN) % Math.max(1, logs.length);
  let unread = [...logs.slice(first), ...logs.slice(0, first)];
  while (!isFull(left) && unread.length > 0 && ports.clock.now() < until) {
    const share = (): Room => ({ panes, bytes });
    const panes = Math.ceil(left.panes / unread.length);
    const bytes = Math.ceil(left.bytes / unread.length);
    await inParallel(
      unread,
      async (name) => {
        const { taken } = parts.get(name) as Part;
        const from = taken.at(-1)?.to ?? fromOf(name);
        try {
          const next = await readLog(ports, name, from, { share: share(), left, until });
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
  // What is left for another step was committed after what is taken: panes of one time come together, in few objects.
  const bound = Math.min(
    ...unread.map((name) => {
      const { taken } = parts.get(name) as Part;
      return taken.length === 0 ? Number.POSITIVE_INFINITY : lastCommit(taken);
    }),
  );
  const moved = [...parts].flatMap(([name, part]) => {
    const left = part.taken.findIndex(({ committedAt }) => committedAt > bound);
    // Clocks differ: of two entries that follow each other the first may be the later one.
    const taken = left === -1 ? part.taken : part.taken.slice(0, left);
    const to = taken.at(-1)?.to;
    return to ? [{ name, to, panes: taken.flatMap(({ panes }) => panes) }] : [];
  });
  return {
    from: new Map(moved.map(({ name }) => [name, fromOf(name)])),
    to: new Map(moved.map(({ name, to }) => [name, to])),
    panes: moved.flatMap(({ panes }) => panes),
    more: unread.length > 0,
    gaps,
  };
}

/** How far everything is covered once a stretch is. Logs of an earlier generation are forgotten once they are gone. */
export function coveredWith(
  covered: Cursors,
  { to }: Pick<Stretch, 'to'>,
  deployment: Deployment,
  now: EpochMillis,
): Cursors {
  const gone = new Set(goneLogsOf(deployment, now));
  return new Map([...covered, ...to].filter(([name]) => !gone.has(name)));
}

/**
 * Where a projector begins that has never run: at the oldest entries that are sure to be there, as a sink may be added
 * to a pipeline whose first entries have expired. Once it is written down, what expires before it is covered is an
 * error.
 */
export async function beginnings(ports: ReadPorts, deployment: Deployment): Promise<Cursors> {
  const logs = groupLogsOf(deployment, ports.clock.now());
  const ordinals = await inParallel(logs, (name) => oldestKept(ports, name));
  return new Map(logs.map((name, at) => [name, [ordinals[at] ?? 0, 0]]));
}

/** The ordinal before the oldest entry that is sure to be there for another day. */
export function oldestKept({ log, clock }: ReadPorts, name: string): Promise<number> {
  const oldest = clock.now() - ENTRY_LIFETIME + ABOUT_TO_EXPIRE;
  return coveredBefore(log, name, ({ committedAt }) => committedAt > oldest);
}

/** The ordinal before the first entry that stays. Entries are in the order of time, so it is searched for by halves. */
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

/** The panes of a stretch, read again, in the same order. */
export async function panesOf(
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

/** The panes of a stretch of which entries have expired, as far as they are there, and what is gone. */
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
        const emitted = panesIn(entry);
        panes.push(
          ...emitted.slice(read === first + 1 ? done : 0, read === whole + 1 ? part : emitted.length),
        );
      }
      entries = within.length < entries.length ? [] : await log.after(name, read);
    }
    // Of an entry that the stretch ends in, what comes next is missing, too: that is told by whoever goes on with it.
    if (read < whole) gone.push({ log: name, from: read, to: whole });
  }
  return { panes, gone };
}

/** What was read of one group, entry by entry, and whether nothing came after it. */
interface Part {
  readonly taken: readonly Taken[];
  readonly isEnd: boolean;
}

const lastCommit = (taken: readonly Taken[]): number =>
  taken.reduce((last, { committedAt }) => Math.max(last, committedAt), Number.NEGATIVE_INFINITY);

/** What was read of an entry: some of its panes, and up to where the group is covered with them. */
interface Taken extends Pick<LogEntry, 'committedAt'> {
  readonly panes: readonly GroupPane[];
  readonly to: Cursor;
}

/**
 * How far a group is read: exactly up to a cursor, or as far as there is something, while there is room in its share and in
 * what is left for all groups, and but for so long.
 */
type Extent =
  | { readonly end: Cursor }
  | { readonly end?: never; readonly share: Room; readonly left: Room; readonly until: EpochMillis };

async function readLog({ log, clock }: ReadPorts, name: string, from: Cursor, extent: Extent): Promise<Part> {
  const { end } = extent;
  const all: Taken[] = [];
  let [ordinal, done] = from;
  const isRead = (): boolean =>
    end
      ? ordinal === end[0] && done === end[1]
      : isFull(extent.share) || isFull(extent.left) || clock.now() >= extent.until;
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
        // What comes before the gap is delivered first.
        if (end === undefined && (ordinal !== from[0] || done !== from[1])) {
          return { taken: all, isEnd: false };
        }
        throw new LogLostError(
          `Cannot read on in log ${name} as entries must follow each other: ${entry.ordinal} came after ${ordinal}`,
        );
      }
      const emitted = panesIn(entry);
      const taken = end
        ? emitted.slice(done, ordinal === end[0] ? end[1] : emitted.length)
        : thoseThatFit(emitted, done, extent);
      done += taken.length;
      const isWhole = done === emitted.length;
      if (isWhole) [ordinal, done] = [entry.ordinal, 0];
      all.push({ committedAt: entry.committedAt, panes: taken, to: [ordinal, done] });
      if (!isWhole) return { taken: all, isEnd: false };
      if (isRead()) break;
    }
  }
  return { taken: all, isEnd: false };
}

/** The panes from one on for which there is room, which they take up: the last of them may be larger. */
function thoseThatFit(
  panes: readonly GroupPane[],
  from: number,
  { share, left }: { readonly share: Room; readonly left: Room },
): readonly GroupPane[] {
  let end = from;
  while (end < panes.length && !isFull(share) && !isFull(left)) {
    const { key, results } = panes[end++] as GroupPane;
    const bytes = PANE_BYTES + key.length + plainBytes(results);
    for (const room of [share, left]) {
      room.panes--;
      room.bytes -= bytes;
    }
  }
  return panes.slice(from, end);
}

/** What a pane takes up besides its key and results, about. */
const PANE_BYTES = 256;

/** The one place where an entry of a group is read for its panes. */
const panesIn = (entry: LogEntry): readonly GroupPane[] => decodePanes(entry);

/** What was skipped as a log's entry holds it, and back. */
export const packSkips = (skips: readonly Skip[]) =>
  skips.map(({ log, from, to }) => [log, from, to] as const);

export const unpackSkips = (packed: ReturnType<typeof packSkips>): readonly Skip[] =>
  packed.map(([log, from, to]) => ({ log, from, to }));

/** Cursors as a log's entry holds them, and back. */
export const packCursors = (cursors: Cursors) =>
  [...cursors].map(([name, [ordinal, panes]]) => [name, ordinal, panes] as const);

export const unpackCursors = (packed: ReturnType<typeof packCursors>): Cursors =>
  new Map(packed.map(([name, ordinal, panes]) => [name, [ordinal, panes]]));
