import { describe, expect, it } from 'vitest';
import { memoryReading } from '../../../src/adapters/memory/reading.ts';
import { isAfter, type Position } from '../../../src/core/position.ts';
import { type EpochMillis, millis } from '../../../src/core/time.ts';
import { decodeIntent } from '../../../src/engine/delivery/project-objects.ts';
import { type ReadFrom, restore } from '../../../src/engine/delivery/restore.ts';
import { audit } from '../../../src/engine/inspect/audit.ts';
import { holdDeployment } from '../../../src/engine/log/definition-log.ts';
import { enginePorts } from '../../../src/engine/log/spill.ts';
import { processHandler, projectHandler, sweepHandler } from '../../../src/handlers.ts';
import { bucket, count, definePipeline, kinesis, last, rolling, tumbling } from '../../../src/index.ts';
import type { LogEntry, StoredEntry } from '../../../src/ports/commit-log.ts';
import type { Ports } from '../../../src/ports/index.ts';
import type { SourceRecord } from '../../../src/ports/source.ts';
import type { Progress, StoredObject } from '../../../src/ports/stores.ts';
import { kinesisEvent } from '../../../src/simulation/shapes.ts';
import { groupLogPrefix, objectsLog, PANES_PREFIX, SUPERSEDED_PREFIX } from '../../../src/wiring/names.ts';
import { at, type Reading, Scene } from '../scene.ts';

const pipeline = definePipeline('readings', kinesis<Reading>(), {
  key: ({ machine }) => machine,
  eventTime: (reading) => reading.at,
  idleAfter: '1m',
  windows: {
    minute: tumbling({ size: '1m' }, { n: count(), last: last('celsius') }),
    each: rolling({ count: 2 }, { n: count(), last: last('celsius') }),
  },
}).to(bucket({ every: '0s' }));

const MACHINES = ['pump', 'oven', 'press', 'lathe', 'drill'];
const context = { getRemainingTimeInMillis: () => 60_000 };

type Items = readonly (readonly [string, readonly StoredEntry[]])[];

/** A pipeline's table, bucket and source, and environments of its functions, which go on until others are begun. */
class World {
  readonly scene = new Scene(pipeline);
  readonly noted = new Map<string, Position>();
  #functions = this.#begun();

  get ports(): Ports {
    const progress: Progress = {
      note: async (lineage, position) => {
        const before = this.noted.get(lineage);
        if (before === undefined || isAfter(position, before)) this.noted.set(lineage, position);
      },
      read: async (lineage) => this.noted.get(lineage),
    };
    return { ...this.scene.ports, progress };
  }

  #begun() {
    return {
      process: processHandler(this.ports, pipeline),
      sweep: sweepHandler(this.ports, pipeline),
      project: projectHandler(this.ports, pipeline),
    };
  }

  /** Environments that know nothing yet. */
  begin(): void {
    this.#functions = this.#begun();
  }

  /** Every machine reports, each to a shard of its own parity; what it reports is told by the minute. */
  put(minute: number): readonly SourceRecord[] {
    return MACHINES.map((machine, n) => this.scene.put(machine, at(minute, n), 100 * minute + n, n % 2));
  }

  async take(records: readonly SourceRecord[]): Promise<void> {
    for (const [lineage] of this.scene.source.shards) {
      const own = records.filter((record) => record.lineage === lineage);
      if (own.length > 0) expect(await this.#functions.process(kinesisEvent(own), context)).toEqual(DONE);
    }
  }

  async deliver(): Promise<void> {
    await this.#functions.project({}, context);
  }

  async minutes(from: number, to: number): Promise<void> {
    for (let minute = from; minute < to; minute++) {
      await this.take(this.put(minute));
      await this.deliver();
    }
  }

  /** All windows close in silence. */
  async silence(): Promise<void> {
    const { clock } = this.scene.ports;
    clock.set((clock.now() + millis('10m')) as EpochMillis);
    await this.#functions.sweep(undefined, context);
    await this.deliver();
  }

  /** What the table holds. */
  table(): Items {
    return [...[...this.scene.ports.log.logs].map(([log, entries]) => [log, [...entries]] as const)];
  }

  /** The table as it was, as point-in-time recovery gives it back; the bucket stays as it is. */
  takeBack(items: Items, noted: ReadonlyMap<string, Position>): void {
    const logs = this.scene.ports.log.logs as Map<string, StoredEntry[]>;
    logs.clear();
    for (const [log, entries] of items) logs.set(log, [...entries]);
    this.noted.clear();
    for (const [lineage, position] of noted) this.noted.set(lineage, position);
  }

  restore() {
    const { objects } = this.scene.ports;
    const { objects: listing } = memoryReading(this.scene.ports);
    return restore(enginePorts({ ...this.ports, listing, remover: objects }), pipeline, () => {});
  }

  /** What the source still has of the stretch that must be read again. */
  again(from: readonly ReadFrom[]): readonly SourceRecord[] {
    return [...this.scene.source.shards].flatMap(([lineage, records]) => {
      const first = from.find((one) => one.lineage === lineage)?.from;
      return records.filter(({ position }) => first === undefined || !isAfter(first.position, position));
    });
  }

  findings() {
    return audit({ ...this.ports, reading: memoryReading(this.scene.ports) }, pipeline).then(
      ({ findings }) => findings,
    );
  }

  /** Every pane of the bucket, in an order of their own. */
  panes(): readonly string[] {
    return this.scene
      .lines()
      .map((pane) => JSON.stringify(pane))
      .sort();
  }

  names(prefix: string): readonly string[] {
    return [...this.scene.ports.objects.stored.keys()].filter((name) => name.startsWith(prefix)).sort();
  }
}

