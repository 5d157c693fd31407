import type { PartAggregate, Parts } from '../aggregate.ts';
import { checkOptions } from '../options.ts';
import type { Plain } from '../plain.ts';
import {
  type Allowed,
  isPlain,
  nameOf,
  type PlainInvalid,
  plainInput,
  type Selected,
  type ValueOptions,
  type ValuePath,
} from '../select.ts';
import type { EpochMillis } from '../time.ts';

/**
 * A user's own aggregate: how one selected value becomes a partial, how two partials combine, and what a pane
 * shows.
 *
 * Laws, for all partials a, b, c: `combine(a, combine(b, c))` equals `combine(combine(a, b), c)`, and
 * `combine(identity, a)` and `combine(a, identity)` equal a. `combine` receives neighbours, the earlier part
 * first. All functions are pure, change none of their arguments, and return plain data: what JSON can hold,
 * and any double.
 */
export interface AggregateDefinition<Value, Partial, Result, Select, On extends PlainInvalid>
  extends ValueOptions<On> {
  /**
   * Names the aggregate in the signature of its window, as a function has no lasting name. Whoever alters the
   * definition must change this name too. It has 1 to 40 letters, digits, hyphens and underscores, a letter
   * first.
   */
  readonly name: string;
  /** A field name, a path, or a function of the record. */
  readonly select: Select;
  /** The partial of no record. */
  readonly identity: Partial;
  readonly lift: (value: Value, time: EpochMillis) => Partial;
  readonly combine: (earlier: Partial, later: Partial) => Partial;
  /** The result is null where this function throws. */
  readonly lower: (partial: Partial) => Result;
}

const OPTIONS = ['name', 'select', 'invalid', 'identity', 'lift', 'combine', 'lower'];
const NAME = /^[a-zA-Z][a-zA-Z0-9_-]{0,39}$/;

/**
 * Defines an aggregate of your own from the functions of an `AggregateDefinition`. It stores nothing but the partial,
 * and the window calls `combine` and `lower` whenever it makes a pane.
 *
 * @throws RangeError when the name breaks its rule, or the identity is not plain data; TypeError when a step
 * is not a function, or for an unknown option
 *
 * @example
 * ```ts
 * import { defineAggregate } from 'millrace';
 *
 * interface Reading {
 *   celsius: number;
 * }
 *
 * // The sum of squares.
 * export const energy = defineAggregate<Reading, 'celsius', number, number>({
 *   name: 'energy',
 *   select: 'celsius',
 *   identity: 0,
 *   lift: (celsius) => celsius ** 2,
 *   combine: (earlier, later) => earlier + later,
 *   lower: (total) => total,
 * });
 * ```
 */
export function defineAggregate<
  Rec,
  Select extends
    | `${ValuePath<NoInfer<Rec>, NoInfer<On>>}`
    | ((record: NoInfer<Rec>) => Allowed<Plain, NoInfer<On>>),
  Partial extends Plain,
  Result extends Plain,
  On extends PlainInvalid = 'poison',
>(
  definition: AggregateDefinition<Selected<Rec, Select>, Partial, Result, Select, On>,
): PartAggregate<Rec, Result> {
  checkOptions('define an aggregate', definition, OPTIONS);
  const { name, select, invalid, identity, lift, combine, lower } = definition;
  if (typeof name !== 'string' || !NAME.test(name)) {
    throw new RangeError(
      `Cannot name an aggregate "${name}" as names must be 1 to 40 letters, digits, hyphens and ` +
        'underscores, a letter first',
    );
  }
  for (const [step, given] of Object.entries({ lift, combine, lower })) {
    if (typeof given !== 'function') {
      throw new TypeError(
        `Cannot define aggregate "${name}" as ${step} must be a function: it is ${typeof given}`,
      );
    }
  }
  if (!isPlain(identity, 0, () => true)) {
    throw new RangeError(`Cannot define aggregate "${name}" as its identity must be plain data`);
  }
  const parts: Parts<Partial, Selected<Rec, Select>> = {
    identity,
    lift: (value, _y, time) => lift(value, time),
    combine,
  };
  return {
    signature: `${name}(${nameOf(select, invalid)})`,
    inputs: [plainInput<Rec>(select, invalid)],
    parts,
    lower,
  };
}
