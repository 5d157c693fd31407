import type { Aggregate, DerivedAggregate } from '../aggregate.ts';
import type { Plain } from '../plain.ts';

/**
 * Computes a result from the results of other aggregates: `derive({ mean: mean('x'), sd: stddev('x') }, ({
 * mean, sd }) => sd / mean)`.
 *
 * It costs what those aggregates cost, and nothing for those that the window computes anyway. `fn` must be
 * pure; the result is null where `fn` throws. Millrace does not notice when `fn` is altered, as a function
 * has no lasting name: give an altered result another name.
 *
 * @throws TypeError when a value of `of` is not an aggregate, or `fn` is not a function
 *
 * @example
 * ```ts
 * derive({ least: min('celsius'), most: max('celsius') }, ({ least, most }) => (least + most) / 2) // of 20, 22, 28: 24
 * ```
 */
export function derive<Rec, Of extends { readonly [name: string]: Plain }, Result extends Plain>(
  of: { readonly [Name in keyof Of]: Aggregate<Rec, Of[Name]> },
  fn: (results: Of) => Result,
): DerivedAggregate<Rec, Result> {
  const aggregates = Object.entries<Aggregate<Rec, Plain> | undefined>(of);
  for (const [name, aggregate] of aggregates) {
    if (typeof aggregate?.signature === 'string') continue;
    throw new TypeError(
      `Cannot derive from "${name}" as it must be an aggregate, such as count() or mean('field'): ` +
        `it is ${typeof aggregate}`,
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
