import { hashOf } from './key-group.ts';

/** A key of the records of one batch. All records of equal keys have the same object, by which they are told apart. */
export class BatchKey {
  readonly text: string;
  /** See `hashOf`. */
  readonly hash: number;
  /** Where what is known of the key is kept from batch to batch. */
  readonly interned: InternedKey | undefined;
  #keys: object | undefined;
  #place = 0;

  constructor(text: string, hash: number, interned?: InternedKey) {
    this.text = text;
    this.hash = hash;
    this.interned = interned;
  }

  /** Returns its place among the keys that are being collected; undefined where it was not added to them. */
  placeIn(keys: readonly BatchKey[]): number | undefined {
    return this.#keys === keys ? this.#place : undefined;
  }

  /** Adds it to keys, until it is added to others, and returns its place among them. */
  addTo(keys: BatchKey[]): number {
    this.#keys = keys;
    this.#place = keys.push(this) - 1;
    return this.#place;
  }
}

/** A key that was met before this batch, or in it. Those of one batch have numbers of their own. */
export interface InternedKey {
  readonly text: string;
  /** See `hashOf`. */
  readonly hash: number;
  /** From 0 on. */
  readonly number: number;
  /** The number that it had in the last group that held it. */
  numberInGroup: number;
}

/** Makes the keys of one batch, one for all records of a text. What is interned is found again without its text. */
export class BatchKeys<Key extends BatchKey> {
  readonly #make: (text: string, hash: number, interned?: InternedKey) => Key;
  readonly #byText = new Map<string, Key>();
  readonly #interned: Key[] = [];
  /** How many of the interned keys are in `#byText`. They are put there once a text is asked for. */
  #named = 0;
  /** By the number of an interned key, its place in `#interned` from 1 on, or 0. */
  #places = new Uint32Array(1_024);

  constructor(make: (text: string, hash: number, interned?: InternedKey) => Key) {
    this.#make = make;
  }

  of(text: string): Key {
    for (; this.#named < this.#interned.length; this.#named++) {
      const key = this.#interned[this.#named] as Key;
      this.#byText.set(key.text, key);
    }
    const known = this.#byText.get(text);
    if (known !== undefined) return known;
    const key = this.#make(text, hashOf(text));
    this.#byText.set(text, key);
    return key;
  }

  /** @param interned of the same interning as all others of this batch */
  ofInterned(interned: InternedKey): Key {
    const place = this.#places[interned.number];
    return place ? (this.#interned[place - 1] as Key) : this.#meet(interned);
  }

  #meet(interned: InternedKey): Key {
    const { text, hash, number } = interned;
    while (number >= this.#places.length) {
      const places = new Uint32Array(2 * this.#places.length);
      places.set(this.#places);
      this.#places = places;
    }
    const key = (this.#byText.size > 0 && this.#byText.get(text)) || this.#make(text, hash, interned);
    this.#places[number] = this.#interned.push(key);
    return key;
  }
}

/** Makes the keys of a batch of which nothing else is kept. */
export const batchKeys = () => new BatchKeys((text, hash) => new BatchKey(text, hash));
