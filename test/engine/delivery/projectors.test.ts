import { readFileSync } from 'node:fs';
import { gunzipSync } from 'node:zlib';
import { parquetMetadata, parquetReadObjects, parquetSchema } from 'hyparquet';
import initSqlJs from 'sql.js';
import { describe, expect, it } from 'vitest';
import { memoryClock } from '../../../src/adapters/memory/clock.ts';
import { memoryObjects } from '../../../src/adapters/memory/objects.ts';
import { linesOf } from '../../../src/commands/panes.ts';
import { type EpochMillis, millis } from '../../../src/core/time.ts';
import { type Backfilled, backfillObjects, backfillRows } from '../../../src/engine/delivery/backfill.ts';
import { beginnings } from '../../../src/engine/delivery/stretch.ts';
import { firstDeployment, groupLogsOf } from '../../../src/engine/group/deployment.ts';
import { enginePorts } from '../../../src/engine/log/spill.ts';
import { projectHandler } from '../../../src/handlers.ts';
import {
  batches,
  bucket,
  count,
  type Duration,
  definePipeline,
  kinesis,
  last,
  mean,
  type Pane,
  type Pipeline,
  rolling,
  running,
  session,
  table,
  tumbling,
} from '../../../src/index.ts';
import type { BucketSink, ObjectFormat } from '../../../src/pipeline/sinks.ts';
import { ENTRY_LIFETIME, LogLostError, type StoredEntry } from '../../../src/ports/commit-log.ts';
import type { Ports } from '../../../src/ports/index.ts';
import type { ObjectStore } from '../../../src/ports/stores.ts';
import type { Call } from '../../../src/simulation/gate.ts';
import { wakeUpOf } from '../../../src/simulation/shapes.ts';
import { backfillLog, groupLog, objectsLog, PANES_PREFIX, rowsLog } from '../../../src/wiring/names.ts';
import { projectObjects, projectRows } from '../project.ts';
import { at, NOON, type Reading, Scene } from '../scene.ts';

/** Of two key groups. */
const PUMP = 'pump';
const OVEN = 'oven';

const NEVER = 8e15 as EpochMillis;

/** Hours, so that a step has several objects, with late records and sessions that join. */
const definition = definePipeline('readings', kinesis<Reading>(), {
  key: ({ machine }) => machine,
  eventTime: (reading) => reading.at,
  allowedLateness: '12h',
  windows: { hour: tumbling({ size: '1h' }, { n: count(), mean: mean('celsius') }) },
});

const to = (format: ObjectFormat, every: Duration = '0s'): Pipeline =>
  definition.to(table(), bucket({ format, every }));

const hours = to('ndjson');

/** A scene whose pump has reported at each of some hours; all windows but the last are closed. */
async function reported(pipeline: Pipeline, ...atHours: readonly number[]): Promise<Scene> {
  const scene = new Scene(pipeline);
  await scene.process(atHours.map((hour) => scene.put(PUMP, at(60 * hour), hour)));
  return scene;
}

const sinkOf = ({ sinks }: Pipeline): BucketSink =>
  sinks.find((sink) => sink.kind === 'bucket') as BucketSink;

const project = (scene: Scene, ports: Ports = scene.ports, deadline = NEVER): Promise<unknown> =>
  projectObjects(enginePorts(ports), scene.deployment, sinkOf(scene.pipeline), deadline);

const objectsOf = (scene: Scene) =>
  [...scene.ports.objects.stored].filter(([name]) => name.startsWith(PANES_PREFIX));

const panesIn = async (
  objects: Iterable<readonly [string, { readonly body: Uint8Array }]>,
): Promise<Pane[]> =>
  (await Promise.all([...objects].map(([name, { body }]) => linesOf(name, body))))
    .flat()
    .map((line) => JSON.parse(line));

const idsIn = async (scene: Scene): Promise<string[]> =>
  (await panesIn(objectsOf(scene))).map(({ id }) => id.slice('readings/pump/hour/2026-01-05T'.length, -7));

/** The windows of the first so many hours. */
const firstHours = (n: number): string[] => ['12:00:00', '13:00:00', '14:00:00', '15:00:00'].slice(0, n);

const logsOf = ({ deployment, ports }: Scene): readonly string[] =>
  groupLogsOf(deployment, ports.clock.now());

const intents = (scene: Scene): readonly StoredEntry[] =>
  scene.ports.log.logs.get(objectsLog('readings')) ?? [];

/** Ports that stop at calls of a kind until they are let go: before one that writes, with the answer of one that reads. */
function stalling(scene: Scene, halt: Call) {
  const [reached, released] = [promise(), promise()];
  const stalled = scene.through(async (call, _, carryOut) => {
    if (call !== halt) return carryOut();
    const answer = halt === 'log.after' ? await carryOut() : undefined;
    reached.resolve();
    await released.settled;
    return answer ?? carryOut();
  });
  return { stalled, reached: reached.settled, release: released.resolve };
}

function promise() {
  let resolve = () => {};
  const settled = new Promise<void>((done) => {
    resolve = done;
  });
  return { settled, resolve };
}

