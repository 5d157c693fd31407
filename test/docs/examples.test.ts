import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Pipeline } from '../../src/index.ts';
import * as millrace from '../../src/index.ts';
import * as lambda from '../../src/lambda.ts';
import * as testing from '../../src/testing.ts';
import { tryPipeline } from '../../src/testing.ts';
import { docstringsOf, examplesOf, readPages } from './pages.ts';

const PROJECT = fileURLToPath(new URL('../..', import.meta.url));

/** What the package exports, and the support that hidden parts of examples may import, as sources. */
const ENTRIES = {
  millrace: 'src/index.ts',
  'millrace/lambda': 'src/lambda.ts',
  'millrace/opentelemetry': 'src/opentelemetry.ts',
  'millrace/producer': 'src/producer.ts',
  'millrace/testing': 'src/testing.ts',
  'millrace/cdk': 'lib/index.ts',
  'docs/readings': 'test/docs/readings.ts',
} as const;

/** An example as a module, with the place on its page. */
interface Module {
  readonly place: string;
  readonly text: string;
  /** How many lines stand before the first one that readers see. */
  readonly above: number;
  readonly page: string;
  readonly runs: boolean;
  readonly line: number;
}

const SPECIFIER = /(?<=\bfrom ')[^'.][^']*(?=')/g;

function modulesOf(page: string, text: string): Module[] {
  return examplesOf(text).map(({ hidden, text, runs, line }) => {
    const shown = EXPRESSION.test(text) ? checksOf(text) : text;
    const whole = `${hidden}${shown}\nexport {};\n`.replaceAll(SPECIFIER, (name) =>
      name in ENTRIES ? PROJECT + ENTRIES[name as keyof typeof ENTRIES] : name,
    );
    const above = hidden.split('\n').length - 1;
    return { place: `${page}:${line}`, text: whole, above, page, runs, line };
  });
}

/** An aggregate or a window, the values that it is given, and the results that it shows of them. */
const EXPRESSION =
  /^(?<expression>\w+\(.*\)) \/\/ of (?<values>.+?)(?<spaced> a minute apart)?: (?<results>.+)$/m;

/** An example of expressions, each line of it as one that asserts what its comment says. */
function checksOf(text: string): string {
  const names = Object.keys(millrace).join(', ');
  const checks = text
    .trimEnd()
    .split('\n')
    .map((line) => {
      const { expression, values, spaced, results } = EXPRESSION.exec(line)?.groups ?? {};
      if (expression === undefined)
        throw new RangeError(`Cannot check "${line}" as it must say what it is of`);
      const window = spaced ? expression : `batches({ count: [${values}].length }, { it: ${expression} })`;
      const pipeline = `definePipeline('example', kinesis<Reading>(), { ...BY_MACHINE, windows: { all: ${window} } })`;
      return `expectResults([${values}], ${pipeline}, [${results}]);`;
    });
  const support = `import { BY_MACHINE, expectResults, type Reading } from 'docs/readings';`;
  return `import { ${names} } from 'millrace'; ${support} ${checks.join('\n')}\n`;
}

/** Where the compiled modules stand: within the project, so that packages are found. */
function inScratch(): string {
  mkdirSync(join(PROJECT, '.millrace'), { recursive: true });
  return mkdtempSync(join(PROJECT, '.millrace', 'examples-'));
}

const nameOf = (at: number) => `example${at}.ts`;

/** What the compiler says of the modules, each by its line on its page. */
function compile(scratch: string, modules: readonly Module[]): string[] {
  // What a handler's example imports from beside it.
  writeFileSync(
    join(scratch, 'pipeline.ts'),
    `export { temperature } from '${PROJECT}test/docs/readings.ts';`,
  );
  modules.forEach(({ text }, at) => {
    writeFileSync(join(scratch, nameOf(at)), text);
  });
  const compilerOptions = { noUnusedLocals: false, noUnusedParameters: false };
  const files = [...modules.keys()].map(nameOf);
  const types = ['types/**/*.d.ts'].map((path) => join(PROJECT, path));
  const config = { extends: join(PROJECT, 'tsconfig.json'), compilerOptions, files, include: types };
  writeFileSync(join(scratch, 'tsconfig.json'), JSON.stringify(config));
  const { stdout } = spawnSync(
    process.execPath,
    [join(PROJECT, 'node_modules/typescript/bin/tsc'), '-p', scratch],
    { encoding: 'utf8', cwd: scratch },
  );
  return [...stdout.matchAll(/^(.*)\((\d+),\d+\): error TS\d+: (.*)$/gm)].map(([, file, line, said]) => {
    const module = modules[Number(/example(\d+)\.ts$/.exec(file ?? '')?.[1])];
    return module === undefined
      ? `${file}: ${said}`
      : `${module.page}:${module.line + Number(line) - module.above}: ${said}`;
  });
}

