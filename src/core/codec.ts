import { ByteReader, ByteWriter } from './codec/bytes.ts';
import { PlainReader, PlainWriter } from './codec/plain.ts';
import type { Plain } from './plain.ts';

export { CodecError, MAX_NUMBERS } from './codec/bytes.ts';
export { FORMAT_VERSION, frame, unframe } from './codec/frame.ts';
export { allRowsOf, decodeTables, encodeRows, encodeTables, type Rows } from './codec/tables.ts';

/**
 * Encodes plain data as bytes, exactly: every double comes back bit for bit, and a string that occurs again
 * costs a reference.
 *
 * @throws CodecError when lists of numbers hold more than `MAX_NUMBERS`, which `decode` would refuse
 */
export function encode(value: Plain): Uint8Array {
  const bytes = new ByteWriter();
  new PlainWriter(bytes).write(value);
  return bytes.bytes();
}

/**
 * Decodes the value that `encode` wrote.
 *
 * @throws CodecError for any other bytes: it does not read past them, nest deeper than 64, or allocate more
 * items than there are bytes or more than `MAX_NUMBERS` in lists of numbers
 */
export function decode(encoded: Uint8Array): Plain {
  const bytes = new ByteReader(encoded);
  const value = new PlainReader(bytes).read();
  bytes.end();
  return value;
}
