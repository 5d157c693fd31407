import { readPanes } from '../../src/local/panes.ts';
import { type Replayed, replay } from '../../src/local/replay.ts';
import { startLocal } from '../../src/local/runtime.ts';
import { createTally, type Tally } from '../../src/local/tally.ts';
import type { Pipeline } from '../../src/pipeline/pipeline.ts';
import type { Ports } from '../../src/ports/index.ts';

export interface LocalRun {
  readonly replayed: Replayed;
  readonly tally: Tally;
  /** Every pane in the bucket, sorted. */
  readonly panes: readonly string[];
}

/** Sends records through the embedded servers to the end, and reads the bucket. */
export async function runLocally(
  pipeline: Pipeline,
  lines: readonly string[],
  options: {
    readonly batchSize?: number;
    readonly dataDirectory?: string;
    readonly decorate?: (ports: Ports) => Ports;
  } = {},
): Promise<LocalRun> {
  const tally = createTally(pipeline);
  const runtime = await startLocal({ pipeline, telemetry: tally, ...options });
  try {
    const replayed = await replay(runtime, { pipeline, input: inputOf(lines) });
    const panes: string[] = [];
    for await (const pane of readPanes(runtime.s3, runtime.names.bucket)) panes.push(pane);
    return { replayed, tally, panes: panes.sort() };
  } finally {
    await runtime.close();
  }
}

async function* inputOf(lines: readonly string[]) {
  for (const [at, line] of lines.entries()) yield { line: at + 1, data: Buffer.from(line) };
}
