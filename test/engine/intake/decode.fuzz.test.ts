import fc from 'fast-check';
import * as v from 'valibot';
import { describe, expect, it } from 'vitest';
import { z } from 'zod';
import { memoryObjects } from '../../../src/adapters/memory/objects.ts';

import { isInstant, isoTime, millis } from '../../../src/core/time.ts';
import { nextEntry } from '../../../src/engine/format/next-entry.ts';
import { readGroup } from '../../../src/engine/format/read-group.ts';
import { batchKeys } from '../../../src/engine/group/batch-key.ts';
import { firstDeployment } from '../../../src/engine/group/deployment.ts';
import { EMPTY_GROUP, GroupRecord, type PoisonCode } from '../../../src/engine/group/group.ts';
import { MAX_KEY_BYTES } from '../../../src/engine/group/key-group.ts';
import { type Decoded, decodeAll, decodeRecord } from '../../../src/engine/intake/decode.ts';
import { fold } from '../../../src/engine/intake/fold.ts';
import { MAX_JSON_DEPTH, MAX_RECORD_BYTES } from '../../../src/engine/intake/json-bytes.ts';
import { keepRefused, readRefused } from '../../../src/engine/intake/poison.ts';
import {
  collect,
  count,
  definePipeline,
  kinesis,
  last,
  max,
  mean,
  type Pipeline,
  rolling,
  tumbling,
} from '../../../src/index.ts';
import type { Options } from '../../../src/pipeline/pipeline.ts';
import type { Source } from '../../../src/pipeline/source.ts';
import type { PaneShape } from '../../../src/pipeline/windows.ts';
import { identical, nested } from '../../core/plain.ts';
import { ARRIVAL, sourceRecord } from './source-records.ts';

interface Reading {
  readonly machineId: string;
  readonly measuredAt: number | string;
  readonly celsius: number;
  readonly note?: string | null;
}

type Steps = Pick<Options<Reading, Shapes>, 'filter' | 'key' | 'eventTime' | 'maxFutureSkew'>;
type Shapes = { readonly [name: string]: PaneShape };

/** A pipeline of readings, with other steps where a case needs them. */
const readingsWith = ({
  source = kinesis<Reading>(),
  ...steps
}: Partial<Steps & { source: Source<Reading> }> = {}): Pipeline =>
  definePipeline('readings', source, {
    key: ({ machineId }) => machineId,
    eventTime: ({ measuredAt }) => measuredAt,
    ...steps,
    windows: {
      two: rolling({ count: 2 }, { mean: mean('celsius') }),
      minute: tumbling(
        { size: '1m' },
        {
          records: count(),
          max: max(({ celsius }) => celsius),
          note: last(({ note = null }) => note),
          notes: collect(({ note = null }) => note),
        },
      ),
    },
  });

const readings = readingsWith();

const good: Reading = { machineId: 'm1', measuredAt: ARRIVAL - 1_000, celsius: 21.5 };
const withFields = (fields: object): string => JSON.stringify({ ...good, ...fields });

const CODES = Object.keys({
  'too-large': true,
  decode: true,
  'not-json': true,
  'too-deep': true,
  schema: true,
  map: true,
  expand: true,
  filter: true,
  id: true,
  key: true,
  'event-time': true,
  future: true,
  past: true,
  select: true,
} satisfies { [Code in Exclude<PoisonCode, 'fold' | 'no-room' | 'no-id'>]: true });

/** Decodes, and checks that what comes out is one of the three outcomes, whole. */
function outcomeOf(pipeline: Pipeline, data: string | Uint8Array): Decoded {
  const decoded = decodeRecord(pipeline, sourceRecord(data));
  if (decoded.outcome === 'poison') {
    expect(CODES).toContain(decoded.poison.code);
    expect(decoded.poison.reason).toBeTypeOf('string');
  } else if (decoded.outcome === 'record') {
    const { key, record } = decoded;
    expect(key.isWellFormed()).toBe(true);
    expect(Buffer.byteLength(key)).toBeGreaterThan(0);
    expect(Buffer.byteLength(key)).toBeLessThanOrEqual(MAX_KEY_BYTES);
    expect(isInstant(record.at)).toBe(true);
    expect(record.at).toBeLessThanOrEqual(ARRIVAL + pipeline.maxFutureSkew);
    expect(record.arrival).toBe(ARRIVAL);
    expect(record.values).toHaveLength(pipeline.rules.inputs.length);
  } else {
    expect(decoded).toEqual({ outcome: 'filtered' });
  }
  return decoded;
}

