import { createHash } from 'node:crypto';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { createTally } from '../../../src/commands/tally.ts';
import { CodecError } from '../../../src/core/codec.ts';

import { after, type EpochMillis, type Millis, millis } from '../../../src/core/time.ts';
import { baseOf, decodePanes } from '../../../src/engine/format/entry.ts';
import { nextEntry } from '../../../src/engine/format/next-entry.ts';
import { readGroup } from '../../../src/engine/format/read-group.ts';
import { batchKeys } from '../../../src/engine/group/batch-key.ts';
import { firstDeployment } from '../../../src/engine/group/deployment.ts';
import { EMPTY_GROUP, type Group, GroupRecord, listPanes } from '../../../src/engine/group/group.ts';
import { fold } from '../../../src/engine/intake/fold.ts';
import { bytesOf, GroupCache } from '../../../src/engine/log/group-cache.ts';
import { unchanged } from '../../../src/engine/log/group-logs.ts';
import { bodyObjectOf, wholeLog } from '../../../src/engine/log/spill.ts';
import {
  bucket,
  count,
  definePipeline,
  kinesis,
  last,
  mean,
  rolling,
  table,
  tumbling,
} from '../../../src/index.ts';
import {
  ENTRY_LIFETIME,
  type LogEntry,
  LogLostError,
  type StoredEntry,
} from '../../../src/ports/commit-log.ts';
import type { Ports } from '../../../src/ports/index.ts';
import type { SourceRecord } from '../../../src/ports/source.ts';
import type { ObjectStore, StoredObject } from '../../../src/ports/stores.ts';
import type { Call } from '../../../src/simulation/gate.ts';
import { STATE_PREFIX } from '../../../src/wiring/names.ts';
import { groupContents, keptOf } from '../batches.ts';
import { at, NOON, type Reading, Scene } from '../scene.ts';

const PUMP = 'pump';
const DAY = 24 * 60;

const readings = (version = 1, groups = 4) =>
  definePipeline('readings', kinesis<Reading>(), {
    key: ({ machine }) => machine,
    eventTime: (reading) => reading.at,
    version,
    groups,
    windows: {
      minute: tumbling({ size: '1m' }, { mean: mean('celsius'), n: count() }),
      lastHundred: rolling({ count: 100 }, { mean: mean('celsius') }),
      lastNote: rolling({ count: 2 }, { note: last((reading) => reading.note ?? '') }),
    },
  }).to(table(), bucket());

/** Text that no compression makes smaller. */
const noise = (bytes: number, seed: string): string =>
  Array.from({ length: Math.ceil(bytes / 43) }, (_, part) =>
    createHash('sha256').update(`${seed}/${part}`).digest('base64url'),
  ).join('');

/** Of each entry of a machine's log the ordinal of the snapshot that it is read from. */
const basesOf = (scene: Scene, machine = PUMP): readonly number[] => scene.entriesOf(machine).map(baseOf);

/** A pump with a large state, so that what one more reading changes is little. */
async function seasoned(pipeline = readings()): Promise<Scene> {
  const scene = new Scene(pipeline);
  const batch = Array.from({ length: 100 }, (_, n) => scene.put(PUMP, at(0, n), Math.sqrt(n)));
  await scene.process(batch);
  return scene;
}

/** Makes the memory of a log forget some entries. */
function lose(scene: Scene, machine: string, ordinals: readonly number[]): void {
  const logs = scene.ports.log.logs as Map<string, readonly StoredEntry[]>;
  const name = scene.logOf(machine);
  logs.set(
    name,
    (logs.get(name) ?? []).filter(({ ordinal }) => !ordinals.includes(ordinal)),
  );
}

