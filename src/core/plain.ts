import { LoggableError } from './loggable.ts';

/** Data that a commit can hold and give back bit for bit: what every window and aggregate keeps its state as. */
export type Plain = null | boolean | number | string | readonly Plain[] | { readonly [name: string]: Plain };

/** A fault of Millrace itself, never of its input. */
export function invariant(condition: unknown, always: string): asserts condition {
  if (!condition) throw new LoggableError(`Invariant broken: ${always}`);
}

/** A copy that may be changed. */
export const cloneOf = (plain: Plain): Plain =>
  plain === null || typeof plain !== 'object'
    ? plain
    : isList(plain)
      ? plain.map(cloneOf)
      : Object.fromEntries(Object.entries(plain).map(([name, value]) => [name, cloneOf(value)]));

/** Whether two are alike in every bit, and in the order of their names. */
export function isSame(a: Plain | undefined, b: Plain | undefined): boolean {
  if (Object.is(a, b)) return true;
  if (!isNested(a) || !isNested(b) || isList(a) !== isList(b)) return false;
  const names = isList(a) ? [] : Object.keys(a);
  const others = isList(b) ? [] : Object.keys(b);
  const [left, right] = [Object.values<Plain>(a), Object.values<Plain>(b)];
  return (
    left.length === right.length &&
    names.every((name, at) => name === others[at]) &&
    left.every((value, at) => isSame(value, right[at]))
  );
}

const isNested = (plain: Plain | undefined): plain is Exclude<Plain, null | boolean | number | string> =>
  typeof plain === 'object' && plain !== null;

const isList = (plain: Plain): plain is readonly Plain[] => Array.isArray(plain);
