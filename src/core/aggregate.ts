import type { Plain } from './plain.ts';
import type { EpochMillis } from './time.ts';

/**
 * A summary of records that can be computed in parts: a monoid (`identity`, `combine`) with a way in (`select`, then
 * `lift`) and a way out (`lower`).
 *
 * Laws, for all partials a, b, c: `combine` is associative; `combine(identity, a)` and `combine(a, identity)` equal a;
 * no method changes its arguments. Where rounding makes a sum
 * depend on how it is bracketed, Millrace always brackets it in the same way. `combine` is only ever called with neighbours, the earlier part first.
 *
 * @typeParam Rec the record it summarises
 * @typeParam Result what a pane shows
 * @typeParam Value what is kept of one record where a window keeps records
 * @typeParam Partial what is kept of many
 */
export interface Aggregate<in Rec, out Result, Value = unknown, Partial = unknown> {
  /** Names the kind and its settings: a window keeps its aggregates' under its own name. */
  readonly signature: string;
  readonly identity: Partial & Plain;
  /** @throws SelectError when the record has no such value */
  select(record: Rec): Value & Plain;
  lift(value: Value, at: EpochMillis): Partial & Plain;
  combine(earlier: Partial, later: Partial): Partial & Plain;
  lower(partial: Partial): Result & Plain;
}