const DONE = { batchItemFailures: [] };

/** What a bucket holds where nothing was ever taken back. */
async function faultless(minutes: number): Promise<readonly string[]> {
  const world = new World();
  await world.minutes(0, minutes);
  await world.silence();
  return world.panes();
}

/** A world whose table was taken back to the third minute, after seven. */
async function takenBack(): Promise<World> {
  const world = new World();
  await world.minutes(0, 3);
  const [items, noted] = [world.table(), new Map(world.noted)];
  await world.minutes(3, 7);
  world.takeBack(items, noted);
  return world;
}

describe('a pipeline whose state table was taken back to an earlier time', () => {
  it('has every pane in its bucket once, after restore and reading again from where it says', async () => {
    const world = await takenBack();
    world.begin();
    const restored = await world.restore();
    expect(restored.setAside).toBeGreaterThan(0);
    expect(world.names(SUPERSEDED_PREFIX)).toHaveLength(restored.setAside);
    expect(restored.from.map(({ lineage }) => lineage)).toEqual([...world.scene.source.shards.keys()]);
    const again = world.again(restored.from);
    // Of each shard the last record that is in comes again, too: some of its children may not be in.
    expect(again.length).toBe(4 * MACHINES.length + restored.from.length);
    const kept = new Set(world.names(PANES_PREFIX));
    await world.take(again);
    await world.deliver();
    await world.minutes(7, 9);
    await world.silence();
    expect(await world.findings()).toEqual([]);
    expect(world.panes()).toEqual(await faultless(9));
    // None is of a name that may have been used for what was taken back.
    const added = world.names(PANES_PREFIX).filter((name) => !kept.has(name));
    expect(added.length).toBeGreaterThan(0);
    for (const name of added) expect(name).toMatch(/\/part-\d{13}-\d{12}\./);
  });

  it('has them though its environments stayed, once a minute has passed', async () => {
    const world = await takenBack();
    const restored = await world.restore();
    world.scene.ports.clock.pass(millis('1m'));
    await world.take(world.again(restored.from));
    await world.deliver();
    await world.minutes(9, 10);
    await world.silence();
    expect(await world.findings()).toEqual([]);
    expect(new Set(world.panes().map((pane) => JSON.parse(pane).id)).size).toBe(world.panes().length);
    for (const [log, entries] of world.scene.ports.log.logs) {
      if (!log.startsWith(groupLogPrefix('readings'))) continue;
      expect(entries.map(({ ordinal }) => ordinal)).toEqual(entries.map((_, place) => place + 1));
    }
  });

  it('delivers nothing under names that were used, nor goes past it in silence, where restore was left out', async () => {
    const world = await takenBack();
    world.begin();
    await world.take(world.again([]));
    const intents = () => world.scene.ports.log.logs.get(objectsLog('readings'))?.length;
    const [before, bucket] = [intents(), world.panes()];
    for (let tries = 0; tries < 3; tries++) {
      await expect(world.deliver()).rejects.toThrow(
        /^Cannot deliver panes as the object panes\/.+, as every object, must hold what was decided under its name: it is there, and holds something else\. Where the state table was restored to an earlier time, run millrace restore/,
      );
    }
    expect(intents()).toBe(before);
    expect(world.panes()).toEqual(bucket);
    const { from } = await world.restore();
    await world.take(world.again(from));
    await world.deliver();
    await world.silence();
    expect(await world.findings()).toEqual([]);
    expect(world.panes()).toEqual(await faultless(7));
  });

  it('may be restored again, by a call that follows one that was stopped at any step', async () => {
    for (let stop = 0; ; stop++) {
      const world = await takenBack();
      world.begin();
      let calls = 0;
      let stopped = false;
      const dying = world.scene.through(async (call, _, carryOut) => {
        if (/append|create/.test(call) && calls++ === stop) {
          stopped = true;
          throw new Error('connection reset');
        }
        return carryOut();
      });
      const { objects: listing } = memoryReading(world.scene.ports);
      const ports = { ...world.ports, ...dying, progress: world.ports.progress };
      const first = restore(
        enginePorts({ ...ports, listing, remover: world.scene.ports.objects }),
        pipeline,
        () => {},
      );
      await first.catch(() => {});
      const { from } = await world.restore();
      await world.take(world.again(from));
      await world.deliver();
      await world.silence();
      expect(await world.findings()).toEqual([]);
      expect(world.panes()).toEqual(await faultless(7));
      if (!stopped) return;
    }
  });

  it('goes on from the last intent whose panes the logs hold, where what was restored is of times apart', async () => {
    const world = new World();
    await world.minutes(0, 3);
    const items = world.table();
    const noted = new Map(world.noted);
    await world.minutes(3, 4);
    const later = new Map(world.table());
    await world.minutes(4, 6);
    // Of the projector's log some more was restored than of the groups'.
    world.takeBack(
      items.map(([log, own]) => [log, log === objectsLog('readings') ? (later.get(log) ?? own) : own]),
      noted,
    );
    world.begin();
    const { from } = await world.restore();
    await world.take(world.again(from));
    await world.deliver();
    await world.silence();
    expect(await world.findings()).toEqual([]);
    expect(world.panes()).toEqual(await faultless(6));
  });

  it('is read again from the beginning where a group has not met a lineage, and nothing was noted', async () => {
    const world = await takenBack();
    world.noted.clear();
    world.begin();
    const { from } = await world.restore();
    expect(from.map((one) => one.from)).toEqual([undefined, undefined]);
  });

  it('begins an incarnation that none had, though the logs have forgotten another', async () => {
    const world = await takenBack();
    const items = world.table();
    const first = await world.restore();
    world.takeBack(items, new Map());
    world.scene.ports.clock.pass(millis('1h'));
    const second = await world.restore();
    expect(second.incarnation).toBeGreaterThan(first.incarnation);
    const last = (await enginePorts(world.ports).log.latest(objectsLog('readings'))) as LogEntry;
    expect(decodeIntent(last).incarnations.map(({ number }) => number)).toEqual([0, second.incarnation]);
  });

  it('is restored by nobody else than the code that was at work then', async () => {
    const world = await takenBack();
    const { objects: listing } = memoryReading(world.scene.ports);
    const ports = { ...world.ports, listing, remover: world.scene.ports.objects };
    await expect(restore(enginePorts(ports), { ...pipeline, version: 2 }, () => {})).rejects.toThrow(
      'Cannot restore "readings" as its definition must be the one at work when the logs were as they are: that is version 1, this is version 2',
    );
    await expect(restore(enginePorts(ports), { ...pipeline, name: 'other' }, () => {})).rejects.toThrow(
      'Cannot restore "other" as it must have begun: there are no logs of it',
    );
  });
});

