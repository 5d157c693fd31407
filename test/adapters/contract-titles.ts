import { it } from 'vitest';

/** Names of one test's own, as servers are shared. */
export function fresher(): (what: string) => string {
  let made = 0;
  return (what) => `${what}-${++made}`;
}

/** Why a store is no evidence for a part of its contract. */
export interface Gaps {
  /** How long the name of an object may be. */
  readonly names?: string;
  /** What an item may hold. */
  readonly items?: string;
  /** Which of several writers at once wins. */
  readonly races?: string;
}

/** A test that is skipped where there is a reason, which its title then carries. */
export const itUnless = (reason: string | undefined) => (title: string, test: () => Promise<void>) =>
  it.skipIf(reason !== undefined)(reason === undefined ? title : `${title} (skipped: ${reason})`, test);

/** Printable, and each with a meaning of its own in some path, query, pattern or encoding. */
export const ODD_NAMES = [
  'a b',
  'a+b',
  'a%20b',
  'a%2Bb',
  'a&b=c',
  'a?b',
  'a#b',
  "it's(1)*!",
  'ä',
  'a\u0308',
  '😀',
  'A',
  'a',
  'a/b',
  'a.b',
  '[x]|{y}~^`"<>\\',
];
