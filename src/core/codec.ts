import { ByteReader, ByteWriter } from './codec/bytes.ts';
import { PlainReader, PlainWriter } from './codec/plain.ts';
import type { Plain } from './plain.ts';

export { CodecError, MAX_NUMBERS } from './codec/bytes.ts';
export { FORMAT_VERSION, frame, unframe } from './codec/frame.ts';
export { allRowsOf, decodeTables, encodeRows, encodeTables, type Rows } from './codec/tables.ts';

/**
 * Plain data as bytes, exactly: every double comes back bit for bit, and a string that occurs again costs a reference.
 *
 * @throws CodecError when lists of numbers hold more than `MAX_NUMBERS`, and so could not be read back
 */
export function encode(value: Plain): Uint8Array {
  const bytes = new ByteWriter();
  new PlainWriter(bytes).write(value);
  return bytes.bytes();
}

/**
 * The value that `encode` wrote.
 *
 * @throws CodecError for any other bytes: it neither reads past them, nor nests deeper than 64, nor makes room for more
 * items than there are bytes, nor for more than `MAX_NUMBERS` in lists of numbers
 */
export function decode(encoded: Uint8Array): Plain {
  const bytes = new ByteReader(encoded);
  const value = new PlainReader(bytes).read();
  bytes.end();
  return value;
}
