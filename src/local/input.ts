import { createReadStream, ReadStream } from 'node:fs';
import { stat } from 'node:fs/promises';
import { pipeline } from 'node:stream';
import { createGunzip } from 'node:zlib';
import { parse as parseCsv } from 'csv-parse/sync';
import {
  BACKSLASH,
  CLOSE_LIST,
  CLOSE_MAP,
  COMMA,
  isBlank,
  LINE_FEED,
  MAX_RECORD_BYTES,
  OPEN_LIST,
  OPEN_MAP,
  QUOTE,
} from '../engine/intake/json-bytes.ts';

/** One record of an input, with its place there. */
export interface InputRecord {
  /** The line on which the record begins, from 1. */
  readonly line: number;
  /**
   * The bytes that go onto the stream. Of a record that is too long for any stream, this is the beginning,
   * which is too long as well.
   */
  readonly data: Uint8Array;
  /** The length of the whole record, in bytes. */
  readonly length: number;
  /**
   * What is wrong with the record as a row of its file. It goes onto the stream as it stands, and is refused
   * there.
   */
  readonly fault?: string;
}

export interface InputOptions {
  /** The one ASCII character between the cells of a CSV row. Without it, it is found in the header. */
  readonly separator?: string | undefined;
  /**
   * Is called with the share of the input that has been read, up to 1. For standard input, only the end is
   * known.
   */
  readonly onRead?: (share: number) => void;
}

type Bytes = AsyncIterable<Uint8Array>;

/**
 * Reads the records of an input; the path `-` stands for standard input. Gzipped input is unpacked.
 *
 * A `.json` file holds a list, one object or lines of JSON. A `.csv` or `.tsv` file, or any file read with a
 * separator, is CSV with a header, and its numbers are read as numbers. Everything else is newline-delimited
 * JSON.
 *
 * The reader cuts bytes and never decodes them: a malformed record goes onto the stream as it is, and is
 * refused there as it would be in AWS. Memory holds one record at a time, and no more of it than a stream
 * takes.
 *
 * @throws Error when the file cannot be read, or cannot be cut into records
 */
export async function* readInput(path: string, options: InputOptions = {}): AsyncGenerator<InputRecord> {
  const source = path === '-' ? process.stdin : createReadStream(path);
  const { onRead } = options;
  let read = 0;
  try {
    const bytes = await textOf(await unpacked(source));
    const size = source instanceof ReadStream ? (await stat(path)).size : undefined;
    for await (const record of recordsOf(path, bytes, options)) {
      read++;
      if (size) onRead?.((source as ReadStream).bytesRead / size);
      yield record;
    }
    onRead?.(1);
  } catch (error) {
    throw new Error(`Cannot read ${path}, after ${read} records: ${(error as Error).message}`, {
      cause: error,
    });
  } finally {
    source.destroy();
  }
}

function recordsOf(path: string, bytes: Bytes, { separator }: InputOptions): AsyncIterable<InputRecord> {
  const name = path.toLowerCase().replace(/\.gz$/, '');
  if (separator !== undefined) return csvRows(bytes, separator);
  if (name.endsWith('.tsv')) return csvRows(bytes, '\t');
  if (name.endsWith('.csv')) return csvRows(bytes);
  return name.endsWith('.json') ? jsonRecords(bytes) : lines(bytes);
}

/**
 * Reads until `isEnough` says so or the bytes end; returns what it has read, and an iterable of all the
 * bytes.
 */
async function look(bytes: Bytes, isEnough: (head: Buffer) => boolean): Promise<[head: Buffer, all: Bytes]> {
  const iterator = bytes[Symbol.asyncIterator]();
  let head = Buffer.alloc(0);
  while (!isEnough(head)) {
    const { done, value } = await iterator.next();
    if (done) break;
    head = Buffer.concat([head, value]);
  }
  const all = async function* () {
    yield head;
    yield* { [Symbol.asyncIterator]: () => iterator };
  };
  return [head, all()];
}

const LONGEST_MARK = 4;

/** Files that are not text in UTF-8, by their first bytes in hexadecimal. */
const NOT_TEXT = [
  { mark: 'fffe', kind: 'UTF-16 text' },
  { mark: 'feff', kind: 'UTF-16 text' },
  { mark: '504b0304', kind: 'a zip archive or a spreadsheet' },
  { mark: '28b52ffd', kind: 'packed by zstd' },
  { mark: '50415231', kind: 'Parquet' },
] as const;

async function unpacked(source: Bytes): Promise<Bytes> {
  const [head, all] = await look(source, ({ length }) => length >= LONGEST_MARK);
  // Whoever reads the result gets the errors of it and of its source, so the callback has nothing to do.
  return head[0] === 0x1f && head[1] === 0x8b ? pipeline(all, createGunzip(), () => {}) : all;
}

