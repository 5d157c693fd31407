import { spawn } from 'node:child_process';
import { on, once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { PutRecordCommand, PutRecordsCommand } from '@aws-sdk/client-kinesis';
import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { withKept } from '../../src/commands/kept.ts';
import { createTally } from '../../src/commands/tally.ts';
import { audit } from '../../src/engine/inspect/audit.ts';
import { replay } from '../../src/local/replay.ts';
import { connect, disconnect, resourceNames } from '../../src/local/resources.ts';
import { startLocal } from '../../src/local/runtime.ts';
import { startServers } from '../../src/local/servers/servers.ts';
import { createStream } from '../../src/local/sources/kinesis.ts';
import { readShard } from '../../src/local/sources/kinesis-shard.ts';
import type { Ports } from '../../src/ports/index.ts';
import { bundled } from './bundled.ts';
import { type LocalRun, runLocally } from './local.ts';
import { meters, readings } from './meters.ts';

const SCRIPT = bundled(new URL('paused.ts', import.meta.url));
const MOVED_CLOCK = new URL('moved-clock.mjs', import.meta.url).href;

const HOUR = 3_600_000;
const DAY = 24 * HOUR;

/** How a run is made to pause: by Ctrl-C, while the machine sleeps, by kill -9, or by Ctrl-Z. */
type Way = 'ended' | 'asleep' | 'killed' | 'stopped';

interface Pause {
  readonly way: Way;
  /** Once so many records were sent. */
  readonly at: number;
  readonly length: number;
}

const IN_CI = Boolean(process.env['CI']);

/** Those that take a process are few: it takes seconds to begin. */
const WAYS: readonly Way[] = IN_CI
  ? [...times(5, 'killed'), ...times(3, 'stopped'), ...times(8, 'ended'), ...times(34, 'asleep')]
  : [...times(2, 'killed'), ...times(1, 'stopped'), ...times(4, 'ended'), ...times(43, 'asleep')];

function times(count: number, way: Way): readonly Way[] {
  return Array.from({ length: count }, () => way);
}

/** Pauses of a second to an hour, in any order, at any records. */
function pausesOf(seed: number, ways: readonly Way[], records: number): readonly Pause[] {
  const shuffled = fc.shuffledSubarray([...ways], { minLength: ways.length });
  const places = fc.uniqueArray(fc.integer({ min: 1, max: records - 1 }), {
    minLength: ways.length,
    maxLength: ways.length,
  });
  const lengths = fc.array(fc.integer({ min: 1_000, max: HOUR }), {
    minLength: ways.length,
    maxLength: ways.length,
  });
  const [drawn] = fc.sample(fc.tuple(shuffled, places, lengths), { seed, numRuns: 1 });
  const [order = [], at = [], length = []] = drawn ?? [];
  at.sort((a, b) => a - b);
  return order.map((way, place) => ({ way, at: at[place] ?? 0, length: length[place] ?? 0 }));
}

const isBeside = (pause: Pause | undefined): boolean => pause?.way === 'killed' || pause?.way === 'stopped';

const machine = Date.now;
let folder: string;
let clockFile: string;
let ahead = 0;

/** Puts the clock of the machine forward, for this process and those that it began. */
function move(length: number): void {
  ahead += length;
  writeFileSync(clockFile, String(ahead));
}

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'millrace-'));
  clockFile = join(folder, 'ahead');
  ahead = 0;
  move(0);
  Date.now = () => machine() + ahead;
});
afterEach(() => {
  Date.now = machine;
  rmSync(folder, { recursive: true });
});

/** Lets a run go on in a process of its own, through some pauses, up to one that ends it. */
async function goOnBeside(
  lines: readonly string[],
  pauses: Pause[],
  speed: number | undefined,
): Promise<void> {
  const places = pauses.map(({ at }) => at).join();
  const args = [join(folder, 'data'), lines.length, speed ?? 0, places].map(String);
  const child = spawn(process.execPath, ['--import', MOVED_CLOCK, SCRIPT, ...args], {
    stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
    env: { ...process.env, MILLRACE_CLOCK_AHEAD: clockFile },
  });
  const exit = once(child, 'exit');
  for await (const _ of on(child, 'message', { close: ['exit'] })) {
    const { way, length } = pauses.shift() as Pause;
    if (way === 'killed' || way === 'ended') {
      if (way === 'killed') child.kill('SIGKILL');
      else child.send('end');
      expect(await exit).toEqual(way === 'killed' ? [null, 'SIGKILL'] : [0, null]);
      move(length);
      return;
    }
    child.kill('SIGSTOP');
    move(length);
    child.kill('SIGCONT');
  }
}

