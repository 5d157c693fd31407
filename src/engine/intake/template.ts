import { fieldReader } from '../../core/select.ts';
import { BACKSLASH, isBlank, MAX_JSON_DEPTH, nesting, OPEN_MAP, QUOTE } from './json-bytes.ts';

const COLON = 0x3a;
const MINUS = 0x2d;
const POINT = 0x2e;
const ZERO = 0x30;
const NINE = 0x39;

/** The most bytes of a record from which a template is made, and the most scalars in it. */
const MAX_BYTES = 4_096;
const MAX_HOLES = 256;

/** A number of more digits may be no double times a power of ten that is exact: see `Template`. */
const MAX_DIGITS = 15;

/** The powers of ten up to that of 15 digits behind the point. All are exact. */
const POWERS = Float64Array.from({ length: MAX_DIGITS + 1 }, (_, exponent) => 10 ** exponent);

/** What fills a hole. */
const TEXT = 0;
const NUMBER = 1;
const WORD = 2;

const WORDS = [true, false, null].map((value) => ({ value, bytes: Buffer.from(String(value)) }));

/** The hole of a field that records of the template lack. */
const ABSENT = -1;

/**
 * The text of a JSON object without its scalars. Most records of a stream differ in these alone, so that a look at
 * the bytes tells what they hold.
 *
 * A record fits if its bytes are the same and each hole holds `true`, `false`, `null`, a string of plain ASCII
 * without escapes, or a number of at most 15 digits without exponent. Such a number is a whole number below 2^53
 * over a power of ten up to 10^15: both are exact, so their quotient is the double that is nearest (Clinger, "How to
 * read floating point numbers accurately", PLDI 1990). What a record holds that fits is what `JSON.parse` says; of any
 * other record the template says nothing.
 */
export class Template {
  /** The texts between holes, one after the other, and where each of them ends. */
  readonly #literals: Uint8Array;
  readonly #literalEnds: Uint32Array;
  /** By field that is read, the hole that holds it. */
  readonly #holes: Int32Array;
  /** By hole, what the record that was looked at last has there: where a text begins and ends, a number, or a word's place. */
  readonly #kinds: Uint8Array;
  readonly #starts: Uint32Array;
  readonly #ends: Uint32Array;
  readonly #numbers: Float64Array;

  private constructor(literals: Uint8Array, literalEnds: readonly number[], holes: readonly number[]) {
    this.#literals = literals;
    this.#literalEnds = Uint32Array.from(literalEnds);
    this.#holes = Int32Array.from(holes);
    const { length } = literalEnds;
    this.#kinds = new Uint8Array(length);
    this.#starts = new Uint32Array(length);
    this.#ends = new Uint32Array(length);
    this.#numbers = new Float64Array(length);
  }

  /**
   * Makes the template that a record fits.
   *
   * @param fields the names and paths of the fields that are read
   * @returns undefined where the bytes are no JSON object, or a long or a deep one, or where a field that is read is no
   * scalar
   */
  static of(bytes: Buffer, from: number, to: number, fields: readonly string[]): Template | undefined {
    if (bytes[from] !== OPEN_MAP || to - from > MAX_BYTES) return undefined;
    const literals: number[] = [];
    const literalEnds: number[] = [];
    /** The same object, with the number of its hole as a string in place of each scalar. */
    const numbered: number[] = [];
    for (let at = from; at < to; ) {
      const end = endOfToken(bytes, at, to);
      if (end > at && !isName(bytes, at, end, to)) {
        numbered.push(...Buffer.from(`"${literalEnds.length}"`));
        literalEnds.push(literals.length);
        if (literalEnds.length > MAX_HOLES) return undefined;
        at = end;
        continue;
      }
      for (const next = Math.max(end, at + 1); at < next; at++) {
        literals.push(bytes[at] as number);
        numbered.push(bytes[at] as number);
      }
    }
    const shape = parsed(Uint8Array.from(numbered));
    if (shape === undefined) return undefined;
    const holes: number[] = [];
    for (const field of fields) {
      const hole = fieldReader(field)(shape);
      if (hole !== undefined && typeof hole !== 'string') return undefined;
      holes.push(hole === undefined ? ABSENT : Number(hole));
    }
    return new Template(Uint8Array.from(literals), [...literalEnds, literals.length], holes);
  }

  /** Says whether the bytes `[from, to)` fit. If so, the other methods say what they hold. */
  fits(bytes: Buffer, from: number, to: number): boolean {
    const literals = this.#literals;
    const literalEnds = this.#literalEnds;
    const holes = literalEnds.length - 1;
    let at = from;
    let literal = 0;
    for (let hole = 0; ; hole++) {
      const literalEnd = literalEnds[hole] as number;
      if (to - at < literalEnd - literal) return false;
      while (literal < literalEnd) if (bytes[at++] !== literals[literal++]) return false;
      if (hole === holes) break;
      const first = bytes[at] as number;
      if (first === QUOTE) at = this.#fillText(bytes, hole, at + 1, to);
      else if (first <= NINE) at = this.#fillNumber(bytes, hole, at, to);
      else at = this.#fillWord(bytes, hole, at, to);
      if (at === NONE) return false;
    }
    return at === to;
  }

