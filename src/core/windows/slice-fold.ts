import type { Alignment } from '../alignment.ts';
import type { Lanes } from '../lanes.ts';
import { countUp, type Table } from '../table.ts';
import { RECORDS, rowFrom, SLICE } from './slices.ts';

/** The rows of a table, ordered by start, from which windows are combined: slices, or single records. */
interface Items {
  /** Joins an item to the row of partials before it in time. */
  join(lanes: Lanes, to: Table, row: number, items: Table, item: number): void;
  /** Sets a row of partials to the combination of an item and the row before, if there is one. */
  prepend(lanes: Lanes, to: Table, row: number, items: Table, item: number): void;
}

/** Items that are rows of partials themselves. */
export const SLICES: Items = {
  join: (lanes, to, row, slices, item) => joinCounted(lanes, to, row, to, row, slices, item),
  prepend(lanes, to, row, slices, item) {
    if (row === 0) to.set(0, slices, item);
    else joinCounted(lanes, to, row, slices, item, to, row - 1);
  },
};

/** Items that are records which a window keeps. The event time comes first in their rows. */
export const RECORDS_KEPT: Items = {
  join(lanes, to, row, records, item) {
    lanes.addKept(to, row, records, item, item + 1);
    countUp(to.numbers, row * to.width + RECORDS);
  },
  prepend(lanes, to, row, records, item) {
    lanes.prependKept(to, row, records, item, row === 0 ? undefined : row - 1);
    to.numbers[row * to.width + SLICE] = records.numbers[item * records.width] as number;
    to.numbers[row * to.width + RECORDS] = row + 1;
  },
};

function joinCounted(
  lanes: Lanes,
  to: Table,
  row: number,
  earlier: Table,
  a: number,
  later: Table,
  b: number,
) {
  const { width } = to;
  const start = earlier.numbers[a * width + SLICE] as number;
  const count =
    (earlier.numbers[a * width + RECORDS] as number) + (later.numbers[b * width + RECORDS] as number);
  lanes.join(to, row, earlier, a, later, b);
  to.numbers[row * width + SLICE] = start;
  to.numbers[row * width + RECORDS] = count;
}

/**
 * Combines the items of windows, one window after the other in the order of time.
 *
 * Block-aligned two-stacks: a window is cut at a boundary that all windows across it share. Its items before
 * the boundary are combined from the right, once for all these windows, and its items after the boundary from
 * the left as they come. So a window costs about three combinations, however many items it has, and what is
 * combined with what depends on time alone. The scheme is that of Gil & Werman, 1993, with time in place of
 * an index.
 */
export class SliceFold {
  readonly #lanes: Lanes;
  readonly #alignment: Pick<Alignment, 'middle' | 'end'>;
  readonly #kind: Items;
  /** The boundary, which is NaN before the first window. */
  #middle = Number.NaN;
  /** Row i combines the last i + 1 items before the boundary. */
  readonly #ends: Table;
  /** One row: the items from the boundary on that start before `#through`. */
  readonly #beginning: Table;
  #through = Number.NEGATIVE_INFINITY;
  /** One row: a window of both. */
  readonly #whole: Table;

  constructor(lanes: Lanes, alignment: Pick<Alignment, 'middle' | 'end'>, kind: Items) {
    this.#lanes = lanes;
    this.#alignment = alignment;
    this.#kind = kind;
    this.#ends = lanes.partials();
    this.#beginning = lanes.partials(1);
    this.#whole = lanes.partials(1);
    this.#whole.push();
  }

  /**
   * Combines the records of a window up to `end` into the last row of the table that it returns. The caller
   * asks for windows of the same items in the order of their start, then of their end, unless it has called
   * `forget` in between.
   */
  window(items: Table, start: number, end: number = this.#alignment.end(start)): Table {
    const middle = this.#alignment.middle(start);
    if (middle !== this.#middle) this.#begin(items, start, middle);
    const ends = this.#ends;
    while (ends.rows > 0 && (ends.numbers[(ends.rows - 1) * ends.width + SLICE] as number) < start) {
      ends.rows--;
    }
    this.#extend(items, end);
    if (ends.rows === 0) return this.#beginning;
    if (this.#beginning.numbers[RECORDS] === 0) return ends;
    joinCounted(this.#lanes, this.#whole, 0, ends, ends.rows - 1, this.#beginning, 0);
    return this.#whole;
  }

  /** Notes that an item that starts at `start` has changed, which makes stale what it was combined into. */
  changed(start: number): void {
    if (start < this.#through) this.forget();
  }

  forget(): void {
    this.#middle = Number.NaN;
  }

  #begin(items: Table, start: number, middle: number): void {
    const [ends, beginning] = [this.#ends, this.#beginning];
    this.#middle = middle;
    this.#through = middle;
    beginning.rows = 1;
    beginning.numbers[SLICE] = middle;
    beginning.numbers[RECORDS] = 0;
    this.#lanes.clear(beginning, 0);
    ends.rows = 0;
    const from = rowFrom(items, start);
    for (let item = rowFrom(items, middle) - 1; item >= from; item--) {
      this.#kind.prepend(this.#lanes, ends, ends.push(), items, item);
    }
  }

  #extend(items: Table, to: number): void {
    const { numbers, width, rows } = items;
    for (let item = rowFrom(items, this.#through); item < rows; item++) {
      if ((numbers[item * width] as number) >= to) break;
      this.#kind.join(this.#lanes, this.#beginning, 0, items, item);
    }
    this.#through = to;
  }
}
