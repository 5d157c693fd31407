interface Kinded {
  readonly kind: string;
}

/** The member of a union that is of a kind; one that stands for several kinds is the member of each. */
export type OfKind<Union extends Kinded, Kind> = Union extends unknown
  ? Kind extends Union['kind']
    ? Union
    : never
  : never;

/** One case for each kind of a union. When a kind is added to the union, no reader compiles without its case. */
export type Cases<Union extends Kinded, Results extends { readonly [Kind in Union['kind']]: unknown }> = {
  readonly [Kind in keyof Results]: (value: OfKind<Union, Kind>) => Results[Kind];
};

/** What the case of a value's kind makes of it. */
export function byKind<Union extends Kinded, Result>(
  value: Union,
  cases: Cases<Union, { readonly [Kind in Union['kind']]: Result }>,
): Result {
  const make = cases[value.kind as Union['kind']] as (value: Union) => Result;
  return make(value);
}
