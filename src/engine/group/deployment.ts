import { LoggableError } from '../../core/loggable.ts';
import { after, type EpochMillis } from '../../core/time.ts';
import type { Pipeline } from '../../pipeline/pipeline.ts';
import { groupLog } from '../../wiring/names.ts';
import { GONE_AFTER } from './lifetimes.ts';

/**
 * A pipeline as it was put to work: its definition, and what was settled about it once for all code that
 * runs it.
 */
export interface Deployment {
  readonly pipeline: Pipeline;
  /** The generations so far, of which the last is the present one. */
  readonly generations: readonly [Generation, ...Generation[]];
  /**
   * For each of the pipeline's windows, in order, the version in which it began. It is 0 for a window that
   * was there from the start.
   */
  readonly epochs: readonly number[];
  /**
   * The time at which the pipeline's logs were last taken back to an earlier time, or 0: see `Incarnation`.
   */
  readonly incarnation: number;
  /**
   * What must be written down before the first entry of this deployment is appended. Undefined when all of
   * it is written down.
   */
  readonly unwritten?: Unwritten;
}

/** The part of a deployment that is not written down yet. */
interface Unwritten {
  /** The source of the deployment's records, if it takes any in. */
  readonly source: string | undefined;
  /** The write, once it has begun: callers that come meanwhile wait for the same promise. */
  writing?: Promise<void> | undefined;
}

/** A number of key groups, and the logs that belong to it. */
export interface Generation {
  readonly number: number;
  readonly groups: number;
  readonly begunAt: EpochMillis;
}

/**
 * Thrown when newer code has committed, as the older code would lose what it does not know of. The newer
 * code tries the same work again.
 */
export class OutdatedError extends LoggableError {
  override readonly name = 'OutdatedError';
}

/** What the names of all logs of groups follow from. */
export interface Generations extends Pick<Deployment, 'generations'> {
  readonly pipeline: Pick<Pipeline, 'name'>;
}

export const present = ({ generations }: Pick<Deployment, 'generations'>): Generation =>
  generations.at(-1) as Generation;

/**
 * Lists the logs of all groups, including the groups of earlier generations for as long as their logs may
 * have entries.
 */
export const groupLogsOf = (deployment: Generations, now: EpochMillis): readonly string[] =>
  logsOf(deployment, (generation) => !isGone(deployment, generation, now));

/** Lists the logs of earlier generations whose entries have all expired. */
export const goneLogsOf = (deployment: Generations, now: EpochMillis): readonly string[] =>
  logsOf(deployment, (generation) => isGone(deployment, generation, now));

function isGone({ generations }: Generations, generation: Generation, now: EpochMillis): boolean {
  const next = generations[generations.indexOf(generation) + 1];
  return next !== undefined && after(next.begunAt, GONE_AFTER) < now;
}

const logsOf = (
  { pipeline, generations }: Generations,
  which: (generation: Generation) => boolean,
): readonly string[] =>
  generations
    .filter(which)
    .flatMap(({ number, groups }) =>
      Array.from({ length: groups }, (_, group) => groupLog(pipeline.name, number, group)),
    );

/**
 * Returns the deployment of a pipeline of which nothing is written down. It serves a pipeline that runs by
 * itself, as in a test.
 */
export const firstDeployment = (pipeline: Pipeline): Deployment => ({
  pipeline,
  generations: [{ number: 1, groups: pipeline.groups, begunAt: 0 as EpochMillis }],
  epochs: pipeline.rules.windows.map(() => 0),
  incarnation: 0,
});
