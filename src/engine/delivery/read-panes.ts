import { loggable } from '../../core/loggable.ts';
import type { Plain } from '../../core/plain.ts';
import { invariant } from '../../core/plain.ts';
import { MAX_PARTS, type Position, positionOf } from '../../core/position.ts';
import { type EpochMillis, isoTime } from '../../core/time.ts';
import type { Pipeline } from '../../pipeline/pipeline.ts';
import type { PanesSource } from '../../pipeline/sources/panes.ts';
import { upstreamOf } from '../../pipeline/upstream.ts';
import { type LogEntry, LogLostError, type WholeLog } from '../../ports/commit-log.ts';
import { inParallel } from '../../ports/in-parallel.ts';
import type { EnginePorts, UpstreamStores } from '../../ports/index.ts';
import { LIMITS } from '../../ports/limits.ts';
import type { SourceRecord } from '../../ports/source.ts';
import type { Arrivals } from '../../ports/stores.ts';
import { definitionLog, readsLog } from '../../wiring/names.ts';
import { pack, unpack } from '../format/packed.ts';
import { type Generations, groupLogsOf } from '../group/deployment.ts';
import type { GroupPane } from '../group/group.ts';
import { mustRenew } from '../group/lifetimes.ts';
import { type Definition, definitionIn } from '../log/definition-log.ts';
import { wholeLog } from '../log/spill.ts';
import {
  BEGINNING,
  beginnings,
  type Cursors,
  coveredWith,
  type EntryPanes,
  inOrder,
  packCursors,
  packSkips,
  panesAfter,
  type ReadPorts,
  type Skip,
  type Stretch,
  unpackCursors,
  unpackSkips,
} from './stretch.ts';
import { writtenPane } from './written-pane.ts';

/** What a reader notes in its log. */
export interface Read {
  readonly covered: Cursors;
  /** The entries up to `covered` that were skipped, as some of them had expired. */
  readonly skipped: readonly Skip[];
  /**
   * The incarnation of the logs that were read; undefined right after the reader itself was taken back, which then
   * goes on with whatever incarnation it finds.
   */
  readonly incarnation: number | undefined;
}

export const encodeRead = ({ covered, skipped, incarnation = -1 }: Read): Uint8Array =>
  pack([packCursors(covered), packSkips(skipped), incarnation] as unknown as Plain);

export function decodeRead({ body }: Pick<LogEntry, 'body'>): Read {
  const [covered, skipped, incarnation] = unpack(body) as unknown as [
    ReturnType<typeof packCursors>,
    ReturnType<typeof packSkips>,
    number,
  ];
  return {
    covered: unpackCursors(covered),
    skipped: unpackSkips(skipped),
    incarnation: incarnation < 0 ? undefined : incarnation,
  };
}

/** Panes of another pipeline that are to be taken in, as records. */
export interface PaneRecords {
  readonly records: readonly SourceRecord[];
  readonly stretch: Stretch;
  /** The reader's entry from which the stretch goes on. */
  readonly last: LogEntry;
  readonly generations: Generations;
  readonly incarnation: number;
}

type ReaderPorts = Pick<EnginePorts, 'log' | 'clock' | 'limits'>;

/**
 * Reads the panes of another pipeline as records, from its logs, and notes how far they are taken in.
 *
 * What it notes is a lower bound, and it may read panes again: a group tells by their positions which it has. All logs
 * are read together, whichever of them has grown, in the order in which they were committed: a log that were read
 * before the others would carry the time of its panes ahead of theirs, and make theirs late.
 */
export class PanesReader {
  readonly #ports: ReaderPorts;
  readonly #upstream: ReadPorts;
  readonly #pipeline: Pipeline;
  readonly #of: Pipeline;
  readonly #source: PanesSource<unknown>;

  constructor(ports: ReaderPorts, upstream: UpstreamStores, pipeline: Pipeline) {
    const of = upstreamOf(pipeline);
    invariant(of !== undefined, 'a reader of panes is of a pipeline that reads some');
    this.#ports = ports;
    const { clock, limits } = ports;
    this.#upstream = { log: upstreamLog(upstream), clock, ...(limits && { limits }) };
    this.#pipeline = pipeline;
    this.#of = of;
    this.#source = pipeline.source as PanesSource<unknown>;
  }

  /** The name of the pipeline whose panes it reads. */
  get upstream(): string {
    return this.#of.name;
  }

