import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { gzipSync } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { millrace as hosted } from './command.ts';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const MILLRACE = join(ROOT, 'bin/millrace.ts');

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'millrace-'));
});
afterAll(() => rm(folder, { recursive: true }));

/** Runs the command line to its end: in a process of its own where it is to read something from standard input. */
async function millrace(args: readonly string[], input?: string) {
  if (input === undefined) return hosted(...args);
  const child = spawn(process.execPath, ['--import', 'tsx', MILLRACE, ...args], { cwd: ROOT });
  child.stdin.end(input);
  const [stdout, stderr, [code]] = await Promise.all([
    text(child.stdout),
    text(child.stderr),
    once(child, 'exit'),
  ]);
  return { stdout, stderr, code };
}

/** A pipeline outside of the repository, that imports Millrace by its path. */
async function pipelineFile(name: string, source: string): Promise<string> {
  const path = join(folder, `${name}.ts`);
  const index = pathToFileURL(join(ROOT, 'src/index.ts')).href;
  await writeFile(
    path,
    `import * as millrace from '${index}';\nconst { count, definePipeline, kinesis, bucket, mean, tumbling } = millrace;\n${source}`,
  );
  return path;
}

const METERS = `
interface Reading { meter: string; at: string; watts: number }
export default definePipeline('meters', kinesis<Reading>(), {
  filter: (reading) => reading.meter !== 'test',
  key: (reading) => reading.meter,
  eventTime: (reading) => reading.at,
  windows: { minute: tumbling({ size: '1m' }, { n: count(), watts: mean('watts') }) },
}).to(bucket());`;

const reading = (second: number, more: object = {}) =>
  JSON.stringify({
    meter: 'a',
    at: `2026-01-01T00:00:${String(second).padStart(2, '0')}Z`,
    watts: second,
    ...more,
  });

