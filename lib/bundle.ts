import { existsSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { buildSync } from 'esbuild';

const PROJECT = fileURLToPath(new URL('..', import.meta.url));

export interface BundleInput {
  /** The file that exports `handler`. */
  readonly handler: string;
  /** The file that `#pipeline` stands for in the shared handlers. */
  readonly pipeline: string;
  /** The folder that receives `index.mjs`. */
  readonly to: string;
}

/**
 * Packs a handler and everything that it imports, the AWS SDK too, into one ES module: the same input gives the same
 * bytes, so that a function is deployed only when its code changed.
 *
 * The SDK goes along because the runtime's own changes without notice, and because only what is used is kept of it.
 *
 * @throws RangeError when one of the two files is missing
 */
export function bundle({ handler, pipeline, to }: BundleInput): {
  readonly path: string;
  readonly bytes: number;
} {
  for (const file of [handler, pipeline]) {
    if (!existsSync(file)) {
      throw new RangeError(
        `Cannot bundle "${handler}" as it and its pipeline must exist: there is no "${file}"`,
      );
    }
  }
  const path = join(to, 'index.mjs');
  buildSync({
    absWorkingDir: PROJECT,
    entryPoints: [handler],
    outfile: path,
    bundle: true,
    alias: { '#pipeline': pipeline },
    format: 'esm',
    platform: 'node',
    target: 'node24',
    // ES modules first: they shake, and with them no `require` is left that an ES module could not answer.
    mainFields: ['module', 'main'],
    minify: true,
    legalComments: 'none',
    logLevel: 'warning',
  });
  return { path, bytes: statSync(path).size };
}
