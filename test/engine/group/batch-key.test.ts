import fc from 'fast-check';
import { expect, it } from 'vitest';
import { BatchKey, batchKeys } from '../../../src/engine/group/batch-key.ts';
import { hashOf } from '../../../src/engine/group/key-group.ts';

it('all records of a text have one key, in whichever way it is found', () => {
  // The numbers of interned keys are far apart, as those that other batches met stand in between.
  const interned = (n: number) => ({
    text: `k${n}`,
    hash: hashOf(`k${n}`),
    number: 700 * n,
    numberInGroup: 0,
  });
  const asked = fc.array(fc.record({ n: fc.nat(9), isInterned: fc.boolean() }));
  fc.assert(
    fc.property(asked, (asked) => {
      const keys = batchKeys();
      const found = asked.map(({ n, isInterned }) =>
        isInterned ? keys.ofInterned(interned(n)) : keys.of(`k${n}`),
      );
      const first = new Map(asked.map(({ n }, at) => [n, found[at]] as const).reverse());
      for (const [at, { n }] of asked.entries()) {
        expect(found[at]).toBe(first.get(n));
        expect(found[at]).toMatchObject({ text: `k${n}`, hash: hashOf(`k${n}`) });
      }
    }),
  );
});

it('a key has a place among those to which it was added last', () => {
  const [a, b] = [new BatchKey('a', 1), new BatchKey('b', 2)];
  const [first, second]: [BatchKey[], BatchKey[]] = [[], []];
  expect([a.placeIn(first), b.addTo(first), a.addTo(first), a.placeIn(first)]).toEqual([undefined, 0, 1, 1]);
  expect([a.addTo(second), a.placeIn(second), a.placeIn(first), b.placeIn(first)]).toEqual([
    0,
    0,
    undefined,
    0,
  ]);
  expect([first, second]).toEqual([[b, a], [a]]);
});
