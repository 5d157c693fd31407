import { readFileSync } from 'node:fs';
import { beforeAll, describe, expect, it } from 'vitest';
import { failureCode } from '../../bin/command-line.ts';
import { COMMANDS, usesOf } from './wrong-uses-list.ts';
import { HAS_PERMISSIONS } from './wrong-uses-sandbox.ts';
import { lineOf, type Outcomes, tablesOf, tryAll } from './wrong-uses-table.ts';

let outcomes: Outcomes;
beforeAll(async () => {
  outcomes = await tryAll();
}, 300_000);

describe.each(COMMANDS)('millrace %s, used wrongly', (command) => {
  it('ends with the code that says so', () => {
    const codes = usesOf(command).map((use) => [use.use, outcomes.get(command)?.get(use)?.code]);
    const right = usesOf(command).map(({ use, code, needsPermissions }) => [
      use,
      needsPermissions && !HAS_PERMISSIONS ? undefined : (code ?? failureCode(command.split(' '))),
    ]);
    expect(codes).toEqual(right);
  });

  it('says so in one sentence, by name of what is wrong, and shows no stack', () => {
    for (const [{ use, works }, outcome] of outcomes.get(command) ?? []) {
      if (!works) expect(outcome.stderr, use).toMatch(/^Cannot [^\n]+\n$/);
      expect(lineOf(outcome), use).toMatch(outcome.code === 0 ? /^\d records read, / : /^(Cannot|NO|NOT) /);
      expect(outcome.stdout + outcome.stderr, use).not.toMatch(/\n\s+at |\[object|undefined|node:internal/);
    }
  });

  it('leaves the disk as it was', () => {
    const left = [...(outcomes.get(command) ?? [])].map(([{ use }, { left }]) => [use, left]);
    expect(left).toEqual(left.map(([use]) => [use, []]));
  });

  it('is tried in thirty ways', () => {
    expect(usesOf(command).length).toBeGreaterThanOrEqual(30);
  });
});

it.runIf(HAS_PERMISSIONS)('is in the docs as it is: npx tsx test/e2e/wrong-uses.ts writes it there', () => {
  expect(readFileSync(new URL('../../docs/command-line.md', import.meta.url), 'utf8')).toContain(
    tablesOf(outcomes),
  );
});
