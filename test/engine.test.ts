import { createHash } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { CodecError } from '../src/core/codec.ts';
import { type EpochMillis, isoTime, millis } from '../src/core/time.ts';
import { decodeGroup, decodePanes } from '../src/engine/entry.ts';
import { holdGroups } from '../src/engine/groups.ts';
import { groupOf } from '../src/engine/key-group.ts';
import { processBatch } from '../src/engine/process-batch.ts';
import {
  bucket,
  collect,
  count,
  definePipeline,
  kinesis,
  last,
  max,
  mean,
  type Pipeline,
  rolling,
  sliding,
  table,
  tumbling,
} from '../src/index.ts';
import { ENTRY_LIFETIME, type LogEntry, LogLostError, MAX_BODY_BYTES } from '../src/ports/commit-log.ts';
import type { Ports } from '../src/ports/index.ts';
import { groupLog, objectsLog } from '../src/wiring/names.ts';
import { at, NOON, type Reading, Scene } from './support/engine-scene.ts';

/** Two machines of one key group, and one of another. */
const PUMP = 'pump';
const LATHE = 'lathe';
const OVEN = 'oven';

/** Minutes, no disorder allowed for, silence after a minute. */
const minutes = definePipeline('readings', kinesis<Reading>(), {
  key: ({ machine }) => machine,
  eventTime: (reading) => reading.at,
  windows: { minute: tumbling({ size: '1m' }, { mean: mean('celsius'), n: count() }) },
}).to(table(), bucket());

/** Text that no compression makes smaller. */
const noise = (bytes: number, seed: string): string =>
  Array.from({ length: Math.ceil(bytes / 43) }, (_, part) =>
    createHash('sha256').update(`${seed}/${part}`).digest('base64url'),
  ).join('');

