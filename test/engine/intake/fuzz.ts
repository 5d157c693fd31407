/**
 * Hands records that nobody of good will sends to the handlers of every source, and checks that each is taken in,
 * filtered or refused part by part, that good records beside it are in, and that nothing throws or takes long.
 */

import { isUtf8 } from 'node:buffer';
import { performance } from 'node:perf_hooks';
import { parseArgs } from 'node:util';
import { gzipSync } from 'node:zlib';
import { Packer } from '../../../src/adapters/kinesis/kpl.ts';
import { memoryPorts } from '../../../src/adapters/memory/index.ts';
import { memoryReading } from '../../../src/adapters/memory/reading.ts';
import { decodeAll } from '../../../src/engine/intake/decode.ts';
import { keptRecords } from '../../../src/engine/intake/kept-records.ts';
import { enginePorts } from '../../../src/engine/log/spill.ts';
import { processHandler } from '../../../src/handlers.ts';
import {
  base64,
  cloudWatchLogs,
  type Decode,
  gzip,
  json,
  jsonLines,
  jsonTexts,
  type Pipeline,
} from '../../../src/index.ts';
import type { SourceRecord } from '../../../src/ports/source.ts';
import { SOURCES } from '../../../src/simulation/draw-source.ts';
import { placeOf } from '../../../src/simulation/place.ts';
import { Random } from '../../../src/simulation/random.ts';
import { type SentKind, SHAPES } from '../../../src/simulation/shapes.ts';
import { NOON } from '../scene.ts';
import { carriedBy, hostilePipeline, neighbour } from './carriers.ts';
import { HOSTILE } from './hostile.ts';

const KINDS = Object.keys(SOURCES) as SentKind[];

const DECODERS: readonly Decode[] = [
  json,
  json,
  jsonLines,
  jsonTexts,
  gzip(),
  gzip(jsonLines),
  base64(),
  base64(gzip(jsonTexts)),
  cloudWatchLogs,
  (bytes) => JSON.parse(Buffer.from(bytes).toString('latin1')),
];

const isText = (kind: SentKind): boolean => kind === 'sqs' || kind === 'fifo' || kind === 'dynamodb';

/** Small, as each is altered and sent again and again. */
const SEEDS = HOSTILE.filter(({ data }) => data.length < 2_000).map(({ data }) => Buffer.from(data));

const PIECES = [
  '{',
  '}',
  '[',
  ']',
  '"',
  '\\',
  ',',
  ':',
  '\n',
  '\0',
  '0',
  '1e999',
  'null',
  '"machine"',
  '"at"',
  '\ud800',
  'é',
];

/** Alters the bytes of a hostile record: flips, cuts, doubles, inserts, joins. */
function altered(random: Random): Buffer {
  let bytes = Buffer.from(random.pick(SEEDS));
  for (let times = random.whole(0, 4); times > 0; times--) {
    const at = random.whole(0, bytes.length);
    const to = Math.min(bytes.length, at + random.whole(0, 20));
    const [before, within, after] = [bytes.subarray(0, at), bytes.subarray(at, to), bytes.subarray(to)];
    bytes = random.pick([
      () => Buffer.concat([before, Buffer.from([random.whole(0, 255)]), after]),
      () => Buffer.concat([before, after]),
      () => Buffer.concat([before, within, within, after]),
      () => Buffer.concat([before, Buffer.from(random.pick(PIECES)), after]),
      () => Buffer.concat([before, random.pick(SEEDS), after]),
      () => before,
    ])();
  }
  return bytes;
}

/** Packs altered bytes as a decoder unpacks them, mostly. */
function payload(random: Random, kind: SentKind, decode: Decode): Uint8Array {
  let bytes = altered(random);
  if (typeof decode === 'object' && random.chance(0.8)) {
    if (decode.into === 'lines' && random.chance(0.5))
      bytes = Buffer.concat([bytes, Buffer.from('\n'), altered(random)]);
    if (decode.into === 'log-events') {
      const logEvents = [{ id: '1', timestamp: NOON, message: bytes.toString('latin1') }];
      const envelope = { messageType: random.pick(['DATA_MESSAGE', 'DATA_MESSAGE', 'X']), logEvents };
      bytes = Buffer.from(JSON.stringify(envelope));
    }
    for (const format of decode.unpack.toReversed()) {
      bytes = format === 'gzip' ? gzipSync(bytes, { level: 1 }) : Buffer.from(bytes.toString('base64'));
      if (random.chance(0.05)) bytes[random.whole(0, bytes.length - 1)] = random.whole(0, 255);
    }
  }
  if (kind === 'kinesis' && random.chance(0.3)) {
    const packer = new Packer();
    packer.add({ partitionKey: 'a', data: bytes });
    if (random.chance(0.5)) packer.add({ partitionKey: 'b', data: altered(random) });
    bytes = Buffer.from(packer.pack());
    if (random.chance(0.2)) bytes[random.whole(0, bytes.length - 1)] = random.whole(0, 255);
  }
  return isText(kind) && !isUtf8(bytes) ? Buffer.from(bytes.toString('latin1')) : bytes;
}

