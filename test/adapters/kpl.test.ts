import { createHash } from 'node:crypto';
import { createRequire } from 'node:module';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Packer, type UserRecord, unpackRecords } from '../../src/adapters/kinesis/kpl.ts';

/** What is used of aws-kinesis-agg, whose types need a package that it does not install. */
interface Aggregator {
  checkIfUserRecordFits(record: UserRecord): boolean;
  addUserRecord(record: UserRecord): void;
  build(): { readonly data: Buffer };
}
const require = createRequire(import.meta.url);
const { RecordAggregator } = require('aws-kinesis-agg') as { RecordAggregator: new () => Aggregator };
const { AggregatedRecord } = require('aws-kinesis-agg/lib/common') as {
  AggregatedRecord: { decode(message: Uint8Array): unknown };
};

const RECORDS = process.env['CI'] ? 100_000 : 5_000;

const packed = (records: readonly UserRecord[]): Uint8Array => {
  const packer = new Packer();
  for (const record of records) packer.add(record);
  return packer.pack();
};

const bytes = (text: string): Uint8Array => Buffer.from(text);

/** Wraps a protobuf message as packed records are wrapped. */
const wrapped = (message: readonly number[] | Uint8Array): Uint8Array =>
  Buffer.concat([
    Buffer.from('f3899ac2', 'hex'),
    Uint8Array.from(message),
    createHash('md5').update(Uint8Array.from(message)).digest(),
  ]);

const plainly = (records: readonly UserRecord[] | undefined) =>
  records?.map(({ partitionKey, explicitHashKey, data }) => [
    partitionKey,
    explicitHashKey,
    Buffer.from(data).toString('hex'),
  ]);

const userRecord: fc.Arbitrary<UserRecord> = fc.record(
  {
    // aws-kinesis-agg puts keys that are numbers into another order than the records refer to.
    partitionKey: fc.oneof(
      fc.constantFrom('pump', 'fan', 'é', '\u{1f600}', '\ufeffmark'),
      fc.string({ minLength: 1, unit: 'grapheme' }).map((text) => `k${text}`),
    ),
    explicitHashKey: fc.bigInt({ min: 0n, max: 2n ** 128n - 1n }).map(String),
    data: fc.oneof(
      { weight: 9, arbitrary: fc.uint8Array({ maxLength: 300 }) },
      fc.uint8Array({ minLength: 120, maxLength: 20_000, size: 'max' }),
    ),
  },
  { requiredKeys: ['partitionKey', 'data'] },
);

describe('packed records', () => {
  it(`are as aws-kinesis-agg packs them, and are taken apart again: ${RECORDS} records`, () => {
    // Explicit hash keys that are small numbers are put into another order by it, too.
    const usual = userRecord.map((record) =>
      record.explicitHashKey !== undefined && record.explicitHashKey.length < 20
        ? { ...record, explicitHashKey: undefined }
        : record,
    );
    let rest = RECORDS;
    let seed = 0;
    while (rest > 0) {
      const records = fc.sample(usual, { numRuns: Math.min(rest, 1_000), seed: ++seed });
      const theirs = new RecordAggregator();
      const fitting = records.filter((record) => {
        const fits = theirs.checkIfUserRecordFits({ ...record, data: Buffer.from(record.data) });
        if (fits) theirs.addUserRecord({ ...record, data: Buffer.from(record.data) });
        return fits;
      });
      const { data } = theirs.build();
      expect(plainly(unpackRecords(data))).toEqual(plainly(fitting));
      expect(Buffer.from(packed(fitting)).equals(data)).toBe(true);
      rest -= fitting.length;
    }
  });

  it('have the size that the packer says beforehand, and any protobuf library reads their message', () => {
    fc.assert(
      fc.property(fc.array(userRecord, { minLength: 1, maxLength: 300 }), (records) => {
        const packer = new Packer();
        for (const record of records.slice(0, -1)) packer.add(record);
        const last = records.at(-1) as UserRecord;
        const size = packer.sizeWith(last);
        packer.add(last);
        expect(packer.records).toBe(records.length);
        const data = packer.pack();
        expect(data.length).toBe(size);
        expect(packer.records).toBe(0);
        expect(plainly(unpackRecords(data))).toEqual(plainly(records));
        const read = AggregatedRecord.decode(data.subarray(4, -16)) as {
          records: { data: Uint8Array }[];
        };
        expect(read.records.map(({ data }) => data.length)).toEqual(records.map(({ data }) => data.length));
      }),
      { numRuns: 50 },
    );
  });

  it('may be none, hold empty data, and stand before the tables that they refer to', () => {
    expect(unpackRecords(wrapped([]))).toEqual([]);
    expect(plainly(unpackRecords(wrapped([0x1a, 4, 8, 0, 0x1a, 0, 0x0a, 1, 0x6b])))).toEqual([
      ['k', undefined, ''],
    ]);
  });

  it('may have tags and fields that are not known yet, which are passed over', () => {
    const tag = [0x22, 3, 0x0a, 1, 0x74];
    const others = [0x28, 0x96, 1, 0x31, 1, 2, 3, 4, 5, 6, 7, 8, 0x3d, 1, 2, 3, 4];
    const record = [8, 0, 0x1a, 1, 0x2a, ...tag, ...others];
    const message = [0x0a, 1, 0x6b, ...others, 0x1a, record.length, ...record];
    expect(plainly(unpackRecords(wrapped(message)))).toEqual([['k', undefined, '2a']]);
  });
});

