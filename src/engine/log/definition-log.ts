import { loggable } from '../../core/loggable.ts';
import type { Plain } from '../../core/plain.ts';
import { after, type EpochMillis } from '../../core/time.ts';
import type { Pipeline } from '../../pipeline/pipeline.ts';
import { type LogEntry, LogLostError } from '../../ports/commit-log.ts';
import type { EnginePorts } from '../../ports/index.ts';
import {
  changedIdentity,
  changedWindows,
  firstDiffering,
  lockOf,
  lostIdentity,
  wentDown,
} from '../../wiring/definition.ts';
import { definitionLog, messagesLog } from '../../wiring/names.ts';
import { pack, unpack } from '../format/packed.ts';
import { BEGINNING_TOGETHER } from '../format/sink-cursor.ts';
import { type Deployment, type Generation, OutdatedError } from '../group/deployment.ts';
import { GONE_AFTER, mustRenew } from '../group/lifetimes.ts';
import { type Sources, sourcesWith } from '../group/sources.ts';

type LogPorts = Pick<EnginePorts, 'log' | 'clock'>;

/** What an entry of a definition's log holds. */
interface Written {
  readonly version: number;
  readonly generations: readonly (readonly [number: number, groups: number, begunAt: EpochMillis])[];
  readonly windows: readonly (readonly [name: string, signature: string, epoch: number])[];
  /** The names of all windows that the pipeline ever had. */
  readonly names: readonly string[];
  readonly incarnation: number;
  /** What the source's records are known by beside their positions, where that is anything. */
  readonly id?: string;
  /** The sources of the records that were taken in, once some were. */
  readonly sources?: Sources;
}

const read = ({ body }: Pick<LogEntry, 'body'>): Written => unpack(body) as unknown as Written;

const packed = (written: Written): Uint8Array => pack(written as unknown as Plain);

/**
 * Returns the deployment of a pipeline, made of what is written down and of the code at hand. It renews
 * what is written down where that is old.
 *
 * A window that is added or altered begins with the version, which tells its panes from the panes of an
 * earlier window of its name. The number of key groups is that of the first start, or what `rescale` made
 * of it.
 *
 * This writes nothing down that is new: `writeDown` does so before the first entry of the deployment, so
 * that code which has committed nothing stops no other code. A new source is the exception, and is written
 * down at once.
 *
 * @param source the source whose records are about to be taken in
 * @throws RangeError when the windows were changed and the version was not, or when the records come from a
 * source that the pipeline must not read; OutdatedError when a higher version has committed
 */
export async function holdDeployment(
  ports: LogPorts,
  pipeline: Pipeline,
  source?: string,
): Promise<Deployment> {
  for (;;) {
    const now = ports.clock.now();
    const last = await ports.log.latest(definitionLog(pipeline.name));
    const before = last && read(last);
    const next = nextOf(pipeline, before, now, source);
    if (last && before && mustRenew(last.committedAt, now)) {
      await appendAfter(ports, pipeline, last, before);
      continue;
    }
    const deployment = deploymentOf(pipeline, next);
    if (next === before) return deployment;
    const unwritten = { ...deployment, unwritten: { source } };
    // This precedes the comparison of any record of another source with positions, as a record that seems to
    // be in commits nothing.
    if (source !== before?.sources?.names.at(-1) && source !== undefined) await writeDown(ports, unwritten);
    return unwritten;
  }
}

/**
 * Writes down a deployment that is not written down yet. Whoever is about to append an entry of the
 * deployment must call this first: from then on no other definition runs under its version, and none under
 * a lower one.
 *
 * @throws RangeError when other windows were written down under the same version; OutdatedError when a
 * higher version was, or when what was written down makes another deployment of this one, which must then
 * be held again
 */
