import { describe, expect, it } from 'vitest';
import type { EpochMillis } from '../../../src/core/time.ts';
import { firstDeployment, groupLogsOf, OutdatedError } from '../../../src/engine/group/deployment.ts';
import { holdDeployment, writeDown } from '../../../src/engine/log/definition-log.ts';
import { beginGeneration } from '../../../src/engine/log/rescale.ts';
import { processHandler, projectHandler, sweepHandler } from '../../../src/handlers.ts';
import {
  batches,
  bucket,
  count,
  definePipeline,
  kinesis,
  last,
  max,
  mean,
  type Pane,
  rolling,
  running,
  session,
  sliding,
  sum,
  table,
  trailing,
  tumbling,
} from '../../../src/index.ts';
import type { PaneShape, Window } from '../../../src/pipeline/windows.ts';
import { ENTRY_LIFETIME } from '../../../src/ports/commit-log.ts';
import type { Ports } from '../../../src/ports/index.ts';
import type { SourceRecord } from '../../../src/ports/source.ts';
import { kinesisEvent } from '../../../src/simulation/shapes.ts';
import { definitionLog } from '../../../src/wiring/names.ts';
import { at, NOON, putToWork, type Reading, Scene } from '../scene.ts';

const PUMP = 'pump';
const LATHE = 'lathe';

interface AnyShape extends PaneShape {
  readonly results: Pane['results'];
}

const maxOf = (size: '1m' | '2m'): Window<Reading, AnyShape> => tumbling({ size }, { max: max('celsius') });
const lastTwo: Window<Reading, AnyShape> = rolling({ count: 2 }, { mean: mean('celsius') });

const define = (
  version: number | undefined,
  windows: { readonly [name: string]: Window<Reading, AnyShape> },
  more: { readonly allowedLateness?: '5m'; readonly groups?: number } = {},
) =>
  definePipeline('readings', kinesis<Reading>(), {
    key: ({ machine }) => machine,
    eventTime: (reading) => reading.at,
    ...(version === undefined ? {} : { version }),
    ...more,
    windows,
  }).to(table(), bucket());

const context = { getRemainingTimeInMillis: () => 60_000 };

/** An environment of a function that runs a pipeline's code. */
const environment = (scene: Scene, pipeline = scene.pipeline, ports: Ports = scene.ports) => {
  const handle = processHandler(ports, pipeline);
  return (...records: readonly SourceRecord[]) => handle(kinesisEvent(records), context);
};

const definitions = (scene: Scene): number =>
  scene.ports.log.logs.get(definitionLog('readings'))?.length ?? 0;

/** The epochs of a pipeline's windows once it has been put to work. */
const epochsOf = async (scene: Scene, pipeline: Scene['pipeline']): Promise<object> => {
  const { epochs } = await putToWork(scene.ports, pipeline);
  return Object.fromEntries(pipeline.rules.windows.map(({ name }, place) => [name, epochs[place]]));
};

const idsOf = (scene: Scene): readonly string[] =>
  scene.lines().map(({ id }) => id.slice('readings/'.length));

describe('what was settled about a pipeline', () => {
  const pipeline = define(1, { hottest: maxOf('1m') });

  it('is written down once, by whoever is first', async () => {
    const scene = new Scene(pipeline);
    const held = await Promise.all([1, 2, 3].map(() => holdDeployment(scene.engine, pipeline)));
    expect(definitions(scene)).toBe(0);
    await Promise.all(held.flatMap((one) => [1, 2].map(() => writeDown(scene.engine, one))));
    expect(definitions(scene)).toBe(1);
    expect(await holdDeployment(scene.engine, pipeline)).toEqual({
      ...firstDeployment(pipeline),
      generations: [{ number: 1, groups: 4, begunAt: NOON }],
    });
  });

  it('is what the first to commit said of groups, whatever later code says', async () => {
    const scene = new Scene(pipeline);
    await putToWork(scene.ports, pipeline);
    const eight = define(2, { hottest: maxOf('1m') }, { groups: 8 });
    expect(await holdDeployment(scene.engine, eight)).toMatchObject({
      generations: [{ number: 1, groups: 4 }],
    });
    expect(groupLogsOf(await holdDeployment(scene.engine, eight), at(1))).toHaveLength(4);
  });

  it('is appended anew before it can expire', async () => {
    const scene = new Scene(pipeline);
    await putToWork(scene.ports, pipeline);
    for (let day = 1; day <= 20; day++) {
      scene.ports.clock.set(at(day * 24 * 60));
      scene.ports.log.expire(scene.ports.clock.now());
      expect(await holdDeployment(scene.engine, pipeline)).toMatchObject({
        generations: [{ begunAt: NOON }],
      });
    }
    expect(definitions(scene)).toBeLessThanOrEqual(4);
    scene.ports.log.expire((scene.ports.clock.now() + ENTRY_LIFETIME) as EpochMillis);
    await expect(holdDeployment(scene.engine, pipeline)).rejects.toThrow('Cannot read log');
  });
});

