import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Packer, unpackRecords } from '../../../src/adapters/kinesis/kpl.ts';
import { memoryPorts } from '../../../src/adapters/memory/index.ts';
import { memoryReading } from '../../../src/adapters/memory/reading.ts';
import { positionOf, unorderedPositionOf } from '../../../src/core/position.ts';
import { millis } from '../../../src/core/time.ts';
import { type Kept, keptRecords } from '../../../src/engine/intake/kept-records.ts';
import { isRedrivable, Redrive, type RedriveCounts } from '../../../src/engine/intake/redrive.ts';
import { GroupLogs } from '../../../src/engine/log/group-logs.ts';
import { beginGeneration } from '../../../src/engine/log/rescale.ts';
import { enginePorts } from '../../../src/engine/log/spill.ts';
import {
  count,
  definePipeline,
  dynamodbStream,
  kafka,
  kinesis,
  type Pipeline,
  sqs,
  sum,
  tumbling,
} from '../../../src/index.ts';
import type { Source } from '../../../src/pipeline/source.ts';
import type { Ports } from '../../../src/ports/index.ts';
import { LIMITS } from '../../../src/ports/limits.ts';
import type { SourceRecord } from '../../../src/ports/source.ts';
import { at, NOON, type Reading, Scene } from '../scene.ts';

const SOURCES: readonly (readonly [string, Source<Reading>])[] = [
  ['a stream', kinesis<Reading>()],
  ['a topic', kafka<Reading>({ topic: 'readings' })],
  ['a FIFO queue', sqs<Reading>({ fifo: true })],
  ['a standard queue', sqs<Reading>()],
];

/** A definition that refuses negative temperatures as its first version, and takes them as its second. */
const readings = (source: Source<Reading>, version = 1): Pipeline =>
  definePipeline('readings', source as ReturnType<typeof kinesis<Reading>>, {
    key: ({ machine }) => machine,
    eventTime: (reading) => {
      if (version === 1 && reading.celsius < 0) throw new Error('it is cold');
      return reading.at;
    },
    version,
    groups: 4,
    windows: { hour: tumbling({ size: '1h' }, { n: count(), sum: sum('celsius') }) },
  });

const recordOf = (
  n: number,
  data: object,
  source: Source<Reading>,
  arrival = at(0, n % 60),
): SourceRecord => ({
  lineage: source.lineage.ordered ? `readings/${n % 2}` : 'readings',
  position: source.lineage.ordered ? positionOf(String(n + 1)) : unorderedPositionOf(`id-${n}`),
  arrival,
  partitionKey: 'pump',
  data: Buffer.from(JSON.stringify(data)),
});

const portsOf = (scene: Scene, ports: Ports = scene.ports) => ({
  ...enginePorts(ports),
  reading: memoryReading(scene.ports),
});

async function keptIn(scene: Scene, kind: 'poison' | 'late' = 'poison'): Promise<Kept[]> {
  const kept: Kept[] = [];
  for await (const record of keptRecords(
    { log: scene.engine.log, reading: memoryReading(scene.ports) },
    'readings',
    kind,
  ))
    kept.push(record);
  return kept;
}

/** Redrives whatever is kept, and returns how that was counted. */
async function redriveAll(
  scene: Scene,
  kind: 'poison' | 'late' = 'poison',
  ports: Ports = scene.ports,
): Promise<RedriveCounts> {
  const redrive = await Redrive.begin(portsOf(scene, ports), scene.pipeline);
  await redrive.take((await keptIn(scene, kind)).filter(isRedrivable).map(({ record }) => record));
  return redrive.counts;
}

/** Records of which every third is refused by the first version. */
async function refusedBy(source: Source<Reading>, records = 30): Promise<Scene> {
  const scene = await new Scene(readings(source), undefined, {
    ports: Object.assign(memoryPorts({ start: NOON }), { limits: LIMITS }),
  }).under(readings(source));
  const batch = Array.from({ length: records }, (_, n) =>
    recordOf(n, { machine: `m${n % 5}`, at: at(0, n), celsius: n % 3 === 0 ? -1 : 1 }, source),
  );
  expect(await scene.process(batch)).toEqual([]);
  return scene.under(readings(source, 2));
}

