import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { GetObjectCommand, ListObjectsV2Command } from '@aws-sdk/client-s3';
import type { LocalOptions, LocalRuntime } from '../../src/local/runtime.ts';
import { isStarted, runToEnd } from '../local-run.ts';
import { readObjects, type Week, weekOf } from './analyse.ts';
import { readings } from './collect.ts';
import { askDuckDb } from './duckdb.ts';
import { air } from './pipeline.ts';

/** What came of each step. */
export interface Analysed {
  readonly collected: number;
  readonly panes: number;
  readonly objects: number;
  /** The last row of a station, as the query API answers. */
  readonly row: { readonly key: string; readonly start: string; readonly results: { readonly mean: number } };
  readonly week: readonly Week[];
  /** The same by DuckDB; undefined where it is not installed. */
  readonly bySql: readonly Week[] | undefined;
}

/**
 * Collects a week of readings, processes them, stores the results as rows and objects, and analyses the objects.
 *
 * @param folder where the objects go, as `aws s3 sync` would fetch them
 */
export async function main(folder: string, startServers?: LocalOptions['startServers']): Promise<Analysed> {
  const collected = readings();
  let [objects, row] = [0, undefined as Analysed['row'] | undefined];
  const panes = await runToEnd(air, collected, {
    startServers,
    async after(runtime) {
      objects = await fetchObjects(runtime, folder);
      const asked = await runtime.query().request('/api/latest?key=harbour&window=daily');
      row = ((await asked.json()) as { readonly pane: Analysed['row'] }).pane;
    },
  });
  const week = weekOf(await readObjects(join(folder, 'panes')));
  const bySql = await askDuckDb(folder);
  return {
    collected: collected.length,
    panes: panes.length,
    objects,
    row: row as Analysed['row'],
    week,
    bySql,
  };
}

/** Fetches all objects of panes to a folder. */
async function fetchObjects({ s3, names: { bucket } }: LocalRuntime, folder: string): Promise<number> {
  const { Contents = [] } = await s3.send(new ListObjectsV2Command({ Bucket: bucket, Prefix: 'panes/' }));
  for (const { Key = '' } of Contents) {
    const { Body } = await s3.send(new GetObjectCommand({ Bucket: bucket, Key }));
    mkdirSync(dirname(join(folder, Key)), { recursive: true });
    writeFileSync(join(folder, Key), (await Body?.transformToByteArray()) ?? '');
  }
  return Contents.length;
}

if (isStarted(import.meta.url)) {
  const folder = fileURLToPath(new URL('../../.millrace/air', import.meta.url));
  rmSync(folder, { recursive: true, force: true });
  const { collected, panes, objects, row, week, bySql } = await main(folder);
  console.log(`Collected  ${collected} readings of ${week.length} stations`);
  console.log(`Processed  into ${panes} panes`);
  console.log(
    `Stored     ${objects} objects, in .millrace/air/panes, and rows: harbour on ${row.start.slice(0, 10)}, ${row.results.mean.toFixed(1)} µg/m³`,
  );
  console.log(
    `Analysed   ${bySql ? 'by TypeScript and by SQL' : 'by TypeScript; SQL is skipped, as @duckdb/node-api is not installed'}`,
  );
  for (const { station, worst_hour, mean_then, days_above, hours_missing } of bySql ?? week) {
    const worst = `worst at ${String(worst_hour).padStart(2)}:00 with ${mean_then.toFixed(1)} µg/m³`;
    console.log(
      `  ${station.padEnd(8)} ${worst}, ${days_above} days above 15, ${hours_missing} hours missing`,
    );
  }
}