describe('a bucket', () => {
  it('holds lines of JSON, a minute of them, unless it is told otherwise', () => {
    expect(bucket()).toEqual({ kind: 'bucket', format: 'ndjson', every: 60_000 });
    expect(bucket({ format: 'parquet', every: '0s' })).toEqual({
      kind: 'bucket',
      format: 'parquet',
      every: 0,
    });
  });

  it.each([
    [{ format: 'csv' }, 'Cannot write objects of format "csv" as the formats are ndjson, parquet'],
    [{ every: '61m' }, 'Cannot gather panes for "61m" as they may wait for at most 1h'],
    [{ every: 'soon' }, 'Cannot read "soon" as a duration'],
    [{ evrey: '1m' }, 'Cannot write to a bucket with "evrey" as the options are format, every'],
  ])('of %j is refused', (options, message) => {
    expect(() => bucket(options as never)).toThrow(message);
  });

  it('is one of its kind in a pipeline', () => {
    const two: [BucketSink, BucketSink] = [bucket(), bucket({ format: 'parquet' })];
    expect(() => definition.to(...two)).toThrow(
      new TypeError(
        'Cannot send the panes of "readings" to bucket() twice as a pipeline has one of each sink',
      ),
    );
  });
});

describe('the objects of both formats', () => {
  /** Every kind of identity, results that are no numbers, and none. */
  const all = definePipeline('readings', kinesis<Reading>(), {
    key: ({ machine }) => machine,
    eventTime: (reading) => reading.at,
    allowedLateness: '12h',
    windows: {
      minute: tumbling(
        { size: '1m', emit: 'update', emitEmpty: true },
        { n: count(), mean: mean('celsius') },
      ),
      session: session({ gap: '30s' }, { n: count() }),
      lastTwo: rolling(
        { count: 2 },
        { machine: last('machine'), ratio: mean(({ celsius }) => 1 / celsius, { invalid: 'keep' }) },
      ),
      two: batches({ count: 2 }, {}),
      ever: running({}, { n: count() }),
    },
  });

  const written = async (format: ObjectFormat, machine = 'pump/ä "1"'): Promise<Scene> => {
    const scene = new Scene(all.to(bucket({ format })));
    const put = (seconds: number) => scene.put(machine, at(0, seconds), seconds);
    await scene.process([0, 10, 60, 70, 120, 3_700].map(put));
    await scene.process([put(35)]);
    await scene.project();
    return scene;
  };

  it('hold the same panes, and lie under the same folders', async () => {
    const [ndjson, parquet] = [await written('ndjson'), await written('parquet')];
    const panes = await panesIn(objectsOf(ndjson));
    expect(await panesIn(objectsOf(parquet))).toEqual(panes);
    const kinds = new Set(panes.map(({ kind }) => kind));
    expect([...kinds].sort()).toEqual(['early', 'empty', 'final', 'late', 'retracted', 'rolling', 'running']);
    expect(panes.some(({ results }) => results?.['ratio'] === null)).toBe(true);
    const names = objectsOf(ndjson).map(([name]) => name);
    expect(names).toHaveLength(2);
    expect(objectsOf(parquet).map(([name]) => name)).toEqual(
      names.map((name) => name.replace(/\.ndjson\.gz$/, '.parquet')),
    );
    expect(objectsOf(parquet).map(([, { contentType }]) => contentType)).toEqual([
      'application/vnd.apache.parquet',
      'application/vnd.apache.parquet',
    ]);
  });

  it('have in Parquet what is no text as such, and numbers by their name', async () => {
    const [[, object] = []] = objectsOf(await written('parquet'));
    const rows = await rowsOfParquet(object?.body as Uint8Array);
    const row = (window: string, kind: string) =>
      rows.find((one) => one['window'] === window && one['kind'] === kind);
    expect(row('minute', 'final')).toEqual({
      id: 'readings/pump%2F%C3%A4%20%221%22/minute/2026-01-05T12:00:00.000Z/0',
      key: 'pump/ä "1"',
      window: 'minute',
      identity: '2026-01-05T12:00:00.000Z',
      kind: 'final',
      start: new Date(NOON),
      end: new Date(at(1)),
      watermark: new Date(at(1)),
      revision: 0n,
      count: 2n,
      index: null,
      results: '{"n":2,"mean":5}',
      numbers: { n: 2, mean: 5 },
    });
    expect(row('lastTwo', 'rolling')).toMatchObject({
      identity: '0',
      index: 0n,
      results: '{"machine":"pump/ä \\"1\\"","ratio":null}',
      numbers: {},
    });
    expect(row('ever', 'running')).toMatchObject({ identity: 'all', index: null });
    expect(row('session', 'retracted')).toMatchObject({ results: null });
    expect(row('session', 'retracted')?.['numbers']).toBeUndefined();
  });

  it('are one row group, whose bytes are the same every time', async () => {
    const [one, other] = [await written('parquet'), await written('parquet')].map(objectsOf);
    expect(one).toEqual(other);
    for (const [, { body }] of one ?? []) {
      const { row_groups, created_by } = parquetMetadata(bufferOf(body));
      expect([row_groups.length, created_by]).toEqual([1, 'millrace']);
    }
  });
});