export async function writeDown(
  ports: LogPorts,
  { pipeline, unwritten, ...held }: Deployment,
): Promise<void> {
  if (unwritten === undefined) return;
  const write = async (): Promise<void> => {
    for (;;) {
      const last = await ports.log.latest(definitionLog(pipeline.name));
      const before = last && read(last);
      const next = nextOf(pipeline, before, ports.clock.now(), unwritten.source);
      if (!goesOn(held, deploymentOf(pipeline, next))) {
        throw new OutdatedError(
          `Cannot go on with version ${pipeline.version} of "${pipeline.name}" as it was read, as another has been written down since`,
        );
      }
      if (last === undefined) await beginTogether(ports, pipeline);
      if (next === before || (await appendAfter(ports, pipeline, last, next)) === 'committed') return;
    }
  };
  unwritten.writing ??= write().catch((cause) => {
    unwritten.writing = undefined;
    throw cause;
  });
  await unwritten.writing;
}

/**
 * Notes for each sink that sends messages that it begins together with its pipeline, before the pipeline has
 * any panes: it sends the first of them, whenever it is called for the first time.
 */
async function beginTogether({ log, clock }: LogPorts, { name, sinks }: Pipeline): Promise<void> {
  for (const sink of sinks) {
    if (!('from' in sink)) continue;
    const cursors = messagesLog(name, sink.name);
    if (await isBegun(log, cursors)) continue;
    await log.append(cursors, { ordinal: 1, committedAt: clock.now(), body: BEGINNING_TOGETHER });
  }
}

/** Whether a log was ever written to: its first entries may have expired, whose ordinals are free again. */
async function isBegun(log: LogPorts['log'], name: string): Promise<boolean> {
  try {
    return (await log.latest(name)) !== undefined;
  } catch (error) {
    if (error instanceof LogLostError) return true;
    throw error;
  }
}

type Settled = Pick<Deployment, 'generations' | 'epochs' | 'incarnation'>;

/** Tells whether two deployments of one pipeline are the same, whether or not they are written down. */
export const isSameDeployment = (held: Settled, now: Settled): boolean =>
  held.generations.length === now.generations.length && goesOn(held, now);

/** Tells whether a deployment is the one that was held, perhaps with more generations. */
const goesOn = (held: Settled, now: Settled): boolean =>
  held.incarnation === now.incarnation &&
  held.epochs.every((epoch, at) => now.epochs[at] === epoch) &&
  held.generations.every(({ groups }, at) => now.generations[at]?.groups === groups);

const appendAfter = (
  { log, clock }: LogPorts,
  { name }: Pick<Pipeline, 'name'>,
  last: LogEntry | undefined,
  next: Written,
): Promise<'committed' | 'conflict'> =>
  log.append(definitionLog(name), {
    ordinal: (last?.ordinal ?? 0) + 1,
    committedAt: clock.now(),
    body: packed(next),
  });

/** What an entry of a definition's log says to whoever reads it. */
export interface Definition
  extends Pick<Deployment, 'generations' | 'incarnation'>,
    Pick<Written, 'windows' | 'names' | 'sources'> {
  readonly version: number;
}

export function definitionIn(entry: Pick<LogEntry, 'body'>): Definition {
  const written = read(entry);
  return { ...written, generations: generationsOf(written) };
}

/**
 * Returns the deployment with which this code would go on from an entry of the definition's log. It serves
 * readers that write nothing.
 *
 * @throws as `holdDeployment` does
 */
export const deploymentAsOf = (pipeline: Pipeline, entry: LogEntry): Deployment =>
  deploymentOf(pipeline, nextOf(pipeline, read(entry), entry.committedAt, undefined));

/**
 * Returns the deployment as of the log's last entry, or undefined for a pipeline that was never put to
 * work.
 *
 * @throws as `holdDeployment` does
 */
export async function readDeployment(
  { log }: Pick<EnginePorts, 'log'>,
  pipeline: Pipeline,
): Promise<Deployment | undefined> {
  const last = await log.latest(definitionLog(pipeline.name));
  return last && deploymentAsOf(pipeline, last);
}

/**
 * Writes down a generation with another number of key groups, unless there are so many already.
 *
 * @returns whether it wrote one down
 */
export async function addGeneration(
  ports: LogPorts,
  deployment: Deployment,
  groups: number,
): Promise<boolean> {
  const { pipeline } = deployment;
  for (;;) {
    const last = await ports.log.latest(definitionLog(pipeline.name));
    if (last === undefined) {
      await writeDown(ports, deployment);
      continue;
    }
    const before = read(last);
    const [number, present] = before.generations.at(-1) as Written['generations'][number];
    if (present === groups) return false;
    const next = {
      ...before,
      generations: [...before.generations, [number + 1, groups, ports.clock.now()]] as const,
    };
    if ((await appendAfter(ports, pipeline, last, next)) === 'committed') return true;
  }
}