/** The records that all groups have counted, each group once. */
function ledgerOf(scene: Scene) {
  const groups = new Map([0, 1, 2, 3, 4].map((n) => [scene.logOf(`m${n}`), scene.groupOf(`m${n}`)]));
  const pump = scene.logOf('pump');
  if (scene.storedOf('pump').length > 0) groups.set(pump, scene.groupOf('pump'));
  const counters = [...groups.values()].map(({ counters }) => counters);
  return {
    applied: counters.reduce((total, one) => total + one.applied, 0),
    poison: counters.reduce((total, one) => total + one.poison, 0),
    lateForAll: counters.reduce((total, one) => total + one.lateForAll, 0),
  };
}

describe.each(SOURCES)('refused records of %s', (_, source) => {
  it('are listed once each, and are taken in once by code that no longer refuses them', async () => {
    const scene = await refusedBy(source);
    expect(await keptIn(scene)).toHaveLength(10);
    expect(await redriveAll(scene)).toEqual({ records: 10, applied: 10, late: 0, filtered: 0, poison: 0 });
    expect(ledgerOf(scene)).toEqual({ applied: 30, poison: 10, lateForAll: 0 });
    expect(await redriveAll(scene)).toEqual({ records: 0, applied: 0, late: 0, filtered: 0, poison: 0 });
    expect(ledgerOf(scene)).toEqual({ applied: 30, poison: 10, lateForAll: 0 });
  });

  it('are taken in once, wherever a redrive is killed and begun again', async () => {
    let calls = 0;
    const counting = await refusedBy(source);
    await redriveAll(
      counting,
      'poison',
      counting.through((_call, _name, carryOut) => {
        calls++;
        return carryOut();
      }),
    );
    expect(calls).toBeGreaterThan(8);
    for (let kill = 1; kill <= calls; kill++) {
      for (const lands of [false, true]) {
        const scene = await refusedBy(source);
        let call = 0;
        // From some call on nothing answers any more; that call itself may still land.
        const killed = scene.through(async (_call, _name, carryOut) => {
          call++;
          if (call < kill) return carryOut();
          if (call === kill && lands) await carryOut();
          throw new Error('killed');
        });
        await redriveAll(scene, 'poison', killed).catch(() => {});
        await redriveAll(scene);
        expect([kill, lands, ledgerOf(scene)]).toEqual([
          kill,
          lands,
          { applied: 30, poison: 10, lateForAll: 0 },
        ]);
      }
    }
  });

  it('are taken in once by two people at once, however their calls fall', async () => {
    await fc.assert(
      fc.asyncProperty(fc.scheduler(), async (scheduler) => {
        const scene = await refusedBy(source, 12);
        const inTurns = scene.through((call, _name, carryOut) =>
          scheduler.schedule(Promise.resolve(), call).then(carryOut),
        );
        const both = Promise.all([
          redriveAll(scene, 'poison', inTurns),
          redriveAll(scene, 'poison', inTurns),
        ]);
        await scheduler.waitFor(both);
        expect(ledgerOf(scene)).toEqual({ applied: 12, poison: 4, lateForAll: 0 });
      }),
      { numRuns: 40 },
    );
  });

  it('make no time pass that would make records late which still wait at the source', async () => {
    const scene = await refusedBy(source, 1);
    const read = recordOf(1, { machine: 'm0', at: at(1), celsius: 1 }, source);
    const waiting = recordOf(2, { machine: 'm0', at: at(2), celsius: 1 }, source);
    await scene.process([read]);
    scene.ports.clock.pass(millis('5h'));
    expect(await redriveAll(scene)).toMatchObject({ records: 1, applied: 1 });
    expect(await scene.process([waiting])).toEqual([]);
    expect(ledgerOf(scene)).toEqual({ applied: 3, poison: 1, lateForAll: 0 });
  });

  it('may be taken in longer after their arrival than the definition allows their event times to be', async () => {
    const bounded = (version: number): Pipeline => ({ ...readings(source, version), maxPast: millis('1h') });
    const scene = await new Scene(bounded(1)).under(bounded(1));
    await scene.process([recordOf(0, { machine: 'm0', at: at(0), celsius: -1 }, source)]);
    scene.ports.clock.pass(millis('5h'));
    expect(await redriveAll(await scene.under(bounded(2)))).toMatchObject({ records: 1, applied: 1 });
  });

  it('are listed once when they are refused again, and can be redriven again', async () => {
    const scene = await refusedBy(source);
    const first = await scene.under(readings(source, 1)).catch(() => undefined);
    expect(first).toBeUndefined();
    const cold = await refusedByStill(scene, source);
    expect(await redriveAll(cold)).toMatchObject({ records: 10, poison: 10 });
    const open = await openOf(cold);
    expect(open).toHaveLength(10);
    expect(new Set(open.map(({ record }) => record.data)).size).toBeLessThanOrEqual(10);
    const mended = await cold.under(readings(source, 4));
    expect(await redriveAll(mended)).toMatchObject({ records: 10, applied: 10 });
    expect(await openOf(mended)).toEqual([]);
    expect(ledgerOf(mended)).toEqual({ applied: 30, poison: 20, lateForAll: 0 });
  });
});