describe('taking a batch in', () => {
  it('makes no commit of an empty batch, and is done', async () => {
    const scene = new Scene(minutes);
    expect(await scene.process([])).toBeUndefined();
    expect(scene.ports.log.logs.size).toBe(0);
  });

  //  12:00      12:01      12:02
  //    10  30      50
  //  [----------)                    -> mean 20
  it('emits a window once the watermark passes its end', async () => {
    const scene = new Scene(minutes);
    await scene.process([
      scene.put(PUMP, at(0, 10), 10),
      scene.put(PUMP, at(0, 40), 30),
      scene.put(PUMP, at(1, 5), 50),
    ]);
    expect(scene.emitted()).toEqual(['pump 12:00:00 0 {"mean":20,"n":2}']);
  });

  it('commits the records of each key group with one append', async () => {
    const scene = new Scene(minutes);
    const batch = [PUMP, OVEN, LATHE, OVEN, PUMP].map((machine, n) => scene.put(machine, at(0, n)));
    expect(await scene.process(batch)).toBeUndefined();
    expect(scene.entriesOf(LATHE)).toBe(scene.entriesOf(PUMP));
    expect([PUMP, OVEN].map((machine) => scene.entriesOf(machine).length)).toEqual([1, 1]);
    expect(scene.ports.telemetry.counted).toMatchObject({ received: 5, applied: 5, conflicts: 0 });
  });

  it('drops the records that it holds already, and counts them', async () => {
    const scene = new Scene(minutes);
    const batch = [scene.put(PUMP, at(0, 10), 10), scene.put(PUMP, at(1, 10), 20)];
    await scene.process(batch);
    const third = scene.put(PUMP, at(1, 20), 40);
    expect(await scene.process([...batch, third])).toBeUndefined();
    await scene.process([scene.put(PUMP, at(2, 0), 0)]);
    expect(scene.emitted()).toEqual([
      'pump 12:00:00 0 {"mean":10,"n":1}',
      'pump 12:01:00 0 {"mean":30,"n":2}',
    ]);
    expect(scene.ports.telemetry.counted).toMatchObject({ received: 6, applied: 4, duplicate: 2 });
  });

  it('keeps the position in each shard of a batch from several', async () => {
    const scene = new Scene(minutes);
    const batch = [0, 1, 0, 1, 0].map((shard, n) => scene.put(PUMP, at(0, n), n, shard));
    await scene.process(batch);
    await scene.process([...batch, scene.put(PUMP, at(1, 10), 20, 1)]);
    expect(scene.ports.telemetry.counted).toMatchObject({ applied: 6, duplicate: 5 });
  });

  it('adopts the entry of a writer that was first, and folds its own records onto it', async () => {
    const scene = new Scene(minutes);
    const ours = [scene.put(PUMP, at(0, 10), 10), scene.put(PUMP, at(1, 10), 50)];
    const theirs = [scene.put(LATHE, at(0, 20), 30, 1)];
    let raced = false;
    const late = scene.through(async (call, _, carryOut) => {
      if (call === 'log.append' && !raced) {
        raced = true;
        // Another handler takes in the same records, in a batch cut elsewhere, and another shard's.
        await scene.process(ours.slice(0, 1));
        await scene.process(theirs);
      }
      return carryOut();
    });
    expect(await scene.process(ours, late)).toBeUndefined();
    const entries = scene.entriesOf(PUMP);
    expect(entries).toHaveLength(3);
    const group = decodeGroup(minutes, entries.at(-1) as LogEntry);
    expect([...group.keys.keys()]).toEqual([PUMP, LATHE]);
    expect(scene.emitted()).toEqual(['pump 12:00:00 0 {"mean":10,"n":1}']);
    expect(scene.ports.telemetry.counted).toMatchObject({ applied: 3, duplicate: 1, conflicts: 1 });
  });

  it('asks for a batch again where the answer to an append is lost, and finds that it was the one', async () => {
    const scene = new Scene(minutes);
    const batch = [scene.put(PUMP, at(0, 10), 10), scene.put(PUMP, at(1, 10), 50)];
    const deaf = scene.through(async (call, _, carryOut) => {
      const answer = await carryOut();
      if (call === 'log.append') throw new Error('connection reset');
      return answer;
    });
    expect(await scene.process(batch, deaf)).toBe(batch[0]);
    expect(await scene.process(batch)).toBeUndefined();
    expect(scene.entriesOf(PUMP)).toHaveLength(1);
    expect(scene.ports.telemetry.counted).toMatchObject({ applied: 0, duplicate: 2 });
  });

  it('begins no append at the deadline, and names the first record', async () => {
    const scene = new Scene(minutes);
    const batch = [scene.put(PUMP, at(0, 10)), scene.put(OVEN, at(0, 11))];
    expect(await scene.process(batch, scene.ports, scene.ports.clock.now())).toBe(batch[0]);
    expect(scene.ports.log.logs.size).toBe(0);

    const slow = scene.through((call, _, carryOut) => {
      if (call === 'log.latest') scene.ports.clock.pass(millis('50s'));
      return carryOut();
    });
    expect(await scene.process(batch, slow, at(0, 50))).toBe(batch[0]);
    expect(scene.ports.log.logs.size).toBe(0);
  });

  it('names the lowest record that is not in, though later ones are', async () => {
    const scene = new Scene(minutes);
    const batch = [PUMP, OVEN, LATHE, OVEN, PUMP].map((machine, n) => scene.put(machine, at(0, n)));
    const oven = groupLog('readings', groupOf(OVEN, 4));
    const partly = scene.refusing((call, name) => call === 'log.append' && name === oven);
    expect(await scene.process(batch, partly)).toBe(batch[1]);
    expect(scene.entriesOf(PUMP)).toHaveLength(1);
    expect(await scene.process(batch.slice(1))).toBeUndefined();
    expect(scene.ports.telemetry.counted).toMatchObject({ applied: 5, duplicate: 2 });
  });

  it('fails closed when the entries of a group are gone', async () => {
    const scene = new Scene(minutes);
    await scene.process([scene.put(PUMP, at(0))]);
    scene.ports.log.expire((NOON + ENTRY_LIFETIME) as EpochMillis);
    const next = scene.put(PUMP, at(5));
    expect(await scene.process([next])).toBe(next);
    expect(scene.ports.telemetry.faults.at(-1)?.cause).toBeInstanceOf(LogLostError);
  });
});

