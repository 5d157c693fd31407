import { CodecError } from '../../core/codec.ts';
import type { Millis } from '../../core/time.ts';
import type { Pipeline } from '../../pipeline/pipeline.ts';
import type { Sink } from '../../pipeline/sinks.ts';
import { type EntryPlace, LogLostError, type StoredEntry } from '../../ports/commit-log.ts';
import { inParallel } from '../../ports/in-parallel.ts';
import { objectsLog } from '../../wiring/names.ts';
import {
  byFolder,
  decodeIntent,
  folderAt,
  folderOf,
  foldersOf,
  type Intent,
} from '../delivery/project-objects.ts';
import { type Line, readLines, writtenLines } from '../delivery/read-objects.ts';
import { BEGINNING, type Cursors, panesWithin, type Skip } from '../delivery/stretch.ts';
import { type Deployment, groupLogsOf } from '../group/deployment.ts';
import { holds, type Incarnations, objectPlaceOf, presentOf } from '../group/incarnation.ts';
import { wholeEntry, wholeLog } from '../log/spill.ts';
import { Digests, digestOf, type Findings } from './audit-findings.ts';
import { type AuditPorts, walkLog } from './audit-logs.ts';
import { beginsAnew, type Coverage, isBefore } from './audit-rows.ts';

/** The last step of the objects' projector, where its last object does not exist yet. */
export interface Unfinished {
  readonly ordinal: number;
  readonly ageMillis: Millis;
}

export interface IntentsAudit extends Coverage {
  readonly unfinished: Unfinished | undefined;
  /** What the remaining intents say of the bucket. */
  readonly plan: Plan;
}

/** The digest of an object's lines; undefined where entries that they came from are gone. */
type Content = string | undefined;

/** What the bucket must hold. It takes about 200 bytes for each object that an intent names. */
interface Plan {
  readonly objects: Map<string, { readonly intent: number; readonly content: Content }>;
  incarnations: Incarnations;
  /** The ordinals of the first and of the last remaining intent. */
  first: number;
  last: number;
}

/**
 * Reads the intents of the objects' projector, and what their objects must hold. It checks that each intent
 * continues where the intent before it ended, so that together they tile the logs.
 */
export async function auditIntents(
  ports: AuditPorts,
  deployment: Deployment,
  sink: Sink,
  findings: Findings,
  onIntent: () => void,
): Promise<IntentsAudit> {
  const { pipeline } = deployment;
  const log = objectsLog(pipeline.name);
  const plan: Plan = {
    objects: new Map(),
    incarnations: [{ number: deployment.incarnation, follows: 0 }],
    first: Number.POSITIVE_INFINITY,
    last: 0,
  };
  let covered: Cursors = new Map();
  let from: Cursors | undefined;
  const skipped: Skip[] = [];
  let last: { readonly entry: EntryPlace; readonly intent: Intent } | undefined;
  for await (const { entry, content: intent, before } of walkLog(ports, log, decodeIntent, findings, {
    beginsAnew,
  })) {
    if (intent === undefined) continue;
    if (before === 'nothing') from = intent.covered;
    // Where an incarnation begins, an intent may go back to where the logs do.
    const goesBack = !isKnown(plan, intent) && presentOf(intent.incarnations).follows < entry.ordinal - 1;
    if (before === 'entry' && !goesBack) {
      for (const of of brokenChains(groupLogsOf(deployment, entry.committedAt), covered, intent)) {
        findings.add({ kind: 'cursor', log, ordinal: entry.ordinal, of });
      }
    }
    skipped.push(...intent.skipped);
    covered = intent.covered;
    last = { entry, intent };
    await planIntent(ports, pipeline, plan, entry, intent);
    onIntent();
  }
  return {
    sink,
    log,
    covered,
    from,
    skipped,
    unfinished: last && (await unfinishedOf(ports, last.entry, last.intent)),
    plan,
  };
}

/**
 * Lists the logs in which an intent does not continue from where they were covered, or does not cover what it
 * holds.
 */
function brokenChains(logs: readonly string[], covered: Cursors, intent: Intent): readonly string[] {
  const isAt = (a = BEGINNING, b = BEGINNING) => !isBefore(a, b) && !isBefore(b, a);
  return logs.filter((log) => {
    const before = covered.get(log);
    const begun = intent.from.get(log);
    // An intent may also cover up to the end of a skip, unless that was covered before.
    const skips = intent.skipped.filter((skip) => skip.log === log);
    if (skips.some(({ to }) => isAt(intent.covered.get(log), [to, 0]))) return false;
    if (begun === undefined) return !isAt(intent.covered.get(log), before);
    return !isAt(begun, before) || !isAt(intent.covered.get(log), intent.to.get(log));
  });
}

