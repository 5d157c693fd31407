import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { flights } from '../../functions/flights/pipeline.ts';
import { Bundles, type Role } from '../../lib/bundle.ts';
import type { Pipeline } from '../../src/index.ts';
import { eventsOf } from '../../test/runtime/events.ts';
import { type DeployedFunction, functionsOf } from '../../test/runtime/functions.ts';
import { openPlaces, type Places, variablesOf } from '../../test/runtime/places.ts';
import { startFunction } from '../../test/runtime/runtime-api.ts';
import { installedRuntimes, type Runtime } from '../../test/runtime/runtimes.ts';
import { enterReport, median, shown } from '../report.ts';

const ROOT = join(import.meta.dirname, '../..');
const pipeline = flights as Pipeline;
const SAMPLES = [{ date: '2026/01/05 12:00', delay: 7, distance: 100, origin: 'SEA', destination: 'LAX' }];

/** The clients that each function makes. */
const CLIENTS: { readonly [role: string]: readonly string[] } = {
  handler: ['dynamodb', 's3'],
  sweeper: ['dynamodb', 's3', 'kinesis'],
  projector: ['dynamodb', 's3'],
  query: ['dynamodb', 's3'],
};
const CLASSES: Readonly<Record<string, string>> = {
  dynamodb: 'DynamoDBClient',
  s3: 'S3Client',
  kinesis: 'KinesisClient',
};

/** What one start took: milliseconds until the function was loaded and until it answered, and bytes at most. */
interface Start {
  readonly loaded: number;
  readonly answered: number;
  readonly processor: number;
  readonly bytes: number;
}

enterReport(async (quick) => {
  const runtime = installedRuntimes().runtimes.find(({ version }) => version === '24');
  if (runtime === undefined) throw new Error('Node 24 with aws-lambda-ric is not installed: bash .ci/lambda');
  const folder = mkdtempSync(join(tmpdir(), 'millrace-cold-'));
  const places = await openPlaces();
  try {
    const entry = join(ROOT, 'functions/flights');
    const functions = functionsOf(
      { pipeline, entry, queryApi: true, alarms: 'none' },
      join(folder, 'functions'),
    ).filter(({ role }) => role in CLIENTS);
    const floors = new Map(
      functions.map((fn) => [
        fn,
        { empty: floorOf(fn, 'empty', folder), asking: floorOf(fn, 'asking', folder) },
      ]),
    );
    const contenders = [...floors].flatMap(([fn, { empty, asking }]) => [fn, empty, asking]);
    const variables = await places.prepare(pipeline);
    const starts = new Map<DeployedFunction, Start[]>(contenders.map((fn) => [fn, []]));
    // Each round in turn, so that what else the machine does falls on all alike. The first warms files and tables up.
    for (let round = 0; round <= (quick ? 3 : 9); round++) {
      for (const [fn, taken] of starts) {
        const start = await startOf(runtime, fn, places, variables, round);
        if (round > 0) taken.push(start);
      }
    }
    return {
      head: [
        '',
        'loaded, ms',
        'first response, ms',
        '÷ empty',
        'processor, ms',
        '÷ empty',
        'MB',
        '÷ empty',
        'KB',
        'zipped',
        'with map',
        'without SDK',
      ],
      rows: [...floors].flatMap(([fn, { empty, asking }]) => {
        const taken = (of: DeployedFunction) => starts.get(of) ?? [];
        return [
          [fn.role, ...figuresOf(taken(fn), taken(empty)), ...sizesOf(fn.folder)],
          ['— empty, same clients', ...figuresOf(taken(empty), taken(empty)), ...sizesOf(empty.folder)],
          ['— the same, and asks once', ...figuresOf(taken(asking), taken(empty)), ...sizesOf(asking.folder)],
        ];
      }),
      faults: [],
    };
  } finally {
    await places.close();
    rmSync(folder, { recursive: true });
  }
});

/** What a function with the same clients does at an event: nothing, or one question to DynamoDB. */
const FLOORS = {
  empty: 'export const handler = async () => null;',
  asking: `import { QueryCommand } from '${ROOT}/node_modules/@aws-sdk/client-dynamodb';
    export const handler = async () => {
      const TableName = process.env.MILLRACE_STATE_TABLE;
      const ExpressionAttributeValues = { ':pk': { S: 'none' } };
      await clients[0].send(new QueryCommand({ TableName, KeyConditionExpression: 'pk = :pk', ExpressionAttributeValues }));
      return null;
    };`,
};

