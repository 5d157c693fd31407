import type { SQSEvent } from 'aws-lambda';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { EpochMillis } from '../../../src/core/time.ts';
import { writtenPane } from '../../../src/engine/delivery/written-pane.ts';
import { decodePanes } from '../../../src/engine/format/entry.ts';
import { readGroup } from '../../../src/engine/format/read-group.ts';
import { type Deployment, groupLogsOf } from '../../../src/engine/group/deployment.ts';
import { EMPTY_GROUP, type Group } from '../../../src/engine/group/group.ts';
import { groupOf, hashOf } from '../../../src/engine/group/key-group.ts';
import { REFUSED } from '../../../src/engine/group/taken.ts';
import { processBatch } from '../../../src/engine/intake/process-batch.ts';
import { sweep } from '../../../src/engine/intake/sweep.ts';
import { holdDeployment } from '../../../src/engine/log/definition-log.ts';
import { GroupCache } from '../../../src/engine/log/group-cache.ts';
import { GroupLogs } from '../../../src/engine/log/group-logs.ts';
import { beginGeneration } from '../../../src/engine/log/rescale.ts';
import { enginePorts } from '../../../src/engine/log/spill.ts';
import { processHandler, projectHandler, sweepHandler } from '../../../src/handlers.ts';
import {
  bucket,
  collect,
  count,
  definePipeline,
  kinesis,
  last,
  mean,
  type Pipeline,
  rolling,
  running,
  session,
  sqs,
  table,
  tumbling,
} from '../../../src/index.ts';
import { atOnce } from '../../../src/pipeline/sinks.ts';
import type { Ports } from '../../../src/ports/index.ts';
import type { SourceRecord } from '../../../src/ports/source.ts';
import { kinesisEvent, SHAPES } from '../../../src/simulation/shapes.ts';
import { groupLog } from '../../../src/wiring/names.ts';
import { projectObjects, projectRows } from '../project.ts';
import { at, type Reading, Scene } from '../scene.ts';

const LATER = 8e15 as EpochMillis;

const pipelineOf = (groups: number): Pipeline =>
  definePipeline('readings', kinesis<Reading>(), {
    key: ({ machine }) => machine,
    eventTime: (reading) => reading.at,
    allowedLateness: '1m',
    groups,
    windows: {
      minute: tumbling({ size: '1m' }, { mean: mean('celsius'), n: count() }),
      session: session({ gap: '40s' }, { all: collect('celsius') }),
      lastTwo: rolling({ count: 2 }, { mean: mean('celsius'), last: last('machine') }),
      all: running({}, { n: count() }),
    },
  }).to(table(), bucket());

const context = { getRemainingTimeInMillis: () => 60_000 };

/** An environment of each function, which keeps what it once read. */
class Environment {
  readonly #process;
  readonly #sweep;
  readonly #project;

  constructor(ports: Ports, pipeline: Pipeline) {
    this.#process = processHandler(ports, pipeline);
    this.#sweep = sweepHandler(ports, pipeline);
    this.#project = projectHandler(ports, pipeline);
  }

