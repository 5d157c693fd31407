/**
 * Decodes records together, which looks for their values in their bytes, and one by one, which parses them, and checks
 * that both say the same of each: the same values, or the same refusal.
 */

import { performance } from 'node:perf_hooks';
import { isDeepStrictEqual, parseArgs } from 'node:util';
import type { KinesisStreamEvent } from 'aws-lambda';
import { recordsOf } from '../../../src/adapters/kinesis/records.ts';
import { type Decoded, decodeAll, decodeRecord } from '../../../src/engine/intake/decode.ts';
import {
  collect,
  definePipeline,
  distinct,
  ewmaBand,
  kinesis,
  max,
  mean,
  type Pipeline,
  quantile,
  rolling,
  running,
  slope,
  topK,
  tumbling,
} from '../../../src/index.ts';
import { Random } from '../../../src/simulation/random.ts';
import { ARRIVAL } from './source-records.ts';

const reading = (key: string, eventTime: string, value: string, other: string): Pipeline =>
  definePipeline('fuzzed', kinesis(), {
    key: key as never,
    eventTime: eventTime as never,
    maxPast: '10d',
    windows: {
      minute: tumbling(
        { size: '1m' },
        { mean: mean(value as never), max: max(other as never, { invalid: 'skip' }) },
      ),
      three: rolling({ count: 3 }, { median: quantile(value as never, 0.5), slope: slope(value as never) }),
      judged: running({}, { band: ewmaBand(value as never, { halfLife: '1h', width: 3, atLeast: 2 }) }),
    },
  });

/** A pipeline whose windows read values of any kind, too. */
const visits: Pipeline = definePipeline('fuzzed', kinesis(), {
  key: 'key' as never,
  eventTime: 'at' as never,
  windows: {
    minute: tumbling(
      { size: '1m' },
      {
        visitors: distinct('visitor' as never),
        pages: topK('page.path' as never, 3, { by: 'took' as never, invalid: 'skip' }),
        took: mean('took' as never, { invalid: 'skip' }),
      },
    ),
    three: rolling({ count: 3 }, { visitors: collect('visitor' as never) }),
  },
});

/** Pipelines, each with forms of records that have what it reads, and a hole for each scalar. */
const READ: readonly (readonly [Pipeline, readonly string[]])[] = [
  [
    reading('key', 'at', 'value', 'other'),
    [
      '{"key":K,"at":T,"value":N}',
      '{"key":K,"at":T,"value":N,"other":N}',
      '{"value":N,"note":V,"other":V,"key":K,"at":T,"flag":V}',
      '{ "key" : K ,\r\n\t"at" : T , "value" : N , "list" : [ V , [ ] , { } , V ] } ',
      '{"k\\u0065y":K,"at":T,"value":N}',
      '{"schlüssel":V,"key":K,"at":T,"value":N,"other":V}',
    ],
  ],
  [
    reading('machine.key', 'at', 'machine.value', 'machine.readings.0'),
    [
      '{"machine":{"key":K,"value":N,"readings":[N,V]},"at":T}',
      '{"machine.key":K,"machine":{"key":V,"value":N,"readings":[V]},"at":T}',
    ],
  ],
  [
    reading('key', 'machine.at', '__proto__', 'machine.readings.length'),
    [
      '{"machine":{"at":T,"readings":[N,N,N]},"key":K,"__proto__":N}',
      '{"machine":{"at":T},"key":K,"__proto__":N}',
    ],
  ],
  [
    visits,
    [
      '{"key":K,"at":T,"visitor":K,"page":{"path":K},"took":N}',
      '{"visitor":V,"page":{"path":V,"more":[]},"took":V,"key":K,"at":T}',
      '{"key":K,"at":T,"visitor":N}',
      '{"key":K,"at":T,"visitor":{"name":K},"page":{"path":[V]},"took":N}',
    ],
  ],
];

/** Forms that lack what is read, have a name twice, or are no JSON whatever fills the holes. */
const ODD_FORMS = [
  ' {"key":K,"at":T,"value":N}',
  '{"machine":V,"key":K,"at":T,"__proto__":{"value":N},"value":N}',
  '{"key":K,"at":T,"value":V,"value":N}',
  '{"key":V,"key":K,"at":T,"value":N}',
  '{"key":K,"at":T,"value":N,"other":{},"other":N}',
  '{"key":K,"at":T,"value":N}{"key":K}',
  '{"key":K,"at":T,"value":{"deep":N}}',
  '{"key":K,"at":T "value":N}',
  '{"key":K,"at":T,"value":N',
  '[{"key":K,"at":T,"value":N}]',
  '{}',
  'V',
];

const NUMBERS = [
  '0',
  '-0',
  '-0.0',
  '0.0',
  '00',
  '01',
  '-',
  '1.',
  '.5',
  '+1',
  '1e5',
  '1E-3',
  '1e400',
  '0x1',
  'NaN',
  '1_0',
];
const WORDS = [
  'true',
  'false',
  'null',
  'True',
  'nul',
  'nulll',
  'Infinity',
  '',
  '[]',
  '{}',
  '[1]',
  '{"deep":1}',
];
const TEXTS = [
  '',
  'a',
  'machine-1',
  'é',
  '\\n',
  '\\u0041',
  '\\ud800',
  '\\"',
  '\\',
  '\t',
  '\0',
  '\x7f',
  '\ud800',
  '😀',
  '"',
  '9007199254740993',
  '1e+21',
  '2024-05-01T12:00:00Z',
  '2024-05-01T11:59:59.123+00:00',
  '2024-05-01T12:00:00',
  'x'.repeat(1_024),
  'x'.repeat(1_025),
];

