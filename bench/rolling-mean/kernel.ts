import type { Cells } from '../../src/core/aggregate.ts';
import { mean } from '../../src/core/aggregates/sums.ts';
import { zeros } from '../../src/core/table.ts';
import type { EpochMillis } from '../../src/core/time.ts';
import { enter, Results } from '../contender.ts';
import { checkRollingMean } from '../expected.ts';

/** The two-stacks of the floor over the cells of Millrace's own mean: what it combines, with no record and no pane around it. */
class RollingCells {
  readonly #count: number;
  readonly #cells: Cells;
  readonly #lower: (from: number[], at: number) => number;
  /** Before a place is reached in the present block: the previous block's cells from there to its end. From then on: the value. */
  readonly #places: number[];
  /** The cells of the present block, and after them those of a window. */
  readonly #present: number[];
  #place = 0;

  constructor(count: number) {
    const { cells, lower } = mean<{ readonly value: number }>('value');
    this.#count = count;
    this.#cells = cells;
    this.#lower = lower;
    this.#places = zeros(cells.width * (count + 1));
    this.#present = zeros(2 * cells.width);
    for (let place = 0; place <= count; place++) cells.clear(this.#places, place * cells.width);
    cells.clear(this.#present, 0);
  }

  take(values: Float64Array, out: Float64Array): void {
    const cells = this.#cells;
    const { width } = cells;
    const places = this.#places;
    const present = this.#present;
    let place = this.#place;
    for (let at = 0; at < values.length; at++) {
      const value = values[at] as number;
      cells.add(present, 0, value, 0, 0 as EpochMillis);
      places[place * width] = value;
      place++;
      for (let cell = 0; cell < width; cell++) present[width + cell] = places[place * width + cell] as number;
      cells.join(present, width, present, 0);
      out[at] = this.#lower(present, width);
      if (place < this.#count) continue;
      this.#turn();
      place = 0;
    }
    this.#place = place;
  }

  #turn(): void {
    const cells = this.#cells;
    const { width } = cells;
    const places = this.#places;
    for (let place = this.#count - 1; place >= 0; place--) {
      const value = places[place * width] as number;
      for (let cell = 0; cell < width; cell++) {
        places[place * width + cell] = places[(place + 1) * width + cell] as number;
      }
      cells.add(places, place * width, value, 0, 0 as EpochMillis);
    }
    cells.clear(this.#present, 0);
  }
}

enter((stream, { count = 0 }) => {
  const means = new Results(stream);
  const rolling = new RollingCells(count);
  return {
    prepare: (from, to) => ({ values: stream.value.subarray(from, to), out: means.of(to - from) }),
    run: ({ values, out }) => rolling.take(values, out),
    keep: (from, to) => means.keep(from, to),
    check: (to) => checkRollingMean(stream, count, means.all, { from: 0, to, full: false }, 1e-14),
    note: 'no record, no pane: what the core combines',
  };
});