describe('an entry', () => {
  it('is a snapshot at first, then what has changed since the one before', async () => {
    const scene = await seasoned();
    await scene.process([scene.put(PUMP, at(2), 20)]);
    await scene.process([scene.put(PUMP, at(2, 1), 20)]);
    expect(basesOf(scene)).toEqual([1, 1, 1]);
    const [snapshot, ...deltas] = scene.entriesOf(PUMP).map(({ body }) => body.length);
    for (const delta of deltas) expect(delta).toBeLessThan((snapshot as number) / 2);
  });

  it('that changes most of its group is a snapshot', async () => {
    const scene = await seasoned();
    const batch = Array.from({ length: 99 }, (_, n) => scene.put(PUMP, at(2, n), Math.sqrt(n)));
    await scene.process(batch);
    expect(basesOf(scene)).toEqual([1, 2]);
  });

  it('is a snapshot once those since the last are four times its state', async () => {
    const scene = await seasoned();
    for (let n = 0; n < 200; n++) await scene.process([scene.put(PUMP, at(2, n), Math.sqrt(n))]);
    const bases = basesOf(scene);
    const sizes = scene.entriesOf(PUMP).map(({ body }) => body.length);
    let [state, tail] = [0, 0];
    let snapshots = 0;
    for (const [place, base] of bases.entries()) {
      const isDue = place === 0 || tail >= 4 * state || place - (bases[place - 1] as number) >= 128;
      expect(base === place + 1, `entry ${place + 1}`).toBe(isDue);
      const from = scene.entriesOf(PUMP).slice(base - 1, place + 1);
      const { base: read } = readGroup(scene.deployment, EMPTY_GROUP, from);
      tail = isDue ? 0 : tail + (sizes[place] as number);
      state = isDue ? (read?.stateBytes ?? 0) : state;
      expect(read).toMatchObject({ ordinal: base, stateBytes: state, tailBytes: tail });
      if (isDue) snapshots++;
    }
    expect(snapshots).toBeGreaterThan(2);
    expect(snapshots).toBeLessThan(20);
  });

  it('is a snapshot after 128 others, however small they are', async () => {
    const scene = new Scene(readings());
    await scene.process([scene.put(PUMP, at(0), 20, 0, { note: noise(200_000, 'large') })]);
    // Of another machine of its group, so that no note is written again.
    for (let n = 0; n < 130; n++) await scene.process([scene.put('lathe', at(0, n))]);
    expect(scene.storedOf('lathe')).toBe(scene.storedOf(PUMP));
    expect(basesOf(scene)).toEqual([...new Array<number>(129).fill(1), 130, 130]);
  });

  it('is a snapshot where the last is a quarter of its life old', async () => {
    const scene = await seasoned();
    await scene.process([scene.put(PUMP, at(2 * DAY, 98))]);
    await scene.process([scene.put(PUMP, at(2 * DAY, 99))]);
    expect(basesOf(scene)).toEqual([1, 1, 3]);
  });

  it('is a snapshot where the definition is another', async () => {
    const scene = await seasoned();
    const next = new Scene(readings(2));
    for (const entry of scene.storedOf(PUMP)) await next.ports.log.append(next.logOf(PUMP), entry);
    await next.process([{ ...next.put(PUMP, at(3)), position: '101' as SourceRecord['position'] }]);
    await next.process([{ ...next.put(PUMP, at(3, 1)), position: '102' as SourceRecord['position'] }]);
    expect(basesOf(next)).toEqual([1, 2, 2]);
    expect(next.groupOf(PUMP)).toMatchObject({ version: 2, counters: { applied: 102 } });
  });

  it('of nothing but positions is read back', async () => {
    const scene = await seasoned();
    await scene.process([scene.putText('?', at(3))]);
    expect(basesOf(scene)).toEqual([1, 1]);
    expect(scene.groupOf(PUMP).counters).toMatchObject({ applied: 100, lateForAll: 0, poison: 1 });
    expect([...scene.groupOf(PUMP).positions.values()].map(({ position }) => position)).toEqual([
      '101000000000000',
    ]);
  });
});

