import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const READING = '{"meter":"a","at":"2026-01-01T00:00:01Z","watts":1}\n';

let folder: string;
const at = (name: string): string => join(folder, name);
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'millrace-'));
  mkdirSync(at('tmp'));
  writeFileSync(at('readings.ndjson'), READING);
  writeFileSync(at('panes.ndjson'), 'earlier\n');
  definition('meters.ts');
});
afterAll(() => rmSync(folder, { recursive: true }));

function definition(name: string, { first = '', key = 'reading.meter' } = {}): void {
  writeFileSync(
    at(name),
    `import { bucket, count, definePipeline, kinesis, tumbling } from ${JSON.stringify(join(ROOT, 'src/index.ts'))};
${first}
export default definePipeline('meters', kinesis<{ meter: string; at: string }>(), {
  key: (reading) => ${key},
  eventTime: (reading) => reading.at,
  windows: { minute: tumbling({ size: '1m' }, { n: count() }) },
}).to(bucket());
`,
  );
}

/** Begins a command in the folder. */
function begin(
  args: readonly string[],
  { env = {}, cwd = folder }: { env?: NodeJS.ProcessEnv; cwd?: string } = {},
) {
  const tsx = import.meta.resolve('tsx');
  const child = spawn(process.execPath, ['--import', tsx, join(ROOT, 'bin/millrace.ts'), ...args], {
    cwd,
    env: { ...process.env, TMPDIR: at('tmp'), ...env },
  });
  const said = { stdout: '', stderr: '' };
  for (const name of ['stdout', 'stderr'] as const)
    child[name].setEncoding('utf8').on('data', (chunk: string) => {
      said[name] += chunk;
      child.emit('said');
    });
  const ended = once(child, 'close').then(([code]) => ({ ...said, code }));
  /** What it wrote by the time that it wrote this. */
  const until = async (name: keyof typeof said, what: string): Promise<string> => {
    while (!said[name].includes(what)) await once(child, 'said');
    return said[name];
  };
  return { child, ended, until };
}

const RUN = ['run', 'meters.ts', '-i', 'readings.ndjson', '-o', '-'];

const left = (): string[] =>
  readdirSync(folder, { recursive: true, encoding: 'utf8' })
    .filter((path) => !/^tmp\/(tsx|node)/.test(path))
    .sort();

