import type { EpochMillis } from '../core/time.ts';
import { isoTime } from '../core/time.ts';
import { type Backfilled, backfillObjects, backfillRows } from '../engine/backfill.ts';
import { readDeployment } from '../engine/deployment.ts';
import { rescale } from '../engine/rescale.ts';
import { type Restored, restore } from '../engine/restore.ts';
import { resume } from '../engine/resume.ts';
import type { Pipeline } from '../pipeline/pipeline.ts';
import type { ObjectFormat } from '../pipeline/sinks.ts';
import { SUPERSEDED_PREFIX } from '../wiring/names.ts';
import { type DeploymentOptions, type Kept, withKept } from './deployment.ts';
import { plural, progressOn, thousands } from './screen.ts';

/**
 * Changes the number of key groups of a pipeline, and says so on standard output.
 *
 * @returns the exit code, 0
 * @throws Error when it cannot be done; the same call goes on with what was begun
 */
export async function rescaleCommand(
  pipeline: Pipeline,
  { groups, ...where }: DeploymentOptions & { readonly groups: number },
): Promise<number> {
  const progress = progressOn(process.stderr);
  let done = 0;
  const rescaled = await withKept(pipeline, where, ({ engine }) =>
    rescale(engine, pipeline, groups, () =>
      progress.tell(`${thousands(++done)} of ${plural(groups, 'group')} begun`),
    ),
  ).finally(progress.end);
  const { isNew, generation, keys } = rescaled;
  process.stdout.write(
    `"${pipeline.name}" has ${plural(groups, 'key group')}${isNew ? '' : ' already'}, generation ${generation}: all have begun, with ${plural(keys, 'key')}\n`,
  );
  return 0;
}

/**
 * Has a pipeline go on from a state table that was taken back to an earlier time, and says on standard output what its source
 * must be read again from.
 *
 * @returns the exit code, 0
 * @throws Error when it cannot be done; the same call does it all
 */
export async function restoreCommand(pipeline: Pipeline, where: DeploymentOptions): Promise<number> {
  const progress = progressOn(process.stderr);
  let looked = 0;
  const restored = await withKept(pipeline, where, ({ ports, engine, progress: noted, remover }) =>
    restore(
      { ...engine, objects: ports.objects, listing: ports.reading.objects, progress: noted, remover },
      pipeline,
      () => progress.tell(`${plural(++looked, 'object')} looked at`),
    ),
  ).finally(progress.end);
  const lines = [
    `"${pipeline.name}" goes on from what its state table holds, as incarnation ${restored.incarnation}: ${plural(restored.setAside, 'object')} set aside under ${SUPERSEDED_PREFIX}`,
    ...readAgain(pipeline, restored.from),
  ];
  process.stdout.write(`${lines.join('\n')}\n`);
  return 0;
}

/** What must be read again, in words. */
function readAgain({ source: { kind } }: Pipeline, from: Restored['from']): readonly string[] {
  if (kind === 'sqs' || kind === 'fifo') {
    return [
      'Messages that were deleted from the queue since then cannot be read again: send again what its senders still have',
    ];
  }
  const isStream = kind === 'kinesis';
  const times = from.map(({ after }) => after?.arrival);
  const earliest = times.includes(undefined) ? undefined : Math.min(...(times as EpochMillis[]));
  const start =
    earliest === undefined || from.length === 0
      ? 'TRIM_HORIZON'
      : `AT_TIMESTAMP ${isoTime(earliest as EpochMillis)}`;
  return [
    `Its source must be read again: make the handler's event source mapping anew, with the starting position ${start}. Earlier is never wrong`,
    ...from.map(({ lineage, after }) =>
      after === undefined
        ? `${lineage}: from its beginning`
        : `${lineage}: after ${isStream ? 'sequence number' : 'offset'} ${after.position}, or from ${isoTime(after.arrival)} on`,
    ),
  ];
}

/**
 * Lets projectors go on that entries were lost to, and says on standard output what they skip.
 *
 * @returns the exit code, 0
 * @throws Error when it cannot be done; the same call may be made again
 */