/** A function with the same clients that does hardly anything, bundled the same way. */
function floorOf(fn: DeployedFunction, floor: keyof typeof FLOORS, scratch: string): DeployedFunction {
  const folder = join(scratch, `${floor}-${fn.role}`);
  const handler = `${folder}.ts`;
  const names = CLIENTS[fn.role] ?? [];
  writeFileSync(
    handler,
    [
      `import { clientOf } from '${ROOT}/src/adapters/aws/client.ts';`,
      ...names.map(
        (name) => `import { ${CLASSES[name]} } from '${ROOT}/node_modules/@aws-sdk/client-${name}';`,
      ),
      `export const clients = [${names.map((name) => `clientOf(${CLASSES[name]})`).join(', ')}];`,
      FLOORS[floor],
    ].join('\n'),
  );
  new Bundles({ pipeline: join(ROOT, 'functions/flights/pipeline.ts'), handler }, ['handler']).write(
    'handler',
    folder,
  );
  return { ...fn, folder };
}

async function startOf(
  runtime: Runtime,
  fn: DeployedFunction,
  places: Places,
  variables: Readonly<Record<string, string>>,
  round: number,
): Promise<Start> {
  const { event } = eventOf(fn.role, round);
  const begun = performance.now();
  const running = await startFunction({
    runtime,
    folder: fn.folder,
    environment: { ...variablesOf(fn.environment, variables), ...places.endpoints },
    memoryMegabytes: fn.memoryMegabytes,
  });
  const answer = running.invoke(event);
  await running.loaded;
  const loaded = performance.now() - begun;
  const { outcome, body } = await answer;
  const answered = performance.now() - begun;
  const start = { loaded, answered, processor: running.processorMillis(), bytes: running.peakBytes() };
  await running.end();
  if (outcome !== 'response') throw new Error(`The ${fn.role} fails: ${JSON.stringify(body)}`);
  return start;
}

/** An event with records that were not given before; for the sweeper and the projector the schedule's; or a question. */
function eventOf(role: Role, round: number) {
  const events = eventsOf(role, pipeline, { samples: SAMPLES, first: 1_000 * round });
  const wanted = { handler: 'kinesis-flights', sweeper: 'schedule', projector: 'schedule' }[role as string];
  const found =
    events.find(({ name }) => name === wanted) ?? events.find(({ name }) => name.includes('/latest'));
  if (found === undefined) throw new Error(`There is no event for the ${role}`);
  return found;
}

function figuresOf(starts: readonly Start[], floor: readonly Start[]): string[] {
  const of = (figure: keyof Start, all = starts) => median(all.map((start) => start[figure]));
  const besides = (figure: keyof Start) => shown(of(figure) / of(figure, floor));
  return [
    shown(of('loaded')),
    shown(of('answered')),
    besides('answered'),
    shown(of('processor')),
    besides('processor'),
    shown(of('bytes') / 1e6),
    besides('bytes'),
  ];
}

/** The size of a bundle in KB: itself, zipped, zipped with its map, and what of it is of no module of the SDK. */
function sizesOf(folder: string): string[] {
  const code = readFileSync(join(folder, 'index.mjs'));
  const map = readFileSync(join(folder, 'index.mjs.map'));
  const zipped = (data: Buffer) => gzipSync(data, { level: 9 }).length;
  const bytes = [
    code.length,
    zipped(code),
    zipped(code) + zipped(map),
    bytesWithoutSdk(code.toString(), JSON.parse(map.toString())),
  ];
  return bytes.map((size) => shown(size / 1e3));
}

const OF_SDK = /node_modules\/@(?:aws-sdk|smithy|aws)\//;

/** The bytes of a bundle that its map gives to no module of the SDK. */
function bytesWithoutSdk(
  code: string,
  map: { readonly sources: readonly string[]; readonly mappings: string },
): number {
  const lines = code.split('\n');
  let source = 0;
  let ofSdk = 0;
  map.mappings.split(';').forEach((line, at) => {
    let column = 0;
    let isSdk = false;
    const end = Buffer.byteLength(lines[at] ?? '');
    for (const segment of line ? line.split(',') : []) {
      const [columns = 0, sources = 0] = numbersOf(segment);
      if (isSdk) ofSdk += columns;
      column += columns;
      source += sources;
      isSdk = OF_SDK.test(map.sources[source] ?? '');
    }
    if (isSdk) ofSdk += end - column;
  });
  return Buffer.byteLength(code) - ofSdk;
}

const DIGITS = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/';

/** The numbers of a segment, as source maps write them: VLQ in Base64. */
function numbersOf(segment: string): readonly number[] {
  const numbers: number[] = [];
  let value = 0;
  let shift = 0;
  for (const digit of segment) {
    const bits = DIGITS.indexOf(digit);
    value |= (bits & 31) << shift;
    shift += 5;
    if (bits & 32) continue;
    numbers.push(value & 1 ? -(value >> 1) : value >> 1);
    value = 0;
    shift = 0;
  }
  return numbers;
}