describe('how far the source is committed', () => {
  it('is noted when a batch is wholly committed, to the last record, though that was filtered', async () => {
    const scene = new Scene({ ...minutes, filter: (reading) => (reading as Reading).celsius < 1_000 });
    const batch = [scene.put(PUMP, at(0, 1)), scene.put(PUMP, at(0, 2), 9_999)];
    expect(await scene.process(batch)).toBeUndefined();
    expect(await scene.ports.progress.read(batch[0]?.lineage ?? '')).toBe('2');
    expect(scene.ports.telemetry.counted).toMatchObject({ received: 2, applied: 1, filtered: 1 });
  });

  it('is not noted when any record is not committed', async () => {
    const scene = new Scene(minutes);
    const batch = [scene.put(PUMP, at(0, 1)), scene.put(OVEN, at(0, 2))];
    const pump = groupLog('readings', groupOf(PUMP, 4));
    await scene.process(
      batch,
      scene.refusing((call, name) => call === 'log.append' && name === pump),
    );
    expect(await scene.ports.progress.read(batch[0]?.lineage ?? '')).toBeUndefined();
  });

  it('is noted by asking for the last record again where noting it failed', async () => {
    const scene = new Scene(minutes);
    const batch = [scene.put(PUMP, at(0, 1)), scene.put(PUMP, at(0, 2))];
    expect(
      await scene.process(
        batch,
        scene.refusing((call) => call === 'progress.note'),
      ),
    ).toBe(batch[1]);
    expect(await scene.process(batch.slice(1))).toBeUndefined();
    // Nothing waits, so that silence is silence.
    expect(await scene.sweepAt(at(10))).toMatchObject({ panes: 1, now: at(9, 50) });
  });
});

describe('a record that is refused', () => {
  it('is kept before the commit that moves past it, and the rest goes on', async () => {
    const scene = new Scene(minutes);
    const batch = [
      scene.put(PUMP, at(0, 10), 10),
      scene.putText('{"machine": "pump", ', at(0, 20)),
      scene.put(PUMP, at(1, 10), 50),
    ];
    const calls: string[] = [];
    const watched = scene.through((call, name, carryOut) => {
      if (call === 'objects.create' || call === 'log.append') calls.push(`${call} ${name}`);
      return carryOut();
    });
    expect(await scene.process(batch, watched)).toBeUndefined();
    const name = 'poison/readings/shardId-000000000000/2';
    expect(calls).toEqual([`objects.create ${name}`, `log.append ${groupLog('readings', groupOf(PUMP, 4))}`]);
    expect(Buffer.from(scene.ports.objects.stored.get(name)?.body ?? []).toString()).toBe(
      '{"machine": "pump", ',
    );
    expect(scene.ports.objects.stored.get(name)?.metadata?.['code']).toBe('not-json');
    expect(scene.emitted()).toEqual(['pump 12:00:00 0 {"mean":10,"n":1}']);
    expect(scene.ports.telemetry.counted).toMatchObject({ applied: 2, poison: 1 });
  });

  it('is not moved past while it cannot be kept', async () => {
    const scene = new Scene(minutes);
    const batch = [
      scene.put(OVEN, at(0, 5)),
      scene.put(PUMP, at(0, 10)),
      scene.putText('?', at(0, 20)),
      scene.put(PUMP, at(0, 30)),
    ];
    const full = scene.refusing((call) => call === 'objects.create');
    expect(await scene.process(batch, full)).toBe(batch[1]);
    expect(scene.entriesOf(PUMP)).toEqual([]);
    expect(scene.entriesOf(OVEN)).toHaveLength(1);
    expect(await scene.process(batch.slice(1))).toBeUndefined();
    expect(scene.ports.objects.stored.size).toBe(1);
  });

  it('is kept once, however often it comes', async () => {
    const scene = new Scene(minutes);
    const batch = [scene.putText('?', at(0, 20))];
    await scene.process(
      batch,
      scene.refusing((call) => call === 'log.append'),
    );
    await scene.process(batch);
    expect(scene.ports.objects.stored.size).toBe(1);
    expect(scene.ports.telemetry.counted.poison).toBe(1);
  });

  it('does not wait for others, so that a batch of nothing else is done in time', async () => {
    const scene = new Scene(minutes);
    const batch = Array.from({ length: 1_000 }, (_, n) => scene.putText('?', at(0, n)));
    let turns = 0;
    const waiting: (() => void)[] = [];
    const distant = scene.through(async (call, _, carryOut) => {
      if (call === 'objects.create') {
        // Whatever is asked for at once is answered at once.
        if (waiting.length === 0) {
          setImmediate(() => {
            turns++;
            for (const answer of waiting.splice(0)) answer();
          });
        }
        await new Promise<void>((answer) => waiting.push(answer));
      }
      return carryOut();
    });
    expect(await scene.process(batch, distant)).toBeUndefined();
    expect(scene.ports.objects.stored.size).toBe(1_000);
    expect(turns).toBeLessThan(100);
  });

  it('is kept with its reason though that is cut inside of a character', async () => {
    const scene = new Scene(minutes);
    const thermometers = '\u{1f321}'.repeat(400);
    const batch = ['', ' '].map((pad) =>
      scene.putText(JSON.stringify({ machine: PUMP, at: pad + thermometers }), at(0, 20)),
    );
    expect(await scene.process(batch)).toBeUndefined();
    expect(scene.ports.objects.stored.size).toBe(2);
  });
});

