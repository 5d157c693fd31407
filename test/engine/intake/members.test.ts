import { gzipSync } from 'node:zlib';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Packer, unpackRecords } from '../../../src/adapters/kinesis/kpl.ts';
import { positionOf, subPlaceOf } from '../../../src/core/position.ts';
import { decodeLedger } from '../../../src/engine/format/entry.ts';
import { groupOf, hashOf } from '../../../src/engine/group/key-group.ts';
import {
  type Decoded,
  decodeAll,
  decodeRecord,
  MAX_REFUSED_PARTS,
  placedParts,
} from '../../../src/engine/intake/decode.ts';
import { MAX_UNPACKED_BYTES, membersIn } from '../../../src/engine/intake/members.ts';
import { readRefused } from '../../../src/engine/intake/poison.ts';
import { processHandler } from '../../../src/handlers.ts';
import {
  base64,
  cloudWatchLogs,
  count,
  type Decode,
  definePipeline,
  gzip,
  json,
  jsonLines,
  jsonTexts,
  kafka,
  kinesis,
  type Pipeline,
  sqs,
  tumbling,
} from '../../../src/index.ts';
import type { SourceRecord } from '../../../src/ports/source.ts';
import { kinesisEvent } from '../../../src/simulation/shapes.ts';
import { tryPipeline } from '../../../src/testing.ts';
import { groupLog, POISON_PREFIX } from '../../../src/wiring/names.ts';
import { at, type Reading, Scene } from '../scene.ts';
import { ARRIVAL, sourceRecord } from './source-records.ts';

const OPTIONS = {
  filter: ({ note }: Reading & { note?: string }) => note !== 'test',
  key: ({ machine }: Reading) => machine,
  eventTime: (reading: Reading) => reading.at,
  groups: 16,
  windows: { minute: tumbling({ size: '1m' }, { n: count() }) },
};
const pipelineOf = (source: Pipeline['source']): Pipeline =>
  definePipeline('readings', source as ReturnType<typeof kinesis<Reading>>, OPTIONS) as Pipeline;

const reading = (machine: string, more: object = {}): string =>
  JSON.stringify({ machine, at: ARRIVAL - 1_000, celsius: 20, ...more });

/** What a decoder makes of a record: for each part its place, and its key or its code. */
function told(decode: Decode, data: string | Uint8Array): string[] {
  const source = sourceRecord(data);
  return toldOf(source, decodeRecord(pipelineOf(kinesis<Reading>({ decode })), source));
}

const toldOf = (source: SourceRecord, decoded: Decoded): string[] =>
  placedParts(source, decoded).map(({ member, child, part }) => {
    const what =
      part.outcome === 'record' ? part.key : part.outcome === 'poison' ? part.poison.code : part.outcome;
    return `${member}.${child} ${what}`;
  });

const reasonOf = (decode: Decode, data: string | Uint8Array): string | undefined => {
  const source = sourceRecord(data);
  const decoded = decodeRecord(pipelineOf(kinesis<Reading>({ decode })), source);
  const [first] = placedParts(source, decoded);
  return first?.part.outcome === 'poison' ? first.part.poison.reason : undefined;
};

