import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { posix } from 'node:path';

const ROOT = new URL('../../', import.meta.url);
const SKIPPED = /(^|\/)(node_modules|dist|cdk\.out|\.millrace)(\/|$)/;

/** Texts of pages by their path from the root of the repository. */
export type Pages = ReadonlyMap<string, string>;

/** All pages of the repository: README.md, docs, and the README of each folder. */
export function readPages(): Pages {
  const within = (folder: string) =>
    readdirSync(new URL(folder, ROOT), { recursive: true, encoding: 'utf8' }).map((path) =>
      posix.join(folder, path.replaceAll('\\', '/')),
    );
  const paths = [
    ...readdirSync(ROOT),
    ...['docs', 'examples', 'src', 'lib', 'functions', 'test'].flatMap(within),
  ];
  const pages = paths.filter((path) => path.endsWith('.md') && !SKIPPED.test(path));
  return new Map(pages.map((path) => [path, readFileSync(new URL(path, ROOT), 'utf8')]));
}

export const existsInRepository = (path: string): boolean => existsSync(new URL(path, ROOT));

const FENCE = /^```(\S*)[^\n]*\n([\s\S]*?)^```$/gm;

/** The fenced blocks of a page, in their order. */
export const fencesOf = (page: string): { readonly language: string; readonly text: string }[] =>
  [...page.matchAll(FENCE)].map(([, language = '', text = '']) => ({ language, text }));

/** Which of some files the maps on a page, its fenced blocks, do not name. */
export function unmapped(page: string, files: readonly string[]): string[] {
  const named = new Set(
    [...page.matchAll(FENCE)].flatMap(([, , map = '']) => map.match(/[\w.-]+\.ts\b/g) ?? []),
  );
  return files.filter((file) => !named.has(file));
}

/** A fenced block of TypeScript, and what stands in a comment before it: `<!-- ts` begins what readers need not see. */
export interface Example {
  readonly hidden: string;
  readonly text: string;
  /** False where the fence says `compile-only`, as what the example makes needs AWS. */
  readonly runs: boolean;
  /** The line of its fence, from 1. */
  readonly line: number;
}

const EXAMPLE =
  /(?:^<!-- ts\n(?<hidden>[\s\S]*?)^-->\n+)?^```ts(?<mode> compile-only)?\n(?<text>[\s\S]*?)^```$/gm;

export const examplesOf = (page: string): Example[] =>
  [...page.matchAll(EXAMPLE)].map(({ 0: all, index, groups }) => {
    const { hidden = '', mode = '', text = '' } = groups ?? {};
    const fence = index + all.length - `\`\`\`ts${mode}\n${text}\`\`\``.length;
    return { hidden, text, runs: mode === '', line: page.slice(0, fence).split('\n').length };
  });

/** The examples in the docstrings of a source text, as they would stand on a page. */
export const docstringsOf = (source: string): string =>
  source.replaceAll(/^.*$/gm, (line) => /^ *\* ?(.*)$/.exec(line)?.[1] ?? '');

/** What a heading is called in a link, as GitHub names it: letters, digits, `_` and `-`, and a number where it comes again. */
export function anchorsOf(page: string): Set<string> {
  const anchors = new Set<string>();
  for (const [, title = ''] of page.replaceAll(FENCE, '').matchAll(/^#{1,6} +(.+?) *$/gm)) {
    const slug = title
      .toLowerCase()
      .replaceAll(/\[([^\]]*)\]\([^)]*\)/g, '$1')
      .replaceAll(/[^\p{L}\p{N}\p{M}_ -]/gu, '')
      .replaceAll(' ', '-');
    let anchor = slug;
    for (let again = 1; anchors.has(anchor); again++) anchor = `${slug}-${again}`;
    anchors.add(anchor);
  }
  return anchors;
}

const LINK = /\[[^\]]*\]\(([^)\s]+)\)/g;

/** Every relative link that leads to no file, or to no heading of its page, as one sentence each. */
export function brokenLinks(pages: Pages, exists: (path: string) => boolean): string[] {
  return [...pages].flatMap(([from, text]) =>
    [...text.replaceAll(FENCE, '').matchAll(LINK)]
      .map(([, link = '']) => link)
      .filter((link) => !/^[a-z]+:/.test(link))
      .flatMap((link) => {
        const [path = '', anchor] = link.split('#');
        const to = path === '' ? from : posix.join(posix.dirname(from), path);
        if (!pages.has(to) && !exists(to)) return [`${from} links to ${link}, but there is no ${to}`];
        const page = pages.get(to);
        if (anchor === undefined || (page !== undefined && anchorsOf(page).has(anchor))) return [];
        return [`${from} links to ${link}, but ${to} has no such heading`];
      }),
  );
}
