import { gzipSync } from 'node:zlib';
import { type EpochMillis, isoTime } from '../core/time.ts';
import type { Pipeline } from '../pipeline/pipeline.ts';
import type { LogEntry } from '../ports/commit-log.ts';
import { inParallel } from '../ports/in-parallel.ts';
import type { Ports } from '../ports/index.ts';
import { GENERATION, objectsLog, PANES_PREFIX } from '../wiring/names.ts';
import { mustRenew, pack, unpack } from './entry.ts';
import type { GroupPane } from './group.ts';
import { writtenPane } from './pane.ts';
import {
  beginnings,
  type Cursors,
  packCursors,
  panesAfter,
  panesOf,
  type Stretch,
  unpackCursors,
} from './unprojected.ts';

type ObjectPorts = Pick<Ports, 'log' | 'objects' | 'clock'>;

/** Panes, and objects, of one step: some seconds of puts, and a few megabytes. */
const STEP_PANES = 20_000;
const STEP_OBJECTS = 1_000;

/**
 * What a step writes, decided once by appending it: the stretch of panes, and the objects that hold them. Whoever finds
 * the last intent unfinished finishes it: its bytes come from immutable entries, its names from itself.
 */
interface Intent extends Pick<Stretch, 'from' | 'to'> {
  /** Up to where every group is covered once the intent is carried out. */
  readonly covered: Cursors;
  readonly names: readonly string[];
}

/**
 * Writes the panes not yet covered as objects, so that listing the bucket gives every pane exactly once.
 *
 * An intent is appended before its objects are created, and the next one only after all of them are.
 *
 * @param deadline no step is begun at or after it: the next wake-up goes on
 */
export async function projectObjects(
  ports: ObjectPorts,
  pipeline: Pipeline,
  groups: readonly number[],
  deadline: EpochMillis,
): Promise<void> {
  const log = objectsLog(pipeline.name);
  const decide = (ordinal: number, intent: Intent) =>
    ports.log.append(log, { ordinal, committedAt: ports.clock.now(), body: encodeIntent(intent) });
  while (ports.clock.now() < deadline) {
    const last = await ports.log.latest(log);
    if (last === undefined) {
      const covered = await beginnings(ports.log, pipeline, ports.clock.now());
      await decide(1, { from: new Map(), to: new Map(), covered, names: [] });
      continue;
    }
    const intent = decodeIntent(last);
    if (!(await isDone(ports, intent))) {
      const panes = await panesOf(ports.log, pipeline, intent);
      await carryOut(ports, intent, partition(pipeline, panes, last.ordinal));
    }
    const ordinal = last.ordinal + 1;
    const { stretch, objects } = await nextStep(ports, pipeline, intent.covered, groups, ordinal);
    if (stretch.to.size === 0 && !mustRenew(last, ports.clock.now())) return;
    const covered = new Map([...intent.covered, ...stretch.to]);
    const next = { from: stretch.from, to: stretch.to, covered, names: [...objects.keys()] };
    if ((await decide(ordinal, next)) === 'committed') await carryOut(ports, next, objects);
  }
}

/** As many panes as one step takes: fewer than at most where they would go to too many objects. */
async function nextStep(
  { log }: ObjectPorts,
  pipeline: Pipeline,
  covered: Cursors,
  groups: readonly number[],
  ordinal: number,
): Promise<{ readonly stretch: Stretch; readonly objects: Map<string, string[]> }> {
  for (let maxPanes = STEP_PANES; ; maxPanes /= 2) {
    const stretch = await panesAfter(log, pipeline, covered, groups, maxPanes);
    const objects = partition(pipeline, stretch.panes, ordinal);
    if (objects.size <= STEP_OBJECTS || maxPanes <= STEP_OBJECTS) return { stretch, objects };
  }
}

/** The last of its objects is created when all others are. */
const isDone = async ({ objects }: ObjectPorts, { names }: Intent): Promise<boolean> => {
  const last = names.at(-1);
  return last === undefined || objects.exists(last);
};

async function carryOut(
  ports: ObjectPorts,
  { names }: Intent,
  objects: ReadonlyMap<string, string[]>,
): Promise<void> {
  const create = (name: string) =>
    ports.objects.create(name, {
      body: gzipSync(`${(objects.get(name) ?? []).join('\n')}\n`),
      contentType: 'application/gzip',
    });
  await inParallel(names.slice(0, -1), create);
  for (const last of names.slice(-1)) await create(last);
}

/** Panes as lines, by the name of the object they go to: the date and hour of the last instant inside the window. */
function partition(pipeline: Pipeline, panes: readonly GroupPane[], ordinal: number): Map<string, string[]> {
  const objects = new Map<string, string[]>();
  for (const pane of panes) {
    const time = isoTime((pane.end - 1) as EpochMillis);
    const folder = `${PANES_PREFIX}pipeline=${pipeline.name}/date=${time.slice(0, 10)}/hour=${time.slice(11, 13)}`;
    const name = `${folder}/${GENERATION}-${String(ordinal).padStart(12, '0')}.ndjson.gz`;
    const lines = objects.get(name) ?? [];
    objects.set(name, lines);
    lines.push(JSON.stringify(writtenPane(pipeline, pane)));
  }
  return objects;
}

const encodeIntent = ({ from, to, covered, names }: Intent): Uint8Array =>
  pack([packCursors(from), packCursors(to), packCursors(covered), names]);

function decodeIntent({ body }: LogEntry): Intent {
  const [from, to, covered, names] = unpack(body) as unknown as [
    ...cursors: [
      ReturnType<typeof packCursors>,
      ReturnType<typeof packCursors>,
      ReturnType<typeof packCursors>,
    ],
    names: readonly string[],
  ];
  return { from: unpackCursors(from), to: unpackCursors(to), covered: unpackCursors(covered), names };
}