export async function resumeCommand(pipeline: Pipeline, where: DeploymentOptions): Promise<number> {
  const skipped = await withKept(pipeline, where, async ({ engine, ports }) => {
    const deployment = await readDeployment(engine, pipeline);
    if (deployment === undefined) {
      throw new Error(`Cannot resume "${pipeline.name}" as it must have begun: there are no logs of it`);
    }
    return resume({ ...engine, objects: ports.objects }, deployment);
  });
  const lines = skipped.map(
    ({ sink, log, from, to }) =>
      `${sink}: ${plural(to - from, 'entry', 'entries')} of log ${log}, ${from + 1} to ${to}: the panes in them are lost to it`,
  );
  process.stdout.write(
    lines.length === 0
      ? `"${pipeline.name}" has nothing to resume: its projectors lack no entry\n`
      : `"${pipeline.name}" goes on, and skips what had expired before it was delivered\n${lines.join('\n')}\n`,
  );
  return 0;
}

export interface BackfillCommandOptions extends DeploymentOptions {
  readonly rows?: boolean | undefined;
  /** The bucket to write to. */
  readonly bucket?: string | undefined;
  readonly format?: ObjectFormat | undefined;
  readonly name?: string | undefined;
}

/** Whoever waits for it ends it. */
const NO_DEADLINE = 8.64e15 as EpochMillis;

/**
 * Writes all panes that the logs have, as rows or as objects of another bucket, and says so on standard output.
 *
 * @returns the exit code, 0
 * @throws Error when it cannot be done; the same call goes on where it stopped
 */
export async function backfillCommand(
  pipeline: Pipeline,
  { rows = false, bucket, format, name: given, ...where }: BackfillCommandOptions,
): Promise<number> {
  if (rows === (bucket !== undefined)) {
    throw new Error(
      `Cannot backfill "${pipeline.name}" without knowing where to: give either --rows or --bucket`,
    );
  }
  const progress = progressOn(process.stderr);
  let done: Backfilled = { entries: 0, panes: 0 };
  const { name, to } = await withKept(pipeline, where, async (kept) => {
    const deployment = await readDeployment(kept.engine, pipeline);
    if (deployment === undefined) {
      throw new Error(`Cannot backfill "${pipeline.name}" as it must have begun: there are no logs of it`);
    }
    const onProgress = (now: Backfilled): void => {
      done = now;
      progress.tell(`${plural(done.panes, 'pane')} of ${plural(done.entries, 'entry', 'entries')} written`);
    };
    const options = { deadline: NO_DEADLINE, onProgress };
    if (bucket === undefined) {
      checkTable(pipeline);
      // Rows may be written again and again: another day, from the beginning.
      const name = given ?? new Date().toISOString().slice(0, 10);
      await backfillRows(kept.engine, deployment, { ...options, name });
      return { name, to: 'rows' };
    }
    // Objects must not be: into the same bucket, it goes on for ever.
    const name = given ?? bucket;
    const objects = await targetOf(pipeline, kept, bucket);
    await backfillObjects(
      kept.engine,
      deployment,
      { objects, format: format ?? formatOf(pipeline) },
      { ...options, name },
    );
    return { name, to: `bucket ${bucket}` };
  }).finally(progress.end);
  process.stdout.write(
    `Backfill "${name}" of "${pipeline.name}" to ${to} is done: ${plural(done.panes, 'pane')} of ${plural(done.entries, 'entry', 'entries')} written\n`,
  );
  return 0;
}

function checkTable({ name, sinks }: Pipeline): void {
  if (sinks.some(({ kind }) => kind === 'table')) return;
  throw new Error(`Cannot backfill rows of "${name}" as its sinks must have a table()`);
}

function targetOf({ name }: Pipeline, { names, bucket }: Kept, target: string) {
  if (target !== names.bucket) return bucket(target);
  throw new Error(`Cannot backfill "${name}" into ${target} as that has its panes: name another bucket`);
}

const formatOf = ({ sinks }: Pipeline): ObjectFormat => {
  const own = sinks.find((sink) => sink.kind === 'bucket');
  return own?.format ?? 'ndjson';
};
