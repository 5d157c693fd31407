import { readFileSync } from 'node:fs';
import type { Week } from './analyse.ts';

interface DuckDb {
  readonly DuckDBInstance: {
    create(path: string): Promise<{
      connect(): Promise<{
        runAndReadAll(
          statement: string,
        ): Promise<{ getRowObjectsJson(): readonly Record<string, unknown>[] }>;
      }>;
    }>;
  };
}

/** 70 MB of a native build, which is no dependency of this repository. */
const PACKAGE = '@duckdb/node-api';

/**
 * Asks `week.sql` of the objects below a folder.
 *
 * @returns undefined where DuckDB is not installed
 */
export async function askDuckDb(folder: string): Promise<readonly Week[] | undefined> {
  const duckDb = (await import(PACKAGE).catch(() => undefined)) as DuckDb | undefined;
  if (duckDb === undefined) return undefined;
  const connection = await (await duckDb.DuckDBInstance.create(':memory:')).connect();
  const statement = readFileSync(new URL('week.sql', import.meta.url), 'utf8');
  const answer = await connection.runAndReadAll(statement.replace("'panes/", `'${folder}/panes/`));
  // Its whole numbers are of 64 bits, and come as texts.
  return answer.getRowObjectsJson().map(({ station, ...numbers }) => ({
    station: String(station),
    ...(Object.fromEntries(Object.entries(numbers).map(([name, value]) => [name, Number(value)])) as Omit<
      Week,
      'station'
    >),
  }));
}
