import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type Packed, PersistentMap } from '../../../src/engine/group/persistent-map.ts';

interface Value {
  readonly made: number;
}
interface Version {
  readonly map: PersistentMap<string, Value>;
  /** What it must hold for ever. */
  readonly model: ReadonlyMap<string, Value>;
}

/** Packs values as texts, but for every fifth. */
class Texts implements Packed<Value> {
  readonly texts = new Map<number, string>();
  readonly bytes = 0;
  readonly hasMore = false;

  get count(): number {
    return this.texts.size;
  }

  has(number: number): boolean {
    return this.texts.has(number);
  }

  pack(number: number, value: Value): boolean {
    if (value.made % 5 === 0) return false;
    this.texts.set(number, JSON.stringify(value));
    return true;
  }

  unpack(number: number): Value {
    return JSON.parse(this.texts.get(number) as string);
  }

  drop(number: number): void {
    this.texts.delete(number);
  }
}

const KEYS = [...'abcdefgh'];
const keys = fc.subarray(KEYS);
/** Each step makes a version of another: of the latest mostly, or of one that so many followed. */
const steps = fc.array(
  fc.record({
    of: fc.oneof({ weight: 3, arbitrary: fc.constant(0) }, fc.nat(9)),
    added: fc.shuffledSubarray(KEYS),
    settled: fc.boolean(),
    packed: fc.boolean(),
    gone: fc.oneof({ weight: 4, arbitrary: fc.constant<string[]>([]) }, keys),
  }),
  { maxLength: 30 },
);

const expectAll = ({ map, model }: Version): void => {
  expect([...map]).toEqual([...model]);
  expect(map.size).toBe(model.size);
  expect([map.keyAt(0), map.keyAt(map.size), map.keyAt(map.size + 1)]).toEqual([
    [...model.keys()][0],
    undefined,
    undefined,
  ]);
  for (const key of KEYS) {
    expect(map.get(key)).toEqual(model.get(key));
    expect(map.get(key)).toBe(map.get(key));
    expect(map.has(key)).toBe(model.has(key));
  }
};

