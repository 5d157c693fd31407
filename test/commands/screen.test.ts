import { expect, it, vi } from 'vitest';
import { flights } from '../../functions/flights/pipeline.ts';
import { failureOf } from '../../src/commands/run.ts';
import { asked, deliveries, lateLines, ledger, paneTable, startScreen } from '../../src/commands/screen.ts';
import type { Tally } from '../../src/commands/tally.ts';
import { Latencies } from '../../src/core/latencies.ts';
import type { PaneKind } from '../../src/core/panes.ts';
import type { EpochMillis, Millis } from '../../src/core/time.ts';
import type { GroupPane } from '../../src/engine/group/group.ts';
import { isAccountedFor } from '../../src/local/replay.ts';

const paneOf = (kind: PaneKind, results: GroupPane['results'], index?: number): GroupPane => ({
  key: 'pump',
  window: 'hourly',
  kind,
  identity: 0,
  ...(index === undefined ? {} : { index }),
  start: 0 as EpochMillis,
  end: 3_600_000 as EpochMillis,
  revision: 0,
  revisable: true,
  count: 2,
  results,
  watermark: 0 as EpochMillis,
  layout: { name: 'hourly', identity: 'start', ordered: false, epoch: 0, results: [] },
});

const linesOf = (...panes: readonly GroupPane[]): readonly string[] =>
  paneTable({ latest: () => panes } as unknown as Tally)
    .split('\n')
    .slice(1)
    .filter((line) => line.trim() !== '')
    .map((line) => line.replace(/\s+/g, ' '));

const FROM = 'pump 1970-01-01 00:00 1970-01-01 01:00 2';

const KINESIS = { service: 'Kinesis' };

it('shows panes as lines, and says of each what is out of the ordinary', () => {
  const lines = linesOf(
    paneOf('final', { mean: 1.234 }),
    paneOf('rolling', { mean: 2 }, 7),
    paneOf('late', { mean: 3 }),
    paneOf('early', { mean: Number.NaN, last: null }),
    paneOf('retracted', null),
    paneOf('empty', null),
    paneOf('running', { byGate: { A1: 2 }, all: [1, 2] }),
  );
  expect(lines).toEqual([
    `hourly ${FROM} mean 1.23`,
    `hourly 7 ${FROM} mean 2`,
    `hourly (late) ${FROM} mean 3`,
    `hourly (early) ${FROM} mean –, last –`,
    `hourly (retracted) ${FROM}`,
    `hourly (empty) ${FROM}`,
    `hourly ${FROM} byGate {"A1":2}, all [1,2]`,
  ]);
});

it('says of each window how many records it refused as late', () => {
  expect(lateLines({})).toEqual([]);
  expect(lateLines({ fiveMinutes: 1_800, hourly: 1 })).toEqual([
    '1,800 records were refused by window fiveMinutes as late',
    '1 record was refused by window hourly as late',
  ]);
});

it('says of records where each went, once', () => {
  const counted = {
    read: 6,
    children: undefined,
    resumed: 0,
    applied: 3,
    lateForAll: 1,
    late: { hourly: 2 },
    poison: 1,
    filtered: 1,
  };
  expect(
    ledger(
      { ...counted, others: 0, refused: [], poisonLines: new Map(), last: undefined, ahead: 0, open: 0 },
      KINESIS,
    ),
  ).toBe('6 records read, 3 applied, 1 late for every window, 1 poison, 1 filtered');
});

it('holds what records were expanded into against where it went, and the records themselves where they were not', () => {
  const replayed = {
    read: 2,
    children: 6,
    resumed: 0,
    applied: 3,
    lateForAll: 1,
    late: {},
    poison: 1,
    filtered: 1,
    others: 0,
    refused: [],
    poisonLines: new Map(),
    last: undefined,
    ahead: 0,
    open: 0,
  };
  expect(ledger(replayed, KINESIS)).toMatch(/^2 records read, expanded into 6, 3 applied, /);
  expect(isAccountedFor(replayed)).toBe(true);
  expect(isAccountedFor({ ...replayed, children: 7 })).toBe(false);
  expect(isAccountedFor({ ...replayed, children: 5 })).toBe(false);
  // Of what an earlier run sent it is not known how many children it had.
  expect(isAccountedFor({ ...replayed, children: 5, others: 1 })).toBe(true);
  expect(isAccountedFor({ ...replayed, children: undefined })).toBe(false);
  expect(isAccountedFor({ ...replayed, children: undefined, read: 6 })).toBe(true);
  expect(failureOf(replayed, false)).toBeUndefined();
  expect(failureOf({ ...replayed, open: 3 }, false)).toBe(
    'NOT every window has closed: 3 stay open, as the source holds records that no group has taken in.',
  );
});

it('says what a pipeline asks', () => {
  expect(asked(flights).split('\n')).toEqual([
    'Pipeline "flights": up to 0s out of order; after 6h of silence time passes by itself',
    '  lastTen     rolling, the last 10: meanDelay = mean(delay)',
    '  hourly      tumbling, 1h: flights = count, meanDelay = mean(delay), maxDelay = max(delay)',
    '  threeHours  sliding, 3h every 30m: meanDelay = mean(delay), minDelay = min(delay), maxDelay = max(delay)',
  ]);
  expect(asked(flights, 60).split('\n')[2]).toBe(
    '  hourly      tumbling, 1h: flights = count, meanDelay = me…',
  );
});

it('says how far a run is and how long it will take, where that is known, in a line every ten seconds', () => {
  vi.useFakeTimers();
  try {
    const said: string[] = [];
    const output = {
      isTTY: false,
      write: (text: string) => said.push(text),
    } as unknown as NodeJS.WriteStream;
    const delivered = { rows: 0, objects: 0, messages: new Map() };
    const tally = {
      metrics: new Map([['received', 30]]),
      late: new Map(),
      latencies: new Map(),
      faults: new Map(),
      warnings: new Set(),
      panes: 0,
      watermark: undefined,
      delivered,
      deliveredShare: 1 / 3,
    } as unknown as Tally;
    const screen = startScreen(tally, output);
    screen.sent(60, undefined);
    vi.advanceTimersByTime(10_000);
    screen.read(0.75);
    delivered.objects = 1;
    vi.advanceTimersByTime(15_000);
    screen.stop();
    vi.advanceTimersByTime(60_000);
    const [unknown = '', known = '', ...more] = said;
    expect(unknown).toMatch(/^60 sent · 30 committed/);
    // Three quarters are sent, half of them committed, and a third of those delivered; some 20 s have passed.
    expect(known).toMatch(/^█{6}░{18} 25 % · about 1m left · 60 sent/);
    expect(more).toEqual([]);
  } finally {
    vi.useRealTimers();
  }
});

it('says how long deliveries took, by sink', () => {
  const latencies = new Map([
    ['table', new Latencies()],
    ['bucket', new Latencies()],
  ] as const);
  for (let took = 1; took <= 100; took++) latencies.get('table')?.add(took as Millis);
  for (const took of [1_000, 1_250, 150_000]) latencies.get('bucket')?.add(took as Millis);
  expect(deliveries({ latencies })).toEqual([
    expect.stringMatching(/^to the table p50 (49|50|51) ms, p99 (98|99|100) ms$/),
    expect.stringMatching(/^to the bucket p50 1\.[23] s, p99 1\.[23] s$/),
  ]);
  expect(deliveries({ latencies: new Map() })).toEqual([]);
});
