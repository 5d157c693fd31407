const SUM = 0;
const LOSS = 1;

/**
 * The mean of the last `count` values in as few steps as we know of: block-aligned two-stacks over compensated sums, in
 * arrays of its own, with nothing in it for any other purpose.
 *
 * van Herk, 1992; Gil & Werman, 1993. What a sum loses to rounding: Knuth, "The Art of Computer Programming", volume 2, 4.2.2.
 */
export class RollingMean {
  readonly #count: number;
  /**
   * Two numbers for each place of a block. Before the place is reached in the present block: the sum of the previous block's
   * values from there to its end, and what that lost. From then on: the value.
   */
  readonly #places: Float64Array;
  /** Of the present block. Numbers in an array stay numbers; those in fields become objects. */
  readonly #present = new Float64Array(2);
  #place = 0;
  #full = false;

  constructor(count: number) {
    this.#count = count;
    this.#places = new Float64Array(2 * count + 2);
  }

  take(values: Float64Array, out: Float64Array): void {
    const count = this.#count;
    const places = this.#places;
    const present = this.#present;
    let place = this.#place;
    let sum = present[SUM] as number;
    let loss = present[LOSS] as number;
    for (let at = 0; at < values.length; ) {
      const full = this.#full;
      const blockEnd = Math.min(values.length, at + count - place);
      for (; at < blockEnd; at++) {
        const value = values[at] as number;
        const longer = sum + value;
        const added = longer - sum;
        loss += sum - (longer - added) + (value - added);
        sum = longer;
        places[2 * place] = value;
        place++;
        const end = places[2 * place] as number;
        const both = end + sum;
        const joined = both - end;
        const lost = end - (both - joined) + (sum - joined);
        out[at] = (both + (lost + loss + (places[2 * place + 1] as number))) / (full ? count : place);
      }
      if (place === count) {
        sumEnds(places, count);
        this.#full = true;
        place = 0;
        sum = 0;
        loss = 0;
      }
    }
    this.#place = place;
    present[SUM] = sum;
    present[LOSS] = loss;
  }
}

/** Makes of each value the sum from there to the end, and what it lost. */
function sumEnds(places: Float64Array, count: number): void {
  let sum = 0;
  let loss = 0;
  for (let at = 2 * count - 2; at >= 0; at -= 2) {
    const value = places[at] as number;
    const longer = sum + value;
    const added = longer - sum;
    loss += sum - (longer - added) + (value - added);
    sum = longer;
    places[at] = sum;
    places[at + 1] = loss;
  }
}
