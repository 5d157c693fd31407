import type { Plain } from './plain.ts';

/**
 * Hashes plain values to 128 bits. The hash is the same on every machine, and no secret, so that someone can
 * make values collide.
 *
 * Texts are hashed as UTF-8 with seed 0, numbers as eight little-endian bytes with seed 1, other values as
 * the UTF-8 of their canonical JSON with seed 2. A short text takes about 40 ns.
 *
 * MurmurHash3_x86_128: Appleby, "MurmurHash3", 2011.
 */
export class Hasher {
  /**
   * The hash that was computed last. As a text of 32 hexadecimal digits it reads from the first lane to the
   * last.
   */
  readonly lanes = new Int32Array(4);
  readonly #scratch = new Uint8Array(1_024);
  readonly #view = new DataView(this.#scratch.buffer);

  /** Leaves the hash of a value in `lanes`. 0 and −0 have the same hash. */
  value(value: Plain): void {
    if (typeof value === 'string') {
      this.text(value, 0);
    } else if (typeof value === 'number') {
      this.#view.setFloat64(0, value + 0, true);
      this.bytes(this.#scratch, 8, 1);
    } else {
      this.text(canonicalJson(value), 2);
    }
  }

  /** Leaves the hash of a text's UTF-8 in `lanes`. */
  text(text: string, seed: number): void {
    // UTF-8 takes at most three bytes a code unit.
    const room = 3 * text.length + BLOCK;
    const to = room <= this.#scratch.length ? this.#scratch : new Uint8Array(room);
    let length = 0;
    for (let at = 0; at < text.length; at++) {
      const unit = text.charCodeAt(at);
      if (unit < 0x80) {
        to[length++] = unit;
      } else {
        const point = text.codePointAt(at) as number;
        if (point > 0xffff) at++;
        length = writeUtf8(to, length, point);
      }
    }
    this.bytes(to, length, seed);
  }

  /**
   * Leaves the hash of the first `length` bytes in `lanes`. It overwrites the 16 bytes after them with zeros.
   */
  bytes(bytes: Uint8Array, length: number, seed: number): void {
    // A last block that is filled up with zeros hashes as the shorter block does, as zeros are mixed to zero.
    for (let at = length; at < length + BLOCK; at++) bytes[at] = 0;
    const view = bytes === this.#scratch ? this.#view : new DataView(bytes.buffer, bytes.byteOffset);
    let a = seed;
    let b = seed;
    let c = seed;
    let d = seed;
    let at = 0;
    for (; at + BLOCK <= length; at += BLOCK) {
      a = rotate(a ^ mix(view.getInt32(at, true), A, 15, B), 19) + b;
      a = (Math.imul(a, 5) + 0x561ccd1b) | 0;
      b = rotate(b ^ mix(view.getInt32(at + 4, true), B, 16, C), 17) + c;
      b = (Math.imul(b, 5) + 0x0bcaa747) | 0;
      c = rotate(c ^ mix(view.getInt32(at + 8, true), C, 17, D), 15) + d;
      c = (Math.imul(c, 5) + 0x96cd1c35) | 0;
      d = rotate(d ^ mix(view.getInt32(at + 12, true), D, 18, A), 13) + a;
      d = (Math.imul(d, 5) + 0x32ac3b17) | 0;
    }
    a ^= mix(view.getInt32(at, true), A, 15, B) ^ length;
    b ^= mix(view.getInt32(at + 4, true), B, 16, C) ^ length;
    c ^= mix(view.getInt32(at + 8, true), C, 17, D) ^ length;
    d ^= mix(view.getInt32(at + 12, true), D, 18, A) ^ length;

    a = (a + b + c + d) | 0;
    b = avalanche((b + a) | 0);
    c = avalanche((c + a) | 0);
    d = avalanche((d + a) | 0);
    a = avalanche(a);
    a = (a + b + c + d) | 0;
    this.lanes[0] = a;
    this.lanes[1] = b + a;
    this.lanes[2] = c + a;
    this.lanes[3] = d + a;
  }
}

const BLOCK = 16;
const A = 0x239b961b;
const B = 0xab0e9789;
const C = 0x38b34ae5;
const D = 0xa1e38b93;

const rotate = (word: number, by: number): number => (word << by) | (word >>> (32 - by));

const mix = (word: number, first: number, by: number, second: number): number =>
  Math.imul(rotate(Math.imul(word, first), by), second);

function avalanche(word: number): number {
  let mixed = Math.imul(word ^ (word >>> 16), 0x85ebca6b);
  mixed = Math.imul(mixed ^ (mixed >>> 13), 0xc2b2ae35);
  return mixed ^ (mixed >>> 16);
}

/** Writes a code point above U+007F, and returns the place after it. */
function writeUtf8(to: Uint8Array, at: number, point: number): number {
  let next = at;
  if (point < 0x800) {
    to[next++] = 0xc0 | (point >> 6);
  } else if (point < 0x10000) {
    to[next++] = 0xe0 | (point >> 12);
    to[next++] = 0x80 | ((point >> 6) & 0x3f);
  } else {
    to[next++] = 0xf0 | (point >> 18);
    to[next++] = 0x80 | ((point >> 12) & 0x3f);
    to[next++] = 0x80 | ((point >> 6) & 0x3f);
  }
  to[next++] = 0x80 | (point & 0x3f);
  return next;
}

/**
 * Returns the one JSON text of a value: names in the order of their UTF-16 code units, and no space.
 *
 * Rundgren, Jordan, Erdtman, "JSON Canonicalization Scheme (JCS)", RFC 8785, 2020.
 */
export function canonicalJson(value: Plain): string {
  if (value === null || typeof value !== 'object') return JSON.stringify(value);
  if (isList(value)) return `[${value.map(canonicalJson).join(',')}]`;
  const fields = Object.keys(value)
    .sort()
    .map((name) => `${JSON.stringify(name)}:${canonicalJson(value[name] as Plain)}`);
  return `{${fields.join(',')}}`;
}

const isList = (value: Plain): value is readonly Plain[] => Array.isArray(value);
