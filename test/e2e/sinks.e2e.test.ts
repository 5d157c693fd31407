import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import fc from 'fast-check';
import { afterAll, describe, expect, it } from 'vitest';
import { bundled } from './bundled.ts';
import { readFlights } from './flights.ts';
import { dataFolders, runLocally } from './local.ts';
import { isSelected, sending, sentIn } from './sinks.ts';

const SCRIPT = bundled(new URL('killed-sinks.ts', import.meta.url));
const LIMIT = 300;
const lines = readFlights(LIMIT).map((flight) => JSON.stringify(flight));

const folders = dataFolders();
afterAll(folders.remove);

const begin = (folder: string, ...killing: string[]): ChildProcess =>
  spawn(process.execPath, [SCRIPT, folder, String(LIMIT), ...killing], {
    stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
  });

/** Takes a run to its end, and returns what it sent: it must be every pane that the sinks take, in the order of its key. */
async function holdsUp(folder: string): Promise<Readonly<Record<string, number>>> {
  const { panes, tally } = await runLocally(sending(folder), lines, { dataDirectory: folder });
  expect([...tally.faults.keys()]).toEqual([]);
  const selected = panes.map((pane) => JSON.parse(pane)).filter(isSelected);
  const ids = selected.map(({ id }) => id).toSorted();
  expect(ids.length).toBeGreaterThan(100);
  const sent = await sentIn(folder);
  expect(Object.keys(sent)).toHaveLength(4);
  for (const messages of Object.values(sent)) {
    const first = new Map(messages.toReversed().map((message, at) => [message.id, { ...message, at }]));
    expect([...first.keys()].toSorted()).toEqual(ids);
    // Nothing is late among these flights, so that the windows of a key close one after the other.
    const last = new Map<string, string>();
    for (const { key, start } of [...first.values()].toSorted((a, b) => b.at - a.at)) {
      expect(start > (last.get(key) ?? '')).toBe(true);
      last.set(key, start);
    }
  }
  return Object.fromEntries(Object.entries(sent).map(([name, { length }]) => [name, length - ids.length]));
}

describe('a local run whose sinks send messages', () => {
  it('sends each pane once where nothing fails', { timeout: 60_000 }, async () => {
    expect(await holdsUp(await folders.make())).toEqual({ alerts: 0, work: 0, hop: 0, own: 0 });
  });

  it.each([
    ['before', 1, 'alerts'],
    ['after', 1, 'work'],
    ['after', 1, 'hop'],
  ])(
    'killed %s request %i of %s: sends each pane, in the order of its key',
    { timeout: 60_000 },
    async (moment, nth, sink) => {
      const folder = await folders.make();
      const [, signal] = await once(begin(folder, sink, moment, String(nth)), 'exit');
      expect(signal).toBe('SIGKILL');
      const again = await holdsUp(folder);
      // What was sent before the kill, and not noted, is sent again.
      if (moment === 'after') expect(again[sink]).toBeGreaterThan(0);
    },
  );
});

const KILLS = Number(process.env['MILLRACE_KILLS'] ?? (process.env['CI'] ? 10 : 1));

describe('a local run whose sinks send messages, killed at random moments', () => {
  it(`sends each pane, in the order of its key, after ${KILLS} kills`, { timeout: 600_000 }, async () => {
    const moments = fc.sample(fc.nat(3_000), { seed: 1, numRuns: 100 * KILLS, unbiased: true });
    for (let left = KILLS; left > 0; ) {
      const folder = await folders.make();
      while (left > 0 && (await wasKilled(folder, moments.pop() ?? 0))) left--;
      await holdsUp(folder);
    }
  });
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
