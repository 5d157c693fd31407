import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { App } from 'aws-cdk-lib';
import { afterAll, describe, expect, it } from 'vitest';
import { flights } from '../../functions/flights/pipeline.ts';
import { Bundles, type Entry, entryOf, type Role } from '../../lib/bundle.ts';
import { checkLoading } from '../../lib/loading.ts';
import { PipelineStack } from '../../lib/pipeline-stack.ts';
import { ENVIRONMENT } from '../../src/wiring/names.ts';
import { writeEntry } from './stack-entry.ts';

const PROJECT = fileURLToPath(new URL('../..', import.meta.url));
const FLIGHTS = join(PROJECT, 'functions/flights/pipeline.ts');
const scratch = mkdtempSync(join(tmpdir(), 'millrace-bundle-'));
afterAll(() => rmSync(scratch, { recursive: true }));

/** The variables of a function of that pipeline. */
const environmentOf = (pipeline: string): Record<string, string> => ({
  ...Object.fromEntries(Object.values(ENVIRONMENT).map((variable) => [variable, 'any'])),
  [ENVIRONMENT.pipeline]: pipeline,
});

const bundle = ({ role, to, ...entry }: Entry & { readonly role: Role; readonly to: string }) =>
  new Bundles(entry, [role]).write(role, to);

let made = 0;

/** Bundles the handler of a pipeline whose file begins with a prelude. */
function bundled(prelude: string, files: Readonly<Record<string, string>> = {}) {
  const folder = join(scratch, `entry-${made++}`);
  const { handler, pipeline } = writeEntry(folder, 'other', prelude, files);
  return bundle({ role: 'handler', handler, pipeline, to: join(folder, 'bundle') });
}

/** Loads what is bundled of a file that begins with a prelude, and exports a handler. */
function load(prelude: string, files: Readonly<Record<string, string>> = {}): void {
  const light = `${prelude}\nexport const handler = async () => {};`;
  const folder = join(scratch, `entry-${made++}`);
  writeEntry(folder, 'other', '', { ...files, 'light.ts': light });
  const file = join(folder, 'light.ts');
  checkLoading(
    bundle({ role: 'handler', handler: file, pipeline: file, to: join(folder, 'bundle') }).path,
    {},
  );
}

