import { createHash } from 'node:crypto';

/**
 * A record as a producer made it, before the Kinesis Producer Library (KPL) packed it with others into one
 * record of the stream.
 */
export interface UserRecord {
  readonly partitionKey: string;
  /** A whole number in decimal, which Kinesis hashes to in place of the partition key. */
  readonly explicitHashKey?: string | undefined;
  readonly data: Uint8Array;
}

/**
 * Packed records are the magic bytes, a protobuf message and the message's MD5. The message is
 * `AggregatedRecord { 1: repeated string partition_key_table, 2: repeated string explicit_hash_key_table,
 * 3: repeated Record { 1: uint64 partition_key_index, 2: optional uint64 explicit_hash_key_index,
 * 3: bytes data, 4: repeated Tag } }`.
 *
 * Amazon Kinesis Producer Library, "aggregation-format.md".
 */
const MAGIC = Buffer.from([0xf3, 0x89, 0x9a, 0xc2]);
const DIGEST_BYTES = 16;

/** Tells whether what begins at `at` may be packed records. */
export const mayBePacked = (bytes: Buffer, at: number): boolean =>
  bytes[at] === MAGIC[0] && MAGIC.equals(bytes.subarray(at, at + MAGIC.length));

/** The fields of the messages, each with its wire type: 0 for a number, 2 for bytes of a length. */
const PARTITION_KEY = (1 << 3) | 2;
const EXPLICIT_HASH_KEY = (2 << 3) | 2;
const RECORD = (3 << 3) | 2;
const PARTITION_KEY_INDEX = (1 << 3) | 0;
const EXPLICIT_HASH_KEY_INDEX = (2 << 3) | 0;
const DATA = (3 << 3) | 2;

/**
 * Takes packed records apart, in their order. Their data are views of the packed bytes.
 *
 * @returns undefined when the bytes are an ordinary record: they do not begin with the magic bytes, their MD5
 * differs, or their message is malformed
 */
export function unpackRecords(packed: Uint8Array): readonly UserRecord[] | undefined {
  const end = packed.length - DIGEST_BYTES;
  if (end < MAGIC.length || MAGIC.some((byte, at) => packed[at] !== byte)) return undefined;
  const message = packed.subarray(MAGIC.length, end);
  if (!digestOf(message).equals(packed.subarray(end))) return undefined;
  try {
    return readMessage(new Reader(message));
  } catch (error) {
    if (error === MALFORMED) return undefined;
    throw error;
  }
}

function readMessage(message: Reader): readonly UserRecord[] {
  const partitionKeys: string[] = [];
  const explicitHashKeys: string[] = [];
  const places: { partitionKey: number; explicitHashKey: number | undefined; data: Uint8Array }[] = [];
  while (!message.isAtEnd) {
    const tag = message.number();
    if (tag === PARTITION_KEY) partitionKeys.push(message.text());
    else if (tag === EXPLICIT_HASH_KEY) explicitHashKeys.push(message.text());
    else if (tag === RECORD) places.push(readRecord(new Reader(message.bytes())));
    else message.skip(tag);
  }
  // Protobuf lets a table stand after the records that refer to it.
  return places.map(({ partitionKey, explicitHashKey, data }) => ({
    partitionKey: present(partitionKeys[partitionKey]),
    ...(explicitHashKey === undefined ? {} : { explicitHashKey: present(explicitHashKeys[explicitHashKey]) }),
    data,
  }));
}

function readRecord(message: Reader) {
  let partitionKey: number | undefined;
  let explicitHashKey: number | undefined;
  let data: Uint8Array | undefined;
  while (!message.isAtEnd) {
    const tag = message.number();
    if (tag === PARTITION_KEY_INDEX) partitionKey = message.number();
    else if (tag === EXPLICIT_HASH_KEY_INDEX) explicitHashKey = message.number();
    else if (tag === DATA) data = message.bytes();
    else message.skip(tag);
  }
  return { partitionKey: present(partitionKey), explicitHashKey, data: present(data) };
}

const MALFORMED = new Error('the bytes are not a message of packed records');

function present<Value>(value: Value | undefined): Value {
  if (value === undefined) throw MALFORMED;
  return value;
}