const isPipeline = (value: unknown): value is Pipeline =>
  typeof value === 'object' && value !== null && 'rules' in value && 'source' in value;

/** What is wrong with a module as it runs: what it throws, or pipelines that make no panes of its `records`. */
async function run(scratch: string, { place }: Module, at: number): Promise<string[]> {
  try {
    const exported = await import(/* @vite-ignore */ pathToFileURL(join(scratch, nameOf(at))).href);
    const pipelines = Object.values(exported).filter(isPipeline);
    if (pipelines.length === 0) return [];
    if (!Array.isArray(exported.records)) return [`${place} exports a pipeline, but no records to try it on`];
    return pipelines.flatMap((pipeline) => {
      const { panes, poison } = tryPipeline(pipeline, exported.records);
      const refused = poison.map(({ reason }) => `${place}: a record is refused: ${reason}`);
      return panes.length > 0 ? refused : [`${place}: "${pipeline.name}" makes no panes`, ...refused];
    });
  } catch (error) {
    return [`${place} throws as it runs: ${error instanceof Error ? error.message : error}`];
  }
}

const PLANTED = `
\`\`\`ts
export const celsius: number = 'warm';
\`\`\`
<!-- ts
import { temperature } from 'docs/readings';
-->
\`\`\`ts
import { gone } from 'millrace';
temperature.gone();
\`\`\`
<!-- ts
export { temperature } from 'docs/readings';
export const records = [{ machineId: 'pump' }];
-->
\`\`\`ts
const told = 'nothing';
\`\`\`
\`\`\`ts
mean('celsius') // of 20, 22: 21
mean('celsius') // of 20, 22: 23
\`\`\`
`;

describe('the examples', () => {
  const pages = [...readPages()].filter(([path]) => path === 'README.md' || path.startsWith('docs/'));
  const sources = readdirSync(new URL('../../src', import.meta.url), { recursive: true, encoding: 'utf8' })
    .filter((path) => path.endsWith('.ts'))
    .map((path) => [`src/${path}`, docstringsOf(readFileSync(join(PROJECT, 'src', path), 'utf8'))] as const);
  const real = [...pages, ...sources].flatMap(([path, text]) => modulesOf(path, text));
  const planted = modulesOf('planted', PLANTED);
  const modules = [...real, ...planted];
  let scratch: string;
  let said: readonly string[];
  // One compiler for all of them: starting it is what costs.
  beforeAll(() => {
    scratch = inScratch();
    said = compile(scratch, modules);
  });
  afterAll(() => rmSync(scratch, { recursive: true }));

  it('compile for a reader', () => {
    expect(said.filter((line) => !line.startsWith('planted:'))).toEqual([]);
  });

  it('are seen to fail where they do not compile, by their lines', () => {
    expect(said.filter((line) => line.startsWith('planted:'))).toEqual([
      `planted:3: Type 'string' is not assignable to type 'number'.`,
      expect.stringMatching(/^planted:9: Module .* has no exported member 'gone'\.$/),
      expect.stringMatching(/^planted:10: Property 'gone' does not exist on type /),
    ]);
  });

  it('are seen to fail where they do not run as they say', async () => {
    const faults = await Promise.all(planted.map((module, at) => run(scratch, module, real.length + at)));
    expect(faults).toEqual([
      [],
      [expect.stringMatching(/^planted:8 throws as it runs: .*gone is not a function$/)],
      [
        'planted:16: "temperature" makes no panes',
        expect.stringMatching(/^planted:16: a record is refused: /),
      ],
      [expect.stringMatching(/^planted:19 throws as it runs: Expected values to be strictly deep-equal/)],
    ]);
  });

  it('stand in the docstring of everything that the package exports', () => {
    const texts = sources.map(([path]) => readFileSync(join(PROJECT, path), 'utf8')).join('\n');
    const shows = (name: string) =>
      new RegExp(
        `@example(?:(?!\\*/)[\\s\\S])*\\*/\\nexport (?:async )?(?:const|function|class) ${name}\\b`,
      ).test(texts);
    const exported = [millrace, lambda, testing].flatMap((module) => Object.keys(module));
    // Nobody makes one: a message of it is read.
    expect(exported.filter((name) => !shows(name))).toEqual(['SelectError']);
  });

  const running = real
    .map((module, at) => [module.place, module, at] as const)
    .filter(([, { runs }]) => runs);
  it.each(running)('run: %s', async (_, module, at) => {
    expect(await run(scratch, module, at)).toEqual([]);
  });
});
