import { ByteReader, ByteWriter, CodecError } from './bytes.ts';

/** The version of everything that this codec writes. */
export const FORMAT_VERSION = 1;

const CHECKSUM_BYTES = 4;

/** Joins sections into one string of bytes: the version, the sections, and a checksum of both. */
export function frame(sections: readonly Uint8Array[]): Uint8Array {
  const bytes = new ByteWriter();
  bytes.byte(FORMAT_VERSION);
  bytes.varint(sections.length);
  for (const section of sections) bytes.varint(section.length);
  for (const section of sections) bytes.append(section);
  const { length } = bytes;
  bytes.append(new Uint8Array(CHECKSUM_BYTES));
  const framed = bytes.bytes();
  viewOf(framed).setUint32(length, crc32c(framed, length), true);
  return framed;
}

/**
 * Returns the sections of a frame, in place.
 *
 * @throws CodecError for bytes of another version, and for altered bytes: always where the change is within 4
 * consecutive bytes, and otherwise all but once in 2^32
 */
export function unframe(framed: Uint8Array): Uint8Array[] {
  if (framed[0] !== FORMAT_VERSION) {
    throw new CodecError(
      `Cannot read a frame as this code reads version ${FORMAT_VERSION}: ` +
        `it is of version ${framed[0] ?? 'none'}`,
    );
  }
  const length = framed.length - CHECKSUM_BYTES;
  if (length < 1 || viewOf(framed).getUint32(length, true) !== crc32c(framed, length)) {
    throw new CodecError('Cannot read a frame as it must be as it was written: the checksum differs');
  }
  const bytes = new ByteReader(framed.subarray(1, length));
  const lengths: number[] = [];
  for (let left = bytes.count(); left > 0; left--) lengths.push(bytes.varint());
  const sections = lengths.map((length) => bytes.take(length));
  bytes.end();
  return sections;
}

const viewOf = ({ buffer, byteOffset, byteLength }: Uint8Array): DataView =>
  new DataView(buffer, byteOffset, byteLength);

/** The polynomial x^32 + x^28 + x^27 + … + 1, the highest power last. */
const CASTAGNOLI = 0x82f6_3b78;

/** The remainder of each byte. */
const REMAINDERS: Readonly<Uint32Array> = Uint32Array.from({ length: 256 }, (_, byte) => {
  let remainder = byte;
  for (let bit = 0; bit < 8; bit++) remainder = (remainder >>> 1) ^ (remainder & 1 ? CASTAGNOLI : 0);
  return remainder;
});

/**
 * Computes the CRC-32C of the first `length` bytes. A CRC misses no error that lies within its own width,
 * which sums and hashes may miss. The CRC-32C detects more errors over such lengths than the CRC-32 of zip.
 *
 * Castagnoli, Bräuer, Herrmann, "Optimization of Cyclic Redundancy-Check Codes with 24 and 32 Parity Bits",
 * IEEE Transactions on Communications 41, 1993.
 */
function crc32c(bytes: Uint8Array, length: number): number {
  let remainder = -1;
  for (let i = 0; i < length; i++) {
    remainder = (remainder >>> 8) ^ (REMAINDERS[(remainder ^ (bytes[i] as number)) & 0xff] as number);
  }
  return ~remainder >>> 0;
}
