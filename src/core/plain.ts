/** Data that a commit can hold and give back bit for bit: what every window and aggregate keeps its state as. */
export type Plain = null | boolean | number | string | readonly Plain[] | { readonly [name: string]: Plain };

/** A fault of Millrace itself, never of its input. */
export function invariant(condition: unknown, always: string): asserts condition {
  if (!condition) throw new Error(`Invariant broken: ${always}`);
}
