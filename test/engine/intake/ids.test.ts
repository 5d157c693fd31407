import { describe, expect, it } from 'vitest';
import { unorderedPositionOf } from '../../../src/core/position.ts';
import type { EpochMillis } from '../../../src/core/time.ts';
import { decodeRecord } from '../../../src/engine/intake/decode.ts';
import { rescale } from '../../../src/engine/log/rescale.ts';
import {
  count,
  type Duration,
  defineAggregate,
  definePipeline,
  kinesis,
  type Pipeline,
  rabbitmq,
  rolling,
  running,
  sqs,
  sum,
  tumbling,
} from '../../../src/index.ts';
import type { Options } from '../../../src/pipeline/pipeline.ts';
import type { Source } from '../../../src/pipeline/source.ts';
import type { SourceRecord } from '../../../src/ports/source.ts';
import { lockOf } from '../../../src/wiring/definition.ts';
import { at, Scene } from '../scene.ts';

/** A record may be known by an id of its own: what a producer sent twice is then counted once. */

interface Reading {
  readonly machine: string;
  readonly at: number;
  readonly celsius: number;
  readonly id: string;
}

const PUMP = 'pump';
const SETTINGS = {
  key: ({ machine }: Reading) => machine,
  eventTime: (reading: Reading) => reading.at,
  groups: 1,
};
const idOf = ({ id }: Reading) => id;

type More = Pick<
  Options<Reading, object>,
  'allowedLateness' | 'filter' | 'idWithin' | 'maxLateness' | 'maxPast' | 'version'
>;

const minutesOf = (source: Source<Reading>, more: More = {}): Pipeline =>
  definePipeline('readings', source, {
    ...SETTINGS,
    ...more,
    windows: { minute: tumbling({ size: '1m' }, { n: count(), sum: sum('celsius') }) },
  });
const stream = (more: More = {}): Pipeline => minutesOf(kinesis({ id: idOf }), more);

const rollingBy = (idWithin?: Duration): Pipeline =>
  definePipeline('readings', kinesis<Reading>({ id: idOf }), {
    ...SETTINGS,
    ...(idWithin === undefined ? {} : { idWithin }),
    windows: { all: running({}, { n: count() }) },
  });

const send = (scene: Scene, id: string, seconds: number, { celsius = 1, shard = 0 } = {}) =>
  scene.put(PUMP, at(0, seconds), celsius, shard, { id });

const counted = ({ ports }: Scene) => ports.telemetry.counted;
const idRows = (scene: Scene, key = PUMP): number => scene.groupOf(key).ids.get(key)?.rows ?? 0;

