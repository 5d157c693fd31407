import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { memoryPorts } from '../../../src/adapters/memory/index.ts';
import { positionOf, subPlaceOf, unorderedPositionOf } from '../../../src/core/position.ts';
import { millis } from '../../../src/core/time.ts';
import { decodeLedger } from '../../../src/engine/format/entry.ts';
import { readRefused } from '../../../src/engine/intake/poison.ts';
import {
  count,
  defineAggregate,
  definePipeline,
  kafka,
  kinesis,
  type Pipeline,
  sqs,
  tumbling,
} from '../../../src/index.ts';
import type { Ports } from '../../../src/ports/index.ts';
import { LIMITS } from '../../../src/ports/limits.ts';
import type { SourceRecord } from '../../../src/ports/source.ts';
import { groupLogPrefix } from '../../../src/wiring/names.ts';
import { at, NOON, type Reading, Scene } from '../scene.ts';

const rules = { key: ({ machine }: Reading) => machine, eventTime: (one: Reading) => one.at, groups: 1 };
const windows = { minute: tumbling({ size: '1m' }, { n: count() }) };

/** One record a line of a lineage of its own kind; `data` as it is given. */
const recordOf = (n: number, data: string, ordered = true, lineages = 1): SourceRecord => ({
  lineage: ordered ? `readings/${n % lineages}` : 'readings',
  position: ordered ? positionOf(String(n)) : unorderedPositionOf(`id-${n}`),
  arrival: at(0, n % 60),
  partitionKey: 'pump',
  data: Buffer.from(data),
});

const good = (n: number): string => JSON.stringify({ machine: 'pump', at: at(0, n % 60), celsius: n });

const sceneOf = (pipeline: Pipeline, poison: number): Scene =>
  new Scene(pipeline, undefined, {
    ports: Object.assign(memoryPorts({ start: NOON }), { limits: { ...LIMITS, poison } }),
  });

/** The same ports, on which each object takes 100 ms to be created. */
const slow = (scene: Scene): Ports =>
  scene.through(async (call, _, carryOut) => {
    if (call === 'objects.create') scene.ports.clock.pass(millis('100ms'));
    return carryOut();
  });

/** The refused records that entries list, each with the object that its entry names. */
const listedOf = (scene: Scene): readonly (readonly [name: string, object: string])[] =>
  [...scene.ports.log.logs].flatMap(([log, entries]) =>
    log.startsWith(groupLogPrefix('readings'))
      ? entries.map(scene.whole).flatMap((entry) => {
          const { poison, poisonObject = '' } = decodeLedger(entry);
          return poison.map(({ lineage, position }) => {
            const name = nameOf({ lineage, position: subPlaceOf(position).position });
            return [name, poisonObject] as const;
          });
        })
      : [],
  );

const nameOf = ({ lineage, position }: Pick<SourceRecord, 'lineage' | 'position'>): string =>
  `${lineage} ${position}`;

const SOURCES = [
  ['a stream', kinesis<Reading>(), true],
  ['a topic', kafka<Reading>({ topic: 'readings' }), true],
  ['a FIFO queue', sqs<Reading>({ fifo: true }), true],
  ['a standard queue', sqs<Reading>(), false],
] as const;

describe('a flood of records that are refused', () => {
  it.each(SOURCES)('costs one object a commit: %s', async (_, source, ordered) => {
    const scene = sceneOf(definePipeline('readings', source, { ...rules, windows }), LIMITS.poison);
    const batch = Array.from({ length: 10_000 }, (_, n) =>
      recordOf(n, n % 100 === 0 ? good(n) : '?', ordered, 5),
    );
    let requests = 0;
    const counting = scene.through((_call, _name, carryOut) => {
      requests++;
      return carryOut();
    });
    expect(await scene.process(batch, counting)).toEqual([]);
    expect(scene.ports.telemetry.counted).toMatchObject({ applied: 100, poison: 9_900 });
    expect(scene.refused()).toHaveLength(9_900);
    expect(requests).toBeLessThan(10);
  });

  it.each(SOURCES)(
    'is taken in over several tries where one has too little time: %s',
    async (_, source, ordered) => {
      const scene = sceneOf(definePipeline('readings', source, { ...rules, windows }), 10_000);
      const batch = Array.from({ length: 1_000 }, (_, n) =>
        recordOf(n, n % 10 === 0 ? good(n) : '?', ordered, 3),
      );
      const left: number[] = [];
      let rest: readonly SourceRecord[] = batch;
      while (rest.length > 0 && left.length < 20) {
        // Ten objects, at 100 ms each.
        const deadline = (scene.ports.clock.now() + 1_000) as typeof NOON;
        rest = await scene.process(rest, slow(scene), deadline);
        left.push(rest.length);
      }
      expect(left).toEqual(left.toSorted((a, b) => b - a));
      expect(new Set(left).size).toBe(left.length);
      expect(left.at(-1)).toBe(0);
      expect(left.length).toBeGreaterThan(1);
      expect(scene.ports.telemetry.counted).toMatchObject({ applied: 100, poison: 900 });
      expect(scene.refused()).toHaveLength(900);
      const listed = listedOf(scene);
      expect(new Set(listed.map(([name]) => name)).size).toBe(900);
      expect(listed).toHaveLength(900);
    },
  );

  it('is kept in objects of bounded size, a record that is larger alone in its own', async () => {
    const scene = sceneOf(definePipeline('readings', kinesis<Reading>(), { ...rules, windows }), 2_000);
    const batch = [1, 1, 9_000, 1, 700, 700, 1].map((length, n) => recordOf(n, '?'.repeat(length)));
    expect(await scene.process(batch)).toEqual([]);
    const sizes = [...scene.ports.objects.stored.values()].map(({ body }) => readRefused(body).length);
    expect(sizes).toEqual([2, 1, 2, 2]);
  });
});

