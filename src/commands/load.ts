import { pathToFileURL } from 'node:url';
import { inspect } from 'node:util';
import { lineOf, shownPath } from '../local/failure.ts';
import type { Pipeline } from '../pipeline/pipeline.ts';
import { pipelineOf } from '../pipeline/pipeline-of.ts';
import { importTypeScriptAsEsModules } from './typescript-modules.ts';

/** @throws Error when the file is not a module, or exports no pipeline */
export async function loadPipeline(path: string): Promise<Pipeline> {
  const url = pathToFileURL(path).href;
  importTypeScriptAsEsModules();
  try {
    return pipelineOf(await import(url), shownPath(path));
  } catch (error) {
    // The message of an error by which a definition is refused says all there is to say.
    if (error instanceof Error && error.message.startsWith('Cannot ')) throw error;
    throw new Error(`Cannot load ${shownPath(path)}: ${faultOf(error, path)}`, { cause: error });
  }
}

/** The form in which esbuild, which tsx calls, reports the first syntax error. */
const UNPARSED = /^(?<file>.+):(?<place>\d+:\d+): ERROR: (?<text>.*)$/m;

/** Says what is wrong with a definition, and where in it. */
function faultOf(error: unknown, path: string): string {
  if (!(error instanceof Error)) return `it throws ${inspect(error, { breakLength: Infinity })}`;
  const { file = '', place = '', text } = UNPARSED.exec(error.message)?.groups ?? {};
  if (text !== undefined) return `${text} (at ${shownPath(file)}:${place})`;
  const [, thrown = ''] = error.stack?.split(path) ?? [];
  const at = /^:\d+:\d+/.exec(thrown);
  return at ? `${lineOf(error)} (at ${shownPath(path)}${at})` : lineOf(error);
}
