import { isDeepStrictEqual } from 'node:util';
import { expect } from 'vitest';

/**
 * What follows asserts as Vitest's `expect` does, which takes ten microseconds to begin an assertion: where a law is asserted
 * a hundred thousand times, it is only asked to say what is wrong.
 */

/** Asserts what `expect(actual, what).toBe(expected)` does. */
export function expectIs(actual: unknown, expected: unknown, what?: string): void {
  if (!Object.is(actual, expected)) expect(actual, what).toBe(expected);
}

/** Asserts what `expect(actual, what).toEqual(expected)` does. */
export function expectEqual(actual: unknown, expected: unknown, what?: string): void {
  if (!isDeepStrictEqual(actual, expected)) expect(actual, what).toEqual(expected);
}

/** Asserts what `expect(actual, what).toBeLessThanOrEqual(most)` does. */
export function expectAtMost(actual: number, most: number, what?: string): void {
  if (!(actual <= most)) expect(actual, what).toBeLessThanOrEqual(most);
}
