import { invariant, type Plain } from '../plain.ts';
import { Table } from '../table.ts';
import { ByteReader, ByteWriter } from './bytes.ts';
import { countFilled } from './integers.ts';
import { NumberReader, NumberWriter } from './numbers.ts';
import { PlainReader, PlainWriter } from './plain.ts';

/**
 * Marks a column that is written out. Any other mark is the number, from 1, of the column that this one
 * equals.
 */
const OWN = 0;

/**
 * What a table takes up besides its rows, in doubles. All tables without rows are one shared table, which
 * costs a reference alone.
 */
const TABLE_COST = 16;

/** Some of the rows of tables of one layout: of the i-th table the rows in `[from[i], to[i])`. */
export interface Rows {
  readonly tables: readonly Table[];
  readonly from: ArrayLike<number>;
  readonly to: ArrayLike<number>;
}

/** Returns all rows of the tables. */
export function allRowsOf(tables: readonly Table[]): Rows {
  const to = new Float64Array(tables.length);
  for (let key = 0; key < tables.length; key++) to[key] = (tables[key] as Table).rows;
  return { tables, from: new Float64Array(tables.length), to };
}

/**
 * Encodes tables as bytes. A slot holds one table of every key, all of one layout. Its columns run through
 * all keys, so that many small tables cost as much as a large one.
 *
 * @throws CodecError when they hold more than `MAX_NUMBERS`, which `decodeTables` would refuse
 */
export const encodeTables = (slots: readonly (readonly Table[])[]): Uint8Array =>
  encodeRows(slots.map(allRowsOf));

/** Encodes some of the rows of tables, as if there were no others. */
export function encodeRows(slots: readonly Rows[]): Uint8Array {
  const bytes = new ByteWriter();
  const numbers = new NumberWriter(bytes);
  const plains = new PlainWriter(bytes, numbers);
  bytes.varint(slots.length);
  for (const rows of slots) writeSlot(bytes, numbers, plains, rows);
  return bytes.bytes();
}

/**
 * Decodes the tables that `encodeTables` wrote, each with room for its rows alone. All tables of a slot
 * without rows are one and the same table, so that none of them may be changed.
 *
 * @throws CodecError for any other bytes: it does not read past them, nor allocate more than `MAX_NUMBERS`
 */
export function decodeTables(encoded: Uint8Array): Table[][] {
  const bytes = new ByteReader(encoded);
  const numbers = new NumberReader(bytes);
  const plains = new PlainReader(bytes, numbers);
  const slots: Table[][] = [];
  for (let left = bytes.count(); left > 0; left--) slots.push(readSlot(bytes, numbers, plains));
  bytes.end();
  return slots;
}

function writeSlot(bytes: ByteWriter, numbers: NumberWriter, plains: PlainWriter, slot: Rows): void {
  const { tables, from, to } = slot;
  bytes.varint(tables.length);
  if (tables[0] === undefined) return;
  const { width, plainWidth } = tables[0];
  invariant(
    tables.every((table) => table.width === width && table.plainWidth === plainWidth),
    'the tables of a slot have one layout',
  );
  bytes.claim(tables.length);
  bytes.varint(width);
  bytes.varint(plainWidth);
  const rows = new Float64Array(tables.length);
  for (let key = 0; key < rows.length; key++) rows[key] = (to[key] as number) - (from[key] as number);
  numbers.write(rows, rows.length, [rows.length]);
  const total = sum(rows);
  if (total === 0) return;
  bytes.claim(countFilled(rows) * TABLE_COST + total * width);
  const columns: Float64Array[] = [];
  for (let at = 0; at < width; at++) {
    const column = gather(slot, at, total);
    const same = columns.findIndex((other) => isSame(column, other));
    columns.push(column);
    bytes.varint(same + 1);
    if (same + 1 === OWN) numbers.write(column, total, rows);
  }
  for (let at = 0; at < plainWidth; at++) plains.write(gatherPlains(slot, at));
}

function readSlot(bytes: ByteReader, numbers: NumberReader, plains: PlainReader): Table[] {
  const keys = bytes.varint();
  if (keys === 0) return [];
  bytes.claim(keys);
  const width = bytes.varint();
  const plainWidth = bytes.varint();
  const rows = new Float64Array(keys);
  numbers.read(rows, keys, [keys]);
  if (!rows.every(isCount)) throw bytes.fault('a table of no whole number of rows');
  const total = sum(rows);
  bytes.claim(countFilled(rows) * TABLE_COST + total * width);
  const none = new Table(width, plainWidth);
  const tables = Array.from(rows, (count) => {
    if (count === 0) return none;
    const table = new Table(width, plainWidth, count);
    table.rows = count;
    return table;
  });
  if (total === 0) return tables;
  // Tables without columns may have more rows than can be claimed.
  const column = new Float64Array(width > 0 ? total : 0);
  for (let at = 0; at < width; at++) {
    const same = bytes.varint();
    if (same > at) throw bytes.fault('a column that equals none before it');
    if (same === OWN) {
      numbers.read(column, total, rows);
      scatter(column, tables, at);
    } else {
      for (const table of tables) copyColumn(table, same - 1, at);
    }
  }
  const lists: (readonly Plain[])[] = [];
  for (let at = 0; at < plainWidth; at++) {
    const list = plains.read();
    if (!Array.isArray(list) || list.length !== total)
      throw bytes.fault('a column that has not one value a row');
    lists.push(list);
  }
  scatterPlains(lists, tables);
  return tables;
}

const isCount = (value: number): boolean =>
  Number.isSafeInteger(value) && value >= 0 && !Object.is(value, -0);

function sum(values: Float64Array): number {
  let total = 0;
  for (let i = 0; i < values.length; i++) total += values[i] as number;
  return total;
}

function isSame(a: Float64Array, b: Float64Array): boolean {
  for (let i = 0; i < a.length; i++) if (!Object.is(a[i], b[i])) return false;
  return true;
}

function gather({ tables, from, to }: Rows, at: number, total: number): Float64Array {
  const column = new Float64Array(total);
  let next = 0;
  for (let key = 0; key < tables.length; key++) {
    const { numbers, width } = tables[key] as Table;
    const end = to[key] as number;
    for (let row = from[key] as number; row < end; row++) {
      column[next++] = numbers[row * width + at] as number;
    }
  }
  return column;
}

function scatter(column: Float64Array, tables: readonly Table[], at: number): void {
  let next = 0;
  for (const { numbers, width, rows } of tables) {
    for (let row = 0; row < rows; row++) numbers[row * width + at] = column[next++] as number;
  }
}

function copyColumn({ numbers, width, rows }: Table, from: number, to: number): void {
  for (let row = 0; row < rows; row++) numbers[row * width + to] = numbers[row * width + from] as number;
}

function gatherPlains({ tables, from, to }: Rows, at: number): Plain[] {
  const column: Plain[] = [];
  for (const [key, { plains, plainWidth }] of tables.entries()) {
    const end = to[key] as number;
    for (let row = from[key] as number; row < end; row++) column.push(plains[row * plainWidth + at] as Plain);
  }
  return column;
}

function scatterPlains(columns: readonly (readonly Plain[])[], tables: readonly Table[]): void {
  let next = 0;
  for (const { plains, rows } of columns.length > 0 ? tables : []) {
    for (const end = next + rows; next < end; next++) {
      for (const column of columns) plains.push(column[next] as Plain);
    }
  }
}
