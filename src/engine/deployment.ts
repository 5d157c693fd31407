import type { Plain } from '../core/plain.ts';
import { after, type EpochMillis, type Millis } from '../core/time.ts';
import type { Pipeline } from '../pipeline/pipeline.ts';
import { ENTRY_LIFETIME, type LogEntry } from '../ports/commit-log.ts';
import type { Ports } from '../ports/index.ts';
import { definitionLog, groupLog } from '../wiring/names.ts';
import { mustRenew, pack, unpack } from './packed.ts';

/** A pipeline as it was put to work: its definition, and what was settled about it once, for all who run it. */
export interface Deployment {
  readonly pipeline: Pipeline;
  /** The last is the present one. */
  readonly generations: readonly [Generation, ...Generation[]];
  /** Of each of the pipeline's windows, in order: the version in which it began, 0 for what was there at first. */
  readonly epochs: readonly number[];
}

/** A number of key groups, and the logs that go with it. */
export interface Generation {
  readonly number: number;
  readonly groups: number;
  readonly begunAt: EpochMillis;
}

/** What is written down of a definition. */
interface Written {
  readonly version: number;
  readonly generations: readonly (readonly [number: number, groups: number, begunAt: EpochMillis])[];
  readonly windows: readonly (readonly [name: string, signature: string, epoch: number])[];
  /** Every window's name there ever was. */
  readonly names: readonly string[];
}

const read = ({ body }: Pick<LogEntry, 'body'>): Written => unpack(body) as unknown as Written;

const packed = (written: Written): Uint8Array => pack(written as unknown as Plain);

/** Newer code has been at work: this one would lose what it does not know. It is tried again, by the newer. */
export class OutdatedError extends Error {
  override readonly name = 'OutdatedError';
}

export const present = ({ generations }: Deployment): Generation => generations.at(-1) as Generation;

/** The logs of all groups, those of an earlier generation as long as they may have entries. */
export const groupLogsOf = (deployment: Deployment, now: EpochMillis): readonly string[] =>
  logsOf(deployment, (generation) => !isGone(deployment, generation, now));

/** The logs of groups that are no more. */
export const goneLogsOf = (deployment: Deployment, now: EpochMillis): readonly string[] =>
  logsOf(deployment, (generation) => isGone(deployment, generation, now));

function isGone({ generations }: Deployment, generation: Generation, now: EpochMillis): boolean {
  const next = generations[generations.indexOf(generation) + 1];
  return next !== undefined && after(next.begunAt, GONE_AFTER) < now;
}

const logsOf = (
  { pipeline, generations }: Deployment,
  which: (generation: Generation) => boolean,
): readonly string[] =>
  generations
    .filter(which)
    .flatMap(({ number, groups }) =>
      Array.from({ length: groups }, (_, group) => groupLog(pipeline.name, number, group)),
    );

/** Its last entry follows within minutes, and DynamoDB takes its time. */
const GONE_AFTER = (2 * ENTRY_LIFETIME) as Millis;

/** Before anything is written down: for a pipeline that runs by itself, as in a test. */
export const firstDeployment = (pipeline: Pipeline): Deployment => ({
  pipeline,
  generations: [{ number: 1, groups: pipeline.groups, begunAt: 0 as EpochMillis }],
  epochs: pipeline.rules.windows.map(() => 0),
});

/**
 * The deployment of a pipeline, which is written down where it is new or has a higher version than what is.
 *
 * A window that is added or altered begins with that version, and its panes are told from those of an earlier window of its
 * name by it. The number of key groups is that of the first start, or what `rescale` made of it.
 *
 * @throws RangeError when windows were changed and the version was not; OutdatedError when a higher version was at work
 */
export async function holdDeployment(
  { log, clock }: Pick<Ports, 'log' | 'clock'>,
  pipeline: Pipeline,
): Promise<Deployment> {
  const name = definitionLog(pipeline.name);
  for (;;) {
    const last = await log.latest(name);
    const before = last && read(last);
    const next = nextOf(pipeline, before, clock.now());
    if (last && next === before && !mustRenew(last.committedAt, clock.now()))
      return deploymentOf(pipeline, next);
    await log.append(name, {
      ordinal: (last?.ordinal ?? 0) + 1,
      committedAt: clock.now(),
      body: packed(next),
    });
  }
}