describe('an entry that would be too large', () => {
  const notes = definePipeline('readings', kinesis<Reading>(), {
    key: ({ machine }) => machine,
    eventTime: (reading) => reading.at,
    windows: { lastNote: rolling({ count: 1 }, { note: last((reading) => reading.note ?? '') }) },
  }).to(bucket());

  it('becomes several, one after the other', async () => {
    const scene = new Scene(notes);
    const batch = Array.from({ length: 9 }, (_, n) =>
      scene.put(PUMP, at(0, n), 20, 0, { note: noise(100_000, String(n)) }),
    );
    expect(await scene.process(batch)).toBeUndefined();
    const entries = scene.entriesOf(PUMP);
    expect(entries.length).toBeGreaterThan(1);
    expect(entries.length).toBeLessThan(9);
    expect(Math.max(...entries.map(({ body }) => body.length))).toBeLessThanOrEqual(MAX_BODY_BYTES);
    const emitted = entries.flatMap((entry) => decodePanes(entry).map(({ index }) => index));
    expect(emitted).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8]);
    expect(scene.ports.telemetry.counted).toMatchObject({ applied: 9, duplicate: 0, panes: 9 });
  });

  it('even of one record alone is made without it: it is kept with the reason, and holds up no other', async () => {
    const scene = new Scene(notes);
    const batch = [
      scene.put(PUMP, at(0, 1), 20, 0, { note: 'small' }),
      scene.put(OVEN, at(0, 2), 20, 0, { note: 'small' }),
      scene.put(PUMP, at(0, 3), 20, 0, { note: noise(600_000, 'large') }),
      scene.put(OVEN, at(0, 4), 20, 0, { note: 'small' }),
      scene.put(PUMP, at(0, 5), 20, 0, { note: 'small' }),
    ];
    expect(await scene.process(batch)).toBeUndefined();
    expect(scene.ports.telemetry.counted).toMatchObject({ applied: 4, poison: 1 });
    const [kept] = scene.ports.objects.stored.values();
    expect(kept?.body).toEqual(Uint8Array.from(batch[2]?.data ?? []));
    expect(kept?.metadata?.['code']).toBe('no-room');
    expect(decodeURIComponent(kept?.metadata?.['reason'] ?? '')).toMatch(
      /^Cannot commit one record as an entry must be <= 390000 bytes: it is \d+/,
    );
  });

  it.each([
    // 70 megabytes that deflate to a 200th, where 64 are read.
    ['text', (celsius: number) => `${celsius}${'a'.repeat(10_000_000)}`],
    // As much in numbers that take up next to nothing.
    ['numbers', (celsius: number) => new Array<number>(1_250_000).fill(celsius)],
  ])('to be read again is not written, however small it deflates: %s', async (_, large) => {
    const scene = new Scene(
      definePipeline('readings', kinesis<Reading>(), {
        key: ({ machine }) => machine,
        eventTime: (reading) => reading.at,
        windows: { recent: rolling({ count: 9 }, { note: last(({ celsius }) => large(celsius)) }) },
      }).to(bucket()),
    );
    const batch = Array.from({ length: 8 }, (_, n) => scene.put(PUMP, at(0, n), n));
    expect(await scene.process(batch)).toBeUndefined();
    const group = decodeGroup(scene.pipeline, scene.entriesOf(PUMP).at(-1) as LogEntry);
    expect(group.counters).toMatchObject({ applied: 6, poison: 2 });
  });

  const collecting = definePipeline('readings', kinesis<Reading>(), {
    key: ({ machine }) => machine,
    eventTime: (reading) => reading.at,
    windows: { ten: sliding({ size: '10m', slide: '1m' }, { all: collect('celsius', { limit: 10_000 }) }) },
  }).to(bucket());

  it('with the panes of many silent keys becomes several', async () => {
    const scene = new Scene(collecting);
    // 33 KB a pane: more than deflate looks back, so that no pane costs less for being like the one before.
    const keys = [PUMP, LATHE];
    const batch = keys.flatMap((key, k) =>
      Array.from({ length: 5_400 }, (_, n) =>
        scene.put(key, (NOON + n) as EpochMillis, Math.sqrt(2 * n + k)),
      ),
    );
    await scene.process(batch);
    const before = scene.entriesOf(PUMP).length;
    expect(await scene.sweepAt(at(30))).toMatchObject({ open: 0, panes: 10 * keys.length });
    const entries = scene.entriesOf(PUMP).slice(before);
    expect(entries.length).toBeGreaterThan(1);
    expect(Math.max(...entries.map(({ body }) => body.length))).toBeLessThanOrEqual(MAX_BODY_BYTES);
    const windows = entries.flatMap((entry) => decodePanes(entry).map(({ key, start }) => `${key} ${start}`));
    expect(new Set(windows).size).toBe(10 * keys.length);
    expect(windows).toHaveLength(10 * keys.length);
  });

  it('with the panes of one silent key says so', async () => {
    const scene = new Scene(collecting);
    const batch = Array.from({ length: 7_000 }, (_, n) =>
      scene.put(PUMP, (NOON + n) as EpochMillis, Math.sqrt(n)),
    );
    await scene.process([...batch, scene.put(OVEN, at(0))]);
    await expect(scene.sweepAt(at(30))).rejects.toThrow(/^Cannot commit the panes of one key/);
    // The other group's windows are closed nevertheless.
    expect(scene.emitted().filter((pane) => pane.startsWith(OVEN))).toHaveLength(10);
  });
});

