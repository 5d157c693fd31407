import { readFileSync } from 'node:fs';
import { relative } from 'node:path';
import { type BuildOptions, build } from 'esbuild';
import type { Edit } from './protocol-mutants.ts';

const ROOT = new URL('../../', import.meta.url).pathname;

/**
 * What edits make of the files that they are of, by path.
 *
 * @throws RangeError when a file does not hold a text exactly once
 */
export function edited(edits: readonly Edit[]): ReadonlyMap<string, string> {
  const files = new Map<string, string>();
  for (const { file, find, replace } of edits) {
    const parts = (files.get(file) ?? readFileSync(ROOT + file, 'utf8')).split(find);
    if (parts.length !== 2) {
      throw new RangeError(
        `Cannot edit ${file} as it must hold the text exactly once: it does ${parts.length - 1} times: ${find}`,
      );
    }
    files.set(file, parts.join(replace));
  }
  return files;
}

/** What the oracle makes of records must stay what it was, whatever the engine makes of them. */
const UNTOUCHED = '?untouched';

/** Bundles a program with other contents of some files, by their path from the root. */
export const bundle = (entry: string, outfile: string, files: ReadonlyMap<string, string>) =>
  build({
    entryPoints: [ROOT + entry],
    outfile,
    bundle: true,
    platform: 'node',
    format: 'esm',
    packages: 'external',
    logLevel: 'error',
    plugins: [
      {
        name: 'mutate',
        setup(building) {
          building.onResolve({ filter: /core\/key\.ts$/ }, ({ importer }) =>
            importer.endsWith('/simulation/oracle.ts')
              ? { path: `${ROOT}src/core/key.ts`, suffix: UNTOUCHED }
              : undefined,
          );
          building.onLoad({ filter: /\.ts$/ }, ({ path, suffix }) => {
            const contents = suffix === UNTOUCHED ? undefined : files.get(relative(ROOT, path));
            return contents === undefined ? undefined : { contents, loader: 'ts' };
          });
        },
      },
    ],
  } satisfies BuildOptions);