const bufferOf = (bytes: Uint8Array): ArrayBuffer => Uint8Array.from(bytes).buffer;

const rowsOfParquet = (bytes: Uint8Array): Promise<Record<string, unknown>[]> =>
  parquetReadObjects({
    file: bufferOf(bytes),
    compressors: { GZIP: (compressed) => gunzipSync(compressed) },
  });

describe('panes that wait', () => {
  const INVOCATION = { getRemainingTimeInMillis: () => 60_000 };

  /** A scene whose projector is woken by hand: by the commits of a machine's group, or by the schedule. */
  function awaited(every: Duration) {
    const scene = new Scene(
      definePipeline('readings', kinesis<Reading>(), {
        key: ({ machine }) => machine,
        eventTime: (reading) => reading.at,
        windows: { each: rolling({ count: 1 }, {}) },
      }).to(table(), bucket({ every })),
    );
    const project = projectHandler(scene.ports, scene.pipeline);
    return {
      scene,
      commit: async (machine: string, time: EpochMillis) => scene.process([scene.put(machine, time)]),
      wake: (machine: string) => project(wakeUpOf([{ log: scene.logOf(machine), ordinal: 1 }]), INVOCATION),
      schedule: () => project({}, INVOCATION),
      pass: (time: Duration) => scene.ports.clock.pass(millis(time)),
      objects: () => objectsOf(scene).length,
      panes: () => scene.lines().length,
    };
  }

  it('are written with those of later commits, in one object, once it is time', async () => {
    const { commit, wake, pass, objects, panes, scene } = awaited('1m');
    await commit(PUMP, at(0));
    await wake(PUMP);
    expect([objects(), panes()]).toEqual([1, 1]);
    for (let seconds = 10; seconds < 60; seconds += 10) {
      await commit(PUMP, at(0, seconds));
      await wake(PUMP);
      expect([objects(), panes()]).toEqual([1, 1]);
    }
    // Rows do not wait.
    expect(scene.ports.rows.stored.get('readings#pump')?.get('each#latest')?.pane.index).toBe(5);
    pass('10s');
    await wake(PUMP);
    expect([objects(), panes()]).toEqual([2, 6]);
  });

  it('of all groups are taken along by whoever is woken when it is time', async () => {
    const { commit, wake, pass, objects, panes } = awaited('1m');
    await commit(OVEN, at(0));
    await wake(OVEN);
    await commit(PUMP, at(0, 30));
    await wake(PUMP);
    expect(panes()).toBe(1);
    pass('30s');
    // Only the oven's commits are told of, again: the pump's wake-up is spent.
    await wake(OVEN);
    expect([objects(), panes()]).toEqual([2, 2]);
  });

  it('do not if an object before them is missing: it is written at once', async () => {
    const { scene, commit, wake, panes } = awaited('1m');
    await commit(PUMP, at(0));
    const dying = scene.refusing((call) => call === 'objects.create');
    const sink = sinkOf(scene.pipeline);
    await expect(projectObjects(enginePorts(dying), scene.deployment, sink, NEVER)).rejects.toThrow(
      'refused',
    );
    expect([intents(scene).length, panes()]).toEqual([2, 0]);
    await wake(PUMP);
    expect([intents(scene).length, panes()]).toEqual([2, 1]);
  });

  it('do not if the step before left some for its time: those are written at once', async () => {
    const { scene, panes, schedule } = awaited('1h');
    const batch = Array.from({ length: 21_000 }, (_, n) => scene.put(PUMP, (NOON + n) as EpochMillis));
    await scene.process(batch.slice(0, 10_500));
    await scene.process(batch.slice(10_500));
    const sink = sinkOf(scene.pipeline);
    // Its time is up with the first step's objects.
    const slow = scene.through(async (call, _, carryOut) => {
      if (call === 'objects.create') scene.ports.clock.pass(millis('1m'));
      return carryOut();
    });
    const deadline = (scene.ports.clock.now() + 60_000) as EpochMillis;
    await projectObjects(enginePorts(slow), scene.deployment, sink, deadline);
    expect(panes()).toBe(20_000);
    await schedule();
    expect(panes()).toBe(21_000);
  });

  it('wait no longer where another clock wrote the last step in the future', async () => {
    const { scene, commit, wake, panes } = awaited('1m');
    await commit(PUMP, at(0));
    const ahead = { ...scene.ports, clock: memoryClock(at(600)) };
    await projectObjects(enginePorts(ahead), scene.deployment, sinkOf(scene.pipeline), NEVER);
    await commit(PUMP, at(1));
    await wake(PUMP);
    expect(panes()).toBe(2);
  });

  it.each(['0s', '20s', '1m', '5m'] as const)(
    'wait for at most %s and a minute, whatever becomes of the wake-ups, and are written once',
    async (every) => {
      const { scene, commit, wake, schedule, pass, panes } = awaited(every);
      const due: EpochMillis[] = [];
      for (let step = 0; step < 400; step++) {
        pass('5s');
        const now = scene.ports.clock.now();
        // Bursts and pauses; of the wake-ups most are lost, some come late, or again.
        if (step % 60 < 40 && step % 3 === 0) {
          await commit(step % 2 === 0 ? PUMP : OVEN, now);
          due.push((now + millis(every) + 60_000) as EpochMillis);
        }
        if (step % 7 === 0) await Promise.all([wake(OVEN), wake(OVEN)]);
        if (step % 12 === 0) await schedule();
        expect(panes()).toBeGreaterThanOrEqual(due.filter((time) => time <= now).length);
      }
      pass('1h');
      await schedule();
      expect(panes()).toBe(due.length);
      expect(new Set(scene.lines().map(({ id }) => id)).size).toBe(due.length);
    },
  );
});