describe('a change of windows', () => {
  it.each([
    ['added', 'other', { hottest: maxOf('1m'), other: maxOf('1m') }, {}],
    ['removed', 'two', { hottest: maxOf('1m') }, {}],
    ['made another size', 'hottest', { hottest: maxOf('2m'), two: lastTwo }, {}],
    ['given another lateness', 'hottest', { hottest: maxOf('1m'), two: lastTwo }, { allowedLateness: '5m' }],
  ] as const)('needs a higher version: one %s', async (_, name, windows, more) => {
    const scene = await new Scene(define(3, { hottest: maxOf('1m'), two: lastTwo })).under(
      define(3, { hottest: maxOf('1m'), two: lastTwo }),
    );
    const given = name === 'other' ? { ...windows, two: lastTwo } : windows;
    await expect(holdDeployment(scene.engine, define(3, given, more))).rejects.toThrow(
      new RangeError(
        `Cannot run "readings" as its windows may only change with its version: "${name}" was added, removed, altered or moved; give it version: 4`,
      ),
    );
    await expect(environment(scene, define(3, given, more))(scene.put(PUMP, at(0)))).rejects.toThrow(
      RangeError,
    );
    expect(definitions(scene)).toBe(1);
    await putToWork(scene.ports, define(4, given, more));
    expect(definitions(scene)).toBe(2);
  });

  it('is none where only functions of the pipeline, or nothing, is another: any higher version will do', async () => {
    const windows = { hottest: maxOf('1m') };
    const scene = new Scene(define(undefined, windows));
    expect(await epochsOf(scene, define(undefined, windows))).toEqual({ hottest: 0 });
    expect(await epochsOf(scene, define(1, windows))).toEqual({ hottest: 0 });
    expect(definitions(scene)).toBe(1);
    expect(await epochsOf(scene, define(7, windows))).toEqual({ hottest: 0 });
    expect(definitions(scene)).toBe(2);
  });

  it('is refused to code of a version lower than has been at work', async () => {
    const scene = new Scene(define(2, { hottest: maxOf('1m') }));
    await putToWork(scene.ports, scene.pipeline);
    await expect(holdDeployment(scene.engine, define(1, { hottest: maxOf('1m') }))).rejects.toThrow(
      new OutdatedError(
        'Cannot run version 1 of "readings" as version 2 has been at work: to go back to an earlier definition, give it a higher version',
      ),
    );
  });

  it('begins what is altered, or there again, with its version; what was never there, and what stays, from 0', async () => {
    const scene = new Scene(define(1, { a: maxOf('1m'), b: maxOf('1m') }));
    expect(await epochsOf(scene, scene.pipeline)).toEqual({ a: 0, b: 0 });
    expect(await epochsOf(scene, define(2, { a: maxOf('2m'), b: maxOf('1m') }))).toEqual({ a: 2, b: 0 });
    expect(await epochsOf(scene, define(3, { a: maxOf('2m'), c: maxOf('1m') }))).toEqual({ a: 2, c: 0 });
    expect(await epochsOf(scene, define(4, { a: maxOf('1m'), b: maxOf('1m'), c: maxOf('1m') }))).toEqual({
      a: 4,
      b: 4,
      c: 0,
    });
    expect(await epochsOf(scene, define(9, { a: maxOf('1m'), b: maxOf('2m') }))).toEqual({ a: 4, b: 9 });
    // A generation changes nothing of that.
    await beginGeneration(scene.engine, define(9, { a: maxOf('1m'), b: maxOf('2m') }), 8);
    expect(await epochsOf(scene, define(9, { a: maxOf('1m'), b: maxOf('2m') }))).toEqual({ a: 4, b: 9 });
  });
});

