/** Numbers side by side, for each place of a block, each key and each pane: no more than a line of the processor's cache. */
const SUM = 0;
const LOSS = 1;
const EARLIEST = 2;
const LATEST = 3;
const PLACE_WIDTH = 4;

const INDEX = 4;
const WATERMARK = 5;
const STATE_WIDTH = 8;

const MEAN = 0;
const START = 1;
const END = 2;
const PANE_INDEX = 3;
const PANE_COUNT = 4;
const PANE_WATERMARK = 5;
const KEY = 6;
const PANE_WIDTH = 8;

/**
 * Rolling means of many keys as `RollingMean` computes them, and whatever else a pane says: from when to when its records
 * are, its index and count, the key's watermark.
 */
export class RollingPanes {
  readonly #count: number;
  readonly #places: Float64Array;
  readonly #states: Float64Array;
  /** Which place of its block each key's next value takes. */
  readonly #next: Uint32Array;
  /** A row for each record of a batch. */
  #panes = new Float64Array(0);

  constructor(count: number, keys: number) {
    this.#count = count;
    this.#places = new Float64Array(PLACE_WIDTH * keys * (count + 1));
    this.#states = new Float64Array(STATE_WIDTH * keys);
    this.#next = new Uint32Array(keys);
    for (let at = 0; at < this.#places.length; at += PLACE_WIDTH) {
      this.#places[at + EARLIEST] = Number.POSITIVE_INFINITY;
      this.#places[at + LATEST] = Number.NEGATIVE_INFINITY;
    }
    for (let key = 0; key < keys; key++) {
      this.#states[STATE_WIDTH * key + WATERMARK] = Number.NEGATIVE_INFINITY;
      begin(this.#states, STATE_WIDTH * key);
    }
  }

  /** For the panes of a batch, which replace those of the one before. */
  makeRoom(records: number): void {
    if (this.#panes.length < PANE_WIDTH * records)
      this.#panes = new Float64Array(PANE_WIDTH * records).fill(0);
  }

  copyMeans(to: Float64Array, records: number): void {
    for (let record = 0; record < records; record++) {
      to[record] = this.#panes[PANE_WIDTH * record + MEAN] as number;
    }
  }

  /** Record r is of key `keys[r]`, and its pane in row r. */
  take(keys: Uint32Array, values: Float64Array, times: Float64Array): void {
    const count = this.#count;
    const places = this.#places;
    const states = this.#states;
    const next = this.#next;
    const panes = this.#panes;
    for (let record = 0; record < values.length; record++) {
      const key = keys[record] as number;
      const value = values[record] as number;
      const time = times[record] as number;
      const of = STATE_WIDTH * key;
      const to = PANE_WIDTH * record;
      const place = next[key] as number;
      const at = PLACE_WIDTH * (key * (count + 1) + place);
      const end = at + PLACE_WIDTH;
      places[at + SUM] = value;
      places[at + EARLIEST] = time;

      const before = states[of + SUM] as number;
      const sum = before + value;
      const added = sum - before;
      const loss = (states[of + LOSS] as number) + (before - (sum - added) + (value - added));
      let earliest = states[of + EARLIEST] as number;
      if (time < earliest) earliest = time;
      let latest = states[of + LATEST] as number;
      if (time > latest) latest = time;
      let watermark = states[of + WATERMARK] as number;
      if (time > watermark) watermark = time;
      const index = states[of + INDEX] as number;

      const endSum = places[end + SUM] as number;
      const both = endSum + sum;
      const joined = both - endSum;
      const lost = endSum - (both - joined) + (sum - joined);
      const endEarliest = places[end + EARLIEST] as number;
      const endLatest = places[end + LATEST] as number;
      const holds = index < count ? index + 1 : count;
      panes[to + MEAN] = (both + (lost + loss + (places[end + LOSS] as number))) / holds;
      panes[to + START] = earliest;
      if (endEarliest < earliest) panes[to + START] = endEarliest;
      panes[to + END] = latest + 1;
      if (endLatest > latest) panes[to + END] = endLatest + 1;
      panes[to + PANE_INDEX] = index;
      panes[to + PANE_COUNT] = holds;
      panes[to + PANE_WATERMARK] = watermark;
      panes[to + KEY] = key;

      states[of + SUM] = sum;
      states[of + LOSS] = loss;
      states[of + EARLIEST] = earliest;
      states[of + LATEST] = latest;
      states[of + INDEX] = index + 1;
      states[of + WATERMARK] = watermark;
      if (place + 1 < count) {
        next[key] = place + 1;
      } else {
        next[key] = 0;
        joinEnds(places, at, count);
        begin(states, of);
      }
    }
  }
}

function begin(states: Float64Array, of: number): void {
  states[of + SUM] = 0;
  states[of + LOSS] = 0;
  states[of + EARLIEST] = Number.POSITIVE_INFINITY;
  states[of + LATEST] = Number.NEGATIVE_INFINITY;
}

/** Makes of each value and time, of which the last are at `last`, what is to be said from there to the end. */
function joinEnds(places: Float64Array, last: number, count: number): void {
  let sum = 0;
  let loss = 0;
  let earliest = Number.POSITIVE_INFINITY;
  let latest = Number.NEGATIVE_INFINITY;
  for (let at = last; at > last - PLACE_WIDTH * count; at -= PLACE_WIDTH) {
    const value = places[at + SUM] as number;
    const time = places[at + EARLIEST] as number;
    const longer = sum + value;
    const added = longer - sum;
    loss += sum - (longer - added) + (value - added);
    sum = longer;
    if (time < earliest) earliest = time;
    if (time > latest) latest = time;
    places[at + SUM] = sum;
    places[at + LOSS] = loss;
    places[at + EARLIEST] = earliest;
    places[at + LATEST] = latest;
  }
}