describe('lines of JSON', () => {
  it('are a record each, numbered without those that are blank, and a bad one is refused alone', () => {
    const lines = [
      '',
      reading('a'),
      ' \t\r',
      '{"machine":',
      reading('b', { note: 'test' }),
      '{}',
      reading('c'),
    ];
    const expected = ['0.0 a', '1.0 not-json', '2.0 filtered', '3.0 key', '4.0 c'];
    expect(told(jsonLines, lines.join('\n'))).toEqual(expected);
    expect(told(jsonLines, `${lines.join('\r\n')}\r\n`)).toEqual(expected);
  });

  it('may be one, and none of them is filtered', () => {
    expect(told(jsonLines, reading('a'))).toEqual(['0.0 a']);
    for (const text of ['', ' ', '\n \r\n']) expect(told(jsonLines, text)).toEqual(['0.0 filtered']);
  });

  it('end with a line feed and with nothing else', () => {
    expect(told(jsonLines, reading('a\u2028b'))).toEqual(['0.0 a\u2028b']);
    expect(told(jsonLines, `${reading('a')}\r${reading('b')}`)).toEqual(['0.0 not-json']);
  });

  it('are bounded as records are, one by one', () => {
    const long = reading('a', { more: 'x'.repeat(1_048_576) });
    expect(told(jsonLines, `${long}\n${reading('b')}`)).toEqual(['0.0 too-large', '1.0 b']);
    expect(told(jsonLines, `${'['.repeat(65)}\n${reading('b')}`)).toEqual(['0.0 too-deep', '1.0 b']);
  });

  it('are at most a million', () => {
    const nothing = definePipeline('nothing', kinesis<Reading>({ decode: jsonLines }), {
      ...OPTIONS,
      filter: () => false,
    });
    const source = sourceRecord('0\n'.repeat(1_000_001));
    expect(decodeRecord(nothing, source)).toEqual({
      outcome: 'poison',
      poison: { code: 'decode', reason: 'a record must have at most 1000000 members: it has more' },
    });
  });

  it('are refused one by one up to ten thousand of them, and as a whole with one more', () => {
    const lines = `${reading('a')}\n${'{}\n'.repeat(MAX_REFUSED_PARTS)}`;
    const outcomes = told(jsonLines, lines);
    expect(outcomes[0]).toBe('0.0 a');
    expect(outcomes.filter((outcome) => outcome.endsWith(' key'))).toHaveLength(10_000);
    expect(told(jsonLines, `${lines}{}`)).toEqual(['0.0 decode']);
    expect(reasonOf(jsonLines, `${lines}{}`)).toBe(
      'a record must have at most 10000 members that are refused: it has more',
    );
    const list = kinesis<unknown[]>().expand((all) => all);
    const ofList = (length: number): string[] => {
      const source = sourceRecord(JSON.stringify(new Array(length).fill({})));
      return toldOf(source, decodeRecord(pipelineOf(list), source));
    };
    expect(ofList(10_000)).toHaveLength(10_000);
    expect(ofList(10_001)).toEqual(['0.0 expand']);
    // Children of several members count together.
    const lists = kinesis<unknown[]>({ decode: jsonLines }).expand((all) => all);
    const record = sourceRecord(`${JSON.stringify(new Array(6_000).fill({}))}\n`.repeat(2));
    expect(toldOf(record, decodeRecord(pipelineOf(lists), record))).toEqual(['0.0 decode']);
  });

  it('keep the digits of each line to itself, where a key is a whole number past 2^53', () => {
    const lines = ['{"id":1234567890123456789}', '{"id":"1234567890123456800"}'].map(
      (line) => `${line.slice(0, -1)},"at":${ARRIVAL}}`,
    );
    const pipeline = definePipeline('ids', kinesis<{ id: string; at: number }>({ decode: jsonLines }), {
      ...OPTIONS,
      filter: () => true,
      key: ({ id }) => `id ${id}`,
      eventTime: ({ at }) => at,
    });
    const source = sourceRecord(lines.join('\n'));
    expect(toldOf(source, decodeRecord(pipeline, source))).toEqual(['0.0 key', '1.0 id 1234567890123456800']);
  });
});

