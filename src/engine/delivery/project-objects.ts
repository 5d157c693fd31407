import { LoggableError } from '../../core/loggable.ts';
import { type EpochMillis, isoTime } from '../../core/time.ts';
import type { Pipeline } from '../../pipeline/pipeline.ts';
import type { BucketSink } from '../../pipeline/sinks.ts';
import type { LogEntry } from '../../ports/commit-log.ts';
import { inParallel } from '../../ports/in-parallel.ts';
import type { EnginePorts } from '../../ports/index.ts';
import { LIMITS } from '../../ports/limits.ts';
import type { ObjectStore } from '../../ports/stores.ts';
import { objectsLog, PANES_PREFIX } from '../../wiring/names.ts';
import { pack, unpack } from '../format/packed.ts';
import { type Deployment, groupLogsOf } from '../group/deployment.ts';
import type { GroupPane } from '../group/group.ts';
import {
  type Incarnations,
  type ObjectPlace,
  placeText,
  presentOf,
  withIncarnation,
} from '../group/incarnation.ts';
import { mustRenew } from '../group/lifetimes.ts';
import { objectOf, suffixOf } from './object-format.ts';
import { type Projector, type Step, stepOf, TO_BE_REPEATED } from './projector.ts';
import {
  beginnings,
  type Cursors,
  coveredWith,
  packCursors,
  packSkips,
  panesAfter,
  panesWithin,
  type ReadPorts,
  remainsOf,
  type Skip,
  type Stretch,
  unpackCursors,
  unpackSkips,
} from './stretch.ts';

/**
 * What a step writes: a stretch of panes, and the names of the objects that hold them. Appending the intent
 * decides it once.
 *
 * A projector that finds the last intent unfinished finishes it. It can, as the bytes of the objects come
 * from entries, which never change, and the intent holds the names, which tell the format.
 */
export interface Intent extends Pick<Stretch, 'from' | 'to' | 'more'> {
  /** How far every group is covered once the intent is carried out. */
  readonly covered: Cursors;
  readonly names: readonly string[];
  /** The entries up to `covered` that were skipped. */
  readonly skipped: readonly Skip[];
  readonly incarnations: Incarnations;
}

/** Where a projector writes objects, and the log in which each of its steps appends an intent. */
export interface ObjectTarget extends Pick<BucketSink, 'format' | 'every'> {
  readonly log: string;
  readonly objects: ObjectStore;
  /**
   * How the names of its objects begin within their folder. Whatever else writes to the same folders has
   * another label.
   */
  readonly label: string;
  /**
   * The incarnation of the logs from which panes are read, if the names of the objects hold it: see
   * `Incarnation`. Otherwise 0.
   */
  readonly incarnation: number;
}

/** The result of a step for which it is too early or too late, although panes may wait. */
const AT_REST: Step = { ...TO_BE_REPEATED, moved: false };

/**
 * Writes the panes that are not yet covered as objects, so that listing the bucket gives every pane exactly
 * once.
 *
 * A step covers all groups together, whichever group has woken the projector, so that every wake-up also
 * delivers the panes that waited.
 *
 * @param deadline the time at and after which nothing is read or decided; the next wake-up continues
 */
export const objectsProjector = (
  ports: ReadPorts,
  deployment: Deployment,
  target: ObjectTarget,
  deadline: EpochMillis,
): Projector => ({ log: target.log, step: () => stepObjects(ports, deployment, target, deadline) });

/** Returns the pipeline's own bucket as a target. */
export const ownTarget = (
  { pipeline, incarnation }: Deployment,
  objects: ObjectStore,
  { format, every }: Pick<BucketSink, 'format' | 'every'>,
): ObjectTarget => ({ log: objectsLog(pipeline.name), objects, label: 'part', incarnation, format, every });

/**
 * Finishes the last intent, then decides the next one and carries it out. The step decides nothing while the
 * last intent is younger than `every` and left no panes behind.
 *
 * An intent is appended before its objects are created, and the next intent only after all of them are.
 */
