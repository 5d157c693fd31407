import { describe, expect, it } from 'vitest';
import { memoryPorts } from '../../../src/adapters/memory/index.ts';
import { decodeLedger } from '../../../src/engine/format/entry.ts';
import { type LateLine, lateObjectOf, readKept } from '../../../src/engine/intake/poison.ts';
import { count, definePipeline, kinesis, tumbling } from '../../../src/index.ts';
import { LIMITS } from '../../../src/ports/limits.ts';
import { LATE_PREFIX } from '../../../src/wiring/names.ts';
import { at, NOON, type Reading, Scene } from '../scene.ts';

const readings = definePipeline('readings', kinesis<Reading>(), {
  key: ({ machine }) => machine,
  eventTime: (reading) => reading.at,
  groups: 1,
  windows: {
    minute: tumbling({ size: '1m' }, { n: count() }),
    hour: tumbling({ size: '1h' }, { n: count() }),
  },
});

const lateObjects = (scene: Scene): readonly string[] =>
  [...scene.ports.objects.stored.keys()].filter((name) => name.startsWith(LATE_PREFIX));

const lateIn = (scene: Scene): readonly LateLine[] =>
  lateObjects(scene).flatMap((name) =>
    readKept<LateLine>(scene.ports.objects.stored.get(name)?.body ?? new Uint8Array()),
  );

describe('a record that comes late', () => {
  it('is kept with its bytes and with the windows that refused it, before the commit that moves past it', async () => {
    const scene = new Scene(readings);
    await scene.process([scene.put('pump', at(2, 30))]);
    const partly = scene.put('pump', at(0, 30), 7);
    const calls: string[] = [];
    const watched = scene.through((call, name, carryOut) => {
      if (call === 'objects.create' || call === 'log.append') calls.push(`${call} ${name}`);
      return carryOut();
    });
    expect(await scene.process([partly], watched)).toEqual([]);
    const [entry] = scene.entriesOf('pump').slice(-1);
    expect(entry).toBeDefined();
    if (entry === undefined) return;
    const object = lateObjectOf(scene.logOf('pump'), { ...entry, late: decodeLedger(entry).late });
    expect(calls).toEqual([`objects.create ${object}`, `log.append ${scene.logOf('pump')}`]);
    expect(object).toMatch(/^late\/pipeline=readings\/date=2026-01-05\/1-0-2-[0-9a-f]{32}\.ndjson$/);
    const [{ data, ...line } = { data: '' }, ...others] = lateIn(scene);
    expect(others).toEqual([]);
    expect(line).toEqual({
      lineage: partly.lineage,
      position: partly.position,
      member: 0,
      child: 0,
      expanded: false,
      packed: false,
      arrival: '2026-01-05T12:00:30.000Z',
      partitionKey: 'pump',
      eventTime: '2026-01-05T12:00:30.000Z',
      watermark: '2026-01-05T12:02:30.000Z',
      windows: ['minute'],
      applied: true,
    });
    expect(Buffer.from(data, 'base64')).toEqual(Buffer.from(partly.data));

    await scene.process([scene.put('pump', at(62))]);
    await scene.process([scene.put('pump', at(0, 40), 8)]);
    expect(lateIn(scene).map(({ windows, applied }) => [windows, applied])).toEqual([
      [['minute'], true],
      [['minute', 'hour'], false],
    ]);
  });

  it('is kept once with all others of its commit, however often that is tried', async () => {
    const scene = new Scene(readings);
    await scene.process([scene.put('pump', at(2, 30))]);
    const late = Array.from({ length: 500 }, (_, n) => scene.put('pump', at(0, n % 60), n));
    const refusing = scene.refusing((call) => call === 'log.append');
    expect(await scene.process(late, refusing)).toEqual(late);
    expect(await scene.process(late)).toEqual([]);
    expect(lateObjects(scene)).toHaveLength(1);
    expect(lateIn(scene)).toHaveLength(500);
  });

  it('is not moved past while it cannot be kept', async () => {
    const scene = new Scene(readings);
    await scene.process([scene.put('pump', at(2, 30))]);
    const late = scene.put('pump', at(0));
    const full = scene.refusing((call) => call === 'objects.create');
    expect(await scene.process([late], full)).toEqual([late]);
    expect(await scene.process([late])).toEqual([]);
    expect(lateIn(scene)).toHaveLength(1);
  });

  it('is kept in objects of bounded size, by as many commits as that takes', async () => {
    const ports = Object.assign(memoryPorts({ start: NOON }), { limits: { ...LIMITS, poison: 3_000 } });
    const scene = new Scene(readings, undefined, { ports });
    await scene.process([scene.put('pump', at(2, 30))]);
    const late = Array.from({ length: 100 }, (_, n) =>
      scene.put('pump', at(0, n % 60), n, 0, { note: 'x'.repeat(200) }),
    );
    expect(await scene.process(late)).toEqual([]);
    expect(lateIn(scene)).toHaveLength(100);
    const sizes = lateObjects(scene).map((name) => ports.objects.stored.get(name)?.body.length ?? 0);
    expect(sizes.length).toBeGreaterThan(10);
    expect(Math.max(...sizes)).toBeLessThan(2 * 3_000);
  });
});
