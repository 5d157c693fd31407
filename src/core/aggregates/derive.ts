import type { Aggregate, DerivedAggregate } from '../aggregate.ts';
import type { Plain } from '../plain.ts';

/**
 * A function of other aggregates' results: `derive({ mean: mean('x'), sd: stddev('x') }, ({ mean, sd }) => sd / mean)`.
 *
 * Costs what they cost; those that the window computes anyway cost nothing. `fn` is pure; where it throws, the result is
 * null. An altered function goes unnoticed, as functions have no lasting name: give the result another one.
 *
 * @throws TypeError when something that it is derived from is no aggregate, or `fn` no function
 */
export function derive<Rec, Of extends { readonly [name: string]: Plain }, Result extends Plain>(
  of: { readonly [Name in keyof Of]: Aggregate<Rec, Of[Name]> },
  fn: (results: Of) => Result,
): DerivedAggregate<Rec, Result> {
  const aggregates = Object.entries<Aggregate<Rec, Plain> | undefined>(of);
  for (const [name, aggregate] of aggregates) {
    if (typeof aggregate?.signature === 'string') continue;
    throw new TypeError(
      `Cannot derive from "${name}" as it must be an aggregate, such as count() or mean('field'): it is ${typeof aggregate}`,
    );
  }
  if (typeof fn !== 'function') {
    throw new TypeError(`Cannot derive a result by ${typeof fn} as it must be a function of other results`);
  }
  const signatures = aggregates.map(([name, aggregate]) => `${name}=${aggregate?.signature}`);
  return {
    signature: `derive(${signatures.join(';')})`,
    of: of as { readonly [name: string]: Aggregate<Rec, Plain> },
    derive: fn as (results: { readonly [name: string]: Plain }) => Result,
  };
}