describe('a window', () => {
  it('that is new begins without state, and the others keep theirs, the positions and the watermark', async () => {
    const scene = await new Scene(define(1, { two: lastTwo, hottest: maxOf('1m') })).under(
      define(1, { two: lastTwo, hottest: maxOf('1m') }),
    );
    const first = scene.put(PUMP, at(0, 50), 10);
    await scene.process([first]);
    const next = await scene.under(define(2, { two: lastTwo, hottestOfTwo: maxOf('2m') }));
    expect(
      next
        .groupOf(PUMP)
        .keys.get(PUMP)
        ?.windows.map((tables) => tables !== undefined),
    ).toEqual([true, false]);
    await next.process([first, next.put(PUMP, at(1, 10), 30), next.put(PUMP, at(2, 10), 20)]);
    expect(next.emitted()).toEqual([
      'pump 12:00:50 0 {"mean":10}',
      'pump 12:00:50 0 {"mean":20}',
      'pump 12:01:10 0 {"mean":25}',
      // Without the first record: it came before the window was defined.
      'pump 12:00:00 0 {"max":30}',
    ]);
  });

  it('that is altered begins anew, under ids and rows that tell it from the one before', async () => {
    const one = await new Scene(define(1, { w: maxOf('1m') })).under(define(1, { w: maxOf('1m') }));
    await one.process([one.put(PUMP, at(0, 10), 1), one.put(PUMP, at(1, 10), 2)]);
    const two = await one.under(define(2, { w: maxOf('2m') }));
    await two.process([two.put(PUMP, at(1, 20), 3), two.put(PUMP, at(2, 10), 4)]);
    const three = await two.under(define(3, { w: maxOf('1m') }));
    await three.process([three.put(PUMP, at(2, 20), 5), three.put(PUMP, at(3, 10), 6)]);
    await three.project();
    expect(idsOf(three)).toEqual([
      'pump/w/2026-01-05T12:00:00.000Z/0',
      'pump/w@2/2026-01-05T12:00:00.000Z/0',
      'pump/w@3/2026-01-05T12:02:00.000Z/0',
    ]);
    expect(three.lines().map(({ window, results }) => ({ window, ...results }))).toEqual([
      { window: 'w', max: 1 },
      { window: 'w', max: 3 },
      { window: 'w', max: 5 },
    ]);
    expect([...(three.ports.rows.stored.get('readings#pump')?.keys() ?? [])].sort()).toEqual([
      'w#2026-01-05T12:00:00.000Z',
      'w#latest',
      'w@2#2026-01-05T12:00:00.000Z',
      'w@2#latest',
      'w@3#2026-01-05T12:02:00.000Z',
      'w@3#latest',
    ]);
  });

  it('that was gone begins anew when it is there again, in groups that nobody visited in between, too', async () => {
    const windows = { two: lastTwo, w: maxOf('2m') };
    const one = await new Scene(define(1, windows)).under(define(1, windows));
    await one.process([one.put(PUMP, at(0, 10), 99)]);
    await one.under(define(2, { two: lastTwo }));
    const three = await one.under(define(3, windows));
    await three.process([three.put(PUMP, at(0, 20), 1), three.put(PUMP, at(2, 10), 2)]);
    await three.project();
    expect(three.lines().filter(({ window }) => window === 'w')).toMatchObject([
      { id: 'readings/pump/w@3/2026-01-05T12:00:00.000Z/0', results: { max: 1 } },
    ]);
    expect(
      three
        .lines()
        .filter(({ window }) => window === 'two')
        .map(({ index }) => index),
    ).toEqual([0, 1, 2]);
  });

  it('that is new begins for a key of which a record comes much later as for any other', async () => {
    const more: { readonly [name: string]: Window<Reading, AnyShape> } = {
      rolling: rolling({ count: 3 }, { last: last('machine'), sum: sum('celsius') }),
      batches: batches({ count: 2 }, { sum: sum('celsius') }),
      running: running({}, { n: count() }),
      trailing: trailing({ size: '1m' }, { n: count() }),
      session: session({ gap: '30s' }, { n: count() }),
      sliding: sliding({ size: '20m', slide: '1m', emitEmpty: true }, { max: max('celsius') }),
      empties: tumbling({ size: '1m', emit: 'record', emitEmpty: true }, { n: count() }),
    };
    const only = (version: number) => define(version, { two: lastTwo }, { allowedLateness: '5m', groups: 1 });
    const all = (version: number) =>
      define(version, { two: lastTwo, ...more }, { allowedLateness: '5m', groups: 1 });
    const old = await new Scene(only(1)).under(only(1));
    await old.process([old.put(PUMP, at(0)), old.put(LATHE, at(0))]);
    const upgraded = await old.under(all(2));
    // A snapshot, in which the lathe has no state of the windows that are new.
    await upgraded.process([upgraded.put(PUMP, at(1))]);
    const begun = new Scene(all(1));
    for (const scene of [upgraded, begun]) {
      for (let n = 0; n < 40; n++) await scene.process([scene.put(LATHE, at(2, 7 * n), n)]);
    }
    const lathes = (scene: Scene) =>
      scene.emitted().filter((pane) => pane.startsWith(LATHE) && !pane.includes('"mean"'));
    expect(lathes(upgraded)).toEqual(lathes(begun));
    expect(lathes(begun).length).toBeGreaterThan(50);
  });

  it('may not stand at another place among the windows under the same version', async () => {
    const local: Window<Reading, AnyShape> = trailing({ size: '1m' }, { all: last('machine') });
    const scene = await new Scene(define(1, { two: lastTwo, local })).under(
      define(1, { two: lastTwo, local }),
    );
    await expect(scene.under(define(1, { local, two: lastTwo }))).rejects.toThrow(
      'windows may only change with its version: "local" was added, removed, altered or moved; give it version: 2',
    );
    await scene.under(define(2, { local, two: lastTwo }));
  });
});

