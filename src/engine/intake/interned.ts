import type { InternedKey } from '../group/batch-key.ts';
import { hashOf } from '../group/key-group.ts';

/** At most so many keys are remembered, and bytes of them. */
const MAX_KEYS = 131_072;
const MAX_BYTES = 8_388_608;

/**
 * Remembers keys by their bytes, as the text and the digest of a key that was met before take many times longer to
 * make than to find.
 *
 * Open addressing with linear probing (Knuth, The Art of Computer Programming 3, 6.4), half full at most, over hashes
 * of 32 bits (FNV-1a: Fowler, Noll and Vo, 1991).
 */
export class Interned {
  readonly #keys: InternedKey[] = [];
  /** By slot, the number of its key from 1 on, or 0. */
  #slots = new Uint32Array(256);
  /** By key, its 32 bits, and where its bytes end. Those of the first key begin at 0. */
  readonly #hashes = new Uint32Array(MAX_KEYS);
  readonly #ends = new Uint32Array(MAX_KEYS + 1);
  #bytes = Buffer.alloc(4_096);

  /** Whether it holds half of what it can, so that the next batch begins with another one. */
  get isFull(): boolean {
    const keys = this.#keys.length;
    return 2 * keys >= MAX_KEYS || 2 * (this.#ends[keys] as number) >= MAX_BYTES;
  }

  /** Returns the key whose text is the plain ASCII `[from, to)`; undefined where it is new, and there is no room. */
  of(bytes: Buffer, from: number, to: number): InternedKey | undefined {
    let hash = 0x811c9dc5;
    for (let at = from; at < to; at++) hash = Math.imul(hash ^ (bytes[at] as number), 0x01000193);
    hash >>>= 0;
    const slots = this.#slots;
    const mask = slots.length - 1;
    for (let slot = hash & mask; slots[slot] !== 0; slot = (slot + 1) & mask) {
      const number = (slots[slot] as number) - 1;
      if (this.#hashes[number] === hash && this.#isSame(number, bytes, from, to))
        return this.#keys[number] as InternedKey;
    }
    return this.#add(hash, bytes, from, to);
  }

  #isSame(number: number, bytes: Buffer, from: number, to: number): boolean {
    const held = this.#bytes;
    let at = this.#ends[number] as number;
    if ((this.#ends[number + 1] as number) - at !== to - from) return false;
    for (let place = from; place < to; place++) if (held[at++] !== bytes[place]) return false;
    return true;
  }

  #add(hash: number, bytes: Buffer, from: number, to: number): InternedKey | undefined {
    const end = this.#ends[this.#keys.length] as number;
    if (this.#keys.length === MAX_KEYS || end + to - from > MAX_BYTES) return undefined;
    if (end + to - from > this.#bytes.length) {
      this.#bytes = Buffer.concat([this.#bytes], Math.max(2 * this.#bytes.length, end + to - from));
    }
    this.#bytes.set(bytes.subarray(from, to), end);
    const text = bytes.toString('latin1', from, to);
    const key = { text, hash: hashOf(text), number: this.#keys.length, numberInGroup: 0 };
    this.#hashes[this.#keys.length] = hash;
    this.#keys.push(key);
    this.#ends[this.#keys.length] = end + to - from;
    if (2 * this.#keys.length > this.#slots.length) this.#grow();
    else this.#place(this.#keys.length, hash);
    return key;
  }

  #place(number: number, hash: number): void {
    const mask = this.#slots.length - 1;
    let slot = hash & mask;
    while (this.#slots[slot] !== 0) slot = (slot + 1) & mask;
    this.#slots[slot] = number;
  }

  #grow(): void {
    this.#slots = new Uint32Array(2 * this.#slots.length);
    for (let number = 1; number <= this.#keys.length; number++)
      this.#place(number, this.#hashes[number - 1] as number);
  }
}
