import { hash } from 'node:crypto';
import type { Table } from '../../core/table.ts';

/** 96 bits of the MD5 of an id, in two numbers. */
export type Digest = readonly [high: number, low: number];

/**
 * The width of a row of ids. It holds the time from which the id is not needed, which is a watermark or,
 * for a refused record, an arrival, and the id's digest.
 */
export const ID_WIDTH = 3;

export function idDigest(text: string): Digest {
  // As a text with a character for each byte, it takes a fifth of the time that a buffer takes.
  const bytes = hash('md5', text, 'binary');
  return [numberIn(bytes, 0), numberIn(bytes, 6)];
}

/** Returns the number that six bytes are, the highest first. */
function numberIn(bytes: string, at: number): number {
  let number = 0;
  for (let place = at; place < at + 6; place++) number = number * 256 + bytes.charCodeAt(place);
  return number;
}

/** How many times rows are looked through before they get an index, which takes about as long to make. */
const LOOKS_WITHOUT_INDEX = 16;

/**
 * Ids, each with the time from which it is not needed, to be found by their digests: those of a table, and those that are
 * added. Their rows are looked through at first, as most keys of a batch have few records in it.
 *
 * The index is open addressing with double hashing (Knuth, The Art of Computer Programming 3, 6.4), half full at most. A
 * digest is its own two hashes: producers choose ids, and it takes them long to find many that meet in both.
 */
export class KnownIds {
  /** Rows as those of a table of ids: those of the table, until one of them is set, and those that are added. */
  #held: number[];
  readonly #heldRows: number;
  #ownsHeld = false;
  readonly #added: number[] = [];
  #looks = 0;
  /** By slot, the number of its row from 1 on, or 0. Added rows are counted behind those of the table. */
  #slots: number[] = [];

  constructor(table: Table | undefined) {
    this.#held = table?.numbers ?? [];
    this.#heldRows = table?.rows ?? 0;
  }

  has(digest: Digest): boolean {
    return this.#find(digest) >= 0;
  }

  /** Returns from when on an id is not needed; undefined for one that is not among these. */
  untilOf(digest: Digest): number | undefined {
    const row = this.#find(digest);
    return row < 0 ? undefined : this.#at(row, 0);
  }

  set(digest: Digest, until: number): void {
    const row = this.#find(digest);
    if (row < 0) {
      this.add(digest, until);
    } else if (row >= this.#heldRows) {
      this.#added[(row - this.#heldRows) * ID_WIDTH] = until;
    } else {
      if (!this.#ownsHeld) this.#held = this.#held.slice(0, this.#heldRows * ID_WIDTH);
      this.#ownsHeld = true;
      this.#held[row * ID_WIDTH] = until;
    }
  }

  /** Adds an id that is not among these. */
  add([high, low]: Digest, until: number): void {
    this.#added.push(until, high, low);
    if (this.#slots.length > 0) this.#place(this.#rows - 1);
  }

  get #rows(): number {
    return this.#heldRows + this.#added.length / ID_WIDTH;
  }

  /** Returns a number of a row. */
  #at(row: number, column: number): number {
    const numbers = row < this.#heldRows ? this.#held : this.#added;
    return numbers[(row < this.#heldRows ? row : row - this.#heldRows) * ID_WIDTH + column] as number;
  }

  /** Returns the row of a digest; −1 where there is none. */
  #find([high, low]: Digest): number {
    if (this.#slots.length === 0 && this.#looks++ < LOOKS_WITHOUT_INDEX) {
      const held = rowIn(this.#held, this.#heldRows, high, low);
      if (held >= 0) return held;
      const added = rowIn(this.#added, this.#added.length / ID_WIDTH, high, low);
      return added < 0 ? -1 : this.#heldRows + added;
    }
    if (this.#slots.length === 0) this.#place(0);
    const slots = this.#slots;
    const mask = slots.length - 1;
    const step = high | 1;
    for (let slot = low & mask; slots[slot] !== 0; slot = (slot + step) & mask) {
      const row = (slots[slot] as number) - 1;
      if (this.#at(row, 1) === high && this.#at(row, 2) === low) return row;
    }
    return -1;
  }

  /** Puts the rows from `row` on into slots, or all of them into more slots where these would be too few. */
  #place(row: number): void {
    const rows = this.#rows;
    let from = row;
    if (2 * rows >= this.#slots.length) {
      let length = 16;
      while (length <= 3 * rows) length *= 2;
      this.#slots = new Array<number>(length).fill(0);
      from = 0;
    }
    const mask = this.#slots.length - 1;
    for (; from < rows; from++) {
      const step = this.#at(from, 1) | 1;
      let slot = this.#at(from, 2) & mask;
      while (this.#slots[slot] !== 0) slot = (slot + step) & mask;
      this.#slots[slot] = from + 1;
    }
  }
}

/** Returns the row of a digest among some rows; −1 where there is none. */
function rowIn(numbers: readonly number[], rows: number, high: number, low: number): number {
  for (let row = 0; row < rows; row++) {
    if (numbers[row * ID_WIDTH + 2] === low && numbers[row * ID_WIDTH + 1] === high) return row;
  }
  return -1;
}
