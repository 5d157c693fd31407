import { describe, expect, it } from 'vitest';
import { memoryReading } from '../../../src/adapters/memory/reading.ts';
import type { EpochMillis } from '../../../src/core/time.ts';
import { resume } from '../../../src/engine/delivery/resume.ts';
import { panesAfter, panesWithin } from '../../../src/engine/delivery/stretch.ts';
import { audit } from '../../../src/engine/inspect/audit.ts';
import { holdDeployment } from '../../../src/engine/log/definition-log.ts';
import { enginePorts } from '../../../src/engine/log/spill.ts';
import {
  bucket,
  collect,
  count,
  definePipeline,
  kinesis,
  rolling,
  table,
  tumbling,
} from '../../../src/index.ts';
import type { StoredEntry } from '../../../src/ports/commit-log.ts';
import { LIMITS } from '../../../src/ports/limits.ts';
import { at, type Reading, Scene } from '../scene.ts';

/** Of two key groups. */
const PUMP = 'pump';
const OVEN = 'oven';

const HOUR = 60;
const NEVER = 8e15 as EpochMillis;

const hours = definePipeline('readings', kinesis<Reading>(), {
  key: ({ machine }) => machine,
  eventTime: (reading) => reading.at,
  windows: { hour: tumbling({ size: '1h' }, { n: count() }) },
}).to(table(), bucket({ every: '0s' }));

/** Both machines report for an hour, every hour of some days; the sweeper renews what grows old, and entries expire. */
async function days(scene: Scene, from: number, to: number, machines = [PUMP, OVEN]): Promise<void> {
  for (let hour = from * 24; hour < to * 24; hour += 6) {
    await scene.process(machines.map((machine, shard) => scene.put(machine, at(hour * HOUR), 20, shard)));
    await scene.sweepAt(at(hour * HOUR, 1));
    await holdDeployment(scene.engine, scene.pipeline);
    scene.ports.log.expire(scene.ports.clock.now());
  }
}

const idsOf = (scene: Scene, machine: string): number =>
  scene.lines().filter(({ key }) => key === machine).length;

const audited = async (scene: Scene) =>
  audit({ ...scene.ports, reading: memoryReading(scene.ports) }, scene.pipeline);