/** `record`, `filtered`, or the code of the poison. */
function told(pipeline: Pipeline, data: string | Uint8Array): string {
  const decoded = outcomeOf(pipeline, data);
  return decoded.outcome === 'poison' ? decoded.poison.code : decoded.outcome;
}

const refused = (code: PoisonCode, reason: string | RegExp) => ({
  outcome: 'poison',
  poison: { code, reason: typeof reason === 'string' ? reason : expect.stringMatching(reason) },
});

/** The text of a JSON value, such as no program of good will would write. */
const rawJson = fc.oneof(
  fc.json({ depthSize: 'small' }),
  fc.string({ unit: 'binary' }).map((text) => JSON.stringify(text)),
  fc.integer({ min: ARRIVAL - 10_000, max: ARRIVAL + 10_000_000 }).map(String),
  fc.constantFrom(
    '"m1"',
    '""',
    '"\\ud800"',
    '"a\\udfff"',
    `"${'k'.repeat(MAX_KEY_BYTES)}"`,
    `"${'é'.repeat(MAX_KEY_BYTES)}"`,
    '-0',
    '1e999',
    '-1e999',
    '1.5',
    '5e-324',
    '253402300800000',
    '"2024-05-01T12:00:00Z"',
    '"2024-05-01T12:00:00"',
    '"2024-02-30T12:00:00Z"',
    'true',
    'null',
    '[]',
    '[5]',
    '{}',
    '{"valueOf":1,"toString":1}',
    '{"getTime":1}',
    '{"toJSON":1}',
    '{"length":1e9}',
    '{"__proto__":null}',
  ),
);

const rawReading = fc
  .uniqueArray(
    fc.tuple(fc.constantFrom('machineId', 'measuredAt', 'celsius', 'note', '__proto__', 'then'), rawJson),
    {
      selector: ([name]) => name,
    },
  )
  .map((fields) => `{${fields.map(([name, value]) => `"${name}":${value}`).join(',')}}`);

/** Any reading whose fields are right and whose note is anything. */
const note = rawJson.map((raw) => withFields({ note: 0 }).replace('"note":0', `"note":${raw}`));

