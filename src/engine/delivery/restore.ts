import { isAfter, type Position, subPlaceOf } from '../../core/position.ts';
import { before, type EpochMillis, millis } from '../../core/time.ts';
import type { Pipeline } from '../../pipeline/pipeline.ts';
import { type Sink, sinkName } from '../../pipeline/sinks.ts';
import { type LogEntry, LogLostError } from '../../ports/commit-log.ts';
import { inParallel } from '../../ports/in-parallel.ts';
import type { EnginePorts } from '../../ports/index.ts';
import type { ObjectReader } from '../../ports/reading.ts';
import type { ObjectRemover } from '../../ports/stores.ts';
import {
  definitionLog,
  messagesLog,
  objectsLog,
  readsLog,
  rowsLog,
  SUPERSEDED_PREFIX,
} from '../../wiring/names.ts';
import { decodeSinkCursor, encodeSinkCursor } from '../format/sink-cursor.ts';
import { type Deployment, groupLogsOf, present } from '../group/deployment.ts';
import type { Group, Reached } from '../group/group.ts';
import { holds, type Incarnations, objectPlaceOf, withIncarnation } from '../group/incarnation.ts';
import { addIncarnation, definitionIn, holdDeployment } from '../log/definition-log.ts';
import { GroupLogs } from '../log/group-logs.ts';
import { decodeIntent, encodeIntent, finish, foldersOf, ownTarget } from './project-objects.ts';
import { decodeCovered, encodeCovered } from './project-rows.ts';
import { decodeRead, encodeRead } from './read-panes.ts';
import type { Cursors } from './stretch.ts';

type RestorePorts = Pick<EnginePorts, 'log' | 'objects' | 'progress' | 'clock'> & {
  readonly listing: Pick<ObjectReader, 'list'>;
  readonly remover: ObjectRemover;
};

/**
 * From where a lineage of the source must be read again. Records that were taken in before are dropped, so
 * that reading from an earlier place is never wrong.
 */
export interface ReadFrom {
  readonly lineage: string;
  /**
   * The first record to read, and a time at or before its arrival; undefined where the lineage must be read
   * from the oldest record that the source has.
   */
  readonly from: { readonly position: Position; readonly arrival: EpochMillis } | undefined;
}

/** What a restore has done, and what remains to be done by hand. */
export interface Restored {
  readonly incarnation: number;
  /** How many objects were set aside, as their panes were taken back. */
  readonly setAside: number;
  readonly from: readonly ReadFrom[];
}

/**
 * By how much arrival times may be off: they are approximate, and restored items may be this far apart in
 * time.
 */
const MARGIN = millis('1m');

/**
 * Prepares a pipeline to continue from logs that were taken back to an earlier time. None of its functions
 * may run meanwhile.
 *
 * It begins an incarnation, so that new objects get names that no object had. It takes each projector back to
 * the last point that the logs still hold. It sets aside the objects that were written after that point, as
 * their panes come again. Then the bucket holds each pane of the logs once, and each pane that is computed
 * again once. A restore that was stopped can be repeated.
 *
 * @param onObject is called for each object that has been examined
 * @throws Error when the pipeline never began, or something appends to its logs meanwhile; RangeError when
 * the definition is not of the version of the logs; LogLostError when every remaining intent covers more than
 * the logs hold, so that the table must be restored to another point in time
 */
export async function restore(
  ports: RestorePorts,
  pipeline: Pipeline,
  onObject: () => void,
): Promise<Restored> {
  const { name } = pipeline;
  const last = await ports.log.latest(definitionLog(name));
  if (last === undefined)
    throw new Error(`Cannot restore "${name}" as it must have begun: there are no logs of it`);
  const { version } = definitionIn(last);
  if (pipeline.version !== version) {
    throw new RangeError(
      `Cannot restore "${name}" as its definition must be the one at work when the logs were as they are: that is version ${version}, this is version ${pipeline.version}`,
    );
  }
  await addIncarnation(ports, await holdDeployment(ports, pipeline));
  const deployment = await holdDeployment(ports, pipeline);
  const ends = await endsOf(ports, deployment);
  // Sinks that the definition no longer has are taken back, too, as they may have been written to.
  let setAside = 0;
  for (const [kind, takeBack] of Object.entries(TAKE_BACK)) {
    const sinks = pipeline.sinks.filter((sink) => sink.kind === kind);
    setAside += await takeBack(ports, deployment, ends, { sinks, onObject });
  }
  await rewindReads(ports, deployment);
  return { incarnation: deployment.incarnation, setAside, from: await readFrom(ports, deployment) };
}

