import { COMMANDS, type Command, usesOf, WRONG_USES, type WrongUse } from './wrong-uses-list.ts';
import { HAS_PERMISSIONS, type Outcome, openSandbox } from './wrong-uses-sandbox.ts';

/** What came of every use of every command. */
export type Outcomes = ReadonlyMap<Command, ReadonlyMap<WrongUse, Outcome>>;

/** Does everything that is done wrong. Where files can be kept from nobody, what needs that is left out. */
export async function tryAll(): Promise<Outcomes> {
  const sandbox = await openSandbox();
  try {
    const outcomes = new Map<Command, Map<WrongUse, Outcome>>();
    for (const command of COMMANDS) {
      const of = new Map<WrongUse, Outcome>();
      outcomes.set(command, of);
      for (const use of usesOf(command)) {
        if (HAS_PERMISSIONS || !use.needsPermissions)
          of.set(use, withoutLog(await sandbox.use(command, use)));
      }
    }
    return outcomes;
  } finally {
    await sandbox.close();
  }
}

/** What a function logs, which `invoke` shows as Lambda would, is no word of the command's. */
const withoutLog = (outcome: Outcome): Outcome => ({
  ...outcome,
  stderr: outcome.stderr.replace(/^\{"level":.*\n/gm, ''),
});

/** The line that says what is wrong, or what became of the records: the only one, but where a command got as far as its work. */
export function lineOf({ stdout, stderr }: Outcome): string {
  const lines = (stderr || stdout).trimEnd().split('\n');
  return lines.find((line) => /^(NO|NOT|Cannot) |^\d+ records? read/.test(line)) ?? lines.join(' ');
}

/** The tables of docs/command-line.md. */
export const tablesOf = (outcomes: Outcomes): string =>
  WRONG_USES.map(([title, commands, uses]) =>
    [
      `### ${title}`,
      '',
      '| wrong | what is printed | exit code |',
      '|---|---|---|',
      ...uses.flatMap((use) => rowsOf(use, commands, outcomes)),
    ].join('\n'),
  ).join('\n\n');

/** A row for each thing that is said, which is as a rule one. */
function rowsOf(use: WrongUse, commands: readonly Command[], outcomes: Outcomes): string[] {
  const said = new Map<string, { by: Command[]; codes: Set<number> }>();
  for (const command of commands) {
    const outcome = outcomes.get(command)?.get(use);
    if (outcome === undefined) continue;
    const line = commands.length > 1 ? withoutName(lineOf(outcome), command) : lineOf(outcome);
    const { by, codes } = said.get(line) ?? { by: [], codes: new Set() };
    said.set(line, { by: [...by, command], codes: codes.add(outcome.code) });
  }
  return [...said].map(([line, { by, codes }]) => {
    const what = said.size === 1 ? use.use : `${use.use} (${by.join(', ')})`;
    const text = line.replaceAll('|', '\\|').replaceAll('`', "'");
    return `| ${what} | \`${text}\` | ${[...codes].join(' or ')} |`;
  });
}

const withoutName = (line: string, command: Command): string =>
  line
    .replace(`Cannot ${command}:`, 'Cannot …:')
    .replace(`millrace ${command} `, 'millrace … ')
    .replace(`'${command.split(' ').at(-1)}'`, "'…'");
