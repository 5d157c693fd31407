import { isUtf8 } from 'node:buffer';
import { describe, expect, it } from 'vitest';
import { unpackRecords } from '../../../src/adapters/kinesis/kpl.ts';
import { memoryReading } from '../../../src/adapters/memory/reading.ts';
import { decodeAll } from '../../../src/engine/intake/decode.ts';
import { type Kept, keptRecords } from '../../../src/engine/intake/kept-records.ts';
import { Redrive } from '../../../src/engine/intake/redrive.ts';
import { processHandler, unpackerOf } from '../../../src/handlers.ts';
import { json, type Pipeline } from '../../../src/index.ts';
import type { SourceRecord } from '../../../src/ports/source.ts';
import { SOURCES } from '../../../src/simulation/draw-source.ts';
import { placeOf } from '../../../src/simulation/place.ts';
import { type SentKind, SHAPES } from '../../../src/simulation/shapes.ts';
import { NOON, Scene } from '../scene.ts';
import { carriedBy, hostilePipeline, neighbour } from './carriers.ts';
import { type Fuzzed, fuzzBatch } from './fuzz.ts';
import { HOSTILE, type Hostile } from './hostile.ts';

const KINDS = Object.keys(SOURCES) as SentKind[];

it('are at least three hundred, each of a name of its own', () => {
  expect(HOSTILE.length).toBeGreaterThanOrEqual(300);
  expect(new Set(HOSTILE.map(({ name }) => name)).size).toBe(HOSTILE.length);
});

/** Each input between two good records, as the source delivers them. */
function batchOf(kind: SentKind, { data, decode }: Hostile): readonly SourceRecord[] {
  return [neighbour('before', decode), data, neighbour('after', decode)].map((bytes, n) => ({
    ...placeOf(kind, 0, n, n),
    arrival: NOON,
    data: carriedBy(kind, bytes),
  }));
}

async function keptIn(scene: Scene): Promise<readonly Kept[]> {
  const kept: Kept[] = [];
  const ports = { log: scene.engine.log, reading: memoryReading(scene.ports) };
  for await (const record of keptRecords(ports, 'hostile', 'poison')) kept.push(record);
  return kept;
}

describe.each(KINDS)('what is hostile, from %s', (kind) => {
  const carried = HOSTILE.filter((hostile) => isCarried(kind, hostile));
  it.each(carried.map((hostile) => [hostile.name, hostile] as const))('%s', async (_, hostile) => {
    const { refused, taken = 0, filtered = 0 } = hostile;
    const scene = new Scene(hostilePipeline(kind, hostile.decode));
    const records = batchOf(kind, hostile);
    const handler = processHandler(scene.ports, scene.pipeline);
    const answer = await handler(SHAPES[kind].eventOf(records), { getRemainingTimeInMillis: () => 60_000 });
    expect(answer?.batchItemFailures ?? []).toEqual([]);
    expect(scene.ports.telemetry.counted).toMatchObject({
      received: 3,
      applied: 2 + taken,
      filtered,
      poison: refused,
      late: 0,
    });
    for (const machine of ['before', 'after']) {
      expect(scene.groupOf(machine).keys.has(machine), machine).toBe(true);
    }
    const kept = await keptIn(scene);
    expect(kept).toHaveLength(refused);
    expect(new Set(kept.map(({ id }) => id)).size).toBe(refused);
    expect(kept.every(({ confirmed }) => confirmed)).toBe(true);
    const ports = {
      ...scene.engine,
      reading: memoryReading(scene.ports),
      unpack: unpackerOf(scene.pipeline),
    };
    const redrive = await Redrive.begin(ports, scene.pipeline);
    await redrive.take(kept.map(({ record }) => record));
    const { records: redriven, ...counts } = redrive.counts;
    expect(redriven).toBe(refused);
    expect(Object.values(counts).reduce((total, count) => total + count, 0)).toBe(refused);
  });
});

function isCarried(kind: SentKind, { name, decode, data, isPacked = false }: Hostile): boolean {
  if (kind === 'kinesis') return true;
  if (isPacked || data.length > 262_144) return false;
  // How deep a text in an item may nest is the author's affair, whose function parses it.
  if (kind === 'dynamodb') return decode === json && isUtf8(data) && !name.endsWith('levels deep');
  const isText = typeof decode === 'function' || decode.unpack[0] !== 'gzip';
  return (kind !== 'sqs' && kind !== 'fifo') || (isText && isUtf8(data));
}

it('never holds up a function: between two pauses few parts are decoded, whatever the record is', () => {
  for (const { name, decode, data } of HOSTILE) {
    let work = 0;
    const pipeline = hostilePipeline('kinesis', decode);
    const watched = {
      ...pipeline,
      filter: (value: unknown) => {
        work++;
        return (pipeline.filter as (value: unknown) => boolean)(value);
      },
    } as Pipeline;
    const members = unpackRecords(data);
    const record = { ...placeOf('kinesis', 0, 0, 0), arrival: NOON, data, ...(members && { members }) };
    const steps = decodeAll(watched, [record]);
    for (let step = steps.next(); !step.done; step = steps.next()) {
      expect(work, name).toBeLessThan(5_000);
      work = 0;
    }
  }
});

// `npx tsx test/engine/intake/fuzz.ts` tries a million, as CI does.
it('lose, double and stop nothing, altered at random from every source', async () => {
  const fuzzed: Fuzzed = { payloads: 0, refused: 0, longest: 0 };
  for (let seed = 1; fuzzed.payloads < 4_000; seed++) await fuzzBatch(seed, fuzzed);
  expect(fuzzed.refused).toBeGreaterThan(1_000);
});