/**
 * Writes down that the logs were taken back to an earlier time, so that a new incarnation begins. The
 * generations whose entries existed at that time then count as begun now: otherwise they would seem to have
 * expired long ago.
 */
export async function addIncarnation({ log, clock }: LogPorts, { pipeline }: Deployment): Promise<void> {
  const name = definitionLog(pipeline.name);
  for (;;) {
    // Whoever held the deployment has written it down, so the log has an entry.
    const last = (await log.latest(name)) as LogEntry;
    const before = read(last);
    const now = clock.now();
    const next: Written = {
      ...before,
      incarnation: Math.max(now, before.incarnation + 1),
      generations: before.generations.map(([number, groups, begunAt]) => [
        number,
        groups,
        number > 1 && after(begunAt, GONE_AFTER) >= last.committedAt ? now : begunAt,
      ]),
    };
    const entry = { ordinal: last.ordinal + 1, committedAt: now, body: packed(next) };
    if ((await log.append(name, entry)) === 'committed') return;
  }
}

/** Returns what must be written down for a pipeline to go on. It is `before` itself where nothing changes. */
function nextOf(
  pipeline: Pipeline,
  before: Written | undefined,
  now: EpochMillis,
  source: string | undefined,
): Written {
  const next = before ? windowsAfter(pipeline, before) : firstOf(pipeline, now);
  if (source === undefined) return next;
  const sources = sourcesWith(pipeline, next.sources, source);
  return sources === next.sources ? next : { ...next, sources };
}

function firstOf(pipeline: Pipeline, now: EpochMillis): Written {
  const { version, windows, source } = lockOf(pipeline);
  return {
    ...identityOf(source.id),
    version,
    generations: [[1, pipeline.groups, now]],
    windows: windows.map(([window, signature]) => [window, signature, 0] as const),
    names: windows.map(([window]) => window),
    incarnation: 0,
  };
}

const identityOf = (id: string | undefined): Pick<Written, 'id'> => (id === undefined ? {} : { id });

function windowsAfter(pipeline: Pipeline, written: Written): Written {
  const { id: idBefore, ...before } = written;
  const {
    version,
    windows,
    source: { id },
  } = lockOf(pipeline);
  const { name } = pipeline;
  if (version < before.version) throw new OutdatedError(wentDown(name, version, before.version));
  if (version === before.version) {
    const differing = firstDiffering(windows, before.windows);
    if (differing !== undefined) throw loggable(new RangeError(changedWindows(name, version, differing)));
    if (id !== idBefore) throw loggable(new RangeError(changedIdentity(name, version, idBefore)));
    return written;
  }
  if (idBefore !== undefined && id !== idBefore && !pipeline.source.lineage.ordered) {
    throw loggable(new RangeError(lostIdentity(name, idBefore)));
  }
  const earlier = new Map(before.windows.map(([window, signature, epoch]) => [window, { signature, epoch }]));
  const epochOf = (window: string, signature: string): number => {
    const kept = earlier.get(window);
    if (kept?.signature === signature) return kept.epoch;
    return before.names.includes(window) ? version : 0;
  };
  return {
    ...before,
    ...identityOf(id),
    version,
    windows: windows.map(([window, signature]) => [window, signature, epochOf(window, signature)] as const),
    names: [...new Set([...before.names, ...windows.map(([window]) => window)])],
  };
}

function deploymentOf(pipeline: Pipeline, written: Written): Deployment {
  const epochs = new Map(written.windows.map(([window, , epoch]) => [window, epoch]));
  return {
    pipeline,
    generations: generationsOf(written),
    epochs: pipeline.rules.windows.map(({ name }) => epochs.get(name) ?? 0),
    incarnation: written.incarnation,
  };
}

const generationsOf = ({ generations }: Written): Deployment['generations'] => {
  const [first, ...following] = generations.map(([number, groups, begunAt]) => ({ number, groups, begunAt }));
  return [first as Generation, ...following];
};
