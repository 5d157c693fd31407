import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { z } from 'zod';
import { type Decoded, decodeRecord } from '../../src/engine/intake/decode.ts';
import {
  count,
  definePipeline,
  kinesis,
  last,
  mean,
  type Pipeline,
  panesOf,
  rolling,
  session,
  tumbling,
} from '../../src/index.ts';
import type { Options } from '../../src/pipeline/pipeline.ts';
import type { Source } from '../../src/pipeline/source.ts';
import type { PaneShape } from '../../src/pipeline/windows.ts';
import { tryPipeline } from '../../src/testing.ts';
import { ARRIVAL, sourceRecord } from '../engine/intake/source-records.ts';

interface Reading {
  readonly machine: { readonly id: string };
  readonly measuredAt: number | string | Date;
  readonly celsius: number;
}

/** A pipeline of any records, with a key and an event time that are read in one way or another. */
const selecting = (
  key: string | ((record: never) => unknown),
  eventTime: string | ((record: never) => unknown),
  source: Source<Reading> = kinesis<Reading>(),
): Pipeline =>
  definePipeline('readings', source, {
    key: key as 'machine.id',
    eventTime: eventTime as 'measuredAt',
    allowedLateness: '1m',
    windows: {
      two: rolling({ count: 2 }, { mean: mean('celsius') }),
      minute: tumbling({ size: '1m' }, { n: count() }),
    },
  });

const byName = (source?: Source<Reading>) => selecting('machine.id', 'measuredAt', source);
const byFunction = (source?: Source<Reading>) =>
  selecting(
    ({ machine }: Reading) => machine.id,
    ({ measuredAt }: Reading) => measuredAt,
    source,
  );

/** A refusal without what only a name or only a function has it say. */
function alike(decoded: Decoded): Decoded {
  if (decoded.outcome !== 'poison') return decoded;
  const { code, reason } = decoded.poison;
  // A function throws where it is given null, or no object on the way.
  const said = /^Cannot (read properties|destructure)/.test(reason)
    ? `the ${code} is undefined, not a string`
    : reason.replace(/, field ".*?",/, '');
  return { outcome: 'poison', poison: { code, reason: said } };
}

/** The text of a value that may be none of those that a field holds. */
const raw = fc.oneof(
  fc.json({ depthSize: 'small' }),
  fc.constantFrom('"m1"', '""', '"\\ud800"', 'null', '[]', '1e999', '1.5', '{"getTime":1}', '{"id":"m1"}'),
  fc.integer({ min: ARRIVAL - 100_000, max: ARRIVAL + 10_000_000 }).map(String),
  fc.constantFrom('"2024-05-01T12:00:00Z"', '"2024-05-01T12:00:00"', '{"id":"m2","__proto__":{"id":"m3"}}'),
);

const HOSTILE = ['machine', 'measuredAt', 'celsius', 'machine.id', '__proto__', 'constructor', 'length'];

/** The text of an object of such fields, or of any value. */
const record = fc.oneof(
  { weight: 1, arbitrary: raw },
  {
    weight: 8,
    arbitrary: fc
      .uniqueArray(fc.tuple(fc.constantFrom(...HOSTILE), raw), { selector: ([name]) => name })
      .map((fields) => `{${fields.map(([name, value]) => `"${name}":${value}`).join()}}`),
  },
);

/** An own field of whatever it is. */
const own = (from: unknown, name = ''): unknown =>
  typeof from === 'object' && from !== null && Object.hasOwn(from, name)
    ? (from as Record<string, unknown>)[name]
    : undefined;

