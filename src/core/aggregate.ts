import type { Plain } from './plain.ts';
import type { Allowed, Input, Invalid, NumberOptions, NumberPath } from './select.ts';
import type { EpochMillis } from './time.ts';

/**
 * A summary of records that can be computed in parts: what it reads of a record (`inputs`), a monoid that
 * summarises those inputs, and a function that turns the summary into a result (`lower`).
 *
 * Aggregates of one window that read the same inputs into the same monoid share its work and its state.
 */
export type Aggregate<Rec, Result> =
  | CellAggregate<Rec, Result>
  | PartAggregate<Rec, Result>
  | DerivedAggregate<Rec, Result>;

interface Described<in Rec> {
  /**
   * Names the kind and its settings. A window lists the signatures of its aggregates in its own signature.
   */
  readonly signature: string;
  /** An aggregate has at most two inputs: the `x` and `y` of its monoid. */
  readonly inputs: readonly Input<Rec>[];
}

/** An aggregate whose partial is a few numbers, and whose result is one. */
export interface CellAggregate<in Rec, out Result> extends Described<Rec> {
  readonly cells: Cells;
  lower(from: number[], at: number): Result;
}

/** An aggregate whose partial may be any plain data. It has at least one input. */
export interface PartAggregate<in Rec, out Result> extends Described<Rec> {
  readonly parts: Parts;
  /** May throw, as a user may have written it. The result is then null. */
  lower(partial: Plain): Result;
}

/** A function of other aggregates' results. */
export interface DerivedAggregate<in Rec, out Result> {
  readonly signature: string;
  readonly of: { readonly [name: string]: Aggregate<Rec, Plain> };
  /** May throw, as a user may have written it. The result is then null. */
  derive(results: { readonly [name: string]: Plain }): Result;
}

/**
 * A commutative monoid whose partial is `width` doubles side by side, so that a record allocates nothing.
 *
 * Laws, up to the rounding that each aggregate states: `join` is associative and commutative; what `clear`
 * writes is its identity; to `add` a record equals to `join` what `add` makes of that record alone. Rounding
 * is always bracketed in the same way, by index and time, never by batches.
 */
export interface Cells {
  readonly width: number;
  /** Writes the identity to `to[at…]`. */
  clear(to: number[], at: number): void;
  /** Takes in one record. Its inputs are x and y, which are 0 where the aggregate has no such input. */
  add(to: number[], at: number, x: number, y: number, time: EpochMillis): void;
  /** Writes to `to[at…]` the combination of itself and `from[place…]`, and leaves `from` as it is. */
  join(to: number[], at: number, from: number[], place: number): void;
}

/**
 * A monoid whose partial is plain data.
 *
 * Laws, for all partials a, b, c: `combine` is associative; `combine(identity, a)` and `combine(a, identity)`
 * equal a; no method but `add` and `settle` changes its arguments. `combine` is only ever called with
 * neighbours, the earlier part first: earlier by event time, or by source order within one stretch of time.
 */
export interface Parts<Partial = Plain, X = Plain, Y = Plain> {
  readonly identity: Plain & Partial;
  /**
   * Returns the partial of one record. Its inputs are x and y, which are null where the aggregate has no such
   * input.
   */
  lift(x: X, y: Y, time: EpochMillis): Plain & Partial;
  combine(earlier: Partial, later: Partial): Plain & Partial;
  /**
   * Equals `combine(partial, lift(x, y, time))`, but may change and return `partial`, which the caller owns.
   */
  add?(partial: Partial, x: X, y: Y, time: EpochMillis): Plain & Partial;
  /**
   * Drops what only a record at or before `horizon` could still need. From then on `add` passes such records
   * over. It may change `partial`, as `add` may. A settled partial is only ever added to, never combined.
   */
  settle?(partial: Partial, horizon: EpochMillis): Plain & Partial;
}

/** Makes an aggregate of one number without settings of its own. */
export type OfNumber = <Rec, On extends Invalid = 'poison'>(
  select:
    | `${NumberPath<NoInfer<Rec>, NoInfer<On>>}`
    | ((record: NoInfer<Rec>) => Allowed<number, NoInfer<On>>),
  options?: NumberOptions<On>,
) => CellAggregate<Rec, number>;

/** The results of a window's aggregates, by the names under which its panes show them. */
export type Results = { readonly [name: string]: Plain };

/** The aggregates that one window computes, by the names of their results. */
export type Aggregates<Rec, Of = Results> = { readonly [Name in keyof Of]: Aggregate<Rec, Of[Name]> };