/** Takes a sink back to what the logs hold, and returns how many objects were set aside for it. */
type TakeBack = (
  ports: RestorePorts,
  deployment: Deployment,
  ends: Ends,
  options: {
    /** The sinks of the kind that the definition has. */
    readonly sinks: readonly Sink[];
    /** Is called for each object that has been examined. */
    readonly onObject: () => void;
  },
) => Promise<number>;

/** For each kind of sink, how it is taken back. */
const TAKE_BACK: { readonly [Kind in Sink['kind']]: TakeBack } = {
  async table(ports, deployment, ends) {
    const coveredBy = (entry: LogEntry) => decodeCovered(entry).covered;
    const log = rowsLog(deployment.pipeline.name);
    await rewind(ports, log, ends, coveredBy, (there) => encodeCovered(coveredBy(there)));
    return 0;
  },
  async bucket(ports, deployment, ends, { sinks, onObject }) {
    const incarnations = await rewindObjects(ports, deployment, ends, sinks.length > 0);
    return incarnations ? setAsideAll(ports, deployment.pipeline, incarnations, onObject) : 0;
  },
  notify: takeMessagesBack,
  stream: takeMessagesBack,
  // Nothing is noted of what is pushed.
  push: async () => 0,
  sink: takeMessagesBack,
};

/** Takes the cursors of message sinks back. What they have sent stays sent. */
async function takeMessagesBack(
  ports: RestorePorts,
  { pipeline }: Deployment,
  ends: Ends,
  { sinks }: Parameters<TakeBack>[3],
): Promise<number> {
  for (const sink of sinks) {
    const coveredBy = (entry: LogEntry) => decodeSinkCursor(entry).covered;
    await rewind(ports, messagesLog(pipeline.name, sinkName(sink)), ends, coveredBy, (there) =>
      encodeSinkCursor({ ...decodeSinkCursor(there), skipped: [] }),
    );
  }
  return 0;
}

/**
 * The last ordinal of each group's log. It is infinite for a log whose entries are gone, which no cursor can
 * be past.
 */
type Ends = ReadonlyMap<string, number>;

async function endsOf({ log, clock }: RestorePorts, deployment: Deployment): Promise<Ends> {
  const logs = groupLogsOf(deployment, clock.now());
  const ends = await inParallel(logs, async (name): Promise<number> => {
    try {
      return (await log.latest(name))?.ordinal ?? 0;
    } catch (error) {
      if (error instanceof LogLostError) return Number.POSITIVE_INFINITY;
      throw error;
    }
  });
  return new Map(logs.map((name, at) => [name, ends[at] as number]));
}

/**
 * Whether the logs hold all that is covered. They may not, as restored items may be somewhat apart in time.
 */
const areThere = (covered: Cursors, ends: Ends): boolean =>
  [...covered].every(([log, [ordinal, panes]]) => {
    const end = ends.get(log) ?? Number.POSITIVE_INFINITY;
    return panes === 0 ? ordinal <= end : ordinal < end;
  });

/**
 * Returns the last entry of a projector's log, and the last entry of it that covers no more than the logs
 * hold; undefined where the projector never ran.
 *
 * @throws LogLostError when no remaining entry covers so little
 */
async function lastThere(
  { log }: RestorePorts,
  name: string,
  ends: Ends,
  coveredBy: (entry: LogEntry) => Cursors,
): Promise<{ readonly last: LogEntry; readonly there: LogEntry } | undefined> {
  const last = await log.latest(name);
  if (last === undefined) return undefined;
  for (let there = last; ; ) {
    if (areThere(coveredBy(there), ends)) return { last, there };
    const [earlier] = await log.after(name, there.ordinal - 2);
    if (earlier?.ordinal !== there.ordinal - 1) {
      throw new LogLostError(
        `Cannot go on with log ${name} as some entry of it must cover no more than the logs hold: restore the table to another point in time`,
      );
    }
    there = earlier;
  }
}

/**
 * Notes again what a projector covered when it covered no more than the logs hold.
 *
 * @param coveredBy returns what an entry of its log covers
 * @param bodyOf returns the body of an entry that covers as much
 */
async function rewind(
  ports: RestorePorts,
  log: string,
  ends: Ends,
  coveredBy: (entry: LogEntry) => Cursors,
  bodyOf: (there: LogEntry) => Uint8Array,
): Promise<void> {
  const found = await lastThere(ports, log, ends, coveredBy);
  if (found === undefined || found.there === found.last) return;
  const body = bodyOf(found.there);
  const ordinal = found.last.ordinal + 1;
  await decided(await ports.log.append(log, { ordinal, committedAt: ports.clock.now(), body }), log);
}

/**
 * @returns the incarnations; undefined where no pane ever went to the bucket, and the definition sends none
 * there
 */
