import { pathToFileURL } from 'node:url';
import type { Pipeline } from 'millrace';
import { paneLines } from '../src/commands/panes.ts';
import { createTally } from '../src/commands/tally.ts';
import { replay } from '../src/local/replay.ts';
import { type LocalOptions, type LocalRuntime, startLocal } from '../src/local/runtime.ts';

interface RunOptions {
  /** Is called when the bucket has all panes, before the servers end. */
  readonly after?: (runtime: LocalRuntime) => Promise<unknown>;
  /** Starts the servers; without it, they run in a thread of their own. */
  readonly startServers?: LocalOptions['startServers'];
}

/**
 * Sends records through a pipeline on this machine, by servers that speak AWS' protocols and the handlers that run in
 * AWS, until every window has closed.
 *
 * @returns all panes of the pipeline, as its bucket has them
 */
export async function runToEnd<Panes>(
  pipeline: Pipeline<Panes>,
  records: Iterable<unknown>,
  { after, startServers }: RunOptions = {},
): Promise<readonly Panes[]> {
  const defined = pipeline as Pipeline;
  const tally = createTally(defined);
  const runtime = await startLocal({ pipeline: defined, telemetry: tally, startServers });
  try {
    await replay(runtime, { input: inputOf(records) });
    const panes = await readPanes<Panes>(runtime);
    await after?.(runtime);
    return panes;
  } finally {
    await runtime.close();
  }
}

/** Reads all panes of a bucket of a run: by default, of the last pipeline of its chain. */
export async function readPanes<Panes>(
  { s3, names }: LocalRuntime,
  bucket: string = names.bucket,
): Promise<readonly Panes[]> {
  const panes: Panes[] = [];
  for await (const line of paneLines(s3, bucket)) panes.push(JSON.parse(line));
  return panes;
}

async function* inputOf(records: Iterable<unknown>) {
  let line = 0;
  for (const record of records) {
    const data = record instanceof Uint8Array ? record : Buffer.from(JSON.stringify(record));
    yield { line: ++line, data, length: data.length };
  }
}

/** Whether a module is the program that was started, and not imported. */
export const isStarted = (url: string): boolean => url === pathToFileURL(process.argv[1] ?? '').href;