describe('a record of a stream that a producer sent twice', () => {
  it.each([
    ['in one batch', 1],
    ['in two', 2],
  ])('is counted once, and is a duplicate: %s', async (_, batches) => {
    const scene = new Scene(stream());
    const records = [
      send(scene, 'a', 1, { celsius: 10 }),
      send(scene, 'b', 2),
      send(scene, 'a', 1, { celsius: 10 }),
    ];
    if (batches === 1) expect(await scene.process(records)).toEqual([]);
    else for (const record of records) expect(await scene.process([record])).toEqual([]);
    await scene.process([send(scene, 'c', 90)]);
    expect(scene.emitted()).toEqual(['pump 12:00:00 0 {"n":2,"sum":11}']);
    expect(counted(scene)).toMatchObject({ applied: 3, duplicate: 1, late: 0, poison: 0 });
    expect(scene.groupOf(PUMP).counters.applied).toBe(3);
  });

  it('by another shard is counted once', async () => {
    const scene = new Scene(stream());
    await scene.process([send(scene, 'a', 1)]);
    await scene.process([send(scene, 'a', 1, { shard: 1 })]);
    await scene.process([send(scene, 'c', 90)]);
    expect(scene.emitted()).toEqual(['pump 12:00:00 0 {"n":1,"sum":1}']);
  });

  it('is passed, so that it is dropped by its position when it comes again', async () => {
    const scene = new Scene(rollingBy('1m'));
    await scene.process([send(scene, 'a', 1)]);
    const again = send(scene, 'a', 1, { shard: 1 });
    await scene.process([again]);
    // By now its id is gone.
    await scene.process([send(scene, 'b', 500)]);
    expect(await scene.process([again])).toEqual([]);
    expect(counted(scene)).toMatchObject({ applied: 2, duplicate: 2 });
  });

  it('shows no window once more, and lets no time pass', async () => {
    const scene = new Scene(
      definePipeline('readings', kinesis<Reading>({ id: idOf }), {
        ...SETTINGS,
        windows: { minute: tumbling({ size: '1m', emit: 'update' }, { n: count() }) },
      }),
    );
    await scene.process([send(scene, 'a', 1)]);
    await scene.process([send(scene, 'a', 1)]);
    expect(scene.emitted()).toEqual(['pump 12:00:00 0 {"n":1}']);
  });

  it('is two records where their keys differ', async () => {
    const scene = new Scene(stream());
    await scene.process([send(scene, 'a', 1), scene.put('oven', at(0, 1), 1, 0, { id: 'a' })]);
    expect(counted(scene)).toMatchObject({ applied: 2, duplicate: 0 });
  });

  it('is known until its windows refuse it, and is late from then on', async () => {
    const scene = new Scene(stream({ allowedLateness: '1m' }));
    await scene.process([send(scene, 'a', 1), send(scene, 'b', 119)]);
    await scene.process([send(scene, 'a', 1)]);
    expect(counted(scene)).toMatchObject({ applied: 2, duplicate: 1, late: 0 });
    await scene.process([send(scene, 'c', 120)]);
    expect(idRows(scene)).toBe(2);
    await scene.process([send(scene, 'a', 1)]);
    expect(counted(scene)).toMatchObject({ applied: 3, duplicate: 1, late: 1 });
    expect(scene.emitted()).toEqual(['pump 12:00:00 0 {"n":1,"sum":1}', 'pump 12:01:00 0 {"n":1,"sum":1}']);
  });

  it('is taken in where it was refused before, as whoever sends it once more wants that', async () => {
    const first = new Scene(stream({ version: 1 }));
    await first.process([send(first, 'a', 200), send(first, 'late', 1)]);
    expect(counted(first)).toMatchObject({ applied: 1, late: 1 });
    const scene = await first.under(stream({ version: 2, allowedLateness: '1h' }));
    await scene.process([send(scene, 'late', 1)]);
    await scene.process([send(scene, 'late', 1)]);
    expect(counted(scene)).toMatchObject({ applied: 2, late: 1, duplicate: 1 });
  });

  it('is no duplicate of a record that made a function throw', async () => {
    const once = defineAggregate<Reading, (reading: Reading) => number, number, number>({
      name: 'once',
      select: ({ celsius }) => celsius,
      identity: 0,
      lift: (celsius) => {
        if (celsius < 0) throw new Error('too cold');
        return celsius;
      },
      combine: (a, b) => a + b,
      lower: (total) => total,
    });
    const pipeline = definePipeline('readings', kinesis<Reading>({ id: idOf }), {
      ...SETTINGS,
      windows: { minute: tumbling({ size: '1m' }, { once }) },
    });
    const scene = new Scene(pipeline);
    const cold = { celsius: -1 };
    // The repetition of `a` would throw as well, were it taken in.
    await scene.process([
      send(scene, 'a', 1),
      send(scene, 'x', 2, cold),
      send(scene, 'x', 2),
      send(scene, 'a', 3, cold),
    ]);
    expect(counted(scene)).toMatchObject({ applied: 2, poison: 1, duplicate: 1 });
  });

  it.each([
    ['a sweep has come by', true],
    ['none has', false],
  ])('is not known any more once its key was forgotten, whether %s', async (_, isSwept) => {
    const scene = new Scene(stream({ maxLateness: '1h' }));
    await scene.process([send(scene, 'a', 30), send(scene, 'b', 31)]);
    if (isSwept) await scene.sweepAt(at(200));
    const again = (id: string, seconds: number) =>
      scene.putText(JSON.stringify({ machine: PUMP, at: at(0, seconds), celsius: 1, id }), at(201));
    // The key begins anew with an earlier record, for which what was known before would still be known.
    await scene.process([again('c', 10), again('a', 30), again('b', 31), again('a', 30)]);
    expect(counted(scene)).toMatchObject({ applied: 5, duplicate: 1 });
  });

  it('is known to the groups that take its key over', async () => {
    const scene = new Scene(stream());
    await scene.process([send(scene, 'a', 1)]);
    const deployment = await rescaled(scene, 4);
    await deployment.process([send(scene, 'a', 1)]);
    expect(counted(scene)).toMatchObject({ applied: 1, duplicate: 1 });
  });
});

async function rescaled(scene: Scene, groups: number): Promise<Scene> {
  const before = await scene.under(scene.pipeline);
  await rescale(before.engine, before.pipeline, groups, () => {});
  return scene.under(scene.pipeline);
}

