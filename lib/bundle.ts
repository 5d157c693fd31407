import { existsSync, mkdirSync, mkdtempSync, realpathSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { dirname, join, relative, resolve } from 'node:path';
import type { BuildOptions, Metafile } from 'esbuild';
import type { Service } from '../src/pipeline/services.ts';

/** What makes the handler of each function of a pipeline, in `millrace/lambda`. */
const FACTORIES = {
  handler: 'lambdaHandler',
  sweeper: 'sweepHandler',
  projector: 'projectHandler',
  query: 'queryApi',
  check: 'checkHandler',
} as const;

/** What makes the outlet of a sink to each service, in `millrace/lambda`. */
const OUTLETS: { readonly [Of in Service]: string } = {
  sns: 'toTopic',
  eventbridge: 'toBus',
  kinesis: 'toStream',
  sqs: 'toQueue',
  appsync: 'toChannels',
};

/** Which function of a pipeline: the one that is called with records, by commits or the clock, or with questions. */
export type Role = keyof typeof FACTORIES;

/** What a pipeline's functions are made from. */
export interface Entry {
  /** The file that exports the pipeline. */
  readonly pipeline: string;
  /** The file that exports `handler`, in the place of the one that would be made: see `entryOf`. */
  readonly handler?: string | undefined;
  /** The same for the projector. */
  readonly projector?: string | undefined;
}

/**
 * The files of a pipeline: that of `entry` itself or, where it is a folder, `pipeline.ts` in it; and `handler.ts` and
 * `projector.ts` beside it, where its author has written them.
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
  const beside = (name: string): string | undefined => {
    const file = join(dirname(pipeline), name);
    return isFile(file) ? file : undefined;
  };
  return { pipeline, handler: beside('handler.ts'), projector: beside('projector.ts') };
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
  sourcemap: 'external',
  outExtension: { '.js': '.mjs' },
  sourcesContent: false,
  logLevel: 'warning',
} satisfies BuildOptions;

interface Module {
  readonly code: string;
  readonly map: string;
}

/**
 * Packs functions of a pipeline, each with everything that it imports, the AWS SDK included, into one ES module
 * each. The same input gives the same bytes, so that a function is deployed only when its code has changed.
 *
 * The SDK is packed because the runtime's own SDK changes without notice, and because esbuild keeps only the
 * parts of it that are used. All functions are built together when the first is asked for, as they share most
 * of their sources.
 */
export class Bundles {
  readonly #entry: Entry;
  readonly #roles: readonly Role[];
  readonly #services: readonly Service[];
  #built: ReadonlyMap<Role, Module> | undefined;

  /** @param services those that take the messages of the pipeline's sinks */
  constructor(entry: Entry, roles: readonly Role[], services: readonly Service[] = []) {
    this.#entry = entry;
    this.#roles = roles;
    this.#services = [...new Set(services)];
  }

  /**
   * Writes the module of a function, as `index.mjs` with its source map beside it.
   *
   * @returns the path of the module, and its size without the map
   * @throws RangeError when one of the entry's files is missing
   */
  write(role: Role, folder: string): { readonly path: string; readonly bytes: number } {
    this.#built ??= build(this.#entry, this.#roles, this.#services);
    const { code, map } = this.#built.get(role) as Module;
    const path = join(folder, 'index.mjs');
    mkdirSync(folder, { recursive: true });
    writeFileSync(path, code);
    writeFileSync(`${path}.map`, map);
    return { path, bytes: Buffer.byteLength(code) };
  }
}

function build(
  entry: Entry,
  roles: readonly Role[],
  services: readonly Service[],
): ReadonlyMap<Role, Module> {
  for (const file of [entry.handler, entry.projector, entry.pipeline]) {
    if (file !== undefined && !existsSync(file))
      throw new RangeError(`Cannot bundle "${file}" as it must exist: there is no such file`);
  }
  // A synchronous build reads its entries from files. The true path is the one that a source map is made with.
  const entries = realpathSync(mkdtempSync(join(tmpdir(), 'millrace-')));
  try {
    for (const role of roles) writeFileSync(join(entries, `${role}.ts`), textOf(role, entry, services));
    // ES modules come first, as esbuild keeps only the parts of them that are used.
    const first = buildEntries(entries, roles, ['module', 'main']);
    const again = roles.filter((role) => requiresEsModule(first.metafile, role));
    const second = again.length > 0 ? buildEntries(entries, again, ['main', 'module']).modules : [];
    return new Map([...first.modules, ...second]);
  } finally {
    rmSync(entries, { recursive: true });
  }
}

function buildEntries(
  entries: string,
  roles: readonly Role[],
  mainFields: string[],
): { readonly modules: ReadonlyMap<Role, Module>; readonly metafile: Metafile } {
  // The source map names sources relative to the app, not to the folder that the bundle is written to.
  const root = process.cwd();
  const { outputFiles, metafile } = esbuild().buildSync({
    ...OPTIONS,
    entryPoints: roles.map((role) => join(entries, `${role}.ts`)),
    absWorkingDir: root,
    outdir: root,
    mainFields,
  });
  const textAt = (path: string): string => outputFiles.find((file) => file.path === path)?.text as string;
  const modules = new Map(
    roles.map((role) => {
      const path = join(root, outputOf(role));
      return [
        role,
        {
          code: `${textAt(path)}//# sourceMappingURL=index.mjs.map\n`,
          map: textAt(`${path}.map`).replace(`"${relative(root, join(entries, role))}.ts"`, `"${role}.ts"`),
        },
      ];
    }),
  );
  return { modules, metafile };
}

const outputOf = (role: Role): string => `${role}.mjs`;

/** The module that exports the handler of a function. */
function textOf(role: Role, { pipeline, ...own }: Entry, services: readonly Service[]): string {
  const file = role === 'handler' || role === 'projector' ? own[role] : undefined;
  if (file !== undefined) return `export * from ${JSON.stringify(file)};`;
  // What makes handlers is that of this very package, wherever the pipeline is.
  const lambda = createRequire(import.meta.url).resolve('millrace/lambda');
  // Only the projector sends messages, and only what is named here is packed.
  const outlets = role === 'projector' ? services : [];
  const given = outlets.map((service) => `${service}: ${OUTLETS[service]}`).join(', ');
  const names = [FACTORIES[role], 'pipelineOf', ...outlets.map((service) => OUTLETS[service])];
  return [
    `import * as definition from ${JSON.stringify(pipeline)};`,
    `import { ${names.join(', ')} } from ${JSON.stringify(lambda)};`,
    `export const handler = ${FACTORIES[role]}(pipelineOf(definition)${given && `, { ${given} }`});`,
  ].join('\n');
}

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
 * Says whether, in the module of a function, a `require` received the ES module of a package. Where the package
 * has a CommonJS module as well, the caller may rely on that: for instance on a function that the ES module only
 * has as its default export.
 */
const requiresEsModule = ({ inputs, outputs }: Metafile, role: Role): boolean =>
  Object.keys(outputs[outputOf(role)]?.inputs ?? {}).some((input) =>
    inputs[input]?.imports.some(
      ({ kind, path }) => kind === 'require-call' && inputs[path]?.format === 'esm',
    ),
  );