describe('old code beside new', () => {
  const [one, two] = [
    define(1, { w: maxOf('1m') }),
    define(2, { w: maxOf('1m'), n: running({}, { n: count() }) }),
  ];

  it('goes on while the new has begun, swept and projected, and committed nothing', async () => {
    const scene = new Scene(two);
    const [old, fresh] = [environment(scene, one), environment(scene, two)];
    const first = scene.put(PUMP, at(0), 1);
    await old(first);
    // A batch of what is in, a sweep that has nothing to do, and a projector.
    expect(await fresh(first)).toEqual({ batchItemFailures: [] });
    await sweepHandler(scene.ports, two)({}, context);
    await projectHandler(scene.ports, two)({}, context);
    expect(definitions(scene)).toBe(1);
    // Taken back: whether it was there all the time, or begins now.
    await old(scene.put(PUMP, at(0, 30), 7));
    await environment(scene, one)(scene.put(PUMP, at(1), 2));
    await sweepHandler(scene.ports, one)({}, context);
    expect(scene.emitted()).toEqual(['pump 12:00:00 0 {"max":7}']);
    expect(scene.ports.telemetry.counted).toMatchObject({ applied: 3, duplicate: 1 });
    // And rolled out again.
    await fresh(scene.put(PUMP, at(2), 3));
    expect(definitions(scene)).toBe(2);
    await expect(environment(scene, one)(scene.put(PUMP, at(3)))).rejects.toThrow(OutdatedError);
  });

  it('is put in place of by another definition of the same version, as long as none of them has committed', async () => {
    const scene = new Scene(one);
    const [mistake, mended] = [define(2, { w: maxOf('2m') }), define(2, { w: maxOf('1m'), v: maxOf('2m') })];
    const first = scene.put(PUMP, at(0), 1);
    await environment(scene, one)(first);
    expect(await holdDeployment(scene.engine, mistake)).toMatchObject({ epochs: [2] });
    const late = environment(scene, mistake);
    await late(first);
    await environment(scene, mended)(scene.put(PUMP, at(0, 30), 7));
    expect(await epochsOf(scene, mended)).toEqual({ w: 0, v: 0 });
    // The mistake is told so, in an environment that had begun before as in a new one.
    const next = scene.put(PUMP, at(1), 3);
    await expect(late(next)).rejects.toThrow('give it version: 3');
    await expect(environment(scene, mistake)(next)).rejects.toThrow('give it version: 3');
    await environment(scene, mended)(next);
    expect(scene.emitted()).toEqual(['pump 12:00:00 0 {"max":7}']);
  });

  it('that was written down meanwhile makes another deployment of the new, which then begins with that', async () => {
    const scene = new Scene(one);
    const three = define(3, { w: maxOf('1m') });
    const first = scene.put(PUMP, at(0), 1);
    await environment(scene, one)(first);
    const newest = environment(scene, three);
    await newest(first);
    // Between them the window was altered: what three has is another than that of one.
    await environment(scene, define(2, { w: maxOf('2m') }))(scene.put(PUMP, at(0, 10), 2));
    expect(await newest(scene.put(PUMP, at(0, 20), 3))).toEqual({ batchItemFailures: [] });
    expect(await epochsOf(scene, three)).toEqual({ w: 3 });
    expect(scene.groupOf(PUMP, await holdDeployment(scene.engine, three)).counters.applied).toBe(3);
  });

  it.each(['log.append', 'log.latest'] as const)(
    'is not stopped by new code that fails at any %s before it has committed',
    async (call) => {
      let failures = 0;
      for (let allowed = 0, ended = false; !ended; allowed++) {
        const scene = new Scene(one);
        await environment(scene, one)(scene.put(PUMP, at(0), 1));
        let calls = 0;
        const failing = scene.through(async (made, _, carryOut) => {
          if (made === call && ++calls > allowed) throw new Error('refused');
          return carryOut();
        });
        const fresh = environment(scene, two, failing);
        ended = await fresh(scene.put(PUMP, at(0, 10), 2)).then(
          ({ batchItemFailures }) => batchItemFailures.length === 0,
          () => false,
        );
        if (ended) continue;
        failures++;
        // Unless it was about to commit, and has said so.
        const isWritten = definitions(scene) === 2;
        const old = environment(scene, one)(scene.put(PUMP, at(0, 20), 3));
        await (isWritten ? expect(old).rejects.toThrow(OutdatedError) : old);
        expect(isWritten).toBe(call === 'log.append' && allowed === 1);
      }
      expect(failures).toBeGreaterThan(0);
    },
  );

  it('and new that both begin a pipeline have its groups from whichever commits first', async () => {
    const eight = define(2, { w: maxOf('1m') }, { groups: 8 });
    const scene = new Scene(one);
    const [old, fresh] = [environment(scene, one), environment(scene, eight)];
    const held = await holdDeployment(scene.engine, eight);
    await old(scene.put(PUMP, at(0), 1));
    await expect(writeDown(scene.engine, held)).rejects.toThrow(OutdatedError);
    await fresh(scene.put(PUMP, at(0, 1), 1));
    expect(await holdDeployment(scene.engine, eight)).toMatchObject({ generations: [{ groups: 4 }] });
  });

  it('is refused where the new has been, and nothing is lost or doubled', async () => {
    const scene = new Scene(two);
    const [old, fresh] = [environment(scene, one), environment(scene, two)];
    const records = Array.from({ length: 8 }, (_, n) => scene.put(PUMP, at(n), n));
    await old(...records.slice(0, 2));
    await fresh(...records.slice(1, 4));
    const commits = scene.entriesOf(PUMP).length;
    // Lambda gives again what is left, to whichever code it has by then.
    expect((await old(...records.slice(4, 6))).batchItemFailures).toHaveLength(1);
    expect(scene.ports.telemetry.faults.at(-1)?.cause).toBeInstanceOf(OutdatedError);
    // Where it has nothing in memory it does not begin.
    await expect(environment(scene, one)(...records.slice(4, 6))).rejects.toThrow(OutdatedError);
    expect(scene.entriesOf(PUMP)).toHaveLength(commits);
    await fresh(...records.slice(4));
    expect(scene.entriesOf(PUMP)).toHaveLength(commits + 1);
    expect(scene.emitted().filter((pane) => pane.includes('max'))).toEqual(
      [0, 1, 2, 3, 4, 5, 6].map((n) => `pump 12:0${n}:00 0 {"max":${n}}`),
    );
    expect(scene.emitted().filter((pane) => pane.includes('"n"'))).toHaveLength(6);
    expect(scene.ports.telemetry.counted).toMatchObject({ applied: 8, duplicate: 1, conflicts: 0 });
  });

  it('goes on in a group that the new has not visited, which then takes over what it did', async () => {
    const scene = new Scene(two);
    const [old, fresh] = [environment(scene, one), environment(scene, two)];
    await old(scene.put(PUMP, at(0), 1));
    await fresh(scene.put('oven', at(0), 1));
    expect(scene.logOf('oven')).not.toBe(scene.logOf(PUMP));
    await old(scene.put(PUMP, at(0, 30), 7));
    await fresh(scene.put(PUMP, at(1), 2));
    expect(scene.emitted().filter((pane) => pane.startsWith('pump 12:00'))).toEqual([
      'pump 12:00:00 0 {"max":7}',
    ]);
    expect(scene.ports.telemetry.counted).toMatchObject({ applied: 4, duplicate: 0 });
  });

  it('that loses a race to the new is refused, too', async () => {
    const scene = new Scene(two);
    const fresh = environment(scene, two);
    const theirs = scene.put(LATHE, at(0), 1, 1);
    let raced = false;
    const slow = scene.through(async (call, name, carryOut) => {
      if (call === 'log.append' && name === scene.logOf(PUMP) && !raced) {
        raced = true;
        await fresh(theirs);
      }
      return carryOut();
    });
    const ours = scene.put(PUMP, at(0), 1);
    const answer = await processHandler(slow, one)(kinesisEvent([ours]), context);
    expect(answer.batchItemFailures).toHaveLength(1);
    expect(raced).toBe(true);
    expect(scene.entriesOf(PUMP)).toHaveLength(1);
    expect(await fresh(ours)).toEqual({ batchItemFailures: [] });
    expect(scene.ports.telemetry.counted).toMatchObject({ applied: 2, duplicate: 0 });
  });
});
