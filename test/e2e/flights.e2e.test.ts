import initSqlJs from 'sql.js';
import { describe, expect, it } from 'vitest';
import { flights } from '../../functions/flights/pipeline.ts';
import { bucket } from '../../src/index.ts';
import { isAccountedFor } from '../../src/local/replay.ts';
import { startServersBeside } from '../../src/local/servers/servers.ts';
import type { Pane } from '../../src/pipeline/pipeline.ts';
import type { CommitLog } from '../../src/ports/commit-log.ts';
import type { Ports } from '../../src/ports/index.ts';
import { groupLogPrefix } from '../../src/wiring/names.ts';
import { readFlights } from './flights.ts';
import { runLocally } from './local.ts';

const toBucket = { ...flights, sinks: [bucket()] };
const linesOf = (records: readonly unknown[]) => records.map((record) => JSON.stringify(record));

describe('20,000 flights through the embedded servers', () => {
  it('give the panes that SQL computes from the same records', { timeout: 120_000 }, async () => {
    const records = readFlights();
    const { panes, replayed } = await runLocally(toBucket, linesOf(records), {
      startServers: startServersBeside,
    });
    expect(isAccountedFor(replayed)).toBe(true);
    const ours = panes.map((line) => rowOf(JSON.parse(line))).sort();
    expect(ours).toEqual((await sqlPanes(records)).sort());
  });
});

describe('the same flights in batches of another size, the handler crashing three times', () => {
  const all = process.env['CI'] ? 20_000 : 500;
  const references = new Map<number, ReturnType<typeof runLocally>>();
  /** The first so many flights, and what comes of them in large batches without a crash. */
  const flightsOf = (records: number) => {
    const lines = linesOf(readFlights(records));
    const reference = references.get(records) ?? runLocally(toBucket, lines, { batchSize: 10_000 });
    references.set(records, reference);
    return { lines, reference };
  };

  it.each([
    // An invocation takes some 40 ms of a processor, whatever it is handed.
    { batchSize: 1, records: all / 20 },
    { batchSize: 7, records: Math.min(all, 2_000) },
    { batchSize: 500, records: all },
    { batchSize: 10_000, records: all },
  ])(
    'of $batchSize: every pane once, byte for byte',
    { timeout: 600_000 },
    async ({ batchSize, records }) => {
      const { lines, reference } = flightsOf(records);
      const crashes = { left: 3 };
      const run = await runLocally(toBucket, lines, { batchSize, decorate: crashing(crashes) });
      expect(crashes.left).toBe(0);
      expect(isAccountedFor(run.replayed)).toBe(true);
      expect(run.panes).toEqual((await reference).panes);
      expect(new Set(run.panes).size).toBe(run.panes.length);
    },
  );
});

/** Lets every other commit of a group fail, before or after it took effect, until the crashes are used up. */
const crashing =
  (crashes: { left: number }) =>
  (ports: Ports): Ports => {
    let commits = 0;
    const log: CommitLog = {
      ...ports.log,
      async append(name, entry) {
        const crash = name.startsWith(groupLogPrefix('flights')) && commits++ % 2 === 1 && crashes.left > 0;
        if (!crash) return ports.log.append(name, entry);
        crashes.left--;
        if (crashes.left % 2 === 0) await ports.log.append(name, entry);
        throw new Error('crash');
      },
    };
    return { ...ports, log };
  };

/** A pane as the columns that SQL computes. */
const rowOf = (pane: Pane): string =>
  JSON.stringify([
    pane.window,
    pane.key,
    pane.index ?? pane.start,
    pane.count,
    ...Object.values(pane.results ?? {}),
  ]);

/** The panes of the flights pipeline, from scratch, in SQL. */
async function sqlPanes(
  records: readonly { date: string; delay: number; origin: string }[],
): Promise<string[]> {
  const database = new (await initSqlJs()).Database();
  database.run('CREATE TABLE flight (ordinal INTEGER PRIMARY KEY, at INTEGER, delay INTEGER, origin TEXT)');
  const insert = database.prepare(
    `INSERT INTO flight VALUES (?, CAST(strftime('%s', replace(?, '/', '-')) AS INTEGER), ?, ?)`,
  );
  for (const [ordinal, { date, delay, origin }] of records.entries())
    insert.run([ordinal, date, delay, origin]);
  insert.free();
  const time = (column: string) => `strftime('%Y-%m-%dT%H:%M:%S', ${column}, 'unixepoch') || '.000Z'`;
  const [result] = database.exec(`
    SELECT 'lastTen', origin, row_number() OVER keyed - 1, count(*) OVER ten, avg(delay) OVER ten, NULL, NULL
      FROM flight
      WINDOW keyed AS (PARTITION BY origin ORDER BY ordinal), ten AS (keyed ROWS 9 PRECEDING)
    UNION ALL
    SELECT 'hourly', origin, ${time('at / 3600 * 3600')}, count(*), count(*), avg(delay), max(delay)
      FROM flight GROUP BY origin, at / 3600
    UNION ALL
    SELECT 'threeHours', origin, ${time('start')}, count(*), avg(delay), min(delay), max(delay)
      FROM (
        SELECT origin, delay, (at / 1800 - step.column1) * 1800 AS start
          FROM flight, (VALUES (0), (1), (2), (3), (4), (5)) AS step
      ) GROUP BY origin, start`);
  database.close();
  return (result?.values ?? []).map((row) => JSON.stringify(row.filter((value) => value !== null)));
}