describe('a log that has lost entries', () => {
  const load = (scene: Scene, cache?: GroupCache) => scene.logsOf(scene.ports, cache).load(0);
  const scenes = async (): Promise<Scene> => {
    const scene = await seasoned(readings(1, 1));
    for (let n = 0; n < 4; n++) await scene.process([scene.put(PUMP, at(2, n))]);
    expect(basesOf(scene)).toEqual([1, 1, 1, 1, 1]);
    return scene;
  };

  it.each([
    ['its snapshot', [1], 'as its snapshot, entry 1, is gone'],
    ['its snapshot and what follows', [1, 2, 3], 'as its snapshot, entry 1, is gone'],
    ['one in the middle', [3], 'entry 4 came after 2'],
    ['all', [1, 2, 3, 4, 5], 'all of its entries have expired'],
  ])('is not read: %s', async (_, ordinals, reason) => {
    const scene = await scenes();
    lose(scene, PUMP, ordinals);
    await expect(load(scene)).rejects.toThrow(LogLostError);
    await expect(load(scene)).rejects.toThrow(reason);
    // Nor is anything appended to it.
    const next = scene.put(PUMP, at(3));
    const { length } = scene.entriesOf(PUMP);
    expect(await scene.process([next])).toEqual([next]);
    expect(scene.entriesOf(PUMP)).toHaveLength(length);
  });

  it('that nobody needs is read', async () => {
    const scene = await scenes();
    const batch = Array.from({ length: 99 }, (_, n) => scene.put(PUMP, at(4, n), Math.sqrt(n)));
    await scene.process(batch);
    await scene.process([scene.put(PUMP, at(8))]);
    expect(basesOf(scene).slice(-2)).toEqual([6, 6]);
    const before = await load(scene);
    lose(scene, PUMP, [1, 2, 3, 4, 5]);
    expect(groupContents(await load(scene))).toEqual(groupContents(before));
  });
});

