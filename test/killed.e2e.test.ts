import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, describe, expect, it } from 'vitest';
import { flights } from '../functions/flights/pipeline.ts';
import { bucket } from '../src/index.ts';
import { isAccountedFor } from '../src/local/replay.ts';
import { readFlights } from './support/e2e-flights.ts';
import { runLocally } from './support/e2e-local.ts';

const LIMIT = 600;
const SCRIPT = fileURLToPath(new URL('support/e2e-killed.ts', import.meta.url));
const toBucket = { ...flights, sinks: [bucket()] };
const lines = readFlights(LIMIT).map((flight) => JSON.stringify(flight));
const undisturbed = runLocally(toBucket, lines);

describe('a local run with a data directory, killed and started again', () => {
  const folders: string[] = [];
  afterAll(() => Promise.all(folders.map((folder) => rm(folder, { recursive: true }))));

  it.each([
    ['before', 'commit', 1],
    ['after', 'commit', 9],
    ['after', 'intent', 1],
    ['before', 'object', 5],
    ['after', 'object', 11],
  ])('%s %s %i: no pane is lost or doubled', { timeout: 60_000 }, async (moment, call, nth) => {
    const folder = await mkdtemp(join(tmpdir(), 'millrace-'));
    folders.push(folder);
    const child = spawn(
      process.execPath,
      ['--import', 'tsx', SCRIPT, folder, String(LIMIT), call, moment, String(nth)],
      { stdio: ['ignore', 'ignore', 'inherit'] },
    );
    const [, signal] = await once(child, 'exit');
    expect(signal).toBe('SIGKILL');

    const { panes, replayed } = await runLocally(toBucket, lines, { dataDirectory: folder });
    expect(replayed.resumed).toBeGreaterThan(0);
    expect(isAccountedFor(replayed)).toBe(true);
    expect(panes).toEqual((await undisturbed).panes);
  });

  it('accounts for what the stream holds beyond the input', { timeout: 60_000 }, async () => {
    const folder = await mkdtemp(join(tmpdir(), 'millrace-'));
    folders.push(folder);
    await runLocally(toBucket, lines.slice(0, 50), { dataDirectory: folder });
    const { replayed } = await runLocally(toBucket, lines.slice(0, 20), { dataDirectory: folder });
    expect(replayed).toMatchObject({ read: 20, resumed: 20, others: 30, applied: 50 });
    expect(isAccountedFor(replayed)).toBe(true);
  });

  it('goes on only from the records that it was begun with', { timeout: 60_000 }, async () => {
    const folder = await mkdtemp(join(tmpdir(), 'millrace-'));
    folders.push(folder);
    await runLocally(toBucket, lines.slice(0, 50), { dataDirectory: folder });
    const others = runLocally(toBucket, lines.slice(100), { dataDirectory: folder });
    await expect(others).rejects.toThrow(/Cannot go on as the stream must hold what the input begins with/);
  });
});
