import { readdirSync, readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { cyclesOf, importsOf, LINES, violationsOf } from './imports.ts';
import { doubledNames } from './names.ts';

const ROOT = new URL('../', import.meta.url);

const sources = new Map(
  ['src', 'lib', 'functions', 'bin', 'web']
    .flatMap((folder) =>
      readdirSync(new URL(folder, ROOT), { recursive: true, encoding: 'utf8' }).map(
        (name) => `${folder}/${name}`,
      ),
    )
    .filter((path) => /\.[cm]?[jt]sx?$/.test(path))
    .map((path) => [path, readFileSync(new URL(path, ROOT), 'utf8')]),
);

describe('the source', () => {
  it('imports nothing that the table does not allow', () => {
    expect(violationsOf(sources)).toEqual([]);
  });

  it('has no files that import each other in a ring', () => {
    expect(cyclesOf(sources)).toEqual([]);
  });

  it('is all read: every line of the table has files', () => {
    expect(LINES.filter((line) => ![...sources.keys()].some((path) => path.startsWith(line)))).toEqual([]);
  });
});

describe('a name that is exported', () => {
  // What `init` writes are apps of others.
  const own = new Map([...sources].filter(([path]) => /^src\/(?!init\/templates\/)/.test(path)));

  it('has one meaning', () => {
    expect(doubledNames(own)).toEqual([]);
  });

  it.each([
    'export function groupOf(key: string): number {\n  return 0;\n}',
    'export async function* groupOf() {}',
    'export const groupOf = () => 0;',
    'export class groupOf {}',
    'export type groupOf = string;',
    'export interface groupOf {\n  readonly name: string;\n}',
  ])('is seen where another file defines it: %s', (text) => {
    expect(doubledNames(new Map([...own, ['src/simulation/planted.ts', text]]))).toEqual([
      'groupOf is defined in src/engine/group/key-group.ts and in src/simulation/planted.ts',
    ]);
  });

  it('is one in several files only where these are alike: as the adapters of sources are', () => {
    const planted = 'export const recordsOf = () => [];';
    expect(doubledNames(new Map([...own, ['src/adapters/planted.ts', planted]]))).toEqual([]);
    expect(doubledNames(new Map([...own, ['src/local/a.ts', planted], ['src/core/b.ts', planted]]))).toEqual([
      'recordsOf is defined in src/local/a.ts and in src/core/b.ts',
    ]);
  });
});

describe('a client of a service', () => {
  // One that is made elsewhere would wait for an answer for ever.
  const made = /\bnew (?:\w*Client|NodeHttp2?Handler)\(/;

  it('is made in one place', () => {
    const makers = [...sources].filter(([, text]) => made.test(text)).map(([path]) => path);
    expect(makers).toEqual(['src/adapters/aws/client.ts']);
  });

  it.each(['new S3Client({})', 'new NodeHttp2Handler()'])('is seen where it is made: %s', (text) => {
    expect(made.test(`const client = ${text};`)).toBe(true);
  });
});

describe('a planted violation is seen', () => {
  it.each([
    ['src/core/key.ts', '../pipeline/pipeline.ts'],
    ['src/core/codec.ts', 'node:buffer'],
    ['src/core/windows/sliding.ts', '../../ports/clock.ts'],
    ['src/core/time.ts', 'date-fns'],
    ['src/pipeline/pipeline.ts', '../engine/intake/decode.ts'],
    ['src/pipeline/sinks.ts', '../wiring/names.ts'],
    ['src/pipeline/sources/any-source.ts', '@standard-schema/utils'],
    ['src/pipeline/sources/any-source.ts', 'zod'],
    ['src/ports/stores.ts', '../engine/delivery/written-pane.ts'],
    ['src/ports/stores.ts', '../adapters/s3/objects.ts'],
    ['src/ports/clock.ts', 'node:timers'],
    ['src/engine/intake/sweep.ts', '../adapters/kinesis/arrivals.ts'],
    ['src/engine/intake/sweep.ts', '../handlers.ts'],
    ['src/engine/format/entry.ts', 'node:fs'],
    ['src/engine/format/entry.ts', '@aws-sdk/client-dynamodb'],
    ['src/engine/group/group.ts', '../format/entry.ts'],
    ['src/engine/format/entry.ts', '../log/spill.ts'],
    ['src/engine/log/group-log.ts', '../intake/fold.ts'],
    ['src/engine/log/group-log.ts', '../delivery/stretch.ts'],
    ['src/engine/intake/fold.ts', '../delivery/stretch.ts'],
    ['src/engine/intake/fold.ts', '../inspect/audit.ts'],
    ['src/engine/delivery/stretch.ts', '../intake/fold.ts'],
    ['src/engine/delivery/read-objects.ts', '../intake/fold.ts'],
    ['src/engine/delivery/parquet.ts', '../log/spill.ts'],
    ['src/engine/inspect/audit.ts', '../../handlers.ts'],
    ['src/adapters/kinesis/records.ts', '../../engine/intake/decode.ts'],
    ['src/adapters/kinesis/records.ts', '../dynamodb/progress.ts'],
    ['src/adapters/kinesis/records.ts', '@aws-sdk/client-dynamodb'],
    ['src/adapters/dynamodb/rows.ts', '@aws-sdk/client-s3'],
    ['src/adapters/s3/objects.ts', '../../handlers.ts'],
    ['src/adapters/powertools/telemetry.ts', '@aws-sdk/client-s3'],
    ['src/adapters/memory/rows.ts', '@aws-sdk/client-dynamodb'],
    ['src/simulation/stage.ts', 'node:timers'],
    ['src/simulation/simulation.ts', '../local/replay.ts'],
    ['src/simulation/source.ts', '../adapters/dynamodb/rows.ts'],
    ['src/simulation/shrink.ts', 'fast-check'],
    ['src/producer/producer.ts', '@smithy/node-http-handler'],
    ['src/producer/kinesis.ts', '../adapters/kinesis/arrivals.ts'],
    ['src/wiring/names.ts', '../core/time.ts'],
    ['src/wiring/names.ts', 'node:path'],
    ['src/index.ts', './lambda.ts'],
    ['src/index.ts', './engine/intake/decode.ts'],
    ['src/index.ts', 'zod'],
    ['src/lambda.ts', '../lib/pipeline-stack.ts'],
    ['src/commands/run.ts', '../../functions/flights/pipeline.ts'],
    ['src/local/runtime.ts', '../commands/tally.ts'],
    ['src/local/runtime.ts', '../../test/any.ts'],
    ['src/handlers.ts', '../bin/app.ts'],
    ['lib/pipeline-stack.ts', '../src/lambda.ts'],
    ['lib/constructs/tables.ts', '../../src/engine/format/entry.ts'],
    ['lib/pipeline-stack.ts', '../functions/flights/pipeline.ts'],
    ['lib/pipeline-stack.ts', '@aws-sdk/client-s3'],
    ['functions/flights/pipeline.ts', '../../src/core/time.ts'],
    ['functions/flights/pipeline.ts', 'millrace/lambda'],
    ['functions/flights/pipeline.ts', '../../lib/pipeline-stack.ts'],
    ['functions/flights/pipeline.ts', 'node:fs'],
    ['bin/app.ts', '../src/engine/intake/sweep.ts'],
    ['bin/millrace.ts', '../src/lambda.ts'],
    ['bin/millrace.ts', 'millrace/lambda'],
    ['src/local/runtime.ts', 'millrace/lambda'],
    ['src/local/servers/lock.ts', '../clock.ts'],
    ['src/engine/intake/fold.ts', '#local'],
    ['bin/millrace.ts', '../test/any.ts'],
  ])('%s imports %s', (path, specifier) => {
    const planted = `${sources.get(path) ?? ''}\nimport { planted } from '${specifier}';\n`;
    expect(violationsOf(new Map([[path, planted]]))).toEqual([
      expect.stringMatching(`^${path} imports .*, but .* may not$`),
    ]);
  });

  it('in every folder that the table has a line for, where a file imports the tests', () => {
    for (const line of LINES) {
      const path = line.endsWith('/') ? `${line}planted.ts` : line;
      expect(violationsOf(new Map([[path, `import '/anywhere/test/any.ts';`]]))).toHaveLength(1);
    }
  });

  it.each([
    'src/planted.ts',
    'src/utils/planted.ts',
    'src/adapters/nats/planted.ts',
    'src/indexed/planted.ts',
  ])('in a file that has no place: %s', (path) => {
    expect(violationsOf(new Map([[path, '']]))).toEqual([`${path} has no place in the table of imports`]);
  });

  it('in a computed import, where the table does not say that there is one', () => {
    const planted = 'export const load = (name: string) => import(name);';
    expect(violationsOf(new Map([['src/engine/planted.ts', planted]]))).toHaveLength(1);
    expect(violationsOf(new Map([['src/commands/run.ts', planted]]))).toEqual([]);
  });

  it('in a ring of files', () => {
    const ring = new Map([
      ['src/core/a.ts', `import type { B } from './b.ts';`],
      ['src/core/b.ts', `export * from './windows/c.ts';`],
      ['src/core/windows/c.ts', `import '../a.ts';`],
      ['src/core/d.ts', `import './a.ts';\nimport './b.ts';`],
    ]);
    expect(cyclesOf(ring)).toEqual([
      'src/core/a.ts -> src/core/b.ts -> src/core/windows/c.ts -> src/core/a.ts',
    ]);
    expect(cyclesOf(new Map([['src/core/a.ts', `import './a.ts';`]]))).toEqual([
      'src/core/a.ts -> src/core/a.ts',
    ]);
    ring.delete('src/core/b.ts');
    expect(cyclesOf(ring)).toEqual([]);
  });
});

describe('an import', () => {
  it.each([
    `import x from 'found';`,
    `import 'found';`,
    `import * as x from "found";`,
    `import type { X } from 'found';`,
    `import { type X, x } from 'found'`,
    `import {\n  x,\n  type Y,\n} from 'found';`,
    `import x, { y } from 'found';`,
    `export * from 'found';`,
    `export { x } from 'found';`,
    `export type { X } from 'found';`,
    `const x = await import('found');`,
    `const x = await import(\n  "found",\n);`,
    'const x = await import(`found`);',
    `type X = import('found').X;`,
    `import x from 'found'; // import y from 'commented';`,
    `/* import y from 'commented'; */ import x from 'found';`,
    `/*\nimport y from 'commented';\n*/\nimport x from 'found';`,
    `const url = 'https://example.com';\nimport x from 'found';`,
    `import json from 'found' with { type: 'json' };`,
  ])('is found in %j', (text) => {
    expect(importsOf(text)).toEqual(['found']);
  });

  it.each([
    `// import x from 'commented';`,
    `/** import x from 'commented'; */`,
    `const text = "import x from 'quoted';";`,
    `export const from = 'nowhere';`,
    `export function from() {\n  return 'nowhere';\n}`,
    `const here = import.meta.url;`,
    `const list = Array.from('letters');`,
  ])('is not seen in %j', (text) => {
    expect(importsOf(text)).toEqual([]);
  });
});
