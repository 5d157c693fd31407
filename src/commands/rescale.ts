import { rescale } from '../engine/log/rescale.ts';
import type { Pipeline } from '../pipeline/pipeline.ts';
import { type DeploymentOptions, withKept } from './kept.ts';
import { plural, progressOn, thousands } from './text.ts';

/**
 * Changes the number of key groups of a pipeline, and reports on standard output.
 *
 * @returns the exit code, 0
 * @throws Error when it cannot be done; the same call continues what was begun
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