  /** Whether all of a shard's records are in. */
  async take(records: readonly SourceRecord[]): Promise<boolean> {
    return (await this.#process(kinesisEvent(records), context)).batchItemFailures.length === 0;
  }

  sweep = () => this.#sweep({}, context);
  project = () => this.#project({}, context);
}

const deploymentOf = (scene: Scene): Promise<Deployment> => holdDeployment(scene.engine, scene.pipeline);

/** The groups of a deployment's last generation. */
function groupsOf(scene: Scene, deployment: Deployment): readonly Group[] {
  const { number, groups } = deployment.generations.at(-1) as Deployment['generations'][number];
  return Array.from({ length: groups }, (_, group) =>
    readGroup(
      deployment,
      EMPTY_GROUP,
      (scene.ports.log.logs.get(groupLog('readings', number, group)) ?? []).map(scene.whole),
    ),
  );
}

/** Every pane there is in any log, as it is written, by its key and window in the order of the log. */
function panesOf(scene: Scene, deployment: Deployment): readonly string[] {
  const logs = groupLogsOf(deployment, scene.ports.clock.now());
  const entries = logs.flatMap((name) => scene.ports.log.logs.get(name) ?? []).map(scene.whole);
  return entries.flatMap((entry) =>
    decodePanes(entry).map((pane) => JSON.stringify(writtenPane(scene.pipeline, pane))),
  );
}

function total(groups: readonly Group[]): Group['counters'] {
  const sum = (of: (counters: Group['counters']) => number) =>
    groups.reduce((sum, { counters }) => sum + of(counters), 0);
  return {
    applied: sum((one) => one.applied),
    lateForAll: sum((one) => one.lateForAll),
    poison: sum((one) => one.poison),
    late: {},
  };
}

/** What one run without a change of groups makes of all that the source holds. */
async function unscaled(
  scene: Scene,
): Promise<{ readonly panes: readonly string[]; readonly counters: object }> {
  const alone = new Scene(pipelineOf(1));
  for (const records of scene.source.shards.values()) await alone.process(records);
  for (const [lineage, records] of scene.source.shards) {
    const last = records.at(-1);
    if (last) await alone.ports.progress.note(lineage, last.position);
  }
  await alone.sweepAt(scene.ports.clock.now());
  return {
    panes: panesOf(alone, await deploymentOf(alone)).toSorted(),
    counters: alone.groupOf('').counters,
  };
}

/** Checks all that must be so at the end: every pane once in the logs and once in the bucket, every record counted once. */
async function expectWhole(scene: Scene): Promise<void> {
  const environment = new Environment(scene.ports, scene.pipeline);
  for (const [lineage, records] of scene.source.shards) {
    const last = records.at(-1);
    if (last) await scene.ports.progress.note(lineage, last.position);
  }
  scene.ports.clock.set((scene.ports.clock.now() + 3_600_000) as EpochMillis);
  await environment.sweep();
  await environment.project();
  const deployment = await deploymentOf(scene);
  const { panes, counters } = await unscaled(scene);
  expect(panesOf(scene, deployment).toSorted()).toEqual(panes);
  expect(total(groupsOf(scene, deployment))).toEqual(counters);
  expect(
    scene
      .lines()
      .map((pane) => JSON.stringify(pane))
      .toSorted(),
  ).toEqual(panes);
  for (const [place, group] of groupsOf(scene, deployment).entries()) {
    for (const key of group.keys.keys())
      expect(groupOf(hashOf(key), groupsOf(scene, deployment).length)).toBe(place);
  }
}

/** Readings of a dozen machines, each of one shard. */
function readings(scene: Scene, length: number): readonly (readonly SourceRecord[])[] {
  for (let n = 0; n < length; n++) {
    const shard = n % 2;
    const seconds = 5 * n + (n % 7 === 0 ? -90 : 0);
    const time = at(0, seconds);
    if (n % 11 === 0) scene.putText('?', time, shard, `p${n}`);
    else scene.put(`${shard}/m${n % 6}`, time, n, shard);
  }
  return [...scene.source.shards.values()];
}

const rescale = ({ ports, pipeline }: Scene, groups: number) =>
  beginGeneration(enginePorts(ports), pipeline, groups);

describe('another number of groups', () => {
  it('is a generation, unless it is the number that there is', async () => {
    const scene = new Scene(pipelineOf(4));
    expect(await rescale(scene, 4)).toBe(false);
    expect(await rescale(scene, 8)).toBe(true);
    scene.ports.clock.set(at(5));
    expect(await rescale(scene, 8)).toBe(false);
    expect(await rescale(scene, 1)).toBe(true);
    const { generations } = await deploymentOf(scene);
    expect(generations).toEqual([
      { number: 1, groups: 4, begunAt: at(0) },
      { number: 2, groups: 8, begunAt: at(0) },
      { number: 3, groups: 1, begunAt: at(5) },
    ]);
  });

  it.each([0, 3, -4, 1.5, Number.NaN, 8_192])('is not %s', async (groups) => {
    const scene = new Scene(pipelineOf(4));
    await expect(rescale(scene, groups)).rejects.toThrow(RangeError);
    expect(scene.ports.log.logs.size).toBe(0);
  });

  it('is asked for by two at once, and begun twice at most', async () => {
    const scene = new Scene(pipelineOf(4));
    const begun = await Promise.all([rescale(scene, 8), rescale(scene, 8), rescale(scene, 8)]);
    expect(begun.filter((one) => one)).toHaveLength(1);
    expect((await deploymentOf(scene)).generations).toHaveLength(2);
  });
});

describe('in the middle of a stream', () => {
  it.each([
    ['4 -> 8', 4, [8]],
    ['4 -> 2', 4, [2]],
    ['2 -> 8 -> 1', 2, [8, 1]],
    ['1 -> 16 -> 4 -> 8', 1, [16, 4, 8]],
  ])('%s groups leave panes, counters and positions as they would have been', async (_, first, numbers) => {
    const scene = new Scene(pipelineOf(first));
    const shards = readings(scene, 60);
    const [one, other] = [
      new Environment(scene.ports, scene.pipeline),
      new Environment(scene.ports, scene.pipeline),
    ];
    const stretch = Math.ceil(30 / (numbers.length + 1));
    for (const [round, groups] of [...numbers, undefined].entries()) {
      for (const [shard, records] of shards.entries()) {
        const [from, to] = [round * stretch, (round + 1) * stretch];
        // Shards are not equally far; the first records of each stretch were in before the change.
        expect(await one.take(records.slice(Math.max(0, from - 3), to - 2 * shard))).toBe(true);
        expect(await other.take(records.slice(from, to - 2 * shard))).toBe(true);
      }
      if (groups !== undefined) await rescale(scene, groups);
    }
    for (const records of shards) expect(await other.take(records)).toBe(true);
    const { generations } = await deploymentOf(scene);
    expect(generations.map(({ groups }) => groups)).toEqual([first, ...numbers]);
    await expectWhole(scene);
  });

  it('a batch that is under way under the old number is refused, and taken in under the new, once', async () => {
    const scene = new Scene(pipelineOf(4));
    const [records] = readings(scene, 24) as [readonly SourceRecord[]];
    let changed = false;
    const slow = scene.through(async (call, name, carryOut) => {
      if (call === 'log.append' && name.startsWith('readings/1/') && !changed) {
        changed = true;
        await rescale(scene, 8);
        expect(await new Environment(scene.ports, scene.pipeline).take(records.slice(0, 5))).toBe(true);
      }
      return carryOut();
    });
    expect(await new Environment(slow, scene.pipeline).take(records)).toBe(true);
    expect(changed).toBe(true);
    for (const all of scene.source.shards.values()) {
      expect(await new Environment(scene.ports, scene.pipeline).take(all)).toBe(true);
    }
    await expectWhole(scene);
  });

  it('an environment that has an old group in memory goes on under the new number', async () => {
    const scene = new Scene(pipelineOf(4));
    const [records, others] = readings(scene, 40) as [readonly SourceRecord[], readonly SourceRecord[]];
    const stale = new Environment(scene.ports, scene.pipeline);
    await stale.take(records.slice(0, 10));
    await stale.take(records.slice(10, 12));
    await rescale(scene, 2);
    await new Environment(scene.ports, scene.pipeline).take(records.slice(12, 14));
    expect(await stale.take(records.slice(12))).toBe(true);
    expect(await stale.take(others)).toBe(true);
    await expectWhole(scene);
  });

  it('nothing follows in a log of the old number once it is sealed, whoever has it in memory', async () => {
    const scene = new Scene(pipelineOf(2));
    const [records] = readings(scene, 30) as [readonly SourceRecord[]];
    const deployment = await deploymentOf(scene);
    const kept = new GroupLogs(scene.engine, deployment, new GroupCache(1e6));
    await processBatch(scene.ports, kept, records.slice(0, 10), LATER);
    await rescale(scene, 4);
    await new Environment(scene.ports, scene.pipeline).sweep();
    const old = groupLogsOf(deployment, at(0));
    const lengths = () => old.map((name) => scene.ports.log.logs.get(name)?.length);
    const before = lengths();
    const outcome = await processBatch(scene.ports, kept, records.slice(5, 15), LATER);
    expect(outcome).toMatchObject({ again: records.slice(5, 15), outdated: true });
    await expect(sweep(scene.ports, kept, LATER)).rejects.toThrow('a later generation has begun');
    expect(lengths()).toEqual(before);
  });
});

describe('groups that stand at different positions', () => {
  /** Records of which some groups have taken in all, some the first few, and some none. */
  async function uneven(swept: boolean, numbers: readonly number[]): Promise<Scene> {
    const scene = new Scene(pipelineOf(4));
    const [records, others] = readings(scene, 48) as [readonly SourceRecord[], readonly SourceRecord[]];
    const refusing = (...logs: readonly string[]) =>
      new Environment(
        scene.refusing((call, name) => call === 'log.append' && logs.includes(name)),
        scene.pipeline,
      );
    await refusing('readings/1/2').take(records.slice(0, 8));
    expect(await refusing('readings/1/1', 'readings/1/2').take(records.slice(0, 24))).toBe(false);
    expect(await refusing('readings/1/0', 'readings/1/2').take(others.slice(0, 16))).toBe(false);
    const reached = groupsOf(scene, await deploymentOf(scene)).map(({ positions }) =>
      [...positions.values()].map(({ position }) => position),
    );
    expect(new Set(reached.map(String)).size).toBeGreaterThan(2);
    for (const groups of numbers) {
      await rescale(scene, groups);
      // Whether every group moves at each change, or through several at once.
      if (swept) await new Environment(scene.ports, scene.pipeline).sweep();
    }
    // From the least that is not in, and then some of it again, before all are past it.
    const environment = new Environment(scene.ports, scene.pipeline);
    for (const to of [4, 12, 8, 16, 24]) {
      expect(await environment.take(records.slice(0, to))).toBe(true);
      expect(await environment.take(others.slice(0, to))).toBe(true);
    }
    return scene;
  }

  it.each([
    ['4 -> 2', [2]],
    ['4 -> 1', [1]],
    ['4 -> 8', [8]],
    ['4 -> 2 -> 1', [2, 1]],
    ['4 -> 2 -> 8', [2, 8]],
    ['4 -> 1 -> 4', [1, 4]],
    ['4 -> 2 -> 8 -> 1', [2, 8, 1]],
  ])('take in what each has not, and nothing again: %s', async (_, numbers) => {
    for (const swept of [true, false]) {
      const scene = await uneven(swept, numbers);
      await expectWhole(scene);
      // Nothing of that is kept once each group is past what any was.
      for (let n = 0; n < 100; n++) scene.put(`${n % 2}/x${n}`, at(200), n, n % 2);
      for (const records of scene.source.shards.values()) {
        expect(await new Environment(scene.ports, scene.pipeline).take(records)).toBe(true);
      }
      for (const { inherited } of groupsOf(scene, await deploymentOf(scene))) expect(inherited).toEqual([]);
    }
  });

  it('take in all of a shard of which the other had taken in some, and this one none', async () => {
    for (const met of [0, 1]) {
      const scene = new Scene(pipelineOf(2));
      const keys = Array.from({ length: 20 }, (_, n) => `m${n}`);
      const keyIn = (group: number) => keys.find((key) => groupOf(hashOf(key), 2) === group) as string;
      const records = [1 - met, met].map((group) => scene.put(keyIn(group), at(0)));
      const refusing = scene.refusing(
        (call, name) => call === 'log.append' && name === `readings/1/${1 - met}`,
      );
      expect(await new Environment(refusing, scene.pipeline).take(records)).toBe(false);
      await rescale(scene, 1);
      expect(await new Environment(scene.ports, scene.pipeline).take(records)).toBe(true);
      await expectWhole(scene);
    }
  });
});

describe('a change that stops half-way', () => {
  it.each([
    ['before any old group is sealed', (name: string) => name.startsWith('readings/1/')],
    ['between sealing and beginning', (name: string) => name.startsWith('readings/2/')],
    ['after some of each', (name: string) => ['readings/1/3', 'readings/2/1'].includes(name)],
  ])('is finished by whoever comes next: %s', async (_, dies) => {
    const scene = new Scene(pipelineOf(4));
    const [records, others] = readings(scene, 40) as [readonly SourceRecord[], readonly SourceRecord[]];
    await new Environment(scene.ports, scene.pipeline).take(records.slice(0, 12));
    await rescale(scene, 2);
    const dying = scene.refusing((call, name) => call === 'log.append' && dies(name));
    expect(await new Environment(dying, scene.pipeline).take(records.slice(8, 16))).toBe(false);
    await expect(new Environment(dying, scene.pipeline).sweep()).rejects.toThrow('refused');
    const [one, other] = [
      new Environment(scene.ports, scene.pipeline),
      new Environment(scene.ports, scene.pipeline),
    ];
    await Promise.all([one.take(records.slice(8)), other.take(others), other.sweep()]);
    expect(await one.take(records)).toBe(true);
    await expectWhole(scene);
  });

  it('is changed again before any group has moved', async () => {
    const scene = new Scene(pipelineOf(4));
    const shards = readings(scene, 40);
    const stale = new Environment(scene.ports, scene.pipeline);
    for (const records of shards) await stale.take(records.slice(0, 12));
    await rescale(scene, 8);
    await rescale(scene, 2);
    await rescale(scene, 4);
    for (const records of shards) expect(await stale.take(records.slice(9))).toBe(true);
    await expectWhole(scene);
  });
});

describe('a projector', () => {
  it('delivers the panes of both generations, each once, though it knew of the first alone', async () => {
    const scene = new Scene(pipelineOf(4));
    const shards = readings(scene, 60);
    const first = await deploymentOf(scene);
    const project = async (deployment: Deployment) => {
      const logs = groupLogsOf(deployment, scene.ports.clock.now());
      await projectRows(scene.engine, deployment, logs, LATER);
      for (const sink of atOnce(deployment.pipeline.sinks)) {
        if (sink.kind === 'bucket') await projectObjects(scene.engine, deployment, sink, LATER);
      }
    };
    const environment = new Environment(scene.ports, scene.pipeline);
    for (const records of shards) await environment.take(records.slice(0, 10));
    await project(first);
    for (const records of shards) await environment.take(records.slice(10, 15));
    await rescale(scene, 8);
    for (const records of shards) await environment.take(records.slice(15, 20));
    // One that runs still, of which the groups have moved.
    await project(first);
    await project(await deploymentOf(scene));
    for (const records of shards) await environment.take(records.slice(20));
    await project(first);
    await expectWhole(scene);
  });
});

describe('a shard that is read while groups change', () => {
  it('is noted up to the end of a batch of which one group had moved, and another had not', async () => {
    const scene = new Scene(pipelineOf(4));
    const environment = new Environment(scene.ports, scene.pipeline);
    const [first, second] = ['pump', 'oven'] as const;
    expect(groupOf(hashOf(first), 4)).not.toBe(groupOf(hashOf(second), 4));
    await environment.take([scene.put(first, at(0)), scene.put(second, at(0, 1))]);
    await rescale(scene, 8);
    await new GroupLogs(scene.engine, await deploymentOf(scene)).load(groupOf(hashOf(first), 8));
    const batch = [scene.put(first, at(0, 2)), scene.put(second, at(0, 3))];
    expect(await environment.take(batch)).toBe(true);
    expect(scene.ports.telemetry.faults).not.toEqual([]);
    expect(await scene.ports.progress.read(batch[1]?.lineage as string)).toBe(batch[1]?.position);
  });
});

describe('messages of a queue', () => {
  const pipeline = definePipeline('readings', sqs<Reading>(), {
    key: ({ machine }) => machine,
    eventTime: (reading) => reading.at,
    groups: 4,
    windows: { minute: tumbling({ size: '1m' }, { n: count() }) },
  }).to(bucket());

  /** The groups after several changes, each followed by all messages again. */
  async function changed() {
    const scene = await new Scene(pipeline).under(pipeline);
    const messages = Array.from({ length: 40 }, (_, n) =>
      n % 9 === 0 ? scene.putText('?', at(0, n), 0, `p${n}`) : scene.put(`m${n % 7}`, at(0, n)),
    );
    await scene.process(messages);
    for (const groups of [8, 2, 1, 4]) {
      await beginGeneration(scene.engine, pipeline, groups);
      const next = await scene.under(pipeline);
      expect(await next.process(messages)).toEqual([]);
    }
    return { scene, groups: groupsOf(scene, await deploymentOf(scene)) };
  }

  it('are known in the groups that their keys move to, refused ones in all', async () => {
    const { scene, groups } = await changed();
    expect(total(groups)).toEqual({ applied: 35, lateForAll: 0, poison: 5, late: {} });
    expect(scene.ports.telemetry.counted).toMatchObject({ applied: 35, poison: 5, duplicate: 160 });
  });

  it('that come twice in a batch are counted once each time, though the groups change in its middle', async () => {
    const scene = await new Scene(pipeline).under(pipeline);
    const [earlier, message] = [scene.put('pump', at(0, 1)), scene.put('pump', at(0, 2))];
    let changed = false;
    const slow = scene.through(async (call, name, carryOut) => {
      if (call === 'log.append' && name.startsWith('readings/1/') && !changed) {
        changed = true;
        await beginGeneration(scene.engine, pipeline, 8);
        await (await scene.under(pipeline)).process([earlier]);
      }
      return carryOut();
    });
    const renew = async () => new GroupLogs(enginePorts(slow), await deploymentOf(scene));
    const batch = [message, { ...message }, { ...message }];
    const outcome = await processBatch(slow, await renew(), batch, LATER, renew);
    expect(outcome).toMatchObject({ again: [], outdated: false });
    expect(changed).toBe(true);
    expect(scene.ports.telemetry.counted).toMatchObject({ applied: 2, duplicate: 2 });
  });

  it('are taken in at once, though the groups change twice in the middle of their batch', async () => {
    const scene = await new Scene(pipeline).under(pipeline);
    const next = new Map([
      ['readings/1/', 8],
      ['readings/2/', 2],
    ]);
    const slow = scene.through(async (call, name, carryOut) => {
      const log = name.slice(0, 'readings/1/'.length);
      const groups = call === 'log.append' ? next.get(log) : undefined;
      if (groups === undefined) return carryOut();
      next.delete(log);
      // What another environment takes in meanwhile seals the group that this one is about to append to.
      await beginGeneration(scene.engine, pipeline, groups);
      await (await scene.under(pipeline)).process([scene.put('pump', at(0, groups))]);
      return carryOut();
    });
    const handler = processHandler(slow, pipeline);
    const message = scene.put('pump', at(0, 1));
    const event = SHAPES.sqs.eventOf([message]) as SQSEvent;
    expect(await handler(event, context)).toEqual({ batchItemFailures: [] });
    expect(next.size).toBe(0);
    expect(scene.ports.telemetry.counted).toMatchObject({ applied: 3, duplicate: 0 });
  });

  it('are known once in each group, though it fell apart and came together again', async () => {
    for (const { ids } of (await changed()).groups)
      expect(ids.get(REFUSED)?.rows ?? 0).toBeLessThanOrEqual(5);
  });
});

describe('whoever takes turns with whom', () => {
  it('panes, counters and objects are those of one run without a change', async () => {
    let runs = 0;
    let conflicts = 0;
    await fc.assert(
      fc.asyncProperty(
        fc.scheduler(),
        fc.integer({ min: 4, max: 26 }),
        fc.constantFrom([4, [8]], [4, [2]], [2, [8, 1]], [1, [2, 4]], [4, [1, 8, 2]]) as fc.Arbitrary<
          [number, number[]]
        >,
        fc.array(fc.integer({ min: 1, max: 5 }), { minLength: 30, maxLength: 30 }),
        fc.infiniteStream(fc.integer({ min: 0, max: 9 })),
        async (turns, length, [first, numbers], sizes, luck) => {
          const scene = new Scene(pipelineOf(first));
          const shards = readings(scene, length);
          const ports = scene.through(async (call, name, carryOut) => {
            await turns.schedule(Promise.resolve(), call);
            // Now and then the commit of one group of a batch is refused, and those of the others are not.
            if (call === 'log.append' && name.startsWith('readings/') && luck.next().value === 0) {
              throw new Error('refused');
            }
            return carryOut();
          });
          const environments = [0, 1].map(() => new Environment(ports, scene.pipeline));
          // Each shard is read by both environments in turn, and now and then by both at once.
          const read = async (shard: number): Promise<void> => {
            const records = shards[shard] as readonly SourceRecord[];
            for (let from = 0, part = 0; from < records.length; part++) {
              const batch = records.slice(from, from + (sizes[part] as number));
              const takers = environments.filter((_, at) => part % 3 === 2 || part % 2 === at);
              const taken = await Promise.all(takers.map((one) => one.take(batch).catch(() => false)));
              if (taken[0]) from += batch.length;
            }
          };
          const change = async (): Promise<void> => {
            for (const groups of numbers) {
              await environments[0]?.sweep().catch(() => undefined);
              while (
                !(await beginGeneration(enginePorts(ports), scene.pipeline, groups).then(
                  () => true,
                  () => false,
                ))
              );
              await environments[1]?.project().catch(() => undefined);
            }
          };
          await turns.waitFor(Promise.all([read(0), read(1), change()]));
          runs++;
          conflicts += scene.ports.telemetry.counted.conflicts;
          await expectWhole(scene);
        },
      ),
      { numRuns: 60 },
    );
    expect(conflicts / runs).toBeGreaterThan(1 / 3);
  });
});
