import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import {
  chmodSync,
  chownSync,
  lchownSync,
  linkSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { type AddressInfo, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { gzipSync } from 'node:zlib';
import { lockDirectory } from '../../src/local/servers/lock.ts';
import { HOST, type Ran, startHost } from './command.ts';
import type { Command, Ports, WrongUse } from './wrong-uses-list.ts';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));

/** What came of a wrong use. */
export interface Outcome extends Ran {
  /** What was made, altered or taken away in the folder, and in that for temporary files. */
  readonly left: readonly string[];
}

export interface Sandbox {
  use(command: Command, use: WrongUse): Promise<Outcome>;
  close(): Promise<void>;
}

/** The user to be where the tests run as root, to whom every file is open: undefined where that one cannot read this project. */
const NOBODY = 65_534;
const asNobody: { uid?: number; gid?: number } = process.getuid?.() === 0 ? { uid: NOBODY, gid: NOBODY } : {};

/** Whether files can be kept from the user that commands run as. */
export const HAS_PERMISSIONS =
  process.platform !== 'win32' &&
  spawnSync(process.execPath, ['-e', `require('node:fs').readFileSync(${JSON.stringify(HOST)})`], asNobody)
    .status === 0;

const user = HAS_PERMISSIONS ? asNobody : {};

const ENVIRONMENT = {
  PATH: process.env['PATH'],
  AWS_EC2_METADATA_DISABLED: 'true',
  AWS_CONFIG_FILE: '/dev/null',
  AWS_SHARED_CREDENTIALS_FILE: '/dev/null',
  AWS_SDK_JS_NODE_VERSION_SUPPORT_WARNING_DISABLED: 'true',
};

/** A folder with all that a use needs, and a process in it that runs commands, one after the other. */
export async function openSandbox(): Promise<Sandbox> {
  const folder = await mkdtemp(join(tmpdir(), 'millrace-'));
  fill(folder);
  const taken = createServer().listen(0, '127.0.0.1');
  await once(taken, 'listening');
  const silent = createServer().listen(0, '127.0.0.1');
  await once(silent, 'listening');
  const ports: Ports = {
    taken: (taken.address() as AddressInfo).port,
    silent: (silent.address() as AddressInfo).port,
  };
  silent.close();
  const unlock = await lockDirectory(join(folder, 'busy'));
  mkdirSync(join(folder, 'busy/dynamodb'));
  giveAll(folder);
  const host = await startHost({
    cwd: folder,
    env: { ...ENVIRONMENT, HOME: folder, TMPDIR: join(folder, 'tmp') },
    ...user,
  });
  const anonymous = (text: string): string =>
    text
      .replaceAll(`${folder}/`, '')
      .replaceAll(ROOT, '')
      .replaceAll(String(ports.taken), '4567')
      .replaceAll(String(ports.silent), '4567');
  const sandbox: Sandbox = {
    async use(command, { args, env }) {
      const before = snapshot(folder);
      const { stdout, stderr, code } = await host.run(args(command, ports), env?.(ports));
      const left = differences(before, snapshot(folder));
      return { stdout: anonymous(stdout), stderr: anonymous(stderr), code, left };
    },
    async close() {
      host.close();
      taken.close();
      await unlock();
      await rm(folder, { recursive: true });
    },
  };
  for (const [pipeline, input, data] of [
    ['meters.ts', 'readings.ndjson', 'kept'],
    ['newer.ts', 'readings.ndjson', 'newer'],
    ['no-table.ts', 'readings.ndjson', 'no-table'],
  ] as const) {
    const args = ['run', pipeline, '--input', input, '--output', '-', '--data', data];
    const { code, stderr } = await host.run(args);
    if (code !== 0) throw new Error(stderr);
  }
  return sandbox;
}

const METERS = `
interface Reading { meter: string; at: string; watts: number }
export default definePipeline('meters', kinesis<Reading>(), {
  filter: (reading) => reading.meter !== 'test',
  key: (reading) => reading.meter,
  eventTime: (reading) => reading.at,
  windows: { minute: tumbling({ size: '1m' }, { n: count(), watts: mean('watts') }) },
}).to(table(), bucket());
`;

