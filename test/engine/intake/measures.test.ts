import { describe, expect, it } from 'vitest';
import { memoryTelemetry } from '../../../src/adapters/memory/telemetry.ts';
import { millis } from '../../../src/core/time.ts';
import { count, definePipeline, kinesis, tumbling } from '../../../src/index.ts';
import { LIMITS } from '../../../src/ports/limits.ts';
import { at, type Reading, Scene } from '../scene.ts';

const readings = definePipeline('readings', kinesis<Reading>(), {
  key: ({ machine }) => {
    if (machine === 'broken') throw new Error('no such machine');
    return machine;
  },
  eventTime: (reading) => reading.at,
  groups: 2,
  windows: { minute: tumbling({ size: '1m' }, { n: count() }) },
});

describe('a sweep measures', () => {
  it('how many keys there are, and how full the fullest group is', async () => {
    const scene = new Scene(readings);
    await scene.process(['a', 'b', 'c', 'd', 'e'].map((machine) => scene.put(machine, at(0, 1))));
    const sweepWith = async (newKeys: number) => {
      const telemetry = memoryTelemetry();
      await scene.sweepAt(at(0, 2), { ...scene.ports, telemetry, limits: { ...LIMITS, newKeys } });
      return telemetry;
    };
    const roomy = await sweepWith(1_000_000);
    const narrow = await sweepWith(500_000);
    expect(roomy.measured.get('keys')).toBe(5);
    expect(roomy.measured.get('roomUsed')).toBeGreaterThan(0);
    expect(narrow.measured.get('roomUsed')).toBeCloseTo(2 * (roomy.measured.get('roomUsed') as number), 0);
    expect(roomy.counted.sweeps).toBe(1);
  });

  it('how old the oldest snapshot is, which it renews after two days', async () => {
    const scene = new Scene(readings);
    await scene.process([scene.put('a', at(0, 1))]);
    const ageAt = async (hours: number) => {
      const telemetry = memoryTelemetry();
      await scene.sweepAt(at(60 * hours), { ...scene.ports, telemetry });
      return telemetry.measured.get('oldestSnapshot');
    };
    // The first sweep closes the window, with which the group is written anew.
    await ageAt(1);
    expect(await ageAt(48)).toBe(47 * millis('1h'));
    expect(await ageAt(49)).toBe(0);
  });

  it('how old the oldest record is that waits, and nothing where that is unknown', async () => {
    const scene = new Scene(readings);
    scene.put('a', at(0, 1));
    for (const [frontier, age] of [
      [at(3), millis('2m')],
      [at(6), 0],
      [undefined, undefined],
    ] as const) {
      const telemetry = memoryTelemetry();
      const arrivals = { frontier: async () => frontier };
      await scene.sweepAt(at(5), { ...scene.ports, telemetry, arrivals });
      expect(telemetry.measured.get('sourceAge')).toBe(age);
    }
  });

  it('no group where one could not be visited', async () => {
    const scene = new Scene(readings);
    await scene.process([scene.put('a', at(0, 1)), scene.put('b', at(0, 1))]);
    const telemetry = memoryTelemetry();
    const broken = scene.refusing((call, name) => call === 'log.latest' && name === scene.logOf('a'));
    await scene.sweepAt(at(1), { ...broken, telemetry }).catch(() => {});
    expect(telemetry.faults).toHaveLength(1);
    expect(telemetry.counted.sweeps).toBe(0);
    expect([...telemetry.measured.keys()]).toEqual(['sourceAge']);
  });
});

describe('a batch counts', () => {
  it('the records for which a function of the definition throws', async () => {
    const scene = new Scene(readings);
    const telemetry = memoryTelemetry();
    await scene.process(
      [scene.put('a', at(0, 1)), scene.put('broken', at(0, 2)), scene.putText('not json', at(0, 3))],
      { ...scene.ports, telemetry },
    );
    expect(telemetry.counted).toMatchObject({ poison: 2, authorFaults: 1, unaccounted: 0 });
    expect(telemetry.counted.commits).toBeGreaterThanOrEqual(1);
  });

  it('every record once, also where races are lost and appends fail', async () => {
    const scene = new Scene(readings);
    const telemetry = memoryTelemetry();
    const records = Array.from({ length: 20 }, (_, n) => scene.put(`m${n % 5}`, at(0, n)));
    let appends = 0;
    const failing = scene.refusing((call) => call === 'log.append' && ++appends % 2 === 1);
    const ports = { ...failing, telemetry };
    let rest: readonly (typeof records)[number][] = records;
    for (let tries = 0; rest.length > 0 && tries < 20; tries++) rest = await scene.process(rest, ports);
    await scene.process(records.slice(0, 7), ports);
    expect(rest).toEqual([]);
    const { applied, duplicate, late, poison, unaccounted } = telemetry.counted;
    expect(unaccounted).toBe(0);
    expect(applied + late + poison).toBe(20);
    expect(duplicate).toBeGreaterThanOrEqual(7);
  });
});
