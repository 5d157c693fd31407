import { describe, expect, it } from 'vitest';
import { defineAggregate } from '../../src/core/aggregates/define.ts';
import {
  collect,
  count,
  definePipeline,
  kinesis,
  mean,
  rolling,
  session,
  tumbling,
} from '../../src/index.ts';
import { simulate, tryPipeline } from '../../src/testing.ts';

interface Reading {
  readonly machine: string;
  readonly at: string;
  readonly celsius: number;
}

const temperature = definePipeline('temperature', kinesis<Reading>(), {
  filter: (reading) => reading.machine !== 'test',
  key: (reading) => reading.machine,
  eventTime: (reading) => reading.at,
  outOfOrderness: '30s',
  windows: {
    lastTwo: rolling({ count: 2 }, { mean: mean('celsius') }),
    minute: tumbling({ size: '1m' }, { mean: mean('celsius') }),
  },
});

const reading = (time: string, celsius: number, machine = 'pump') => ({
  machine,
  at: `2026-01-05T12:${time}Z`,
  celsius,
});

describe('a pipeline that is tried', () => {
  //  12:00         12:01         12:02
  //    20    30      ↑ 12:01:45 closes the first minute
  //  [------------)[------------)
  it('gives its panes, typed by their windows', () => {
    const { panes, ...counted } = tryPipeline(temperature, [
      reading('00:10', 20),
      reading('00:50', 30),
      reading('01:45', 50),
    ]);
    const means = panes.map((pane) =>
      pane.window === 'lastTwo' ? [pane.index, pane.results.mean] : [pane.start, pane.results.mean],
    );
    expect(means).toEqual([
      [0, 20],
      [1, 25],
      [2, 40],
      ['2026-01-05T12:00:00.000Z', 25],
      ['2026-01-05T12:01:00.000Z', 50],
    ]);
    expect(counted).toEqual({
      applied: 3,
      late: {},
      lateForAll: 0,
      lateRecords: [],
      filtered: 0,
      poison: [],
    });
  });

  it('counts what it does not take in, and says why', () => {
    const tried = tryPipeline(temperature, [
      reading('00:10', 20),
      reading('00:20', 20, 'test'),
      { ...reading('00:30', 20), celsius: 'warm' },
      Buffer.from('{"machine":'),
    ]);
    expect(tried).toMatchObject({ applied: 1, filtered: 1, lateForAll: 0 });
    expect(tried.poison).toMatchObject([
      { at: 2, code: 'select', reason: 'field "celsius" is string, not a finite number' },
      { at: 3, code: 'not-json' },
    ]);
  });

  it('says why a record is refused as a source would that it reaches as it happens, wherever it stands', () => {
    const refused = [
      ['select', { ...reading('00:00', 1), celsius: 'n/a' }],
      ['select', { machine: 'pump', at: '2026-03-05T12:00:00Z' }],
      ['event-time', { machine: 'pump', at: 'noon', celsius: 1 }],
      ['key', { at: '2026-03-05T12:00:00Z', celsius: 1 }],
      ['not-json', Buffer.from('{"machine":')],
    ] as const;
    const good = reading('00:30', 20);
    for (const [code, record] of refused) {
      for (const records of [[record], [record, good], [good, record, good], [record, record, good]]) {
        const { poison } = tryPipeline(temperature, records);
        expect(poison.map((one) => one.code)).toEqual(
          records.flatMap((one) => (one === record ? [code] : [])),
        );
      }
    }
  });

  it('says what is ahead of the arrival that is given', () => {
    const { poison } = tryPipeline(temperature, [reading('00:00', 1), reading('00:01', 2)], {
      arrivals: [Date.UTC(2026, 0, 5, 10)],
    });
    expect(poison).toMatchObject([
      { at: 0, code: 'future', reason: expect.stringContaining('2026-01-05T10:00:00.000Z') },
    ]);
  });

  it('leaves windows open when it is told to', () => {
    const { panes } = tryPipeline(temperature, [reading('00:10', 20)], { close: false });
    expect(panes.map(({ window }) => window)).toEqual(['lastTwo']);
  });

  it('takes silence from the arrivals, where they are given', () => {
    const noon = Date.UTC(2026, 0, 5, 12);
    const records = [reading('00:10', 20), reading('00:20', 40)];
    const starts = (arrivals: number[]) =>
      tryPipeline(temperature, records, { arrivals, close: false }).panes.map(({ window, count: n }) => [
        window,
        n,
      ]);
    expect(starts([noon, noon])).toEqual([
      ['lastTwo', 1],
      ['lastTwo', 2],
    ]);
    expect(starts([noon, noon + 3_600_000])).toEqual([
      ['lastTwo', 1],
      ['minute', 1],
      ['lastTwo', 2],
    ]);
  });

  it('shows early panes once for all records, sessions as they are united, and what is no number as null', () => {
    const pipeline = definePipeline('tried', kinesis<Reading>(), {
      key: (one) => one.machine,
      eventTime: (one) => one.at,
      allowedLateness: '10m',
      windows: {
        minute: tumbling({ size: '1m', emit: 'update' }, { n: count() }),
        burst: session({ gap: '30s' }, { mean: mean('celsius', { invalid: 'keep' }) }),
      },
    });
    const { panes } = tryPipeline(pipeline, [
      reading('00:00', 1),
      reading('01:00', 2),
      reading('02:00', 3),
      reading('00:30', 8),
      { ...reading('05:00', 0), celsius: undefined },
    ]);
    const told = panes.map(({ window, kind, start, revision, results }) => [
      `${window} ${start.slice(14, 19)}/${revision} ${kind}`,
      results,
    ]);
    expect(told).toEqual([
      ['burst 00:00/0 final', { mean: 1 }],
      ['minute 00:00/0 final', { n: 1 }],
      ['burst 01:00/0 final', { mean: 2 }],
      ['minute 01:00/0 final', { n: 1 }],
      ['minute 00:00/1 late', { n: 2 }],
      ['burst 01:00/1 retracted', null],
      ['burst 00:00/1 late', { mean: 11 / 3 }],
      ['burst 02:00/0 final', { mean: 3 }],
      ['minute 02:00/0 final', { n: 1 }],
      ['minute 05:00/0 early', { n: 1 }],
      ['burst 05:00/0 final', { mean: null }],
      ['minute 05:00/1 final', { n: 1 }],
    ]);
  });

  it('counts a record on which a function of an aggregate throws as poison, and says why', () => {
    const brittle = defineAggregate<Reading, 'celsius', number, number>({
      name: 'brittle',
      select: 'celsius',
      identity: 0,
      lift: (celsius) => {
        if (celsius > 1_000) throw new Error(`melted at ${celsius}`);
        return celsius;
      },
      combine: (earlier, later) => earlier + later,
      lower: (total) => total,
    });
    const pipeline = definePipeline('tried', kinesis<Reading>(), {
      key: (one) => one.machine,
      eventTime: (one) => one.at,
      windows: { minute: tumbling({ size: '1m' }, { brittle }) },
    });
    const tried = tryPipeline(pipeline, [reading('00:00', 1), reading('00:01', 2_000), reading('00:02', 3)]);
    expect(tried).toMatchObject({
      applied: 2,
      poison: [{ at: 1, code: 'fold', reason: 'melted at 2000' }],
      panes: [{ results: { brittle: 4 } }],
    });
  });

  //  12:00         12:01         12:02
  //    20            ↑ 12:01:40 closes the first minute, 12:00:30 and 12:00:40 come after it
  //  [------------)[------------)
  it('counts and lists late records by the windows that refused them, though others took them', () => {
    const times = ['00:10', '01:40', '00:30', '01:50', '00:40'] as const;
    const records = times.map((time) => reading(time, 20));
    const { panes, ...tried } = tryPipeline(temperature, records);
    expect(tried).toEqual({
      applied: 5,
      late: { minute: 2 },
      lateForAll: 0,
      lateRecords: [
        { at: 2, windows: ['minute'] },
        { at: 4, windows: ['minute'] },
      ],
      filtered: 0,
      poison: [],
    });
    expect(panes.filter(({ window }) => window === 'lastTwo')).toHaveLength(5);
  });

  it('has nothing to show for no records', () => {
    expect(tryPipeline(temperature, [])).toEqual({
      panes: [],
      applied: 0,
      late: {},
      lateForAll: 0,
      lateRecords: [],
      filtered: 0,
      poison: [],
    });
  });

  it('refuses a definition that folds differently the second time', () => {
    let calls = 0;
    const impure = definePipeline('impure', kinesis<Reading>(), {
      key: (one) => one.machine,
      eventTime: (one) => one.at,
      windows: { minute: tumbling({ size: '1m' }, { n: count(), calls: collect(() => calls++) }) },
    });
    expect(() => tryPipeline(impure, [reading('00:10', 20)])).toThrow(
      'Cannot try "impure" as its functions must be pure: folded twice, it differs',
    );
  });
});