describe('JSON texts that follow each other', () => {
  it.each([
    ['without anything between', `${reading('a')}${reading('b')}`, ['0.0 a', '1.0 b']],
    ['on several lines', JSON.stringify(JSON.parse(reading('a')), undefined, 2), ['0.0 a']],
    ['with brackets in strings', `${reading('a}{')} ${reading('\\"]')}`, ['0.0 a}{', '1.0 \\"]']],
    ['of other kinds', `1 "a b"[]true${reading('a')}`, ['0.0 key', '1.0 key', '2.0 key', '3.0 key', '4.0 a']],
    ['with a bracket too many', `${reading('a')}}${reading('b')}`, ['0.0 a', '1.0 not-json', '2.0 b']],
    ['of which one has no end', `${reading('a')}{"machine":${reading('b')}`, ['0.0 a', '1.0 not-json']],
    ['with a string that has no end', `${reading('a')}"b {}`, ['0.0 a', '1.0 not-json']],
  ])('%s', (_, data, expected) => {
    expect(told(jsonTexts, data)).toEqual(expected);
  });

  it('are what was written, whatever it is, and none is lost', () => {
    const written = fc.array(fc.json({ maxDepth: 4 }));
    fc.assert(
      fc.property(written, fc.constantFrom(' ', '\n', '\r\n\t'), (texts, blank) => {
        const found = [...membersIn(jsonTexts, Buffer.from(texts.join(blank)))];
        expect(found.map((text) => Buffer.from(text as Uint8Array).toString())).toEqual(texts);
      }),
    );
  });

  it('are, of whatever bytes, all the bytes but blanks between', () => {
    const letters = fc.array(fc.constantFrom(...'{}[]" \\\n,:a1'), { maxLength: 40 });
    fc.assert(
      fc.property(letters, (text) => {
        const found = [...membersIn(jsonTexts, Buffer.from(text.join('')))];
        const kept = found.map((one) => Buffer.from(one as Uint8Array).toString());
        expect(kept.every((one) => one.length > 0)).toBe(true);
        expect(kept.join('').replace(/\s/g, '')).toBe(text.join('').replace(/\s/g, ''));
      }),
    );
  });
});

describe('gzip and base64', () => {
  it('unpack to what another decoder reads', () => {
    const lines = `${reading('a')}\n${reading('b')}`;
    expect(told(gzip(), gzipSync(reading('a')))).toEqual(['0.0 a']);
    expect(told(gzip(json), Buffer.concat([gzipSync(reading('a')), gzipSync('  ')]))).toEqual(['0.0 a']);
    expect(told(gzip(jsonLines), gzipSync(lines))).toEqual(['0.0 a', '1.0 b']);
    expect(told(base64(gzip(jsonLines)), gzipSync(lines).toString('base64'))).toEqual(['0.0 a', '1.0 b']);
    expect(told(base64(), ` ${Buffer.from(reading('a')).toString('base64')}\r\n`)).toEqual(['0.0 a']);
    const mine = (bytes: Uint8Array) => ({ machine: Buffer.from(bytes).toString(), at: ARRIVAL });
    expect(told(gzip(mine), gzipSync('m7'))).toEqual(['0.0 m7']);
  });

  it('refuse the record where they cannot', () => {
    const packed = gzipSync(reading('a'));
    for (const data of [
      reading('a'),
      '',
      packed.subarray(0, -1),
      packed.with(20, 0),
      packed.subarray(0, 10),
    ]) {
      expect(told(gzip(), data)).toEqual(['0.0 decode']);
    }
    // zlib passes over whatever follows a zero byte.
    expect(reasonOf(gzip(), Buffer.concat([packed, Buffer.from('\0{}')]))).toBe(
      '3 bytes follow the end of the gzip data',
    );
    expect(told(gzip(), Buffer.concat([packed, Buffer.from('{}')]))).toEqual(['0.0 decode']);
    for (const text of ['a', 'ab=c', 'ab$d', '{}']) expect(reasonOf(base64(), text)).toBe('it is not base64');
    expect(told(base64(), '')).toEqual(['0.0 not-json']);
  });

  it('unpack to a bound, and no further', () => {
    const fits = gzipSync(`${reading('a')}\n`.padEnd(MAX_UNPACKED_BYTES, ' '));
    expect(told(gzip(jsonLines), fits)).toEqual(['0.0 a']);
    const bomb = gzipSync(Buffer.alloc(MAX_UNPACKED_BYTES + 1, 0x20));
    expect(bomb.length).toBeLessThan(20_000);
    expect(reasonOf(gzip(jsonLines), bomb)).toBe('the record unpacks to more than 16777216 bytes');
  });
});

