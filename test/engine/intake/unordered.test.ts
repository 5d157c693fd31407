import { describe, expect, it } from 'vitest';
import { unorderedPositionOf } from '../../../src/core/position.ts';
import type { EpochMillis } from '../../../src/core/time.ts';
import { decodeLedger } from '../../../src/engine/format/entry.ts';
import { REFUSED } from '../../../src/engine/group/taken.ts';
import { GroupCache } from '../../../src/engine/log/group-cache.ts';
import {
  bucket,
  count,
  definePipeline,
  session,
  sqs,
  sum,
  table,
  trailing,
  tumbling,
} from '../../../src/index.ts';
import type { SourceRecord } from '../../../src/ports/source.ts';
import { at, type Reading, Scene } from '../scene.ts';

/** A standard queue gives its messages in no order, and now and then twice: each is known by its id alone. */

const PUMP = 'pump';
const OVEN = 'oven';

const minutes = definePipeline('readings', sqs<Reading>(), {
  key: ({ machine }) => machine,
  eventTime: (reading) => reading.at,
  allowedLateness: '1m',
  groups: 1,
  windows: { minute: tumbling({ size: '1m' }, { n: count(), sum: sum('celsius') }) },
}).to(table(), bucket());

/** A message as an event of the queue gives it, whenever it does. */
function message(scene: Scene, id: string, text: string, arrival: EpochMillis): SourceRecord {
  if (arrival > scene.ports.clock.now()) scene.ports.clock.set(arrival);
  const data = Buffer.from(text);
  return { lineage: 'readings', position: unorderedPositionOf(id), arrival, partitionKey: id, data };
}

const reading = (scene: Scene, id: string, seconds: number, celsius = 1, machine = PUMP): SourceRecord =>
  message(scene, id, JSON.stringify({ machine, at: at(0, seconds), celsius }), at(0, Math.max(0, seconds)));

const idsOf = (scene: Scene, key = PUMP): number => scene.groupOf(key).ids.get(key)?.rows ?? 0;