describe('where a window refuses no record', () => {
  it('an id is known for a day of event time, or for idWithin', async () => {
    for (const [idWithin, seconds] of [
      [undefined, 86_400],
      ['1m', 60],
    ] as const) {
      const scene = new Scene(rollingBy(idWithin));
      await scene.process([send(scene, 'a', 0)]);
      await scene.process([send(scene, 'b', seconds - 1)]);
      await scene.process([send(scene, 'a', 0)]);
      expect(counted(scene)).toMatchObject({ applied: 2, duplicate: 1 });
      await scene.process([send(scene, 'c', seconds)]);
      await scene.process([send(scene, 'a', 0)]);
      expect(counted(scene)).toMatchObject({ applied: 4, duplicate: 1 });
    }
  });

  it('a late record is known as long as any, from when it is taken in', async () => {
    const scene = new Scene(rollingBy('1m'));
    await scene.process([send(scene, 'a', 600), send(scene, 'late', 1)]);
    await scene.process([send(scene, 'late', 1), send(scene, 'b', 659), send(scene, 'late', 1)]);
    expect(counted(scene)).toMatchObject({ applied: 3, duplicate: 2 });
  });

  it('says the same however records are cut into batches', async () => {
    const ids = ['a', 'b', 'a', 'c', 'b', 'a', 'd', 'c', 'd', 'a'];
    const times = [0, 30, 0, 59, 30, 0, 95, 59, 95, 0];
    const outcomes = [1, 2, 3, 10].map(async (size) => {
      const scene = new Scene(rollingBy('1m'));
      const records = ids.map((id, n) => send(scene, id, times[n] as number));
      for (let from = 0; from < records.length; from += size)
        await scene.process(records.slice(from, from + size));
      const { applied, duplicate } = counted(scene);
      return { applied, duplicate };
    });
    // The last `a` comes once `d` has brought the watermark more than a minute past the first.
    for (const outcome of await Promise.all(outcomes)) expect(outcome).toEqual({ applied: 5, duplicate: 5 });
  });

  it('the ids of a key stay few, however many records come', async () => {
    const scene = new Scene(rollingBy('1m'));
    for (let n = 0; n < 300; n++) await scene.process([send(scene, `r${n}`, n)]);
    expect(idRows(scene)).toBe(60);
    expect(counted(scene)).toMatchObject({ applied: 300, duplicate: 0 });
  });

  it('idWithin is refused for a source without an id', () => {
    expect(() => minutesOf(kinesis(), { idWithin: '2d' })).toThrow(
      'Cannot know records of "readings" for "2d" as their source must have an id for idWithin: it has none',
    );
  });
});

describe('what a record is known by', () => {
  interface Report {
    readonly id: string;
    readonly of: readonly Reading[];
  }
  const decode = (source: Source<Reading>, value: unknown, more: More = {}) =>
    decodeRecord(minutesOf(source, more), {
      ...send(new Scene(stream()), 'a', 5),
      data: Buffer.from(typeof value === 'string' ? value : JSON.stringify(value)),
    });
  const reading = (id: unknown) => ({ machine: PUMP, at: at(0, 1), celsius: 1, id });

  it('is the answer of its id before it is mapped', () => {
    const mapped = kinesis<Reading>({ id: idOf }).map((reading) => ({ ...reading, id: 'mapped' }));
    expect(decode(mapped, reading('a'))).toMatchObject({ outcome: 'record', id: 'a' });
  });

  it('is for a child the id of the record and the place of the child', () => {
    const source = kinesis<Report>({ id: ({ id }) => id }).expand(({ of }) => of);
    const decoded = decode(source, { id: 'r', of: [reading('a'), reading('a')] });
    expect(decoded).toMatchObject({ children: [{ id: 'r\n0' }, { id: 'r\n1' }] });
  });

  it('is for a child of a child the places of both', () => {
    const source = kinesis<Report>({ id: ({ id }) => id })
      .expand(({ of }) => [of, of])
      .expand((of) => of);
    const decoded = decode(source, { id: 'r', of: [reading('a')] });
    expect(decoded).toMatchObject({ children: [{ id: 'r\n0\n0' }, { id: 'r\n1\n0' }] });
  });

  it('is for a child an id of its own, where expand has one', () => {
    const source = kinesis<Report>().expand(({ of }) => of, { id: idOf });
    expect(source.identity).toBe('function');
    expect(decode(source, { of: [reading('a'), reading('b')] })).toMatchObject({
      children: [{ id: 'a' }, { id: 'b' }],
    });
  });

  it.each([
    ['no text', 7, 'the id is number, not a string'],
    ['missing', undefined, 'the id is undefined, not a string'],
    ['empty', '', 'an id must be 1 to 1024 bytes of well-formed Unicode'],
    ['too long', 'é'.repeat(513), 'an id must be 1 to 1024 bytes of well-formed Unicode'],
    ['no Unicode', '\ud800', 'an id must be 1 to 1024 bytes of well-formed Unicode'],
  ])('is poison where it is %s', (_, id, reason) => {
    const source = kinesis<Reading>({ id: idOf });
    expect(decode(source, reading(id))).toEqual({ outcome: 'poison', poison: { code: 'id', reason } });
  });

  it('is poison where it is a number that JSON rounds, as two records would be one', () => {
    const source = kinesis<Reading>({ id: ({ id }) => String(id) });
    const text = JSON.stringify(reading('@')).replace('"@"', '9007199254740993');
    expect(decode(source, text)).toMatchObject({ outcome: 'poison', poison: { code: 'id' } });
  });

  it('matters only for records that the filter keeps', () => {
    const value = { machine: PUMP, at: at(0, 1), celsius: 0 };
    const more = { filter: ({ celsius }: Reading) => celsius > 0 };
    expect(decode(kinesis({ id: idOf }), value, more)).toEqual({ outcome: 'filtered' });
  });

  it('must be a function', () => {
    expect(() => kinesis<Reading>({ id: 'id' as never })).toThrow(
      'Cannot read a source as id must be a function of the record: it is string',
    );
    expect(() => kinesis<Report>().expand(({ of }) => of, { id: 'id' as never })).toThrow(
      'Cannot expand records as id must be a function of the record: it is string',
    );
  });
});

