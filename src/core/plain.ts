/** Data that a commit can hold and give back bit for bit: what every window and aggregate keeps its state as. */
export type Plain = null | boolean | number | string | readonly Plain[] | { readonly [name: string]: Plain };

/** A fault of Millrace itself, never of its input. */
export function invariant(condition: unknown, always: string): asserts condition {
  if (!condition) throw new Error(`Invariant broken: ${always}`);
}

/** A copy that may be changed. */
export const cloneOf = (plain: Plain): Plain =>
  plain === null || typeof plain !== 'object'
    ? plain
    : isList(plain)
      ? plain.map(cloneOf)
      : Object.fromEntries(Object.entries(plain).map(([name, value]) => [name, cloneOf(value)]));

const isList = (plain: Plain): plain is readonly Plain[] => Array.isArray(plain);
