import { describe, expect, it } from 'vitest';
import { type EpochMillis, millis } from '../../../src/core/time.ts';
import { groupOf, hashOf } from '../../../src/engine/group/key-group.ts';
import { explain, UnknownKeyError } from '../../../src/engine/inspect/explain.ts';
import { holdDeployment } from '../../../src/engine/log/definition-log.ts';
import { GroupLogs } from '../../../src/engine/log/group-logs.ts';
import { beginGeneration } from '../../../src/engine/log/rescale.ts';
import { enginePorts } from '../../../src/engine/log/spill.ts';
import {
  batches,
  count,
  definePipeline,
  kinesis,
  mean,
  rolling,
  session,
  sliding,
  sqs,
  tumbling,
} from '../../../src/index.ts';
import { groupLog } from '../../../src/wiring/names.ts';
import { at, type Reading, Scene } from '../scene.ts';

const PUMP = 'pump';

const readings = definePipeline('readings', kinesis<Reading>(), {
  key: ({ machine }) => machine,
  eventTime: (reading) => reading.at,
  outOfOrderness: '30s',
  idleAfter: '2m',
  windows: {
    twoMinutes: sliding({ size: '2m', slide: '1m' }, { mean: mean('celsius') }),
    byThree: batches({ count: 3 }, { n: count() }),
    lastTwo: rolling({ count: 2 }, { n: count() }),
  },
});

//  12:00   12:01   12:02   12:03   12:04
//   10   30   50        10
//               W=12:01:40 (12:02:10 less 30 s)
//  [---------------)                        until 12:02
//          [---------------)                until 12:03
//                  [---------------)        until 12:04
async function begun(): Promise<Scene> {
  const scene = await new Scene(readings).under(readings);
  const first = [scene.put(PUMP, at(0, 10)), scene.put('lathe', at(0, 20)), scene.put(PUMP, at(0, 50))];
  await scene.process(first);
  await scene.process([scene.put(PUMP, at(1, 5))]);
  await scene.process([scene.put(PUMP, at(2, 10))]);
  scene.ports.clock.set(at(2, 40));
  return scene;
}