describe('whatever bytes arrive', () => {
  it.each([
    { what: 'noise', data: fc.uint8Array({ maxLength: 100 }) },
    { what: 'any text', data: fc.string({ unit: 'binary' }) },
    { what: 'any JSON', data: fc.json() },
    { what: 'the right fields with the wrong values', data: rawReading },
  ])('$what is a record, filtered or poison, and the same when it is read again', ({ data }) => {
    const filtering = readingsWith({ filter: ({ celsius }) => celsius !== 1.5 });
    fc.assert(
      fc.property(
        fc.constantFrom(readings, filtering),
        data as fc.Arbitrary<string | Uint8Array>,
        (pipeline, given) => {
          const once = outcomeOf(pipeline, given);
          expect(identical(outcomeOf(pipeline, given), once)).toBe(true);
        },
      ),
      { numRuns: 1_000 },
    );
  });

  //  as one text `[1` and `2]` would be one value, and `1,2` two
  it('is the same beside other records as by itself', () => {
    const one = withFields({});
    const text = fc.oneof(
      { weight: 4, arbitrary: fc.constant(one) },
      { weight: 2, arbitrary: rawReading },
      note,
      fc.constantFrom(
        `${one},${one}`,
        `1,${one}`,
        `${one},1`,
        `[${one}`,
        `${one}]`,
        '{"a":[',
        ']}',
        '{"a":"',
      ),
      fc.constantFrom(
        '',
        ' ',
        '1',
        '"',
        '[]',
        '\\',
        `\ufeff${one}`,
        ` ${one} `,
        `${one}\r\n`,
        `{"${one}":1}`,
      ),
      fc.integer({ min: 62, max: 66 }).map((depth) => withFields({ other: nested(depth, 'lists') })),
      fc.uint8Array({ maxLength: 4 }),
    );
    fc.assert(fc.property(fc.array(text as fc.Arbitrary<string | Uint8Array>, { maxLength: 6 }), isAsAlone), {
      numRuns: 2_000,
    });
    const large = withFields({ other: 'a'.repeat(MAX_RECORD_BYTES - withFields({ other: '' }).length) });
    isAsAlone([one, large, one, large.replace('aa', 'aaa'), one]);
  });

  function isAsAlone(given: readonly (string | Uint8Array)[]): void {
    const sources = given.map((data) => sourceRecord(data));
    const alone = sources.map((source) => decodeRecord(readings, source));
    expect(identical([...decodeAll(readings, sources)].flat(), alone)).toBe(true);
  }

  it('what is let through can be committed and read back', () => {
    fc.assert(
      fc.property(fc.oneof(rawReading, note), (given) => {
        const decoded = decodeRecord(readings, sourceRecord(given));
        if (decoded.outcome === 'record') expectCommittable(readings, decoded);
      }),
      { numRuns: 1_000 },
    );
  });

  // A group's state wraps a value in several levels more: it is written, and then never read again.
  it('what is let through can be committed and read back, however deep its values nest', () => {
    for (let depth = 0; depth < MAX_JSON_DEPTH; depth++) {
      const text = withFields({ note: 0 }).replace(
        '"note":0',
        `"note":${'['.repeat(depth)}${']'.repeat(depth)}`,
      );
      const decoded = decodeRecord(readings, sourceRecord(text));
      if (decoded.outcome === 'record') expectCommittable(readings, decoded);
    }
  });

  // encodeURIComponent throws on half a character: JSON.parse quotes one, and cutting a reason may leave one.
  it('what is refused can be kept, with the reason', async () => {
    const wide = fc.string({ unit: 'binary', minLength: 400, maxLength: 900, size: 'max' });
    const given = fc.oneof(
      fc.string({ unit: 'binary' }),
      rawReading,
      wide.map((measuredAt) => withFields({ measuredAt })),
    );
    await fc.assert(
      fc.asyncProperty(given, async (text) => {
        const decoded = decodeRecord(readings, sourceRecord(text));
        if (decoded.outcome === 'poison') await expectKept(decoded.poison.code, decoded.poison.reason);
      }),
    );
  });
});

function groupRecord(text: string, key: string, content: GroupRecord['content']): GroupRecord {
  return new GroupRecord(true, sourceRecord(text), 0, 0, batchKeys().of(key), content);
}

/** Whether a group that has taken the record in can be written, and read by the next invocation. */
function expectCommittable(pipeline: Pipeline, content: Extract<Decoded, { outcome: 'record' }>): void {
  const deployment = firstDeployment(pipeline);
  const folded = fold(deployment, EMPTY_GROUP, [groupRecord('', content.key, content)]);
  const { entry } = nextEntry(deployment, EMPTY_GROUP, folded, ARRIVAL);
  expect([...readGroup(deployment, EMPTY_GROUP, [entry]).keys.keys()]).toEqual([content.key]);
}

/** Whether it is kept as one line that says all of it. */
async function expectKept(code: PoisonCode, reason: string): Promise<void> {
  const { stored, ...objects } = memoryObjects();
  const content = { outcome: 'poison', poison: { code, reason } } as const;
  const one = groupRecord('any', '', content);
  const kept = stored.get(await keepRefused(objects, 'readings/1/0', 1, [one]))?.body as Uint8Array;
  const [line, ...others] = readRefused(kept);
  expect(others).toEqual([]);
  expect(line).toMatchObject({ code, lineage: one.lineage, position: one.source.position, child: 0 });
  expect(Buffer.from(line?.data ?? '', 'base64')).toEqual(Buffer.from(one.source.data));
}