  /** Whether a field is a text, of which `start` and `end` say where it is. */
  isText(field: number): boolean {
    return this.#kindOf(field) === TEXT;
  }

  /** Whether a field is a number, which `number` returns. */
  isNumber(field: number): boolean {
    return this.#kindOf(field) === NUMBER;
  }

  /** Where the text of a field begins in the bytes. */
  start(field: number): number {
    return this.#starts[this.#holes[field] as number] as number;
  }

  /** Where the text of a field ends in the bytes. */
  end(field: number): number {
    return this.#ends[this.#holes[field] as number] as number;
  }

  number(field: number): number {
    return this.#numbers[this.#holes[field] as number] as number;
  }

  /** Returns the value of a field, whatever it is; undefined where the record lacks it. */
  value(field: number, bytes: Buffer): string | number | boolean | null | undefined {
    const kind = this.#kindOf(field);
    if (kind === TEXT) return bytes.toString('latin1', this.start(field), this.end(field));
    if (kind === NUMBER) return this.number(field);
    return kind === WORD ? WORDS[this.number(field)]?.value : undefined;
  }

  #kindOf(field: number): number | undefined {
    const hole = this.#holes[field] as number;
    return hole === ABSENT ? undefined : this.#kinds[hole];
  }

  /** Each of these returns where what fills the hole ends, or `NONE` where it may be another than `JSON.parse` says. */
  #fillText(bytes: Buffer, hole: number, from: number, to: number): number {
    let at = from;
    for (; at < to; at++) {
      const byte = bytes[at] as number;
      if (byte === QUOTE) break;
      if (byte < 0x20 || byte >= 0x80 || byte === BACKSLASH) return NONE;
    }
    if (at === to) return NONE;
    this.#kinds[hole] = TEXT;
    this.#starts[hole] = from;
    this.#ends[hole] = at;
    return at + 1;
  }

  #fillNumber(bytes: Buffer, hole: number, from: number, to: number): number {
    const negative = bytes[from] === MINUS;
    const begun = negative ? from + 1 : from;
    let mantissa = 0;
    let at = begun;
    for (; at < to && isDigit(bytes[at] as number); at++)
      mantissa = 10 * mantissa + (bytes[at] as number) - ZERO;
    let digits = at - begun;
    // A whole number begins with no zero but its only digit.
    if (digits === 0 || (digits > 1 && bytes[begun] === ZERO)) return NONE;
    let decimals = 0;
    if (at < to && bytes[at] === POINT) {
      const point = at++;
      for (; at < to && isDigit(bytes[at] as number); at++)
        mantissa = 10 * mantissa + (bytes[at] as number) - ZERO;
      decimals = at - point - 1;
      if (decimals === 0) return NONE;
      digits += decimals;
    }
    if (digits > MAX_DIGITS) return NONE;
    const value = decimals === 0 ? mantissa : mantissa / (POWERS[decimals] as number);
    this.#kinds[hole] = NUMBER;
    this.#numbers[hole] = negative ? -value : value;
    return at;
  }

  #fillWord(bytes: Buffer, hole: number, from: number, to: number): number {
    const place = WORDS.findIndex(
      (word) => to - from >= word.bytes.length && word.bytes.every((byte, at) => byte === bytes[from + at]),
    );
    if (place < 0) return NONE;
    this.#kinds[hole] = WORD;
    this.#numbers[hole] = place;
    return from + (WORDS[place] as (typeof WORDS)[number]).bytes.length;
  }
}

const NONE = -1;

/** Returns where the string, number or word ends that begins at `at`; `at` itself where none does. */
function endOfToken(bytes: Buffer, at: number, to: number): number {
  let end = at;
  if (bytes[at] === QUOTE) {
    for (end++; end < to && bytes[end] !== QUOTE; end++) if (bytes[end] === BACKSLASH) end++;
    return Math.min(to, end + 1);
  }
  while (end < to && isOfScalar(bytes[end] as number)) end++;
  return end;
}

const isDigit = (byte: number): boolean => byte >= ZERO && byte <= NINE;

/** Tells whether a byte stands in a number or a word. */
const isOfScalar = (byte: number): boolean =>
  isDigit(byte) ||
  byte === MINUS ||
  byte === POINT ||
  byte === 0x2b ||
  ((byte | 0x20) >= 0x61 && (byte | 0x20) <= 0x7a);

/** Tells whether the token that ends at `end` is the name of a field. */
function isName(bytes: Buffer, at: number, end: number, to: number): boolean {
  let next = end;
  while (next < to && isBlank(bytes[next])) next++;
  return bytes[at] === QUOTE && next < to && bytes[next] === COLON;
}

const utf8 = new TextDecoder('utf-8', { fatal: true });

/** Parses a JSON object; undefined where the bytes are none, or one that nests deeper than it may. */
function parsed(bytes: Uint8Array): object | undefined {
  try {
    const text = utf8.decode(bytes);
    return nesting(text) > MAX_JSON_DEPTH ? undefined : (JSON.parse(text) as object);
  } catch {
    return undefined;
  }
}
