import type { CellAggregate, Cells } from '../aggregate.ts';
import { optionsOf } from '../options.ts';
import {
  type Allowed,
  type Invalid,
  type NumberOptions,
  type NumberPath,
  nameOf,
  numberInput,
} from '../select.ts';
import type { Duration, EpochMillis, Millis } from '../time.ts';
import { epochOf, halfLifeOf, halved, recordWeight } from './decay.ts';

/**
 * The cells are the epoch, the sum of weighted values and the sum of weights; all weights are relative to the
 * epoch.
 */
class DecayedSums implements Cells {
  readonly width = 3;
  readonly #halfLife: Millis;

  constructor(halfLife: Millis) {
    this.#halfLife = halfLife;
  }

  clear(to: number[], at: number): void {
    to[at] = Number.NEGATIVE_INFINITY;
    to[at + 1] = 0;
    to[at + 2] = 0;
  }

  add(to: number[], at: number, x: number, _y: number, time: EpochMillis): void {
    const epoch = epochOf(time, this.#halfLife);
    const weight = recordWeight(time, epoch, this.#halfLife);
    addDecayed(to, at, epoch, weight * x, weight);
  }

  join(to: number[], at: number, from: number[], place: number): void {
    addDecayed(to, at, from[place] as number, from[place + 1] as number, from[place + 2] as number);
  }
}

function addDecayed(to: number[], at: number, epoch: number, weighted: number, weights: number): void {
  const ownEpoch = to[at] as number;
  const latest = Math.max(ownEpoch, epoch);
  const decay = halved(latest - ownEpoch);
  const otherDecay = halved(latest - epoch);
  to[at] = latest;
  to[at + 1] = (to[at + 1] as number) * decay + weighted * otherDecay;
  to[at + 2] = (to[at + 2] as number) * decay + weights * otherDecay;
}

/**
 * Computes the exponentially weighted mean of a number by event time: a value weighs half as much as a value
 * that is `halfLife` later, however many records are between them. It is NaN when there is no value.
 *
 * It is within (n + 8)·2^-53 of the weighted mean of magnitudes, where n is the number of values that still
 * count, and the same to the bit on every engine. The state is three cells, of which one is a whole number; a
 * record takes 12 ns.
 *
 * @throws RangeError when `halfLife` is not a positive duration; TypeError for an unknown option
 *
 * @example
 * ```ts
 * ewma('celsius', { halfLife: '1m' }) // of 20, 26: 24
 * ```
 */
export function ewma<Rec, On extends Invalid = 'poison'>(
  select:
    | `${NumberPath<NoInfer<Rec>, NoInfer<On>>}`
    | ((record: NoInfer<Rec>) => Allowed<number, NoInfer<On>>),
  options: NumberOptions<On> & { readonly halfLife: Duration },
): CellAggregate<Rec, number> {
  const { halfLife, invalid } = optionsOf('ewma', options, 'halfLife');
  const length = halfLifeOf(halfLife);
  return {
    signature: `ewma(${nameOf(select, invalid)},${length})`,
    inputs: [numberInput<Rec>(select, invalid)],
    cells: new DecayedSums(length),
    lower: (from, at) => (from[at + 1] as number) / (from[at + 2] as number),
  };
}
