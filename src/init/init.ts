import { cpSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { basename, dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { reasonOf } from '../local/failure.ts';

/** The templates that an app may begin with, and what the pipeline of each is about. */
const TEMPLATES = {
  sensors: 'Temperatures of machines',
  trades: 'Bars and rolling figures of trades',
  clicks: 'Visits of a web site',
} as const;

export const DEFAULT_TEMPLATE = 'sensors';

type Template = keyof typeof TEMPLATES;

/** The names that `millrace init` takes as `--template`. */
export const TEMPLATE_NAMES = Object.keys(TEMPLATES) as readonly Template[];

type Versions = Readonly<Record<string, string>>;

const manifest = createRequire(import.meta.url)('../../package.json') as {
  readonly version: string;
  readonly dependencies?: Versions;
  readonly devDependencies?: Versions;
};

/** The tools that an app is developed with, in the versions that Millrace itself is developed with. */
export const TOOLS = [
  '@types/node',
  'aws-cdk',
  'aws-cdk-lib',
  'constructs',
  'esbuild',
  'tsx',
  'typescript',
  'vitest',
];

/**
 * Writes a CDK app of one pipeline, with its test and with records to see it at work.
 *
 * @param folder an empty folder, or one that does not exist yet
 * @returns what to do next, in words
 * @throws RangeError when there is no such template; Error when the folder holds something, or cannot be
 * written
 */
export function init(folder: string, template: string = DEFAULT_TEMPLATE): string {
  if (!isTemplate(template)) {
    throw new RangeError(
      `Cannot begin with the template "${template}" as it must be one of ${TEMPLATE_NAMES.join(', ')}`,
    );
  }
  checkEmpty(folder);
  const here = (path: string) => fileURLToPath(new URL(path, import.meta.url));
  const name = packageName(folder);
  const filled = (path: string) =>
    readFileSync(here(path), 'utf8')
      .replaceAll('{{name}}', name)
      .replaceAll('{{template}}', template)
      .replaceAll('{{description}}', TEMPLATES[template]);
  const files = {
    'package.json': json(packageOf(name, template)),
    'tsconfig.json': json(TSCONFIG),
    'cdk.json': json(CDK),
    '.gitignore': 'node_modules/\ncdk.out/\n.millrace/\n',
    'README.md': filled('README.template.md'),
    '.github/workflows/deploy.yml': readFileSync(here('deploy.template.yml'), 'utf8'),
  };
  try {
    cpSync(here(`templates/${template}`), folder, { recursive: true });
    for (const [path, text] of Object.entries(files)) {
      mkdirSync(dirname(join(folder, path)), { recursive: true });
      writeFileSync(join(folder, path), text);
    }
  } catch (cause) {
    throw new Error(
      `Cannot make an app in "${folder}" as it must be a folder that can be written: ${reasonOf(cause)}`,
      {
        cause,
      },
    );
  }
  const steps = [
    ...(resolve(folder) === resolve() ? [] : [`cd ${folder}`]),
    'npm install',
    'npm start',
    'npm test',
  ];
  return `Made ${name}: ${TEMPLATES[template]}. Next:\n\n${steps.map((step) => `  ${step}`).join('\n')}\n`;
}

const isTemplate = (name: string): name is Template => Object.hasOwn(TEMPLATES, name);

/** @throws Error unless the folder does not exist, or holds nothing but a `.git` */
function checkEmpty(folder: string): void {
  let found: readonly string[];
  try {
    found = readdirSync(folder).filter((name) => name !== '.git');
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === 'ENOENT') return;
    throw new Error(`Cannot make an app in "${folder}" as it must be an empty folder: ${reasonOf(cause)}`, {
      cause,
    });
  }
  if (found.length === 0) return;
  const more = found.length > 1 ? ` and ${found.length - 1} more` : '';
  throw new Error(
    `Cannot make an app in "${folder}" as it must be an empty folder: it holds ${found[0]}${more}`,
  );
}

/** Turns a folder's name into one that npm allows for a package. */
const packageName = (folder: string): string =>
  basename(resolve(folder))
    .toLowerCase()
    .replaceAll(/[^a-z0-9-]+/g, '-')
    .replaceAll(/^-+|-+$/g, '') || 'millrace-app';

function packageOf(name: string, template: Template): object {
  const { version, dependencies, devDependencies } = manifest;
  const versions = { ...dependencies, ...devDependencies };
  const tools = TOOLS.map((tool) => [tool, versions[tool]] as const);
  return {
    name,
    private: true,
    type: 'module',
    scripts: {
      start: `millrace start --pipeline ${template} --input records/${template}.ndjson`,
      test: 'vitest run',
      types: 'tsc',
      deploy: 'cdk deploy',
    },
    dependencies: { millrace: version },
    devDependencies: Object.fromEntries(
      [...tools, ['millrace-local', version] as const].toSorted(([a], [b]) => (a < b ? -1 : 1)),
    ),
    // Newer versions of npm ask before esbuild runs its installation script, unless the script is allowed
    // here.
    allowScripts: { esbuild: true },
  };
}

const TSCONFIG = {
  compilerOptions: {
    target: 'es2023',
    module: 'nodenext',
    types: ['node'],
    strict: true,
    noUncheckedIndexedAccess: true,
    verbatimModuleSyntax: true,
    allowImportingTsExtensions: true,
    noEmit: true,
    skipLibCheck: false,
  },
  include: ['bin', 'functions', 'test'],
};

const CDK = {
  app: 'node --import tsx bin/app.ts',
  context: {
    '@aws-cdk/aws-iam:minimizePolicies': true,
    '@aws-cdk/core:checkSecretUsage': true,
    '@aws-cdk/core:enablePartitionLiterals': true,
  },
};

const json = (value: object): string => `${JSON.stringify(value, undefined, 2)}\n`;