async function planIntent(
  ports: AuditPorts,
  pipeline: Pipeline,
  plan: Plan,
  entry: EntryPlace,
  intent: Intent,
): Promise<void> {
  plan.first = Math.min(plan.first, entry.ordinal);
  if (!isKnown(plan, intent)) {
    for (const [name, { intent: ordinal }] of plan.objects) {
      if (ordinal > presentOf(intent.incarnations).follows) plan.objects.delete(name);
    }
  }
  plan.incarnations = intent.incarnations;
  plan.last = entry.ordinal;
  const lines = await linesOf(ports, pipeline, intent);
  // The panes of a folder in which the intent names no object were never written.
  const unnamed = [...(lines?.keys() ?? [])].filter((name) => name.endsWith('/'));
  for (const name of [...intent.names, ...unnamed]) {
    plan.objects.set(name, { intent: entry.ordinal, content: lines && contentOf(lines.get(name) ?? []) });
  }
}

/**
 * Returns the lines of an intent's objects, by the name of the object, or by folder where the intent names no
 * object there; undefined where entries that the lines come from are gone or unreadable.
 */
async function linesOf(
  ports: AuditPorts,
  pipeline: Pipeline,
  intent: Intent,
): Promise<ReadonlyMap<string, readonly Line[]> | undefined> {
  try {
    const panes = await panesWithin({ log: wholeLog(ports), clock: ports.clock }, intent);
    const names = new Map(intent.names.map((name) => [folderOf(name), name]));
    return new Map(
      [...byFolder(pipeline, panes)].map(([folder, panesThere]) => {
        const name = names.get(folder) ?? folder;
        return [name, writtenLines(pipeline, name, panesThere)];
      }),
    );
  } catch (error) {
    if (error instanceof LogLostError || error instanceof CodecError) return undefined;
    throw error;
  }
}

const contentOf = (lines: readonly Line[]): string => digestOf(lines.map(({ text }) => text).join('\n'));

/** Returns the last intent if it is unfinished: its last object is created when all others exist. */
async function unfinishedOf(
  { objects, clock }: AuditPorts,
  { ordinal, committedAt }: EntryPlace,
  { names }: Intent,
): Promise<Unfinished | undefined> {
  const last = names.at(-1);
  if (last === undefined || (await objects.exists(last))) return undefined;
  return { ordinal, ageMillis: (clock.now() - committedAt) as Millis };
}

/** How many objects and panes the bucket holds, and how many of them the logs no longer name. */
export interface ObjectCounts {
  objects: number;
  panes: number;
  unverified: number;
}

/**
 * Compares the bucket with the intents: every object that they name exists with exactly its panes, no other
 * exists but those of expired intents, and no two panes have the same id.
 *
 * A pane is filed by the hour of its window, so that two of the same id would be in the same folder. The
 * panes of one hour are held at a time, in about 150 bytes each.
 */
export async function auditObjects(
  ports: AuditPorts,
  pipeline: Pipeline,
  { plan, unfinished }: IntentsAudit,
  findings: Findings,
  onObject: () => void,
): Promise<ObjectCounts> {
  const counts: ObjectCounts = { objects: 0, panes: 0, unverified: 0 };
  const seen = new Set<string>();
  const ids = new Digests<string>();
  let folder = '';
  const judgeObject = async (name: string, held: Held | undefined): Promise<void> => {
    if (isOfLater(plan, name)) await readOn(ports, pipeline, plan);
    const planned = plan.objects.get(name);
    if (planned === undefined && !isOfEarlier(plan, name)) {
      findings.add({ kind: 'stray-object', object: name });
    }
    counts.objects++;
    seen.add(name);
    if (held === undefined) return;
    counts.panes += held.places.length;
    if (planned?.content === undefined) counts.unverified++;
    else if (planned.content !== held.content) {
      await compare(ports, pipeline, name, planned.intent, findings);
    }
    for (const place of held.places) checkPlace(pipeline, name, place, ids, findings);
  };
  for await (const names of inChunks(ports.reading.objects.list(foldersOf(pipeline)))) {
    const read = await inParallel(names, (name) => heldBy(ports, name, findings));
    for (const [at, name] of names.entries()) {
      if (folderOf(name) !== folder) ids.clear();
      folder = folderOf(name);
      await judgeObject(name, read[at]);
      onObject();
    }
  }
  for (const [object, { intent }] of plan.objects) {
    if (seen.has(object) || intent === unfinished?.ordinal) continue;
    // The object may have been created since the objects were listed.
    if (!(await ports.objects.exists(object))) findings.add({ kind: 'missing-object', object, intent });
  }
  return counts;
}