describe('a local run', () => {
  it('reaches its servers whatever the environment of AWS says', async () => {
    writeFileSync(
      at('config'),
      '[default]\nuse_fips_endpoint = true\nuse_dualstack_endpoint = true\nendpoint_url = http://127.0.0.1:9\nregion = eu-west-1\ndefaults_mode = no-such\nretry_mode = no-such\n',
    );
    const { stderr, code } = await begin(RUN, {
      env: {
        AWS_CONFIG_FILE: at('config'),
        AWS_PROFILE: 'default',
        AWS_USE_FIPS_ENDPOINT: 'true',
        AWS_USE_DUALSTACK_ENDPOINT: 'true',
        AWS_ENDPOINT_URL: 'http://127.0.0.1:9',
        AWS_ENDPOINT_URL_S3: 'http://127.0.0.1:9',
        AWS_ACCOUNT_ID_ENDPOINT_MODE: 'required',
        AWS_AUTH_SCHEME_PREFERENCE: 'sigv4a',
        AWS_DEFAULTS_MODE: 'no-such',
        AWS_REQUEST_CHECKSUM_CALCULATION: 'when_required',
        HTTP_PROXY: 'http://127.0.0.1:9',
        NODE_USE_ENV_PROXY: '1',
      },
    }).ended;
    expect({ stderr: stderr.split('\n')[0], code }).toEqual({
      stderr: expect.stringContaining('1 applied'),
      code: 0,
    });
  });

  it('loads a definition that waits at its top, as an ES module', async () => {
    definition('awaiting.ts', { first: 'await Promise.resolve();' });
    writeFileSync(at('package.json'), '{ "type": "commonjs" }\n');
    const { stderr, code } = await begin(['run', 'awaiting.ts', ...RUN.slice(2)]).ended;
    rmSync(at('package.json'));
    expect({ stderr, code }).toEqual({ stderr: expect.stringContaining('1 applied'), code: 0 });
  });

  it('loads what a bundler does: names without an extension, or with that of JavaScript, enums, and types as imports', async () => {
    writeFileSync(
      at('units.ts'),
      'export interface Unit { name: string }\nexport enum Field { Meter = "meter" }\n',
    );
    mkdirSync(at('shared'), { recursive: true });
    writeFileSync(at('shared/index.ts'), "export { type Unit, Field } from '../units';\n");
    const first = `import { Unit, Field } from './units.js';
      import { Field as Shared } from './shared';
      const unit: Unit = { name: Field.Meter };
      if (unit.name !== Shared.Meter) throw new Error('they differ');`;
    definition('bundled.ts', { first });
    const { stderr, code } = await begin(['run', 'bundled.ts', ...RUN.slice(2)]).ended;
    expect({ stderr, code }).toEqual({ stderr: expect.stringContaining('1 applied'), code: 0 });
  });

  it('says so where a definition waits for ever', async () => {
    definition('waiting.ts', { first: 'await new Promise(() => {});' });
    expect(await begin(['run', 'waiting.ts', ...RUN.slice(2)]).ended).toEqual({
      stdout: '',
      stderr: 'Cannot run: nothing is left that could go on\n',
      code: 1,
    });
    expect(await begin(['audit', 'waiting.ts']).ended).toMatchObject({ code: 2 });
  });

  it('ends in one line where a definition fails beside its records', async () => {
    definition('failing.ts', { first: "setImmediate(() => Promise.reject(new Error('too\\nlate')));" });
    const { stdout, stderr, code } = await begin(['run', 'failing.ts', '-i', '-', '-o', 'panes.ndjson'])
      .ended;
    expect({ stdout, stderr, code }).toEqual({ stdout: '', stderr: 'Cannot run: too late\n', code: 1 });
  });
});

describe('several pipelines', () => {
  it('run side by side, each on its input, with its name before each line', async () => {
    writeFileSync(at('gauges.ts'), readFileSync(at('meters.ts'), 'utf8').replace("'meters'", "'gauges'"));
    writeFileSync(at('two.ndjson'), READING + READING);
    const inputs = ['--input', 'readings.ndjson', '--input', 'two.ndjson'];
    const { stdout, code } = await begin(['start', 'meters.ts', 'gauges.ts', ...inputs]).ended;
    expect(stdout).toMatch(/^meters \| 1 records read, 1 applied/m);
    expect(stdout).toMatch(/^gauges \| 2 records read, 2 applied/m);
    expect(code).toBe(0);
  });

  it.each([
    [['meters.ts', 'meters.ts'], 'must have a name of its own: two are named "meters"'],
    [
      ['meters.ts', 'gauges.ts', '--input', 'two.ndjson', '--input', 'two.ndjson', '--input', 'two.ndjson'],
      'on 3 inputs',
    ],
    [['meters.ts', '--pipeline', 'gauges.ts'], 'named in two ways'],
  ])('are refused, in one line: %j', async (args, why) => {
    const { stderr, code } = await begin(['start', ...args, '--keep']).ended;
    expect(stderr).toMatch(new RegExp(`^Cannot start .*${why}.*\n$`));
    expect(code).toBe(1);
  });
});