describe('a name is what a function that returns the field is', () => {
  const [named, called] = [byName(), byFunction()];
  const pairs = HOSTILE.map((name) => {
    const [first, second] = name.split('.');
    const ownField = (one: unknown) => {
      const whole = own(one, name);
      return whole === undefined && second !== undefined ? own(own(one, first), second) : whole;
    };
    return [selecting(name, name), selecting(ownField, ownField)] as const;
  });

  it('of any record: the same key and event time, or the same refusal', () => {
    fc.assert(
      fc.property(record, fc.nat({ max: pairs.length - 1 }), (data, at) => {
        const decoded = (pipeline: Pipeline) => alike(decodeRecord(pipeline, sourceRecord(data)));
        const [ofName, ofOwnField] = pairs[at] as (typeof pairs)[number];
        expect(decoded(ofName)).toEqual(decoded(ofOwnField));
        // A field whose very name is the path comes before the path.
        if (own(JSON.parse(data), 'machine.id') === undefined)
          expect(decoded(named)).toEqual(decoded(called));
      }),
      { numRuns: 500 },
    );
  });

  const shaped = z.object({
    machine: z.object({ id: z.string() }),
    measuredAt: z.number(),
    celsius: z.number(),
  });
  it.each<readonly [string, Source<Reading>]>([
    ['as they are sent', kinesis<Reading>()],
    ['that a schema lets through', kinesis({ schema: shaped })],
    ['that are known by an id', kinesis<Reading>({ id: ({ celsius }) => String(celsius) })],
    [
      'that map reshapes',
      kinesis<Reading>().map((one) => ({ ...one, measuredAt: new Date(one.measuredAt), celsius: 1 })),
    ],
    [
      'that expand makes',
      kinesis<Reading>().expand((one) => [one, { ...one, machine: { id: `${one.machine.id}-b` } }]),
    ],
  ])('of records %s: the same panes, and the same are refused', (_, source) => {
    const reading = fc.record(
      {
        machine: fc.oneof(
          { weight: 6, arbitrary: fc.record({ id: fc.constantFrom('a', 'b') }) },
          fc.constantFrom({}, 'a', null, { id: 5 }),
        ),
        measuredAt: fc.oneof(
          { weight: 6, arbitrary: fc.integer({ min: ARRIVAL, max: ARRIVAL + 200_000 }) },
          fc.constantFrom('2024-05-01T12:00:30Z', 'noon', null),
        ),
        celsius: fc.integer({ min: 0, max: 9 }),
      },
      { requiredKeys: ['celsius'] },
    );
    const [of, by] = [byName(source), byFunction(source)];
    let panes = 0;
    fc.assert(
      fc.property(fc.array(reading, { minLength: 4, maxLength: 12 }), (readings) => {
        const [named, called] = [tryPipeline(of, readings), tryPipeline(by, readings)];
        panes += named.panes.length;
        expect(named.panes).toEqual(called.panes);
        expect(named.poison.map(({ code }) => code)).toEqual(called.poison.map(({ code }) => code));
      }),
      { numRuns: 10 },
    );
    expect(panes).toBeGreaterThan(0);
  });
});

class Machine {
  get id(): string {
    return 'inherited';
  }
}
const inherits = Object.create({ id: 'inherited' });

