import { memoryTelemetry } from '../adapters/memory/telemetry.ts';
import type { EpochMillis } from '../core/time.ts';
import {
  type Backfilled,
  backfillMessages,
  backfillObjects,
  backfillRows,
} from '../engine/delivery/backfill.ts';
import type { NotingSink } from '../engine/delivery/project-messages.ts';
import { readDeployment } from '../engine/log/definition-log.ts';
import type { Pipeline } from '../pipeline/pipeline.ts';
import { bySink, NO_MESSAGES, type ObjectFormat, type Sink } from '../pipeline/sinks.ts';
import { type DeploymentOptions, type PipelineData, withKept } from './kept.ts';
import { plural, progressOn } from './text.ts';

export interface BackfillCommandOptions extends DeploymentOptions {
  readonly rows?: boolean | undefined;
  /** The name of the sink to send messages to. */
  readonly sink?: string | undefined;
  /** Where in AWS that sink sends them. */
  readonly to?: string | undefined;
  /** The bucket to write to. */
  readonly bucket?: string | undefined;
  readonly format?: ObjectFormat | undefined;
  readonly name?: string | undefined;
}

/** A backfill has no deadline of its own: whoever waits for it ends it. */
const NO_DEADLINE = 8.64e15 as EpochMillis;

/**
 * Writes all panes that the logs have, as rows, as objects of another bucket or as messages, and reports on
 * standard output.
 *
 * @returns the exit code, 0
 * @throws Error when it cannot be done; the same call continues from where it stopped
 */
export async function backfillCommand(
  pipeline: Pipeline,
  { rows = false, bucket, sink, to: target, format, name: given, ...where }: BackfillCommandOptions,
): Promise<number> {
  if ([rows, bucket !== undefined, sink !== undefined].filter(Boolean).length !== 1) {
    throw new Error(
      `Cannot backfill "${pipeline.name}" without knowing where to: give one of --rows, --bucket and --sink`,
    );
  }
  const messages = sink === undefined ? undefined : sinkNamed(pipeline, sink);
  const {
    table: [hasTable = false],
    bucket: [ownFormat = 'ndjson'],
  } = bySink(pipeline.sinks, { table: () => true, bucket: ({ format }) => format, ...NO_MESSAGES });
  const progress = progressOn(process.stderr);
  let done: Backfilled = { entries: 0, panes: 0 };
  const telemetry = memoryTelemetry();
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
    // Rows and messages may be written again and again, so another day begins from the beginning.
    const today = new Date().toISOString().slice(0, 10);
    if (messages) {
      const name = given ?? today;
      await kept.withOutlets(messages, target, (outlets) => {
        const ports = { ...kept.engine, telemetry, outlets };
        return backfillMessages(ports, deployment, messages, { ...options, name });
      });
      return { name, to: `sink ${messages.name}` };
    }
    if (bucket === undefined) {
      if (!hasTable) {
        throw new Error(`Cannot backfill rows of "${pipeline.name}" as its sinks must have a table()`);
      }
      const name = given ?? today;
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
  const leftOut = telemetry.counted.tooLarge + telemetry.counted.unmade;
  process.stdout.write(
    `Backfill "${name}" of "${pipeline.name}" to ${to} is done: ${plural(done.panes, 'pane')} of ${plural(done.entries, 'entry', 'entries')} written${leftOut > 0 ? `; ${plural(leftOut, 'pane')} left out, of which no message could be made` : ''}\n`,
  );
  return 0;
}

/** Returns the sink of a name. */
function sinkNamed({ name, sinks }: Pipeline, sink: string): NotingSink {
  const noting = sinks.filter((one): one is Sink & NotingSink => 'from' in one);
  const named = noting.find((one) => one.name === sink);
  if (named) return named;
  const there = noting.length === 0 ? 'it has none' : `they are ${noting.map((one) => one.name).join(', ')}`;
  throw new Error(
    `Cannot backfill the sink "${sink}" of "${name}" as it must be one of its notify(), stream() and sink(): ${there}`,
  );
}

function targetOf({ name }: Pipeline, { names, bucket }: PipelineData, target: string) {
  if (target !== names.bucket) return bucket(target);
  throw new Error(`Cannot backfill "${name}" into ${target} as that has its panes: name another bucket`);
}
