import { existsSync, readFileSync } from 'node:fs';

/** The built page, which the package has; among the sources it is built when it is first asked for. */
const BUILT = new URL('../../../web/page.html', import.meta.url);
const BUILDER = new URL('../../../web/build.ts', import.meta.url).href;

let page: Promise<string> | undefined;

/** Returns the page of a run, as one file of HTML. */
export function pageHtml(): Promise<string> {
  page ??= existsSync(BUILT)
    ? Promise.resolve(readFileSync(BUILT, 'utf8'))
    : import(BUILDER).then(({ buildPage }: { buildPage(): Promise<string> }) => buildPage());
  return page;
}