describe('silence', () => {
  it('closes windows at the speed of the clock', async () => {
    const scene = new Scene(minutes);
    await scene.process([scene.put(PUMP, at(0, 30))]);
    // Silent from 12:01:30 on, so that event time reaches 12:01 at 12:02; the clock is trusted to 10 seconds.
    expect(await scene.sweepAt(at(2, 9))).toMatchObject({ open: 1, panes: 0, now: at(1, 59) });
    expect(await scene.sweepAt(at(2, 10))).toMatchObject({ open: 0, panes: 1, now: at(2) });
    expect(scene.emitted()).toEqual(['pump 12:00:00 0 {"mean":20,"n":1}']);
  });

  it('is counted no further than the first record that waits', async () => {
    const scene = new Scene(minutes);
    await scene.process([scene.put(PUMP, at(0, 30))]);
    // Of another machine, on another shard: the pump's next reading may be right behind.
    const waiting = scene.put(OVEN, at(1, 50), 20, 1);
    expect(await scene.sweepAt(at(60))).toMatchObject({ panes: 0, now: at(1, 40) });
    await scene.process([waiting]);
    expect(await scene.sweepAt(at(60))).toMatchObject({ panes: 2, now: at(59, 50) });
  });

  it('is not counted where it cannot be told what waits', async () => {
    const scene = new Scene(minutes);
    await scene.process([scene.put(PUMP, at(0, 30))]);
    const blind: Ports = { ...scene.ports, arrivals: { frontier: async () => undefined } };
    expect(await scene.sweepAt(at(60), blind)).toEqual({ open: 1, panes: 0, now: undefined });
    expect(scene.entriesOf(PUMP)).toHaveLength(1);
  });

  it('gives the panes that the next record would have given', async () => {
    const [swept, unswept] = [new Scene(minutes), new Scene(minutes)];
    for (const scene of [swept, unswept]) await scene.process([scene.put(PUMP, at(0, 30), 10)]);
    await swept.sweepAt(at(20));
    for (const scene of [swept, unswept]) {
      await scene.process([scene.put(PUMP, at(30), 20), scene.put(PUMP, at(31), 30)]);
    }
    expect(swept.emitted()).toEqual(unswept.emitted());
    expect(swept.emitted()).toHaveLength(2);
  });

  it('commits nothing when nothing happens', async () => {
    const scene = new Scene(minutes);
    await scene.process([scene.put(PUMP, at(0, 30)), scene.put(OVEN, at(0, 31))]);
    await scene.sweepAt(at(5));
    const before = scene.entriesOf(PUMP).length;
    for (let minute = 6; minute < 20; minute++) await scene.sweepAt(at(minute));
    expect(scene.entriesOf(PUMP)).toHaveLength(before);
    expect([...scene.ports.log.logs.keys()]).toHaveLength(2);
  });

  it('leaves to the next sweep what it lost to another writer', async () => {
    const scene = new Scene(minutes);
    await scene.process([scene.put(PUMP, at(0, 30), 10)]);
    let raced = false;
    const slow = scene.through(async (call, _, carryOut) => {
      if (call === 'log.append' && !raced) {
        raced = true;
        await scene.process([scene.put(LATHE, at(1, 40), 20, 1)]);
      }
      return carryOut();
    });
    expect(await scene.sweepAt(at(10), slow)).toMatchObject({ panes: 0, open: 1 });
    await scene.sweepAt(at(10));
    expect(scene.emitted()).toHaveLength(2);
  });

  it('of a group that cannot be read keeps no other open', async () => {
    const scene = new Scene(minutes);
    await scene.process([scene.put(PUMP, at(0, 30)), scene.put(OVEN, at(0, 30))]);
    const pump = groupLog('readings', groupOf(PUMP, 4));
    const broken = scene.through(async (_, name, carryOut) => {
      if (name === pump) throw new Error('lost');
      // The others take longer to say anything.
      for (let turn = 0; turn < 100; turn++) await Promise.resolve();
      return carryOut();
    });
    await expect(scene.sweepAt(at(10), broken)).rejects.toThrow('lost');
    expect(scene.emitted()).toEqual(['oven 12:00:00 0 {"mean":20,"n":1}']);
  });
});

