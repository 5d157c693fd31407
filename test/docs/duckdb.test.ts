import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { bucket, definePipeline, kinesis, mean, tumbling } from '../../src/index.ts';
import type { ObjectFormat } from '../../src/pipeline/sinks.ts';
import { PANES_PREFIX } from '../../src/wiring/names.ts';
import { at, type Reading, Scene } from '../engine/scene.ts';
import { readPages } from './pages.ts';

interface Connection {
  runAndReadAll(statement: string): Promise<{ getRowObjectsJson(): readonly object[] }>;
}
interface DuckDb {
  readonly DuckDBInstance: { create(path: string): Promise<{ connect(): Promise<Connection> }> };
}

/** 70 MB of a native build, which is no dependency: CI installs it. */
const PACKAGE = '@duckdb/node-api';
const duckDb = (await import(PACKAGE).catch(() => undefined)) as DuckDb | undefined;

const page = readPages().get('docs/athena.md') ?? '';
const [parquetView = '', ndjsonView = '', lastRevisions = '', means = ''] = [
  ...page.matchAll(/```sql duckdb\n([\s\S]*?)```/g),
].map(([, statement = '']) => statement);

const scratch = mkdtempSync(join(tmpdir(), 'millrace-duckdb-'));
afterAll(() => rmSync(scratch, { recursive: true }));

/** The objects that a run writes, as files of a folder: an hour that a late record corrects, and one more. */
async function written(format: ObjectFormat): Promise<string> {
  const pipeline = definePipeline('readings', kinesis<Reading>(), {
    key: ({ machine }) => machine,
    eventTime: (reading) => reading.at,
    allowedLateness: '2h',
    windows: { hourly: tumbling({ size: '1h' }, { mean: mean('celsius') }) },
  }).to(bucket({ format, every: '0s' }));
  const scene = new Scene(pipeline);
  await scene.process([scene.put('pump', at(10), 20), scene.put('pump', at(70), 22)]);
  await scene.project();
  await scene.process([scene.put('pump', at(20), 30), scene.put('pump', at(130), 27)]);
  await scene.project();
  const folder = join(scratch, format);
  for (const [name, { body }] of scene.ports.objects.stored) {
    if (!name.startsWith(PANES_PREFIX)) continue;
    mkdirSync(dirname(join(folder, name)), { recursive: true });
    writeFileSync(join(folder, name), body);
  }
  return folder;
}

describe.skipIf(duckDb === undefined)('the recipe for DuckDB in docs/athena.md', () => {
  it.each([
    ['parquet', parquetView],
    ['ndjson', ndjsonView],
  ] as const)('reads the %s objects that a run wrote', async (format, view) => {
    const folder = await written(format);
    const instance = await (duckDb as DuckDb).DuckDBInstance.create(':memory:');
    const connection = await instance.connect();
    const ask = async (statement: string) =>
      (
        await connection.runAndReadAll(statement.replaceAll("'panes/", `'${folder}/panes/`))
      ).getRowObjectsJson();

    await ask(view);
    expect(await ask('SELECT kind, revision FROM panes ORDER BY "start", revision')).toEqual([
      { kind: 'final', revision: '0' },
      { kind: 'late', revision: '1' },
      { kind: 'final', revision: '0' },
    ]);
    expect(await ask(lastRevisions)).toMatchObject([
      { key: 'pump', window: 'hourly', revision: '1', results: '{"mean":25}' },
      { key: 'pump', window: 'hourly', revision: '0', results: '{"mean":22}' },
    ]);
    expect(await ask(means)).toEqual([{ key: 'pump', hours: '2', mean: 23.5 }]);
  });
});