describe('the envelope of CloudWatch Logs', () => {
  const EVENT = {
    id: '31953106606966983378809025079804211143289615424298221568',
    timestamp: ARRIVAL,
    message: 'a',
  };
  const envelope = (fields: object): Uint8Array =>
    gzipSync(
      JSON.stringify({
        messageType: 'DATA_MESSAGE',
        owner: '123456789012',
        logGroup: 'app',
        logStream: 'app/1',
        subscriptionFilters: ['all'],
        logEvents: [EVENT, { ...EVENT, message: 'b' }],
        ...fields,
      }),
    );
  const source = kinesis<Record<string, unknown>>({ decode: cloudWatchLogs });
  const seen = (data: Uint8Array): unknown[] => {
    const values: unknown[] = [];
    const watch = source.map((event) => {
      values.push(event);
      return { machine: String(event['message']), at: event['timestamp'] };
    });
    decodeRecord(pipelineOf(watch), sourceRecord(data));
    return values;
  };

  it('holds log events, each of which is a record with what they share', () => {
    const shared = {
      owner: '123456789012',
      logGroup: 'app',
      logStream: 'app/1',
      subscriptionFilters: ['all'],
    };
    expect(seen(envelope({}))).toEqual([
      { ...EVENT, ...shared },
      { ...EVENT, ...shared, message: 'b' },
    ]);
  });

  it('holds none where CloudWatch only checks the stream', () => {
    const control = envelope({ messageType: 'CONTROL_MESSAGE', logEvents: [{ ...EVENT, id: '' }] });
    expect(told(cloudWatchLogs, control)).toEqual(['0.0 filtered']);
  });

  it.each([
    ['another type of message', envelope({ messageType: 'OTHER' })],
    ['no list of events', envelope({ logEvents: {} })],
    ['no object', gzipSync('null')],
    ['no JSON', gzipSync('{')],
    ['no gzip', Buffer.from('{}')],
    ['nested deeper than any', gzipSync('['.repeat(65))],
  ])('is refused where it is %s', (_, data) => {
    expect(told(cloudWatchLogs, data)).toEqual(['0.0 decode']);
  });

  it('leaves the other events as they are where one is none', () => {
    const events = [null, 7, { ...EVENT, message: { toString: 1 } }, EVENT];
    const mapped = source.map(({ message, timestamp }) => ({ machine: message, at: timestamp }));
    const record = sourceRecord(envelope({ logEvents: events }));
    expect(toldOf(record, decodeRecord(pipelineOf(mapped), record))).toEqual([
      '0.0 key',
      '1.0 key',
      '2.0 key',
      '3.0 a',
    ]);
  });

  it('keeps two numbers apart that a message has past 2^53', () => {
    const parsed = source.map(({ message, timestamp }) => ({
      machine: `id ${JSON.parse(String(message)).id}`,
      at: timestamp,
    }));
    const events = ['{"id":1234567890123456789}', '{"id":7}'].map((message) => ({ ...EVENT, message }));
    const record = sourceRecord(envelope({ logEvents: events }));
    expect(toldOf(record, decodeRecord(pipelineOf(parsed), record))).toEqual(['0.0 key', '1.0 id 7']);
  });
});

