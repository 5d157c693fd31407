import { cloneOf, type Plain } from './plain.ts';

/** Adds 1 to a number in an array, and returns the number before. */
export function countUp(numbers: Float64Array, at: number): number {
  const before = numbers[at] as number;
  numbers[at] = before + 1;
  return before;
}

/**
 * All tables without rows share this array, as nothing can be set in it. An array for each would be a large
 * part of what a key takes up.
 */
const NO_NUMBERS = new Float64Array(0);

/**
 * Rows of a few numbers and a few plain values each, row after row in one array. Every window keeps its state
 * in tables, and panes are collected in them.
 */
export class Table {
  /** How many numbers a row has. */
  readonly width: number;
  /** How many plain values a row has. */
  readonly plainWidth: number;
  /** The numbers of row r are `numbers[r * width …]`. The array may be longer than the rows. */
  numbers: Float64Array;
  plains: Plain[];
  rows: number;

  constructor(width: number, plainWidth: number, capacity = 0) {
    this.width = width;
    this.plainWidth = plainWidth;
    this.numbers = capacity === 0 ? NO_NUMBERS : new Float64Array(width * capacity);
    this.plains = [];
    this.rows = 0;
  }

  /** Appends a row without setting its values, and returns its index. */
  push(): number {
    const row = this.rows++;
    if (this.rows * this.width > this.numbers.length) this.#grow();
    return row;
  }

  /** Appends a row of these numbers. */
  pushNumbers(...row: readonly number[]): void {
    const at = this.push() * this.width;
    this.numbers.set(row, at);
  }

  /** Inserts a row before the present row `row`, without setting its values. */
  insert(row: number): void {
    this.push();
    this.numbers.copyWithin((row + 1) * this.width, row * this.width, (this.rows - 1) * this.width);
    if (this.plainWidth > 0) {
      this.plains.splice(row * this.plainWidth, 0, ...new Array<Plain>(this.plainWidth).fill(null));
    }
  }

  /** Copies a row of a table of the same widths over the row `to`. */
  set(to: number, from: Table, row: number): void {
    for (let i = 0; i < this.width; i++) {
      this.numbers[to * this.width + i] = from.numbers[row * this.width + i] as number;
    }
    for (let i = 0; i < this.plainWidth; i++) {
      this.plains[to * this.plainWidth + i] = from.plains[row * this.plainWidth + i] as Plain;
    }
  }

  /** Removes the rows `[from, to)`. */
  remove(from: number, to: number): void {
    if (from >= to) return;
    this.numbers.copyWithin(from * this.width, to * this.width, this.rows * this.width);
    this.plains.splice(from * this.plainWidth, (to - from) * this.plainWidth);
    this.rows -= to - from;
  }

  /**
   * Copies the rows into a table that may be changed. It has room for one more row, as most tables are copied
   * to be added to.
   */
  copy(): Table {
    const copy = new Table(this.width, this.plainWidth, this.rows + 1);
    const length = this.rows * this.width;
    for (let i = 0; i < length; i++) copy.numbers[i] = this.numbers[i] as number;
    if (this.plainWidth > 0) copy.plains = this.plains.slice(0, this.rows * this.plainWidth).map(cloneOf);
    copy.rows = this.rows;
    return copy;
  }

  #grow(): void {
    const larger = new Float64Array(Math.max(2 * this.numbers.length, 4 * this.width));
    larger.set(this.numbers);
    this.numbers = larger;
  }
}