describe('Ctrl-C', () => {
  it('ends a run that waits for a line, and leaves earlier results alone', async () => {
    definition('telling.ts', { key: "(process.stderr.write('begun\\n'), reading.meter)" });
    const before = left();
    const { child, ended, until } = begin(['run', 'telling.ts', '-i', '-', '-o', 'panes.ndjson']);
    child.stdin.write(READING);
    await until('stderr', 'begun');
    child.kill('SIGINT');
    const { stderr, code } = await ended;
    expect({ stderr: stderr.replaceAll('begun\n', ''), code }).toEqual({
      stderr: 'Interrupted\n',
      code: 130,
    });
    expect(readFileSync(at('panes.ndjson'), 'utf8')).toBe('earlier\n');
    expect(left()).toEqual(before);
  });

  it.each(['start', 'invoke', 'audit'])('ends %s, and leaves nothing', async (command) => {
    definition('slow.ts', {
      first: "process.stderr.write('begun\\n'); await new Promise((done) => setTimeout(done, 1e6));",
    });
    const before = left();
    const { child, ended, until } = begin(
      command === 'start'
        ? ['start', '-p', 'slow.ts', '--keep']
        : [command, 'slow.ts', 'event.json'].slice(0, command === 'audit' ? 2 : 3),
    );
    await until('stderr', 'begun');
    child.kill('SIGINT');
    expect(await ended).toMatchObject({ stdout: '', code: 130 });
    expect(left()).toEqual(before);
  });
});

describe('where one stands', () => {
  it('is where npm was started, in a folder below', async () => {
    const env = {
      INIT_CWD: folder,
      npm_lifecycle_event: 'millrace',
      npm_package_json: join(ROOT, 'package.json'),
    };
    const { stdout, code } = await begin(RUN, { cwd: ROOT, env }).ended;
    expect(code).toBe(0);
    expect(JSON.parse(stdout)).toMatchObject({ key: 'a', results: { n: 1 } });
  });

  it('is the working directory for what npm started elsewhere, or for another', async () => {
    const others = [
      { env: { npm_lifecycle_event: 'test', npm_package_json: join(ROOT, 'package.json') }, cwd: ROOT },
      { env: { npm_lifecycle_event: 'start', npm_package_json: at('package.json') }, cwd: ROOT },
      { env: { npm_lifecycle_event: 'start', npm_package_json: join(ROOT, 'package.json') }, cwd: at('tmp') },
    ];
    const codes = await Promise.all(
      others.map(({ env, cwd }) => begin(RUN, { cwd, env: { INIT_CWD: folder, ...env } }).ended),
    );
    expect(codes.map(({ stderr }) => stderr)).toEqual(
      others.map(() => expect.stringMatching(/^Cannot find the pipeline "meters.ts"/)),
    );
  });
});

describe('start --keep', () => {
  it('begins empty, says where everything is, and its environment is enough for what looks at it', async () => {
    const { child, ended, until } = begin(['start', '-p', 'meters.ts', '--keep']);
    const said = await until('stdout', 'export MILLRACE_BUCKET=meters-results');
    const env = Object.fromEntries(
      [...said.matchAll(/^ +export (.*?)=(.*)$/gm)].map(([, name, value]) => [name, value]),
    );
    expect(said).toMatch(
      /Kinesis +http:.* stream meters\n.*DynamoDB +http:.*\n.*S3 +http:.* bucket meters-results/,
    );
    const put = `
      import { KinesisClient, PutRecordCommand } from '@aws-sdk/client-kinesis';
      const record = { StreamName: 'meters', PartitionKey: 'a', Data: Buffer.from(${JSON.stringify(READING)}) };
      const { SequenceNumber } = await new KinesisClient().send(new PutRecordCommand(record));
      console.log(SequenceNumber);`;
    const client = spawn(process.execPath, ['--input-type=module', '-e', put], {
      cwd: ROOT,
      env: { PATH: process.env['PATH'], ...env },
    });
    expect(await text(client.stdout)).toMatch(/^\d+\n$/);
    const audited = await begin(['audit', 'meters.ts'], { env }).ended;
    expect(audited.stdout).toContain('Audit of "meters"');
    child.kill('SIGINT');
    expect(await ended).toMatchObject({ stderr: '', code: 0 });
  });
});
