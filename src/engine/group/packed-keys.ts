import type { StoredKey } from '../../core/key.ts';
import type { Plain } from '../../core/plain.ts';
import { Table } from '../../core/table.ts';
import type { EpochMillis } from '../../core/time.ts';
import type { Packed } from './persistent-map.ts';
import { TIMES } from './weight.ts';

/** The widths of a table's rows. */
type Shape = Pick<Table, 'width' | 'plainWidth'>;

/** Where the numbers of a key begin that was never packed. */
const NOWHERE = -1;
/** How many numbers a key has before those of its tables: those for which there is room, those it has, and its times. */
const HEAD = 2 + TIMES;

/**
 * The states of keys that rest, as numbers in one array: for each key its times, and for each of its tables the number of
 * its rows, and these. As objects a state takes up 0.7 KB and more.
 *
 * A state that was changed is written over the one before where it fits, unless half of that would be left empty. Else it
 * goes to the end, with room for a row more in each table. What it leaves behind is given up once the array is full, or
 * half of the array is left behind.
 *
 * Slices that several windows keep together stand with the first of them. The others have the place of that window as a
 * negative number in place of their number of rows.
 *
 * Plain values stay as they are, in one list for each key. A key is not packed where it has other tables than the key that
 * was packed first.
 */
export class PackedKeys implements Packed<StoredKey> {
  #numbers = new Float64Array(0);
  /** How many numbers are taken, and how many of these are left behind. */
  #used = 0;
  #left = 0;
  /** By the number of a key, where its numbers begin. */
  readonly #places: number[] = [];
  /** By the number of a key that is packed, the plain values of all of its tables, if it has any. */
  readonly #plains: (readonly Plain[])[] = [];
  /** The tables of each window. */
  #shapes: readonly (readonly Shape[])[] | undefined;
  count = 0;

  get bytes(): number {
    return this.#numbers.byteLength;
  }

  get hasMore(): boolean {
    return this.#plains.length > 0;
  }

  has(number: number): boolean {
    const place = this.#places[number] ?? NOWHERE;
    return place !== NOWHERE && this.#numbers[place + 1] !== 0;
  }

