import { cloneOf, type Plain } from './plain.ts';

/** Adds 1 to a number in an array, and returns the number before. */
export function countUp(numbers: number[], at: number): number {
  const before = numbers[at] as number;
  numbers[at] = before + 1;
  return before;
}

/** Zeros that V8 keeps as doubles side by side, as they were fractions: as many as were asked for, up to a megabyte. */
let template = Array.from({ length: 1_024 }, () => 0.5);
// To fill them makes them small integers on Node 24.
for (let at = 0; at < template.length; at++) template[at] = 0;
const MAX_TEMPLATE = 131_072;

/**
 * Returns an array of zeros that V8 keeps as doubles side by side, for as long as only numbers are set in it, none
 * behind its end, and no code reads it that reads arrays of other things as well. It is read as fast as a
 * Float64Array. To make a Float64Array of more than eight numbers takes ten times as long, as its bytes are not of
 * V8's own heap.
 */
export function zeros(length: number): number[] {
  if (length > MAX_TEMPLATE) return zeros(length >> 1).concat(zeros(length - (length >> 1)));
  while (template.length < length) template = template.concat(template);
  return template.slice(0, length);
}

/**
 * All tables without rows share the one array, and all without plain values the other, as nothing can be set in them. An
 * array for each would be a large part of what a key takes up.
 */
const NO_NUMBERS = zeros(0);
const NO_PLAINS: Plain[] = [];

/**
 * Describes a change of a table by its rows: the first `drop` rows are dropped, the next `keep` are kept, and
 * the rows of another table, the tail, replace all rows after those. Windows drop their oldest rows and
 * append new ones, so the tail is mostly short.
 */
export interface Cut {
  readonly drop: number;
  readonly keep: number;
}

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
  numbers: number[];
  plains: Plain[];
  rows: number;
  /** What has stayed of the rows of which this table was made by `tracked`. */
  #stayed: { drop: number; keep: number } | undefined;
  /** The same of the last table that was made of this one. */
  #lastStayed: Cut | undefined;

  constructor(width: number, plainWidth: number, capacity = 0) {
    this.width = width;
    this.plainWidth = plainWidth;
    this.numbers = capacity === 0 ? NO_NUMBERS : zeros(width * capacity);
    this.plains = plainWidth === 0 ? NO_PLAINS : [];
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
    for (let i = 0; i < row.length; i++) this.numbers[at + i] = row[i] as number;
  }

  /** Inserts a row before the present row `row`, without setting its values. */
  insert(row: number): void {
    this.touch(row);
    this.push();
    const { numbers, width } = this;
    for (let at = this.rows * width - 1; at >= (row + 1) * width; at--)
      numbers[at] = numbers[at - width] as number;
    if (this.plainWidth > 0) {
      this.plains.splice(row * this.plainWidth, 0, ...new Array<Plain>(this.plainWidth).fill(null));
    }
  }

  /** Copies a row of a table of the same widths over the row `to`. */
  set(to: number, from: Table, row: number): void {
    this.touch(to);
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
    if (from > 0) this.touch(from);
    else if (this.#stayed) {
      this.#stayed.drop += Math.min(to, this.#stayed.keep);
      this.#stayed.keep = Math.max(0, this.#stayed.keep - to);
    }
    const { numbers, width } = this;
    const moved = (to - from) * width;
    for (let at = to * width; at < this.rows * width; at++) numbers[at - moved] = numbers[at] as number;
    if (this.plainWidth > 0) this.plains.splice(from * this.plainWidth, (to - from) * this.plainWidth);
    this.rows -= to - from;
  }

  /**
   * Copies the rows into a table that may be changed. It has room for one more row, as most tables are copied
   * to be added to.
   */
  copy(): Table {
    const { numbers } = this;
    const copy = new Table(this.width, this.plainWidth);
    const length = (this.rows + 1) * this.width;
    copy.numbers =
      numbers.length < length ? numbers.concat(zeros(length - numbers.length)) : numbers.slice(0, length);
    if (this.plainWidth > 0) copy.plains = this.plains.slice(0, this.rows * this.plainWidth).map(cloneOf);
    copy.rows = this.rows;
    return copy;
  }

  /**
   * Copies the rows as `copy` does, and keeps track of those that stay as they are, for `cutSince`. Whoever sets values of
   * a row of such a copy calls `touch`; the methods of the table call it themselves.
   */
  tracked(): Table {
    const copy = this.copy();
    copy.#stayed = { drop: 0, keep: this.rows };
    this.#lastStayed = copy.#stayed;
    return copy;
  }

  /** Says that values of a row are set, of a table that may be tracked. */
  touch(row: number): void {
    if (this.#stayed && row < this.#stayed.keep) this.#stayed.keep = row;
  }

  /**
   * Returns what stayed of the rows of a table, where this one is the last that was made of it by `tracked`. What stands
   * behind a changed row counts as changed, also once that row is removed.
   */
  cutSince(before: Table): Cut | undefined {
    const stayed = this.#stayed;
    if (stayed === undefined || stayed !== before.#lastStayed) return undefined;
    return stayed.keep === 0 ? { drop: before.rows, keep: 0 } : stayed;
  }

  #grow(): void {
    const { numbers, width } = this;
    const added = zeros(Math.max(numbers.length, 4 * width));
    this.numbers = numbers.length === 0 ? added : numbers.concat(added);
  }
}