describe('a key that may be forgotten', () => {
  const hour = definePipeline('readings', kinesis<Reading>(), {
    key: ({ machine }) => machine,
    eventTime: (reading) => reading.at,
    maxLateness: '1h',
    windows: { minute: tumbling({ size: '1m' }, { n: count() }) },
  }).to(bucket());

  it.each([true, false])('takes its next record in the same way, swept before (%s) or not', async (swept) => {
    const scene = new Scene(hour);
    await scene.process([scene.put(PUMP, at(0))]);
    if (swept) await scene.sweepAt(at(120));
    // Ten minutes under way: late for a key that is remembered, the first of a key that is not.
    const delayed = JSON.stringify({ machine: PUMP, at: at(170), celsius: 20 });
    await scene.process([scene.putText(delayed, at(180))]);
    expect(scene.ports.telemetry.counted).toMatchObject({ applied: 2, late: 0 });
  });
});

describe('what must not expire', () => {
  const days = (n: number): EpochMillis => at(n * 24 * 60);

  it('is appended anew by the sweeper once it is a quarter of its life old', async () => {
    const scene = new Scene(
      definePipeline('readings', kinesis<Reading>(), {
        key: ({ machine }) => machine,
        eventTime: (reading) => reading.at,
        windows: { lastTwo: rolling({ count: 2 }, { mean: mean('celsius') }) },
      }).to(bucket()),
    );
    const first = scene.put(PUMP, at(0), 10);
    await scene.process([first]);
    await scene.project();
    await scene.sweepAt(days(1));
    expect(scene.entriesOf(PUMP)).toHaveLength(1);

    for (let day = 2; day <= 30; day++) {
      await scene.sweepAt(days(day));
      await scene.project();
      scene.ports.log.expire(days(day));
    }
    expect(scene.entriesOf(PUMP).length).toBeLessThanOrEqual(4);
    // The position and the window are still there, and the projector's cursor.
    await scene.process([first, scene.put(PUMP, days(30), 30)]);
    await scene.project();
    expect(scene.lines().map(({ index, results }) => ({ index, ...results }))).toEqual([
      { index: 0, mean: 10 },
      { index: 1, mean: 20 },
    ]);
    expect(scene.ports.telemetry.counted).toMatchObject({ applied: 2, duplicate: 1 });
  });

  it('stops a projector that had begun when it has expired, though it had delivered nothing', async () => {
    const scene = new Scene(minutes);
    await scene.project();
    for (let minute = 0; minute < 5; minute++) await scene.process([scene.put(PUMP, at(minute))]);
    scene.ports.log.expire((at(2) + ENTRY_LIFETIME) as EpochMillis);
    await expect(scene.project()).rejects.toThrow(LogLostError);
    expect(scene.lines()).toEqual([]);
  });

  it('is not missed by a projector that begins later', async () => {
    const scene = new Scene(minutes);
    for (let minute = 0; minute < 5; minute++) await scene.process([scene.put(PUMP, at(minute))]);
    scene.ports.log.expire((at(2) + ENTRY_LIFETIME) as EpochMillis);
    await scene.project();
    expect(scene.lines().map(({ start }) => start)).toEqual([isoTime(at(2)), isoTime(at(3))]);
  });
});