describe('a record is refused by the name of its field', () => {
  const AT = 'neither whole epoch milliseconds nor an ISO 8601 date-time with a zone';
  it.each([
    [{ id: 5 }, 'key', 'the key, field "id", is number, not a string'],
    [{ id: ['m1'] }, 'key', 'the key, field "id", is object, not a string'],
    [{}, 'key', 'the key, field "id", is undefined, not a string'],
    [null, 'key', 'the key, field "id", is undefined, not a string'],
    ['text', 'key', 'the key, field "id", is undefined, not a string'],
    [['m1'], 'key', 'the key, field "id", is undefined, not a string'],
    [{ id: '' }, 'key', 'a key must be 1 to 1024 bytes of well-formed Unicode'],
    [inherits, 'key', 'the key, field "id", is undefined, not a string'],
    [new Machine(), 'key', 'the key, field "id", is undefined, not a string'],
    [{ id: 'm1' }, 'event-time', `the event time undefined, field "at.last", is ${AT}`],
    [{ id: 'm1', at: ARRIVAL }, 'event-time', `the event time undefined, field "at.last", is ${AT}`],
    [{ id: 'm1', at: { last: 'noon' } }, 'event-time', `the event time "noon", field "at.last", is ${AT}`],
    [{ id: 'm1', at: { last: {} } }, 'event-time', `the event time object, field "at.last", is ${AT}`],
  ])('%o', (record, code, reason) => {
    const pipeline = selecting('id', 'at.last', kinesis<Reading>({ decode: () => record }));
    expect(decodeRecord(pipeline, sourceRecord('{}'))).toEqual({
      outcome: 'poison',
      poison: { code, reason },
    });
  });

  it('a field that answers later', () => {
    const later = kinesis<Reading>({ decode: () => ({ id: Promise.reject(new Error('late')) }) });
    expect(decodeRecord(selecting('id', 'at', later), sourceRecord('{}'))).toEqual({
      outcome: 'poison',
      poison: { code: 'key', reason: 'it answers with a promise, for which nobody waits' },
    });
  });

  it.each(['constructor', '__proto__', 'toString', 'constructor.name', 'id.length'])(
    'what all objects have is no field: %s',
    (name) => {
      const decoded = decodeRecord(selecting(name, 'at'), sourceRecord(`{"id":"m1","at":${ARRIVAL}}`));
      expect(decoded).toMatchObject({
        poison: { code: 'key', reason: `the key, field "${name}", is undefined, not a string` },
      });
    },
  );
});

describe('what a definition reads', () => {
  type Noted = Reading & { readonly note: string };
  type Given = Partial<Options<Noted, { readonly [name: string]: PaneShape }>>;
  const define = (options: Given = {}, source: Source<Noted> = kinesis()) =>
    definePipeline('readings', source, {
      key: 'machine.id',
      eventTime: 'measuredAt',
      windows: {
        two: rolling({ count: 2 }, { mean: mean('celsius'), n: count() }),
        minute: tumbling(
          { size: '1m' },
          { mean: mean('celsius'), note: last('note'), at: last('measuredAt' as 'note') },
        ),
      },
      ...(options as object),
    });

  it('is named, each field once, where no function and no schema is given a record', () => {
    const reads = ['machine.id', 'measuredAt', 'celsius', 'note'];
    expect(define()).toMatchObject({ reads, fields: { key: 'machine.id', eventTime: 'measuredAt' } });
    expect(define().to({ kind: 'table' } as never).reads).toEqual(reads);
    const panes = definePipeline('counts', panesOf(define(), 'two'), {
      key: 'key',
      eventTime: 'start',
      windows: { two: rolling({ count: 2 }, { mean: mean('results.mean') }) },
    });
    expect(panes.reads).toEqual(['key', 'start', 'results.mean']);
  });

  it.each([
    ['a filter', { filter: () => true }],
    ['an aggregate', { windows: { two: rolling({ count: 2 }, { n: mean(() => 1) }) } as never }],
    ['a gap', { windows: { visit: session({ gap: () => '1m' }, { n: count() }) } as never }],
    ['a schema', {}, kinesis({ schema: z.any() })],
    ['a map', {}, kinesis<Reading>().map((one) => ({ ...one, note: '' }))],
    ['an expand', {}, kinesis<Reading>().expand((one) => [{ ...one, note: '' }])],
    ['an id', {}, kinesis<Noted>({ id: () => 'one' })],
  ] as const)('may be anything where there is %s', (_, options: Given, source?: Source<Noted>) => {
    const { reads, fields } = define(options, source);
    expect(reads).toBeUndefined();
    expect(fields).toEqual({ key: 'machine.id', eventTime: 'measuredAt' });
  });

  it('may be anything where the key or the event time is a function', () => {
    expect(define({ key: ({ machine }) => machine.id })).toMatchObject({
      reads: undefined,
      fields: { key: undefined, eventTime: 'measuredAt' },
    });
    expect(define({ eventTime: () => 0 })).toMatchObject({
      reads: undefined,
      fields: { key: 'machine.id', eventTime: undefined },
    });
  });
});
