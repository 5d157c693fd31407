import { createHash } from 'node:crypto';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { memoryPorts } from '../../../src/adapters/memory/index.ts';
import { allRowsOf, encodeRows } from '../../../src/core/codec.ts';
import type { Plain } from '../../../src/core/plain.ts';
import { type Position, unorderedPositionOf } from '../../../src/core/position.ts';
import { Table } from '../../../src/core/table.ts';
import type { EpochMillis } from '../../../src/core/time.ts';
import type { WindowOperator, WindowState } from '../../../src/core/window.ts';
import { decodePanes } from '../../../src/engine/format/entry.ts';
import { stateWeight } from '../../../src/engine/group/room.ts';
import { REFUSED } from '../../../src/engine/group/taken.ts';
import { weightOf } from '../../../src/engine/group/weight.ts';
import { GroupCache } from '../../../src/engine/log/group-cache.ts';
import { rescale } from '../../../src/engine/log/rescale.ts';
import {
  bucket,
  collect,
  count,
  definePipeline,
  kinesis,
  last,
  mean,
  rolling,
  session,
  sliding,
  sqs,
  trailing,
  tumbling,
} from '../../../src/index.ts';
import type { Pipeline } from '../../../src/pipeline/pipeline.ts';
import { ENTRY_LIFETIME } from '../../../src/ports/commit-log.ts';
import { LIMITS, type Limits } from '../../../src/ports/limits.ts';
import type { SourceRecord } from '../../../src/ports/source.ts';
import { at, NOON, type Reading, Scene } from '../scene.ts';

const PUMP = 'pump';
const OVEN = 'oven';

/** Bounds that a few records meet. */
const FEW: Limits = {
  ...LIMITS,
  state: 40_000,
  newKeys: 20_000,
  crowded: 10_000,
  panes: 20_000,
  step: 20_000,
  held: 1,
  lists: 5_000,
  refusedIds: 20,
  poison: 100_000,
  lineages: 10,
};

const within = (pipeline: Pipeline, limits: Partial<Limits> = {}): Scene =>
  new Scene(pipeline, undefined, {
    ports: Object.assign(memoryPorts({ start: NOON }), { limits: { ...FEW, ...limits } }),
  });

const reading = { key: ({ machine }: Reading) => machine, eventTime: (one: Reading) => one.at, groups: 1 };

const hours = definePipeline('readings', kinesis<Reading>(), {
  ...reading,
  idleAfter: '1d',
  windows: { hour: tumbling({ size: '1h' }, { mean: mean('celsius'), n: count() }) },
}).to(bucket());

const machines = (from: number, to: number): string[] =>
  Array.from({ length: to - from }, (_, n) => `machine-${from + n}`);

describe('what a group weighs', () => {
  const cell = fc.oneof(fc.double(), fc.integer(), fc.constantFrom(0, 1, 1e300));
  const plain: fc.Arbitrary<Plain> = fc.oneof(
    fc.string({ unit: 'binary', maxLength: 100 }),
    fc.constant(null),
    fc.array(cell, { maxLength: 9 }),
    fc.dictionary(fc.string({ maxLength: 5 }), fc.string({ unit: 'grapheme' }), { maxKeys: 3 }),
  );
  const tableOf = (width: number, plainWidth: number) =>
    fc
      .array(
        fc.tuple(
          fc.array(cell, { minLength: width, maxLength: width }),
          fc.array(plain, { minLength: plainWidth, maxLength: plainWidth }),
        ),
        {
          maxLength: 6,
        },
      )
      .map((rows) => {
        const table = new Table(width, plainWidth);
        for (const [numbers, plains] of rows) {
          table.pushNumbers(...numbers);
          table.plains.push(...plains);
        }
        return table;
      });
  const slot = fc
    .tuple(fc.nat(3), fc.nat(2))
    .chain(([width, plainWidth]) => fc.array(tableOf(width, plainWidth), { minLength: 4, maxLength: 4 }));

  it('is never less than what is written of its tables, and without texts no more than some times as much', () => {
    fc.assert(
      fc.property(
        fc.array(slot, { minLength: 1, maxLength: 5 }),
        fc.array(fc.string(), { minLength: 4, maxLength: 4 }),
        (slots, names) => {
          const rows = slots.map(allRowsOf);
          const written = encodeRows(rows).length;
          // A slot says how it is laid out, and a column how it is written.
          const layout = slots.reduce(
            (total, [table]) => total + 16 + 3 * ((table?.width ?? 0) + (table?.plainWidth ?? 0)),
            8,
          );
          expect(weightOf(names, rows).whole + layout).toBeGreaterThanOrEqual(written);
        },
      ),
      { numRuns: 2_000 },
    );
  });

  it('is the same whether a group was read or went on from its fold', async () => {
    const scene = within(hours, LIMITS);
    const cache = new GroupCache(1e9);
    for (let minute = 0; minute < 200; minute += 20) {
      const batch = machines(minute % 40, 60).map((name) => scene.put(name, at(minute), minute));
      await scene.process(batch, scene.ports, at(1e6), cache);
      const warm = cache.get(`${scene.deployment.incarnation} ${scene.logOf(PUMP)}`, scene.ports.clock.now());
      expect(warm?.weight).toEqual(expect.objectContaining({ ...scene.groupOf(PUMP).weight }));
    }
  });
});

