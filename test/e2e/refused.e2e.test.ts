import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { withKept } from '../../src/commands/kept.ts';
import { definitionIn } from '../../src/engine/log/definition-log.ts';
import { bucket as bucketSink, count, definePipeline, kinesis, tumbling } from '../../src/index.ts';
import { failureRecordOf } from '../../src/local/mapping/stream.ts';
import { definitionLog } from '../../src/wiring/names.ts';
import { millrace } from './command.ts';

const NOON = Date.UTC(2026, 0, 5, 12);
const INDEX = new URL('../../src/index.ts', import.meta.url).href;

/** The same pipeline, which refuses temperatures below 0 or does not. */
const definition = (strict: boolean): string => `
import { bucket, count, definePipeline, kinesis, tumbling } from '${INDEX}';
export default definePipeline('meters', kinesis(), {
  key: (reading) => reading.machine,
  eventTime: (reading) => {
    if (${strict} && reading.celsius < 0) throw new Error('it is cold');
    return reading.at;
  },
  groups: 2,
  windows: { minute: tumbling({ size: '1m' }, { n: count() }) },
}).to(bucket());
`;

let folder: string;
let data: string;
let strict: string;
let mended: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'millrace-'));
  [data, strict, mended] = ['kept', 'strict.ts', 'mended.ts'].map((name) => join(folder, name)) as [
    string,
    string,
    string,
  ];
  await writeFile(strict, definition(true));
  await writeFile(mended, definition(false));
  const lines = Array.from({ length: 100 }, (_, n) =>
    JSON.stringify({
      machine: `m${n % 3}`,
      at: NOON + 5_000 * n - (n % 20 === 7 ? 600_000 : 0),
      celsius: n % 10 === 3 ? -1 : 20,
    }),
  );
  const input = join(folder, 'readings.ndjson');
  await writeFile(input, lines.join('\n'));
  const output = join(folder, 'panes.ndjson');
  await millrace('run', strict, '-i', input, '-o', output, '-d', data, '-b', '25');
}, 60_000);
afterAll(() => rm(folder, { recursive: true }));

it('lists, shows and redrives what was refused, once', { timeout: 120_000 }, async () => {
  const listed = await millrace('poison', 'list', strict, '--data', data);
  expect(listed.stdout).toMatch(/^"meters" keeps 10 poison records\ncode +records .*\nevent-time +10 /);
  const json = await millrace('poison', 'list', strict, '--data', data, '--json', '--code', 'event-time');
  const records = json.stdout
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line));
  expect(records).toHaveLength(10);
  expect(json.stdout).not.toContain('data');
  expect((await millrace('poison', 'list', strict, '-d', data, '--until', '2020-01-01')).stdout).toBe(
    '"meters" keeps 0 poison records\n',
  );
  const [{ id }] = records;
  const shown = await millrace('poison', 'show', strict, id, '--data', data);
  expect(shown).toMatchObject({ code: 0 });
  expect(shown.stdout).toMatch(
    /^poison record [0-9a-f]{16} of "meters"\n.*reason +it is cold\n.*"celsius":-1\}\n$/s,
  );
  const unknown = await millrace('poison', 'show', strict, 'nothing', '--data', data);
  expect(unknown).toMatchObject({ code: 1, stdout: '' });
  expect(unknown.stderr).toMatch(/^Cannot show record "nothing" as "meters" must keep/);

  const again = await millrace('poison', 'redrive', strict, id, '--data', data);
  expect(again.stdout).toMatch(/^"meters" took 1 poison record in again: 0 applied, 0 .*, 1 refused again,/);
  expect((await millrace('poison', 'list', strict, '--data', data)).stdout).toMatch(
    /^"meters" keeps 10 poison records, and 1 more that were redriven\n/,
  );
  const first = await millrace('poison', 'redrive', mended, '--data', data);
  expect(first.stdout).toMatch(
    /^"meters" took 9 poison records in again: .*\n {2}1 were left, as they were redriven/,
  );
  const second = await millrace('poison', 'redrive', mended, '--data', data, '--again');
  expect(second.stdout).toMatch(/^"meters" took 1 poison record in again: /);
  const third = await millrace('poison', 'redrive', mended, '--data', data, '--again');
  expect(third).toMatchObject({ code: 0, stdout: '"meters" has no poison record to redrive\n' });
  expect((await millrace('audit', mended, '--data', data)).stdout).toContain('Nothing found');
});

