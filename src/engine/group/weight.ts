import type { Rows } from '../../core/codec.ts';
import type { Plain } from '../../core/plain.ts';
import type { Table } from '../../core/table.ts';

/** What the parts of an entry take up, in bytes at worst, told without writing them. */

/** How many numbers a key has besides its tables. */
export const TIMES = 3;

/** At most: a number with its tag, a tag with a count, or how many rows a table has. */
export const NUMBER_BYTES = 9;

/** What an entry holds of a name besides its bytes and its tables: how many these are, its times, and its place among others. */
export const NAME_BYTES = NUMBER_BYTES * (TIMES + 2);

/** What some names take up at worst once they are written, in bytes. Both add up over names. */
export interface Weight {
  /** What is written of their tables' rows, and of the names. */
  readonly content: number;
  /** The same with what each table costs a reader, whatever it holds: no section that weighs so much is ever larger. */
  readonly whole: number;
}

export const WEIGHTLESS: Weight = { content: 0, whole: 0 };

/** Adds up what names and their tables weigh; what is gone is taken off again. */
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

  /** The rows `[from, to)` of one of a name's tables. */
  rows(table: Table, from: number, to: number, times: 1 | -1 = 1): void {
    this.whole += times * NUMBER_BYTES;
    if (from === to) return;
    const bytes = times * rowBytes(table, from, to);
    this.content += bytes;
    this.whole += bytes + times * TABLE_BYTES;
  }
}

/** What some names weigh, of each slot the tables of all of them. */
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

/** What a reader sets aside for a table that holds rows: see `encodeRows`. */
export const TABLE_BYTES = 128;

export function rowBytes({ width, plains, plainWidth }: Table, from: number, to: number): number {
  let bytes = NUMBER_BYTES * (to - from) * width;
  for (let at = from * plainWidth; at < to * plainWidth; at++) bytes += plainBytes(plains[at] as Plain);
  return bytes;
}

/** Up to so many characters, three bytes each are claimed without a look at them. */
const SHORT_TEXT = 64;

export const textBytes = (text: string): number =>
  NUMBER_BYTES + (text.length <= SHORT_TEXT ? 3 * text.length : Buffer.byteLength(text));

export function plainBytes(plain: Plain): number {
  if (typeof plain === 'string') return textBytes(plain);
  if (typeof plain !== 'object' || plain === null) return NUMBER_BYTES;
  let bytes = NUMBER_BYTES;
  if (!Array.isArray(plain)) for (const name of Object.keys(plain)) bytes += textBytes(name);
  for (const value of Object.values<Plain>(plain)) bytes += plainBytes(value);
  return bytes;
}
