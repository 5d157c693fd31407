import type { CellAggregate, Cells, DerivedAggregate } from '../aggregate.ts';
import { type Invalid, type NumberOptions, type NumberSelector, nameOf, numberInput } from '../select.ts';

class Least implements Cells {
  readonly width = 1;

  clear(to: Float64Array, at: number): void {
    to[at] = Number.POSITIVE_INFINITY;
  }

  add(to: Float64Array, at: number, x: number): void {
    to[at] = Math.min(to[at] as number, x);
  }

  join(to: Float64Array, at: number, from: Float64Array, place: number): void {
    to[at] = Math.min(to[at] as number, from[place] as number);
  }
}

class Greatest implements Cells {
  readonly width = 1;

  clear(to: Float64Array, at: number): void {
    to[at] = Number.NEGATIVE_INFINITY;
  }

  add(to: Float64Array, at: number, x: number): void {
    to[at] = Math.max(to[at] as number, x);
  }

  join(to: Float64Array, at: number, from: Float64Array, place: number): void {
    to[at] = Math.max(to[at] as number, from[place] as number);
  }
}

const LEAST: Cells = new Least();
const GREATEST: Cells = new Greatest();

/** The least of a number, exactly; of nothing NaN, and NaN where one is kept. One cell; 1 ns a record. */
export const min = <Rec, On extends Invalid = 'poison'>(
  select: NumberSelector<NoInfer<Rec>, NoInfer<On>>,
  { invalid }: NumberOptions<On> = {},
): CellAggregate<Rec, number> => ({
  signature: `min(${nameOf(select, invalid)})`,
  inputs: [numberInput<Rec>(select, invalid)],
  cells: LEAST,
  lower: extremeUnless(Number.POSITIVE_INFINITY, invalid),
});

/** The greatest of a number, exactly; of nothing NaN, and NaN where one is kept. One cell; 1 ns a record. */
export const max = <Rec, On extends Invalid = 'poison'>(
  select: NumberSelector<NoInfer<Rec>, NoInfer<On>>,
  { invalid }: NumberOptions<On> = {},
): CellAggregate<Rec, number> => ({
  signature: `max(${nameOf(select, invalid)})`,
  inputs: [numberInput<Rec>(select, invalid)],
  cells: GREATEST,
  lower: extremeUnless(Number.NEGATIVE_INFINITY, invalid),
});

/** An infinity that was never kept is the identity: nothing. Where infinities are kept, nothing is passed over either. */
const extremeUnless =
  (identity: number, invalid: Invalid = 'poison') =>
  (from: Float64Array, at: number): number =>
    from[at] === identity && invalid !== 'keep' ? Number.NaN : (from[at] as number);

/** The greatest less the least of a number, rounded once; of nothing NaN. Two cells, those of `min` and `max`. */
export const range = <Rec, On extends Invalid = 'poison'>(
  select: NumberSelector<NoInfer<Rec>, NoInfer<On>>,
  options: NumberOptions<On> = {},
): DerivedAggregate<Rec, number> => ({
  signature: `range(${nameOf(select, options.invalid)})`,
  of: { least: min<Rec, On>(select, options), greatest: max<Rec, On>(select, options) },
  derive: ({ least, greatest }) => (greatest as number) - (least as number),
});