describe('millrace run', () => {
  it('says which window refused records as late', { timeout: 60_000 }, async () => {
    const times = ['00:00:10', '00:01:10', '00:00:20', '00:00:30', '00:01:20'];
    const input = times.map((time) => reading(0, { at: `2026-01-01T${time}Z` })).join('\n');
    const twoWindows = METERS.replace('windows: {', 'windows: { last: millrace.rolling({ count: 1 }, {}),');
    const { stderr, code } = await millrace(
      ['run', await pipelineFile('late', twoWindows), '--input', '-', '--output', '-'],
      input,
    );
    expect(stderr).toContain('2 records were refused by window minute as late\n');
    expect(stderr).toContain('5 records read, 5 applied, 0 late for every window, 0 poison');
    expect(code).toBe(0);
  });

  it('counts what it cannot take in, loses nothing, and goes on with the rest', {
    timeout: 60_000,
  }, async () => {
    const input = [
      reading(0),
      '{"meter":"a","at":',
      reading(10, { firmware: '7.1' }),
      reading(20, { at: '2100-01-01T00:00:00Z' }),
      reading(30, { note: 'x'.repeat(2_000_000) }),
      reading(40, { watts: 'many' }),
      reading(50, { meter: 'test' }),
      reading(50),
    ].join('\n');
    const { stdout, stderr, code } = await millrace(
      ['run', await pipelineFile('meters', METERS), '--input', '-', '--output', '-'],
      input,
    );
    expect(stderr).toMatch(
      /^ {2}line 5: 2,000,\d+ bytes, where Kinesis takes 1,048,576 with the key: {"meter":"a".{68}…$/m,
    );
    expect(stderr).toContain('    line 2: {"meter":"a","at":\n');
    expect(stderr).toContain('    line 4: {"meter":"a","at":"2100-01-01T00:00:00Z"');
    expect(stderr).toContain(
      '  1 × poison, select: field "watts" is string, not a finite number\n    line 6: {"meter"',
    );
    expect(stderr).toContain(
      '8 records read, 3 applied, 0 late for every window, 3 poison, 1 filtered, 1 too large for Kinesis; 1 panes',
    );
    expect(
      stdout
        .trim()
        .split('\n')
        .map((line) => JSON.parse(line)),
    ).toEqual([
      {
        id: 'meters/a/minute/2026-01-01T00:00:00.000Z/0',
        pipeline: 'meters',
        key: 'a',
        window: 'minute',
        start: '2026-01-01T00:00:00.000Z',
        end: '2026-01-01T00:01:00.000Z',
        revision: 0,
        kind: 'final',
        results: { n: 3, watts: 20 },
        count: 3,
        watermark: '2026-01-01T00:01:00.000Z',
      },
    ]);
    expect(code).toBe(0);
  });

  it('reads CSV, and writes a file', { timeout: 60_000 }, async () => {
    const csv = join(folder, 'readings.csv');
    const output = join(folder, 'panes.ndjson');
    await writeFile(csv, 'meter,at,watts\na,2026-01-01T00:00:01Z,2\na,2026-01-01T00:00:02Z,4\n');
    const { code } = await millrace(['run', await pipelineFile('meters', METERS), '-i', csv, '-o', output]);
    expect(code).toBe(0);
    expect(JSON.parse(await readFile(output, 'utf8')).results).toEqual({ n: 2, watts: 3 });
  });

  it('goes on after a row that is refused, and says which it was and what is wrong', {
    timeout: 60_000,
  }, async () => {
    const csv = join(folder, 'rows.csv.gz');
    const rows = ['a;2026-01-01T00:00:01Z;2', 'a;2026-01-01T00:00:02Z', 'a;2026-01-01T00:00:03Z;4'];
    const pipeline = await pipelineFile('meters', METERS);
    await writeFile(csv, gzipSync(['meter;at;watts', ...rows].join('\r\n')));
    const { stdout, stderr } = await millrace(['run', pipeline, '-i', csv, '-o', '-']);
    expect(JSON.parse(stdout).results).toEqual({ n: 2, watts: 3 });
    expect(stderr).toContain(
      '  1 × poison, not-json: the row has 2 cells, and the header 3\n    line 3: a;2026-01-01T00:00:02Z\n',
    );
    const renamed = ['meter;at;Watts', ...rows].join('\n');
    await writeFile(csv, renamed);
    expect((await millrace(['run', pipeline, '-i', csv, '-o', '-'])).stderr).toContain(
      '  2 × poison, select: field "watts" is undefined, not a finite number; the record has no "watts": did you mean Watts?\n    line 2: {"meter":"a"',
    );
    const { stderr: wrong } = await millrace(['run', pipeline, '-i', csv, '-o', '-', '--separator', '::']);
    expect(wrong).toContain('It must be one ASCII character, and no quote');
  });

  it('says on which line a record was that a function refused only as it was folded', {
    timeout: 60_000,
  }, async () => {
    const input = join(folder, 'folded.ndjson');
    await writeFile(input, [reading(0), reading(10), reading(20, { watts: 9_000 })].join('\n'));
    const brittle = METERS.replace("mean('watts')", 'millrace.defineAggregate(fuse)').replace(
      'export',
      `const fuse = {
        name: 'fuse', select: 'watts', identity: 0, combine: (a: number, b: number) => a + b, lower: (sum: number) => sum,
        lift: (watts: number) => { if (watts > 1_000) throw new Error('blown at ' + watts); return watts; },
      };
      export`,
    );
    const { stderr } = await millrace(['run', await pipelineFile('fuse', brittle), '-i', input, '-o', '-']);
    expect(stderr).toContain('  1 × poison, fold: blown at 9000\n    line 3: {"meter":"a"');
  });

  it('takes an input without any record for a mistake', { timeout: 60_000 }, async () => {
    const { stdout, stderr, code } = await millrace(
      ['run', await pipelineFile('meters', METERS), '-i', '-', '-o', '-'],
      '',
    );
    expect({ stdout, code }).toEqual({ stdout: '', code: 1 });
    expect(stderr).toMatch(/^NO record was taken in: the input holds none.\n0 records read/);
  });

  it('says that it reads panes from the bucket, where there is none', { timeout: 60_000 }, async () => {
    const file = await pipelineFile('nowhere', METERS.replace('.to(bucket())', ''));
    const { stderr, code } = await millrace(['run', file, '-i', '-', '-o', '-'], '');
    expect(stderr).toBe(
      'Cannot run "meters" as its panes are read back from the bucket: add .to(bucket())\n',
    );
    expect(code).toBe(1);
  });
});

describe('millrace invoke', () => {
  it.each([
    ['kinesis-flights', '"applied":12'],
    ['kinesis-poison', '"poison":4'],
    ['kinesis-empty', ''],
  ])('calls the bundle on %s', { timeout: 60_000 }, async (event, metrics) => {
    const { stdout, code } = await millrace(['invoke', 'flights', `test/fixtures/events/${event}.json`]);
    expect(code).toBe(0);
    expect(stdout).toContain(metrics);
    expect(stdout.trimEnd().split('\n').at(-1)).toBe('{"batchItemFailures":[]}');
  });
});
