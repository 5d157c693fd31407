import { spawnSync } from 'node:child_process';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { kafkaLacks, rabbitmqLacks } from '../../src/local/servers/index.ts';
import { fencesOf } from './pages.ts';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const EXAMPLES = `${ROOT}examples/`;
const index = readFileSync(`${EXAMPLES}README.md`, 'utf8');

/** A folder of examples: its page, and the texts of its files. */
interface Folder {
  readonly name: string;
  readonly page: string;
  readonly files: readonly string[];
}

const folders = readdirSync(EXAMPLES, { withFileTypes: true })
  .filter((entry) => entry.isDirectory())
  .map(({ name }): Folder => {
    const textOf = (file: string) => readFileSync(`${EXAMPLES}${name}/${file}`, 'utf8');
    const files = readdirSync(EXAMPLES + name).filter((file) => /\.(ts|sql)$/.test(file));
    return { name, page: textOf('README.md'), files: files.map(textOf) };
  });

/** The first command of a page: what a reader types first. */
const commandOf = (page: string): string | undefined =>
  fencesOf(page)
    .find(({ language }) => language === 'sh')
    ?.text.trim();

/** What a page shows of its first command's output, by lines; `…` stands for anything. */
function outputOf(page: string): readonly string[] {
  const fences = fencesOf(page);
  const next = fences[fences.findIndex(({ language }) => language === 'sh') + 1];
  return next?.language === '' ? next.text.trim().split('\n') : [];
}

/** The lines that no line of an output is like. */
const unlike = (shown: readonly string[], output: string): string[] =>
  shown.filter((line) => {
    const parts = line.split('…').map((part) => part.replaceAll(/[.*+?^${}()|[\]\\]/g, '\\$&'));
    return !new RegExp(`^ *${parts.join('.*').trim()} *$`, 'm').test(output);
  });

/** What is wrong with a folder: one sentence for each fault. */
function faultsOf({ name, page, files }: Folder, listed: string): string[] {
  const row = listed.split('\n').find((line) => line.includes(`](${name}/README.md)`));
  const command = commandOf(page);
  const tests = [...page.matchAll(/[\w./-]*\.test\.ts/g)].map(([path]) => path);
  const isThere = (path: string) => [ROOT, `${EXAMPLES}${name}/`].some((base) => existsSync(base + path));
  return [
    ...(row ? [] : ['the index does not list it']),
    ...(command ? [] : ['its page has no command']),
    ...(row && command && !row.includes(`\`${command}\``) ? ['the index has another command'] : []),
    ...(tests.some(isThere) ? [] : ['its page names no test that there is']),
    ...fencesOf(page)
      .filter(
        ({ language, text }) => /^(ts|sql)$/.test(language) && !files.some((file) => file.includes(text)),
      )
      .map(({ text }) => `no file of it has: ${text.trim().split('\n')[0]}`),
  ];
}

describe('the folders of examples', () => {
  it.each(folders)('is in the index, has a test, and shows code that it has: $name', (folder) => {
    expect(faultsOf(folder, index)).toEqual([]);
  });

  it('are seen to be wrong', () => {
    const page = '```sh\nnpm start\n```\n```ts\nconst a = 1;\n```\nSee gone.test.ts.\n';
    expect(faultsOf({ name: 'planted', page, files: ['const a = 2;\n'] }, index)).toEqual([
      'the index does not list it',
      'its page names no test that there is',
      'no file of it has: const a = 1;',
    ]);
    expect(faultsOf({ name: 'planted', page: 'engine.test.ts', files: [] }, index)).toContain(
      'its page has no command',
    );
    expect(faultsOf({ name: 'planted', page, files: [] }, '[a](planted/README.md) `npm test`')).toContain(
      'the index has another command',
    );
  });

  it('show lines that are seen not to be printed', () => {
    const shown = ['pump: … °C', '3 machines', '[1.5]'];
    expect(unlike(shown, 'pump: 21 °C\n4 machines\n[1.5]\n')).toEqual(['3 machines']);
    expect(unlike(shown, 'pump: 21 °F\n3 machines\n[125]\n')).toEqual(['pump: … °C', '[1.5]']);
  });
});

/** These take more than ten seconds, and a test of theirs goes the same way: their commands run in CI alone. */
const LONG = ['hierarchy', 'partitioned-sum'];

const [kafkaLack, rabbitmqLack] = [await kafkaLacks(), rabbitmqLacks()];

/** Why a command does not run here; undefined where it does. */
function lackOf(name: string): string | undefined {
  const isBrokered = /kafka|rabbitmq/.test(name);
  if (!process.env['CI'] && (isBrokered || LONG.includes(name))) return 'in CI';
  return name.includes('kafka') ? kafkaLack : name.includes('rabbitmq') ? rabbitmqLack : undefined;
}

describe('the command of an example', { timeout: 600_000 }, () => {
  for (const { name, page } of folders) {
    const lack = lackOf(name);
    it.skipIf(lack)(`prints what its page shows: ${name}${lack ? ` (${lack})` : ''}`, () => {
      const { status, stdout, stderr } = spawnSync('sh', ['-c', commandOf(page) ?? ''], {
        cwd: ROOT,
        encoding: 'utf8',
        env: { ...process.env, NODE_OPTIONS: '' },
      });
      expect({ status, unlike: unlike(outputOf(page), stdout), stderr: status === 0 ? '' : stderr }).toEqual({
        status: 0,
        unlike: [],
        stderr: '',
      });
    });
  }
});
