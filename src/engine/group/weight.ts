import type { Rows } from '../../core/codec.ts';
import type { Plain } from '../../core/plain.ts';
import type { Table } from '../../core/table.ts';

/**
 * This file tells how many bytes the parts of an entry take up at worst, without writing them. `name`
 * stands for a key, or for `REFUSED`.
 */

/** How many numbers a key has beside its tables. */
export const TIMES = 3;

/**
 * The most bytes that one of these takes: a number with its tag, a tag with a count, or the number of a
 * table's rows.
 */
export const NUMBER_BYTES = 9;

/**
 * The bytes that an entry holds for a name beside its text and its tables: the length of the text, the
 * key's times, and its place among other names.
 */
export const NAME_BYTES = NUMBER_BYTES * (TIMES + 2);

/** The bytes that names take up at worst once they are written. Both numbers add up over names. */
export interface Weight {
  /** The bytes that are written: the rows of the names' tables, and the names. */
  readonly content: number;
  /**
   * `content`, and what each table costs a reader, whatever the table holds. No section of this weight is
   * ever larger.
   */
  readonly whole: number;
}

export const WEIGHTLESS: Weight = { content: 0, whole: 0 };

/** Adds up what names and their tables weigh, and subtracts what is gone. */
export class Scale implements Weight {
  content: number;
  whole: number;

  constructor({ content, whole } = WEIGHTLESS) {
    this.content = content;
    this.whole = whole;
  }

  name(name: string, times: 1 | -1 = 1): void {
    const bytes = times * (Buffer.byteLength(name) + NAME_BYTES);
    this.content += bytes;
    this.whole += bytes;
  }

  /** Adds the rows `[from, to)` of one of a name's tables, `times` 1, or subtracts them, `times` −1. */
  rows(table: Table, from: number, to: number, times: 1 | -1 = 1): void {
    this.whole += times * NUMBER_BYTES;
    if (from === to) return;
    const bytes = times * rowBytes(table, from, to);
    this.content += bytes;
    this.whole += bytes + times * TABLE_BYTES;
  }
}

/** Weighs names. Each slot holds the tables of all of them. */
export function weightOf(names: readonly string[], slots: readonly Rows[]): Weight {
  const scale = new Scale();
  for (const name of names) scale.name(name);
  for (const { tables, from, to } of slots) {
    for (let at = 0; at < tables.length; at++) {
      scale.rows(tables[at] as Table, from[at] as number, to[at] as number);
    }
  }
  return scale;
}

/** The bytes that a reader reserves for a table that holds rows: see `encodeRows`. */
export const TABLE_BYTES = 128;

export function rowBytes({ width, plains, plainWidth }: Table, from: number, to: number): number {
  let bytes = NUMBER_BYTES * (to - from) * width;
  for (let at = from * plainWidth; at < to * plainWidth; at++) bytes += plainBytes(plains[at] as Plain);
  return bytes;
}

/** A text of up to this many characters counts as three bytes a character, without a look at them. */
const SHORT_TEXT = 64;

export const textBytes = (text: string): number =>
  NUMBER_BYTES + (text.length <= SHORT_TEXT ? 3 * text.length : Buffer.byteLength(text));

export function plainBytes(plain: Plain): number {
  if (typeof plain === 'string') return textBytes(plain);
  if (typeof plain !== 'object' || plain === null) return NUMBER_BYTES;
  let bytes = NUMBER_BYTES;
  if (!Array.isArray(plain)) for (const name of Object.keys(plain)) bytes += textBytes(name);
  // Copying a list, as Object.values does, would take longer than adding up what is in it.
  for (const value of Array.isArray(plain) ? plain : Object.values<Plain>(plain)) bytes += plainBytes(value);
  return bytes;
}