describe('an ordinary record', () => {
  const good = packed([{ partitionKey: 'k', explicitHashKey: '7', data: bytes('{"celsius":20}') }]);

  it('is whatever does not begin with the magic bytes', () => {
    for (const text of ['', '{}', '\xf3\x89\x9a', 'f3899ac2']) {
      expect(unpackRecords(Buffer.from(text, 'latin1'))).toBeUndefined();
    }
  });

  it('is whatever is not exactly what a packer made: one byte is another, missing or too many', () => {
    for (let at = 0; at < good.length; at++) {
      expect(unpackRecords(good.map((byte, place) => (place === at ? byte ^ 1 : byte)))).toBeUndefined();
      expect(unpackRecords(good.subarray(0, at))).toBeUndefined();
    }
    expect(unpackRecords(Buffer.concat([good, Buffer.alloc(1)]))).toBeUndefined();
    expect(unpackRecords(Buffer.from('f3899ac2', 'hex'))).toBeUndefined();
  });

  const key = [0x0a, 1, 0x6b];
  it.each([
    { what: 'a field without its value', message: [0x0a] },
    { what: 'a text that goes on past the end', message: [0x0a, 5, 0x6b] },
    { what: 'a length past 2^53', message: [0x0a, ...Array(9).fill(0xff), 1] },
    { what: 'a number of eleven bytes', message: [0x28, ...Array(11).fill(0x80), 1] },
    { what: 'a key that is not UTF-8', message: [0x0a, 1, 0xff, 0x1a, 4, 8, 0, 0x1a, 0] },
    { what: 'a record without a partition key', message: [...key, 0x1a, 2, 0x1a, 0] },
    { what: 'a record without data', message: [...key, 0x1a, 2, 8, 0] },
    { what: 'a partition key that the table does not have', message: [...key, 0x1a, 4, 8, 1, 0x1a, 0] },
    { what: 'a hash key that the table does not have', message: [...key, 0x1a, 6, 8, 0, 16, 0, 0x1a, 0] },
    { what: 'a field of number 0', message: [2, 0] },
    { what: 'a group, which has no length', message: [0x2b, 0x2c] },
  ])('is packed records whose message is malformed: $what', ({ message }) => {
    expect(unpackRecords(wrapped(message))).toBeUndefined();
  });

  it('is any other message with a right MD5, or it is taken apart, and never a fault', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 60 }), (message) => {
        const records = unpackRecords(wrapped(message));
        expect(records === undefined || Array.isArray(records)).toBe(true);
      }),
      { numRuns: 5_000 },
    );
  });
});