describe('an author’s function of the bytes', () => {
  it('makes one value, which the other functions take apart', () => {
    const csv = (bytes: Uint8Array) => {
      const [machine, celsius] = Buffer.from(bytes).toString().split(';');
      return { machine, celsius: Number(celsius), at: ARRIVAL };
    };
    expect(told(csv, 'pump;20')).toEqual(['0.0 pump']);
    expect(told(csv, ';20')).toEqual(['0.0 key']);
    // Where a function finds a number, nobody can tell: whether it was rounded is its own affair.
    expect(told(csv, '1234567890123456800;20')).toEqual(['0.0 1234567890123456800']);
  });

  it('refuses the record where it throws', () => {
    const boom = () => {
      throw new Error('boom');
    };
    expect(told(boom, 'a')).toEqual(['0.0 decode']);
    expect(reasonOf(boom, 'a')).toBe('boom');
    expect(reasonOf(async () => boom(), 'a')).toBe('it answers with a promise, for which nobody waits');
  });

  it('refuses what is no decoder when the source is defined', () => {
    for (const decode of ['json', null, {}, 7]) {
      expect(() => kinesis({ decode: decode as never })).toThrow(
        `Cannot read a source as decode must be a function of a record's bytes, or a decoder such as jsonLines or gzip(): it is ${decode === null ? 'null' : typeof decode}`,
      );
    }
    expect(() => gzip('json' as never)).toThrow(/^Cannot unpack gzip as decode must be/);
  });
});

