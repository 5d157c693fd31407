import { describe, expect, it } from 'vitest';
import { CodecError } from '../../../src/core/codec.ts';
import type { PaneKind } from '../../../src/core/panes.ts';
import { type EpochMillis, isoTime, millis } from '../../../src/core/time.ts';
import { decodeLedger } from '../../../src/engine/format/entry.ts';
import type { RefusedRecord } from '../../../src/engine/intake/poison.ts';
import {
  batches,
  bucket,
  count,
  definePipeline,
  kinesis,
  last,
  mean,
  rolling,
  running,
  table,
  trailing,
  tumbling,
} from '../../../src/index.ts';
import type { Window } from '../../../src/pipeline/windows.ts';
import { ENTRY_LIFETIME, LogLostError } from '../../../src/ports/commit-log.ts';
import type { Ports } from '../../../src/ports/index.ts';
import { objectsLog } from '../../../src/wiring/names.ts';
import { at, NOON, type Reading, Scene } from '../scene.ts';

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

describe('taking a batch in', () => {
  it('makes no commit of an empty batch, and is done', async () => {
    const scene = new Scene(minutes);
    expect(await scene.process([])).toEqual([]);
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
    expect(await scene.process(batch)).toEqual([]);
    expect(scene.storedOf(LATHE)).toBe(scene.storedOf(PUMP));
    expect([PUMP, OVEN].map((machine) => scene.entriesOf(machine).length)).toEqual([1, 1]);
    expect(scene.ports.telemetry.counted).toMatchObject({ applied: 5, conflicts: 0 });
  });

  it('drops the records that it holds already, and counts them', async () => {
    const scene = new Scene(minutes);
    const batch = [scene.put(PUMP, at(0, 10), 10), scene.put(PUMP, at(1, 10), 20)];
    await scene.process(batch);
    const third = scene.put(PUMP, at(1, 20), 40);
    expect(await scene.process([...batch, third])).toEqual([]);
    await scene.process([scene.put(PUMP, at(2, 0), 0)]);
    expect(scene.emitted()).toEqual([
      'pump 12:00:00 0 {"mean":10,"n":1}',
      'pump 12:01:00 0 {"mean":30,"n":2}',
    ]);
    expect(scene.ports.telemetry.counted).toMatchObject({ applied: 4, duplicate: 2 });
  });

  it('reads groups while it decodes a long batch, and comes to the same as batch by batch', async () => {
    let decoded = 0;
    const counting = {
      ...minutes,
      key: (reading: unknown) => {
        decoded++;
        return minutes.key(reading);
      },
    };
    const [long, short] = [new Scene(counting), new Scene(minutes)];
    const readings = Array.from(
      { length: 2_000 },
      (_, n) => [PUMP, OVEN, LATHE][n < 1_900 ? n % 2 : 2] as string,
    );
    const batchOf = (scene: Scene) =>
      readings.map((machine, n) =>
        n % 700 === 600 ? scene.putText('{', at(0, n), 0, machine) : scene.put(machine, at(0, n), n % 37),
      );
    const decodedBy: number[] = [];
    const watched = long.through(async (call, _, carryOut) => {
      // As a request does that is sent.
      await new Promise((resolve) => setImmediate(resolve));
      if (call === 'log.latest') decodedBy.push(decoded);
      return carryOut();
    });
    expect(await long.process(batchOf(long), watched)).toEqual([]);
    expect(decodedBy).toHaveLength(2);
    expect(decodedBy[0]).toBeLessThan(1_000);

    const batch = batchOf(short);
    for (let from = 0; from < batch.length; from += 50) await short.process(batch.slice(from, from + 50));
    expect(long.emitted().toSorted()).toEqual(short.emitted().toSorted());
    const records = ({ ports }: Scene) => ({ ...ports.telemetry.counted, commits: undefined });
    expect(records(long)).toEqual(records(short));
    expect(long.ports.telemetry.counted).toMatchObject({ applied: 1_998, poison: 2 });
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
    expect(await scene.process(ours, late)).toEqual([]);
    const entries = scene.entriesOf(PUMP);
    expect(entries).toHaveLength(3);
    expect([...scene.groupOf(PUMP).keys.keys()]).toEqual([PUMP, LATHE]);
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
    expect(await scene.process(batch, deaf)).toEqual(batch);
    expect(await scene.process(batch)).toEqual([]);
    expect(scene.entriesOf(PUMP)).toHaveLength(1);
    expect(scene.ports.telemetry.counted).toMatchObject({ applied: 0, duplicate: 2 });
  });

  it('begins no append at the deadline, and asks for every record again', async () => {
    const scene = new Scene(minutes);
    const batch = [scene.put(PUMP, at(0, 10)), scene.put(OVEN, at(0, 11))];
    expect(await scene.process(batch, scene.ports, scene.ports.clock.now())).toEqual(batch);
    expect(scene.ports.log.logs.size).toBe(0);

    const slow = scene.through((call, _, carryOut) => {
      if (call === 'log.latest') scene.ports.clock.pass(millis('50s'));
      return carryOut();
    });
    expect(await scene.process(batch, slow, at(0, 50))).toEqual(batch);
    expect(scene.ports.log.logs.size).toBe(0);
  });

  it('asks again for what is not in of each group, though later records of others are', async () => {
    const scene = new Scene(minutes);
    const batch = [PUMP, OVEN, LATHE, OVEN, PUMP].map((machine, n) => scene.put(machine, at(0, n)));
    const oven = scene.logOf(OVEN);
    const partly = scene.refusing((call, name) => call === 'log.append' && name === oven);
    expect(await scene.process(batch, partly)).toEqual([batch[1], batch[3]]);
    expect(scene.entriesOf(PUMP)).toHaveLength(1);
    expect(await scene.process(batch.slice(1))).toEqual([]);
    expect(scene.ports.telemetry.counted).toMatchObject({ applied: 5, duplicate: 2 });
  });

  it('fails closed when the entries of a group are gone', async () => {
    const scene = new Scene(minutes);
    await scene.process([scene.put(PUMP, at(0))]);
    scene.ports.log.expire((NOON + ENTRY_LIFETIME) as EpochMillis);
    const next = scene.put(PUMP, at(5));
    expect(await scene.process([next])).toEqual([next]);
    expect(scene.ports.telemetry.faults.at(-1)?.cause).toBeInstanceOf(LogLostError);
  });
});