describe('a pipeline under simulation', () => {
  const readings = Array.from({ length: 40 }, (_, at) =>
    reading(`0${Math.floor(at / 8)}:${10 + (at % 8) * 5}`, at, at % 3 === 0 ? 'pump' : 'fan'),
  );

  it('gives every pane once, whatever fails', async () => {
    const { schedules, faults, panes } = await simulate(temperature, readings, { seeds: 20 });
    expect(schedules).toBe(20);
    expect(faults).toBeGreaterThan(200);
    expect(panes).toBe(20 * tryPipeline(temperature, readings).panes.length);
  });

  it('takes batches of so many bytes that groups are read while they are decoded', async () => {
    const large = readings.map((one) => ({ ...one, note: 'x'.repeat(6_000) }));
    const { panes } = await simulate(temperature, large, { seeds: 5 });
    expect(panes).toBe(5 * tryPipeline(temperature, readings).panes.length);
  });

  it('takes records that are refused, or on which a function throws', async () => {
    const brittle = defineAggregate<Reading, 'celsius', number, number>({
      name: 'brittle',
      select: 'celsius',
      identity: 0,
      lift: (celsius) => {
        if (celsius === 7) throw new Error('melted');
        return celsius;
      },
      combine: (earlier, later) => earlier + later,
      lower: (total) => total,
    });
    const pipeline = definePipeline('brittle', kinesis<Reading>(), {
      key: (one) => one.machine,
      eventTime: (one) => one.at,
      windows: {
        lastFive: rolling({ count: 5 }, { brittle }),
        minute: tumbling({ size: '1m' }, { brittle }),
      },
    });
    await simulate(pipeline, [...readings, { ...reading('04:59', 1), celsius: 'warm' }], { seeds: 20 });
    const refused = reading('noon', 1);
    expect(await simulate(pipeline, [refused, ...readings], { seeds: 20 })).toMatchObject({ schedules: 20 });
    expect(await simulate(pipeline, [refused], { seeds: 5 })).toMatchObject({ schedules: 5, panes: 0 });
  });

  it('names the seed and the faults where a function is not pure', async () => {
    let calls = 0;
    const impure = definePipeline('impure', kinesis<Reading>(), {
      key: (one) => one.machine,
      eventTime: (one) => one.at,
      windows: { minute: tumbling({ size: '1m' }, { n: count(), calls: collect(() => calls++) }) },
    });
    await expect(simulate(impure, readings)).rejects.toThrow(
      /^Cannot vouch for "impure" as a rule is broken with seed 1 and faults \[\]: The objects hold every pane/,
    );
  });

  it('closes the windows of a key that begins anew, wherever its records are cut', () => {
    const forgetful = definePipeline('forgetful', kinesis<Reading>(), {
      key: (one) => one.machine,
      eventTime: (one) => one.at,
      maxLateness: '1d',
      windows: { minute: tumbling({ size: '1m' }, { n: count() }) },
    });
    const day = 86_400_000;
    const from = Date.UTC(2026, 0, 5, 12);
    const { panes } = tryPipeline(
      forgetful,
      [reading('00:00', 1), reading('01:00', 2), reading('02:00', 3), reading('03:00', 4)],
      { arrivals: [from, from + 3 * day, from + 3 * day, from + 3 * day], close: false },
    );
    // 12:02 closed the second minute, and 12:03 the third, although silence had passed both before.
    expect(panes.map(({ start, watermark }) => [start.slice(14, 19), watermark.slice(14, 19)])).toEqual([
      ['00:00', '01:00'],
      ['01:00', '02:00'],
      ['02:00', '03:00'],
    ]);
  });
});
