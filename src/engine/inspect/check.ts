import type { Pipeline } from '../../pipeline/pipeline.ts';
import type { EnginePorts } from '../../ports/index.ts';
import { definitionLog } from '../../wiring/names.ts';
import { present } from '../group/deployment.ts';
import { sourcesWith } from '../group/sources.ts';
import { type Definition, definitionIn, deploymentAsOf } from '../log/definition-log.ts';

/** What happens to a window as a definition is deployed. */
type WindowChange = 'kept' | 'begins anew' | 'added' | 'removed';

/** What deploying a definition would do. */
export interface Check {
  readonly pipeline: string;
  readonly version: number;
  /** What committed last; undefined where nothing ever did. */
  readonly atWork:
    | {
        readonly version: number;
        readonly generation: number;
        readonly groups: number;
        readonly source: string | undefined;
      }
    | undefined;
  readonly windows: readonly { readonly name: string; readonly change: WindowChange }[];
  /** Why handlers would refuse to run it, and what to do about it; undefined where they would not. */
  readonly refused: string | undefined;
}

/**
 * Compares a definition with what is stored of its pipeline. It writes nothing.
 *
 * @param source what its records will come from, where that is known
 */
export async function checkDefinition(
  { log }: Pick<EnginePorts, 'log'>,
  pipeline: Pipeline,
  source?: string,
): Promise<Check> {
  const { name, version } = pipeline;
  const last = await log.latest(definitionLog(name));
  if (last === undefined) {
    const windows = pipeline.rules.windows.map((window) => ({ name: window.name, change: 'added' as const }));
    return { pipeline: name, version, atWork: undefined, windows, refused: undefined };
  }
  const written = definitionIn(last);
  const { number: generation, groups } = present(written);
  return {
    pipeline: name,
    version,
    atWork: { version: written.version, generation, groups, source: written.sources?.names.at(-1) },
    windows: changesOf(pipeline, written),
    refused: refusal(() => {
      deploymentAsOf(pipeline, last);
      if (source !== undefined) sourcesWith(pipeline, written.sources, source);
    }),
  };
}

function changesOf({ rules }: Pipeline, { windows, names }: Definition): Check['windows'] {
  const before = new Map(windows.map(([name, signature]) => [name, signature]));
  const now = rules.windows.map(({ name, operator: { signature } }) => {
    if (before.get(name) === signature) return { name, change: 'kept' as const };
    return { name, change: names.includes(name) ? ('begins anew' as const) : ('added' as const) };
  });
  const gone = windows.filter(([name]) => !now.some((window) => window.name === name));
  return [...now, ...gone.map(([name]) => ({ name, change: 'removed' as const }))];
}

function refusal(hold: () => void): string | undefined {
  try {
    hold();
    return undefined;
  } catch (error) {
    return (error as Error).message;
  }
}