/** The same scene under a third version that refuses what the first did. */
const refusedByStill = (scene: Scene, source: Source<Reading>): Promise<Scene> =>
  scene.under(
    definePipeline('readings', source as ReturnType<typeof kinesis<Reading>>, {
      key: ({ machine }) => machine,
      eventTime: (reading) => {
        if (reading.celsius < 0) throw new Error('it is cold');
        return reading.at;
      },
      version: 3,
      groups: 4,
      windows: { hour: tumbling({ size: '1h' }, { n: count(), sum: sum('celsius') }) },
    }),
  );

/** What is kept and was not redriven since. */
async function openOf(scene: Scene): Promise<Kept[]> {
  const redrive = await Redrive.begin(portsOf(scene), scene.pipeline);
  return (await keptIn(scene)).filter(({ record }) => !redrive.has(record));
}

describe('what is kept of tries that failed', () => {
  it('is not listed, as its records came again', async () => {
    const source = kinesis<Reading>();
    const scene = await new Scene(readings(source)).under(readings(source));
    const batch = [0, 1, 2].map((n) => recordOf(n, { machine: 'pump', at: at(0, n), celsius: -1 }, source));
    const refusing = scene.refusing((call, name) => call === 'log.append' && !name.startsWith('definition'));
    await scene.process(batch, refusing);
    expect(scene.ports.objects.stored.size).toBe(1);
    expect(await keptIn(scene)).toEqual([]);
    const mended = await scene.under(readings(source, 2));
    expect(await mended.process(batch)).toEqual([]);
    expect(await keptIn(mended)).toEqual([]);
    expect(await redriveAll(mended)).toMatchObject({ records: 0 });
    expect(mended.groupOf('pump').counters).toMatchObject({ applied: 3, poison: 0 });
  });

  it('is not listed where its records come again just as it is looked for', async () => {
    const source = kinesis<Reading>();
    const scene = await new Scene(readings(source)).under(readings(source));
    const batch = [0, 1, 2].map((n) => recordOf(n, { machine: 'pump', at: at(0, n), celsius: -1 }, source));
    const refusing = scene.refusing((call, name) => call === 'log.append' && !name.startsWith('definition'));
    await scene.process(batch, refusing);
    const mended = await scene.under(readings(source, 2));
    const { log } = scene.engine;
    const latest = async (name: string) => {
      expect(await mended.process(batch)).toEqual([]);
      return log.latest(name);
    };
    const kept: Kept[] = [];
    const ports = { log: { ...log, latest }, reading: memoryReading(scene.ports) };
    for await (const record of keptRecords(ports, 'readings', 'poison')) kept.push(record);
    expect(kept).toEqual([]);
  });

  it('is not confirmed once the entry has expired', async () => {
    const scene = await refusedBy(kinesis<Reading>());
    expect((await keptIn(scene)).every(({ confirmed }) => confirmed)).toBe(true);
    scene.ports.log.expire(at(20 * 24 * 60));
    const kept = await keptIn(scene);
    expect(kept).toHaveLength(10);
    expect(kept.some(({ confirmed }) => confirmed)).toBe(false);
  });
});

