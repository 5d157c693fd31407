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

/**
 * Ids, each with the time from which it is not needed, to be found by their digests: those of a table, and those that are
 * added.
 *
 * Open addressing with double hashing (Knuth, The Art of Computer Programming 3, 6.4), half full at most. A digest is
 * its own two hashes: producers choose ids, and it takes them long to find many that meet in both.
 */
export class KnownIds {
  /** Rows as those of a table of ids. */
  readonly #rows: number[];
  /** By slot, the number of its row from 1 on, or 0. */
  #slots: number[] = [];

  constructor(table: Table | undefined) {
    this.#rows = table?.numbers.slice(0, table.rows * ID_WIDTH) ?? [];
    this.#place(0);
  }

  has(digest: Digest): boolean {
    return this.#find(digest) >= 0;
  }

  /** Returns from when on an id is not needed; undefined for one that is not among these. */
  untilOf(digest: Digest): number | undefined {
    const at = this.#find(digest);
    return at < 0 ? undefined : this.#rows[at];
  }

  set(digest: Digest, until: number): void {
    const at = this.#find(digest);
    if (at >= 0) {
      this.#rows[at] = until;
      return;
    }
    const row = this.#rows.push(until, ...digest) / ID_WIDTH;
    this.#place(row - 1);
  }

  /** Returns where the row of a digest begins; −1 where there is none. */
  #find([high, low]: Digest): number {
    const rows = this.#rows;
    const slots = this.#slots;
    const mask = slots.length - 1;
    const step = high | 1;
    for (let slot = low & mask; slots[slot] !== 0; slot = (slot + step) & mask) {
      const at = ((slots[slot] as number) - 1) * ID_WIDTH;
      if (rows[at + 1] === high && rows[at + 2] === low) return at;
    }
    return -1;
  }

  /** Puts the rows from `row` on into slots, or all of them into more slots where these would be too few. */
  #place(row: number): void {
    const rows = this.#rows.length / ID_WIDTH;
    let from = row;
    if (2 * rows >= this.#slots.length) {
      let length = 16;
      while (length <= 3 * rows) length *= 2;
      this.#slots = new Array<number>(length).fill(0);
      from = 0;
    }
    const mask = this.#slots.length - 1;
    for (; from < rows; from++) {
      const step = (this.#rows[from * ID_WIDTH + 1] as number) | 1;
      let slot = (this.#rows[from * ID_WIDTH + 2] as number) & mask;
      while (this.#slots[slot] !== 0) slot = (slot + step) & mask;
      this.#slots[slot] = from + 1;
    }
  }
}