export interface Fuzzed {
  payloads: number;
  refused: number;
  /** The longest between two pauses while a payload was decoded, in milliseconds. */
  longest: number;
}

/** So few that a fault is soon found among them. */
const BATCH = 400;

/** No payload may hold up a function for longer, in milliseconds. */
const HANG = 100;

/**
 * Hands one batch to a handler.
 *
 * @throws Error when something is lost, or counted or kept otherwise than once
 */
export async function fuzzBatch(seed: number, fuzzed: Fuzzed): Promise<void> {
  const random = new Random(seed);
  const kind = random.pick(KINDS);
  const decode =
    kind === 'dynamodb' ? json : random.pick(DECODERS.filter((decode) => isCarried(kind, decode)));
  const payloads = Array.from({ length: kind === 'fifo' ? 8 : BATCH }, () => payload(random, kind, decode));
  const all = [neighbour('before', decode), ...payloads, neighbour('after', decode)];
  const records = all.map((bytes, n) => ({
    ...placeOf(kind, 0, n, n),
    arrival: NOON,
    data: carriedBy(kind, bytes),
  }));
  const pipeline = hostilePipeline(kind, decode);
  for (const record of records) fuzzed.longest = Math.max(fuzzed.longest, timeOf(pipeline, record));
  const ports = memoryPorts({ start: NOON });
  const event = SHAPES[kind].eventOf(records);
  const answer = await processHandler(ports, pipeline)(event, { getRemainingTimeInMillis: () => 3_600_000 });
  const must = (holds: boolean, rule: string): void => {
    if (holds) return;
    throw new Error(`${rule}: npx tsx test/engine/intake/fuzz.ts --first ${seed} --payloads 1 (${kind})`);
  };
  must((answer?.batchItemFailures ?? []).length === 0, 'No record comes again');
  const { received, applied, late, filtered, poison, duplicate } = ports.telemetry.counted;
  must(received === records.length, 'Every record is received');
  must(duplicate === 0, 'No record is taken for another');
  must(applied + late + filtered + poison >= records.length, 'Every record is counted');
  must(applied >= 2, 'The neighbours are in');
  const kept = new Set<string>();
  const places = { log: enginePorts(ports).log, reading: memoryReading(ports) };
  for await (const { id, confirmed } of keptRecords(places, 'hostile', 'poison')) {
    must(confirmed && !kept.has(id), 'Every refused record is kept once');
    kept.add(id);
  }
  must(kept.size === poison, 'Every refused record is kept');
  fuzzed.payloads += payloads.length;
  fuzzed.refused += poison;
}

const processorMillis = (): number => {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1_000;
};

/**
 * Returns how long a function is held up while a record is decoded, in milliseconds: where that is long, the least of three
 * tries, of which the further ones count the time of the processor alone, as other programs may have it, too.
 */
function timeOf(pipeline: Pipeline, record: SourceRecord): number {
  const members = SHAPES[pipeline.source.kind].membersOf?.(record.data);
  const whole = members ? { ...record, members } : record;
  let least = Number.POSITIVE_INFINITY;
  for (let tries = 0; tries < 3 && least > HANG / 10; tries++) {
    const now = tries === 0 ? () => performance.now() : processorMillis;
    let longest = 0;
    let from = now();
    for (const _ of decodeAll(pipeline, [whole])) {
      longest = Math.max(longest, now() - from);
      from = now();
    }
    least = Math.min(least, longest);
  }
  return least;
}

const isCarried = (kind: SentKind, decode: Decode): boolean =>
  !isText(kind) || typeof decode === 'function' || decode.unpack[0] !== 'gzip';

if (process.argv[1] === import.meta.filename) {
  const { values } = parseArgs({
    options: {
      first: { type: 'string', default: '1' },
      payloads: { type: 'string', default: '1000000' },
    },
  });
  const fuzzed: Fuzzed = { payloads: 0, refused: 0, longest: 0 };
  const begun = performance.now();
  for (let seed = Number(values.first); fuzzed.payloads < Number(values.payloads); seed++) {
    await fuzzBatch(seed, fuzzed);
  }
  const seconds = Math.round((performance.now() - begun) / 1_000);
  console.info(
    `${fuzzed.payloads.toLocaleString('en')} payloads in ${seconds} s: ${fuzzed.refused.toLocaleString('en')} ` +
      `parts refused, each kept once; a function was held up for ${fuzzed.longest.toFixed(1)} ms at most`,
  );
  if (fuzzed.longest > HANG) throw new Error(`No payload may hold up a function for longer than ${HANG} ms`);
}