describe('what an environment has in memory', () => {
  /** A scene whose calls to the log are written down. */
  async function watched(pipeline = readings(1, 1)) {
    const scene = await seasoned(pipeline);
    const calls: string[] = [];
    const entries: number[] = [];
    const ports = scene.through(async (call: Call, _, carryOut) => {
      const answer = await carryOut();
      if (call.startsWith('log.')) calls.push(call);
      if (call === 'log.after') entries.push((answer as readonly LogEntry[]).length);
      return answer;
    });
    const cache = new GroupCache(1e6);
    const take = async (...records: readonly SourceRecord[]) => {
      calls.length = entries.length = 0;
      expect(await scene.process(records, ports, at(1e6), cache)).toEqual([]);
      return { calls: [...calls], entries: [...entries] };
    };
    return { scene, ports, cache, take };
  }

  it('is not read again: one answer, empty, and the append', async () => {
    const { scene, take } = await watched();
    expect(await take(scene.put(PUMP, at(2)))).toMatchObject({ calls: ['log.latest', 'log.append'] });
    for (let n = 1; n < 5; n++) {
      expect(await take(scene.put(PUMP, at(2, n)))).toEqual({
        calls: ['log.after', 'log.append'],
        entries: [0],
      });
    }
  });

  it('is read on from by what others have appended since, and by no more', async () => {
    const { scene, take } = await watched();
    await take(scene.put(PUMP, at(2)));
    for (let n = 1; n < 4; n++) await scene.process([scene.put(PUMP, at(2, n), 20, 1)]);
    expect(await take(scene.put(PUMP, at(3)))).toEqual({
      calls: ['log.after', 'log.after', 'log.append'],
      entries: [3, 0],
    });
    expect(scene.groupOf(PUMP).counters.applied).toBe(105);
  });

  it('is not trusted when it is an eighth of an entry’s life old', async () => {
    const { scene, take } = await watched();
    await take(scene.put(PUMP, at(2)));
    expect((await take(scene.put(PUMP, at(2 + DAY - 1)))).calls).toEqual(['log.after', 'log.append']);
    expect((await take(scene.put(PUMP, at(2 + 2 * DAY - 1)))).calls[0]).toBe('log.latest');
  });

  it('is read anew, from the last snapshot, where what followed it has expired', async () => {
    const { scene, take } = await watched();
    await take(scene.put(PUMP, at(2)));
    for (let n = 1; n < 5; n++) await scene.process([scene.put(PUMP, at(2, n), n, 1)]);
    await scene.process(Array.from({ length: 99 }, (_, n) => scene.put(PUMP, at(4, n), n, 1)));
    expect(basesOf(scene)).toEqual([1, 1, 1, 1, 1, 1, 7]);
    lose(scene, PUMP, [1, 2, 3, 4]);
    expect((await take(scene.put(PUMP, at(8)))).calls.slice(-3)).toEqual([
      'log.after',
      'log.latest',
      'log.append',
    ]);
    expect(scene.entriesOf(PUMP).at(-1)?.ordinal).toBe(8);
  });

  it('is given up after a race was lost, and the winner’s entry adopted', async () => {
    const { scene, ports, cache } = await watched();
    await scene.process([scene.put(PUMP, at(2))], ports, at(1e6), cache);
    const theirs = [scene.put(PUMP, at(2, 1), 1, 1)];
    let raced = false;
    const racing = scene.through(async (call, _, carryOut) => {
      if (call === 'log.append' && !raced) {
        raced = true;
        await scene.process(theirs);
      }
      return carryOut();
    });
    await scene.process([scene.put(PUMP, at(2, 2), 2)], racing, at(1e6), cache);
    expect(scene.ports.telemetry.counted.conflicts).toBe(1);
    await scene.process([scene.put(PUMP, at(2, 3), 3)], ports, at(1e6), cache);
    const all = [...scene.source.shards.values()].flat();
    expect(scene.groupOf(PUMP).counters).toMatchObject({ applied: all.length, lateForAll: 0, poison: 0 });
    expect(scene.entriesOf(PUMP)).toHaveLength(5);
  });

  describe('is of so many bytes', () => {
    const deployment = firstDeployment(readings(1, 1));
    const groupOf = (keys: number): Group => {
      const scene = new Scene(readings(1, 1));
      const known = batchKeys();
      const records = Array.from({ length: keys }, (_, n) => {
        const source = scene.put(`m${n}`, at(0, n));
        const record = {
          at: at(0, n),
          arrival: source.arrival,
          values: readings().rules.inputs.read({ celsius: n }),
        };
        return new GroupRecord(true, source, 0, 0, known.of(`m${n}`), {
          outcome: 'record',
          key: `m${n}`,
          record,
        });
      });
      return { ...EMPTY_GROUP, ...fold(deployment, EMPTY_GROUP, records) };
    };
    const ten = groupOf(10);
    ten.keys.pack();
    const bytes = bytesOf(ten);
    const room = (groups: number) => new GroupCache(groups * bytes);
    /** Asks for groups, one after the other, each of which is read where it is not there; tells which are. */
    const found = (cache: GroupCache, asked: string, group = ten): string =>
      [...asked]
        .filter((name) => {
          const isThere = cache.get(name, NOON) !== undefined;
          cache.set(name, group, NOON);
          return isThere;
        })
        .join('');

    it('which are not exceeded, whatever size its groups are or become', () => {
      const cache = room(2.5);
      expect(found(cache, 'abab')).toBe('ab');
      // Again under its name it takes up no more.
      expect(found(cache, 'bbbbab')).toBe('bbbbab');
      // One that is too large by itself is not kept, and takes no other's place.
      const large = groupOf(100);
      expect(found(cache, 'cc', large)).toBe('');
      expect(cache.sizeOf('c')).toBe(bytesOf(large));
      expect(found(cache, 'ab')).toBe('ab');
      // One that grows too large goes.
      expect(found(cache, 'aa', large)).toBe('a');
      expect(found(cache, 'ba')).toBe('b');
    });

    it('without what was there before the last commit', () => {
      const later = {
        ...ten,
        keys: ten.keys.with(new Map([...ten.keys].map(([key, kept]) => [key, { ...kept }]))),
      };
      expect(later.keys.changesSince(ten.keys)?.changed).toHaveLength(10);
      room(1.5).set('a', later, NOON);
      expect(later.keys.changesSince(ten.keys)).toBeUndefined();
    });

    it('of which groups that batches go round, each in its turn, keep as many as there is room for', () => {
      const cache = room(3.5);
      found(cache, 'abcdefgh');
      for (let round = 0; round < 5; round++) expect(found(cache, 'abcdefgh')).toBe('abc');
    });

    it('in which groups are packed from where one finds no room, so that there is room for more than twice as many', () => {
      const cache = new GroupCache(2.5 * bytesOf(groupOf(10)));
      const groups = new Map([...'abcdefgh'].map((name) => [name, groupOf(10)]));
      const round = () => [...groups].flatMap(([name, group]) => found(cache, name, group)).join('');
      const packed = () => [...groups.values()].map(({ keys }) => keys.packed.count);
      expect(found(cache, 'ab', groups.get('a'))).toBe('');
      expect(packed()).toEqual([0, 0, 0, 0, 0, 0, 0, 0]);
      round();
      round();
      expect(packed()).toEqual([10, 10, 10, 10, 10, 10, 10, 10]);
      expect(round().length).toBeGreaterThan(5);
    });

    it('in which groups that are asked for take the place of those of which nobody asks any more', () => {
      const cache = room(2.5);
      found(cache, 'abab');
      expect(found(cache, 'cdcdcd')).toBe('cd');
      expect(found(cache, 'ab')).toBe('');
      expect(found(cache, 'cd')).toBe('cd');
    });
  });
});

