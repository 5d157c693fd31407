import { readdirSync, readFileSync } from 'node:fs';
import { posix } from 'node:path';
import { describe, expect, it } from 'vitest';
import { anchorsOf, brokenLinks, existsInRepository, readPages, unmapped } from './pages.ts';

describe('the links of README and docs', () => {
  const pages = readPages();

  it('lead to files and headings that there are', () => {
    expect(brokenLinks(pages, existsInRepository)).toEqual([]);
  });

  it('reach every page of docs from the index', () => {
    const index = pages.get('docs/index.md') ?? '';
    const all = [...pages.keys()].filter((path) => path.startsWith('docs/') && path !== 'docs/index.md');
    expect(all.filter((path) => !index.includes(`(${path.slice('docs/'.length)}`))).toEqual([]);
  });

  it.each([
    [
      'a page that there is not',
      'See [it](gone.md).',
      'docs/a.md links to gone.md, but there is no docs/gone.md',
    ],
    [
      'a heading that there is not',
      '[it](b.md#late)',
      'docs/a.md links to b.md#late, but docs/b.md has no such heading',
    ],
    [
      'a heading of its own',
      '# One\n[it](#two)',
      'docs/a.md links to #two, but docs/a.md has no such heading',
    ],
  ])('are seen to lead to %s', (_, text, told) => {
    const planted = new Map([
      ['docs/a.md', text],
      ['docs/b.md', '# Early\n```\n# Late\n```\n'],
    ]);
    expect(brokenLinks(planted, () => false)).toEqual([told]);
  });

  it('name headings as GitHub does', () => {
    const page = '# Layout, and who may import whom\n## `kill -9`\n## Room\n## Room\n## [A](b.md) & c_d\n';
    expect([...anchorsOf(page)]).toEqual([
      'layout-and-who-may-import-whom',
      'kill--9',
      'room',
      'room-1',
      'a--c_d',
    ]);
  });
});

describe('the map of a folder of src', () => {
  const page = (folder: string) =>
    readFileSync(new URL(`../../src/${folder}/README.md`, import.meta.url), 'utf8');
  const namesOf = (folder: string) =>
    readdirSync(new URL(`../../src/${folder}/`, import.meta.url), { recursive: true, encoding: 'utf8' })
      .filter((path) => path.endsWith('.ts'))
      .map((path) => posix.basename(path.replaceAll('\\', '/')));

  it.each(['engine', 'local', 'simulation'])('names every file: src/%s', (folder) => {
    expect(unmapped(page(folder), namesOf(folder))).toEqual([]);
  });

  it('is seen to lack a file, also where it names one that ends alike', () => {
    expect(
      unmapped('```\ngroup-logs.ts  all logs\n```\n[logs.ts](a/logs.ts)', ['logs.ts', 'group-logs.ts']),
    ).toEqual(['logs.ts']);
  });
});

describe('the pages that the source names', () => {
  const PAGE = /\bdocs\/[a-z-]+\.md\b/g;
  const sources = ['src', 'lib', 'bin', 'functions', 'test']
    .flatMap((folder) => {
      const within = new URL(`../../${folder}/`, import.meta.url);
      return readdirSync(within, { recursive: true, encoding: 'utf8' }).map((path) => new URL(path, within));
    })
    .filter(({ pathname }) => pathname.endsWith('.ts') && !/node_modules|\/test\/docs\/links/.test(pathname));

  it('are there', () => {
    const missing = sources.flatMap((file) =>
      (readFileSync(file, 'utf8').match(PAGE) ?? [])
        .filter((page) => !existsInRepository(page))
        .map((page) => `${file.pathname} names ${page}`),
    );
    expect(missing).toEqual([]);
  });
});
