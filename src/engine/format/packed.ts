import { deflateRawSync, inflateRawSync } from 'node:zlib';
import { CodecError, decode, encode } from '../../core/codec.ts';
import { invariant, type Plain } from '../../core/plain.ts';
import { MAX_SECTION_BYTES } from '../../ports/commit-log.ts';

/** Writes a value as deflated bytes, for every log but those of groups. */
export const pack = (value: Plain): Uint8Array => deflate(encode(value));

export const unpack = (bytes: Uint8Array): Plain => decode(inflate(bytes));

export function deflate(bytes: Uint8Array): Uint8Array {
  invariant(bytes.length <= MAX_SECTION_BYTES, 'nothing is written that could not be read again');
  return deflateRawSync(bytes, { level: 1 });
}

/**
 * Inflates bytes, but no more than is ever written: at deflate's best ratio, 400 KB of bytes would become 400
 * MB.
 */
export function inflate(bytes: Uint8Array): Uint8Array {
  try {
    return inflateRawSync(bytes, { maxOutputLength: MAX_SECTION_BYTES });
  } catch {
    throw new CodecError('Cannot inflate an entry');
  }
}
