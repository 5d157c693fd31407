import initSqlJs from 'sql.js';
import { everywhere } from '../../examples/hierarchy/everywhere.ts';
import { stateOf } from '../../examples/hierarchy/state-of.ts';
import { memoryTelemetry } from '../../src/adapters/memory/telemetry.ts';
import { paneLines } from '../../src/commands/panes.ts';
import { type Replayed, replay } from '../../src/local/replay.ts';
import { resourceNames } from '../../src/local/resources.ts';
import { type LocalOptions, startLocal } from '../../src/local/runtime.ts';
import { startServers } from '../../src/local/servers/servers.ts';
import type { Pane } from '../../src/pipeline/pipeline.ts';
import { chainOf } from '../../src/pipeline/upstream.ts';
import { inputOf } from './local.ts';

export const CHAIN = chainOf(everywhere);

export interface ChainRun {
  readonly replayed: Replayed;
  /** The panes in the bucket of each pipeline, by its name. */
  readonly panes: Readonly<Record<string, readonly Pane[]>>;
}

/** Sends records through the chain to the end, and reads the bucket of each of its pipelines. */
export async function runChain(
  lines: readonly string[],
  options: Partial<LocalOptions> = {},
): Promise<ChainRun> {
  const telemetry = memoryTelemetry();
  const runtime = await startLocal({ pipeline: everywhere, telemetry, startServers, ...options });
  try {
    const replayed = await replay(runtime, { input: inputOf(lines) });
    const panes: Record<string, Pane[]> = {};
    for (const { name } of CHAIN) {
      const some: Pane[] = [];
      for await (const line of paneLines(runtime.s3, resourceNames({ name }).bucket))
        some.push(JSON.parse(line));
      panes[name] = some;
    }
    return { replayed, panes };
  } finally {
    await runtime.close();
  }
}

/** A pane as the columns that SQL computes. */
export const rowOf = ({ key, start, results }: Pane): string => {
  const { topTen, ...numbers } = results as { topTen?: readonly { value: string; count: number }[] };
  const top = topTen?.map(({ value, count }) => `${value} ${count}`).join();
  return JSON.stringify([
    key,
    start.slice(0, 10),
    ...Object.values(numbers),
    ...(top === undefined ? [] : [top]),
  ]);
};

interface Flight {
  readonly date: string;
  readonly delay: number;
  readonly origin: string;
}

/** The panes of each pipeline of the chain, from the flights and from scratch, in SQL. */
export async function sqlPanes(
  records: readonly Flight[],
): Promise<Readonly<Record<string, readonly string[]>>> {
  const database = new (await initSqlJs()).Database();
  database.run('CREATE TABLE flight (day TEXT, delay INTEGER, late INTEGER, origin TEXT, state TEXT)');
  const insert = database.prepare('INSERT INTO flight VALUES (?, ?, ?, ?, ?)');
  for (const { date, delay, origin } of records) {
    insert.run([date.slice(0, 10).replaceAll('/', '-'), delay, Math.max(0, delay), origin, stateOf(origin)]);
  }
  insert.free();
  const rowsOf = (query: string): readonly string[] =>
    (database.exec(query)[0]?.values ?? []).map((row) => JSON.stringify(row)).sort();
  const panes = {
    airports: rowsOf('SELECT origin, day, count(*), sum(late), max(delay) FROM flight GROUP BY origin, day'),
    states: rowsOf('SELECT state, day, count(*), sum(late), max(delay) FROM flight GROUP BY state, day'),
    everywhere: rowsOf(`
      SELECT 'everywhere', day, count(*), max(delay), (
        SELECT group_concat(state || ' ' || late, ',') FROM (
          SELECT state, sum(late) AS late FROM flight AS f WHERE f.day = flight.day
          GROUP BY state ORDER BY 2 DESC, 1 LIMIT 10
        )
      ) FROM flight GROUP BY day`),
  };
  database.close();
  return panes;
}
