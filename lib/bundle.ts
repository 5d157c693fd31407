import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { type BuildOptions, buildSync, type Metafile } from 'esbuild';

const PROJECT = fileURLToPath(new URL('..', import.meta.url));

export interface BundleInput {
  /** The file that exports `handler`. */
  readonly handler: string;
  /** The file that replaces `#pipeline` in the shared handlers. */
  readonly pipeline: string;
  /** The folder that receives `index.mjs` and its source map, `index.mjs.map`. */
  readonly to: string;
}

/** The variables that a CommonJS package expects, and an ES module lacks. */
const COMMONJS = [
  'require=process.getBuiltinModule("node:module").createRequire(import.meta.url)',
  '__filename=import.meta.filename',
  '__dirname=import.meta.dirname',
];

const OPTIONS = {
  absWorkingDir: PROJECT,
  // The source map names sources relative to this file, not to the folder that the bundle is written to.
  outfile: join(PROJECT, 'index.mjs'),
  write: false,
  metafile: true,
  bundle: true,
  format: 'esm',
  platform: 'node',
  // The oldest Node that may load the bundle: `cdk synth` loads it on the machine of whoever runs it.
  target: 'node20.19',
  banner: { js: `const ${COMMONJS.join(',')};` },
  minify: true,
  legalComments: 'none',
  sourcemap: 'linked',
  sourcesContent: false,
  logLevel: 'warning',
} satisfies BuildOptions;

/**
 * Packs a handler and everything that it imports, the AWS SDK included, into one ES module. The same input
 * gives the same bytes, so that a function is deployed only when its code has changed.
 *
 * The SDK is packed because the runtime's own SDK changes without notice, and because esbuild keeps only the
 * parts of it that are used.
 *
 * @returns the path of the module, and its size without the map
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
  const build = (mainFields: string[]) =>
    buildSync({ ...OPTIONS, entryPoints: [handler], alias: { '#pipeline': pipeline }, mainFields });
  // ES modules come first, as esbuild keeps only the parts of them that are used.
  let built = build(['module', 'main']);
  if (requiresEsModule(built.metafile)) built = build(['main', 'module']);
  mkdirSync(to, { recursive: true });
  for (const { path, contents } of built.outputFiles) writeFileSync(join(to, basename(path)), contents);
  const path = join(to, 'index.mjs');
  return { path, bytes: built.outputFiles.find((file) => file.path.endsWith('.mjs'))?.contents.length ?? 0 };
}

/**
 * Says whether a `require` received the ES module of a package. Where the package has a CommonJS module as
 * well, the caller may rely on that: for instance on a function that the ES module only has as its default
 * export.
 */
const requiresEsModule = ({ inputs }: Metafile): boolean =>
  Object.values(inputs).some(({ imports }) =>
    imports.some(({ kind, path }) => kind === 'require-call' && inputs[path]?.format === 'esm'),
  );