describe('the explanation of a key', () => {
  it('says of a session that what closes it comes after its end, not at it', async () => {
    const visits = definePipeline('visits', kinesis<Reading>(), {
      key: ({ machine }) => machine,
      eventTime: (reading) => reading.at,
      idleAfter: '2m',
      windows: { visits: session({ gap: '30s' }, { n: count() }) },
    });
    const scene = await new Scene(visits).under(visits);
    await scene.process([scene.put(PUMP, at(0, 10))]);
    scene.ports.clock.set(at(0, 20));
    const { windows } = await explain(scene.engine, visits, PUMP);
    expect(windows[0]?.first).toEqual([
      {
        start: '2026-01-05T12:00:10.000Z',
        end: '2026-01-05T12:00:40.000Z',
        count: 1,
        recordFrom: '2026-01-05T12:00:40.001Z',
        silenceUntil: '2026-01-05T12:02:40.001Z',
      },
    ]);
  });

  it('lists its open windows, and what closes each', async () => {
    const { ports } = await begun();
    const { windows, nextIdleClose } = await explain(enginePorts(ports), readings, PUMP);
    expect(windows).toEqual([
      {
        window: 'twoMinutes',
        waitsFor: 'watermark',
        open: 3,
        first: [
          {
            start: '2026-01-05T12:00:00.000Z',
            end: '2026-01-05T12:02:00.000Z',
            count: 3,
            recordFrom: '2026-01-05T12:02:30.000Z',
            silenceUntil: '2026-01-05T12:04:30.000Z',
          },
          {
            start: '2026-01-05T12:01:00.000Z',
            end: '2026-01-05T12:03:00.000Z',
            count: 2,
            recordFrom: '2026-01-05T12:03:30.000Z',
            silenceUntil: '2026-01-05T12:05:30.000Z',
          },
          {
            start: '2026-01-05T12:02:00.000Z',
            end: '2026-01-05T12:04:00.000Z',
            count: 1,
            recordFrom: '2026-01-05T12:04:30.000Z',
            silenceUntil: '2026-01-05T12:06:30.000Z',
          },
        ],
      },
      {
        window: 'byThree',
        waitsFor: 'records',
        open: 1,
        first: [{ start: '2026-01-05T12:02:10.000Z', end: '2026-01-05T12:02:10.001Z', count: 1 }],
      },
      { window: 'lastTwo', waitsFor: 'records', open: 0, first: [] },
    ]);
    expect(nextIdleClose).toBe('2026-01-05T12:04:30.000Z');
  });

  it('is right about the record that closes a window, and the silence', async () => {
    const panes = async (until: (scene: Scene) => Promise<unknown>): Promise<number> => {
      const scene = await begun();
      await until(scene);
      return scene.emitted().filter((pane) => pane.startsWith('pump ') && pane.includes('mean')).length;
    };
    const record = (time: number) => (scene: Scene) => scene.process([scene.put(PUMP, time as never)]);
    const before = await panes(async () => {});
    expect(await panes(record(at(2, 30) - 1))).toBe(before);
    expect(await panes(record(at(2, 30)))).toBe(before + 1);
    // The sweeper stays ten seconds behind.
    expect(await panes((scene) => scene.sweepAt((at(4, 40) - 1) as never))).toBe(before);
    expect(await panes((scene) => scene.sweepAt(at(4, 40)))).toBe(before + 1);
  });

  it('says how its watermark came about, and what silence has added', async () => {
    const scene = await begun();
    expect((await explain(scene.engine, readings, PUMP)).watermark).toEqual({
      now: '2026-01-05T12:01:40.000Z',
      maxEventTime: '2026-01-05T12:02:10.000Z',
      lastArrival: '2026-01-05T12:02:10.000Z',
      outOfOrdernessMillis: 30_000,
      idleAfterMillis: 120_000,
      silenceAddsMillis: 0,
    });
    scene.ports.clock.set(at(4, 15));
    expect((await explain(scene.engine, readings, PUMP)).watermark.silenceAddsMillis).toBe(5_000);
  });

  it('tells of its group and the last commits', async () => {
    const scene = await begun();
    const { group, stateBytes } = await explain(scene.engine, readings, PUMP, { commits: 2 });
    const entries = scene.entriesOf(PUMP);
    const index = groupOf(hashOf(PUMP), readings.groups);
    expect(groupOf(hashOf('lathe'), readings.groups)).toBe(index);
    expect(group).toEqual({
      generation: 1,
      index,
      log: groupLog('readings', 1, index),
      ordinal: 3,
      keys: 2,
      roomUsed: expect.closeTo(0.00006),
      stateBytes: expect.any(Number),
      commits: [
        {
          ordinal: 3,
          at: '2026-01-05T12:02:10.000Z',
          applied: 1,
          late: {},
          panes: expect.any(Number),
          bytes: entries[2]?.body.length,
        },
        {
          ordinal: 2,
          at: '2026-01-05T12:01:05.000Z',
          applied: 1,
          late: {},
          panes: expect.any(Number),
          bytes: entries[1]?.body.length,
        },
      ],
    });
    expect(stateBytes).toBeGreaterThan(0);
    const whole = await explain(scene.engine, readings, PUMP);
    expect(whole.group.commits.map(({ ordinal, applied }) => [ordinal, applied])).toEqual([
      [3, 1],
      [2, 1],
      [1, 3],
    ]);
  });

  it('lists which windows a commit refused records of', async () => {
    const scene = await begun();
    scene.ports.clock.set(at(9));
    await scene.process([scene.put(PUMP, at(8), 20), scene.put(PUMP, at(0, 30))]);
    const { group } = await explain(scene.engine, readings, PUMP, { commits: 1 });
    expect(group.commits).toMatchObject([{ applied: 2, late: { twoMinutes: 1 } }]);
  });

  it('does not know what the first commit left applied, once the one before has expired', async () => {
    const scene = await begun();
    // The sweeper renews the log first, and then lets time pass.
    await scene.sweepAt(at(3 * 24 * 60));
    (scene.storedOf(PUMP) as unknown[]).shift();
    const { group } = await explain(scene.engine, readings, PUMP);
    expect(group.commits.map(({ applied }) => applied)).toEqual([0, 0, 1, undefined]);
  });

  it('is read from wherever its group stands while the number of groups changes', async () => {
    const scene = await begun();
    await beginGeneration(scene.engine, readings, 16);
    const { log } = scene.ports;
    const appended = () => [...log.logs.values()].flat().length;
    const before = appended();
    expect((await explain(scene.engine, readings, PUMP)).group).toMatchObject({ generation: 1, keys: 2 });
    expect(appended()).toBe(before);
    const index = groupOf(hashOf(PUMP), 16);
    await new GroupLogs(scene.engine, await holdDeployment(scene.engine, readings)).load(index);
    const { group, watermark } = await explain(scene.engine, readings, PUMP);
    expect(group).toMatchObject({ generation: 2, index, log: groupLog('readings', 2, index), ordinal: 1 });
    expect(group.commits.map(({ applied }) => applied)).toEqual([undefined]);
    expect(watermark.now).toBe('2026-01-05T12:01:40.000Z');
  });

  it.each([
    // The window refuses records of 12:00 from 12:03 on, and those of 12:01 from 12:04 on.
    ['of its own', kinesis<Reading & { id: string }>({ id: (reading) => reading.id })],
    ['of its message', sqs<Reading & { id: string }>()],
  ])('says how many records it knows by an id %s, and for how long, but not the ids', async (_, source) => {
    const pipeline = definePipeline('readings', source, {
      key: ({ machine }) => machine,
      eventTime: (reading) => reading.at,
      allowedLateness: '2m',
      windows: { minute: tumbling({ size: '1m' }, { n: count() }) },
    });
    const scene = await new Scene(pipeline).under(pipeline);
    const put = (id: string, time: EpochMillis) => scene.put(PUMP, time, 20, 0, { id });
    await scene.process([put('alice', at(0, 10)), put('bob', at(0, 50)), put('carol', at(1, 5))]);
    const explanation = await explain(scene.engine, pipeline, PUMP);
    expect(explanation.ids).toEqual({
      count: 3,
      firstUntil: '2026-01-05T12:03:00.000Z',
      lastUntil: '2026-01-05T12:04:00.000Z',
    });
    expect(JSON.stringify(explanation)).not.toMatch(/alice|bob|carol/);
    scene.ports.clock.set(at(3, 5));
    await scene.process([put('dave', at(3, 5))]);
    expect((await explain(scene.engine, pipeline, PUMP)).ids).toMatchObject({
      count: 2,
      firstUntil: '2026-01-05T12:04:00.000Z',
    });
  });

  it('says nothing of ids where records are known by their places alone', async () => {
    const scene = await begun();
    expect((await explain(scene.engine, readings, PUMP)).ids).toBeUndefined();
  });

  it('lists the first of many open windows', async () => {
    const { ports } = await begun();
    const { windows } = await explain(enginePorts(ports), readings, PUMP, { windows: 1 });
    expect(windows[0]?.first.map(({ end }) => end)).toEqual(['2026-01-05T12:02:00.000Z']);
    expect(windows[0]?.open).toBe(3);
  });

  it('is refused for a key that no record had', async () => {
    await expect(explain(new Scene(readings).engine, readings, PUMP)).rejects.toThrow(
      new UnknownKeyError('Cannot explain a key as no record was taken in yet'),
    );
    const { ports } = await begun();
    const unknown = explain(enginePorts(ports), readings, 'no such machine');
    await expect(unknown).rejects.toThrow(UnknownKeyError);
    await expect(unknown).rejects.toThrow(/^Cannot explain a key that has no state: log readings\/1\/\d, /);
  });

  it('has nothing that silence closes once all is closed', async () => {
    const scene = await begun();
    await scene.sweepAt(at(60));
    const { windows, nextIdleClose, watermark } = await explain(scene.engine, readings, PUMP);
    expect(windows[0]).toMatchObject({ open: 0, first: [] });
    expect(nextIdleClose).toBeUndefined();
    expect(watermark.silenceAddsMillis).toBe(millis('10s'));
  });
});