describe('a change of definition', () => {
  const define = (windows: { readonly [name: string]: '1m' | '2m' }, more: object = {}) =>
    definePipeline('readings', kinesis<Reading>(), {
      key: ({ machine }) => machine,
      eventTime: (reading) => reading.at,
      ...more,
      windows: {
        lastTwo: rolling({ count: 2 }, { mean: mean('celsius') }),
        ...Object.fromEntries(
          Object.entries(windows).map(([name, size]) => [
            name,
            tumbling({ size }, { max: max<Reading>('celsius') }),
          ]),
        ),
      },
    }).to(bucket());

  it('begins a window that is new without state, and leaves the others theirs', async () => {
    const scene = new Scene(define({ hottest: '1m' }));
    await scene.process([scene.put(PUMP, at(0, 10), 10)]);
    const entry = scene.entriesOf(PUMP)[0] as LogEntry;
    const stored = (pipeline: Pipeline) => decodeGroup(pipeline, entry).keys.get(PUMP)?.windows;
    const [lastTwo, hottest] = stored(define({ hottest: '1m' })) ?? [];
    expect([lastTwo, hottest].map((tables) => tables?.some(({ rows }) => rows > 0))).toEqual([true, true]);
    expect(stored(define({ hottestOfTwo: '2m' }))).toEqual([lastTwo, undefined]);
    expect(stored(define({ hottestOfTwo: '2m', hottest: '1m' }))).toEqual([lastTwo, undefined, hottest]);
  });

  it('keeps the positions and the watermark', async () => {
    const scene = new Scene(define({ hottest: '1m' }));
    const first = scene.put(PUMP, at(0, 50), 10);
    await scene.process([first]);
    const next = [first, scene.put(PUMP, at(1, 10), 30), scene.put(PUMP, at(2, 10), 20)];
    await processBatch(scene.ports, define({ hottestOfTwo: '2m' }), next, at(1e6));
    expect(scene.emitted()).toEqual([
      'pump 12:00:50 0 {"mean":10}',
      'pump 12:00:50 0 {"mean":20}',
      'pump 12:01:10 0 {"mean":25}',
      // Without the first record: it came before the window was defined.
      'pump 12:00:00 0 {"max":30}',
    ]);
  });

  it.each([
    ['another size', define({ hottest: '2m' })],
    ['another lateness', define({ hottest: '1m' }, { allowedLateness: '5m' })],
  ])('of a window under its name, to %s, is refused: its panes would be confused', async (_, changed) => {
    const scene = new Scene(define({ hottest: '1m' }));
    await scene.process([scene.put(PUMP, at(0, 50), 10)]);
    const next = scene.put(PUMP, at(1, 10), 30);
    expect(await processBatch(scene.ports, changed, [next], at(1e6))).toBe(next);
    expect(scene.ports.telemetry.faults[0]?.cause).toMatchObject({
      message: expect.stringMatching(
        /^Cannot go on with window "hottest" as a window must keep its definition, or get another name/,
      ),
    });
  });

  it('of the number of key groups is refused: keys would change their logs', async () => {
    const scene = new Scene(define({ hottest: '1m' }));
    await holdGroups(scene.ports, scene.pipeline);
    await holdGroups(scene.ports, scene.pipeline);
    await expect(holdGroups(scene.ports, define({ hottest: '1m' }, { groups: 8 }))).rejects.toThrow(
      'Cannot go on as a pipeline must keep its number of key groups: "readings" was begun with 4 and is defined with 8; give it groups: 4',
    );
  });

  it('is refused by code that is older than the entry', async () => {
    const scene = new Scene(minutes);
    await scene.process([scene.put(PUMP, at(0, 10))]);
    const [entry] = scene.entriesOf(PUMP);
    const newer = Uint8Array.from(entry?.body ?? []);
    newer[0] = 3;
    await scene.ports.log.append(groupLog('readings', groupOf(PUMP, 4)), {
      ordinal: 2,
      committedAt: at(0, 11),
      body: newer,
    });
    const next = scene.put(PUMP, at(0, 20));
    expect(await scene.process([next])).toBe(next);
    expect(scene.entriesOf(PUMP)).toHaveLength(2);
    expect(scene.ports.telemetry.faults[0]?.cause).toEqual(
      new CodecError('Cannot read an entry of version 3: this code reads version 2'),
    );
  });
});

