import { deflateRawSync, inflateRawSync } from 'node:zlib';
import { CodecError, decode, encode } from '../../core/codec.ts';
import { invariant, type Plain } from '../../core/plain.ts';
import { MAX_SECTION_BYTES } from '../../ports/commit-log.ts';

/** A value as deflated bytes, for every log but those of groups. */
export const pack = (value: Plain): Uint8Array => deflate(encode(value));

export const unpack = (bytes: Uint8Array): Plain => decode(inflate(bytes));

export function deflate(bytes: Uint8Array): Uint8Array {
  invariant(bytes.length <= MAX_SECTION_BYTES, 'nothing is written that could not be read again');
  return deflateRawSync(bytes, { level: 1 });
}

/** Deflate's worst ratio would make 400 KB of bytes 400 MB: no more is inflated than is ever written. */
export function inflate(bytes: Uint8Array): Uint8Array {
  try {
    return inflateRawSync(bytes, { maxOutputLength: MAX_SECTION_BYTES });
  } catch {
    throw new CodecError('Cannot inflate an entry');
  }
}