describe('an object that is there before it is created', () => {
  it('is taken for done where it holds the panes, by whichever zlib, and is an error where not', async () => {
    const world = new World();
    await world.minutes(0, 2);
    const stored = world.scene.ports.objects.stored as Map<string, StoredObject>;
    // The last intent is carried out anew, but for what is there.
    const [log] = [objectsLog('readings')];
    const last = decodeIntent((await enginePorts(world.ports).log.latest(log)) as LogEntry);
    const name = last.names.at(-1) as string;
    const object = stored.get(name) as StoredObject;
    const { gzipSync, gunzipSync } = await import('node:zlib');
    const lines = gunzipSync(object.body).toString();
    for (const [text, outcome] of [
      [lines, 'done'],
      [lines.replace('"revision":0', '"revision":7'), 'refused'],
      ['no panes', 'refused'],
    ] as const) {
      stored.set(name, { ...object, body: gzipSync(text, { level: 9 }) });
      const hidden = { ...world.ports, objects: { ...world.ports.objects, exists: async () => false } };
      const again = projectHandler(hidden, pipeline)({}, context);
      if (outcome === 'done') await again;
      else await expect(again).rejects.toThrow('it is there, and holds something else');
    }
    expect(world.names(PANES_PREFIX).length).toBeGreaterThan(0);
    expect((await holdDeployment(enginePorts(world.ports), pipeline)).incarnation).toBe(0);
  });
});
