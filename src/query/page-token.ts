import { createHmac, timingSafeEqual } from 'node:crypto';
import { badRequest } from './problem.ts';

/** How many bytes of the signature a token has. */
const SIGNATURE_BYTES = 16;

/** The longest token that is looked at: it holds at most a key, which may take three times its bytes. */
export const MAX_TOKEN_LENGTH = 8_192;

/** Writes and reads tokens that say where the next page of an answer begins. */
export interface PageTokens<Place> {
  write(place: Place): string;
  /** @throws Problem for a token that was not written by this API for the same question */
  read(token: string): Place;
}

/**
 * Signs tokens for a question, so that a token of another question, or one that was altered, is refused.
 *
 * @param asked what was asked, but for how much of it
 */
export function pageTokens<Place>(secret: string, asked: readonly (string | undefined)[]): PageTokens<Place> {
  const signatureOf = (payload: string): Buffer =>
    createHmac('sha256', secret)
      .update(JSON.stringify([asked.map((part) => part ?? null), payload]))
      .digest()
      .subarray(0, SIGNATURE_BYTES);
  return {
    write(place) {
      const payload = Buffer.from(JSON.stringify(place)).toString('base64url');
      return `${payload}.${signatureOf(payload).toString('base64url')}`;
    },
    read(token) {
      const [payload = '', signature = ''] = token.split('.');
      const given = Buffer.from(signature, 'base64url');
      // A second text of the same bytes is refused, too.
      const isSigned =
        token === `${payload}.${given.toString('base64url')}` &&
        given.length === SIGNATURE_BYTES &&
        timingSafeEqual(given, signatureOf(payload));
      if (!isSigned)
        throw badRequest(
          'Cannot go on from this page as it must be the "next" of an answer to the same question: it is not, or the secret of this API has changed since',
        );
      return JSON.parse(Buffer.from(payload, 'base64url').toString());
    },
  };
}
