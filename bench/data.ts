/** What a stream of readings is made from; the same settings make the same stream. */
export interface StreamSettings {
  readonly records: number;
  readonly keys: number;
  /** How records fall on keys: equally, or the r-th key 1/r as often as the first. */
  readonly skew: 'uniform' | 'zipf';
  /** The share of records, 0 to 1, that come up to `DISORDER_MILLIS` after their event time. */
  readonly disorder: number;
}

/** Readings of many sensors, in source order, as columns. */
export interface Stream {
  readonly settings: StreamSettings;
  /** Which key a record is of, from 0. */
  readonly key: Uint32Array;
  /** Event times and arrivals, epoch milliseconds. */
  readonly at: Float64Array;
  readonly arrival: Float64Array;
  /** A random walk per key, in thousandths: sums of them are exact. */
  readonly thousandths: Float64Array;
  /** The same in whole units, with three decimals. */
  readonly value: Float64Array;
}

export const DISORDER_MILLIS = 20_000;
const BEGINNING = Date.UTC(2026, 10, 20);

/** All keys together have `keys` records a second, each of which arrives when it happens but for those out of order. */
export function streamOf(settings: StreamSettings): Stream {
  const { records, keys, skew, disorder } = settings;
  const random = randomFrom(0x6d696c6c);
  const draw = skew === 'uniform' ? () => Math.floor(random() * keys) : zipfOf(keys, random);
  const key = new Uint32Array(records);
  const at = new Float64Array(records);
  const arrival = new Float64Array(records);
  const thousandths = new Float64Array(records);
  const value = new Float64Array(records);
  const walks = Float64Array.from({ length: keys }, () => 20_000 + Math.floor(random() * 5_000));
  for (let record = 0; record < records; record++) {
    const of = keys === 1 ? 0 : draw();
    const delay = random() < disorder ? 1 + Math.floor(random() * DISORDER_MILLIS) : 0;
    const walk = (walks[of] as number) + Math.floor(random() * 1_001) - 500;
    walks[of] = walk;
    key[record] = of;
    arrival[record] = BEGINNING + Math.floor((record * 1_000) / keys);
    at[record] = (arrival[record] as number) - delay;
    thousandths[record] = walk;
    value[record] = walk / 1_000;
  }
  return { settings, key, at, arrival, thousandths, value };
}

/** Uniform numbers in [0, 1), always the same. Marsaglia, "Xorshift RNGs", Journal of Statistical Software, 2003. */
export function randomFrom(seed: number): () => number {
  let state = seed;
  return () => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return (state >>> 0) / 2 ** 32;
  };
}

function zipfOf(keys: number, random: () => number): () => number {
  const reached = new Float64Array(keys);
  let total = 0;
  for (let rank = 0; rank < keys; rank++) {
    total += 1 / (rank + 1);
    reached[rank] = total;
  }
  return () => {
    const wanted = random() * total;
    let [low, high] = [0, keys - 1];
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((reached[middle] as number) > wanted) high = middle;
      else low = middle + 1;
    }
    return low;
  };
}

const KEY_BYTES = 13;
const POSITION_BYTES = 56;

/**
 * The key of each record, in strings made anew: no hash is known of them yet, as of those that have just been decoded.
 */
export const freshKeys = (stream: Stream, from: number, to: number): string[] =>
  freshTexts(KEY_BYTES, from, to, (record) => keyName(stream.key[record] as number));

/** The name of a key: 13 characters. */
export const keyName = (key: number): string => `sensor-${String(key).padStart(6, '0')}`;

/** The position of each record, of 56 digits as a Kinesis sequence number's, in strings made anew. */
export const freshPositions = (from: number, to: number): string[] =>
  freshTexts(
    POSITION_BYTES,
    from,
    to,
    (record) => `49671837465920183746592018374659201${String(1_000 + 7 * record).padStart(21, '0')}`,
  );

function freshTexts(bytes: number, from: number, to: number, text: (record: number) => string): string[] {
  const buffer = Buffer.alloc((to - from) * bytes);
  for (let record = from; record < to; record++) {
    buffer.write(text(record), (record - from) * bytes, bytes, 'latin1');
  }
  return Array.from({ length: to - from }, (_, at) =>
    buffer.toString('latin1', at * bytes, (at + 1) * bytes),
  );
}
