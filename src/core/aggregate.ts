import type { Plain } from './plain.ts';
import type { Input, Invalid, NumberOptions, NumberSelector } from './select.ts';
import type { EpochMillis } from './time.ts';

/**
 * A summary of records that can be computed in parts: what it reads of a record (`inputs`), a monoid that summarises, and
 * a way out (`lower`).
 *
 * Aggregates of one window that read the same inputs into the same monoid share its work and its state.
 */
export type Aggregate<Rec, Result> =
  | CellAggregate<Rec, Result>
  | PartAggregate<Rec, Result>
  | DerivedAggregate<Rec, Result>;

interface Described<in Rec> {
  /** Names the kind and its settings: a window keeps its aggregates' under its own name. */
  readonly signature: string;
  /** At most two: the `x` and `y` of its monoid. */
  readonly inputs: readonly Input<Rec>[];
}

/** An aggregate whose partial is a few numbers, and whose result is one. */
export interface CellAggregate<in Rec, out Result> extends Described<Rec> {
  readonly cells: Cells;
  lower(from: Float64Array, at: number): Result;
}

/** An aggregate whose partial is any plain data, of one input at least. */
export interface PartAggregate<in Rec, out Result> extends Described<Rec> {
  readonly parts: Parts;
  /** May throw, as an author may have written it: the result is null then. */
  lower(partial: Plain): Result;
}

/** A function of other aggregates' results. */
export interface DerivedAggregate<in Rec, out Result> {
  readonly signature: string;
  readonly of: { readonly [name: string]: Aggregate<Rec, Plain> };
  /** May throw, as an author may have written it: the result is null then. */
  derive(results: { readonly [name: string]: Plain }): Result;
}

/**
 * A commutative monoid whose partial is `width` doubles side by side: nothing is allocated for a record.
 *
 * Laws, up to the rounding that each states: `join` is associative and commutative, what `clear` writes is its identity,
 * and to `add` a record equals to `join` what `add` makes of it alone. Rounding is always bracketed in the same way, by
 * index and time, never by batches.
 */
export interface Cells {
  readonly width: number;
  /** `to[at…]` becomes the identity. */
  clear(to: Float64Array, at: number): void;
  /** Takes one record in; x and y are its inputs (0 where there are none). */
  add(to: Float64Array, at: number, x: number, y: number, time: EpochMillis): void;
  /** `to[at…]` becomes the combination of itself and `from[place…]`, which is left as it is. */
  join(to: Float64Array, at: number, from: Float64Array, place: number): void;
}

/**
 * A monoid whose partial is plain data.
 *
 * Laws, for all partials a, b, c: `combine` is associative; `combine(identity, a)` and `combine(a, identity)` equal a; no
 * method but `add` and `settle` changes its arguments. `combine` is only ever called with neighbours, the earlier part first: earlier
 * by event time, or by source order within one stretch of time.
 */
export interface Parts<Partial = Plain, X = Plain, Y = Plain> {
  readonly identity: Plain & Partial;
  /** What is kept of one record; x and y are its inputs (null where there are none). */
  lift(x: X, y: Y, time: EpochMillis): Plain & Partial;
  combine(earlier: Partial, later: Partial): Plain & Partial;
  /** As `combine(partial, lift(x, y, time))`, but may change `partial`, which the caller owns, and give it back. */
  add?(partial: Partial, x: X, y: Y, time: EpochMillis): Plain & Partial;
  /**
   * Gives up what only a record at or before `horizon` could still need; such records are passed over from then on. May
   * change `partial`, as `add` may. What is settled is only added to, never combined.
   */
  settle?(partial: Partial, horizon: EpochMillis): Plain & Partial;
}

/** Makes an aggregate of one number that has no settings. */
export type OfNumber = <Rec, On extends Invalid = 'poison'>(
  select: NumberSelector<NoInfer<Rec>, NoInfer<On>>,
  options?: NumberOptions<On>,
) => CellAggregate<Rec, number>;

/** What each of a window's aggregates yields, by the names its panes show them under. */
export type Results = { readonly [name: string]: Plain };

/** The aggregates that one window computes, by the same names. */
export type Aggregates<Rec, Of = Results> = { readonly [Name in keyof Of]: Aggregate<Rec, Of[Name]> };