  pack(number: number, key: StoredKey): boolean {
    const shapes = this.#shapes ?? shapesOf(key);
    const length = shapes && lengthOf(key, shapes);
    if (shapes === undefined || length === undefined) return false;
    this.#shapes = shapes;
    while (this.#places.length <= number) this.#places.push(NOWHERE);
    let place = this.#places[number] as number;
    const roomier = length + roomOf(shapes);
    const found = place === NOWHERE ? 0 : (this.#numbers[place] as number);
    if (found < length || found > 2 * roomier) {
      const room = place === NOWHERE ? length : roomier;
      this.drop(number);
      this.#places[number] = NOWHERE;
      this.#left += found;
      if (this.#used + room > this.#numbers.length || 2 * this.#left > this.#used) this.#makeRoom(room);
      place = this.#used;
      this.#places[number] = place;
      this.#used += room;
      this.#numbers[place] = room;
      this.#numbers[place + 1] = 0;
    }
    if (this.#numbers[place + 1] === 0) this.count++;
    this.#numbers[place + 1] = length;
    const plains = this.#write(place + 2, key);
    if (plains.length > 0 || this.#plains[number]) this.#plains[number] = plains;
    return true;
  }

  unpack(number: number): StoredKey {
    const numbers = this.#numbers;
    const from = this.#places[number] as number;
    const plains = this.#plains[number] ?? [];
    let at = from + HEAD;
    let plain = 0;
    const windows: (readonly Table[])[] = [];
    for (const shapes of this.#shapes ?? []) {
      const tables: Table[] = [];
      for (const { width, plainWidth } of shapes) {
        const rows = numbers[at++] as number;
        if (rows < 0) {
          tables.push(windows[-rows - 1]?.[0] as Table);
          continue;
        }
        const table = new Table(width, plainWidth, rows + 1);
        const end = rows * width;
        for (let place = 0; place < end; place++) table.numbers[place] = numbers[at + place] as number;
        at += end;
        table.rows = rows;
        if (plainWidth > 0) table.plains = plains.slice(plain, plain + rows * plainWidth);
        plain += rows * plainWidth;
        tables.push(table);
      }
      windows.push(tables);
    }
    return {
      maxEventTime: numbers[from + 2] as EpochMillis,
      lastArrival: numbers[from + 3] as EpochMillis,
      watermark: numbers[from + 4] as EpochMillis,
      windows,
    };
  }

  drop(number: number): void {
    if (!this.has(number)) return;
    this.#numbers[(this.#places[number] as number) + 1] = 0;
    this.count--;
  }

  /** Writes the numbers of a key, and returns its plain values. */
  #write(from: number, { maxEventTime, lastArrival, watermark, windows }: StoredKey): readonly Plain[] {
    const numbers = this.#numbers;
    const all: Plain[] = [];
    let at = from;
    numbers[at++] = maxEventTime;
    numbers[at++] = lastArrival;
    numbers[at++] = watermark;
    for (let window = 0; window < windows.length; window++) {
      const tables = windows[window] as readonly Table[];
      for (let slot = 0; slot < tables.length; slot++) {
        const { numbers: own, plains, rows, width, plainWidth } = tables[slot] as Table;
        const first = slot === 0 ? firstWith(windows, window) : window;
        if (first < window) {
          numbers[at++] = -1 - first;
          continue;
        }
        numbers[at++] = rows;
        const end = rows * width;
        for (let place = 0; place < end; place++) numbers[at + place] = own[place] as number;
        at += end;
        for (let place = 0; place < rows * plainWidth; place++) all.push(plains[place] as Plain);
      }
    }
    return all;
  }

  /** Moves what keys have into an array in which there is room for others, and for a quarter more. */
  #makeRoom(others: number): void {
    const before = this.#numbers;
    const places = this.#places;
    let taken = others;
    for (const place of places) if (place !== NOWHERE) taken += before[place] as number;
    const numbers = new Float64Array(Math.ceil(1.25 * taken));
    let used = 0;
    for (let number = 0; number < places.length; number++) {
      const place = places[number] as number;
      if (place === NOWHERE) continue;
      const room = before[place] as number;
      for (let at = 0; at < room; at++) numbers[used + at] = before[place + at] as number;
      places[number] = used;
      used += room;
    }
    this.#numbers = numbers;
    this.#used = used;
    this.#left = 0;
  }
}

/** Makes what keys of a group are packed into. */
export const packedKeys = () => new PackedKeys();

/** Returns the widths of a key's tables; undefined for a key that lacks a window which is new in its definition. */
function shapesOf({ windows }: StoredKey): readonly (readonly Shape[])[] | undefined {
  if (windows.includes(undefined)) return undefined;
  return windows.map((tables = []) => tables.map(({ width, plainWidth }) => ({ width, plainWidth })));
}

/** The numbers of a row of each table. */
const roomOf = (shapes: readonly (readonly Shape[])[]): number =>
  shapes.reduce((room, tables) => tables.reduce((sum, { width }) => sum + width, room), 0);

/** Returns how many numbers a key takes; undefined where its tables are others. */
function lengthOf({ windows }: StoredKey, shapes: readonly (readonly Shape[])[]): number | undefined {
  if (windows.length !== shapes.length) return undefined;
  let length = HEAD;
  for (let window = 0; window < windows.length; window++) {
    const tables = windows[window];
    const layout = shapes[window] as readonly Shape[];
    if (tables?.length !== layout.length) return undefined;
    for (let slot = 0; slot < tables.length; slot++) {
      const { width, plainWidth, rows } = tables[slot] as Table;
      const shape = layout[slot] as Shape;
      if (width !== shape.width || plainWidth !== shape.plainWidth) return undefined;
      length += 1 + (slot === 0 && firstWith(windows, window) < window ? 0 : rows * width);
    }
  }
  return length;
}

/** Returns the first window that has the slices of a window. */
export function firstWith(windows: StoredKey['windows'], window: number): number {
  const slices = windows[window]?.[0];
  if (slices === undefined || slices.rows === 0) return window;
  let first = 0;
  while (windows[first]?.[0] !== slices) first++;
  return first;
}
