import { existsSync, readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';

const ROOT = new URL('../../', import.meta.url);
const page = readFileSync(new URL('docs/threat-model.md', ROOT), 'utf8');

/** The rows of the table of threats: the threat, and the file and the title of the test that shows what stands against it. */
function threatsOf(
  text: string,
): { readonly threat: string; readonly file: string; readonly title: string }[] {
  const [, table = ''] = text.split('\n## Threats\n');
  const [section = ''] = table.split('\n## ');
  return section
    .split('\n')
    .filter((line) => line.startsWith('| ') && !line.startsWith('| threat '))
    .map((line) => {
      const [, threat = '', file = '', title = ''] =
        /^\| (.+?) \| .+ \| `([\w/.-]+)`: "(.+)" \|$/.exec(line) ?? [];
      return { threat: threat || line, file, title };
    });
}

/** The threats without a test of their title in their file. */
const withoutTest = (text: string): string[] =>
  threatsOf(text)
    .filter(({ file, title }) => {
      const path = new URL(file, ROOT);
      if (file === '' || !existsSync(path)) return true;
      // After the call itself, or after that with the table of its cases.
      return !new RegExp(`\\(\\s*'${escaped(title)}',`).test(readFileSync(path, 'utf8'));
    })
    .map(({ threat }) => threat);

const escaped = (text: string): string => text.replaceAll(/[.*+?^${}()|[\]\\]/g, '\\$&');

describe('the threat model', () => {
  it('names for every threat a test that there is', () => {
    expect(threatsOf(page).length).toBeGreaterThan(20);
    expect(withoutTest(page)).toEqual([]);
  });

  it.each([
    ['a title that no test has', '`test/lib/nag.test.ts`: "are broken everywhere"'],
    ['a file that there is not', '`test/lib/gone.test.ts`: "are broken nowhere without a reason"'],
    ['no test', 'none'],
  ])('is seen to name %s', (_, test) => {
    const planted = `\n## Threats\n\n| threat | what | test |\n|---|---|---|\n| It burns | water | ${test} |\n`;
    expect(withoutTest(planted)).toHaveLength(1);
    const right = planted.replace(test, '`test/lib/nag.test.ts`: "are broken nowhere without a reason"');
    expect(withoutTest(right)).toEqual([]);
  });
});