describe('how far the source is committed', () => {
  it('is noted when a batch is wholly committed, to the last record, though that was filtered', async () => {
    const scene = new Scene({ ...minutes, filter: (reading) => (reading as Reading).celsius < 1_000 });
    const batch = [scene.put(PUMP, at(0, 1)), scene.put(PUMP, at(0, 2), 9_999)];
    expect(await scene.process(batch)).toEqual([]);
    expect(await scene.ports.progress.read(batch[0]?.lineage ?? '')).toBe('2');
    expect(scene.ports.telemetry.counted).toMatchObject({ applied: 1, filtered: 1 });
  });

  it('is not noted when any record is not committed', async () => {
    const scene = new Scene(minutes);
    const batch = [scene.put(PUMP, at(0, 1)), scene.put(OVEN, at(0, 2))];
    const pump = scene.logOf(PUMP);
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
    ).toEqual([batch[1]]);
    expect(await scene.process(batch.slice(1))).toEqual([]);
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
    expect(await scene.process(batch, watched)).toEqual([]);
    expect(calls).toEqual([
      expect.stringMatching(
        /^objects.create poison\/pipeline=readings\/date=2026-01-05\/1-\d-1-[0-9a-f]{32}\.ndjson$/,
      ),
      `log.append ${scene.logOf(PUMP)}`,
    ]);
    const [{ data, ...refused } = {}, ...others] = scene.refused() as Partial<RefusedRecord>[];
    expect(others).toEqual([]);
    expect(refused).toEqual({
      lineage: 'readings/shardId-000000000000',
      position: '2',
      member: 0,
      child: 0,
      expanded: false,
      packed: false,
      arrival: '2026-01-05T12:00:20.000Z',
      partitionKey: 'pump',
      code: 'not-json',
      reason: expect.stringContaining('JSON'),
    });
    expect(Buffer.from(data ?? '', 'base64').toString()).toBe('{"machine": "pump", ');
    const [entry] = scene.entriesOf(PUMP);
    expect(calls[0]).toBe(`objects.create ${entry && decodeLedger(entry).poisonObject}`);
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
    expect(await scene.process(batch, full)).toEqual(batch.slice(1));
    expect(scene.entriesOf(PUMP)).toEqual([]);
    expect(scene.entriesOf(OVEN)).toHaveLength(1);
    expect(await scene.process(batch.slice(1))).toEqual([]);
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

  it('is kept with all others of its commit at once', async () => {
    const scene = new Scene(minutes);
    const batch = Array.from({ length: 10_000 }, (_, n) => scene.putText('?', at(0, n)));
    expect(await scene.process(batch)).toEqual([]);
    expect(scene.entriesOf(PUMP)).toHaveLength(1);
    expect([...scene.ports.objects.stored.keys()].filter((name) => name.startsWith('poison/'))).toHaveLength(
      1,
    );
    expect(scene.refused().map(({ position }) => position)).toEqual(batch.map(({ position }) => position));
  });

  it('is kept with its reason though that is cut inside of a character', async () => {
    const scene = new Scene(minutes);
    const thermometers = '\u{1f321}'.repeat(4_000);
    const batch = ['', ' '].map((pad) =>
      scene.putText(JSON.stringify({ machine: PUMP, at: pad + thermometers }), at(0, 20)),
    );
    expect(await scene.process(batch)).toEqual([]);
    expect(scene.refused().map(({ reason }) => reason.length)).toEqual([1_000, 1_000]);
    expect(scene.refused().every(({ reason }) => reason.isWellFormed())).toBe(true);
  });
});

describe('an entry that would be too large', () => {
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
    expect(await scene.process(batch)).toEqual([]);
    const { applied, poison } = scene.groupOf(PUMP).counters;
    expect(applied).toBeGreaterThanOrEqual(4);
    expect(applied + poison).toBe(8);
    // Whatever is taken in can be written as a whole, when that is due.
    await scene.sweepAt(at(3 * 24 * 60));
    expect(scene.groupOf(PUMP).base?.committedAt).toBe(at(3 * 24 * 60));
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
    const pump = scene.logOf(PUMP);
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
  type Counting = Window<
    Reading,
    { readonly kind: PaneKind; readonly results: { readonly [name: string]: number } }
  >;
  const hour = (version = 1, more: { [name: string]: Counting } = {}) =>
    definePipeline('readings', kinesis<Reading>(), {
      key: ({ machine }) => machine,
      eventTime: (reading) => reading.at,
      maxLateness: '1h',
      version,
      windows: { minute: tumbling({ size: '1m' }, { n: count() }), ...more },
    }).to(bucket());
  const all = { all: count() };
  const ordinals: { [kind: string]: Counting } = {
    batches: batches({ count: 9 }, all),
    rolling: rolling({ count: 2 }, all),
    running: running({ emit: 'record' }, all),
    trailing: trailing({ size: '1m' }, all),
  };
  const ways = Object.keys(ordinals).flatMap((kind) => [true, false].map((swept) => [kind, swept] as const));
  //  12:00      13:01      14:50      15:00
  //  PUMP       forgotten  at         arrives: late for a key that is remembered, the first of one that is not
  const delayed = JSON.stringify({ machine: PUMP, at: at(170), celsius: 20 });

  it.each([true, false])('takes its next record in the same way, swept before (%s) or not', async (swept) => {
    const scene = new Scene(hour());
    await scene.process([scene.put(PUMP, at(0))]);
    if (swept) await scene.sweepAt(at(120));
    await scene.process([scene.putText(delayed, at(180))]);
    expect(scene.ports.telemetry.counted).toMatchObject({ applied: 2, late: 0 });
  });

  it.each(ways)('does so under a version that adds %s, swept before (%s) or not', async (kind, swept) => {
    const scene = new Scene(hour());
    await scene.process([scene.put(PUMP, at(0))]);
    if (swept) await scene.sweepAt(at(120));
    const next = await scene.under(hour(2, { more: ordinals[kind] as Counting }));
    await next.process([next.putText(delayed, at(180))]);
    await next.sweepAt(at(200));
    expect(next.emitted()).toContain('pump 14:50:00 0 {"n":1}');
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

describe('an entry', () => {
  it.each([5, 7])('of format %s, which this code does not read, is refused', async (format) => {
    const scene = new Scene(minutes);
    await scene.process([scene.put(PUMP, at(0, 10))]);
    const [entry] = scene.entriesOf(PUMP);
    const newer = Uint8Array.from(entry?.body ?? []);
    newer[0] = format;
    await scene.ports.log.append(scene.logOf(PUMP), {
      ordinal: 2,
      committedAt: at(0, 11),
      stored: newer,
    });
    const next = scene.put(PUMP, at(0, 20));
    expect(await scene.process([next])).toEqual([next]);
    expect(scene.entriesOf(PUMP)).toHaveLength(2);
    expect(scene.ports.telemetry.faults[0]?.cause).toEqual(
      new CodecError(
        `Cannot read an entry of format ${format} as this code reads format 6 alone: give the pipeline another name, so that it begins anew, or run it with the release that wrote the entry`,
      ),
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
      'panes/pipeline=readings/date=2026-01-05/hour=12/part-000000000002.ndjson.gz',
      'panes/pipeline=readings/date=2026-01-05/hour=13/part-000000000002.ndjson.gz',
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
    const batch = Array.from({ length: 21_000 }, (_, n) => scene.put(PUMP, (NOON + n) as EpochMillis));
    await scene.process(batch.slice(0, 10_500));
    await scene.process(batch.slice(10_500));
    expect(scene.entriesOf(PUMP)).toHaveLength(2);
    await scene.project();
    // The one group that has panes takes the shares of the others: 20,000 panes, and then the rest.
    expect(scene.ports.objects.stored.size).toBe(2);
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