async function stepObjects(
  ports: ReadPorts,
  deployment: Deployment,
  target: ObjectTarget,
  deadline: EpochMillis,
): Promise<Step> {
  const { pipeline } = deployment;
  const decide = (ordinal: number, intent: Intent) =>
    ports.log.append(target.log, { ordinal, committedAt: ports.clock.now(), body: encodeIntent(intent) });
  const last = await ports.log.latest(target.log);
  if (last === undefined) {
    const covered = await beginnings(ports, deployment);
    const incarnations: Incarnations = [{ number: target.incarnation, follows: 0 }];
    const none = { from: new Map(), to: new Map(), names: [], skipped: [] };
    await decide(1, { ...none, more: true, covered, incarnations });
    return TO_BE_REPEATED;
  }
  const intent = decodeIntent(last);
  await finish(ports, pipeline, target, intent);
  const age = ports.clock.now() - last.committedAt;
  if (!intent.more && age >= 0 && age < target.every) return { ...AT_REST, leftFrom: last.committedAt };
  const { stretch, folders } = await nextStretch(ports, deployment, intent.covered, deadline);
  const step = stepOf(stretch);
  const now = ports.clock.now();
  // The projector decides nothing that it has no time to carry out, nor anything that it read long ago: its
  // environment may have been frozen meanwhile.
  if (now >= deadline) return { ...AT_REST, leftFrom: step.leftFrom ?? last.committedAt };
  if (!step.moved && !mustRenew(last.committedAt, now)) return step;
  const ordinal = last.ordinal + 1;
  const incarnations = withIncarnation(intent.incarnations, {
    number: target.incarnation,
    follows: last.ordinal,
  });
  const place = { incarnation: presentOf(incarnations).number, ordinal };
  const next: Intent = {
    from: stretch.from,
    to: stretch.to,
    more: stretch.more,
    covered: coveredWith(intent.covered, stretch, deployment, now),
    names: [...folders.keys()].map((folder) => nameIn(folder, place, target)),
    skipped: [],
    incarnations,
  };
  if (!(await areFree(ports, target, next, ordinal))) return TO_BE_REPEATED;
  if ((await decide(ordinal, next)) === 'conflict') return TO_BE_REPEATED;
  await carryOut(target, pipeline, next, folders);
  return step;
}

/** Returns the panes of one step, which takes fewer than it may where they would need too many objects. */
async function nextStretch(
  ports: ReadPorts,
  deployment: Deployment,
  covered: Cursors,
  deadline: EpochMillis,
): Promise<{ readonly stretch: Stretch; readonly folders: Folders }> {
  const logs = groupLogsOf(deployment, ports.clock.now());
  const { objectsStep, stepObjects } = ports.limits ?? LIMITS;
  for (let maxPanes = objectsStep; ; maxPanes /= 2) {
    const stretch = await panesAfter(ports, covered, logs, maxPanes, deadline);
    const folders = byFolder(deployment.pipeline, stretch.panes);
    if (folders.size <= stepObjects || maxPanes <= stepObjects) return { stretch, folders };
  }
}

/** Whether an intent is carried out. It is once its last object exists, which is created after all others. */
const isDone = async ({ objects }: ObjectTarget, { names }: Intent): Promise<boolean> => {
  const last = names.at(-1);
  return last === undefined || objects.exists(last);
};

/** Carries out an intent unless that is done. */
export async function finish(
  ports: ReadPorts,
  pipeline: Pipeline,
  target: ObjectTarget,
  intent: Intent,
): Promise<void> {
  if (!(await isDone(target, intent))) {
    const panes = await panesWithin(ports, intent);
    await carryOut(target, pipeline, intent, byFolder(pipeline, panes));
  }
}

/**
 * Whether an intent may be decided. Once it is, the existence of its last object says that it is carried out,
 * so that object must not exist before.
 *
 * @returns false when the object exists, as another projector has decided this intent meanwhile
 * @throws LoggableError when the object exists, and no projector has decided this intent
 */
async function areFree(
  { log }: ReadPorts,
  target: ObjectTarget,
  intent: Intent,
  ordinal: number,
): Promise<boolean> {
  const last = intent.names.at(-1);
  if (last === undefined || !(await target.objects.exists(last))) return true;
  if (((await log.latest(target.log))?.ordinal ?? 0) >= ordinal) return false;
  throw takenError(last);
}

const takenError = (name: string): Error =>
  new LoggableError(
    `Cannot deliver panes as the object ${name}, as every object, must hold what was decided under its name: it is there, and holds something else. Where the state table was restored to an earlier time, run millrace restore; where a backfill was, begin another, into another bucket`,
  );

async function carryOut(
  { objects }: ObjectTarget,
  pipeline: Pipeline,
  { names }: Intent,
  folders: Folders,
): Promise<void> {
  if (names.length !== folders.size || !names.every((name) => folders.has(folderOf(name)))) {
    throw new LoggableError(
      `Cannot carry out an intent as its objects must be those of its panes: it names ${names.length}, and its panes go to ${folders.size}`,
    );
  }
  await createAll(objects, pipeline, names, folders);
}

/**
 * Whether a stored object holds exactly these panes. Its bytes may differ where another version of zlib wrote
 * them; then its lines must be the same.
 *
 * @param body the bytes that this code writes for the panes
 */