describe('an intent', () => {
  it('is carried out once by two projectors at the same time', async () => {
    const scene = await reported(hours, 0, 1, 2);
    const slow = stalling(scene, 'objects.create');
    const first = project(scene, slow.stalled);
    await slow.reached;
    await project(scene);
    await scene.process([scene.put(PUMP, at(180))]);
    await project(scene);
    slow.release();
    await first;
    expect(await idsIn(scene)).toEqual(firstHours(3));
    expect(intents(scene)).toHaveLength(3);
  });

  it('that another was first to decide is carried out as that one decided', async () => {
    const scene = await reported(hours, 0);
    await project(scene);
    await scene.process([scene.put(PUMP, at(60))]);
    const one = stalling(scene, 'log.append');
    const fewer = project(scene, one.stalled);
    await one.reached;
    // The other knows of the oven's window of the same hour, too.
    await scene.process([scene.put(OVEN, at(0)), scene.put(OVEN, at(60))]);
    const other = stalling(scene, 'objects.create');
    const all = project(scene, other.stalled);
    await other.reached;
    one.release();
    await fewer;
    other.release();
    await all;
    expect(objectsOf(scene)).toHaveLength(1);
    expect((await panesIn(objectsOf(scene))).map(({ key }) => key).sort()).toEqual([OVEN, PUMP]);
  });

  it.each([0, 1, 2, 3])('is finished by another after a crash that left %i of its objects', async (left) => {
    const [scene, undisturbed] = [await reported(hours, 0, 1, 2, 3, 4), await reported(hours, 0, 1, 2, 3, 4)];
    let created = 0;
    const dying = scene.through(async (call, _, carryOut) => {
      if (call === 'objects.create' && ++created > left) throw new Error('killed');
      return carryOut();
    });
    await expect(project(scene, dying)).rejects.toThrow('killed');
    expect(objectsOf(scene)).toHaveLength(left);
    await project(scene);
    await project(undisturbed);
    // By name and bytes: nobody can tell who wrote them.
    expect(new Map(objectsOf(scene))).toEqual(new Map(objectsOf(undisturbed)));
    expect(await idsIn(undisturbed)).toEqual(firstHours(4));
  });

  it.each(['log.append', 'objects.create'] as const)(
    'is carried out once where the answer to %s is lost',
    async (lost) => {
      const scene = await reported(hours, 0, 1, 2);
      for (let tries = 0, losses = 0; tries < 20; tries++) {
        const unlucky = scene.through(async (call, _, carryOut) => {
          const answer = await carryOut();
          if (call === lost && losses++ < 10) throw new Error('lost');
          return answer;
        });
        await project(scene, unlucky).catch(({ message }) => expect(message).toBe('lost'));
      }
      expect(await idsIn(scene)).toEqual(firstHours(2));
      expect(intents(scene)).toHaveLength(2);
    },
  );

  it('is finished in the format that it was decided in, by code of another', async () => {
    const scene = await reported(hours, 0, 1, 2);
    await expect(
      project(
        scene,
        scene.refusing((call) => call === 'objects.create'),
      ),
    ).rejects.toThrow('refused');
    const parquet = to('parquet');
    const deployment = firstDeployment(parquet);
    await projectObjects(scene.engine, deployment, sinkOf(parquet), NEVER);
    await scene.process([scene.put(PUMP, at(180))]);
    await projectObjects(scene.engine, deployment, sinkOf(parquet), NEVER);
    expect(objectsOf(scene).map(([name]) => name.slice(name.indexOf('hour=')))).toEqual([
      'hour=12/part-000000000002.ndjson.gz',
      'hour=13/part-000000000002.ndjson.gz',
      'hour=14/part-000000000003.parquet',
    ]);
    expect(await idsIn(scene)).toEqual(firstHours(3));
  });

  it('whose objects are not those of its panes is refused', async () => {
    const [scene, other] = [await reported(hours, 0, 1, 2), await reported(hours, 4, 5, 6)];
    await expect(
      project(
        scene,
        scene.refusing((call) => call === 'objects.create'),
      ),
    ).rejects.toThrow('refused');
    for (const intent of intents(scene)) await other.ports.log.append(objectsLog('readings'), intent);
    await expect(project(other)).rejects.toThrow(
      'Cannot carry out an intent as its objects must be those of its panes: it names 2, and its panes go to 2',
    );
    expect(objectsOf(other)).toEqual([]);
  });
});

/** Nine days, in which the sweeper keeps what is needed, and the rest expires. */
async function nineDaysPass(scene: Scene): Promise<void> {
  for (let day = 1; day <= 9; day++) {
    await scene.sweepAt(at(24 * 60 * day));
    await scene.project();
    scene.ports.log.expire(scene.ports.clock.now());
  }
}

