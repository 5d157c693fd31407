import type { Cells, DerivedAggregate, OfNumber } from '../aggregate.ts';
import { optionsOf } from '../options.ts';
import {
  type Allowed,
  type Invalid,
  type NumberOptions,
  type NumberPath,
  nameOf,
  numberInput,
} from '../select.ts';

class Least implements Cells {
  readonly width = 1;

  clear(to: number[], at: number): void {
    to[at] = Number.POSITIVE_INFINITY;
  }

  add(to: number[], at: number, x: number): void {
    to[at] = Math.min(to[at] as number, x);
  }

  join(to: number[], at: number, from: number[], place: number): void {
    to[at] = Math.min(to[at] as number, from[place] as number);
  }
}

class Greatest implements Cells {
  readonly width = 1;

  clear(to: number[], at: number): void {
    to[at] = Number.NEGATIVE_INFINITY;
  }

  add(to: number[], at: number, x: number): void {
    to[at] = Math.max(to[at] as number, x);
  }

  join(to: number[], at: number, from: number[], place: number): void {
    to[at] = Math.max(to[at] as number, from[place] as number);
  }
}

const extreme =
  (kind: string, cells: Cells, identity: number): OfNumber =>
  (select, options = {}) => {
    const { invalid } = optionsOf(kind, options);
    // Unless infinities are kept, an infinity in the cell can only be the identity, which stands for no
    // value. Where they are kept, no value is passed over either, so that the cell always holds one.
    const nothing = invalid === 'keep' ? undefined : identity;
    return {
      signature: `${kind}(${nameOf(select, invalid)})`,
      inputs: [numberInput(select, invalid)],
      cells,
      lower: (from, at) => (from[at] === nothing ? Number.NaN : (from[at] as number)),
    };
  };

/**
 * Returns the least of a number, exactly. It is NaN when there is no value, and where a NaN was kept. The
 * state is one cell; a record takes 1 ns.
 *
 * @throws TypeError for an unknown option
 *
 * @example
 * ```ts
 * min('celsius') // of 22, 20, 27: 20
 * ```
 */
export const min: OfNumber = extreme('min', new Least(), Number.POSITIVE_INFINITY);

/**
 * Returns the greatest of a number, exactly. It is NaN when there is no value, and where a NaN was kept. The
 * state is one cell; a record takes 1 ns.
 *
 * @throws TypeError for an unknown option
 *
 * @example
 * ```ts
 * max('celsius') // of 22, 20, 27: 27
 * ```
 */
export const max: OfNumber = extreme('max', new Greatest(), Number.NEGATIVE_INFINITY);

/**
 * Returns the greatest minus the least of a number, rounded once. It is NaN when there is no value. The state
 * is two cells, shared with `min` and `max`.
 *
 * @throws TypeError for an unknown option
 *
 * @example
 * ```ts
 * range('celsius') // of 22, 20, 27: 7
 * ```
 */
export function range<Rec, On extends Invalid = 'poison'>(
  select:
    | `${NumberPath<NoInfer<Rec>, NoInfer<On>>}`
    | ((record: NoInfer<Rec>) => Allowed<number, NoInfer<On>>),
  options: NumberOptions<On> = {},
): DerivedAggregate<Rec, number> {
  const { invalid } = optionsOf('range', options);
  return {
    signature: `range(${nameOf(select, invalid)})`,
    of: { least: min<Rec, On>(select, options), greatest: max<Rec, On>(select, options) },
    derive: ({ least, greatest }) => (greatest as number) - (least as number),
  };
}