describe('a group that has no room for new keys', () => {
  it('refuses records of new keys alone: those that are there go on, and close', async () => {
    const scene = within(hours);
    const batch = machines(0, 200).map((name) => scene.put(name, at(0)));
    expect(await scene.process(batch)).toEqual([]);
    const { keys, counters } = scene.groupOf(PUMP);
    expect(keys.size).toBeGreaterThan(50);
    expect(counters).toMatchObject({ applied: keys.size, poison: 200 - keys.size });
    expect(scene.ports.telemetry.counted).toMatchObject({ noRoom: 200 - keys.size });

    expect(await scene.process(machines(0, 200).map((name) => scene.put(name, at(70))))).toEqual([]);
    const later = scene.groupOf(PUMP);
    expect([...later.keys.keys()]).toEqual([...keys.keys()]);
    expect(later.counters.applied).toBe(2 * keys.size);
    expect(scene.emitted()).toHaveLength(keys.size);
    // What a key will weigh is estimated as it comes, and those that are there go on to grow.
    expect(stateWeight(later)).toBeLessThan(1.125 * FEW.newKeys);
  });

  it('says why, and what helps', async () => {
    const scene = within(hours);
    await scene.process(machines(0, 300).map((name) => scene.put(name, at(0))));
    expect(scene.refused().length).toBeGreaterThan(0);
    for (const { code, reason } of scene.refused()) {
      expect(code).toBe('no-room');
      expect(reason).toMatch(/more groups have more room$/);
    }
  });

  it('takes half of it in as soon as it falls apart', async () => {
    const scene = await within({ ...hours, groups: 1 }).under(hours);
    await scene.process(machines(0, 300).map((name) => scene.put(name, at(0))));
    const full = scene.groupOf(PUMP).keys.size;
    await rescale(scene.engine, hours, 4, () => {});
    const wider = await scene.under(hours);
    await wider.process(machines(0, 300).map((name) => wider.put(name, at(1))));
    const sizes = [
      'machine-0',
      'machine-1',
      'machine-2',
      'machine-3',
      'machine-4',
      'machine-5',
      'machine-6',
      'machine-7',
    ].map((name) => wider.groupOf(name).keys.size);
    expect(full).toBeLessThan(120);
    expect(Math.max(...sizes)).toBeGreaterThan(60);
  });

  it('is written as a whole whenever that is due', async () => {
    const scene = within(hours);
    await scene.process(machines(0, 300).map((name) => scene.put(name, at(0))));
    const known = machines(0, 10);
    for (let day = 1; day <= 9; day++) {
      scene.ports.clock.set(at(day * 24 * 60));
      scene.ports.log.expire(scene.ports.clock.now());
      expect(await scene.process(known.map((name) => scene.put(name, at(day * 24 * 60))))).toEqual([]);
    }
    expect(scene.groupOf(PUMP).counters.applied).toBeGreaterThan(90);
  });

  it('lets keys that are there grow into what is kept for them, and then refuses what makes it larger alone', async () => {
    const notes = definePipeline('readings', kinesis<Reading>(), {
      ...reading,
      windows: { latest: rolling({ count: 1 }, { note: last(({ note }) => note ?? '') }) },
    }).to(bucket());
    const scene = within(notes, { panes: 1e6 });
    const all = machines(0, 30);
    await scene.process(all.map((name) => scene.put(name, at(0))));
    expect(scene.groupOf(PUMP).keys.size).toBe(30);
    const long = () =>
      scene.process(all.map((name, n) => scene.put(name, at(1, n), 20, 0, { note: 'x'.repeat(1_500) })));
    expect(await long()).toEqual([]);
    const { counters } = scene.groupOf(PUMP);
    expect(stateWeight(scene.groupOf(PUMP))).toBeLessThanOrEqual(FEW.state);
    expect(counters.applied).toBeGreaterThan(40);
    expect(counters.applied + counters.poison).toBe(60);
    // What does not make it larger is always taken in.
    await long();
    expect(scene.groupOf(PUMP).counters.applied).toBe(counters.applied + (counters.applied - 30));
    await scene.process(all.map((name) => scene.put(name, at(20))));
    expect(scene.groupOf(PUMP).counters.applied).toBe(counters.applied + counters.applied);
  });

  it('is not made of several', async () => {
    const two = { ...hours, groups: 2 };
    const scene = await within(two).under(two);
    await scene.process(machines(0, 150).map((name) => scene.put(name, at(0))));
    await expect(rescale(scene.engine, two, 1, () => {})).rejects.toThrow(
      /^Cannot make 1 groups of 2 as the state of one must weigh <= 20000 bytes, so that it has room for new keys: it would weigh \d+$/,
    );
  });
});