/** What an entry of a definition's log says, whoever reads it. */
export interface Definition extends Pick<Deployment, 'generations'> {
  readonly version: number;
}

export function definitionIn(entry: Pick<LogEntry, 'body'>): Definition {
  const written = read(entry);
  return { version: written.version, generations: generationsOf(written) };
}

/**
 * The deployment as an entry of its definition's log has it, as this code would go on with it: for who writes nothing.
 *
 * @throws as `holdDeployment` does
 */
export const deploymentAsOf = (pipeline: Pipeline, entry: LogEntry): Deployment =>
  deploymentOf(pipeline, nextOf(pipeline, read(entry), entry.committedAt));

/**
 * The same of the last entry; undefined where the pipeline was never put to work.
 *
 * @throws as `holdDeployment` does
 */
export async function readDeployment(
  { log }: Pick<Ports, 'log'>,
  pipeline: Pipeline,
): Promise<Deployment | undefined> {
  const last = await log.latest(definitionLog(pipeline.name));
  return last && deploymentAsOf(pipeline, last);
}

/** Writes down a generation with another number of key groups, unless that is the number already. */
export async function addGeneration(
  { log, clock }: Pick<Ports, 'log' | 'clock'>,
  { pipeline }: Deployment,
  groups: number,
): Promise<boolean> {
  const name = definitionLog(pipeline.name);
  for (;;) {
    // Written down by who held the deployment.
    const last = (await log.latest(name)) as LogEntry;
    const before = read(last);
    const [number, present] = before.generations.at(-1) as Written['generations'][number];
    if (present === groups) return false;
    const next = {
      ...before,
      generations: [...before.generations, [number + 1, groups, clock.now()]] as const,
    };
    const entry = { ordinal: last.ordinal + 1, committedAt: clock.now(), body: packed(next) };
    if ((await log.append(name, entry)) === 'committed') return true;
  }
}

function nextOf(
  { name, version, groups, rules }: Pipeline,
  before: Written | undefined,
  now: EpochMillis,
): Written {
  const windows = rules.windows.map(({ name, operator }) => [name, operator.signature] as const);
  if (before === undefined) {
    return {
      version,
      generations: [[1, groups, now]],
      windows: windows.map((one) => [...one, 0] as const),
      names: windows.map(([one]) => one),
    };
  }
  const { version: was, windows: written, names } = before;
  if (version < was) {
    throw new OutdatedError(
      `Cannot run version ${version} of "${name}" as version ${was} has been at work: to go back to an earlier definition, give it a higher version`,
    );
  }
  if (version === was) {
    const at = [...windows, ...written].findIndex(
      (_, place) =>
        windows[place]?.[0] !== written[place]?.[0] || windows[place]?.[1] !== written[place]?.[1],
    );
    if (at < 0) return before;
    throw new RangeError(
      `Cannot run "${name}" as its windows may only change with its version: "${(windows[at] ?? written[at])?.[0]}" was added, removed, altered or moved; give it version: ${version + 1}`,
    );
  }
  const known = new Map(written.map(([window, signature, epoch]) => [window, { signature, epoch }]));
  const epochOf = (window: string, signature: string): number => {
    const one = known.get(window);
    if (one?.signature === signature) return one.epoch;
    return names.includes(window) ? version : 0;
  };
  return {
    ...before,
    version,
    windows: windows.map(([window, signature]) => [window, signature, epochOf(window, signature)] as const),
    names: [...new Set([...names, ...windows.map(([window]) => window)])],
  };
}

function deploymentOf(pipeline: Pipeline, written: Written): Deployment {
  const epochs = new Map(written.windows.map(([window, , epoch]) => [window, epoch]));
  return {
    pipeline,
    generations: generationsOf(written),
    epochs: pipeline.rules.windows.map(({ name }) => epochs.get(name) ?? 0),
  };
}

const generationsOf = ({ generations }: Written): Deployment['generations'] => {
  const [first, ...others] = generations.map(([number, groups, begunAt]) => ({ number, groups, begunAt }));
  return [first as Generation, ...others];
};
