import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { compiled } from '../compiled.ts';
import { edited } from './mutate.ts';
import { MUTANTS, SMALL_BOUNDS } from './protocol-mutants.ts';
import { STACK_MUTANTS } from './stack-mutants.ts';

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

it.each(['docs/testing.md', 'docs/aws-facts.md'])('has each that a table of %s names', (page) => {
  const rows = readFileSync(page, 'utf8').match(/^\|.*\*.*$/gm) ?? [];
  const named = rows.flatMap((row) => [...row.matchAll(/\*([^*]+)\*/g)].map(([, name]) => name));
  expect(named.length).toBeGreaterThan(0);
  expect(MUTANTS.map(({ name }) => name)).toEqual(expect.arrayContaining(named));
});

it('has as many of stacks as docs/testing.md says', () => {
  const rows = readFileSync('docs/testing.md', 'utf8').matchAll(/^\| `(\S+)` \| (\d+) \|/gm);
  const said = Object.fromEntries([...rows].map(([, file, count]) => [file, Number(count)]));
  const files = STACK_MUTANTS.map(({ file }) => file);
  expect(said).toEqual(
    Object.fromEntries(files.map((file) => [file, files.filter((other) => other === file).length])),
  );
});

it('refuses a text that is not there once', () => {
  const edit = { file: 'src/engine/log/spill.ts', replace: '' };
  expect(() => edited([{ ...edit, find: 'no such text' }])).toThrow('it does 0 times');
  expect(() => edited([{ ...edit, find: 'body' }])).toThrow('must hold the text exactly once');
});

// One that throws wherever it comes by would be found by anything, and say nothing of its rule.
it('names nothing that is not there, in any of them', () => {
  const told = compiled(
    ['src', 'types', 'lib'],
    (copy) => {
      for (const [at, { also = [], ...own }] of MUTANTS.entries()) {
        for (const [file, text] of edited([...also, own])) {
          writeFileSync(join(copy, file.replace(/\.ts$/, `.mutant-${at}.ts`)), text);
        }
      }
    },
    { noUnusedLocals: false, noUnusedParameters: false },
  );
  const missing = [
    ...told.matchAll(/^\S+\.mutant-(\d+)\.ts\S+ error TS(?:1\d{3}|2304|2339|2551|2552|18004): .+$/gm),
  ];
  expect(missing.map(([line, at]) => `${MUTANTS[Number(at)]?.name}: ${line}`)).toEqual([]);
});
