import { existsSync, mkdirSync, statSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { basename, dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { BuildOptions, Metafile } from 'esbuild';

/** What makes the handler of each function of a pipeline, in `millrace/lambda`. */
const FACTORIES = { handler: 'lambdaHandler', sweeper: 'sweepHandler', projector: 'projectHandler' } as const;

/** Which function of a pipeline: the one that is called with records, or one that is called by commits or the clock. */
export type Role = keyof typeof FACTORIES;

/** What a pipeline's functions are made from. */
export interface Entry {
  /** The file that exports the pipeline. */
  readonly pipeline: string;
  /** The file that exports `handler`, in the place of the one that would be made: see `entryOf`. */
  readonly handler?: string | undefined;
}

export interface BundleInput extends Entry {
  readonly role: Role;
  /** The folder that receives `index.mjs` and its source map, `index.mjs.map`. */
  readonly to: string;
}

/**
 * The files of a pipeline: that of `entry` itself or, where it is a folder, `pipeline.ts` in it; and `handler.ts` beside it, where its
 * author has written one.
 *
 * @throws RangeError when there is no such file
 */
export function entryOf(entry: string): Entry {
  const isFile = (path: string) => statSync(path, { throwIfNoEntry: false })?.isFile() ?? false;
  const path = resolve(entry);
  const pipeline = [path, join(path, 'pipeline.ts'), join(path, 'pipeline.js')].find(isFile);
  if (pipeline === undefined) {
    throw new RangeError(
      `Cannot bundle "${entry}" as it must be the file of a pipeline, or a folder with a pipeline.ts: there is none`,
    );
  }
  const handler = join(dirname(pipeline), 'handler.ts');
  return { pipeline, handler: isFile(handler) ? handler : undefined };
}

/** The variables that a CommonJS package expects, and an ES module lacks. */
const COMMONJS = [
  'require=process.getBuiltinModule("node:module").createRequire(import.meta.url)',
  '__filename=import.meta.filename',
  '__dirname=import.meta.dirname',
];

const OPTIONS = {
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
 * @throws RangeError when one of the files is missing
 */
export function bundle({ role, pipeline, handler, to }: BundleInput): {
  readonly path: string;
  readonly bytes: number;
} {
  for (const file of handler === undefined ? [pipeline] : [handler, pipeline]) {
    if (!existsSync(file))
      throw new RangeError(`Cannot bundle "${file}" as it must exist: there is no such file`);
  }
  const { buildSync } = esbuild();
  // The source map names sources relative to the app, not to the folder that the bundle is written to.
  const root = process.cwd();
  const contents = textOf(role, pipeline, handler);
  const build = (mainFields: string[]) =>
    buildSync({
      ...OPTIONS,
      stdin: { contents, resolveDir: HERE, sourcefile: `${role}.ts`, loader: 'ts' },
      absWorkingDir: root,
      outfile: join(root, 'index.mjs'),
      mainFields,
    });
  // ES modules come first, as esbuild keeps only the parts of them that are used.
  let built = build(['module', 'main']);
  if (requiresEsModule(built.metafile)) built = build(['main', 'module']);
  mkdirSync(to, { recursive: true });
  for (const { path, contents } of built.outputFiles) writeFileSync(join(to, basename(path)), contents);
  const path = join(to, 'index.mjs');
  return { path, bytes: built.outputFiles.find((file) => file.path.endsWith('.mjs'))?.contents.length ?? 0 };
}

/** What handlers are made by, and from where it is that of this very package. */
const HERE = fileURLToPath(new URL('.', import.meta.url));
const LAMBDA = 'millrace/lambda';

/** The module that exports the handler of a function. */
const textOf = (role: Role, pipeline: string, handler: string | undefined): string =>
  role === 'handler' && handler !== undefined
    ? `export * from ${JSON.stringify(handler)};`
    : [
        `import * as definition from ${JSON.stringify(pipeline)};`,
        `import { ${FACTORIES[role]}, pipelineOf } from '${LAMBDA}';`,
        `export const handler = ${FACTORIES[role]}(pipelineOf(definition));`,
      ].join('\n');

/** @throws Error that says how to install it where it is missing: only who deploys needs it */
function esbuild(): typeof import('esbuild') {
  try {
    return createRequire(import.meta.url)('esbuild');
  } catch (cause) {
    throw new Error(
      'Cannot bundle a function as the package esbuild must be installed beside millrace: it is not; npm install --save-dev esbuild',
      { cause },
    );
  }
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