describe('a flood', () => {
  it('of new keys, to the bound and past it, stops nothing', async () => {
    const scene = new Scene({ ...hours, groups: 1 });
    const cache = new GroupCache(1e9);
    const take = (names: readonly string[], minute: number) =>
      scene.process(
        names.map((name) => scene.put(name, at(minute), 20, 0)),
        scene.ports,
        at(1e6),
        cache,
      );
    for (let first = 0; first < 160_000; first += 10_000) {
      expect(await take(machines(first, first + 10_000), 0)).toEqual([]);
    }
    const { counters, keys } = scene.groupOf(PUMP);
    expect(keys.size).toBeGreaterThan(100_000);
    expect(counters.poison).toBe(160_000 - keys.size);
    // Three days on a snapshot is due: it can be written.
    scene.ports.clock.set((NOON + ENTRY_LIFETIME / 4) as EpochMillis);
    expect(await take(machines(0, 1_000), 4_000)).toEqual([]);
    expect(scene.groupOf(PUMP)).toMatchObject({ base: { ordinal: scene.entriesOf(PUMP).length } });
    expect(scene.groupOf(PUMP).counters.applied).toBe(keys.size + 1_000);
  });

  const queue = definePipeline('readings', sqs<Reading>(), {
    ...reading,
    windows: { minute: tumbling({ size: '1m' }, { n: count() }) },
  }).to(bucket());

  const message = (scene: Scene, id: string, text: string): SourceRecord => {
    const data = Buffer.from(text);
    return {
      lineage: 'readings',
      position: unorderedPositionOf(id),
      arrival: scene.ports.clock.now(),
      partitionKey: id,
      data,
    };
  };

  it('of refused messages of a queue lets the oldest of their ids go', async () => {
    const scene = within(queue);
    const ids = Array.from({ length: 100 }, (_, n) => `m${n}`);
    for (const id of ids) {
      scene.ports.clock.pass(1_000 as never);
      expect(await scene.process([message(scene, id, 'no JSON')])).toEqual([]);
    }
    expect(scene.groupOf(PUMP).ids.get(REFUSED)?.rows).toBe(FEW.refusedIds);
    expect(await scene.process([message(scene, 'm99', 'no JSON')])).toEqual([]);
    expect(scene.ports.telemetry.counted).toMatchObject({ poison: 100, duplicate: 1 });
  });

  const fifo = definePipeline('readings', sqs<Reading>({ fifo: true }), {
    ...reading,
    windows: { minute: tumbling({ size: '1m' }, { n: count() }) },
  }).to(bucket());

  const grouped = (scene: Scene, group: string, n: number): SourceRecord => ({
    lineage: `readings/${group}`,
    position: String(1_000 + n) as Position,
    arrival: scene.ports.clock.now(),
    partitionKey: group,
    data: Buffer.from(JSON.stringify({ machine: PUMP, at: NOON + n, celsius: 1 })),
  });

  it('of message groups leaves new ones to their queue, and those that are known go on', async () => {
    const scene = within(fifo);
    const groups = Array.from({ length: 400 }, (_, n) => `group-${n}`);
    const batch = groups.map((group, n) => grouped(scene, group, n));
    const again = await scene.process(batch);
    const { positions } = scene.groupOf(PUMP);
    expect(positions.size).toBeGreaterThan(FEW.lineages);
    expect(again).toEqual(batch.slice(positions.size));
    expect(await scene.process([grouped(scene, 'group-0', 500), grouped(scene, 'group-399', 501)])).toEqual([
      expect.objectContaining({ lineage: 'readings/group-399' }),
    ]);
    expect(scene.groupOf(PUMP).counters).toMatchObject({ applied: positions.size + 1, poison: 0 });
    expect(String(scene.ports.telemetry.faults.at(-1)?.cause)).toMatch(/no room for more lineages/);
  });
});