/** Lets a run go on up to the next pause that ends it, or that takes a process, or to its end. */
async function goOn(
  lines: readonly string[],
  pauses: Pause[],
  speed: number | undefined,
): Promise<LocalRun | undefined> {
  const interrupted = new AbortController();
  let ended = 0;
  let asleep: Pause[] = [];
  const onSent = (sent: number): void => {
    while (!interrupted.signal.aborted && (pauses[0]?.at ?? Number.POSITIVE_INFINITY) <= sent) {
      const { way } = pauses[0] as Pause;
      if (way === 'asleep') asleep.push(pauses.shift() as Pause);
      else {
        interrupted.abort();
        if (way === 'ended') ended = (pauses.shift() as Pause).length;
      }
    }
  };
  const sleep = (): void => {
    for (const { length } of asleep) move(length);
    asleep = [];
  };
  // The machine falls asleep while something is written.
  const decorate = (ports: Ports): Ports => ({
    ...ports,
    log: {
      ...ports.log,
      append(name, entry) {
        const appended = ports.log.append(name, entry);
        sleep();
        return appended;
      },
    },
  });
  try {
    return await runLocally(meters, lines, {
      dataDirectory: join(folder, 'data'),
      decorate,
      speed,
      timePasses: speed !== undefined,
      signal: interrupted.signal,
      onSent,
    });
  } catch (error) {
    if (!interrupted.signal.aborted) throw error;
    return undefined;
  } finally {
    sleep();
    move(ended);
  }
}

/** Lets a run be ended by Ctrl-C once it has sent so many records. */
async function interruptedRun(lines: readonly string[], at: number): Promise<void> {
  const interrupted = new AbortController();
  const run = runLocally(meters, lines, {
    dataDirectory: join(folder, 'data'),
    signal: interrupted.signal,
    onSent: (sent) => sent === at && interrupted.abort(),
  });
  await expect(run).rejects.toThrow('abort');
}

async function isClean(): Promise<void> {
  const data = join(folder, 'data');
  const { findings } = await withKept(meters, { data }, ({ ports }) => audit(ports, meters));
  expect(findings).toEqual([]);
}

/** How a run goes on, its records and how many seconds of them go to one of the clock, and what its pauses are drawn from. */
const RUNS = [
  ['as time passes', 500, 300, 2],
  ['as fast as it goes', 1_100, undefined, 1],
] as const;

describe('a local run that pauses', () => {
  it.each(RUNS.slice(0, IN_CI ? 2 : 1))(
    '50 times, %s, comes to the same panes',
    { timeout: 600_000 },
    async (_, length, speed, seed) => {
      const lines = readings(length);
      const undisturbed = await runLocally(meters, lines);
      const pauses = [...pausesOf(seed, WAYS, length)];
      let run: LocalRun | undefined;
      while (run === undefined) {
        if (isBeside(pauses[0])) await goOnBeside(lines, pauses, speed);
        else run = await goOn(lines, pauses, speed);
      }

      expect(pauses).toEqual([]);
      expect(run.panes).toEqual(undisturbed.panes);
      expect(run.rows).toEqual(undisturbed.rows);
      const { applied, late, poison } = undisturbed.replayed;
      expect(run.replayed).toMatchObject({ applied, late, poison, read: length });
      expect([...run.tally.faults.keys()]).toEqual([]);
      await isClean();
    },
  );

  it('for longer than anything is kept, loses nothing', { timeout: 120_000 }, async () => {
    const lines = readings(700);
    const undisturbed = await runLocally(meters, lines);
    await interruptedRun(lines, 600);
    move(9 * DAY);
    const run = await runLocally(meters, lines, { dataDirectory: join(folder, 'data') });
    expect(run.replayed.resumed).toBe(500);
    expect(run.panes).toEqual(undisturbed.panes);
    expect(run.rows).toEqual(undisturbed.rows);
    move(9 * DAY);
    await isClean();
  });

  it('counts no time for silence until an input has ended', { timeout: 120_000 }, async () => {
    const runtime = await startLocal({ pipeline: meters, telemetry: createTally(meters), startServers });
    const begun = runtime.clock.now();
    const times: number[] = [];
    async function* input() {
      for (const [at, line] of readings(20).entries()) {
        move(HOUR / 10);
        times.push(runtime.clock.now());
        yield { line: at + 1, data: Buffer.from(line), length: line.length };
      }
    }
    try {
      await replay(runtime, { input: input(), speed: 100 });
      expect(new Set(times)).toEqual(new Set([begun]));
    } finally {
      await runtime.close();
    }
  });

  it('has nothing that waits for long, however long it is since it ended', { timeout: 120_000 }, async () => {
    const interrupted = new AbortController();
    const decorate = (ports: Ports): Ports => ({
      ...ports,
      rows: {
        async put() {
          interrupted.abort();
          throw new Error('Cannot write rows in this test');
        },
      },
    });
    const dataDirectory = join(folder, 'data');
    const run = runLocally(meters, readings(10), { dataDirectory, decorate, signal: interrupted.signal });
    await expect(run).rejects.toThrow('abort');
    move(HOUR);
    const report = await withKept(meters, { data: dataDirectory }, ({ ports }) => audit(ports, meters));
    expect(report.projectors[0]?.entries).toBeGreaterThan(0);
    expect(report.findings).toEqual([]);
  });

  it('goes on at its speed from the last record that was sent', { timeout: 120_000 }, async () => {
    const lines = readings(30);
    const dataDirectory = join(folder, 'data');
    await runLocally(meters, lines, { dataDirectory });
    // At this speed the records would take half a year.
    const { replayed } = await runLocally(meters, lines, { dataDirectory, speed: 1e-6 });
    expect(replayed).toMatchObject({ read: 30, resumed: 30 });
  });

  it('takes in what is measured now, however far its own clock is behind', { timeout: 120_000 }, async () => {
    const lines = readings(10);
    const dataDirectory = join(folder, 'data');
    await runLocally(meters, lines, { dataDirectory });
    move(7 * DAY);
    const measured = [0, 2 * HOUR].map((length) =>
      JSON.stringify({ meter: 'new', at: new Date(Date.now() + length).toISOString(), watts: 1 }),
    );
    const { replayed } = await runLocally(meters, [...lines, ...measured], { dataDirectory });
    expect(replayed).toMatchObject({ applied: 11, poison: 1 });
  });

  it('closes no window of what was put just before', { timeout: 120_000 }, async () => {
    const runtime = await startLocal({ pipeline: meters, telemetry: createTally(meters), startServers });
    try {
      runtime.clock.start();
      const feed = await runtime.source.openFeed();
      await feed.send('meter 0', Buffer.from(readings(1)[0] ?? ''));
      await feed.flush();
      await feed.handled();
      move(HOUR);
      expect(await runtime.stages[0].sweep(0)).toMatchObject({ open: 2, panes: 0 });
      expect(await runtime.stages[0].sweep(HOUR)).toMatchObject({ open: 0 });
    } finally {
      await runtime.close();
    }
  });
});