describe('each reason to refuse a record', () => {
  const bad: readonly { code: PoisonCode; data: string | Uint8Array; reason: string | RegExp }[] = [
    {
      code: 'too-large',
      data: new Uint8Array(2 * MAX_RECORD_BYTES),
      reason: /^the record is 2097152 bytes; at most 1048576/,
    },
    { code: 'not-json', data: '{"machineId":', reason: /JSON/ },
    { code: 'not-json', data: '', reason: /JSON/ },
    { code: 'not-json', data: Uint8Array.of(0x22, 0xff, 0x22), reason: /utf-8/ },
    { code: 'too-deep', data: '['.repeat(MAX_JSON_DEPTH + 1), reason: 'nested deeper than 64' },
    { code: 'key', data: withFields({ machineId: 5 }), reason: 'the key is number, not a string' },
    { code: 'key', data: withFields({ machineId: null }), reason: 'the key is object, not a string' },
    { code: 'key', data: withFields({ machineId: undefined }), reason: 'the key is undefined, not a string' },
    {
      code: 'key',
      data: withFields({ machineId: '' }),
      reason: 'a key must be 1 to 1024 bytes of well-formed Unicode',
    },
    { code: 'key', data: 'null', reason: /^Cannot .* null/ },
    {
      code: 'event-time',
      data: withFields({ measuredAt: '2024-05-01T12:00:00' }),
      reason: /"2024-05-01T12:00:00" is neither/,
    },
    {
      code: 'event-time',
      data: withFields({ measuredAt: 1.5 }),
      reason: /^the event time 1.5 is neither whole epoch milli/,
    },
    {
      code: 'future',
      data: withFields({ measuredAt: '2100-01-01T00:00:00Z' }),
      reason:
        /^the event time 2100-01-01T00:00:00.000Z is too far ahead of the arrival, 2024-05-01T12:00:00.000Z$/,
    },
    {
      code: 'select',
      data: withFields({ celsius: undefined }),
      reason: 'field "celsius" is undefined, not a finite number',
    },
    {
      code: 'select',
      data: withFields({ celsius: '21.5' }),
      reason: 'field "celsius" is string, not a finite number',
    },
    {
      code: 'select',
      data: withFields({}).replace('21.5', '1e999'),
      reason: 'field "celsius" is Infinity, not a finite number',
    },
  ];
  it.each(bad)('$code: $reason', ({ code, data, reason }) => {
    expect(outcomeOf(readings, data)).toEqual(refused(code, reason));
  });

  it('schema: what the validator says', () => {
    const zod = kinesis({ schema: z.object({ machineId: z.string(), celsius: z.number() }) });
    const valibot = kinesis({ schema: v.object({ machineId: v.string(), celsius: v.number() }) });
    for (const source of [zod, valibot]) {
      const pipeline = definePipeline('checked', source, {
        key: ({ machineId }) => machineId,
        eventTime: () => ARRIVAL,
        windows: { two: rolling({ count: 2 }, { max: max('celsius') }) },
      });
      expect(told(pipeline, withFields({}))).toBe('record');
      expect(outcomeOf(pipeline, '{"machineId":5,"celsius":"hot"}')).toEqual(
        refused('schema', /^machineId: Invalid .*string.*; celsius: Invalid .*number/),
      );
    }
  });

  //  validate -> reshape -> filter -> key -> event time -> select: the first that fails gives the reason
  const boom = () => {
    throw new Error('boom');
  };
  const hostile = { '~standard': { version: 1, vendor: 'hostile', validate: boom } } as const;
  const throwingMax = definePipeline('readings', kinesis<Reading>(), {
    key: ({ machineId }) => machineId,
    eventTime: ({ measuredAt }) => measuredAt,
    windows: { two: rolling({ count: 2 }, { max: max(boom) }) },
  });
  const longAgo = ARRIVAL - 3_600_001;
  it('past: the event time is too long before the arrival', () => {
    const pipeline = { ...readings, maxPast: millis('1h') };
    expect(outcomeOf(pipeline, withFields({ measuredAt: longAgo }))).toEqual(
      refused('past', /too far before/),
    );
    expect(told(pipeline, withFields({ measuredAt: longAgo + 1 }))).toBe('record');
  });

  const broken: readonly { code: PoisonCode; pipeline: Pipeline }[] = [
    { code: 'decode', pipeline: readingsWith({ source: kinesis<Reading>({ decode: boom }) }) },
    { code: 'schema', pipeline: readingsWith({ source: kinesis<Reading>({ schema: hostile }) }) },
    { code: 'map', pipeline: readingsWith({ source: kinesis().map(boom) }) },
    { code: 'expand', pipeline: readingsWith({ source: kinesis().expand(boom) }) },
    { code: 'filter', pipeline: readingsWith({ filter: boom }) },
    { code: 'id', pipeline: readingsWith({ source: kinesis<Reading>({ id: boom }) }) },
    { code: 'key', pipeline: readingsWith({ key: boom }) },
    { code: 'event-time', pipeline: readingsWith({ eventTime: boom }) },
    { code: 'select', pipeline: throwingMax },
  ];
  it.each(broken)('$code: the author’s function throws', ({ code, pipeline }) => {
    expect(outcomeOf(pipeline, withFields({}))).toEqual(refused(code, 'boom'));
  });

  it('has an example here', () => {
    expect(new Set([...[...bad, ...broken].map(({ code }) => code), 'past'])).toEqual(new Set(CODES));
  });
});