  /** The log in which the reader notes how far it has come. */
  get log(): string {
    return readsLog(this.#pipeline.name);
  }

  /**
   * Reads on from where all panes are taken in.
   *
   * @param deadline the time at and after which nothing is read
   * @returns undefined where the other pipeline has never run
   * @throws RangeError when the reader must not begin, or not go on; LogLostError when its own log has expired
   */
  async next(deadline: EpochMillis): Promise<PaneRecords | undefined> {
    const { log, limits = LIMITS, clock } = this.#ports;
    const definition = await definitionOf(this.#upstream.log, this.#of);
    if (definition === undefined) return undefined;
    const { incarnation } = definition;
    const generations = { pipeline: this.#of, generations: definition.generations };
    let last = await log.latest(this.log);
    if (last === undefined) {
      const covered = await this.#beginning(generations);
      await this.#note(1, { covered, skipped: [], incarnation });
      last = await log.latest(this.log);
      invariant(last !== undefined, 'a log that was written to has an entry');
    }
    const read = decodeRead(last);
    if (read.incarnation !== undefined && read.incarnation !== incarnation) {
      throw loggable(new RangeError(this.#takenBack(incarnation)));
    }
    const logs = groupLogsOf(generations, clock.now());
    const stretch = await panesAfter(this.#upstream, read.covered, logs, limits.rowsStep, deadline);
    const records = inOrder(stretch.entries).flatMap((entry) => this.#recordsOf(entry));
    return { records, stretch, last, generations, incarnation };
  }

  /**
   * Notes that a stretch is taken in, up to the first record of each log that is not.
   *
   * @param again the records that are not taken in
   * @returns whether anything of it was taken in
   */
  async cover(
    { stretch, last, generations, incarnation }: PaneRecords,
    again: readonly SourceRecord[],
  ): Promise<boolean> {
    const now = this.#ports.clock.now();
    const to = new Map(stretch.to);
    for (const { lineage, position } of again) {
      const [ordinal, pane] = panePlaceOf(position);
      const [coveredOrdinal, coveredPanes] = to.get(lineage) ?? BEGINNING;
      if (coveredOrdinal > ordinal - 1 || (coveredOrdinal === ordinal - 1 && coveredPanes > pane)) {
        to.set(lineage, [ordinal - 1, pane]);
      }
    }
    const isMoved = [...to].some(([name, cursor]) => `${cursor}` !== `${stretch.from.get(name)}`);
    if (!isMoved && !mustRenew(last.committedAt, now)) return false;
    const { covered } = decodeRead(last);
    const next = coveredWith(covered, { to }, generations, now);
    await this.#note(last.ordinal + 1, { covered: next, skipped: [], incarnation });
    return isMoved;
  }

  /**
   * Yields all panes that the source reads and the logs still hold, those of a log in its order, and whether what the
   * reader has noted covers them.
   *
   * @returns whether no log has lost its first entries
   */
  async *all(): AsyncGenerator<{ readonly record: SourceRecord; readonly isRead: boolean }, boolean> {
    const last = await this.#ports.log.latest(this.log);
    const read = last ? decodeRead(last).covered : new Map();
    const definition = await definitionOf(this.#upstream.log, this.#of);
    if (definition === undefined) return true;
    const generations = { pipeline: this.#of, generations: definition.generations };
    const logs = groupLogsOf(generations, this.#ports.clock.now());
    const first = await beginnings(this.#upstream, generations);
    for (let covered: Cursors = first, more = true; more; ) {
      const stretch = await panesAfter(this.#upstream, covered, logs, LIMITS.rowsStep, UNHURRIED);
      for (const entry of stretch.entries) {
        const [ordinal, panes] = read.get(entry.log) ?? BEGINNING;
        for (const record of this.#recordsOf(entry)) {
          const [at, pane] = panePlaceOf(record.position);
          yield { record, isRead: at <= ordinal || (at === ordinal + 1 && pane < panes) };
        }
      }
      more = stretch.to.size > 0;
      covered = new Map([...covered, ...stretch.to]);
    }
    return [...first.values()].every(([ordinal]) => ordinal === 0);
  }

  /** Whoever else reads at the same time may be first: then it has noted what is as true. */
  async #note(ordinal: number, read: Read): Promise<void> {
    const { log, clock } = this.#ports;
    await log.append(this.log, { ordinal, committedAt: clock.now(), body: encodeRead(read) });
  }

  async #beginning(generations: Generations): Promise<Cursors> {
    const covered = await beginnings(this.#upstream, generations);
    if (this.#source.begin === 'kept') return covered;
    const gone = await inParallel([...covered], async ([name, [ordinal]]) => {
      if (ordinal > 0) return true;
      // A log that has lost all of its entries looks like one that never had any.
      return this.#upstream.log.latest(name).then(
        () => false,
        (error) => {
          if (error instanceof LogLostError) return true;
          throw error;
        },
      );
    });
    if (!gone.includes(true)) return covered;
    throw loggable(
      new RangeError(
        `Cannot begin to read the panes of "${this.#of.name}" for "${this.#pipeline.name}" as its first ones must be there: they have expired, or are about to; to read those that are left, say begin: 'kept'`,
      ),
    );
  }

  #takenBack(incarnation: number): string {
    return (
      `Cannot go on reading the panes of "${this.#of.name}" for "${this.#pipeline.name}" as its logs must hold what ` +
      `was read of them: they were taken back at ${isoTime(incarnation as EpochMillis)}; take "${this.#pipeline.name}" ` +
      'back to a time that is not later, and restore it, too'
    );
  }

  /** Makes a record of each pane of an entry that the source reads. */
  #recordsOf({ log, ordinal, committedAt, first, panes }: EntryPanes): readonly SourceRecord[] {
    return panes.flatMap((pane, at) =>
      isRead(this.#source, pane)
        ? [
            {
              lineage: log,
              position: panePosition(ordinal, first + at),
              arrival: committedAt,
              partitionKey: pane.key,
              data: utf8.encode(JSON.stringify(writtenPane(this.#of, pane))),
            },
          ]
        : [],
    );
  }
}

const UNHURRIED = 8e15 as EpochMillis;

const utf8 = new TextEncoder();

export const upstreamLog = ({ log, objects }: UpstreamStores): WholeLog =>
  wholeLog({ log, objects: { ...objects, create: neverWritten } });

const neverWritten = (): never => {
  throw new Error('Cannot write to the stores of a pipeline that is only read');
};

async function definitionOf(log: WholeLog, of: Pipeline): Promise<Definition | undefined> {
  const written = await log.latest(definitionLog(of.name));
  return written && definitionIn(written);
}

/**
 * Whether a source reads a pane. A pane that no revision follows is settled, unless it says that its window no longer
 * exists: then nothing settled was said of it before.
 */
const isRead = (
  { window, revisions }: Pick<PanesSource<unknown>, 'window' | 'revisions'>,
  pane: Pick<GroupPane, 'window' | 'revisable' | 'kind'>,
): boolean =>
  (window === undefined || pane.window === window) &&
  (revisions === 'all' || (!pane.revisable && pane.kind !== 'retracted'));

/** Where a pane stands in the log of its group: the entry's ordinal × 10^6 + its place among the entry's panes. */
function panePosition(ordinal: number, pane: number): Position {
  invariant(pane < MAX_PARTS, 'an entry has no more panes than a position has room for');
  return positionOf(String(ordinal * MAX_PARTS + pane));
}

const panePlaceOf = (position: Position): readonly [ordinal: number, pane: number] => [
  Math.floor(Number(position) / MAX_PARTS),
  Number(position) % MAX_PARTS,
];

/** What is to be read before silence counts: the other pipeline's logs as they ended after it was swept. */
interface Due {
  readonly silence: EpochMillis;
  readonly ends: ReadonlyMap<string, number>;
}

/**
 * Returns what tells the time up to which all panes that a pipeline reads are taken in, and silence can be counted;
 * undefined where that is unknown, as nothing has been read yet, or the other pipeline was never swept, or nobody knows
 * that what its silence brought is read.
 *
 * It is a silence of the other pipeline of which all panes are read, as panes wait for records that wait for it. They may
 * be committed long after the time up to which it counts, so that the ends of the logs, once it is known, tell what is to
 * be read. What is committed after that comes later than the silence.
 *
 * It remembers, from one call to the next, what was not read by then: a reader that always has something unread has read
 * what was there a call ago.
 */
export function panesFrontier(
  { log }: Pick<EnginePorts, 'log'>,
  upstream: UpstreamStores,
  pipeline: Pipeline,
): Arrivals['frontier'] {
  let due: Due | undefined;
  let read = Number.NEGATIVE_INFINITY;
  return async (now) => {
    const of = upstreamOf(pipeline);
    // This comes before the logs: by then they hold all panes that the silence brought.
    const silence = await upstream.swept.read();
    const last = await log.latest(readsLog(pipeline.name));
    const definition = of && (await definitionOf(upstreamLog(upstream), of));
    if (silence === undefined || last === undefined || of === undefined || definition === undefined)
      return undefined;
    const { covered } = decodeRead(last);
    const ordinalOf = (name: string): number => (covered.get(name) ?? BEGINNING)[0];
    const logs = groupLogsOf({ pipeline: of, generations: definition.generations }, now);
    const ends = await inParallel(logs, async (name) => {
      const [first] = await upstream.log.after(name, ordinalOf(name));
      if (first === undefined) return [];
      return [[name, (await upstream.log.latest(name))?.ordinal ?? first.ordinal] as const];
    });
    // Logs of which all entries have expired are listed no more.
    const isTakenIn = ({ ends }: Due): boolean =>
      logs.every((name) => ordinalOf(name) >= (ends.get(name) ?? 0));
    const latest: Due = { silence, ends: new Map(ends.flat()) };
    for (const one of [due ?? latest, latest]) if (isTakenIn(one)) read = Math.max(read, one.silence);
    if (due === undefined || isTakenIn(due)) due = latest;
    if (read === Number.NEGATIVE_INFINITY) return undefined;
    return Math.min(now, read) as EpochMillis;
  };
}