describe('a shard of the local stream', () => {
  it('is read on after an hour, after a week, and where the clock was put back', async () => {
    const servers = await startServers({});
    const { kinesis, ...others } = connect(servers.endpoints);
    try {
      const { stream } = resourceNames(meters);
      await createStream(kinesis, stream);
      const put = (PartitionKey: string) =>
        kinesis.send(
          new PutRecordCommand({
            StreamName: stream,
            PartitionKey,
            ExplicitHashKey: '0',
            Data: new Uint8Array(1),
          }),
        );
      await put('first');
      const pages = readShard(kinesis, stream, 'shardId-000000000000', 1);
      const next = async () => (await pages.next()).value?.map(({ PartitionKey }) => PartitionKey);
      expect(await next()).toEqual(['first']);
      for (const length of [HOUR, 7 * DAY, 1_000 * DAY, -HOUR]) {
        move(length);
        await put(`after ${length}`);
        expect(await next()).toEqual([`after ${length}`]);
        expect(await next()).toEqual([]);
      }
      expect((await readShard(kinesis, stream, 'shardId-000000000000').next()).value).toHaveLength(5);
    } finally {
      disconnect({ kinesis, ...others });
      await servers.close();
    }
  });

  it('is on a server that hangs up on nobody', async () => {
    const servers = await startServers({});
    for (const endpoint of Object.values(servers.endpoints)) {
      // A server that would says after how many seconds.
      expect((await fetch(endpoint)).headers.get('keep-alive')).toBeNull();
    }
    await servers.close();
  });

  it('is given each record once, however late it answers', async () => {
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
    const asked: ServerResponse[] = [];
    const server = createServer((request, response) => {
      request.resume().on('end', () => asked.push(response) && server.emit('asked'));
    });
    await once(server.listen(0, '127.0.0.1'), 'listening');
    const kinesis = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
    const clients = connect({ kinesis, dynamodb: kinesis, s3: kinesis });
    try {
      const isAsked = once(server, 'asked');
      const records = [{ PartitionKey: 'a', Data: new Uint8Array(1) }];
      const put = clients.kinesis.send(new PutRecordsCommand({ StreamName: 'meters', Records: records }));
      await isAsked;
      await vi.advanceTimersByTimeAsync(HOUR);
      for (const response of asked) response.end('{"FailedRecordCount":0,"Records":[]}');
      await put;
      expect(asked).toHaveLength(1);
    } finally {
      vi.useRealTimers();
      disconnect(clients);
      server.close();
    }
  });
});