async function rewindObjects(
  ports: RestorePorts,
  deployment: Deployment,
  ends: Ends,
  isDelivered: boolean,
): Promise<Incarnations | undefined> {
  const { pipeline, incarnation: number } = deployment;
  const log = objectsLog(pipeline.name);
  const found = await lastThere(ports, log, ends, (entry) => decodeIntent(entry).covered);
  if (found === undefined) return isDelivered ? [{ number, follows: 0 }] : undefined;
  const { last, there } = found;
  const intent = decodeIntent(there);
  const target = ownTarget(deployment, ports.objects, { format: 'ndjson', every: millis('0s') });
  await finish(ports, pipeline, target, intent);
  const incarnations = withIncarnation(intent.incarnations, { number, follows: there.ordinal });
  const body = encodeIntent({
    from: new Map(),
    to: new Map(),
    covered: intent.covered,
    more: true,
    names: [],
    skipped: [],
    incarnations,
  });
  const ordinal = last.ordinal + 1;
  await decided(await ports.log.append(log, { ordinal, committedAt: ports.clock.now(), body }), log);
  return incarnations;
}

/**
 * Has a reader of panes read again what it noted in the last minute, as its groups may have been restored to a moment
 * before that. It then goes on with the logs of the other pipeline as they are, which may have been taken back as well.
 */
async function rewindReads(ports: RestorePorts, { pipeline }: Deployment): Promise<void> {
  const log = readsLog(pipeline.name);
  const last = await ports.log.latest(log);
  if (last === undefined) return;
  let there = last;
  while (there.committedAt > before(last.committedAt, MARGIN)) {
    const [earlier] = await ports.log.after(log, there.ordinal - 2);
    if (earlier === undefined || earlier.ordinal >= there.ordinal) break;
    there = earlier;
  }
  const body = encodeRead({ ...decodeRead(there), incarnation: undefined });
  const ordinal = last.ordinal + 1;
  await decided(await ports.log.append(log, { ordinal, committedAt: ports.clock.now(), body }), log);
}

async function decided(outcome: 'committed' | 'conflict', log: string): Promise<void> {
  if (outcome === 'conflict') {
    throw new Error(
      `Cannot go on with log ${log} as nobody else may append to it meanwhile: disable what calls the functions, and restore again`,
    );
  }
}

/**
 * Moves the objects whose panes were taken back. Each is copied before it is removed. Returns how many there
 * were.
 */
async function setAsideAll(
  { objects, listing, remover }: RestorePorts,
  pipeline: Pipeline,
  incarnations: Incarnations,
  onObject: () => void,
): Promise<number> {
  let count = 0;
  for await (const name of listing.list(foldersOf(pipeline))) {
    onObject();
    const place = objectPlaceOf(name);
    if (place === undefined || holds(incarnations, place)) continue;
    const body = await objects.read(name);
    if (body !== undefined) {
      // A copy that exists is of the same object, made by an earlier call, as no name is used twice.
      await objects.create(`${SUPERSEDED_PREFIX}${name}`, { body, contentType: 'application/octet-stream' });
      await remover.remove(name);
    }
    count++;
  }
  return count;
}

async function readFrom(ports: RestorePorts, deployment: Deployment): Promise<readonly ReadFrom[]> {
  const { groups } = present(deployment);
  const logs = new GroupLogs(ports, deployment);
  const indexes = Array.from({ length: groups }, (_, index) => index);
  const all = await inParallel(indexes, async (index) => (await logs.load(index)).positions);
  const lineages = [...new Set(all.flatMap((positions) => [...positions.keys()]))].sort();
  return inParallel(lineages, async (lineage) => ({
    lineage,
    from: margined(lastIn(lineage, all, await ports.progress.read(lineage))),
  }));
}

/**
 * Returns the last record of a lineage before which every record was taken in; some of its own children may
 * not have been. That is the record that was noted as progress. Where none was noted, or it was noted after
 * what the logs hold, it is the least that any group has reached, if every group has met the lineage.
 */
function lastIn(
  lineage: string,
  all: readonly Group['positions'][],
  noted: Position | undefined,
): Reached | undefined {
  const reached = all
    .flatMap((positions) => positions.get(lineage) ?? [])
    .toSorted((a, b) => (isAfter(a.position, b.position) ? 1 : -1));
  const upTo = reached.filter(
    ({ position }) => noted !== undefined && !isAfter(subPlaceOf(position).position, noted),
  );
  const [greatest] = reached.slice(-1);
  const isNoted = noted !== undefined && greatest && !isAfter(noted, subPlaceOf(greatest.position).position);
  if (isNoted && upTo.length > 0) return upTo.at(-1);
  return reached.length === all.length ? reached[0] : undefined;
}

const margined = (reached: Reached | undefined): ReadFrom['from'] =>
  reached && {
    position: subPlaceOf(reached.position).position,
    arrival: before(reached.arrival, MARGIN) as EpochMillis,
  };
