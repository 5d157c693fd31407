import { expect, it } from 'vitest';
import { edited } from './mutate.ts';
import { MUTANTS, SMALL_BOUNDS } from './protocol-mutants.ts';

it.each(MUTANTS.map((one) => [one.name, one] as const))(
  'changes what is there: %s',
  (_, { also = [], ...own }) => {
    expect(edited([...also, own]).size).toBeGreaterThan(0);
  },
);

it('has small bounds that are there', () => {
  expect(edited(SMALL_BOUNDS).size).toBe(3);
});

it('has a name of its own for each', () => {
  expect(new Set(MUTANTS.map(({ name }) => name)).size).toBe(MUTANTS.length);
});

it('refuses a text that is not there once', () => {
  const edit = { file: 'src/engine/log/spill.ts', replace: '' };
  expect(() => edited([{ ...edit, find: 'no such text' }])).toThrow('it does 0 times');
  expect(() => edited([{ ...edit, find: 'body' }])).toThrow('must hold the text exactly once');
});
