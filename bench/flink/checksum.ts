/** What two engines must agree on: how many panes there are, and the sum of their hashes, in any order, modulo 2^32. */
export interface Checksum {
  readonly panes: number;
  readonly sum: number;
}

export interface HashedPane {
  readonly key: string;
  /** 0 for a rolling window. */
  readonly start: number;
  readonly end: number;
  readonly count: number;
  readonly mean: number;
  /** 0 for a rolling window. */
  readonly max: number;
}

/** Means are compared in this unit: no mean of up to 255 values of 3 decimals is halfway between two. */
const PER_UNIT = 128e6;

const double = new Float64Array(1);
const words = new Int32Array(double.buffer);

/** A pane's hash of 32 bits. `src/Pane.java` computes the same. */
export function hashOf({ key, start, end, count, mean, max }: HashedPane): number {
  let hash = 0;
  for (let at = 0; at < key.length; at++) hash = (Math.imul(31, hash) + key.charCodeAt(at)) | 0;
  for (const whole of [start, end, count, Math.round(mean * PER_UNIT)]) {
    hash = mix(mix(hash, whole), Math.floor(whole / 2 ** 32));
  }
  double[0] = max;
  return mix(mix(hash, words[0] as number), words[1] as number);
}

function mix(hash: number, word: number): number {
  const product = Math.imul(hash ^ word, 0x9e3779b1);
  return product ^ (product >>> 15);
}
