import { allRowsOf, CodecError, decodeTables, encodeRows, type Rows } from '../../core/codec.ts';
import { END, KEY, KIND, SEQUENCE, WATERMARK } from '../../core/panes.ts';
import type { Plain } from '../../core/plain.ts';
import { relate, unrelate } from '../../core/related.ts';
import { Table } from '../../core/table.ts';
import type { GroupPanes } from '../group/group.ts';
import { LAYOUT, PANES } from './layout.ts';

/**
 * The panes of an entry are written as columns. Columns that follow the order in which panes were emitted are
 * written in that order. All others are written key by key, as a key's panes resemble each other: the column
 * of keys tells which row belongs to which key. Only keys that emitted panes are named.
 */

/** The columns that are written in the order of the panes. */
const EMITTED = [SEQUENCE, KEY, KIND, END, WATERMARK] as const;
const [KEY_AT, END_AT, WATERMARK_AT] = [1, 3, 4] as const;

/** @throws CodecError when the panes are more than a reader accepts */
export function writePanes({
  layouts,
  keys,
  tables,
}: GroupPanes): readonly [plain: Plain, tables: Uint8Array] {
  const numbers = new Int32Array(keys.length).fill(-1);
  const named: string[] = [];
  for (const { rows, width, numbers: cells } of tables) {
    for (let at = KEY; at < rows * width; at += width) {
      const key = cells[at] as number;
      if (numbers[key] === -1) numbers[key] = named.push(keys[key] as string) - 1;
    }
  }
  const slots: Rows[] = [];
  const written = layouts.map((layout, window) => {
    const table = tables[window] as Table;
    const emitted = emittedOf(table, numbers);
    const related = relate(emitted, WATERMARK_AT, END_AT);
    slots.push(allRowsOf([emitted]), byKey(table, emitted, named.length));
    return LAYOUT.write({ ...layout, related });
  });
  return [PANES.write({ layouts: written, keys: named }) as unknown as Plain, encodeRows(slots)];
}

/** @throws CodecError, or any other error, for bytes that `writePanes` did not write */
export function readPanesOf(plain: Plain, bytes: Uint8Array): Omit<GroupPanes, 'length'> {
  const { layouts: written, keys } = PANES.read(plain as unknown as Parameters<typeof PANES.read>[0]);
  const read = written.map(LAYOUT.read);
  const slots = decodeTables(bytes);
  const tables = read.map(({ related }, window) => {
    const [emitted] = slots[2 * window] ?? [];
    if (emitted?.width !== EMITTED.length) {
      throw new CodecError('Cannot read panes as each window must have the columns that every window has');
    }
    if (related) unrelate(emitted, WATERMARK_AT, END_AT);
    return inOrder(emitted, slots[2 * window + 1] as readonly Table[]);
  });
  const layouts = read.map(({ related: _, ...layout }) => layout);
  return { keys, layouts, tables };
}

function emittedOf({ numbers, width, rows }: Table, keys: Int32Array): Table {
  const emitted = new Table(EMITTED.length, 0, rows);
  emitted.rows = rows;
  for (let row = 0; row < rows; row++) {
    for (let at = 0; at < EMITTED.length; at++) {
      emitted.numbers[row * EMITTED.length + at] = numbers[row * width + (EMITTED[at] as number)] as number;
    }
    const key = row * EMITTED.length + KEY_AT;
    emitted.numbers[key] = keys[emitted.numbers[key] as number] as number;
  }
  return emitted;
}

/** Returns the columns that a window's panes have besides. */
const others = (width: number): number[] =>
  Array.from({ length: width }, (_, column) => column).filter((column) => !isEmitted.has(column));

const isEmitted = new Set<number>(EMITTED);

/** Returns the rows of these columns, those of a key one after the other. */
function byKey(table: Table, emitted: Table, keys: number): Rows {
  const columns = others(table.width);
  const { rows, plainWidth } = table;
  const keyOf = (row: number): number => emitted.numbers[row * emitted.width + KEY_AT] as number;
  const from = new Int32Array(keys + 1);
  for (let row = 0; row < rows; row++) from[keyOf(row) + 1] = (from[keyOf(row) + 1] as number) + 1;
  for (let key = 0; key < keys; key++) from[key + 1] = (from[key + 1] as number) + (from[key] as number);
  const next = from.slice();
  const sorted = new Table(columns.length, plainWidth, rows);
  sorted.rows = rows;
  for (let row = 0; row < rows; row++) {
    const to = next[keyOf(row)] as number;
    next[keyOf(row)] = to + 1;
    for (let at = 0; at < columns.length; at++) {
      sorted.numbers[to * columns.length + at] = table.numbers[
        row * table.width + (columns[at] as number)
      ] as number;
    }
    for (let at = 0; at < plainWidth; at++) {
      sorted.plains[to * plainWidth + at] = table.plains[row * plainWidth + at] as Plain;
    }
  }
  return { tables: new Array<Table>(keys).fill(sorted), from, to: from.subarray(1) };
}

const EACH_A_ROW = 'Cannot read panes as each must have a row among those of its key';

/** Returns the table that `emittedOf` and `byKey` took apart. */
function inOrder(emitted: Table, sorted: readonly Table[]): Table {
  const { rows } = emitted;
  if (sorted.reduce((total, part) => total + part.rows, 0) !== rows) throw new CodecError(EACH_A_ROW);
  const [{ width, plainWidth } = { width: 0, plainWidth: 0 }] = sorted;
  const columns = others(width + EMITTED.length);
  const table = new Table(width + EMITTED.length, plainWidth, rows);
  table.rows = rows;
  const next = new Int32Array(sorted.length);
  for (let row = 0; row < rows; row++) {
    for (let at = 0; at < EMITTED.length; at++) {
      table.numbers[row * table.width + (EMITTED[at] as number)] = emitted.numbers[
        row * EMITTED.length + at
      ] as number;
    }
    const key = emitted.numbers[row * EMITTED.length + KEY_AT] as number;
    const part = sorted[key];
    const from = next[key] as number;
    if (part === undefined || from >= part.rows) throw new CodecError(EACH_A_ROW);
    next[key] = from + 1;
    for (let at = 0; at < width; at++) {
      table.numbers[row * table.width + (columns[at] as number)] = part.numbers[from * width + at] as number;
    }
    for (let at = 0; at < plainWidth; at++) {
      table.plains.push(part.plains[from * plainWidth + at] as Plain);
    }
  }
  return table;
}
