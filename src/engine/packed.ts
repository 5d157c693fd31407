import { deflateRawSync, inflateRawSync } from 'node:zlib';
import { CodecError, decode, encode } from '../core/codec.ts';
import type { Plain } from '../core/plain.ts';
import type { EpochMillis } from '../core/time.ts';
import { ENTRY_LIFETIME } from '../ports/commit-log.ts';

/** No state or panes of one entry inflate to more: deflate's worst ratio would make 400 KB of bytes 400 MB. */
export const MAX_INFLATED_BYTES = 64 * 1_048_576;

/** Whether what was appended then must be appended anew, long before it expires. */
export const mustRenew = (committedAt: EpochMillis, now: EpochMillis): boolean =>
  now - committedAt >= ENTRY_LIFETIME / 4;

/** A value as deflated bytes, for every log but those of groups. */
export const pack = (value: Plain): Uint8Array => deflate(encode(value));

export const unpack = (bytes: Uint8Array): Plain => decode(inflate(bytes));

/** What would be refused when it is read stays as large as it is, and so fits no entry. */
export const deflate = (bytes: Uint8Array): Uint8Array =>
  bytes.length > MAX_INFLATED_BYTES ? bytes : deflateRawSync(bytes, { level: 1 });

export function inflate(bytes: Uint8Array): Uint8Array {
  try {
    return inflateRawSync(bytes, { maxOutputLength: MAX_INFLATED_BYTES });
  } catch {
    throw new CodecError('Cannot inflate an entry');
  }
}
