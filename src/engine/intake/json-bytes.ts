/** The bytes that structure a JSON text. They are the same numbers as its UTF-16 code units. */

export const LINE_FEED = 0x0a;
export const COMMA = 0x2c;
export const QUOTE = 0x22;
export const BACKSLASH = 0x5c;
export const OPEN_LIST = 0x5b;
export const CLOSE_LIST = 0x5d;
export const OPEN_MAP = 0x7b;
export const CLOSE_MAP = 0x7d;

/** Tells whether a byte is a space, a tab, a line feed or a carriage return. */
export const isBlank = (byte: number | undefined): boolean =>
  byte === 0x20 || byte === LINE_FEED || byte === 0x0d || byte === 0x09;

/** The most bytes of a record that are read: Kinesis' own bound. */
export const MAX_RECORD_BYTES = 1_048_576;

/** Twice as deep as any hand-written JSON nests. */
export const MAX_JSON_DEPTH = 64;

/** Returns how deep the brackets of a JSON text nest, without those inside strings. */
export function nesting(text: string): number {
  let depth = 0;
  let deepest = 0;
  for (let at = 0; at < text.length; at++) {
    const character = text.charCodeAt(at);
    if (character === QUOTE) {
      for (at++; at < text.length && text.charCodeAt(at) !== QUOTE; at++) {
        if (text.charCodeAt(at) === BACKSLASH) at++;
      }
    } else if (character === OPEN_LIST || character === OPEN_MAP) {
      deepest = Math.max(deepest, ++depth);
    } else if (character === CLOSE_LIST || character === CLOSE_MAP) {
      depth--;
    }
  }
  return deepest;
}