describe('a projector that stalls, and wakes long after', () => {
  it('decides nothing: the ordinal that it knows to be free is free again', async () => {
    const scene = await reported(hours, 0, 1, 2);
    await project(scene);
    await scene.process([scene.put(PUMP, at(180))]);
    const { stalled, reached, release } = stalling(scene, 'log.after');
    const deadline = (scene.ports.clock.now() + 60_000) as EpochMillis;
    const asleep = project(scene, stalled, deadline);
    await reached;
    await nineDaysPass(scene);
    const before = intents(scene).map(({ ordinal }) => ordinal);
    expect(before).not.toContain(3);
    release();
    await asleep;
    expect(intents(scene).map(({ ordinal }) => ordinal)).toEqual(before);
    expect(await idsIn(scene)).toEqual(firstHours(4));
  });

  it('creates nothing that is not there, and changes nothing that is', async () => {
    const scene = await reported(hours, 0, 1, 2);
    const { stalled, reached, release } = stalling(scene, 'objects.create');
    const asleep = project(scene, stalled, (scene.ports.clock.now() + 60_000) as EpochMillis);
    await reached;
    await scene.process([scene.put(PUMP, at(30), 40), scene.put(PUMP, at(180))]);
    await nineDaysPass(scene);
    const before = new Map(objectsOf(scene));
    release();
    await asleep;
    expect(new Map(objectsOf(scene))).toEqual(before);
    const ids = (await panesIn(before)).map(({ id }) => id);
    expect(new Set(ids).size).toBe(ids.length);
  });

  it('leaves newer rows as they are', async () => {
    const scene = await reported(hours, 0, 1, 2);
    const { stalled, reached, release } = stalling(scene, 'rows.put');
    const asleep = scene.project(stalled);
    await reached;
    await scene.process([scene.put(PUMP, at(30), 40), scene.put(PUMP, at(180))]);
    await nineDaysPass(scene);
    const before = structuredClone(scene.ports.rows.stored);
    release();
    await asleep;
    expect(scene.ports.rows.stored).toEqual(before);
    expect(scene.row(PUMP, 'hour#2026-01-05T12:00:00.000Z')).toEqual({ n: 2, mean: 20 });
  });
});

describe('a projector', () => {
  it('that is woken by an entry alone reads those before it from the log', async () => {
    const scene = await reported(hours, 0, 1);
    const handler = projectHandler(scene.ports, scene.pipeline);
    const wake = () =>
      handler(wakeUpOf([{ log: scene.logOf(PUMP), ordinal: 1 }]), { getRemainingTimeInMillis: () => 60_000 });
    await wake();
    // Two commits, of which the first is never told of.
    await scene.process([scene.put(PUMP, at(120))]);
    await scene.process([scene.put(PUMP, at(180))]);
    expect(scene.entriesOf(PUMP)).toHaveLength(3);
    await wake();
    expect(await idsIn(scene)).toEqual(firstHours(3));
    expect(scene.row(PUMP, 'hour#2026-01-05T13:00:00.000Z')).toEqual({ n: 1, mean: 1 });
  });

  /** A scene from whose pump an entry is gone that lies between others. */
  async function withGap(project_: (scene: Scene) => Promise<unknown>): Promise<Scene> {
    const scene = await reported(hours, 0, 1);
    await project_(scene);
    for (const hour of [2, 3, 4]) await scene.process([scene.put(PUMP, at(60 * hour))]);
    const entries = scene.ports.log.logs.get(scene.logOf(PUMP)) as StoredEntry[];
    entries.splice(2, 1);
    return scene;
  }

  it('of objects delivers what comes before an entry that is missing, none after it, and says so', async () => {
    const scene = await withGap(project);
    await project(scene);
    expect(await idsIn(scene)).toEqual(firstHours(2));
    expect(scene.ports.telemetry.faults.map(({ cause }) => cause)).toEqual([
      new LogLostError(
        `Cannot read on in log ${scene.logOf(PUMP)} as entries must follow each other: 4 came after 2`,
      ),
    ]);
  });

  it('of rows delivers what comes before an entry that is missing, and none after it', async () => {
    const rows = (scene: Scene) => projectRows(scene.engine, scene.deployment, logsOf(scene), NEVER);
    const scene = await withGap(rows);
    await rows(scene);
    expect(scene.row(PUMP, 'hour#latest')).toEqual({ n: 1, mean: 1 });
    expect(scene.ports.telemetry.counted).toMatchObject({ gaps: 1 });
  });

  it('that finishes an intent stops where an entry of it is missing', async () => {
    const scene = await reported(hours, 0, 1, 2);
    await expect(
      project(
        scene,
        scene.refusing((call) => call === 'objects.create'),
      ),
    ).rejects.toThrow('refused');
    (scene.ports.log.logs.get(scene.logOf(PUMP)) as StoredEntry[]).splice(0);
    await expect(project(scene)).rejects.toThrow(LogLostError);
    expect(objectsOf(scene)).toEqual([]);
  });

  it.each(['objects', 'rows'])(
    'of %s comes further in every invocation, however long it takes to read',
    async (what) => {
      const scene = new Scene(hours);
      // Forty commits that emit nothing, and one that does.
      for (let minute = 0; minute < 40; minute++) await scene.process([scene.put(PUMP, at(minute))]);
      await scene.process([scene.put(PUMP, at(60))]);
      const slow: Ports = {
        ...scene.ports,
        log: {
          ...scene.ports.log,
          async after(name, ordinal) {
            scene.ports.clock.pass(millis('1s'));
            return (await scene.ports.log.after(name, ordinal)).slice(0, 1);
          },
        },
      };
      const invoked = () => {
        const deadline = (scene.ports.clock.now() + 20_000) as EpochMillis;
        return what === 'rows'
          ? projectRows(enginePorts(slow), scene.deployment, logsOf(scene), deadline)
          : project(scene, slow, deadline);
      };
      const log = what === 'rows' ? rowsLog('readings') : objectsLog('readings');
      const written = () => (what === 'rows' ? scene.ports.rows.stored.size : objectsOf(scene).length);
      let invocations = 0;
      for (let steps = -1; written() === 0; invocations++) {
        await invoked();
        const now = scene.ports.log.logs.get(log)?.length ?? 0;
        expect(now).toBeGreaterThan(steps);
        steps = now;
      }
      expect(invocations).toBeGreaterThan(1);
    },
  );

  it('that begins on a long log finds its beginning in few answers', async () => {
    const scene = new Scene(hours);
    const name = groupLog('readings', 1, 0);
    const stored = (await reported(hours, 0)).storedOf(PUMP)[0]?.stored as Uint8Array;
    const entries = Array.from({ length: 3_000 }, (_, n) => ({
      ordinal: n + 1,
      committedAt: (NOON + n * 300_000) as EpochMillis,
      stored,
    }));
    scene.ports.clock.set(entries.at(-1)?.committedAt as EpochMillis);
    const oldest = scene.ports.clock.now() - ENTRY_LIFETIME + millis('1d');
    const first = entries.find(({ committedAt }) => committedAt > oldest)?.ordinal as number;
    // Of those before it most are gone, in no order.
    for (const entry of entries) {
      if (entry.ordinal >= first || entry.ordinal % 97 === 0) await scene.ports.log.append(name, entry);
    }
    let answers = 0;
    const counting = scene.through(async (call, log, carryOut) => {
      if (call.startsWith('log.') && log === name) answers++;
      return carryOut();
    });
    const begun = await beginnings(enginePorts(counting), scene.deployment);
    expect(begun.get(name)).toEqual([first - 1, 0]);
    expect(begun.get(groupLog('readings', 1, 1))).toEqual([0, 0]);
    expect(answers).toBeLessThan(20);
  });
});