function number(random: Random): string {
  if (random.chance(0.05)) return random.pick(NUMBERS);
  const digits = (count: number): string =>
    (String(random.next()).slice(2) + String(random.next()).slice(2)).padEnd(count, '0').slice(0, count);
  const whole = random.chance(0.2)
    ? '0'
    : `${random.whole(1, 9)}${digits(random.whole(0, random.chance(0.1) ? 18 : 9))}`;
  const part = random.chance(0.5) ? '' : `.${digits(random.whole(1, random.chance(0.1) ? 19 : 6))}`;
  const exponent = random.chance(0.03)
    ? `${random.pick(['e', 'E', 'e+', 'e-'])}${digits(random.whole(1, 3))}`
    : '';
  return `${random.chance(0.3) ? '-' : ''}${whole}${part}${exponent}`;
}

const text = (random: Random): string =>
  random.chance(0.8) ? `"k${random.whole(0, 99)}"` : `"${random.pick(TEXTS)}"`;

const time = (random: Random): string =>
  random.chance(0.9) ? String(ARRIVAL + random.whole(-1_000_000_000, 4_000_000)) : scalar(random);

function scalar(random: Random): string {
  if (random.chance(0.2)) return random.pick(WORDS);
  return random.chance(0.5) ? number(random) : text(random);
}

/** Each kind of hole mostly has what a field like it has. */
const FILLINGS: { readonly [hole: string]: (random: Random) => string } = {
  K: (random) => (random.chance(0.97) ? text(random) : scalar(random)),
  T: time,
  N: (random) => (random.chance(0.97) ? number(random) : scalar(random)),
  V: scalar,
};

/** The bytes of a record, a few of which are altered now and then. */
function payload(random: Random, form: string): Buffer {
  const filled = form.replaceAll(/[KTNV]/g, (hole) => FILLINGS[hole]?.(random) ?? hole);
  const bytes = Buffer.from(filled);
  if (random.chance(0.96)) return bytes;
  const at = random.whole(0, bytes.length);
  const to = Math.min(bytes.length, at + random.whole(0, 3));
  const between = random.pick([
    () => Buffer.from([random.whole(0, 255)]),
    () => Buffer.alloc(0),
    () => Buffer.from(random.pick(['{', '}', '"', ',', ':', '\\', '0', ' ', '-', '.', 'e', '\xff'])),
  ])();
  return Buffer.concat([bytes.subarray(0, at), between, bytes.subarray(to)]);
}

/** Whether both say the same, to the sign of zero. */
function isSame(a: Decoded | undefined, b: Decoded): boolean {
  if (a?.outcome !== 'record' || b.outcome !== 'record') return JSON.stringify(a) === JSON.stringify(b);
  const { values } = a.record;
  return (
    a.key === b.key &&
    a.id === b.id &&
    a.record.at === b.record.at &&
    a.record.arrival === b.record.arrival &&
    a.record.waited === b.record.waited &&
    isDeepStrictEqual(values, b.record.values)
  );
}

/** Draws a pipeline, and an event with records of a few forms. */
export function drawEvent(seed: number, records: number): readonly [Pipeline, KinesisStreamEvent] {
  const random = new Random(seed);
  const [pipeline, usual] = random.pick(READ);
  const forms = Array.from({ length: random.whole(1, 3) }, () =>
    random.pick(random.chance(0.8) ? usual : ODD_FORMS),
  );
  const sent = Array.from({ length: records }, (_, n) => ({
    eventID: `shardId-000000000000:${n + 1}`,
    eventSourceARN: 'arn:aws:kinesis:eu-west-1:111122223333:stream/fuzzed',
    kinesis: {
      data: payload(random, random.pick(forms)).toString('base64'),
      partitionKey: 'any',
      sequenceNumber: String(n + 1),
      approximateArrivalTimestamp: ARRIVAL / 1_000,
    },
  }));
  return [pipeline, { Records: sent as unknown as KinesisStreamEvent['Records'] }];
}

/**
 * Decodes drawn records in both ways.
 *
 * @returns how many were decoded from their bytes alone
 * @throws Error where the ways differ
 */
export function fuzzScan(seed: number, records: number): number {
  const [pipeline, event] = drawEvent(seed, records);
  const sources = recordsOf(event);
  const together = [...decodeAll(pipeline, sources)].flat();
  for (const [n, source] of sources.entries()) {
    const [scanned, parsed] = [together[n], decodeRecord(pipeline, source)];
    if (isSame(scanned, parsed)) continue;
    const told = `${JSON.stringify(scanned)} is not ${JSON.stringify(parsed)}`;
    throw new Error(`Seed ${seed}, record ${n}, ${Buffer.from(source.data).toString('latin1')}: ${told}`);
  }
  return together.filter((one) => one.outcome === 'record' && one.interned !== undefined).length;
}

if (process.argv[1] === import.meta.filename) {
  const { values } = parseArgs({
    options: { first: { type: 'string', default: '1' }, records: { type: 'string', default: '10000000' } },
  });
  const BATCH = 200;
  const begun = performance.now();
  const batches = Math.ceil(Number(values.records) / BATCH);
  let scanned = 0;
  for (let batch = 0; batch < batches; batch++) scanned += fuzzScan(Number(values.first) + batch, BATCH);
  const seconds = Math.round((performance.now() - begun) / 1_000);
  console.info(
    `${(batches * BATCH).toLocaleString('en')} records in ${seconds} s, ${scanned.toLocaleString('en')} of them from their bytes: the same in both ways`,
  );
}