describe('a projector that was down until entries expired', () => {
  it('delivers what other groups have, and says what it cannot', async () => {
    const scene = await new Scene(hours).under(hours);
    await days(scene, 0, 1);
    await scene.project();
    // For ten days the pump alone is heard of: of the oven, entries that renew it.
    await days(scene, 1, 2);
    const entries = scene.ports.log.logs.get(scene.logOf(PUMP)) as unknown[];
    entries.splice(entries.length - 2, 1);
    await scene.project();
    expect(idsOf(scene, OVEN)).toBe(7);
    expect(idsOf(scene, PUMP)).toBeLessThan(7);
    const faults = scene.ports.telemetry.faults.map(({ cause }) => String(cause));
    expect(new Set(faults)).toEqual(
      new Set([
        expect.stringMatching(
          `^LogLostError: Cannot read on in log ${scene.logOf(PUMP)} as entries must follow`,
        ),
      ]),
    );
    expect(scene.ports.telemetry.counted).toMatchObject({ gaps: 2 });
  });

  it('goes on once it is resumed, and writes down what it skips', async () => {
    const scene = await new Scene(hours).under(hours);
    await days(scene, 0, 1);
    await scene.project();
    await days(scene, 1, 14);
    await expect(scene.project()).rejects.toThrow('all of its entries have expired');
    const before = scene.lines().length;
    const skipped = await resume(scene.engine, scene.deployment);
    expect(skipped.map(({ sink, log }) => `${sink} ${log}`).sort()).toEqual(
      ['bucket', 'table']
        .flatMap((sink) => [PUMP, OVEN].map((machine) => `${sink} ${scene.logOf(machine)}`))
        .sort(),
    );
    for (const { from, to } of skipped) expect(to - from).toBeGreaterThan(10);
    await scene.project();
    expect(scene.lines().length).toBeGreaterThan(before + 40);
    expect(new Set(scene.lines().map(({ id }) => id)).size).toBe(scene.lines().length);
    expect(await audited(scene)).toMatchObject({ findings: [], counts: {} });
    expect((await audited(scene)).projectors.map((one) => one.skipped)).toEqual([
      skipped.filter(({ sink }) => sink === 'table').map(({ sink: _, ...skip }) => skip),
      skipped.filter(({ sink }) => sink === 'bucket').map(({ sink: _, ...skip }) => skip),
    ]);
    // What comes now is delivered as ever.
    await days(scene, 14, 15);
    await scene.project();
    expect(await audited(scene)).toMatchObject({ findings: [] });
    expect(await resume(scene.engine, scene.deployment)).toEqual([]);
  });

  it('is resumed where its last step can no longer be carried out', async () => {
    const scene = await new Scene(hours).under(hours);
    await days(scene, 0, 1);
    await expect(scene.project(scene.refusing((call) => call === 'objects.create'))).rejects.toThrow(
      'refused',
    );
    await days(scene, 1, 14);
    await expect(scene.project()).rejects.toThrow('as all of its entries have expired');
    expect((await resume(scene.engine, scene.deployment)).length).toBeGreaterThan(1);
    await scene.project();
    expect(scene.lines().length).toBeGreaterThan(40);
  });

  it('delivers of its last step what other groups have, though entries of one are gone', async () => {
    const scene = await new Scene(hours).under(hours);
    await days(scene, 0, 1);
    // The first of its objects is there, and no other.
    let created = 0;
    const failing = scene.through(async (call, _, carryOut) => {
      if (call === 'objects.create' && created++ > 0) throw new Error('refused');
      return carryOut();
    });
    await expect(scene.project(failing)).rejects.toThrow('refused');
    (scene.ports.log.logs.get(scene.logOf(PUMP)) as unknown[]).splice(2, 1);
    await expect(scene.project()).rejects.toThrow('as entries must follow each other');
    const skipped = await resume(scene.engine, scene.deployment);
    expect(skipped).toContainEqual({ sink: 'bucket', log: scene.logOf(PUMP), from: 2, to: 3 });
    await scene.project();
    await days(scene, 1, 2);
    await scene.project();
    const ids = scene.lines().map(({ id }) => id);
    expect(new Set(ids).size).toBe(ids.length);
    expect(idsOf(scene, OVEN)).toBe(7);
    expect(idsOf(scene, PUMP)).toBe(6);
    expect((await audited(scene)).findings.filter(({ kind }) => kind !== 'gap')).toEqual([]);
    expect(await resume(scene.engine, scene.deployment)).toEqual([]);
  });

  it('skips entries that were deleted, however young they are', async () => {
    const scene = await new Scene(hours).under(hours);
    await days(scene, 0, 1);
    await scene.project();
    await days(scene, 1, 2);
    const entries = scene.ports.log.logs.get(scene.logOf(PUMP)) as StoredEntry[];
    const [{ ordinal }] = entries.splice(entries.length - 2, 1) as [StoredEntry];
    await scene.project();
    const gap = { log: scene.logOf(PUMP), from: ordinal - 1, to: ordinal };
    expect(await resume(scene.engine, scene.deployment)).toEqual([
      { sink: 'table', ...gap },
      { sink: 'bucket', ...gap },
    ]);
    await scene.project();
    expect(idsOf(scene, PUMP)).toBe(6);
    expect(idsOf(scene, OVEN)).toBe(7);
    expect((await audited(scene)).findings.map(({ kind }) => kind)).toEqual(['gap']);
  });

  it('is left as it is where nothing is missing', async () => {
    const scene = await new Scene(hours).under(hours);
    expect(await resume(scene.engine, scene.deployment)).toEqual([]);
    await days(scene, 0, 1);
    await scene.project();
    const { logs } = scene.ports.log;
    const before = [...logs].map(([, entries]) => entries.length);
    expect(await resume(scene.engine, scene.deployment)).toEqual([]);
    expect([...logs].map(([, entries]) => entries.length)).toEqual(before);
  });
});