describe('a backfill', () => {
  /** Revisions, windows that joined, and rows of both kinds of order, delivered long ago. */
  async function delivered(): Promise<Scene> {
    const scene = await reported(to('ndjson'), 0, 1, 2);
    await scene.project();
    await scene.process([scene.put(PUMP, at(30), 40), scene.put(OVEN, at(0)), scene.put(OVEN, at(70))]);
    await scene.process([scene.put(PUMP, at(180))]);
    await scene.project();
    return scene;
  }

  const idsOf = async (objects: Iterable<readonly [string, { readonly body: Uint8Array }]>) =>
    (await panesIn(objects)).map(({ id }) => id).sort();

  it('of objects gives another bucket every pane, in the format that it is given, and leaves the first as it was', async () => {
    const scene = await delivered();
    const [before, log] = [new Map(scene.ports.objects.stored), intents(scene)];
    const objects = memoryObjects();
    const told: Backfilled[] = [];
    const ended = await backfillObjects(
      scene.engine,
      scene.deployment,
      { objects, format: 'parquet' },
      {
        name: 'athena',
        deadline: NEVER,
        onProgress: (done) => told.push(done),
      },
    );
    expect(ended).toBe(true);
    expect(await idsOf(objects.stored)).toEqual(await idsOf(objectsOf(scene)));
    expect([...objects.stored.keys()].every((name) => /\/backfill-athena-\d{12}\.parquet$/.test(name))).toBe(
      true,
    );
    expect(scene.ports.objects.stored).toEqual(before);
    expect(intents(scene)).toEqual(log);
    expect(told.at(-1)).toEqual({ entries: 4, panes: 5 });
  });

  it('of rows gives a table that lost its rows all of them, and changes none of one that did not', async () => {
    const scene = await delivered();
    const rows = structuredClone(scene.ports.rows.stored);
    expect(await backfillRows(scene.engine, scene.deployment, { name: 'again', deadline: NEVER })).toBe(true);
    expect(scene.ports.rows.stored).toEqual(rows);
    const fresh = new Scene(hours);
    const restored = { ...scene.ports, rows: fresh.ports.rows };
    expect(
      await backfillRows(enginePorts(restored), scene.deployment, { name: 'restored', deadline: NEVER }),
    ).toBe(true);
    expect(fresh.ports.rows.stored).toEqual(rows);
  });

  it('goes on under its name where it was stopped, and writes nothing twice', async () => {
    const scene = await delivered();
    const objects = memoryObjects();
    let calls = 0;
    const failing: ObjectStore = {
      ...objects,
      async create(name, object) {
        if (++calls < 12 && calls % 2 === 1) throw new Error('refused');
        const answer = await objects.create(name, object);
        if (calls < 12 && calls % 4 === 0) throw new Error('lost');
        return answer;
      },
    };
    const again = () =>
      backfillObjects(
        scene.engine,
        scene.deployment,
        { objects: failing, format: 'ndjson' },
        { name: 'one', deadline: NEVER },
      );
    let ended = false;
    while (!ended) ended = await again().catch(() => false);
    expect(calls).toBeGreaterThan(12);
    expect(await idsOf(objects.stored)).toEqual(await idsOf(objectsOf(scene)));
    const { size } = objects.stored;
    expect(
      await backfillObjects(
        scene.engine,
        scene.deployment,
        { objects, format: 'ndjson' },
        { name: 'one', deadline: NEVER },
      ),
    ).toBe(true);
    expect(objects.stored.size).toBe(size);
    const second = memoryObjects();
    await backfillObjects(
      scene.engine,
      scene.deployment,
      { objects: second, format: 'ndjson' },
      { name: 'two', deadline: NEVER },
    );
    expect(await idsOf(second.stored)).toEqual(await idsOf(objects.stored));
  });

  it('stops at its deadline, and says so', async () => {
    const scene = await delivered();
    const objects = memoryObjects();
    const step = () => {
      const deadline = (scene.ports.clock.now() + 1) as EpochMillis;
      return backfillObjects(
        scene.engine,
        scene.deployment,
        { objects, format: 'ndjson' },
        {
          name: 'slow',
          deadline,
          onProgress: () => scene.ports.clock.pass(millis('1m')),
        },
      );
    };
    expect([await step(), objects.stored.size]).toEqual([false, 0]);
    expect([await step(), objects.stored.size > 0]).toEqual([true, true]);
    expect(
      await backfillRows(scene.engine, scene.deployment, { name: 'slow', deadline: scene.ports.clock.now() }),
    ).toBe(false);
  });

  it('ends though the pipeline goes on', async () => {
    const scene = await delivered();
    const objects = memoryObjects();
    let hour = 4;
    const log = scene.ports.log;
    const busy: Ports = {
      ...scene.ports,
      log: {
        ...log,
        async append(name, entry) {
          const outcome = await log.append(name, entry);
          if (name.startsWith('backfill/') && hour < 40)
            await scene.process([scene.put(PUMP, at(60 * hour++))]);
          return outcome;
        },
      },
    };
    expect(
      await backfillObjects(
        enginePorts(busy),
        scene.deployment,
        { objects, format: 'ndjson' },
        { name: 'busy', deadline: NEVER },
      ),
    ).toBe(true);
    expect(hour).toBeLessThan(10);
    expect(log.logs.get(backfillLog('readings', 'busy', 'objects'))).toHaveLength(2);
  });

  it.each(['', 'Capital', 'with/slash', 'x'.repeat(41)])('of the name %j is refused', async (name) => {
    const scene = new Scene(hours);
    const options = { name, deadline: NEVER };
    const message = `Cannot name a backfill "${name}" as names must be 1 to 40 lower-case letters, digits and hyphens`;
    expect(() => backfillRows(scene.engine, scene.deployment, options)).toThrow(new RangeError(message));
    expect(() =>
      backfillObjects(
        scene.engine,
        scene.deployment,
        { objects: memoryObjects(), format: 'ndjson' },
        options,
      ),
    ).toThrow(message);
  });
});

