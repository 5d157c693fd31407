import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import initSqlJs from 'sql.js';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { startServers } from '../../src/local/servers/servers.ts';
import type { Week } from './analyse.ts';
import { PLANTED, readings } from './collect.ts';
import { type Analysed, main } from './main.ts';

const folder = mkdtempSync(join(tmpdir(), 'millrace-air-'));
afterAll(() => rmSync(folder, { recursive: true }));

let analysed: Analysed;
beforeAll(async () => {
  analysed = await main(folder, startServers);
});

/** The same answer by SQLite from the readings themselves, which have been through no pipeline. */
async function recomputed(): Promise<readonly Week[]> {
  const sqlite = new (await initSqlJs()).Database();
  sqlite.run('CREATE TABLE readings (station TEXT, day TEXT, hour TEXT, pm25 REAL)');
  const insert = sqlite.prepare('INSERT INTO readings VALUES (?, ?, ?, ?)');
  for (const { station, at, pm25 } of readings())
    insert.run([station, at.slice(0, 10), at.slice(11, 13), pm25]);
  const [answer] = sqlite.exec(`
    WITH hours AS (SELECT station, day, hour, avg(pm25) AS mean FROM readings GROUP BY station, day, hour),
    of_day AS (SELECT station, hour, avg(mean) AS mean, count(*) AS days FROM hours GROUP BY station, hour),
    days AS (SELECT station, day, avg(pm25) AS mean FROM readings GROUP BY station, day)
    SELECT station, CAST(hour AS INTEGER), max(mean),
      (SELECT count(*) FROM days WHERE days.station = of_day.station AND mean > 15),
      168 - sum(days)
    FROM of_day GROUP BY station ORDER BY station`);
  return (answer?.values ?? []).map(([station, ...numbers]) => {
    const [worst_hour, mean_then, days_above, hours_missing] = numbers.map(Number) as [
      number,
      number,
      number,
      number,
    ];
    return { station: String(station), worst_hour, mean_then, days_above, hours_missing };
  });
}

const rounded = (weeks: readonly Week[] | undefined) =>
  weeks?.map((week) => ({ ...week, mean_then: Math.round(week.mean_then * 1e9) }));

it('has an object of each hour, and a pane of each hour and day of a station', () => {
  expect(analysed).toMatchObject({ collected: 1500, panes: 3 * (168 + 7) - 4, objects: 168 });
});

it('answers from its objects as a database does from the readings', async () => {
  expect(rounded(analysed.week)).toEqual(rounded(await recomputed()));
});

it('finds what was put into the week', () => {
  expect(
    analysed.week.map(({ station, worst_hour, days_above, hours_missing }) => [
      station,
      { rush: worst_hour, smog: days_above, outage: hours_missing },
    ]),
  ).toEqual(
    Object.entries(PLANTED).map(([station, { rush, smog, outage }]) => [
      station,
      { rush, smog: smog.length, outage: outage.length },
    ]),
  );
});

it('has the last day of a station as a row', () => {
  const last = readings().filter(({ station, at }) => station === 'harbour' && at >= '2026-03-08');
  const mean = last.reduce((sum, { pm25 }) => sum + pm25, 0) / last.length;
  expect(analysed.row).toMatchObject({ key: 'harbour', start: '2026-03-08T00:00:00.000Z' });
  expect(analysed.row.results.mean).toBeCloseTo(mean, 9);
});

it('says the same by SQL, where DuckDB is installed', ({ skip }) => {
  skip(analysed.bySql === undefined, 'install @duckdb/node-api');
  expect(rounded(analysed.bySql)).toEqual(rounded(analysed.week));
});