async function isObjectOf(
  pipeline: Pipeline,
  name: string,
  panes: readonly GroupPane[],
  body: Uint8Array,
  stored: Uint8Array,
): Promise<boolean> {
  if (Buffer.compare(body, stored) === 0) return true;
  // The readers are loaded only here, as they are large, Parquet's above all, and this is rare.
  const { readLines, writtenLines } = await import('./read-objects.ts');
  try {
    const lines = await readLines(name, stored);
    const written = writtenLines(pipeline, name, panes);
    return lines.length === written.length && lines.every(({ text }, at) => text === written[at]?.text);
  } catch {
    return false;
  }
}

/** Creates objects, the last of them once all others exist. */
async function createAll(
  objects: ObjectStore,
  pipeline: Pipeline,
  names: readonly string[],
  folders: Folders,
): Promise<void> {
  const create = async (name: string): Promise<void> => {
    const panes = folders.get(folderOf(name)) ?? [];
    const object = await objectOf(pipeline, name, panes);
    if ((await objects.create(name, object)) === 'created') return;
    const stored = await objects.read(name);
    if (!stored || !(await isObjectOf(pipeline, name, panes, object.body, stored))) throw takenError(name);
  };
  await inParallel(names.slice(0, -1), create);
  for (const last of names.slice(-1)) await create(last);
}

/**
 * Finishes an intent some of whose entries have expired, with the panes that remain.
 *
 * @returns the entries that are gone; none where the intent is done, or can still be carried out as decided
 */
export async function finishFromRemains(
  ports: ReadPorts & Pick<EnginePorts, 'objects'>,
  pipeline: Pipeline,
  intent: Intent,
): Promise<readonly Skip[]> {
  const { objects } = ports;
  const last = intent.names.at(-1);
  if (last === undefined || (await objects.exists(last))) return [];
  const { panes, gone } = await remainsOf(ports, intent);
  if (gone.length === 0) return [];
  const isThere = await inParallel(intent.names, (name) => objects.exists(name));
  const missing = intent.names.filter((_, at) => !isThere[at]);
  await createAll(objects, pipeline, missing, byFolder(pipeline, panes));
  return gone;
}

/** Panes, by the folder that their object is in. */
type Folders = ReadonlyMap<string, readonly GroupPane[]>;

/** Returns the prefix that all folders of a pipeline have. */
export const foldersOf = (pipeline: Pipeline): string => `${PANES_PREFIX}pipeline=${pipeline.name}/`;

/** Returns the folder of a pane: that of the date and hour, in UTC, of the last instant inside its window. */
export function folderAt(pipeline: Pipeline, end: EpochMillis): string {
  const time = isoTime((end - 1) as EpochMillis);
  return `${foldersOf(pipeline)}date=${time.slice(0, 10)}/hour=${time.slice(11, 13)}/`;
}

/** Sorts panes into the folders of their objects. The panes of a folder keep their order. */
export function byFolder(pipeline: Pipeline, panes: readonly GroupPane[]): Folders {
  const folders = new Map<string, GroupPane[]>();
  for (const pane of panes) {
    const folder = folderAt(pipeline, pane.end);
    const panesThere = folders.get(folder);
    if (panesThere) panesThere.push(pane);
    else folders.set(folder, [pane]);
  }
  return folders;
}

const nameIn = (folder: string, place: ObjectPlace, { label, format }: ObjectTarget): string =>
  `${folder}${label}-${placeText(place)}${suffixOf(format)}`;

/** Returns the folder of an object, with its last slash. */
export const folderOf = (name: string): string => name.slice(0, name.lastIndexOf('/') + 1);

/** Encodes an intent as the body of an entry. */
export const encodeIntent = (intent: Intent): Uint8Array => {
  const { from, to, covered, names, more, skipped, incarnations } = intent;
  const begun = incarnations.map(({ number, follows }) => [number, follows] as const);
  return pack([
    packCursors(from),
    packCursors(to),
    packCursors(covered),
    names,
    more,
    packSkips(skipped),
    begun,
  ]);
};

/** Decodes the body that `encodeIntent` made. */
export function decodeIntent({ body }: LogEntry): Intent {
  type Packed = ReturnType<typeof packCursors>;
  const [from, to, covered, names, more, skipped, begun] = unpack(body) as unknown as [
    from: Packed,
    to: Packed,
    covered: Packed,
    names: readonly string[],
    more: boolean,
    skipped: ReturnType<typeof packSkips>,
    begun: readonly (readonly [number: number, follows: number])[],
  ];
  return {
    from: unpackCursors(from),
    to: unpackCursors(to),
    covered: unpackCursors(covered),
    names,
    more,
    skipped: unpackSkips(skipped),
    incarnations: begun.map(([number, follows]) => ({ number, follows })) as unknown as Incarnations,
  };
}
