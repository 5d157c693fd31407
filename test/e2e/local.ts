import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { paginateScan } from '@aws-sdk/client-dynamodb';
import { withKept } from '../../src/commands/kept.ts';
import { paneLines } from '../../src/commands/panes.ts';
import { createTally, type Tally } from '../../src/commands/tally.ts';
import { audit, type Finding } from '../../src/engine/inspect/audit.ts';
import { type Replayed, replay } from '../../src/local/replay.ts';
import { connect, disconnect } from '../../src/local/resources.ts';
import { type LocalOptions, type LocalRuntime, startLocal } from '../../src/local/runtime.ts';
import { startServers } from '../../src/local/servers/servers.ts';
import type { Pipeline } from '../../src/pipeline/pipeline.ts';
import type { Ports } from '../../src/ports/index.ts';

/** Makes folders for the data of runs, and removes all of them at the end. */
export function dataFolders() {
  const folders: string[] = [];
  return {
    async make(): Promise<string> {
      const folder = await mkdtemp(join(tmpdir(), 'millrace-'));
      folders.push(folder);
      return folder;
    },
    remove: () => Promise.all(folders.map((folder) => rm(folder, { recursive: true }))),
  };
}

/** Returns what the audit finds wrong in the data that runs of a pipeline have left. */
export const findingsIn = (data: string, pipeline: Pipeline): Promise<readonly Finding[]> =>
  withKept(pipeline, { data }, async ({ ports }) => (await audit(ports, pipeline)).findings);

export interface LocalRun {
  readonly replayed: Replayed;
  readonly tally: Tally;
  /** Every pane in the bucket, sorted. */
  readonly panes: readonly string[];
  /** Every row of the table, as JSON, sorted. */
  readonly rows: readonly string[];
}

/** Returns a pipeline whose windows wait for any order of the flights of a test. */
export const patiently = (pipeline: Pipeline): Pipeline => {
  const timed = (rules: Pipeline['rules']) =>
    ({ ...rules, time: { ...rules.time, outOfOrderness: 366 * 86_400_000 } }) as Pipeline['rules'];
  return {
    ...pipeline,
    rules: timed(pipeline.rules),
    withoutOrder: () => timed(pipeline.withoutOrder()),
  };
};

/**
 * Sends records through the embedded servers to the end, and reads the bucket and the table of rows. Unless they are told
 * otherwise the servers run in this thread: one of their own takes a second of a processor to begin, each time, and has a
 * clock that no test can move.
 */
export async function runLocally(
  pipeline: Pipeline,
  lines: readonly string[],
  options: {
    readonly batchSize?: number;
    readonly broker?: string;
    readonly dataDirectory?: string;
    readonly decorate?: (ports: Ports) => Ports;
    readonly deliver?: NonNullable<LocalOptions['deliver']>;
    readonly mapping?: LocalOptions['mapping'];
    readonly speed?: number | undefined;
    readonly signal?: AbortSignal;
    readonly onSent?: (sent: number) => void;
    readonly startServers?: LocalOptions['startServers'];
    /** Is called once all runs, before the first record is sent. */
    readonly before?: (runtime: LocalRuntime) => Promise<void>;
    /** Whether time passes from the beginning on, as it does once an input has ended. */
    readonly timePasses?: boolean;
  } = {},
): Promise<LocalRun> {
  const tally = createTally(pipeline);
  const { speed, signal, onSent = () => {}, timePasses, before, ...local } = options;
  const runtime = await startLocal({ pipeline, telemetry: tally, startServers, ...local });
  try {
    if (timePasses) runtime.clock.start();
    await before?.(runtime);
    const replayed = await replay(runtime, { input: inputOf(lines), speed, signal, onSent });
    const panes: string[] = [];
    for await (const pane of paneLines(runtime.s3, runtime.names.bucket)) panes.push(pane);
    return { replayed, tally, panes: panes.sort(), rows: await rowsOf(runtime) };
  } finally {
    await runtime.close();
  }
}

async function rowsOf({ endpoints, names }: LocalRuntime): Promise<readonly string[]> {
  const clients = connect(endpoints);
  const rows: string[] = [];
  const scan = { TableName: names.rowsTable, ConsistentRead: true };
  for await (const { Items = [] } of paginateScan({ client: clients.dynamodb }, scan)) {
    // The servers give attributes in no order of their own.
    for (const item of Items) rows.push(JSON.stringify(Object.entries(item).sort()));
  }
  disconnect(clients);
  return rows.sort();
}

export async function* inputOf(lines: readonly string[]) {
  for (const [at, line] of lines.entries()) {
    const data = Buffer.from(line);
    yield { line: at + 1, data, length: data.length };
  }
}