describe('groups that are worked on side by side', () => {
  it.each(['a batch', 'a sweep'])('are few where memory is kept for few: by %s', async (by) => {
    const many = { ...hours, groups: 32 } as Pipeline;
    const scene = within(many);
    const read = new Set<string>();
    let most = 0;
    const ports = scene.through(async (call, name, carryOut) => {
      if (call === 'log.latest') read.add(name);
      most = Math.max(most, read.size);
      if (call === 'log.append') read.delete(name);
      return carryOut();
    });
    const batchAt = (minute: number) => machines(0, 200).map((name) => scene.put(name, at(minute)));
    await scene.process(batchAt(0));
    if (by === 'a batch') expect(await scene.process(batchAt(1), ports)).toEqual([]);
    else expect(await scene.sweepAt(at(3 * 24 * 60), ports)).toMatchObject({ open: 0, panes: 200 });
    expect(most).toBeGreaterThan(0);
    expect(most).toBeLessThanOrEqual(4);
  });
});

/** Text that no compression makes smaller. */
const noise = (bytes: number, seed: string): string =>
  Array.from({ length: Math.ceil(bytes / 43) }, (_, part) =>
    createHash('sha256').update(`${seed}/${part}`).digest('base64url'),
  ).join('');

describe('panes that are too many for one entry', () => {
  const collecting = definePipeline('readings', kinesis<Reading>(), {
    ...reading,
    windows: { many: sliding({ size: '40m', slide: '1m' }, { all: collect('celsius', { limit: 1_000 }) }) },
  }).to(bucket());

  const panesOf = (scene: Scene) =>
    scene
      .entriesOf(PUMP)
      .flatMap(decodePanes)
      .map(({ layout: _, ...pane }) => pane)
      .sort((a, b) => (a.key === b.key ? a.end - b.end : a.key < b.key ? -1 : 1));

  const filled = async (scene: Scene): Promise<Scene> => {
    await scene.process(
      [PUMP, OVEN].flatMap((key) =>
        Array.from({ length: 100 }, (_, n) => scene.put(key, (NOON + n) as EpochMillis, Math.sqrt(n))),
      ),
    );
    return scene;
  };

  it('of one silent key become several, and no other key waits for them', async () => {
    const scene = await filled(within(collecting));
    const before = scene.entriesOf(PUMP).length;
    expect(await scene.sweepAt(at(100))).toMatchObject({ open: 0, panes: 80 });
    expect(scene.entriesOf(PUMP).length - before).toBeGreaterThan(4);
    const other = await filled(within(collecting, LIMITS));
    await other.sweepAt(at(100));
    expect(panesOf(scene)).toEqual(panesOf(other));
  });

  it('of one record become several before it is taken in, as if it had been taken in at once', async () => {
    const scenes = [await filled(within(collecting)), await filled(within(collecting, LIMITS))];
    for (const scene of scenes) {
      expect(
        await scene.process([scene.put(PUMP, at(35)), scene.put(PUMP, at(80)), scene.put(OVEN, at(80))]),
      ).toEqual([]);
      expect(scene.groupOf(PUMP).counters).toMatchObject({ applied: 203, poison: 0 });
    }
    const [few, all] = scenes as [Scene, Scene];
    expect(few.entriesOf(PUMP).length).toBeGreaterThan(all.entriesOf(PUMP).length);
    expect(panesOf(few)).toEqual(panesOf(all));
  });

  it('are the same whatever the bounds are', async () => {
    const pipeline = definePipeline('readings', kinesis<Reading>(), {
      ...reading,
      outOfOrderness: '2m',
      windows: {
        minutes: tumbling({ size: '1m' }, { n: count(), all: collect('celsius') }),
        slides: sliding({ size: '10m', slide: '1m' }, { all: collect('celsius') }),
        visits: session({ gap: '3m' }, { all: collect('celsius') }),
        before: trailing({ size: '5m' }, { all: collect('celsius') }),
        recent: rolling({ count: 5 }, { all: collect('celsius') }),
      },
    }).to(bucket());
    await fc.assert(
      fc.asyncProperty(
        fc.array(
          fc.record({
            machine: fc.constantFrom(PUMP, OVEN),
            minute: fc.double({ min: 0, max: 60, noNaN: true }),
          }),
          {
            minLength: 1,
            maxLength: 40,
          },
        ),
        fc.integer({ min: 400, max: 20_000 }),
        async (records, panes) => {
          const [few, all] = [within(pipeline, { ...LIMITS, panes }), within(pipeline, LIMITS)];
          for (const scene of [few, all]) {
            const batch = records.map(({ machine, minute }) =>
              scene.put(machine, (NOON + Math.round(minute * 60_000)) as EpochMillis, minute),
            );
            for (let from = 0; from < batch.length; from += 8)
              await scene.process(batch.slice(from, from + 8));
            await scene.sweepAt(at(200));
          }
          const inOrder = (scene: Scene) =>
            panesOf(scene)
              .map((pane) => JSON.stringify(pane))
              .sort();
          expect(inOrder(few)).toEqual(inOrder(all));
        },
      ),
      { numRuns: 60 },
    );
  });

  it('come without the results of one that fits nowhere, counted, and hold up no other', async () => {
    const notes = definePipeline('readings', kinesis<Reading>(), {
      ...reading,
      windows: {
        minute: tumbling({ size: '1m' }, { n: count(), all: collect(({ note }: Reading) => note ?? null) }),
      },
    }).to(bucket());
    const scene = within(notes, { state: 1e6, newKeys: 1e6, panes: 5_000 });
    const note = noise(2_000, 'note');
    await scene.process([
      ...Array.from({ length: 4 }, (_, n) => scene.put(PUMP, at(0, n), 20, 0, { note })),
      scene.put(OVEN, at(0), 20, 0, { note: 'short' }),
    ]);
    expect(await scene.sweepAt(at(10))).toMatchObject({ open: 0, panes: 2 });
    expect(scene.emitted()).toEqual(
      expect.arrayContaining([
        'pump 12:00:00 0 {"n":4,"all":null}',
        'oven 12:00:00 0 {"n":1,"all":["short"]}',
      ]),
    );
    expect(scene.ports.telemetry.counted).toMatchObject({ cutPanes: 1 });
  });
});