describe('a message of a standard queue', () => {
  const queue = ({ id, ...more }: More & { readonly id?: typeof idOf }): Pipeline =>
    minutesOf(id ? sqs<Reading>({ id }) : sqs<Reading>(), more);
  const message = (messageId: string, text: string | object, seconds = 1): SourceRecord => ({
    lineage: 'readings',
    position: unorderedPositionOf(messageId),
    arrival: at(0, seconds),
    partitionKey: messageId,
    data: Buffer.from(typeof text === 'string' ? text : JSON.stringify(text)),
  });
  const reading = (id: string, seconds: number, celsius = 1) => ({
    machine: PUMP,
    at: at(0, seconds),
    celsius,
    id,
  });

  it('that was moved back from the dead-letter queue is known by its id', async () => {
    const scene = new Scene(queue({ id: idOf }));
    await scene.process([message('m1', reading('a', 1))]);
    await scene.process([message('m1-again', reading('a', 1)), message('m1', reading('a', 1))]);
    expect(counted(scene)).toMatchObject({ applied: 1, duplicate: 2 });
  });

  it('that was known when it came changes nothing once more, for as long as the queue may give it', async () => {
    const scene = new Scene(queue({ id: idOf, maxLateness: '14d' }));
    const days = (count: number) => count * 86_400;
    await scene.process([message('m1', reading('a', 1), 1)]);
    const sentAgain = message('m2', reading('a', 1), days(13));
    await scene.process([sentAgain]);
    await scene.sweepAt(at(0, days(27)));
    expect(scene.emitted()).toHaveLength(1);
    await scene.process([sentAgain]);
    await scene.sweepAt(at(0, days(28)));
    expect(scene.emitted()).toHaveLength(1);
    // It was late by then, so that it is the last record of its key.
    expect(counted(scene)).toMatchObject({ applied: 1, duplicate: 1, late: 1 });
    await scene.sweepAt(at(0, days(13 + 28) + 100));
    expect(scene.groupOf(PUMP).keys.has(PUMP)).toBe(false);
  });

  it('is known in one batch, too', async () => {
    const scene = new Scene(queue({ id: idOf }));
    const [one, two] = [message('m1', reading('a', 1)), message('m2', reading('a', 1))];
    await scene.process([one, two, one, two]);
    expect(counted(scene)).toMatchObject({ applied: 1, duplicate: 3 });
  });

  it('that was refused is counted once, and taken in once it is sent again', async () => {
    const before = new Scene(queue({ id: idOf }));
    const bad = message('m1', { ...reading('a', 1), at: 'noon' });
    await before.process([bad]);
    await before.process([bad]);
    expect(counted(before)).toMatchObject({ poison: 1, duplicate: 1 });
    await before.process([message('m2', reading('a', 1)), message('m1', reading('a', 1))]);
    expect(counted(before)).toMatchObject({ applied: 1, poison: 1 });
  });

  it('that was taken in before the source had an id is known by its own', async () => {
    const before = new Scene(queue({}));
    const taken = message('m1', reading('a', 1));
    await before.process([taken]);
    const scene = await before.under(queue({ id: idOf, version: 2 }));
    await scene.process([taken, message('m2', reading('b', 1))]);
    expect(counted(scene)).toMatchObject({ applied: 2, duplicate: 1 });
  });
});