describe('a message that is given twice', () => {
  it('in one batch is taken in once', async () => {
    const scene = new Scene(minutes);
    const [one, two] = [reading(scene, 'a', 1, 10), reading(scene, 'b', 2, 20)];
    expect(await scene.process([one, two, one, two, one])).toEqual([]);
    await scene.process([reading(scene, 'c', 130)]);
    expect(scene.emitted()).toEqual(['pump 12:00:00 0 {"n":2,"sum":30}']);
    expect(scene.ports.telemetry.counted).toMatchObject({ applied: 3, duplicate: 3, late: 0 });
  });

  it('in two batches is taken in once, in whatever order', async () => {
    const scene = new Scene(minutes);
    const all = [5, 3, 9, 1].map((seconds) => reading(scene, `m${seconds}`, seconds, seconds));
    await scene.process(all.slice(0, 3));
    await scene.process(all.toReversed());
    await scene.process(all);
    await scene.process([reading(scene, 'last', 130)]);
    expect(scene.emitted()).toEqual(['pump 12:00:00 0 {"n":4,"sum":18}']);
    expect(scene.ports.telemetry.counted).toMatchObject({ applied: 5, duplicate: 7 });
  });

  it('is taken in once by whoever has nothing in memory, as by whoever has', async () => {
    for (const cache of [new GroupCache(1e6), undefined]) {
      const scene = new Scene(minutes);
      const take = (...records: SourceRecord[]) => scene.process(records, scene.ports, at(1e6), cache);
      const all = Array.from({ length: 30 }, (_, n) => reading(scene, `m${n}`, n, 1));
      for (const one of all) await take(one);
      for (const one of all) await take(one);
      await take(reading(scene, 'last', 130));
      expect(scene.emitted()).toEqual(['pump 12:00:00 0 {"n":30,"sum":30}']);
      expect(scene.ports.telemetry.counted).toMatchObject({ applied: 31, duplicate: 30 });
    }
  });

  it('is known to the last millisecond in which its window would take it in', async () => {
    const scene = new Scene(minutes);
    const { outOfOrderness } = minutes.rules.time;
    const first = reading(scene, 'a', 10, 5);
    // The window ends a minute after it began, and is corrected for another one.
    const last = at(2, 0) + outOfOrderness - 1;
    const text = JSON.stringify({ machine: PUMP, at: last, celsius: 1 });
    await scene.process([first, message(scene, 'b', text, last as EpochMillis)]);
    await scene.process([first]);
    expect(scene.ports.telemetry.counted).toMatchObject({ applied: 2, duplicate: 1, late: 0 });
    expect(scene.emitted()).toEqual(['pump 12:00:00 0 {"n":1,"sum":5}']);
  });

  it('while its closed window may still be corrected corrects it once', async () => {
    const scene = new Scene(minutes);
    const late = reading(scene, 'late', 30, 5);
    await scene.process([reading(scene, 'a', 10), reading(scene, 'b', 90)]);
    await scene.process([late]);
    await scene.process([late]);
    expect(scene.emitted()).toEqual(['pump 12:00:00 0 {"n":1,"sum":1}', 'pump 12:00:00 1 {"n":2,"sum":6}']);
    expect(scene.ports.telemetry.counted).toMatchObject({ applied: 3, duplicate: 1 });
  });

  it('after no window can take it in any more is late, and changes nothing', async () => {
    const scene = new Scene(minutes);
    const early = reading(scene, 'early', 10);
    await scene.process([early, reading(scene, 'b', 200)]);
    const emitted = scene.emitted();
    // Its id is gone: it is refused for its time, and then for the id that was refused.
    await scene.process([early]);
    await scene.process([early, early]);
    expect(scene.emitted()).toEqual(emitted);
    expect(scene.groupOf(PUMP).counters).toEqual({
      applied: 2,
      lateForAll: 1,
      poison: 0,
      late: { minute: 1 },
    });
    expect(scene.ports.telemetry.counted).toMatchObject({ applied: 2, late: 1, duplicate: 2 });
  });

  it('is known, whatever other keys its group has', async () => {
    const scene = new Scene(minutes);
    await scene.process([reading(scene, 'a', 10), reading(scene, 'b', 10, 1, OVEN)]);
    await scene.process([reading(scene, 'b', 10, 1, OVEN), reading(scene, 'c', 10, 1, OVEN)]);
    expect(scene.ports.telemetry.counted).toMatchObject({ applied: 3, duplicate: 1 });
  });
});

describe('a message that is refused', () => {
  it.each([
    ['in one batch', (one: SourceRecord) => [[one, one]]],
    ['in two', (one: SourceRecord) => [[one], [one]]],
  ])('as poison is counted once, and kept once, though it is given twice: %s', async (_, batchesOf) => {
    const scene = new Scene(minutes);
    await scene.process([reading(scene, 'a', 10)]);
    for (const batch of batchesOf(message(scene, 'bad', '?', at(0, 20)))) await scene.process(batch);
    expect(scene.groupOf(PUMP).counters).toEqual({ applied: 1, lateForAll: 0, poison: 1, late: {} });
    expect(scene.ports.telemetry.counted).toMatchObject({ poison: 1, duplicate: 1 });
    expect(scene.refused()).toMatchObject([{ lineage: 'readings', position: 'bad' }]);
    expect(scene.ports.objects.stored.size).toBe(1);
    expect(scene.entriesOf(PUMP).flatMap((entry) => decodeLedger(entry).poison)).toHaveLength(1);
  });

  it.each([
    ['in one batch', (one: SourceRecord) => [[one, one]]],
    ['in two', (one: SourceRecord) => [[one], [one]]],
  ])('as late is counted once, and listed once, though it is given twice: %s', async (_, batchesOf) => {
    const scene = new Scene(minutes);
    await scene.process([reading(scene, 'a', 600)]);
    for (const batch of batchesOf(reading(scene, 'late', 10))) await scene.process(batch);
    expect(scene.groupOf(PUMP).counters).toEqual({
      applied: 1,
      lateForAll: 1,
      poison: 0,
      late: { minute: 1 },
    });
    expect(scene.ports.telemetry.counted).toMatchObject({ late: 1, duplicate: 1 });
    expect(scene.entriesOf(PUMP).flatMap((entry) => decodeLedger(entry).late)).toHaveLength(1);
  });

  it('before a key came keeps no other key from being read back', async () => {
    const scene = new Scene(minutes);
    await scene.process(Array.from({ length: 40 }, (_, n) => reading(scene, `m${n}`, n)));
    await scene.process([message(scene, 'bad', '?', at(0, 40))]);
    await scene.process([reading(scene, 'o1', 41, 1, OVEN)]);
    await scene.process([reading(scene, 'o2', 42, 1, OVEN)]);
    await scene.process([message(scene, 'worse', '?', at(0, 43))]);
    await scene.process([reading(scene, 'p', 44)]);
    const { ids, counters } = scene.groupOf(PUMP);
    expect([PUMP, OVEN, REFUSED].map((name) => ids.get(name)?.rows)).toEqual([41, 2, 2]);
    expect(counters).toEqual({ applied: 43, lateForAll: 0, poison: 2, late: {} });
  });

  it('is known for as long as the queue could give it again, and no longer', async () => {
    const scene = new Scene(minutes);
    const day = 24 * 60 * 60;
    await scene.process([message(scene, 'bad', '?', at(0)), message(scene, 'worse', '?', at(0, 1))]);
    await scene.process([message(scene, 'other', '?', at(0, 14 * day - 1))]);
    expect(scene.groupOf(PUMP).ids.get(REFUSED)?.rows).toBe(3);
    await scene.process([message(scene, 'third', '?', at(0, 14 * day))]);
    expect(scene.groupOf(PUMP).ids.get(REFUSED)?.rows).toBe(3);
    await scene.process([message(scene, 'fourth', '?', at(0, 14 * day + 1))]);
    expect(scene.groupOf(PUMP).ids.get(REFUSED)?.rows).toBe(3);
  });
});