describe('projecting', () => {
  const hours = definePipeline('readings', kinesis<Reading>(), {
    key: ({ machine }) => machine,
    eventTime: (reading) => reading.at,
    allowedLateness: '12h',
    windows: { hour: tumbling({ size: '1h' }, { n: count() }) },
  }).to(table(), bucket());

  it('writes each pane to one object, by the last hour inside its window, and each closed window to a row', async () => {
    const scene = new Scene(hours);
    await scene.process([scene.put(PUMP, at(10)), scene.put(PUMP, at(70)), scene.put(PUMP, at(130))]);
    await scene.project();
    await scene.project();
    expect([...scene.ports.objects.stored.keys()]).toEqual([
      'panes/pipeline=readings/date=2026-01-05/hour=12/1-000000000002.ndjson.gz',
      'panes/pipeline=readings/date=2026-01-05/hour=13/1-000000000002.ndjson.gz',
    ]);
    expect(scene.lines().map(({ id }) => id)).toEqual([
      'readings/pump/hour/2026-01-05T12:00:00.000Z/0',
      'readings/pump/hour/2026-01-05T13:00:00.000Z/0',
    ]);
    expect(scene.row(PUMP, 'hour#2026-01-05T12:00:00.000Z')).toEqual({ n: 1 });
    expect(scene.row(PUMP, 'hour#latest')).toEqual({ n: 1 });
  });

  it('carries out what another projector decided and did not finish, and doubles nothing', async () => {
    const scene = new Scene(hours);
    await scene.process([0, 1, 2, 3].map((hour) => scene.put(PUMP, at(60 * hour))));
    const created: string[] = [];
    const dying = scene.through(async (call, name, carryOut) => {
      if (call === 'objects.create' && created.push(name) > 1) throw new Error('out of time');
      return carryOut();
    });
    await expect(scene.project(dying)).rejects.toThrow('out of time');
    expect(scene.ports.log.logs.get(objectsLog('readings'))).toHaveLength(2);
    expect(scene.lines()).toHaveLength(1);

    // What is committed since goes to the next objects, not to those that are decided.
    await scene.process([scene.put(PUMP, at(240))]);
    await scene.project();
    expect(scene.lines().map(({ id }) => id.slice(-26))).toEqual([
      '2026-01-05T12:00:00.000Z/0',
      '2026-01-05T13:00:00.000Z/0',
      '2026-01-05T14:00:00.000Z/0',
      '2026-01-05T15:00:00.000Z/0',
    ]);
    expect([...scene.ports.objects.stored.keys()].map((name) => name.slice(-14))).toEqual(
      ['02.ndjson.gz', '02.ndjson.gz', '02.ndjson.gz', '03.ndjson.gz'].map((end) => `00${end}`),
    );
  });

  it('goes on in the middle of an entry that holds more panes than one step takes', async () => {
    const scene = new Scene(
      definePipeline('readings', kinesis<Reading>(), {
        key: ({ machine }) => machine,
        eventTime: (reading) => reading.at,
        windows: { lastOne: rolling({ count: 1 }, {}) },
      }).to(table(), bucket()),
    );
    const batch = Array.from({ length: 10_500 }, (_, n) => scene.put(PUMP, (NOON + n) as EpochMillis));
    await scene.process(batch);
    expect(scene.entriesOf(PUMP)).toHaveLength(1);
    await scene.project();
    // A quarter of 20,000 panes is the share of one of four groups.
    expect(scene.ports.objects.stored.size).toBe(3);
    expect(scene.lines().map(({ index }) => index)).toEqual(batch.map((_, n) => n));
  });

  it('keeps the newest row when a slow projector writes an old one after it', async () => {
    const scene = new Scene(hours);
    await scene.process([scene.put(PUMP, at(0)), scene.put(PUMP, at(60))]);
    const overtake = async (): Promise<void> => {
      // A late record revises the first window, and another window closes.
      await scene.process([scene.put(PUMP, at(30)), scene.put(PUMP, at(120))]);
      await scene.project();
    };
    let overtaken: Promise<void> | undefined;
    const slow = scene.through(async (call, _, carryOut) => {
      if (call === 'rows.put') {
        overtaken ??= overtake();
        await overtaken;
      }
      return carryOut();
    });
    await scene.project(slow);
    expect(overtaken).toBeDefined();
    expect(scene.row(PUMP, 'hour#2026-01-05T12:00:00.000Z')).toEqual({ n: 2 });
    expect(scene.ports.rows.stored.get('readings#pump')?.get('hour#latest')?.pane.start).toBe(
      '2026-01-05T13:00:00.000Z',
    );
  });
});