/** Drops a byte order mark, and refuses the files that are known not to be text in UTF-8. */
async function textOf(bytes: Bytes): Promise<Bytes> {
  const [head, all] = await look(bytes, ({ length }) => length >= LONGEST_MARK);
  const kind = NOT_TEXT.find(({ mark }) => head.toString('hex').startsWith(mark))?.kind;
  if (kind) throw new TypeError(`an input must be text in UTF-8, gzipped or not: this is ${kind}`);
  return head.toString('hex').startsWith('efbbbf') ? after(all, 3) : all;
}

async function* after(bytes: Bytes, count: number): Bytes {
  let remaining = count;
  for await (const chunk of bytes) {
    yield chunk.subarray(remaining);
    remaining = Math.max(0, remaining - chunk.length);
  }
}

/**
 * Is called with each byte in turn; returns whether the byte ends the record, to which it does not belong.
 */
type Ends = (byte: number) => boolean;

/** The length at which a record is certain to be refused as too large; no more of it is kept. */
const MAX_KEPT_BYTES = MAX_RECORD_BYTES + 1;

/** Cuts bytes into pieces, without the blanks around each; a piece may be empty. */
async function* cut(bytes: Bytes, ends: Ends, isPadding = isBlank): AsyncGenerator<InputRecord> {
  let here = 1;
  let kept: Uint8Array[] = [];
  let [line, length] = [1, 0];
  const keep = (part: Uint8Array): void => {
    const room = MAX_KEPT_BYTES - length;
    if (room > 0 && part.length > 0) kept.push(part.subarray(0, room));
    length += part.length;
  };
  const piece = (): InputRecord => {
    const data = kept.length === 1 ? (kept[0] as Uint8Array) : Buffer.concat(kept);
    const isWhole = length === data.length;
    while (isWhole && length > 0 && isPadding(data[length - 1] as number)) length--;
    const whole = { line: length === 0 ? here : line, data: data.subarray(0, length), length };
    [kept, length] = [[], 0];
    return whole;
  };
  for await (const chunk of bytes) {
    let from = 0;
    for (let at = 0; at < chunk.length; at++) {
      const byte = chunk[at] as number;
      if (ends(byte)) {
        keep(chunk.subarray(from, at));
        yield piece();
        from = at + 1;
      } else if (length === 0 && from === at && isPadding(byte)) {
        from++;
      } else if (length === 0 && from === at) {
        line = here;
      }
      if (byte === LINE_FEED) here++;
    }
    keep(chunk.subarray(from));
  }
  yield piece();
}

async function* lines(bytes: Bytes): AsyncGenerator<InputRecord> {
  for await (const line of cut(bytes, (byte) => byte === LINE_FEED)) {
    if (line.length > 0) yield line;
  }
}

/** Reads a list of records, lines of them, or a single record on several lines. */
async function* jsonRecords(bytes: Bytes): AsyncGenerator<InputRecord> {
  const [head, all] = await look(bytes, (read) => firstLine(read).isWhole || read.length > MAX_KEPT_BYTES);
  const { text } = firstLine(head);
  if (text.startsWith('[')) return yield* listItems(all);
  const nesting = new Nesting();
  for (const byte of Buffer.from(text, 'latin1')) nesting.next(byte);
  if (nesting.depth === 0) return yield* lines(all);
  yield* cut(all, () => false);
}

/** The first line that is not blank, as far as it has been read. Each of its bytes becomes one character. */
function firstLine(head: Buffer): { readonly text: string; readonly isWhole: boolean } {
  const [text = '', ...more] = head.toString('latin1').trimStart().split('\n', 2);
  return { text, isWhole: more.length > 0 };
}

/** Tracks how deep brackets nest after each byte of a JSON text; those inside strings do not count. */
class Nesting {
  depth = 0;
  isText = false;
  #isEscaped = false;

