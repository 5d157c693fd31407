import type { Pipeline } from './pipeline.ts';

/**
 * Returns the pipeline of a module: its default export, or the only pipeline that it exports. `name` says in
 * an error which module it is.
 *
 * @throws TypeError when the module exports no pipeline, or several and none as default
 *
 * @example
 * ```ts compile-only
 * import { pipelineOf } from 'millrace/lambda';
 *
 * export const pipeline = pipelineOf(await import('./pipeline.ts'));
 * ```
 */
export function pipelineOf(module: object, name = 'a module'): Pipeline {
  const exported = Object.entries(module).filter((entry): entry is [string, Pipeline] =>
    isPipeline(entry[1]),
  );
  const byDefault = exported.find(([name]) => name === 'default');
  const distinct = [...new Set(exported.map(([, pipeline]) => pipeline))];
  if (byDefault) return byDefault[1];
  if (distinct.length === 1) return distinct[0] as Pipeline;
  throw new TypeError(
    `Cannot choose a pipeline as ${name} must export one, or one as default: ` +
      `it exports ${distinct.length || 'none'}`,
  );
}

const isPipeline = (value: unknown): value is Pipeline =>
  typeof value === 'object' && value !== null && 'rules' in value && 'source' in value && 'sinks' in value;
