import { resume, resumeReads } from '../engine/delivery/resume.ts';
import { readDeployment } from '../engine/log/definition-log.ts';
import type { Pipeline } from '../pipeline/pipeline.ts';
import { upstreamOf } from '../pipeline/upstream.ts';
import { type DeploymentOptions, withKept } from './kept.ts';
import { plural } from './text.ts';

/**
 * Lets projectors continue that have lost entries, and says on standard output what they skip.
 *
 * @returns the exit code, 0
 * @throws Error when it cannot be done; the same call may be made again
 */
export async function resumeCommand(pipeline: Pipeline, where: DeploymentOptions): Promise<number> {
  const of = upstreamOf(pipeline);
  const { skipped, unread } = await withKept(pipeline, where, async ({ engine, upstream }) => {
    const deployment = await readDeployment(engine, pipeline);
    if (deployment === undefined) {
      throw new Error(`Cannot resume "${pipeline.name}" as it must have begun: there are no logs of it`);
    }
    const unread = of ? await resumeReads(engine, upstream(of), pipeline) : [];
    return { skipped: await resume(engine, deployment), unread };
  });
  const lines = [
    ...skipped,
    ...unread.map((skip) => ({ ...skip, sink: `the panes of "${of?.name}" that it reads` })),
  ].map(
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