  next(byte: number): void {
    if (this.isText) {
      if (this.#isEscaped) this.#isEscaped = false;
      else if (byte === BACKSLASH) this.#isEscaped = true;
      else this.isText = byte !== QUOTE;
    } else if (byte === QUOTE) {
      this.isText = true;
    } else if (byte === OPEN_LIST || byte === OPEN_MAP) {
      this.depth++;
    } else if (byte === CLOSE_LIST || byte === CLOSE_MAP) {
      this.depth--;
    }
  }
}

/** Cuts a list at its commas without parsing: `JSON.parse` would round a whole number past 2^53. */
async function* listItems(bytes: Bytes): AsyncGenerator<InputRecord> {
  const nesting = new Nesting();
  /** The byte that ended this piece, and the byte that ended the piece before it. */
  let [end, before]: (number | undefined)[] = [];
  const ends: Ends = (byte) => {
    const { depth } = nesting;
    nesting.next(byte);
    const isComma = byte === COMMA && depth === 1 && !nesting.isText;
    const isBracket = depth !== nesting.depth && depth + nesting.depth === 1;
    if (isComma || isBracket) end = byte;
    return isComma || isBracket;
  };
  for await (const item of cut(bytes, ends)) {
    const { line, length } = item;
    if (end === undefined && nesting.depth > 0) {
      throw new SyntaxError(`the list must be closed: it ends within the record that begins on line ${line}`);
    }
    if (end === COMMA || end === CLOSE_LIST) {
      if (length > 0) yield item;
      else if (end === COMMA || before === COMMA) {
        throw new SyntaxError(`a list must have a record beside each comma: on line ${line} there is none`);
      }
    } else if (length > 0 || (end !== undefined && end !== OPEN_LIST)) {
      throw new SyntaxError(`there must be nothing but a list of records: on line ${line} there is more`);
    }
    [before, end] = [end, undefined];
  }
}

const SEPARATORS = [',', ';', '\t', '|'];

/** The separator that occurs most often in the header. */
function separatorOf(header: string): string {
  const bare = header.replace(/"[^"]*"/g, '');
  const counts = SEPARATORS.map((separator) => bare.split(separator).length);
  return SEPARATORS[counts.indexOf(Math.max(...counts))] as string;
}

/**
 * Turns each row of CSV into an object, under the names of the header.
 *
 * A row that does not fit the header, is not CSV or is not UTF-8 goes onto the stream as it stands. It is no
 * JSON there, so it is refused like any other malformed record, and the rows after it are read as usual.
 */
async function* csvRows(bytes: Bytes, separatorOption?: string): AsyncGenerator<InputRecord> {
  const [head, all] = await look(bytes, (read) => firstLine(read).isWhole || read.length > MAX_KEPT_BYTES);
  const separator = separatorOption ?? separatorOf(firstLine(head).text);
  let names: readonly string[] | undefined;
  const isPadding = (byte: number | undefined) => isBlank(byte) && byte !== separator.charCodeAt(0);
  for await (const row of cut(all, rowEnds(separator), isPadding)) {
    if (row.length === 0) continue;
    const cells = cellsOf(row, separator);
    if (names !== undefined) yield asObject(row, cells, names);
    else if (typeof cells === 'string') throw new SyntaxError(`its header must be a row of CSV: ${cells}`);
    else names = cells.map((name) => JSON.stringify(name));
  }
}

function asObject(
  row: InputRecord,
  cells: readonly string[] | string,
  names: readonly string[],
): InputRecord {
  if (typeof cells === 'string') return { ...row, fault: cells };
  if (cells.length !== names.length) {
    return { ...row, fault: `the row has ${cells.length} cells, and the header ${names.length}` };
  }
  const fields = cells.map((cell, at) => `${names[at]}:${isNumber(cell) ? cell : JSON.stringify(cell)}`);
  const data = Buffer.from(`{${fields.join()}}`);
  return { line: row.line, data: data.subarray(0, MAX_KEPT_BYTES), length: data.length };
}

/** A row ends with its line, unless a cell that began with a quote is still open. */
function rowEnds(separator: string): Ends {
  const between = separator.charCodeAt(0);
  let [isFresh, isQuoted, wasQuoted] = [true, false, false];
  return (byte) => {
    // The first quote of a doubled quote closes the cell, and the second opens it again.
    if (byte === QUOTE && (isQuoted || isFresh || wasQuoted)) {
      wasQuoted = isQuoted;
      isQuoted = !isQuoted;
      isFresh = false;
      return false;
    }
    if (isQuoted) return false;
    wasQuoted = false;
    isFresh = byte === between || byte === LINE_FEED || (isFresh && isBlank(byte));
    return byte === LINE_FEED;
  };
}

const utf8 = new TextDecoder('utf-8', { fatal: true });

/** Returns the cells of a row, or a text that says what is wrong with it. */
function cellsOf({ data, length }: InputRecord, separator: string): readonly string[] | string {
  if (length > data.length) return `the row is ${length} bytes`;
  try {
    const rows: string[][] = parseCsv(utf8.decode(data), {
      delimiter: separator,
      record_delimiter: '\n',
      relax_column_count: true,
      relax_quotes: true,
      trim: true,
    });
    if (rows.length === 1) return rows[0] as string[];
  } catch (error) {
    if (error instanceof TypeError) return 'the row is not in UTF-8';
  }
  return 'a quote that a cell begins with must be closed, at the end of the cell';
}

/**
 * Whether a cell is a number in the notation of JSON. A whole number past 2^53 is more likely a name, and so
 * is one with a bare exponent (`12e4`): programs write `1e+20`, `1e-7` or `1.5E7`.
 */
function isNumber(cell: string): boolean {
  const found = /^-?(?:0|[1-9]\d*)(\.\d+)?(?:[eE]([+-]?)\d+)?$/.exec(cell);
  if (found === null) return false;
  const [, fraction, sign] = found;
  if (fraction === undefined && sign === undefined) return Number.isSafeInteger(Number(cell));
  return (fraction !== undefined || sign !== '') && Number.isFinite(Number(cell));
}