describe('the id of a message that was taken in', () => {
  it('is kept until its window would refuse it, and then gone', async () => {
    const scene = new Scene(minutes);
    await scene.process([reading(scene, 'a', 10), reading(scene, 'b', 59), reading(scene, 'c', 61)]);
    expect(idsOf(scene)).toBe(3);
    // The first minute may be corrected until a minute after its end.
    await scene.process([reading(scene, 'd', 119)]);
    expect(idsOf(scene)).toBe(4);
    await scene.process([reading(scene, 'e', 120)]);
    expect(idsOf(scene)).toBe(3);
    await scene.process([reading(scene, 'f', 180)]);
    expect(idsOf(scene)).toBe(2);
  });

  it('is kept as long as any of its windows would take it', async () => {
    const both = definePipeline('readings', sqs<Reading>(), {
      key: ({ machine }) => machine,
      eventTime: (one) => one.at,
      groups: 1,
      windows: {
        trailing: trailing({ size: '10s' }, { n: count() }),
        session: session({ gap: '5m' }, { n: count() }),
      },
    }).to(bucket());
    const scene = new Scene(both);
    const first = reading(scene, 'a', 0);
    await scene.process([first, reading(scene, 'b', 299)]);
    await scene.process([first]);
    expect(scene.ports.telemetry.counted).toMatchObject({ applied: 2, duplicate: 1 });
    await scene.process([reading(scene, 'c', 301)]);
    expect(idsOf(scene)).toBe(2);
    // It would begin a session of its own, which could change no more.
    await scene.process([first]);
    expect(scene.groupOf(PUMP).counters).toEqual({
      applied: 3,
      lateForAll: 1,
      poison: 0,
      late: { trailing: 1, session: 1 },
    });
  });

  it('goes when silence has closed its window', async () => {
    const scene = new Scene(minutes);
    const one = reading(scene, 'a', 10);
    await scene.process([one]);
    await scene.ports.progress.note('readings/shardId-000000000000', unorderedPositionOf('1'));
    expect(await scene.sweepAt(at(30))).toMatchObject({ panes: 1 });
    expect(idsOf(scene)).toBe(0);
    expect(await scene.process([one])).toEqual([]);
    expect(scene.emitted()).toHaveLength(1);
    expect(scene.groupOf(PUMP).counters).toEqual({
      applied: 1,
      lateForAll: 1,
      poison: 0,
      late: { minute: 1 },
    });
  });
});