describe('a step of a projector', () => {
  it('has room for every log, where the panes of one would fill it', async () => {
    const scene = await new Scene(large).under(large);
    const note = '.'.repeat(1_000);
    const put = (_: unknown, n: number) => scene.put(PUMP, at(0, n), 20, 0, { note });
    await scene.process(Array.from({ length: 50 }, put));
    await scene.process([scene.put(OVEN, at(0))]);
    const ports = scene.engine;
    for (const logs of [
      [scene.logOf(PUMP), scene.logOf(OVEN)],
      [scene.logOf(OVEN), scene.logOf(PUMP)],
    ]) {
      const limits = { ...LIMITS, step: 100_000 };
      const { panes, more } = await panesAfter({ ...ports, limits }, new Map(), logs, 20_000, NEVER);
      expect(more).toBe(true);
      expect(new Set(panes.map(({ key }) => key))).toEqual(new Set([PUMP, OVEN]));
    }
  });

  const large = definePipeline('readings', kinesis<Reading>(), {
    key: ({ machine }) => machine,
    eventTime: (reading) => reading.at,
    windows: { all: rolling({ count: 20 }, { notes: collect((one) => one.note ?? '') }) },
  }).to(table(), bucket({ every: '0s' }));

  it('takes nothing that was committed after what it leaves: panes of one time come together', async () => {
    const scene = await new Scene(large).under(large);
    for (let minute = 0; minute < 6; minute++) {
      const many = Array.from({ length: 50 }, (_, n) => scene.put(PUMP, at(minute, n)));
      await scene.process([...many, scene.put(OVEN, at(minute, 59))]);
    }
    const ports = scene.engine;
    const logs = [scene.logOf(PUMP), scene.logOf(OVEN)];
    const { panes, more } = await panesAfter(ports, new Map(), logs, 120, NEVER);
    // The oven's log was read to its end; of the pump's there was room for two minutes, and a part of the third.
    expect(more).toBe(true);
    expect(panes.filter(({ key }) => key === PUMP).length).toBeGreaterThan(100);
    expect(panes.filter(({ key }) => key === OVEN).map(({ end }) => end - 1)).toEqual([
      at(0, 59),
      at(1, 59),
      at(2, 59),
    ]);
  });

  it('takes the entries of a log in their order, though a clock that is ahead committed one of them', async () => {
    const scene = await new Scene(large).under(large);
    for (const minute of [0, 9, 2, 3, 4]) {
      scene.ports.clock.set(at(minute));
      const many = Array.from({ length: 50 }, (_, n) => scene.put(PUMP, at(minute, n)));
      await scene.process([...many, scene.put(OVEN, at(minute, 59))]);
    }
    const ports = scene.engine;
    const logs = [scene.logOf(PUMP), scene.logOf(OVEN)];
    let covered = new Map() as Parameters<typeof panesAfter>[1];
    const counts = new Map<string, number>();
    for (let more = true; more; ) {
      const stretch = await panesAfter(ports, covered, logs, 40, NEVER);
      expect(stretch.to.size).toBeGreaterThan(0);
      for (const { key } of stretch.panes) counts.set(key, (counts.get(key) ?? 0) + 1);
      covered = new Map([...covered, ...stretch.to]);
      more = stretch.more;
    }
    expect(counts).toEqual(
      new Map([
        [PUMP, 250],
        [OVEN, 5],
      ]),
    );
  });

  it('is bounded in bytes, whatever its panes are: they are the same in many steps as in one', async () => {
    const scene = await new Scene(large).under(large);
    for (let n = 0; n < 10; n++) {
      const batch = Array.from({ length: 20 }, (_, one) =>
        scene.put(one % 2 ? PUMP : OVEN, at(n, one), 20, 0, { note: `${n}/${one}`.padEnd(500, '.') }),
      );
      await scene.process(batch);
    }
    const ports = { ...scene.ports, limits: { ...LIMITS, step: 50_000 } };
    const logs = [scene.logOf(PUMP), scene.logOf(OVEN)];
    let covered = new Map() as Parameters<typeof panesAfter>[1];
    const steps: number[] = [];
    for (let more = true; more; ) {
      const stretch = await panesAfter(enginePorts(ports), covered, logs, 20_000, NEVER);
      expect(JSON.stringify(stretch.panes).length).toBeLessThan(150_000);
      // Whoever finds the step again reads as much.
      expect(await panesWithin(enginePorts(ports), stretch)).toHaveLength(stretch.panes.length);
      covered = new Map([...covered, ...stretch.to]);
      steps.push(stretch.panes.length);
      more = stretch.more;
    }
    expect(steps.length).toBeGreaterThan(20);
    expect(steps.reduce((total, panes) => total + panes, 0)).toBe(200);
    await scene.project(ports as never);
    expect(scene.lines()).toHaveLength(200);
    expect(await audited(scene)).toMatchObject({ findings: [] });
  });
});