describe('a persistent map', () => {
  it.each([
    ['as they are', undefined],
    ['packed', () => new Texts()],
  ])('holds in each version what a Map of that version would, in the same order: %s', (_, packing) => {
    fc.assert(
      fc.property(fc.array(fc.constantFrom(...KEYS)), steps, (first, steps) => {
        let made = 0;
        const entries = first.map((key) => [key, { made: made++ }] as const);
        const versions: Version[] = [{ map: PersistentMap.of(entries, packing), model: new Map(entries) }];
        for (const { of, added, settled, packed, gone } of steps) {
          const { map, model } = versions.at(-1 - (of % versions.length)) as Version;
          const values = new Map(added.map((key) => [key, { made: made++ }]));
          const kept = [...model].filter(([key]) => !gone.includes(key));
          versions.push({
            map: map.without(new Set(gone)).with(values),
            model: new Map([...kept, ...values]),
          });
          if (settled) (versions.at(-1 - (of % versions.length)) as Version).map.settle();
          if (packed) (versions.at(-1 - (of % versions.length)) as Version).map.pack();
          expectAll(versions.at(-1 - (of % versions.length)) as Version);
        }
        versions.forEach(expectAll);
      }),
    );
  });

  it('notes numbers beside values, for as long as a key has the value that they are of', () => {
    const noter = {};
    fc.assert(
      fc.property(fc.array(fc.constantFrom(...KEYS)), steps, (first, steps) => {
        let made = 1;
        const versions = [PersistentMap.of<string, Value>(first.map((key) => [key, { made: made++ }]))];
        for (const { of, added, gone } of steps) {
          const map = versions.at(-1 - (of % versions.length)) as PersistentMap<string, Value>;
          const notes = map.notes(noter, 2);
          for (const [number, { made }] of [...map.values()].entries()) {
            const [noted, negative] = notes.numbers.slice(2 * number, 2 * number + 2);
            if (!Number.isNaN(noted)) expect([noted, negative]).toEqual([made, -made]);
            notes.numbers.splice(2 * number, 2, made, -made);
          }
          expect(notes.rows).toBe(map.size);
          const values = new Map(added.map((key) => [key, { made: made++ }]));
          const next = map.without(new Set(gone)).with(values);
          const later = next.notes(noter, 2);
          for (const [number, [key, { made }]] of [...next].entries()) {
            // An empty map, which may be referred to for ever, hands nothing on.
            const isKept = !values.has(key) && map.has(key);
            expect(later.numbers[2 * number]).toBe(isKept ? made : Number.NaN);
          }
          versions.push(next);
        }
        const [latest] = versions.slice(-1) as [PersistentMap<string, Value>];
        for (const noted of latest.notes({}, 1).numbers.slice(0, latest.size)) expect(noted).toBeNaN();
      }),
    );
  });

  it('keeps what was packed as it is, but for what is asked for by its key', () => {
    const values = ['a', 'b', 'c', 'd'].map((key, at) => [key, { made: at + 1 }] as const);
    const packed = new Texts();
    const map = PersistentMap.of<string, Value>(values, () => packed);
    expect(map.packed).toEqual({ count: 0, bytes: 0, hasMore: false });
    map.pack();
    expect(map.packed.count).toBe(4);
    const [listed] = map.values();
    expect(map.get('a')).not.toBe(listed);
    const next = map.with(new Map([['b', { made: 5 }]]));
    expect(next.changesSince(map)).toEqual({ changed: [1], added: [] });
    next.pack();
    // The value of b is one of those that cannot be packed.
    expect([...packed.texts.keys()]).toEqual([0, 2, 3]);
    expect(map.get('b')).toEqual({ made: 2 });
    expect(next.get('b')).toEqual({ made: 5 });
  });

  it('can be listed while other versions are made', () => {
    fc.assert(
      fc.property(keys, keys, keys, (first, some, others) => {
        const valued = (keys: readonly string[]) => new Map(keys.map((key) => [key, { made: 0 }]));
        const base = PersistentMap.of(valued(first));
        const left = base.with(valued(some));
        const right = base.with(valued(others));
        const listed: string[] = [];
        for (const key of left.keys()) {
          listed.push(key);
          right.with(valued(['x', 'y']));
        }
        expect(listed).toEqual([...new Set([...first, ...some])]);
      }),
    );
  });

  it('tells how it follows from the version that it was made of, as comparing all entries would', () => {
    fc.assert(
      fc.property(keys, fc.shuffledSubarray(KEYS), fc.boolean(), (first, later, again) => {
        const before = PersistentMap.of(first.map((key): [string, Value] => [key, { made: 0 }]));
        const values = new Map(later.map((key) => [key, (again && before.get(key)) || { made: 1 }] as const));
        const after = before.with(values);
        if (first.length > 0)
          expect(after.changesSince(before)).toEqual({
            changed: first.flatMap((key, number) => (after.get(key) === before.get(key) ? [] : [number])),
            added: [...after.keys()].filter((key) => !before.has(key)),
          });
        expect(first.map((_, number) => before.keyAt(number))).toEqual(first);
      }),
    );
  });

  it('does not guess how it follows from any other version', () => {
    const first = PersistentMap.of<string, Value>([['a', { made: 0 }]]);
    const second = first.with(new Map([['a', { made: 1 }]]));
    const third = second.with(new Map([['b', { made: 2 }]]));
    expect(third.changesSince(first)).toBeUndefined();
    expect(third.changesSince(PersistentMap.of())).toBeUndefined();
    expect(second.changesSince(first)).toBeUndefined();
    expect(third.changesSince(second)).toEqual({ changed: [], added: ['b'] });
    // Once it is settled it knows no other version.
    third.settle();
    expect(third.changesSince(second)).toBeUndefined();
    const empty = PersistentMap.of<string, Value>();
    expect(empty.with(new Map([['a', { made: 1 }]])).changesSince(empty)).toBeUndefined();
    expect(third.without(new Set(['a'])).changesSince(third)).toBeUndefined();
  });
});