it('lists late records by the windows that refused them', { timeout: 60_000 }, async () => {
  const listed = await millrace('late', 'list', strict, '--data', data, '--window', 'minute');
  expect(listed.stdout).toMatch(/\nlate for +taken by others +records .*\nminute +no +\d+ /);
  for (const [kind, option, refusal] of [
    ['late', '--window', / choose records by window "hour" as "meters" must have, .* it has minute\n$/],
    ['poison', '--code', / argument 'hour' is invalid\. Allowed choices are no-id, too-large, .*, no-room; /],
  ] as const) {
    for (const does of ['list', 'redrive']) {
      const unknown = await millrace(kind, does, strict, '--data', data, option, 'hour');
      expect(unknown).toMatchObject({ code: 2, stdout: '' });
      expect(unknown.stderr).toMatch(refusal);
    }
  }
  const wrong = await millrace('late', 'list', strict, '--data', data, '--from', 'yesterday');
  expect(wrong).toMatchObject({ code: 2, stdout: '' });
  expect(wrong.stderr).toMatch(/^Cannot late list: .*It must be a date, or a date and time with a zone/);
});

it('redrives what a failures bucket holds, once', { timeout: 120_000 }, async () => {
  const wrong = await millrace('redrive', mended, '--failures-bucket', 'failures', '--data', data);
  expect(wrong).toMatchObject({ code: 2, stdout: '' });
  expect(wrong.stderr).toMatch(/^Cannot redrive: required option '--failed' not specified/);
  const redrive = () =>
    millrace('redrive', mended, '--failed', '--failures-bucket', 'failures', '--data', data);
  const missing = await redrive();
  expect(missing).toMatchObject({ code: 2, stdout: '' });
  expect(missing.stderr).toMatch(
    /^Cannot read bucket "failures" as it must be there: there is none of that name\n$/,
  );

  const meters = definePipeline('meters', kinesis<{ machine: string; at: number }>(), {
    key: ({ machine }) => machine,
    eventTime: (reading) => reading.at,
    windows: { minute: tumbling({ size: '1m' }, { n: count() }) },
  }).to(bucketSink());
  await withKept(meters, { data }, async ({ engine, bucket }) => {
    const last = await engine.log.latest(definitionLog('meters'));
    const streamArn = last && (definitionIn(last).sources?.names.at(-1) as string);
    const [shard, sequenceNumber] = ['shardId-000000000000', '9'.repeat(56)];
    const arrival = engine.clock.now();
    const record = {
      kinesis: {
        partitionKey: 'm1',
        sequenceNumber,
        data: Buffer.from(JSON.stringify({ machine: 'm1', at: arrival, celsius: 20 })).toString('base64'),
        approximateArrivalTimestamp: arrival / 1_000,
      },
      eventID: `${shard}:${sequenceNumber}`,
      eventSourceARN: streamArn,
    };
    const { key, body } = failureRecordOf(
      {
        step: 'discard',
        batch: [{ identifier: sequenceNumber, arrival, bytes: 1 }],
        condition: 'RecordAgeExceeded',
        invocations: 1,
      },
      { mapping: 'mapping', functionArn: 'function', streamArn: streamArn as string, shard },
      { Records: [record] },
      arrival,
      'id',
    );
    const text = Buffer.from(JSON.stringify(body));
    await (await bucket('failures')).create(key, { body: text, contentType: 'application/json' });
  });
  expect((await redrive()).stdout).toMatch(/^"meters" took 1 failed record in again: 1 applied, /);
  expect(await redrive()).toMatchObject({ code: 0, stdout: '"meters" has no failed record to redrive\n' });
  expect((await millrace('audit', mended, '--data', data)).stdout).toContain('Nothing found');
});