describe('packed records', () => {
  const packedOf = (texts: readonly (readonly [partitionKey: string, text: string])[]): Uint8Array => {
    const packer = new Packer();
    for (const [partitionKey, text] of texts) packer.add({ partitionKey, data: Buffer.from(text) });
    return packer.pack();
  };
  const streamRecord = (data: Uint8Array, position = '5'): SourceRecord => ({
    lineage: 'readings/shardId-000000000000',
    position: positionOf(position),
    arrival: at(1, 0),
    partitionKey: 'outer',
    data,
  });
  const INVOCATION = { getRemainingTimeInMillis: () => 60_000 };
  const machine = (name: string, seconds: number, more: object = {}): string =>
    JSON.stringify({ machine: name, at: at(0, seconds), celsius: 20, ...more });

  it('are taken in one by one, beside ordinary records, and add nothing when they come again', async () => {
    const scene = new Scene(pipelineOf(kinesis()));
    const handler = processHandler(scene.ports, scene.pipeline);
    const records = [
      streamRecord(Buffer.from(machine('pump', 1)), '5'),
      streamRecord(
        packedOf([
          ['a', machine('pump', 2)],
          ['b', machine('oven', 3)],
          ['a', machine('pump', 4)],
        ]),
        '6',
      ),
      streamRecord(packedOf([]), '7'),
      streamRecord(Buffer.from(machine('pump', 5)), '8'),
    ];
    expect(await handler(kinesisEvent(records), INVOCATION)).toEqual({ batchItemFailures: [] });
    expect(scene.groupOf('pump').counters.applied).toBe(4);
    expect(scene.groupOf('oven').counters.applied).toBe(1);
    expect(scene.ports.telemetry.counted).toMatchObject({ received: 4, applied: 5, filtered: 1, poison: 0 });
    await handler(kinesisEvent(records), INVOCATION);
    expect(scene.ports.telemetry.counted).toMatchObject({ applied: 5, duplicate: 5 });
  });

  it('come again as one record where the group of one stopped, and only that one is then taken in', async () => {
    const scene = new Scene(pipelineOf(kinesis()));
    const oven = groupLog('readings', 1, groupOf(hashOf('oven'), 16));
    const stuck = scene.refusing((call, name) => call === 'log.append' && name === oven);
    const records = [
      streamRecord(Buffer.from(machine('pump', 1)), '5'),
      streamRecord(
        packedOf([
          ['a', machine('pump', 2)],
          ['b', machine('oven', 3)],
        ]),
        '6',
      ),
    ];
    expect(await processHandler(stuck, scene.pipeline)(kinesisEvent(records), INVOCATION)).toEqual({
      batchItemFailures: [{ itemIdentifier: '6' }],
    });
    await processHandler(scene.ports, scene.pipeline)(kinesisEvent(records.slice(1)), INVOCATION);
    expect(scene.groupOf('pump').counters.applied).toBe(2);
    expect(scene.groupOf('oven').counters.applied).toBe(1);
  });

  it('are refused one by one, each in the group of its own partition key, and kept with their place', async () => {
    const scene = new Scene(pipelineOf(kinesis({ decode: jsonLines })));
    const record = streamRecord(
      packedOf([
        ['a', `${machine('pump', 1)}\n{"machine":`],
        ['b', ''],
        ['c', machine('pump', 2)],
        ['d', 'none'],
      ]),
    );
    await processHandler(scene.ports, scene.pipeline)(kinesisEvent([record]), INVOCATION);
    expect(scene.ports.telemetry.counted).toMatchObject({ received: 1, applied: 2, poison: 2 });
    const placesIn = (partitionKey: string) =>
      scene
        .entriesOf(partitionKey)
        .flatMap((entry) => decodeLedger(entry).poison.map(({ position }) => subPlaceOf(position)));
    expect([placesIn('a'), placesIn('d')]).toEqual([
      [{ position: '5', member: 1, child: 0 }],
      [{ position: '5', member: 3, child: 0 }],
    ]);
    const kept = [...scene.ports.objects.stored].filter(([name]) => name.startsWith(POISON_PREFIX));
    const lines = kept.flatMap(([, { body }]) => readRefused(body));
    expect(
      lines
        .map(({ member, child, code, data }) => ({ member, child, code, data }))
        .sort((a, b) => a.member - b.member),
    ).toEqual(
      [1, 3].map((member) => ({
        member,
        child: 0,
        code: 'not-json',
        data: Buffer.from(record.data).toString('base64'),
      })),
    );
  });

  it('are taken apart in tests, too, and their parts named', () => {
    const data = packedOf([
      ['a', `[${machine('pump', 1)},{}]`],
      ['b', machine('pump', 2)],
      ['c', '[]'],
    ]);
    const pipeline = pipelineOf(kinesis<Reading[]>().expand((all) => all));
    const { applied, filtered, poison } = tryPipeline(pipeline, [data], { arrivals: [at(1, 0)] });
    expect({ applied, filtered }).toEqual({ applied: 1, filtered: 1 });
    expect(poison.map(({ at, member, child, code }) => ({ at, member, child, code }))).toEqual(
      [
        { at: 0, member: 1, child: undefined, code: 'expand' },
        { at: 0, member: 0, child: 1, code: 'key' },
      ].sort((a, b) => a.member - b.member),
    );
  });

  it('pause after each chunk, so that one record of many members never holds up a function', () => {
    const texts = Array.from({ length: 5_000 }, (_, n) => ['k', machine(`m${n}`, 1)] as const);
    const record = streamRecord(packedOf(texts));
    const members = unpackRecords(record.data);
    const chunks = [...decodeAll(pipelineOf(kinesis()), [{ ...record, ...(members ? { members } : {}) }])];
    expect(chunks.filter((chunk) => chunk.length === 0).length).toBeGreaterThan(5);
    expect(chunks.flat()).toHaveLength(1);
  });
});

describe.each([
  ['kinesis', kinesis<Reading>({ decode: jsonLines })],
  ['sqs', sqs<Reading>({ decode: jsonLines })],
  ['fifo', sqs<Reading>({ decode: jsonLines, fifo: true })],
  ['kafka', kafka<Reading>({ decode: jsonLines, topic: 'readings' })],
])('a decoder of %s', (_, source) => {
  it('stays when its records are reshaped and expanded', () => {
    const pipeline = pipelineOf(source.map((one) => one).expand((one) => [one, one]) as Pipeline['source']);
    const { applied, poison } = tryPipeline(pipeline, [Buffer.from(`${reading('a')}\n{\n${reading('b')}`)]);
    expect(applied).toBe(4);
    expect(poison).toMatchObject([{ at: 0, member: 1, code: 'not-json' }]);
  });
});