describe('writers of one group, each with what it has in memory', () => {
  it('come to what one would have, in whatever order they take turns', async () => {
    let runs = 0;
    let conflicts = 0;
    await fc.assert(
      fc.asyncProperty(
        fc.scheduler(),
        fc.array(
          fc.record({ machine: fc.constantFrom(PUMP, 'lathe', 'oven'), at: fc.nat(300), shard: fc.nat(1) }),
          {
            minLength: 1,
            maxLength: 14,
          },
        ),
        fc.array(fc.integer({ min: 1, max: 4 }), { minLength: 14, maxLength: 14 }),
        async (turns, drawn, sizes) => {
          const scene = new Scene(readings(1, 1));
          const records = drawn.map(({ machine, at: seconds, shard }) =>
            scene.put(machine, at(0, seconds), seconds, shard),
          );
          const ports = scene.through(async (call, _, carryOut) => {
            await turns.schedule(Promise.resolve(), call);
            return carryOut();
          });
          // Each is given all of the records, in batches that follow each other, again until they are in.
          const write = async (cache: GroupCache | undefined): Promise<void> => {
            for (let from = 0, part = 0; from < records.length; part++) {
              const batch = records.slice(from, from + (sizes[part] as number));
              from += batch.length;
              for (let again = batch as readonly SourceRecord[]; again.length > 0; ) {
                again = await scene.process(again, ports, at(1e6), cache);
              }
            }
          };
          const writers = [new GroupCache(1e6), new GroupCache(1e6), undefined].map(write);
          await turns.waitFor(Promise.all(writers));
          runs++;
          conflicts += scene.ports.telemetry.counted.conflicts;

          const alone = new Scene(readings(1, 1));
          await alone.process(records);
          expect(keptOf(scene.groupOf(PUMP))).toEqual({
            ...keptOf(alone.groupOf(PUMP)),
            keys: expect.anything(),
          });
          const keysOf = (one: Scene) => keptOf(one.groupOf(PUMP)).keys.toSorted();
          expect(keysOf(scene)).toEqual(keysOf(alone));
          expect(scene.emitted().sort()).toEqual(alone.emitted().sort());
        },
      ),
      { numRuns: 60 },
    );
    expect(conflicts / runs).toBeGreaterThan(1 / 3);
  });
});

/** A scene's objects, each of which its bucket removes so long after it was created. */
function expiringObjects({ ports: { objects, clock } }: Scene, lifetime: Millis): ObjectStore {
  const createdAt = new Map<string, EpochMillis>();
  const expire = (): void => {
    for (const [name, at] of createdAt) {
      if (after(at, lifetime) > clock.now()) continue;
      (objects.stored as Map<string, StoredObject>).delete(name);
      createdAt.delete(name);
    }
  };
  return {
    async create(name, object) {
      expire();
      const outcome = await objects.create(name, object);
      if (outcome === 'created') createdAt.set(name, clock.now());
      return outcome;
    },
    async exists(name) {
      expire();
      return objects.exists(name);
    },
    async read(name) {
      expire();
      return objects.read(name);
    },
  };
}