function fill(folder: string): void {
  const file = (name: string, text: string | Uint8Array) => writeFileSync(join(folder, name), text);
  const pipeline = (name: string, text: string) =>
    file(
      name,
      `import { bucket, count, definePipeline, kafka, kinesis, mean, rolling, sqs, table, tumbling } from ${JSON.stringify(join(ROOT, 'src/index.ts'))};\n${text}`,
    );
  for (const name of ['empty', 'tmp', 'photos', 'alone', 'closed'])
    mkdirSync(join(folder, name), { recursive: true });

  pipeline('meters.ts', METERS);
  pipeline('others.ts', METERS.replace("'meters'", "'others'"));
  pipeline('newer.ts', METERS.replace('windows:', 'version: 2,\n  windows:'));
  pipeline('no-bucket.ts', METERS.replace('table(), bucket()', 'table()'));
  pipeline('no-table.ts', METERS.replace('table(), bucket()', 'bucket()'));
  pipeline('queue.ts', METERS.replace('kinesis<Reading>()', 'sqs<Reading>()'));
  pipeline('fifo.ts', METERS.replace('kinesis<Reading>()', 'sqs<Reading>({ fifo: true })'));
  pipeline('topic.ts', METERS.replace('kinesis<Reading>()', "kafka<Reading>({ topic: 'meters' })"));
  pipeline('rolling.ts', METERS.replace("tumbling({ size: '1m' },", 'rolling({ count: 9 },'));
  pipeline('misspelt.ts', METERS.replace('filter:', 'filtre:'));
  pipeline('no-length.ts', METERS.replace("'1m'", "'0s'"));
  pipeline('throws.ts', `${METERS}\nnoSuchFunction();\n`);
  pipeline('throws-text.ts', `throw 'not today';\n${METERS}`);
  pipeline('syntax.ts', METERS.replace('windows: {', 'windows: {{'));
  pipeline('imports.ts', `import 'no-such-package';\n${METERS}`);
  pipeline('exports-none.ts', METERS.replace('export default', 'export const pipeline = () =>'));
  pipeline(
    'exports-two.ts',
    `${METERS.replace('export default', 'export const one =')}\nexport const two = { ...one };\n`,
  );
  pipeline('secret.ts', METERS);
  pipeline('alone/pipeline.ts', METERS);
  pipeline('closed/pipeline.ts', METERS);
  file('alone/pipeline.lock.json', '{}\n');
  file('nothing.ts', '');
  file('notes.md', '# Notes\n');
  file('photos/one.jpg', Buffer.from('ffd8ffe000104a464946000a0101', 'hex'));

  const reading = (second: number, more: object = {}) =>
    `${JSON.stringify({ meter: 'a', at: `2026-01-01T00:00:0${second}Z`, watts: second, ...more })}\n`;
  file('panes.ndjson', 'of an earlier run\n');
  file('readings.ndjson', reading(1) + reading(2));
  linkSync(join(folder, 'readings.ndjson'), join(folder, 'also-readings.ndjson'));
  symlinkSync('readings.ndjson', join(folder, 'link-to-readings.ndjson'));
  file('nothing.ndjson', '');
  file('others.ndjson', reading(3) + reading(4));
  file('poison.ndjson', '{"meter":"a","at":\n');
  file('some-poison.ndjson', `${reading(1)}{"meter":"a","at":\n`);
  file('filtered.ndjson', reading(1, { meter: 'test' }));
  file('secret.ndjson', reading(1));
  file('cut.json', '[{"meter":"a"');
  file('utf-16.ndjson', Buffer.from(`\uFEFF${reading(1)}`, 'utf16le'));
  file('json.csv', reading(1) + reading(2));
  file('plain.ndjson.gz', reading(1));
  file('cut.ndjson.gz', gzipSync(reading(1)).subarray(0, -9));
  file('readings.ndjson.gz', gzipSync(reading(1) + reading(2)));
  file('bom.ndjson', `\uFEFF${reading(1)}`);
  file('windows.ndjson', `${reading(1)}  \n${reading(2)}\n`.replaceAll('\n', '\r\n'));
  file('readings.tsv', 'meter\tat\twatts\na\t2026-01-01T00:00:01Z\t1\n');
  file('endless.ndjson', 'x'.repeat(2_000_000));

  const kinesis = (data: string | undefined) => ({
    Records: [
      {
        eventID: 'shardId-000000000000:1',
        eventSourceARN: 'arn:aws:kinesis:us-east-1:000000000000:stream/meters',
        kinesis: {
          sequenceNumber: '1',
          partitionKey: 'a',
          approximateArrivalTimestamp: 1_767_225_601,
          data,
        },
      },
    ],
  });
  const event = (name: string, value: unknown) => file(name, `${JSON.stringify(value)}\n`);
  event('event.json', kinesis(Buffer.from(reading(1)).toString('base64')));
  event('no-data.json', kinesis(undefined));
  event('null.json', null);
  event('no-records.json', { records: [] });
  event('timer.json', { source: 'aws.events', 'detail-type': 'Scheduled Event' });
  event('queue-event.json', { Records: [{ messageId: '1', body: '{}', eventSource: 'aws:sqs' }] });

  for (const name of ['secret.ts', 'secret.ndjson']) chmodSync(join(folder, name), 0);
  chmodSync(join(folder, 'closed'), 0o555);
}

/** Gives everything to the user that commands run as. */
function giveAll(folder: string): void {
  const { uid, gid } = user;
  if (uid === undefined || gid === undefined) return;
  chownSync(folder, uid, gid);
  for (const path of readdirSync(folder, { recursive: true, encoding: 'utf8' }))
    lchownSync(join(folder, path), uid, gid);
}

/** Every file with a digest; what servers keep is theirs, and counts as one. */
function snapshot(folder: string): ReadonlyMap<string, string> {
  const found = new Map<string, string>();
  const look = (directory: string): void => {
    for (const entry of readdirSync(join(folder, directory), { withFileTypes: true })) {
      const path = join(directory, entry.name);
      if (path === '.npm' || path.startsWith('tmp/tsx-') || path === 'tmp/node-compile-cache') continue;
      if (!entry.isDirectory()) found.set(path, digestOf(join(folder, path)));
      else if (readdirSync(join(folder, path)).includes('lock')) found.set(path, 'data');
      else {
        found.set(path, 'directory');
        look(path);
      }
    }
  };
  look('');
  return found;
}

const digestOf = (path: string): string => createHash('md5').update(readFileSync(path)).digest('hex');

function differences(before: ReadonlyMap<string, string>, after: ReadonlyMap<string, string>): string[] {
  const paths = new Set([...before.keys(), ...after.keys()]);
  return [...paths].filter((path) => before.get(path) !== after.get(path));
}
