import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { type BuildOptions, buildSync, type Metafile } from 'esbuild';

const PROJECT = fileURLToPath(new URL('..', import.meta.url));

export interface BundleInput {
  /** The file that exports `handler`. */
  readonly handler: string;
  /** The file that `#pipeline` stands for in the shared handlers. */
  readonly pipeline: string;
  /** The folder that receives `index.mjs` and the map of its sources, `index.mjs.map`. */
  readonly to: string;
}

/** What a CommonJS package finds beside its own code, and an ES module lacks. */
const COMMONJS = [
  'require=process.getBuiltinModule("node:module").createRequire(import.meta.url)',
  '__filename=import.meta.filename',
  '__dirname=import.meta.dirname',
];

const OPTIONS = {
  absWorkingDir: PROJECT,
  // Sources are named in the map from here, and not from where the bundle is written to.
  outfile: join(PROJECT, 'index.mjs'),
  write: false,
  metafile: true,
  bundle: true,
  format: 'esm',
  platform: 'node',
  // The oldest Node that may load it: whoever synthesizes a stack does, to see that it loads.
  target: 'node20.19',
  banner: { js: `const ${COMMONJS.join(',')};` },
  minify: true,
  legalComments: 'none',
  sourcemap: 'linked',
  sourcesContent: false,
  logLevel: 'warning',
} satisfies BuildOptions;

/**
 * Packs a handler and everything that it imports, the AWS SDK too, into one ES module: the same input gives the same
 * bytes, so that a function is deployed only when its code changed.
 *
 * The SDK goes along because the runtime's own changes without notice, and because only what is used is kept of it.
 *
 * @returns where the module is, and its size without the map
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
  // ES modules first: of them only what is used is kept.
  let built = build(['module', 'main']);
  if (requiresEsModule(built.metafile)) built = build(['main', 'module']);
  mkdirSync(to, { recursive: true });
  for (const { path, contents } of built.outputFiles) writeFileSync(join(to, basename(path)), contents);
  const path = join(to, 'index.mjs');
  return { path, bytes: built.outputFiles.find((file) => file.path.endsWith('.mjs'))?.contents.length ?? 0 };
}

/**
 * Whether a `require` was given the ES module of a package. Where the package is a CommonJS module as well the caller may
 * count on that one: on a function, say, where the ES module has it as its default.
 */
const requiresEsModule = ({ inputs }: Metafile): boolean =>
  Object.values(inputs).some(({ imports }) =>
    imports.some(({ kind, path }) => kind === 'require-call' && inputs[path]?.format === 'esm'),
  );
