import type { Plain } from '../plain.ts';
import type { ByteReader, ByteWriter } from './bytes.ts';
import { NumberReader, NumberWriter } from './numbers.ts';

const NULL = 0;
const FALSE = 1;
const TRUE = 2;
const DOUBLE = 3;
const POSITIVE = 4;
const NEGATIVE = 5;
const TEXT = 6;
const SAME_TEXT = 7;
const LIST = 8;
const MAP = 9;
/** A list of at least `NUMBERS_FROM` numbers and nothing else, written as a column. */
const NUMBERS = 10;
/** Tags from here on are small whole numbers themselves: `SMALL` is -64. */
const SMALL = 64;
const SMALLEST = -64;
const LARGEST_SMALL = SMALLEST + 255 - SMALL;

const NUMBERS_FROM = 4;
const MAX_DEPTH = 64;

/**
 * Writes plain data exactly: a tag byte for each value, then its body. A string that occurs again, in any
 * value of the same writer, costs a reference.
 */
export class PlainWriter {
  readonly #bytes: ByteWriter;
  readonly #numbers: NumberWriter;
  readonly #texts = new Map<string, number>();
  readonly #utf8 = new TextEncoder();
  #column = new Float64Array(0);

  constructor(bytes: ByteWriter, numbers = new NumberWriter(bytes)) {
    this.#bytes = bytes;
    this.#numbers = numbers;
  }

  write(value: Plain): void {
    if (value === null) this.#bytes.byte(NULL);
    else if (typeof value === 'boolean') this.#bytes.byte(value ? TRUE : FALSE);
    else if (typeof value === 'number') this.#number(value);
    else if (typeof value === 'string') this.#text(value);
    else if (!isList(value)) this.#map(value);
    else if (isNumbers(value)) this.#numbersList(value);
    else this.#list(value);
  }

  #list(list: readonly Plain[]): void {
    this.#bytes.byte(LIST);
    this.#bytes.varint(list.length);
    for (const item of list) this.write(item);
  }

  #numbersList(list: readonly number[]): void {
    this.#bytes.claim(list.length);
    this.#bytes.byte(NUMBERS);
    this.#bytes.varint(list.length);
    if (list.length > this.#column.length) this.#column = new Float64Array(list.length);
    for (let i = 0; i < list.length; i++) this.#column[i] = list[i] as number;
    this.#numbers.write(this.#column, list.length, [list.length]);
  }

  #map(map: { readonly [name: string]: Plain }): void {
    const entries = Object.entries(map);
    this.#bytes.byte(MAP);
    this.#bytes.varint(entries.length);
    for (const [name, item] of entries) {
      this.#text(name);
      this.write(item);
    }
  }

  #number(value: number): void {
    if (!Number.isSafeInteger(value) || Object.is(value, -0)) {
      this.#bytes.byte(DOUBLE);
      this.#bytes.double(value);
    } else if (value >= SMALLEST && value <= LARGEST_SMALL) {
      this.#bytes.byte(SMALL + value - SMALLEST);
    } else {
      this.#bytes.byte(value > 0 ? POSITIVE : NEGATIVE);
      this.#bytes.varint(Math.abs(value));
    }
  }

  #text(text: string): void {
    const seen = this.#texts.get(text);
    if (seen !== undefined) {
      this.#bytes.byte(SAME_TEXT);
      this.#bytes.varint(seen);
      return;
    }
    this.#texts.set(text, this.#texts.size);
    this.#bytes.byte(TEXT);
    if (this.#bytes.ascii(text)) return;
    const utf8 = this.#utf8.encode(text);
    this.#bytes.varint(utf8.length);
    this.#bytes.append(utf8);
  }
}

/** Reads what a PlainWriter wrote. It nests at most 64 deep. */
export class PlainReader {
  readonly #bytes: ByteReader;
  readonly #numbers: NumberReader;
  readonly #texts: string[] = [];
  readonly #utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });
  #column = new Float64Array(0);

  constructor(bytes: ByteReader, numbers = new NumberReader(bytes)) {
    this.#bytes = bytes;
    this.#numbers = numbers;
  }

  read(depth = 0): Plain {
    const bytes = this.#bytes;
    if (depth > MAX_DEPTH) throw bytes.fault(`nested deeper than ${MAX_DEPTH}`);
    const tag = bytes.byte();
    if (tag >= SMALL) return tag - SMALL + SMALLEST;
    switch (tag) {
      case NULL:
        return null;
      case FALSE:
        return false;
      case TRUE:
        return true;
      case DOUBLE:
        return bytes.double();
      case POSITIVE:
        return bytes.varint();
      case NEGATIVE:
        return -bytes.varint();
      case TEXT:
      case SAME_TEXT:
        return this.#text(tag);
      case LIST:
        return this.#list(depth);
      case MAP:
        return this.#map(depth);
      case NUMBERS:
        return this.#numbersList(depth);
      default:
        throw bytes.fault(`unknown tag ${tag}`);
    }
  }

  /** The list grows as it is read, so that a count alone allocates nothing. */
  #list(depth: number): Plain[] {
    const items: Plain[] = [];
    for (let left = this.#bytes.count(); left > 0; left--) items.push(this.read(depth + 1));
    return items;
  }

  #map(depth: number): { readonly [name: string]: Plain } {
    const entries: [string, Plain][] = [];
    for (let left = this.#bytes.count(); left > 0; left--) {
      entries.push([this.#text(this.#bytes.byte()), this.read(depth + 1)]);
    }
    return Object.fromEntries(entries);
  }

  #numbersList(depth: number): number[] {
    if (depth === MAX_DEPTH) throw this.#bytes.fault(`nested deeper than ${MAX_DEPTH}`);
    const count = this.#bytes.varint();
    this.#bytes.claim(count);
    if (count > this.#column.length) this.#column = new Float64Array(count);
    const column = this.#column;
    this.#numbers.read(column, count, [count]);
    const list: number[] = [];
    for (let i = 0; i < count; i++) list.push(column[i] as number);
    return list;
  }

  #text(tag: number): string {
    const bytes = this.#bytes;
    if (tag === SAME_TEXT) {
      const text = this.#texts[bytes.varint()];
      if (text === undefined) throw bytes.fault('a reference to no text');
      return text;
    }
    if (tag !== TEXT) throw bytes.fault('a name that is not text');
    const utf8 = bytes.take(bytes.count());
    try {
      const text = this.#utf8.decode(utf8);
      this.#texts.push(text);
      return text;
    } catch {
      throw bytes.fault('text that is not UTF-8');
    }
  }
}

const isList = (value: Plain): value is readonly Plain[] => Array.isArray(value);

function isNumbers(list: readonly Plain[]): list is readonly number[] {
  if (list.length < NUMBERS_FROM) return false;
  for (const item of list) if (typeof item !== 'number') return false;
  return true;
}