describe('the id of a source', () => {
  const put = async (source: Source<Reading>, then: Source<Reading>, version: number) => {
    const before = minutesOf(source);
    const scene = await new Scene(before).under(before);
    return scene.under(minutesOf(then, { version }));
  };

  it('stands in the lock', () => {
    expect(lockOf(stream()).source).toEqual({ kind: 'kinesis', id: 'function' });
    expect(lockOf(minutesOf(kinesis())).source).toEqual({ kind: 'kinesis' });
  });

  it('changes only with the version', async () => {
    await expect(put(kinesis(), kinesis({ id: () => 'a' }), 1)).rejects.toThrow(
      'Cannot run "readings" as the id of its source may only be added, removed or replaced with its version: it had no id; give it version: 2',
    );
    await expect(put(kinesis({ id: () => 'a' }), kinesis(), 1)).rejects.toThrow(
      'it had id: function; give it version: 2',
    );
    await expect(put(kinesis(), kinesis({ id: () => 'a' }), 2)).resolves.toBeDefined();
    await expect(put(kinesis({ id: () => 'a' }), kinesis(), 2)).resolves.toBeDefined();
  });

  it('stays for good where the source has no order, once it is there', async () => {
    await expect(put(sqs({ id: () => 'a' }), sqs(), 2)).rejects.toThrow(
      'Cannot run "readings" with another id as the records of a source without order are known by their id alone, and those that come again would be counted again: keep id: function, or give the pipeline another name',
    );
    await expect(put(sqs(), sqs({ id: () => 'a' }), 2)).resolves.toBeDefined();
  });

  it('stays for good in a queue of RabbitMQ, whatever it is', async () => {
    const by = (id: 'messageId' | 'content' | (() => string)) => rabbitmq<Reading>({ queue: 'readings', id });
    expect(lockOf(minutesOf(by('messageId'))).source).toEqual({ kind: 'rabbitmq', id: 'messageId' });
    await expect(put(by('messageId'), by('content'), 1)).rejects.toThrow(
      'it had id: messageId; give it version: 2',
    );
    for (const [before, after] of [
      ['messageId', 'content'],
      ['messageId', () => 'a'],
      ['content', () => 'a'],
    ] as const) {
      await expect(put(by(before), by(after), 2)).rejects.toThrow(`keep id: ${before}, or give the pipeline`);
    }
    await expect(put(by('content'), by('content'), 2)).resolves.toBeDefined();
  });

  it('leaves nothing behind where it is removed', async () => {
    const before = new Scene(stream({ version: 1 }));
    await before.process([send(before, 'a', 1)]);
    const scene = await before.under(minutesOf(kinesis(), { version: 2 }));
    await scene.process([send(scene, 'a', 1)]);
    expect(counted(scene)).toMatchObject({ applied: 2 });
    expect(idRows(scene)).toBe(0);
  });

  it('gives rolling windows each record once', async () => {
    const scene = new Scene(
      definePipeline('readings', kinesis<Reading>({ id: idOf }), {
        ...SETTINGS,
        windows: { two: rolling({ count: 2 }, { total: sum('celsius') }) },
      }),
    );
    const sent = ['a', 'b', 'a', 'c', 'b'].map((id, n) => send(scene, id, n, { celsius: 2 ** n }));
    await scene.process(sent.slice(0, 3));
    await scene.process(sent.slice(3));
    expect(scene.emitted().map((pane) => pane.split(' ').at(-1))).toEqual([
      '{"total":1}',
      '{"total":3}',
      '{"total":10}',
    ]);
  });
});

describe('maxPast', () => {
  const within = (maxPast?: Duration): Pipeline =>
    minutesOf(kinesis(), maxPast === undefined ? {} : { maxPast });
  const decode = (pipeline: Pipeline, before: number) => {
    const scene = new Scene(pipeline);
    const record = scene.put(PUMP, at(60));
    return decodeRecord(pipeline, { ...record, arrival: (at(60) + before) as EpochMillis });
  };

  it('refuses a record that happened longer before it arrived', () => {
    expect(decode(within('1h'), 3_600_000)).toMatchObject({ outcome: 'record' });
    expect(decode(within('1h'), 3_600_001)).toEqual({
      outcome: 'poison',
      poison: {
        code: 'past',
        reason:
          'the event time 2026-01-05T13:00:00.000Z is too far before the arrival, 2026-01-05T14:00:00.001Z',
      },
    });
  });

  it('is none by default', () => {
    expect(decode(within(), 400 * 86_400_000)).toMatchObject({ outcome: 'record' });
  });
});