describe('docs/athena.md', () => {
  const text = readFileSync(new URL('../../../docs/athena.md', import.meta.url), 'utf8');
  const statements = [...text.matchAll(/```sql\n([\s\S]*?)```/g)].map(([, statement = '']) => statement);
  const tableStoredAs = (format: string): string =>
    statements.find((one) => one.startsWith('CREATE') && one.includes(format)) ?? '';

  const columnsOf = (statement: string, of: RegExp): [string, string][] =>
    [...(of.exec(statement)?.[1] ?? '').matchAll(/`(\w+)` ([a-z]+(?:<[a-z,]+>)?)/g)].map(
      ([, name = '', type = '']) => [name, type],
    );
  const DATA = /TABLE panes \(([^)]*)\)/;
  const PARTITIONS = /PARTITIONED BY \(([^)]*)\)/;

  const formats = [
    ['parquet', 'STORED AS PARQUET'],
    ['ndjson', 'JsonSerDe'],
  ] as const;

  const objectsIn = async (format: ObjectFormat) => {
    const scene = await reported(to(format), 0, 1);
    await scene.process([scene.put(PUMP, at(30), 40)]);
    await scene.project();
    return objectsOf(scene);
  };

  it('lists the columns that a Parquet object has, in their order and of their types', async () => {
    const [[, object] = []] = await objectsIn('parquet');
    const { children } = parquetSchema(parquetMetadata(bufferOf(object?.body as Uint8Array)));
    const types: Record<string, string> = {
      'BYTE_ARRAY STRING': 'string',
      'INT64 TIMESTAMP': 'timestamp',
      'INT64 undefined': 'bigint',
      'undefined MAP': 'map<string,double>',
    };
    const columns = children.map(({ element: { name, type, logical_type } }) => [
      name,
      types[`${type} ${logical_type?.type}`],
    ]);
    expect(columnsOf(tableStoredAs('STORED AS PARQUET'), DATA)).toEqual(columns);
    const [entry] = children.find(({ element }) => element.name === 'numbers')?.children ?? [];
    expect(entry?.children.map(({ element: { type } }) => type)).toEqual(['BYTE_ARRAY', 'DOUBLE']);
  });

  it('lists the fields that a line of JSON has, in their order and of their types', async () => {
    const pipeline = definePipeline('readings', kinesis<Reading>(), {
      key: ({ machine }) => machine,
      eventTime: (reading) => reading.at,
      windows: { last: rolling({ count: 1 }, { mean: mean('celsius') }) },
    }).to(bucket());
    const [line] = (await (async () => {
      const scene = new Scene(pipeline);
      await scene.process([scene.put(PUMP, NOON)]);
      await scene.project();
      return scene.lines();
    })()) as [Pane];
    const typeOf = (value: unknown) => (typeof value === 'number' ? 'bigint' : 'string');
    const fields = Object.entries(line).filter(([name]) => name !== 'pipeline');
    const listed = columnsOf(tableStoredAs('JsonSerDe'), DATA);
    expect(listed).toEqual(fields.map(([name, value]) => [name, typeOf(value)]));
  });

  it.each(formats)(
    'finds the objects of %s where they are, by the days and hours that it projects',
    async (format, mark) => {
      const statement = tableStoredAs(mark);
      expect(columnsOf(statement, PARTITIONS)).toEqual([
        ['pipeline', 'string'],
        ['day', 'string'],
        ['hour', 'int'],
      ]);
      const properties = Object.fromEntries(
        [...statement.matchAll(/'([\w.]+)' = '([^']*)'/g)].map(([, name = '', value = '']) => [name, value]),
      );
      expect(properties).toMatchObject({
        'projection.enabled': 'true',
        'projection.pipeline.values': 'readings',
        'projection.day.format': 'yyyy-MM-dd',
        'projection.hour.range': '0,23',
        'projection.hour.digits': '2',
      });
      const template = properties['storage.location.template'] as string;
      const values: Record<string, string> = { pipeline: 'readings', day: '2026-01-05', hour: '12' };
      const folder = template
        .replace('s3://RESULTS-BUCKET/', '')
        .replaceAll(/\$\{(\w+)\}/g, (_, name) => values[name] ?? 'unknown');
      for (const [name] of await objectsIn(format))
        expect(name.slice(0, name.lastIndexOf('/') + 1)).toBe(folder);
      expect(statement).toContain("LOCATION 's3://RESULTS-BUCKET/panes/'");
    },
  );

  it('has a query that gives the last revision of every window, and none that was retracted', async () => {
    const scene = new Scene(
      definePipeline('readings', kinesis<Reading>(), {
        key: ({ machine }) => machine,
        eventTime: (reading) => reading.at,
        allowedLateness: '10m',
        windows: { session: session({ gap: '30s' }, { n: count() }) },
      }).to(table(), bucket({ format: 'parquet' })),
    );
    await scene.process([0, 10, 60, 70, 120].map((seconds) => scene.put(PUMP, at(0, seconds))));
    await scene.process([scene.put(PUMP, at(0, 35))]);
    await scene.project();
    const sql = await initSqlJs();
    const database = new sql.Database();
    database.run(
      'CREATE TABLE panes (pipeline, day, hour, id, "key", "window", identity, kind, "start", "end", revision, results)',
    );
    for (const [name, { body }] of objectsOf(scene)) {
      const [, day = '', hour] = /date=(.*)\/hour=(\d\d)/.exec(name) ?? [];
      for (const row of await rowsOfParquet(body)) {
        const of = (column: string): string => String(row[column]);
        const fields = ['id', 'key', 'window', 'identity', 'kind', 'start', 'end'].map(of);
        database.run('INSERT INTO panes VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)', [
          'readings',
          day,
          Number(hour),
          ...fields,
          Number(row['revision']),
          of('results'),
        ]);
      }
    }
    const query = statements.find((one) => one.includes('row_number()')) as string;
    const [{ columns = [], values = [] } = {}] = database.exec(query);
    const at_ = (column: string) => columns.indexOf(column);
    const found = values.map((row) => [row[at_('identity')], row[at_('revision')], row[at_('results')]]);
    const rows = [...(scene.ports.rows.stored.get(`readings#${PUMP}`) ?? [])]
      .filter(([sort, { pane }]) => !sort.endsWith('latest') && pane.kind !== 'retracted')
      .map(([sort, { pane }]) => [
        sort.slice('session#'.length),
        pane.revision,
        JSON.stringify(pane.results),
      ]);
    expect(found).toEqual(rows);
    expect(found).toEqual([['2026-01-05T12:00:00.000Z', 1, '{"n":5}']]);
  });
});