describe('the bounds', () => {
  it('a record of 1 MiB is read, one byte more is not', () => {
    const padded = withFields({}).padEnd(MAX_RECORD_BYTES);
    expect(told(readings, padded)).toBe('record');
    expect(told(readings, `${padded} `)).toBe('too-large');
  });

  it('64 levels are read, 65 are not, and no number of them is a fault', () => {
    const levels = (depth: number) =>
      withFields({ other: 0 }).replace('0}', `${'['.repeat(depth)}${']'.repeat(depth)}}`);
    expect(told(readings, levels(MAX_JSON_DEPTH - 1))).toBe('record');
    expect(told(readings, levels(MAX_JSON_DEPTH))).toBe('too-deep');
    expect(told(readings, '[{"a":'.repeat(100_000))).toBe('too-deep');
  });

  it('brackets count wherever they nest, and nowhere inside of strings', () => {
    const text = fc.stringMatching(/^[[\]{}"\\a]{0,20}$/);
    const value = fc.letrec((tie) => ({
      value: fc.oneof(
        { maxDepth: 5 },
        text,
        fc.array(tie('value'), { maxLength: 3 }),
        fc.dictionary(text, tie('value'), { maxKeys: 3, noNullPrototype: true }),
      ),
    })).value;
    const depthOf = (one: unknown): number =>
      typeof one === 'object' && one !== null ? 1 + Math.max(0, ...Object.values(one).map(depthOf)) : 0;
    fc.assert(
      fc.property(value, fc.integer({ min: 55, max: 64 }), (inner, around) => {
        const other = Array.from({ length: around }).reduce<unknown>((deeper) => [deeper], inner);
        expect(told(readings, withFields({ other }))).toBe(
          depthOf({ other }) > MAX_JSON_DEPTH ? 'too-deep' : 'record',
        );
      }),
    );
  });

  it('a key is 1 to 1,024 bytes, however many characters they are', () => {
    for (const character of ['k', 'é', '\u{1f600}']) {
      const bytes = Buffer.byteLength(character);
      const fits = character.repeat(MAX_KEY_BYTES / bytes);
      expect(told(readings, withFields({ machineId: fits }))).toBe('record');
      expect(told(readings, withFields({ machineId: `${fits}k` }))).toBe('key');
    }
    for (const machineId of ['\ud800', 'a\udfff', '\udc00\ud800']) {
      expect(told(readings, withFields({ machineId }))).toBe('key');
    }
  });

  describe('a whole number past 2^53', () => {
    const keyed = (key: (one: never) => string, source = kinesis<Reading>()): Pipeline =>
      readingsWith({ source, key: key as (one: Reading) => string });
    const byId = keyed(({ id }: { id: unknown }) => `id ${id}`);
    const withId = (id: string, more = ''): string => withFields({}).replace('{', `{"id":${id},${more}`);
    const reasonOf = (shown: string): string =>
      `the key holds ${shown}, which was sent as a whole number past 2^53: of these JSON keeps the first digits alone, so send it as a text`;

    it.each([
      ['1234567890123456789', '1234567890123456800'],
      ['-9007199254740992', '9007199254740992'],
      ['9007199254740993', '9007199254740992'],
      ['1234567890123456789012345', '1.2345678901234568e+24'],
      ['12345678901234567.5', '12345678901234568'],
      ['[ 1, 1234567890123456789]', '1234567890123456800'],
    ])('is no key, as others would have the same: %s', (id, shown) => {
      expect(outcomeOf(byId, withId(id))).toEqual(refused('key', reasonOf(shown)));
    });

    it('is none either after a schema or a map, or written with all the digits of the double', () => {
      const mapped = kinesis<{ id: number }>().map(({ id, ...one }) => ({ ...one, id: String(id) }) as never);
      const coerced = kinesis({ schema: z.looseObject({ id: z.coerce.string() }) }) as never;
      for (const source of [mapped, coerced]) {
        const pipeline = keyed(({ id }: { id: string }) => id, source);
        expect(told(pipeline, withId('1234567890123456789'))).toBe('key');
        expect(told(pipeline, withId('1234567890123456'))).toBe('record');
      }
      const fixed = keyed(({ id }: { id: number }) => id.toFixed());
      expect(outcomeOf(fixed, withId('1234567890123456789'))).toEqual(
        refused('key', reasonOf('1234567890123456768')),
      );
    });

    it('is one as a text, also beside the number, and is no matter where it is not in the key', () => {
      expect(told(byId, withId('"1234567890123456789"'))).toBe('record');
      expect(told(byId, withId('"1234567890123456800"', '"number":1234567890123456800,'))).toBe('record');
      expect(told(byId, withId('"\\"1234567890123456789"', '"number":1234567890123456789,'))).toBe('record');
      expect(told(byId, withId('9007199254740991'))).toBe('record');
      expect(told(byId, withId('"a"', '"number":1234567890123456789,'))).toBe('record');
      expect(told(byId, withId('1767614400000.1234567'))).toBe('record');
    });

    it('is looked for in each record of a batch, and in one of 1 MiB', () => {
      const sources = ['"1234567890123456800"', '1234567890123456800', '1234567890123456789'].map((id) =>
        sourceRecord(withId(id)),
      );
      const outcomes = [...decodeAll(byId, sources)].flat().map(({ outcome }) => outcome);
      expect(outcomes).toEqual(['record', 'poison', 'poison']);
      const long = withId('1234567890123456789', `"note":"${'\\"x'.repeat(300_000)}",`);
      expect(told(byId, long)).toBe('key');
    });

    it('never makes one key of two numbers, and of any text makes what it was', () => {
      const digits = fc.bigInt({ min: -(10n ** 25n), max: 10n ** 25n }).map(String);
      const keyOf = (id: string): string | undefined => {
        const decoded = decodeRecord(byId, sourceRecord(withId(id)));
        return decoded.outcome === 'record' ? decoded.key : undefined;
      };
      fc.assert(
        fc.property(digits, (id) => {
          expect(keyOf(`"${id}"`)).toBe(`id ${id}`);
          expect(keyOf(id)).toBe(Number.isSafeInteger(Number(id)) ? `id ${id}` : undefined);
        }),
      );
    });
  });

  it.each([undefined, '0s', '1ms', '30d'] as const)(
    'an event time may be maxFutureSkew (%s) ahead of the arrival, and not a millisecond more',
    (maxFutureSkew) => {
      const pipeline = readingsWith(maxFutureSkew === undefined ? {} : { maxFutureSkew });
      const latest = ARRIVAL + millis(maxFutureSkew ?? '1h');
      expect(told(pipeline, withFields({ measuredAt: latest }))).toBe('record');
      expect(told(pipeline, withFields({ measuredAt: latest + 1 }))).toBe('future');
    },
  );
});

describe('what is let through', () => {
  it('may have fields that nobody asked for', () => {
    fc.assert(
      fc.property(fc.dictionary(fc.string({ unit: 'binary' }), fc.jsonValue()), (extra) => {
        const plain = decodeRecord(readings, sourceRecord(withFields({})));
        const text = JSON.stringify({ ...extra, ...good, note: null });
        expect(decodeRecord(readings, sourceRecord(text))).toEqual(plain);
      }),
    );
  });

  it('is what the validator makes of it, and then what the map makes of that', () => {
    const source = kinesis({
      schema: z.object({ id: z.coerce.string(), at: z.iso.datetime(), f: z.number().default(50) }),
    }).map(({ id, at, f }) => ({ machineId: id, measuredAt: new Date(at), celsius: ((f - 32) * 5) / 9 }));
    const pipeline = definePipeline('mapped', source, {
      key: ({ machineId }) => machineId,
      eventTime: ({ measuredAt }) => measuredAt,
      windows: { two: rolling({ count: 2 }, { mean: mean('celsius') }) },
    });
    expect(outcomeOf(pipeline, '{"id":7,"at":"2024-05-01T11:59:59.123Z"}')).toEqual({
      outcome: 'record',
      key: '7',
      record: { at: ARRIVAL - 877, arrival: ARRIVAL, waited: false, values: [10] },
    });
  });

  it('is filtered before anything is asked of its key', () => {
    const pipeline = readingsWith({ filter: ({ celsius }) => celsius > 90 });
    expect(told(pipeline, '{"celsius":21.5}')).toBe('filtered');
    expect(told(pipeline, '{"celsius":91}')).toBe('key');
  });
});

describe('whatever an author’s functions give back', () => {
  /** Wrapped in a function: a proxy that throws whatever it is asked cannot be handled otherwise, or shown. */
  const anything = fc.oneof(
    fc
      .anything({
        withBigInt: true,
        withBoxedValues: true,
        withDate: true,
        withMap: true,
        withNullPrototype: true,
        withObjectString: true,
        withSet: true,
        withTypedArray: true,
      })
      .map((value) => () => value),
    fc.constantFrom<() => unknown>(
      () => Symbol('given'),
      () => throwing,
      () => new Date(Number.NaN),
      () => new Date(ARRIVAL),
      () => new Date(8.64e15),
      () => 2 ** 53,
      () => '2024-05-01T12:00:00',
      () => Promise.resolve(ARRIVAL),
      () => new Proxy({}, {}),
      () => ({ getTime: () => Number.NaN }),
      () => ({ getTime: () => 5n }),
      () => ({ getTime: throwing }),
      () => ({ valueOf: throwing, toString: throwing, toJSON: throwing }),
      () => cyclic(),
    ),
  );
  interface Given {
    map: unknown;
    filter: unknown;
    key: unknown;
    eventTime: unknown;
    number: unknown;
    value: unknown;
  }
  const usual: Given = { map: {}, filter: true, key: 'key', eventTime: ARRIVAL, number: 1, value: 'text' };
  const giving = (some: Partial<Given>): Pipeline => {
    const given = { ...usual, ...some };
    return definePipeline(
      'any',
      kinesis().map(() => given.map),
      {
        filter: () => given.filter as boolean,
        key: () => given.key as string,
        eventTime: () => given.eventTime as number,
        windows: {
          two: rolling({ count: 2 }, { max: max(() => given.number as number) }),
          minute: tumbling(
            { size: '1m' },
            { last: last(() => given.value as string), all: collect(() => given.value as string) },
          ),
        },
      },
    );
  };

  it.each(Object.keys(usual))('as the %s, it is one of the outcomes', (name) => {
    fc.assert(
      fc.property(fc.oneof(anything, fc.constant(throwingProxy)), (given) => {
        outcomeOf(giving({ [name]: given() }), '{}');
      }),
      { numRuns: 500 },
    );
  });

  it.each([
    { what: 'a list with holes', value: () => new Array(3) },
    { what: 'a value of 100 levels', value: () => nested(100, 'lists') },
    { what: 'text that is not well-formed', value: () => 'half of \ud83d\ude00: \ud83d' },
    { what: 'a Map', value: () => new Map([['a', 1]]) },
  ])('a value that a commit cannot give back is refused: $what', ({ value }) => {
    expect(told(giving({ value: value() }), '{}')).toBe('select');
  });

  it('as a record, when it can be asked for nothing', () => {
    const pipeline = readingsWith({ source: kinesis().map(() => throwingProxy() as Reading) });
    expect(told(pipeline, '{}')).toBe('key');
  });

  it.each([
    { step: 'filter', code: 'filter' },
    { step: 'key', code: 'key' },
    { step: 'eventTime', code: 'event-time' },
  ] as const)('or throw, in $step, it is the record that is refused', ({ step, code }) => {
    fc.assert(
      fc.property(
        fc.oneof(
          anything,
          fc.string().map((message) => () => new Error(message)),
        ),
        (thrown) => {
          const throwIt = () => {
            throw thrown();
          };
          expect(told(readingsWith({ [step]: throwIt }), withFields({}))).toBe(code);
        },
      ),
    );
  });

  it.each<{ what: string; given: Partial<Given>; throws?: unknown }>([
    { what: 'an error that cannot be asked for anything', given: {}, throws: throwingProxy() },
    {
      what: 'an error with a message that is no text',
      given: {},
      throws: Object.assign(new Error(), { message: Symbol('boom') }),
    },
    {
      what: 'a getTime that gives back an object',
      given: { eventTime: { getTime: () => ({ toString: throwing }) } },
    },
  ])('even $what is no fault', ({ given, throws }) => {
    const key = () => {
      if (throws !== undefined) throw throws;
      return 'key';
    };
    expect(outcomeOf({ ...giving(given), key }, '{}')).toMatchObject({ outcome: 'poison' });
  });

  it('an event time is epoch milliseconds, a date-time with a zone or a Date, and these are the same', () => {
    for (const at of [ARRIVAL, isoTime(ARRIVAL), '2024-05-01T14:00:00+02:00', new Date(ARRIVAL)]) {
      expect(outcomeOf(giving({ eventTime: at }), '{}')).toMatchObject({
        outcome: 'record',
        record: { at: ARRIVAL },
      });
    }
  });

  const noTimes: unknown[] = [
    '',
    'today',
    '2024-05-01',
    '2024-05-01T12:00:00',
    Number.NaN,
    Number.POSITIVE_INFINITY,
    1.5,
    new Date(Number.NaN),
    new Date(-8.64e15),
    -62_167_219_200_001,
    null,
    undefined,
    true,
    false,
    [],
    [ARRIVAL],
    {},
    { toString: 1, valueOf: 1 },
  ];
  it.each(noTimes.map((eventTime) => ({ eventTime })))('$eventTime is no event time', ({ eventTime }) => {
    expect(told(giving({ eventTime }), '{}')).toBe('event-time');
  });
});

function throwing(): never {
  throw new Error('boom');
}

/** An object that throws whatever is asked of it. */
function throwingProxy(): object {
  return new Proxy({}, new Proxy({}, { get: () => throwing }));
}

function cyclic(): object {
  const value: { self?: object } = {};
  value.self = value;
  return value;
}

it('a schema that answers later is the author’s fault, not the record’s, and stops the batch', () => {
  const later = z.object({ machineId: z.string() }).refine(async () => true);
  const pipeline = definePipeline('later', kinesis({ schema: later }), {
    key: ({ machineId }) => machineId,
    eventTime: () => ARRIVAL,
    windows: { minute: tumbling({ size: '1m' }, { records: count() }) },
  });
  expect(() => decodeRecord(pipeline, sourceRecord(withFields({})))).toThrow(
    new TypeError('Cannot validate with a schema that answers later as records are folded in order, at once'),
  );
});