describe('refused records that are kept more than once', () => {
  it('are each in the object that its entry names, once, however batches are cut and appends fail', async () => {
    const source = fc.constantFrom(...SOURCES);
    const records = fc.array(fc.constantFrom('?', '!', 'good'), { minLength: 1, maxLength: 60 });
    const tries = fc.array(fc.record({ from: fc.nat(59), upTo: fc.nat(60), fails: fc.boolean() }), {
      maxLength: 12,
    });
    const bytes = fc.constantFrom(300, 1_000, LIMITS.poison);
    await fc.assert(
      fc.asyncProperty(source, records, tries, bytes, async ([, given, ordered], kinds, cuts, poison) => {
        const scene = sceneOf(definePipeline('readings', given, { ...rules, windows }), poison);
        const all = kinds.map((kind, n) => recordOf(n, kind === 'good' ? good(n) : kind, ordered));
        const failing = scene.refusing((call) => call === 'log.append');
        // Of an ordered source nothing is given before what comes before it is in.
        let taken = 0;
        for (const { from, upTo, fails } of [...cuts, { from: 0, upTo: all.length, fails: false }]) {
          const first = ordered ? Math.min(from, taken) : from;
          const rest = await scene.process(all.slice(first, upTo), fails ? failing : scene.ports);
          if (rest.length === 0) taken = Math.max(taken, Math.min(upTo, all.length));
        }
        const bad = all.filter((_, n) => kinds[n] !== 'good').map(nameOf);
        const listed = listedOf(scene);
        expect(listed.map(([name]) => name).toSorted()).toEqual(bad.toSorted());
        for (const [name, object] of listed) {
          const lines = readRefused(scene.ports.objects.stored.get(object)?.body ?? new Uint8Array());
          expect(lines.map(nameOf).filter((one) => one === name)).toEqual([name]);
        }
        expect(scene.refused().map(nameOf).toSorted()).toEqual(bad.toSorted());
      }),
      { numRuns: 150 },
    );
  });

  it('say nothing of a key or of what they hold in their names', async () => {
    const scene = sceneOf(
      definePipeline('readings', sqs<Reading>({ fifo: true }), { ...rules, windows }),
      1e6,
    );
    await scene.process([{ ...recordOf(0, 'secret'), lineage: 'readings/secret-machine' }]);
    expect([...scene.ports.objects.stored.keys()]).toEqual([
      expect.stringMatching(/^poison\/pipeline=readings\/date=2026-01-05\/1-0-1-[0-9a-f]{32}\.ndjson$/),
    ]);
  });
});

describe('records that take long to take in', () => {
  /** Each takes as long as it says of the clock when an aggregate reads it. */
  const taking = (clock: { pass(length: number): void }, throws = false) =>
    definePipeline('readings', kinesis<Reading>(), {
      ...rules,
      groups: 4,
      windows: {
        minute: tumbling(
          { size: '1m' },
          {
            slow: defineAggregate<Reading, 'celsius', number, number>({
              name: 'slow',
              select: 'celsius',
              identity: 0,
              lift: (celsius) => {
                clock.pass(celsius);
                if (throws && celsius === 100) throw new Error('no');
                return celsius;
              },
              combine: (a, b) => a + b,
              lower: (total) => total,
            }),
          },
        ),
      },
    });

  it('are committed in parts, too, where it is decoding that takes long', async () => {
    const clock = { pass: (_length: number): void => {} };
    const scene = new Scene(
      definePipeline('readings', kinesis<Reading>(), {
        ...rules,
        groups: 4,
        filter: () => {
          clock.pass(100);
          return true;
        },
        windows,
      }),
    );
    clock.pass = (length) => scene.ports.clock.pass(length as ReturnType<typeof millis>);
    // 40 s of work, in parts of 32 KB.
    const batch = Array.from({ length: 400 }, (_, n) =>
      scene.put(`m${n % 8}`, at(0, n % 60), n, 0, { note: 'x'.repeat(2_000) }),
    );
    const left: number[] = [];
    let rest: readonly SourceRecord[] = batch;
    while (rest.length > 0 && left.length < 20) {
      rest = await scene.process(rest, scene.ports, (scene.ports.clock.now() + 20_000) as typeof NOON);
      left.push(rest.length);
    }
    expect(left.at(-1)).toBe(0);
    expect(left.length).toBeGreaterThan(1);
    expect(left.length).toBeLessThan(6);
    expect(scene.ports.telemetry.counted).toMatchObject({ applied: 400, duplicate: 0 });
  });

  it.each([
    ['that are taken in', false],
    ['on which an aggregate throws', true],
  ])('are committed in parts, so that a try goes on where the last one ended: %s', async (_, throws) => {
    const clock = { pass: (_length: number): void => {} };
    const scene = new Scene(taking(clock, throws));
    clock.pass = (length) => scene.ports.clock.pass(length as ReturnType<typeof millis>);
    // 40 s of work, of four groups.
    const batch = Array.from({ length: 400 }, (_, n) => scene.put(`m${n % 8}`, at(0, n % 60), 100));
    const left: number[] = [];
    let rest: readonly SourceRecord[] = batch;
    while (rest.length > 0 && left.length < 20) {
      const deadline = (scene.ports.clock.now() + 20_000) as typeof NOON;
      rest = await scene.process(rest, scene.ports, deadline);
      left.push(rest.length);
    }
    expect(left.at(-1)).toBe(0);
    expect(left.length).toBeGreaterThan(1);
    const { applied, poison } = scene.ports.telemetry.counted;
    expect([applied, poison]).toEqual(throws ? [0, 400] : [400, 0]);
  });
});
