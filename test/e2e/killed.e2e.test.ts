import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, describe, expect, it } from 'vitest';
import { flights } from '../../functions/flights/pipeline.ts';
import { withKept } from '../../src/commands/kept.ts';
import { audit } from '../../src/engine/inspect/audit.ts';
import { bucket } from '../../src/index.ts';
import { pipelineOver } from '../../src/local/over.ts';
import { isAccountedFor } from '../../src/local/replay.ts';
import type { Pipeline } from '../../src/pipeline/pipeline.ts';
import { bundled } from './bundled.ts';
import { readFlights } from './flights.ts';
import { type LocalRun, patiently, runLocally } from './local.ts';

const SCRIPT = bundled(new URL('killed.ts', import.meta.url));

const folders: string[] = [];
afterAll(() => Promise.all(folders.map((folder) => rm(folder, { recursive: true }))));

async function newFolder(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'millrace-'));
  folders.push(folder);
  return folder;
}

/** A run of some flights, and what it must come to. */
interface Run {
  readonly sinks: 'bucket' | 'every sink';
  readonly pipeline: Pipeline;
  readonly lines: readonly string[];
  readonly undisturbed: Promise<LocalRun>;
}

function runOf(sinks: Run['sinks'], limit: number, kind: 'kinesis' | 'sqs' = 'kinesis'): Run {
  const whole = sinks === 'bucket' ? { ...flights, sinks: [bucket()] } : flights;
  const { pipeline } = pipelineOver(kind === 'sqs' ? patiently(whole) : whole, kind);
  const lines = readFlights(limit).map((flight) => JSON.stringify(flight));
  return { sinks, pipeline, lines, undisturbed: runLocally(pipeline, lines) };
}

/** Begins a run, or goes on with it, in a process of its own, servers and all. */
const begin = ({ sinks, lines }: Run, folder: string, ...killing: string[]): ChildProcess =>
  spawn(process.execPath, [SCRIPT, folder, sinks, String(lines.length), ...killing], {
    stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
  });

/** Takes a run that was killed to its end, holds what is then in its folder against one left alone, and audits it. */
async function holdsUp({ pipeline, lines, undisturbed }: Run, dataDirectory: string): Promise<void> {
  const { panes, rows, replayed } = await runLocally(pipeline, lines, { dataDirectory });
  expect(isAccountedFor(replayed)).toBe(true);
  const ids = panes.map((pane) => JSON.parse(pane).id);
  expect(ids).toHaveLength(new Set(ids).size);
  expect(panes).toEqual((await undisturbed).panes);
  expect(rows).toEqual((await undisturbed).rows);
  const { findings } = await withKept(pipeline, { data: dataDirectory }, ({ ports }) =>
    audit(ports, pipeline),
  );
  expect(findings).toEqual([]);
}

describe('a local run with a data directory, killed and started again', () => {
  const run = runOf('bucket', 600);
  const { pipeline, lines } = run;

  it.each([
    ['before', 'commit', 1],
    ['after', 'commit', 9],
    ['after', 'intent', 1],
    ['before', 'object', 5],
    ['after', 'object', 11],
  ])('%s %s %i: no pane is lost or doubled', { timeout: 60_000 }, async (moment, call, nth) => {
    const folder = await newFolder();
    const [, signal] = await once(begin(run, folder, call, moment, String(nth)), 'exit');
    expect(signal).toBe('SIGKILL');
    await holdsUp(run, folder);
  });

  it('accounts for what the stream holds beyond the input', { timeout: 60_000 }, async () => {
    const dataDirectory = await newFolder();
    await runLocally(pipeline, lines.slice(0, 50), { dataDirectory });
    const { replayed } = await runLocally(pipeline, lines.slice(0, 20), { dataDirectory });
    expect(replayed).toMatchObject({ read: 20, resumed: 20, others: 30, applied: 50 });
    expect(isAccountedFor(replayed)).toBe(true);
  });

  it('goes on only from the records that it was begun with', { timeout: 60_000 }, async () => {
    const dataDirectory = await newFolder();
    await runLocally(pipeline, lines.slice(0, 50), { dataDirectory });
    const others = runLocally(pipeline, lines.slice(100), { dataDirectory });
    await expect(others).rejects.toThrow(/Cannot go on as the stream must hold what the input begins with/);
  });
});

describe('a local run over a queue, killed and started again', () => {
  const run = runOf('bucket', 300, 'sqs');

  it.each([
    ['before', 'commit', 2],
    ['after', 'commit', 3],
  ])('%s %s %i: no pane is lost or doubled', { timeout: 60_000 }, async (moment, call, nth) => {
    const folder = await newFolder();
    const [, signal] = await once(begin(run, folder, call, moment, String(nth), 'sqs'), 'exit');
    expect(signal).toBe('SIGKILL');
    await holdsUp(run, folder);
  });
});

const KILLS = Number(process.env['MILLRACE_KILLS'] ?? (process.env['CI'] ? 25 : 2));
const SEED = 1;

describe('a local run with a data directory, killed at random moments', () => {
  it(`has every pane once, and every row, after ${KILLS} kills`, { timeout: 900_000 }, async () => {
    const run = runOf('every sink', 200);
    const length = await lengthOf(run);
    // Wherever a moment falls, the same must hold in the end. More than are needed, as some runs end before theirs.
    const shares = fc.sample(fc.nat(499), { seed: SEED, numRuns: 100 * KILLS, unbiased: true });
    const killsOf: number[] = [];
    for (let left = KILLS; left > 0; ) {
      const folder = await newFolder();
      const before = left;
      while (left > 0 && (await wasKilled(run, folder, ((shares.pop() ?? 0) / 1_000) * length))) left--;
      await holdsUp(run, folder);
      killsOf.push(before - left);
    }
    console.info(
      `${KILLS} kills, each up to ${Math.round(length / 2)} ms after the start, of ${killsOf.length} runs: ${killsOf.join(', ')}`,
    );
  });
});

/** How long a run takes once its process has begun, in milliseconds. */
async function lengthOf(run: Run): Promise<number> {
  const child = begin(run, await newFolder());
  await once(child, 'message');
  const began = performance.now();
  expect(await once(child, 'exit')).toEqual([0, null]);
  return performance.now() - began;
}

/** Kills a run, or one that goes on with it, some milliseconds after it began; false when it had ended by then. */
async function wasKilled(run: Run, folder: string, after: number): Promise<boolean> {
  const child = begin(run, folder);
  const exit = once(child, 'exit');
  await once(child, 'message');
  const timer = setTimeout(() => child.kill('SIGKILL'), after);
  const [code, signal] = await exit;
  clearTimeout(timer);
  expect([code, signal]).toEqual(signal === 'SIGKILL' ? [null, 'SIGKILL'] : [0, null]);
  return signal === 'SIGKILL';
}