describe('late records', () => {
  const source = kinesis<Reading>();

  /** Two hours pass, and then ten records of the first come. */
  async function lateIn(): Promise<Scene> {
    const scene = await new Scene(readings(source, 2)).under(readings(source, 2));
    await scene.process([recordOf(0, { machine: 'm0', at: at(180), celsius: 1 }, source, at(180))]);
    const late = Array.from({ length: 10 }, (_, n) =>
      recordOf(n + 2, { machine: 'm0', at: at(0, n), celsius: 1 }, source),
    );
    expect(await scene.process(late)).toEqual([]);
    return scene;
  }

  it('stay late where nothing has changed, and are listed once', async () => {
    const scene = await lateIn();
    expect(await redriveAll(scene, 'late')).toMatchObject({ records: 10, late: 10 });
    const redrive = await Redrive.begin(portsOf(scene), scene.pipeline);
    const open = (await keptIn(scene, 'late')).filter(({ record }) => !redrive.has(record));
    expect(open).toHaveLength(10);
  });

  it('are taken in by a version whose windows wait for them', async () => {
    const scene = await lateIn();
    const patient = definePipeline('readings', source, {
      key: ({ machine }) => machine,
      eventTime: (reading) => reading.at,
      version: 3,
      groups: 4,
      allowedLateness: '6h',
      windows: { hour: tumbling({ size: '1h' }, { n: count() }) },
    });
    expect(await redriveAll(await scene.under(patient), 'late')).toMatchObject({ records: 10, applied: 10 });
  });

  it('that other windows took are not redriven, as those would count them twice', async () => {
    const two = definePipeline('readings', source, {
      key: ({ machine }) => machine,
      eventTime: (reading) => reading.at,
      groups: 4,
      windows: {
        minute: tumbling({ size: '1m' }, { n: count() }),
        day: tumbling({ size: '1d' }, { n: count() }),
      },
    });
    const scene = await new Scene(two).under(two);
    await scene.process([recordOf(0, { machine: 'm0', at: at(180), celsius: 1 }, source, at(180))]);
    await scene.process([recordOf(2, { machine: 'm0', at: at(0), celsius: 1 }, source)]);
    expect(await keptIn(scene, 'late')).toHaveLength(1);
    expect(await redriveAll(scene, 'late')).toMatchObject({ records: 0 });
  });
});