/** Reads a protobuf message. Every method throws `MALFORMED` where the bytes are not what it reads. */
class Reader {
  readonly #bytes: Uint8Array;
  #at = 0;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
  }

  get isAtEnd(): boolean {
    return this.#at === this.#bytes.length;
  }

  /** Reads a varint of up to ten bytes. Numbers past 2^53 are rounded, as no index or length is so large. */
  number(): number {
    let value = 0;
    let factor = 1;
    for (let length = 1; length <= 10; length++) {
      const byte = present(this.#bytes[this.#at++]);
      value += (byte & 0x7f) * factor;
      if (byte < 0x80) return value;
      factor *= 128;
    }
    throw MALFORMED;
  }

  bytes(length = this.number()): Uint8Array {
    const end = this.#at + length;
    if (end > this.#bytes.length) throw MALFORMED;
    const bytes = this.#bytes.subarray(this.#at, end);
    this.#at = end;
    return bytes;
  }

  text(): string {
    try {
      return utf8.decode(this.bytes());
    } catch {
      throw MALFORMED;
    }
  }

  /** Passes over the value of a field that this version of the format does not have, such as tags. */
  skip(tag: number): void {
    const type = tag % 8;
    if (tag < 8) throw MALFORMED;
    if (type === 0) this.number();
    else if (type === 1) this.bytes(8);
    else if (type === 2) this.bytes();
    else if (type === 5) this.bytes(4);
    else throw MALFORMED;
  }
}

/** A partition key may begin with a byte order mark, which is a character like any other. */
const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

const digestOf = (message: Uint8Array): Buffer => createHash('md5').update(message).digest();

/** Packs records into one, as the Kinesis Producer Library does, and knows the size beforehand. */
export class Packer {
  #records: { readonly record: UserRecord; readonly size: number }[] = [];
  #partitionKeys = new Map<string, number>();
  #explicitHashKeys = new Map<string, number>();
  /** The size in bytes of all that is packed so far, with magic bytes and MD5. */
  #bytes = MAGIC.length + DIGEST_BYTES;

  get records(): number {
    return this.#records.length;
  }

  /** Returns the size in bytes of the packed records if this record were added. */
  sizeWith(record: UserRecord): number {
    const { partitionKey, explicitHashKey } = record;
    return (
      this.#bytes +
      sizeOfBytes(this.#sizeOf(record)) +
      (this.#partitionKeys.has(partitionKey) ? 0 : sizeOfText(partitionKey)) +
      (explicitHashKey === undefined || this.#explicitHashKeys.has(explicitHashKey)
        ? 0
        : sizeOfText(explicitHashKey))
    );
  }

  add(record: UserRecord): void {
    const { partitionKey, explicitHashKey } = record;
    const size = this.#sizeOf(record);
    this.#bytes = this.sizeWith(record);
    place(this.#partitionKeys, partitionKey);
    if (explicitHashKey !== undefined) place(this.#explicitHashKeys, explicitHashKey);
    this.#records.push({ record, size });
  }

  /** Returns the packed records. The packer is empty after that. */
  pack(): Uint8Array {
    const writer = new Writer(this.#bytes);
    writer.raw(MAGIC);
    for (const key of this.#partitionKeys.keys()) writer.bytes(PARTITION_KEY, Buffer.from(key));
    for (const key of this.#explicitHashKeys.keys()) writer.bytes(EXPLICIT_HASH_KEY, Buffer.from(key));
    for (const { record, size } of this.#records) {
      writer.number(RECORD);
      writer.number(size);
      writer.number(PARTITION_KEY_INDEX);
      writer.number(present(this.#partitionKeys.get(record.partitionKey)));
      if (record.explicitHashKey !== undefined) {
        writer.number(EXPLICIT_HASH_KEY_INDEX);
        writer.number(present(this.#explicitHashKeys.get(record.explicitHashKey)));
      }
      writer.bytes(DATA, record.data);
    }
    writer.raw(digestOf(writer.written.subarray(MAGIC.length)));
    this.#records = [];
    this.#partitionKeys = new Map();
    this.#explicitHashKeys = new Map();
    this.#bytes = MAGIC.length + DIGEST_BYTES;
    return writer.written;
  }

  /** Returns the size of a record's message, without its tag and its length. */
  #sizeOf({ partitionKey, explicitHashKey, data }: UserRecord): number {
    const indexSize = (table: ReadonlyMap<string, number>, key: string): number =>
      1 + sizeOfNumber(table.get(key) ?? table.size);
    return (
      indexSize(this.#partitionKeys, partitionKey) +
      (explicitHashKey === undefined ? 0 : indexSize(this.#explicitHashKeys, explicitHashKey)) +
      sizeOfBytes(data.length)
    );
  }
}

function place(table: Map<string, number>, key: string): void {
  if (!table.has(key)) table.set(key, table.size);
}

/** The size of a field of bytes: its tag, its length and the bytes. */
const sizeOfBytes = (length: number): number => 1 + sizeOfNumber(length) + length;

const sizeOfText = (text: string): number => sizeOfBytes(Buffer.byteLength(text));

function sizeOfNumber(value: number): number {
  let size = 1;
  for (let rest = value; rest >= 128; rest = Math.floor(rest / 128)) size++;
  return size;
}

class Writer {
  readonly #bytes: Buffer;
  #at = 0;

  constructor(size: number) {
    this.#bytes = Buffer.alloc(size);
  }

  get written(): Uint8Array {
    return this.#bytes.subarray(0, this.#at);
  }

  raw(bytes: Uint8Array): void {
    this.#bytes.set(bytes, this.#at);
    this.#at += bytes.length;
  }

  number(value: number): void {
    let rest = value;
    for (; rest >= 128; rest = Math.floor(rest / 128)) this.#bytes[this.#at++] = (rest % 128) | 0x80;
    this.#bytes[this.#at++] = rest;
  }

  bytes(tag: number, bytes: Uint8Array): void {
    this.number(tag);
    this.number(bytes.length);
    this.raw(bytes);
  }
}