describe('a key whose windows throw as time passes', () => {
  it('stays as it is, is told of without what it threw, and holds up no other', async () => {
    const [own] = hours.rules.windows as [(typeof hours.rules.windows)[number]];
    const breaking = (state: WindowState): WindowState => ({
      apply: (...given) => state.apply(...given),
      advance: (...given) => {
        const [[, after]] = given;
        if ((after as number) > at(60) && state.listOpen(NOON).some((window) => window.count === 3))
          throw new Error('secret');
        state.advance(...given);
      },
      update: (...given) => state.update(...given),
      open: (...given) => state.open(...given),
      listOpen: (...given) => state.listOpen(...given),
      peek: (...given) => state.peek(...given),
      restsUntil: (...given) => state.restsUntil(...given),
      isEmpty: (...given) => state.isEmpty(...given),
      freeze: (...given) => state.freeze(...given),
    });
    const operator: WindowOperator = {
      ...own.operator,
      thaw: (stored) => breaking(own.operator.thaw(stored)),
    };
    const rules = { ...hours.rules, windows: [{ ...own, operator }] };
    const scene = within({ ...hours, rules } as Pipeline);
    await scene.process([PUMP, PUMP, PUMP, OVEN].map((name, n) => scene.put(name, at(0, n))));
    await scene.sweepAt(at(3 * 24 * 60));
    expect(scene.emitted()).toEqual(['oven 12:00:00 0 {"mean":20,"n":1}']);
    expect(scene.ports.telemetry.faults.map(({ cause }) => String(cause))).toEqual([
      'Error: Cannot close the windows of 1 keys of group 0 as something in them throws: the others go on',
    ]);
  });
});