describe('a redrive', () => {
  it('takes the refused children of a record alone', async () => {
    const families = (version: number): Pipeline =>
      definePipeline(
        'readings',
        kinesis<{ readings: Reading[] }>().expand((record) => record.readings),
        {
          key: ({ machine }) => machine,
          eventTime: (reading) => {
            if (version === 1 && reading.celsius < 0) throw new Error('it is cold');
            return reading.at;
          },
          version,
          groups: 4,
          windows: { hour: tumbling({ size: '1h' }, { n: count() }) },
        },
      ) as Pipeline;
    const scene = await new Scene(families(1)).under(families(1));
    const family = Array.from({ length: 9 }, (_, n) => ({
      machine: `m${n % 5}`,
      at: at(0, n),
      celsius: n % 3 === 0 ? -1 : 1,
    }));
    const batch = [recordOf(0, { readings: family }, kinesis()), recordOf(1, {}, kinesis())];
    expect(await scene.process(batch)).toEqual([]);
    expect(await keptIn(scene)).toHaveLength(4);
    const mended = await scene.under(families(2));
    // The record without a list is refused as before.
    expect(await redriveAll(mended)).toMatchObject({ records: 4, applied: 3, poison: 1 });
    expect(ledgerOf(mended)).toMatchObject({ applied: 9 });
  });

  it('goes on over another number of groups', async () => {
    const scene = await refusedBy(kinesis<Reading>());
    let appends = 0;
    const killed = scene.refusing((call) => call === 'log.append' && ++appends > 2);
    await redriveAll(scene, 'poison', killed).catch(() => {});
    await beginGeneration(scene.engine, scene.pipeline, 8);
    const wider = await scene.under(scene.pipeline);
    await redriveAll(wider);
    expect(await openOf(wider)).toEqual([]);
    const logs = new GroupLogs(wider.engine, wider.deployment);
    const groups = await Promise.all([...Array(8).keys()].map((index) => logs.load(index)));
    expect(groups.reduce((total, { counters }) => total + counters.applied, 0)).toBe(30);
  });

  it.each([
    ['a table', dynamodbStream<Reading, Reading>({ table: 'readings' }), 3],
    ['a FIFO queue', sqs<Reading>({ fifo: true }), 15],
  ] as const)(
    'of %s that was killed goes on however long after, when the source repeats nothing that old',
    async (_, source, days) => {
      const scene = await refusedBy(source);
      let appends = 0;
      const killed = scene.refusing((call) => call === 'log.append' && ++appends > 1);
      await redriveAll(scene, 'poison', killed).catch(() => {});
      const { applied } = ledgerOf(scene);
      expect(applied).toBeGreaterThan(20);
      expect(applied).toBeLessThan(30);
      const then = at(days * 24 * 60);
      scene.ports.clock.set(then);
      const batch = [...Array(5).keys()].map((n) =>
        recordOf(100 + n, { machine: `m${n}`, at: at(0, n), celsius: 1 }, source, then),
      );
      expect(await scene.process(batch)).toEqual([]);
      await redriveAll(scene);
      // The windows have closed meanwhile, so that what comes is late.
      const counted = ledgerOf(scene);
      expect(counted.applied + counted.lateForAll).toBe(20 + 10 + batch.length);
    },
  );

  it('refuses a definition that is not at work', async () => {
    const scene = await refusedBy(kinesis<Reading>());
    await redriveAll(scene);
    const higher = new Scene(readings(kinesis<Reading>(), 9), undefined, scene);
    await expect(redriveAll(higher)).rejects.toThrow(
      'Cannot redrive records of "readings" as its definition must be the one at work: that is version 2, this is version 9',
    );
  });
});

it('takes a refused member of packed records in again, and leaves the others of its record', async () => {
  const packer = new Packer();
  for (const celsius of [1, -1, 2, -2]) {
    const reading = { machine: 'pump', at: at(0, 1), celsius };
    packer.add({ partitionKey: 'pump', data: Buffer.from(JSON.stringify(reading)) });
  }
  const data = packer.pack();
  const source = kinesis<Reading>();
  const scene = await new Scene(readings(source), undefined, {
    ports: Object.assign(memoryPorts({ start: NOON }), { limits: LIMITS }),
  }).under(readings(source));
  const record = { ...recordOf(0, {}, source), data, members: unpackRecords(data) };
  expect(await scene.process([record as SourceRecord])).toEqual([]);
  const { applied, poison } = scene.groupOf('pump').counters;
  expect([applied, poison]).toEqual([2, 2]);
  const fixed = await scene.under(readings(source, 2));
  const ports = { ...portsOf(fixed), unpack: unpackRecords };
  const redrive = await Redrive.begin(ports, fixed.pipeline);
  const kept = (await keptIn(fixed)).filter(isRedrivable).map(({ record }) => record);
  await redrive.take(kept);
  expect(redrive.counts).toMatchObject({ records: 2, applied: 2, poison: 0 });
  expect(fixed.groupOf('pump').counters.applied).toBe(4);
});
