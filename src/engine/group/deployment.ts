import { LoggableError } from '../../core/loggable.ts';
import { after, type EpochMillis } from '../../core/time.ts';
import type { Pipeline } from '../../pipeline/pipeline.ts';
import { groupLog } from '../../wiring/names.ts';
import { GONE_AFTER } from './lifetimes.ts';

/** A pipeline as it was put to work: its definition, and what was settled about it once, for all who run it. */
export interface Deployment {
  readonly pipeline: Pipeline;
  /** The last is the present one. */
  readonly generations: readonly [Generation, ...Generation[]];
  /** Of each of the pipeline's windows, in order: the version in which it began, 0 for what was there at first. */
  readonly epochs: readonly number[];
  /** When its logs were last taken back to an earlier time, or 0: see `Incarnation`. */
  readonly incarnation: number;
  /** Where it is not what is written down: it is to be before its first entry is. */
  readonly unwritten?: Unwritten;
}

/** What is yet to be written down of a deployment. */
interface Unwritten {
  /** Where its records come from, if it is for them. */
  readonly source: string | undefined;
  /** While it is being written down, and once it has been. */
  writing?: Promise<void> | undefined;
}

/** A number of key groups, and the logs that go with it. */
export interface Generation {
  readonly number: number;
  readonly groups: number;
  readonly begunAt: EpochMillis;
}

/** Newer code has committed: this one would lose what it does not know. It is tried again, by the newer. */
export class OutdatedError extends LoggableError {
  override readonly name = 'OutdatedError';
}

export const present = ({ generations }: Pick<Deployment, 'generations'>): Generation =>
  generations.at(-1) as Generation;

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

/** Before anything is written down: for a pipeline that runs by itself, as in a test. */
export const firstDeployment = (pipeline: Pipeline): Deployment => ({
  pipeline,
  generations: [{ number: 1, groups: pipeline.groups, begunAt: 0 as EpochMillis }],
  epochs: pipeline.rules.windows.map(() => 0),
  incarnation: 0,
});