describe('a body that is too large for a log', () => {
  /** A scene of a group with several hundred kilobytes of notes. */
  function large() {
    const scene = new Scene(readings(1, 1));
    const notes = (round: number) =>
      Array.from({ length: 10 }, (_, n) =>
        scene.put(`machine-${n}`, at(round, n), 20, 0, { note: noise(50_000, `${round}/${n}`) }),
      );
    const states = () =>
      [...scene.ports.objects.stored.keys()].filter((name) => name.startsWith(STATE_PREFIX));
    return { scene, notes, states, ports: scene.ports };
  }
  const spilledOf = (scene: Scene) => scene.storedOf(PUMP).map((entry) => bodyObjectOf(entry) !== undefined);
  const load = (ports: Ports, { scene }: ReturnType<typeof large>): Promise<Group> =>
    scene.logsOf(ports).load(0);

  it('stands beside it, and is read back: by handlers, the sweeper and projectors', async () => {
    const world = large();
    const { scene, ports, notes, states } = world;
    expect(await scene.process(notes(0), ports)).toEqual([]);
    expect(await scene.process([scene.put(PUMP, at(0, 30))], ports)).toEqual([]);
    expect(spilledOf(scene)).toEqual([true, false]);
    expect(states()).toHaveLength(1);
    expect(Math.max(...scene.storedOf(PUMP).map(({ stored }) => stored.length))).toBeLessThan(12_000);
    expect(await scene.process(notes(1), ports)).toEqual([]);
    expect((await load(ports, world)).counters.applied).toBe(21);
    expect(await scene.sweepAt(at(30), ports)).toMatchObject({ open: 0 });
    await scene.project(ports);
    expect(scene.lines().filter(({ window }) => window === 'lastNote')).toHaveLength(21);
    expect(scene.lines().filter(({ window }) => window === 'minute')).toHaveLength(21);
  });

  it('is told of by a local run as any other', async () => {
    const { scene, notes } = large();
    const tally = createTally(scene.pipeline);
    await scene.process(notes(0), tally.watch(scene.ports));
    expect(spilledOf(scene)).toEqual([true]);
    // Each of ten records has one of both rolling windows.
    expect(tally.panes).toBe(20);
  });

  it("is read with a few others at a time, so that no answer holds much more than a log's own", async () => {
    const { scene, ports, notes } = large();
    for (let round = 0; round < 12; round++) await scene.process(notes(round), ports);
    const name = [...scene.ports.log.logs.keys()].find((log) => log.startsWith('readings/')) as string;
    const { log } = scene.engine;
    const read: number[] = [];
    for (let answer = await log.after(name, 0); answer.length > 0; ) {
      expect(answer.reduce((total, { body }) => total + body.length, 0)).toBeLessThan(2 * 1_048_576);
      read.push(...answer.map(({ ordinal }) => ordinal));
      answer = await log.after(name, read.at(-1) as number);
    }
    expect(read).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12]);
  });

  it('that is gone, or is not what was written, is an error', async () => {
    const world = large();
    const { scene, ports, notes, states } = world;
    await scene.process(notes(0), ports);
    const [name] = states() as [string];
    const stored = scene.ports.objects.stored as Map<string, { body: Uint8Array; contentType: string }>;
    const object = stored.get(name) as { body: Uint8Array; contentType: string };
    const altered = Uint8Array.from(object.body);
    altered[1_000] = 1 ^ (altered[1_000] as number);
    for (const body of [altered, object.body.subarray(1), new Uint8Array(0)]) {
      stored.set(name, { ...object, body });
      await expect(load(ports, world)).rejects.toThrow(
        new CodecError(
          `Cannot read an entry as its body, the object ${name}, must be there as it was written`,
        ),
      );
    }
    stored.delete(name);
    const next = [scene.put(PUMP, at(9))];
    expect(await scene.process(next, ports)).toEqual(next);
    expect(scene.ports.telemetry.faults.at(-1)?.cause).toBeInstanceOf(CodecError);
    await expect(scene.project(ports)).rejects.toThrow(CodecError);
    stored.set(name, object);
    expect(await scene.process(next, ports)).toEqual([]);
  });

  it('is there before the entry that names it, and once though its append is tried again', async () => {
    const world = large();
    const { scene, notes, states } = world;
    const batch = notes(0);
    const calls: string[] = [];
    const dying = scene.through(async (call, name, carryOut) => {
      if (call === 'objects.create' || call === 'log.append') calls.push(call);
      if (call === 'log.append') throw new Error('connection reset');
      expect(name.startsWith(STATE_PREFIX) || call !== 'objects.create').toBe(true);
      return carryOut();
    });
    expect(await scene.process(batch, dying)).toEqual(batch);
    expect(await scene.process(batch, dying)).toEqual(batch);
    expect(calls).toEqual(['objects.create', 'log.append', 'objects.create', 'log.append']);
    expect(scene.entriesOf(PUMP)).toEqual([]);
    expect(await scene.process(batch, world.ports)).toEqual([]);
    expect(states()).toHaveLength(1);
    expect((await load(world.ports, world)).counters.applied).toBe(10);
  });

  it('is there for as long as its entry, however long the append was refused before', async () => {
    const world = large();
    const { scene, notes } = world;
    const batch = notes(0);
    const kept = { ...scene.ports, objects: expiringObjects(scene, millis('14d')) };
    const refusing = { ...kept.log, append: () => Promise.reject(new Error('throttled')) };
    for (let day = 0; day < 13; day++) {
      expect(await scene.process(batch, { ...kept, log: refusing })).toEqual(batch);
      scene.ports.clock.pass(millis('1d'));
    }
    expect(await scene.process(batch, kept)).toEqual([]);
    scene.ports.clock.pass(millis('7d'));
    expect((await load(kept, world)).counters.applied).toBe(10);
  });

  it('is appended nothing of while it cannot be put', async () => {
    const { scene, notes, ports } = large();
    const batch = notes(0);
    const full = scene.through(async (call, _, carryOut) => {
      if (call === 'objects.create') {
        for (let turn = 0; turn < 10; turn++) await Promise.resolve();
        throw new Error('no room');
      }
      return carryOut();
    });
    expect(await scene.process(batch, full)).toEqual(batch);
    expect(scene.entriesOf(PUMP)).toEqual([]);
    expect(await scene.process(batch, ports)).toEqual([]);
  });

  it('of a writer that lost a race is named by nobody, and the winner’s is read', async () => {
    const world = large();
    const { scene, ports, notes, states } = world;
    const [ours, theirs] = [notes(0), notes(1)];
    let raced = false;
    const slow = scene.through(async (call, _, carryOut) => {
      if (call === 'log.append' && !raced) {
        raced = true;
        await scene.process([...ours, ...theirs], ports);
      }
      return carryOut();
    });
    expect(await scene.process(ours, slow)).toEqual([]);
    expect(states()).toHaveLength(2);
    expect((await load(ports, world)).counters.applied).toBe(20);
  });

  it('is not needed to tell that a log is there', async () => {
    const { scene } = large();
    const empty = wholeLog(scene.ports);
    expect(await empty.latest('other')).toBeUndefined();
    expect(await empty.after('other', 0)).toEqual([]);
  });
});

describe('a snapshot of a group as it is', () => {
  it('is that group, as of the next entry', async () => {
    const scene = await seasoned(readings(1, 1));
    const group = scene.groupOf(PUMP);
    const later = ((group.committedAt ?? 0) + ENTRY_LIFETIME / 4) as EpochMillis;
    const { entry, group: next } = nextEntry(scene.deployment, group, unchanged(group), later);
    expect(baseOf(entry)).toBe(2);
    expect(decodePanes(entry)).toEqual([]);
    expect(listPanes(unchanged(group).panes)).toEqual([]);
    expect(groupContents(readGroup(scene.deployment, EMPTY_GROUP, [entry]))).toEqual(groupContents(next));
    expect(keptOf(next)).toEqual(keptOf(group));
  });
});