/** How many objects are read at once. */
const CHUNK = 16;

async function* inChunks(names: AsyncIterable<string>): AsyncGenerator<readonly string[]> {
  let chunk: string[] = [];
  for await (const name of names) {
    chunk.push(name);
    if (chunk.length < CHUNK) continue;
    yield chunk;
    chunk = [];
  }
  if (chunk.length > 0) yield chunk;
}

const isKnown = (plan: Plan, intent: Intent): boolean =>
  presentOf(plan.incarnations).number === presentOf(intent.incarnations).number;

/** Says whether an object was named by an intent that has expired, and not by one that was taken back. */
function isOfEarlier({ first, incarnations }: Plan, name: string): boolean {
  const place = objectPlaceOf(name);
  return place !== undefined && place.ordinal < first && holds(incarnations, place);
}

const isOfLater = ({ last }: Plan, name: string): boolean => (objectPlaceOf(name)?.ordinal ?? last) > last;

/** Adds the intents that were appended since the intents were read. */
async function readOn(ports: AuditPorts, pipeline: Pipeline, plan: Plan): Promise<void> {
  for (const entry of await ports.log.after(objectsLog(pipeline.name), plan.last)) {
    await planIntent(ports, pipeline, plan, entry, await intentIn(ports, entry));
  }
}

const intentIn = async ({ reading }: AuditPorts, entry: StoredEntry): Promise<Intent> =>
  decodeIntent(await wholeEntry(reading.objects, entry));

/** What is held of an object while others are read: not its panes, which may come to megabytes. */
interface Held {
  readonly content: string;
  readonly places: readonly Place[];
}

/** Where a pane belongs. */
type Place = Pick<Line, 'id' | 'end'>;

async function heldBy(ports: AuditPorts, object: string, findings: Findings): Promise<Held | undefined> {
  const lines = await readObject(ports, object, findings);
  return lines && { content: contentOf(lines), places: lines.map(({ id, end }) => ({ id, end })) };
}

/** Returns the panes of an object, or undefined where it cannot be read. */
async function readObject(
  { reading }: AuditPorts,
  object: string,
  findings: Findings,
): Promise<readonly Line[] | undefined> {
  const body = await reading.objects.read(object);
  if (body === undefined) return undefined;
  try {
    return await readLines(object, body);
  } catch {
    findings.add({
      kind: 'unreadable-object',
      object,
      reason: 'it must be gzipped lines of JSON, or Parquet, as its name says',
    });
    return undefined;
  }
}

/** Finds which panes of an object differ from its intent. */
async function compare(
  ports: AuditPorts,
  pipeline: Pipeline,
  object: string,
  intent: number,
  findings: Findings,
): Promise<void> {
  const lines = await readObject(ports, object, findings);
  if (lines === undefined) return;
  const [entry] = await ports.log.after(objectsLog(pipeline.name), intent - 1);
  const all = entry && (await linesOf(ports, pipeline, await intentIn(ports, entry)));
  const expected = new Map((all?.get(object) ?? []).map(({ id, text }) => [id, text]));
  const found = new Set(lines.map(({ id }) => id));
  for (const { id: pane, text } of lines) {
    const textExpected = expected.get(pane);
    if (textExpected === undefined) findings.add({ kind: 'unknown-pane', pane, object });
    else if (textExpected !== text) findings.add({ kind: 'differing-pane', pane, object });
  }
  for (const pane of expected.keys()) {
    if (!found.has(pane)) findings.add({ kind: 'missing-pane', pane, object });
  }
}

/** Checks that a pane is in the folder of its hour, and that no other pane has its id. */
function checkPlace(
  pipeline: Pipeline,
  object: string,
  { id: pane, end }: Place,
  ids: Digests<string>,
  findings: Findings,
): void {
  if (folderOf(object) !== folderAt(pipeline, end)) {
    findings.add({ kind: 'misfiled-pane', pane, object });
  }
  const digest = digestOf(pane);
  const holder = ids.get(digest);
  if (holder === undefined) ids.set(digest, object);
  else findings.add({ kind: 'doubled-pane', pane, object, other: holder });
}
