/**
 * Makes the tarballs that are published, and their bill of materials, in dist/: `npm run pack`. It derives each package.json from the
 * repository's own. All packages have its version, and each depends on those of its pinned dependencies that
 * the files of the package import.
 */
import { execFileSync } from 'node:child_process';
import { cpSync, existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { builtinModules } from 'node:module';
import { basename, dirname, join, posix, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { transformSync } from '@swc/wasm-typescript';
import { TOOLS } from '../../src/init/init.ts';
import { importsOf } from '../../test/imports.ts';
import { buildPage } from '../../web/build.ts';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const DIST = join(ROOT, 'dist');
const BUILT = join(DIST, 'built');
const MODULES = join(ROOT, 'node_modules');

interface Manifest {
  readonly name: string;
  readonly version: string;
  readonly exports: Readonly<Record<string, string>>;
  readonly dependencies?: Readonly<Record<string, string>>;
  readonly devDependencies?: Readonly<Record<string, string>>;
  readonly optionalDependencies?: Readonly<Record<string, string>>;
}

const manifestIn = (folder: string): Manifest =>
  JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8'));

const ours = manifestIn(ROOT);
const PINNED = { ...ours.devDependencies, ...ours.dependencies };

/** Only those who deploy, or trace what they have deployed, install these packages. */
const PEERS: Readonly<Record<string, string>> = {
  '@opentelemetry/api': '>=1.3.0 <2',
  'aws-cdk-lib': `^${PINNED['aws-cdk-lib']}`,
  constructs: `^${PINNED['constructs']}`,
  esbuild: `>=${PINNED['esbuild']} <1`,
};

/**
 * The packages that the tarball of the servers contains itself, as they were tried here and without
 * installation scripts.
 */
const BUNDLED = ['dynalite', 'fauxqs', 'kinesalite', 'vega-datasets'];

/** The fields that are the same in the package.json of every package. */
const COMMON = {
  version: ours.version,
  license: 'MIT',
  type: 'module',
  engines: { node: '>=20.19' },
};

const js = (path: string): string => path.replace(/\.ts$/, '.js');
const dts = (path: string): string => path.replace(/\.ts$/, '.d.ts');

/**
 * The files of the build that the entries import, directly or not, and the packages that all of these files
 * import.
 */
function reachable(entries: readonly string[]): {
  readonly files: Set<string>;
  readonly packages: Set<string>;
} {
  const files = new Set<string>();
  const packages = new Set<string>();
  const visit = (path: string): void => {
    if (files.has(path)) return;
    files.add(path);
    const isTypes = path.endsWith('.d.ts');
    const text = readFileSync(join(BUILT, path), 'utf8');
    if (isTypes && /\b(?:Buffer|NodeJS)\b/.test(text)) packages.add('@types/node');
    for (const specifier of importsOf(text)) {
      if (specifier.startsWith('.')) {
        const target = posix.join(posix.dirname(path), specifier);
        visit(isTypes ? target.replace(/\.[jt]s$/, '.d.ts') : target);
      } else if (/^[a-z@]/.test(specifier)) packages.add(packageOf(specifier, isTypes));
    }
  };
  for (const entry of entries) visit(entry);
  packages.delete(ours.name);
  packages.delete('');
  return { files, packages };
}

/** The package of an import; '' where Node itself has the module. */
function packageOf(specifier: string, isTypes: boolean): string {
  if (specifier.startsWith('node:') || builtinModules.includes(specifier))
    return isTypes ? '@types/node' : '';
  const name = specifier.split('/', specifier.startsWith('@') ? 2 : 1).join('/');
  return isTypes && PINNED[`@types/${name}`] !== undefined ? `@types/${name}` : name;
}

/** Looks up the version to which package.json pins each package. */
function pinned(names: Iterable<string>): Record<string, string> {
  const sorted = [...names].sort().map((name) => {
    const version = PINNED[name];
    if (version === undefined)
      throw new Error(`Cannot pack an import of ${name} as package.json must pin it`);
    return [name, version] as const;
  });
  return Object.fromEntries(sorted);
}

/** Copies built files, and the source map of each JavaScript file. */
function copyBuilt(files: Iterable<string>, to: string): void {
  for (const path of files) {
    const copy = join(to, path);
    mkdirSync(dirname(copy), { recursive: true });
    if (!path.endsWith('.d.ts')) cpSync(join(BUILT, `${path}.map`), `${copy}.map`);
    const text = readFileSync(join(BUILT, path), 'utf8');
    // The declarations still import the sources by name, and a package has no sources.
    writeFileSync(
      copy,
      path.endsWith('.d.ts') ? text.replaceAll(/(["'])(\.{1,2}\/[^"']*)\.ts\1/g, '$1$2.js$1') : text,
    );
  }
}

function writePackage(folder: string, manifest: object, readme: string): void {
  writeFileSync(join(folder, 'package.json'), `${JSON.stringify(manifest, undefined, 2)}\n`);
  writeFileSync(join(folder, 'README.md'), readme);
  cpSync(join(ROOT, 'LICENSE'), join(folder, 'LICENSE'));
}

/**
 * Copies the templates that `init` writes an app from. `init` also reads the versions of the app's tools from
 * the package.json of its package, so that file must list them.
 */
function copyTemplates(to: string): void {
  cpSync(join(ROOT, 'src/init'), join(to, 'src/init'), {
    recursive: true,
    filter: (path) => basename(path) !== 'init.ts',
  });
}

/** Makes Node run a command that tsx runs here. */
function makeBin(path: string): void {
  writeFileSync(path, readFileSync(path, 'utf8').replace(/^#!.*/, '#!/usr/bin/env node'));
}

function packMillrace(): string {
  const folder = join(DIST, 'millrace');
  const exported = Object.values(ours.exports).map((path) => posix.normalize(path));
  const { files, packages } = reachable([
    'bin/millrace.js',
    ...exported.flatMap((path) => [js(path), dts(path)]),
  ]);
  copyBuilt(files, folder);
  makeBin(join(folder, 'bin/millrace.js'));
  copyTemplates(folder);
  const needed = [...packages].filter((name) => !(name in PEERS));
  writePackage(
    folder,
    {
      name: 'millrace',
      description:
        'Event-time windows over streams on AWS Lambda: every window’s result exactly once, no cluster.',
      ...COMMON,
      sideEffects: false,
      bin: { millrace: 'bin/millrace.js' },
      imports: { '#local': 'millrace-local' },
      exports: {
        ...Object.fromEntries(
          Object.entries(ours.exports).map(([name, path]) => [name, { types: dts(path), default: js(path) }]),
        ),
        './package.json': './package.json',
      },
      dependencies: pinned(needed),
      devDependencies: pinned(TOOLS),
      peerDependencies: { ...PEERS, 'millrace-local': ours.version },
      peerDependenciesMeta: Object.fromEntries(
        [...Object.keys(PEERS), 'millrace-local'].map((name) => [name, { optional: true }]),
      ),
    },
    readFileSync(join(ROOT, 'README.md'), 'utf8'),
  );
  cpSync(join(ROOT, 'CHANGELOG.md'), join(folder, 'CHANGELOG.md'));
  return folder;
}

function packLocal(page: string): string {
  const folder = join(DIST, 'millrace-local');
  const index = 'src/local/servers/index.js';
  const servers = 'src/local/servers/servers.js';
  const { files, packages } = reachable([index, servers, dts(index.replace(/js$/, 'ts'))]);
  copyBuilt(files, folder);
  cpSync(join(ROOT, 'src/local/servers/thread.mjs'), join(folder, 'src/local/servers/thread.mjs'));
  mkdirSync(join(folder, 'web'), { recursive: true });
  writeFileSync(join(folder, 'web/page.html'), page);
  const pipeline = 'functions/flights/pipeline.ts';
  mkdirSync(join(folder, dirname(pipeline)), { recursive: true });
  writeFileSync(
    join(folder, js(pipeline)),
    transformSync(readFileSync(join(ROOT, pipeline), 'utf8'), { mode: 'strip-only', module: true }).code,
  );
  const needed = new Set([...packages, ...BUNDLED]);
  for (const name of BUNDLED) bundleDependency(join(MODULES, name), folder, needed);
  writePackage(
    folder,
    {
      name: 'millrace-local',
      description:
        'Servers on this machine that Millrace runs a pipeline against, and records to see it at work.',
      ...COMMON,
      exports: { '.': { types: `./${index.replace(/js$/, 'd.ts')}`, default: `./${index}` } },
      dependencies: pinned(needed),
      bundleDependencies: BUNDLED,
      peerDependencies: { millrace: ours.version },
    },
    LOCAL_README,
  );
  return folder;
}

/**
 * Packs `npm create millrace`, which holds what makes an app, and nothing that would have to be installed
 * before.
 */
function packCreate(): string {
  const folder = join(DIST, 'create-millrace');
  copyBuilt(reachable(['bin/create.js']).files, folder);
  makeBin(join(folder, 'bin/create.js'));
  copyTemplates(folder);
  writePackage(
    folder,
    {
      name: 'create-millrace',
      description: 'Makes an app of Millrace: npm create millrace <folder>',
      ...COMMON,
      bin: { 'create-millrace': 'bin/create.js' },
      devDependencies: pinned(TOOLS),
    },
    CREATE_README,
  );
  return folder;
}

const CREATE_README = `# create-millrace

\`\`\`sh
npm create millrace my-app                          # temperatures of machines
npm create millrace my-app -- --template trades     # or trades, or clicks
\`\`\`

This makes a CDK app of one pipeline of [millrace](https://www.npmjs.com/package/millrace), with its test, sample records, and a workflow
that deploys it. The folder must be empty, or must not exist yet.
`;

const LOCAL_README = `# millrace-local

Servers that speak the protocols of Kinesis, DynamoDB and S3 on this machine, and 20,000 real flights as sample records.
The commands \`millrace start\` and \`millrace run\` of [millrace](https://www.npmjs.com/package/millrace) use them when both packages are
installed in the same version. No function in AWS needs them.

\`\`\`sh
npm install --save-dev millrace-local
\`\`\`

The tarball contains dynalite, kinesalite, fauxqs and their dependencies under \`node_modules\`, as they were published and each with its
licence, but without the sources of native code. The flights are from vega-datasets.
`;

/**
 * The files that are left out: sources of what is already built for every platform, and what a package does
 * not need to run.
 */
const LEFT_OUT =
  /(?:^|\/)(?:binding\.gyp|deps|tests?|docs|examples|docker-acceptance|benchmarks?|\.github)(?:\/|$)|\.(?:cc|h|map|[cm]?ts|flow|mm|gypi)$/;

/** The files of the data set that are kept: the one with the records, and what makes it a package. */
const RECORDS = /^(?:data\/flights-20k\.json|build\/index\.js|package\.json|README\.md|LICENSE)$/;

/**
 * Copies a package and its dependencies as they stand under `node_modules`. The packages of @smithy are added
 * to `needed` instead, as the SDK needs them anyway.
 */
function bundleDependency(from: string, to: string, needed: Set<string>): void {
  const copy = join(to, relative(ROOT, from));
  if (existsSync(copy)) return;
  cpSync(from, copy, {
    recursive: true,
    filter(path) {
      const inside = relative(from, path);
      if (inside === '' || /^(?:data|build)$/.test(inside)) return true;
      if (inside.startsWith('node_modules')) return false;
      return from.endsWith('vega-datasets') ? RECORDS.test(inside) : !LEFT_OUT.test(inside);
    },
  });
  const { scripts: _, ...manifest } = manifestIn(from) as Manifest & { readonly scripts?: unknown };
  const dependencies = Object.entries({ ...manifest.dependencies, ...manifest.optionalDependencies })
    // These packages list clients of the SDK for the tests of their users only.
    .filter(([name]) => !name.startsWith('@aws-sdk/') && !from.endsWith('vega-datasets'));
  const { devDependencies: _dev, optionalDependencies: _optional, ...kept } = manifest;
  writeFileSync(
    join(copy, 'package.json'),
    `${JSON.stringify({ ...kept, dependencies: Object.fromEntries(dependencies) }, undefined, 2)}\n`,
  );
  for (const [name] of dependencies) {
    if (name.startsWith('@smithy/')) needed.add(name);
    else bundleDependency(placeOf(name, from), to, needed);
  }
}

/** The folder in which Node finds a package that is imported from another. */
function placeOf(name: string, from: string): string {
  const place = join(from, 'node_modules', name);
  if (existsSync(place)) return place;
  if (from === ROOT) throw new Error(`Cannot pack ${name} as it must be installed: run npm ci`);
  return placeOf(name, dirname(from));
}

rmSync(DIST, { recursive: true, force: true });
execFileSync(join(MODULES, '.bin/tsc'), ['-p', join(ROOT, '.ci/package')], { cwd: ROOT, stdio: 'inherit' });
const folders = [packMillrace(), packLocal(await buildPage()), packCreate()];
execFileSync(
  'npm',
  ['pack', '--silent', '--pack-destination', DIST, ...folders.map((folder) => `file:${folder}`)],
  {
    stdio: 'inherit',
  },
);
writeFileSync(
  join(DIST, `millrace-${ours.version}.cdx.json`),
  execFileSync('npm', ['run', '--silent', 'sbom'], { cwd: ROOT }),
);
