import { LoggableError } from './loggable.ts';

/**
 * Data that a commit can hold and return bit for bit. Every window and aggregate keeps its state as plain
 * data.
 */
export type Plain = null | boolean | number | string | readonly Plain[] | { readonly [name: string]: Plain };

/** Throws where Millrace itself is at fault, never for a fault of its input. */
export function invariant(condition: unknown, always: string): asserts condition {
  if (!condition) throw new LoggableError(`Invariant broken: ${always}`);
}

/** Returns a deep copy that may be changed. */
export const cloneOf = (plain: Plain): Plain =>
  plain === null || typeof plain !== 'object'
    ? plain
    : isList(plain)
      ? plain.map(cloneOf)
      : Object.fromEntries(Object.entries(plain).map(([name, value]) => [name, cloneOf(value)]));

/** Says whether two values are equal in every bit, and in the order of their names. */
export function isSame(a: Plain | undefined, b: Plain | undefined): boolean {
  if (Object.is(a, b)) return true;
  if (!isNested(a) || !isNested(b) || isList(a) !== isList(b)) return false;
  const namesA = isList(a) ? [] : Object.keys(a);
  const namesB = isList(b) ? [] : Object.keys(b);
  const [valuesA, valuesB] = [Object.values<Plain>(a), Object.values<Plain>(b)];
  return (
    valuesA.length === valuesB.length &&
    namesA.every((name, at) => name === namesB[at]) &&
    valuesA.every((value, at) => isSame(value, valuesB[at]))
  );
}

const isNested = (plain: Plain | undefined): plain is Exclude<Plain, null | boolean | number | string> =>
  typeof plain === 'object' && plain !== null;

const isList = (plain: Plain): plain is readonly Plain[] => Array.isArray(plain);
