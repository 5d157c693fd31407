import type { EpochMillis } from '../core/time.ts';
import { type Backfilled, backfillObjects, backfillRows } from '../engine/delivery/backfill.ts';
import { readDeployment } from '../engine/log/definition-log.ts';
import type { Pipeline } from '../pipeline/pipeline.ts';
import { bySink, NO_MESSAGES, type ObjectFormat } from '../pipeline/sinks.ts';
import { type DeploymentOptions, type PipelineData, withKept } from './kept.ts';
import { plural, progressOn } from './text.ts';

export interface BackfillCommandOptions extends DeploymentOptions {
  readonly rows?: boolean | undefined;
  /** The bucket to write to. */
  readonly bucket?: string | undefined;
  readonly format?: ObjectFormat | undefined;
  readonly name?: string | undefined;
}

/** A backfill has no deadline of its own: whoever waits for it ends it. */
const NO_DEADLINE = 8.64e15 as EpochMillis;

/**
 * Writes all panes that the logs have, as rows or as objects of another bucket, and reports on standard
 * output.
 *
 * @returns the exit code, 0
 * @throws Error when it cannot be done; the same call continues from where it stopped
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
  const {
    table: [hasTable = false],
    bucket: [ownFormat = 'ndjson'],
  } = bySink(pipeline.sinks, { table: () => true, bucket: ({ format }) => format, ...NO_MESSAGES });
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
      if (!hasTable) {
        throw new Error(`Cannot backfill rows of "${pipeline.name}" as its sinks must have a table()`);
      }
      // Rows may be written again and again, so another day begins from the beginning.
      const name = given ?? new Date().toISOString().slice(0, 10);
      await backfillRows(kept.engine, deployment, { ...options, name });
      return { name, to: 'rows' };
    }
    // Objects may not be written again, so that a backfill into the same bucket always continues.
    const name = given ?? bucket;
    const objects = await targetOf(pipeline, kept, bucket);
    await backfillObjects(
      kept.engine,
      deployment,
      { objects, format: format ?? ownFormat },
      { ...options, name },
    );
    return { name, to: `bucket ${bucket}` };
  }).finally(progress.end);
  process.stdout.write(
    `Backfill "${name}" of "${pipeline.name}" to ${to} is done: ${plural(done.panes, 'pane')} of ${plural(done.entries, 'entry', 'entries')} written\n`,
  );
  return 0;
}

function targetOf({ name }: Pipeline, { names, bucket }: PipelineData, target: string) {
  if (target !== names.bucket) return bucket(target);
  throw new Error(`Cannot backfill "${name}" into ${target} as that has its panes: name another bucket`);
}