describe('a bundle', () => {
  it('has the same bytes every time, and wherever it is written', () => {
    const [one, other] = ['one', 'other/and/deeper'].map((name) =>
      bundle({ role: 'sweeper', pipeline: FLIGHTS, to: join(scratch, name) }),
    );
    for (const suffix of ['', '.map']) {
      expect(readFileSync(`${one?.path}${suffix}`).equals(readFileSync(`${other?.path}${suffix}`))).toBe(
        true,
      );
    }
  });

  it('has the same bytes alone as built together with those of the other functions', () => {
    const entry = { pipeline: FLIGHTS };
    const together = new Bundles(entry, ['handler', 'sweeper', 'projector']);
    for (const role of ['handler', 'sweeper', 'projector'] as const) {
      const written = [
        together.write(role, join(scratch, 'together', role)),
        bundle({ ...entry, role, to: join(scratch, 'alone', role) }),
      ].map(({ path }) => [readFileSync(path, 'utf8'), readFileSync(`${path}.map`, 'utf8')]);
      expect(written[0]).toEqual(written[1]);
    }
  });

  it('of a projector holds the clients of the services alone that its sinks send to', () => {
    const projector = (...services: ConstructorParameters<typeof Bundles>[2] & object) => {
      const folder = join(scratch, `projector-${services.join('-')}`);
      const { path } = new Bundles({ pipeline: FLIGHTS }, ['projector'], services).write('projector', folder);
      return readFileSync(path, 'utf8');
    };
    const requests = ['PublishBatch', 'PutEvents', 'PutRecords', 'SendMessageBatch', 'channels of'];
    const heldBy = (code: string) => requests.filter((request) => code.includes(request));
    expect(heldBy(projector())).toEqual([]);
    expect(heldBy(projector('sns', 'sns', 'kinesis'))).toEqual(['PublishBatch', 'PutRecords']);
    expect(heldBy(projector('sqs', 'eventbridge', 'appsync'))).toEqual([
      'PutEvents',
      'SendMessageBatch',
      'channels of',
    ]);
  });

  it('is that of a file beside the pipeline, where its author has written one', () => {
    const { folder } = writeEntry(join(scratch, 'own'), 'own', '', {
      'projector.ts': `export const handler = async () => 'a projector of the author';`,
    });
    const bundles = new Bundles(entryOf(folder), ['projector', 'sweeper']);
    const codeOf = (role: 'projector' | 'sweeper') =>
      readFileSync(bundles.write(role, join(scratch, 'own', role)).path, 'utf8');
    expect(codeOf('projector')).toContain('a projector of the author');
    expect(codeOf('sweeper')).not.toContain('a projector of the author');
    expect(entryOf(folder)).toMatchObject({ projector: join(folder, 'projector.ts') });
    expect(entryOf('functions/flights').projector).toBeUndefined();
  });

  it('sweeps the pipeline that it was given', () => {
    const { pipeline } = writeEntry(join(scratch, 'quakes'), 'quakes');
    const { path } = bundle({ role: 'sweeper', pipeline, to: join(scratch, 'quakes-sweep') });
    const code = readFileSync(path, 'utf8');
    expect(code).toContain('"quakes"');
    expect(code).not.toContain('"flights"');
  });

  it('imports nothing but modules of Node', () => {
    const { path, bytes } = bundle({ role: 'sweeper', pipeline: FLIGHTS, to: join(scratch, 'imports') });
    const code = readFileSync(path, 'utf8');
    expect(bytes).toBe(Buffer.byteLength(code));
    expect(code).not.toMatch(/from ?"@/);
  });

  it('of a folder without its files is refused', () => {
    expect(() =>
      bundle({ role: 'sweeper', pipeline: join(scratch, 'none/pipeline.ts'), to: scratch }),
    ).toThrow(/^Cannot bundle ".*none\/pipeline\.ts" as it must exist: there is no such file$/);
  });
});

describe('a bundle is loaded as Lambda would', () => {
  it('with a CommonJS package that requires a module of Node', () => {
    const { path } = bundled(`import legacy from './legacy.cjs'; legacy.clean('text');`, {
      'legacy.cjs': `const { Buffer } = require('buffer');
        exports.clean = (text) => Buffer.from(text, 'latin1').toString();`,
    });
    checkLoading(path, environmentOf('other'));
  });

  it('with a CommonJS package that asks where it is', () => {
    load(`import legacy from './legacy.cjs'; legacy.here();`, {
      'legacy.cjs': `const { join } = require('node:path');
        exports.here = () => [join(__dirname, 'data'), __filename.length, require.resolve('node:fs')];`,
    });
  });

  it('with a CommonJS package that calls another, which is an ES module as well', () => {
    const { path } = bundled(`import legacy from './legacy.cjs'; legacy.clean('text');`, {
      'legacy.cjs': `const dual = require('dual'); exports.clean = (text) => dual(text);`,
      'node_modules/dual/package.json': '{ "name": "dual", "main": "main.js", "module": "module.mjs" }',
      'node_modules/dual/main.js': 'module.exports = (text) => text.trim();',
      'node_modules/dual/module.mjs': 'export default (text) => text.trim();',
    });
    checkLoading(path, environmentOf('other'));
  });

  it('with syntax that the Node of this machine need not know', () => {
    load(`{ using one = { [Symbol.dispose ?? Symbol.for('dispose')]() {} }; }`);
  });

  it('with a connection that is begun and not waited for', () => {
    load(`import { connect } from 'node:net'; connect(9, '127.0.0.1');`);
  });
});

describe('a bundle that would not load in Lambda is refused', () => {
  it('with the import that is not in it, and the file that asks for it', () => {
    // It is found beside the entry, as it would be beside the code on the author's machine, and not in Lambda.
    const files = {
      'node_modules/plugin/package.json': '{ "name": "plugin", "main": "main.js" }',
      'node_modules/plugin/main.js': '',
      'node_modules/legacy/package.json': '{ "name": "legacy", "main": "main.js" }',
      'node_modules/legacy/main.js': `const name = ['plug', 'in'].join('');\nrequire(name);`,
    };
    expect(() => load(`import 'legacy';`, files)).toThrow(
      /^Cannot use the bundle of a function as it must load in Lambda: Error: Cannot find module 'plugin', at \S+\/node_modules\/legacy\/main\.js:2:1\b/,
    );
  });

  it('with the variable that its function lacks', () => {
    const { path } = bundle({ role: 'sweeper', pipeline: FLIGHTS, to: join(scratch, 'variable') });
    const { [ENVIRONMENT.stateTable]: _, ...environment } = environmentOf('flights');
    expect(() => checkLoading(path, environment)).toThrow(
      /must load in Lambda: .*MILLRACE_STATE_TABLE must be set, .*: it is not set, at \/\S+\/src\/lambda\.ts:\d+:\d+/,
    );
  });

  it.each([
    ['throw new Error(process.env.HOME ?? "no home")', 'Error: no home, at'],
    ['throw "text"', 'it throws what is no error'],
    ['process.exit(3)', 'it ends the process, with exit code 3'],
    ['process.exit(0)', 'it ends the process, with exit code 0'],
    ['await new Promise(() => {})', 'it waits for what never comes'],
    ['await fetch("http://127.0.0.1:8099/")', 'it waits for 127.0.0.1:8099, and is loaded without a network'],
  ])('which says so of %s', (prelude, reason) => {
    expect(() => load(`${prelude};`)).toThrow(
      `Cannot use the bundle of a function as it must load in Lambda: ${reason}`,
    );
  });

  it('with the function that it does not export', () => {
    const { path } = bundle({
      role: 'handler',
      handler: FLIGHTS,
      pipeline: FLIGHTS,
      to: join(scratch, 'no-handler'),
    });
    expect(() => checkLoading(path, {})).toThrow(
      'must load in Lambda: it must export a function "handler", and exports flights',
    );
  });

  it('by the stack', () => {
    const { folder } = writeEntry(join(scratch, 'refused'), 'flights', `import 'legacy';`, {
      'node_modules/legacy/package.json': '{ "name": "legacy", "main": "main.js" }',
      'node_modules/legacy/main.js': `require(['plug', 'in'].join(''));`,
    });
    expect(
      () => new PipelineStack(new App(), 'Flights', { pipeline: flights, alarms: 'none', entry: folder }),
    ).toThrow(
      /Handler.*Cannot use the bundle of a function as it must load in Lambda: Error: Cannot find module 'plugin'/,
    );
  });
});

describe('what a bundle throws', () => {
  it('is told by the lines of its sources, without a copy of them', () => {
    const { path } = bundled(`export const fail = () => {\n  throw new RangeError('no');\n};\nfail();`);
    const { sourcesContent } = JSON.parse(readFileSync(`${path}.map`, 'utf8'));
    expect(sourcesContent ?? []).toEqual([]);
    const { stderr } = spawnSync(
      process.execPath,
      [
        '--enable-source-maps',
        '--input-type=module',
        '--eval',
        `import ${JSON.stringify(pathToFileURL(path))}`,
      ],
      { encoding: 'utf8' },
    );
    expect(stderr).toMatch(/RangeError: no\n\s+at .*pipeline\.ts:2:9/);
  });
});
