import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import fc from 'fast-check';
import { afterAll, describe, expect, it } from 'vitest';
import { withKept } from '../../src/commands/kept.ts';
import { audit } from '../../src/engine/inspect/audit.ts';
import { auditPanes } from '../../src/engine/inspect/audit-panes.ts';
import { isAccountedFor } from '../../src/local/replay.ts';
import { startServersBeside } from '../../src/local/servers/servers.ts';
import { upstreamOf } from '../../src/pipeline/upstream.ts';
import { bundled } from './bundled.ts';
import { CHAIN, type ChainRun, rowOf, runChain, sqlPanes } from './chain.ts';
import { readFlights } from './flights.ts';
import { dataFolders } from './local.ts';

const SCRIPT = bundled(new URL('killed-chain.ts', import.meta.url));

const folders = dataFolders();
afterAll(folders.remove);

/** Checks that each pipeline of a run has the panes that SQL computes from the flights, each once. */
async function holdsUp({ replayed, panes }: ChainRun, flights: number): Promise<void> {
  expect(isAccountedFor(replayed)).toBe(true);
  const expected = await sqlPanes(readFlights(flights));
  for (const { name } of CHAIN) expect(panes[name]?.map(rowOf).sort(), name).toEqual(expected[name]);
}

/** Follows the panes of a run from one pipeline to the next, and audits each. */
async function isClean(data: string, panes: ChainRun['panes']): Promise<void> {
  for (const pipeline of CHAIN) {
    await withKept(pipeline, { data }, async ({ ports, upstream }) => {
      expect((await audit(ports, pipeline)).findings, pipeline.name).toEqual([]);
      const of = upstreamOf(pipeline);
      if (of === undefined) return;
      const read = await auditPanes(ports, upstream(of), pipeline);
      const { length } = panes[of.name] ?? [];
      expect(read, pipeline.name).toMatchObject({ panes: length, read: length, findings: [] });
    });
  }
}

const linesOf = (flights: number) => readFlights(flights).map((record) => JSON.stringify(record));

const wholeRuns = new Map<number, ReturnType<typeof runWhole>>();

/** Runs the chain over some flights, once for all tests that ask, and says how long that took, in milliseconds. */
function wholeRun(flights: number): ReturnType<typeof runWhole> {
  const run = wholeRuns.get(flights) ?? runWhole(flights);
  wholeRuns.set(flights, run);
  return run;
}

async function runWhole(flights: number) {
  const dataDirectory = await folders.make();
  const began = performance.now();
  const run = await runChain(linesOf(flights), { startServers: startServersBeside, dataDirectory });
  return { run, dataDirectory, length: performance.now() - began };
}

const FLIGHTS = process.env['CI'] ? 20_000 : 2_000;

describe(`a chain of three pipelines over ${FLIGHTS} flights`, () => {
  it('gives the panes that SQL computes from the flights, at each of them', {
    timeout: 300_000,
  }, async () => {
    const { run, dataDirectory } = await wholeRun(FLIGHTS);
    await holdsUp(run, FLIGHTS);
    await isClean(dataDirectory, run.panes);
  });
});

const KILLS = Number(process.env['MILLRACE_CHAIN_KILLS'] ?? (process.env['CI'] ? 10 : 2));
const SEED = 1;
/** How many flights a run that is killed has, and up to which share of its length, in thousandths. */
const [KILLED_FLIGHTS, KILLED_UNTIL] = process.env['CI'] ? ([20_000, 199] as const) : ([200, 899] as const);

describe(`a chain of three pipelines over ${KILLED_FLIGHTS} flights, killed at random moments`, () => {
  it(`has every pane of each once, after ${KILLS} kills`, { timeout: 900_000 }, async () => {
    const { length } = await wholeRun(KILLED_FLIGHTS);
    const shares = fc.sample(fc.nat(KILLED_UNTIL), { seed: SEED, numRuns: 100 * KILLS, unbiased: true });
    const killsOf: number[] = [];
    for (let left = KILLS; left > 0; ) {
      const folder = await folders.make();
      const before = left;
      while (left > 0 && (await wasKilled(folder, ((shares.pop() ?? 0) / 1_000) * length))) left--;
      const run = await runChain(linesOf(KILLED_FLIGHTS), { dataDirectory: folder });
      await holdsUp(run, KILLED_FLIGHTS);
      await isClean(folder, run.panes);
      killsOf.push(before - left);
    }
    console.info(
      `${KILLS} kills of ${killsOf.length} runs over ${KILLED_FLIGHTS} flights, of ${Math.round(length)} ms each: ${killsOf.join(', ')}`,
    );
  });
});

const begin = (folder: string): ChildProcess =>
  spawn(process.execPath, [SCRIPT, folder, String(KILLED_FLIGHTS)], {
    stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
  });

/** Kills a run, or one that goes on with it, some milliseconds after it began; false when it had ended by then. */
async function wasKilled(folder: string, after: number): Promise<boolean> {
  const child = begin(folder);
  const exit = once(child, 'exit');
  await once(child, 'message');
  const timer = setTimeout(() => child.kill('SIGKILL'), after);
  const [code, signal] = await exit;
  clearTimeout(timer);
  expect([code, signal]).toEqual(signal === 'SIGKILL' ? [null, 'SIGKILL'] : [0, null]);
  return signal === 'SIGKILL';
}
