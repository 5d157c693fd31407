import { enter } from '../contender.ts';
import { freshKeys, freshPositions } from '../data.ts';
import { checkSliding, PaneColumns } from '../expected.ts';
import { RollingSummaries } from './summaries.ts';

/** Numbers side by side for each place of a block, for each key, and for each pane: a line of the processor's cache each. */
const SUM = 0;
const LOSS = 1;
const LEAST = 2;
const GREATEST = 3;
const EARLIEST = 4;
const LATEST = 5;
const PLACE_WIDTH = 8;

const INDEX = 6;
const WATERMARK = 7;
const MINUTE_END = 8;
const MINUTE_COUNT = 9;
const MINUTE_SUM = 10;
const MINUTE_LOSS = 11;
const MINUTE_MAX = 12;
const STATE_WIDTH = 16;

const MEAN = 0;
const MIN = 1;
const MAX = 2;
const START = 3;
const END = 4;
const PANE_INDEX = 5;
const PANE_COUNT = 6;
const PANE_WATERMARK = 7;
const PANE_WIDTH = 8;

const MINUTE = 60_000;

// Per record: is its position after the last, which key is it of; two-stacks of sums and extremes, whatever else a pane says;
// and the present minute's sum and maximum, emitted when the next begins.
enter((stream, { count = 0 }) => {
  const { keys } = stream.settings;
  const slots = new Map<string, number>();
  const places = new Float64Array(PLACE_WIDTH * keys * (count + 1));
  const states = new Float64Array(STATE_WIDTH * keys);
  const next = new Uint32Array(keys);
  const summaries = new RollingSummaries(stream);
  const minutes = new PaneColumns(stream.at.length);
  const nothing = [0, 0, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY, Number.POSITIVE_INFINITY];
  for (let at = 0; at < places.length; at += PLACE_WIDTH) {
    places.set(nothing, at);
    places[at + LATEST] = Number.NEGATIVE_INFINITY;
  }
  for (let key = 0; key < keys; key++) {
    states[STATE_WIDTH * key + WATERMARK] = Number.NEGATIVE_INFINITY;
    states[STATE_WIDTH * key + MINUTE_END] = Number.NEGATIVE_INFINITY;
    begin(STATE_WIDTH * key);
  }
  let panes = new Float64Array(0);
  let lastPosition = '';
  let batchSlots = new Uint32Array(0);

  interface Batch {
    readonly names: readonly string[];
    readonly positions: readonly string[];
    readonly times: Float64Array;
    readonly values: Float64Array;
  }

  function take({ names, positions, times, values }: Batch): void {
    let last = lastPosition;
    let taken = 0;
    for (let at = 0; at < names.length; at++) {
      const position = positions[at] as string;
      if (position.length === last.length ? position <= last : position.length < last.length) {
        throw new Error('Cannot take a record in twice');
      }
      last = position;
      const name = names[at] as string;
      let slot = slots.get(name);
      if (slot === undefined) {
        slot = slots.size;
        slots.set(name, slot);
      }
      batchSlots[taken++] = slot;
    }
    lastPosition = last;
    window(batchSlots, times, values);
  }

  function window(of: Uint32Array, times: Float64Array, values: Float64Array): void {
    for (let record = 0; record < values.length; record++) {
      const slot = of[record] as number;
      const value = values[record] as number;
      const time = times[record] as number;
      const state = STATE_WIDTH * slot;
      const place = next[slot] as number;
      const at = PLACE_WIDTH * (slot * (count + 1) + place);
      if (time > (states[state + WATERMARK] as number)) states[state + WATERMARK] = time;
      places[at + SUM] = value;
      places[at + EARLIEST] = time;
      take1(state, SUM, value);
      states[state + LEAST] = Math.min(states[state + LEAST] as number, value);
      states[state + GREATEST] = Math.max(states[state + GREATEST] as number, value);
      states[state + EARLIEST] = Math.min(states[state + EARLIEST] as number, time);
      states[state + LATEST] = Math.max(states[state + LATEST] as number, time);
      emit(PANE_WIDTH * record, state, at + PLACE_WIDTH);
      minute(slot, state, time, value);
      if (place + 1 < count) {
        next[slot] = place + 1;
      } else {
        next[slot] = 0;
        joinEnds(at);
        begin(state);
      }
    }
  }

  function take1(state: number, sum: number, value: number): void {
    const before = states[state + sum] as number;
    const longer = before + value;
    const added = longer - before;
    states[state + sum] = longer;
    states[state + sum + 1] =
      (states[state + sum + 1] as number) + (before - (longer - added) + (value - added));
  }

  function emit(to: number, state: number, end: number): void {
    const index = states[state + INDEX] as number;
    const holds = index < count ? index + 1 : count;
    const endSum = places[end + SUM] as number;
    const sum = states[state + SUM] as number;
    const both = endSum + sum;
    const joined = both - endSum;
    const lost = endSum - (both - joined) + (sum - joined);
    const losses = (states[state + LOSS] as number) + (places[end + LOSS] as number);
    panes[to + MEAN] = (both + (lost + losses)) / holds;
    panes[to + MIN] = Math.min(states[state + LEAST] as number, places[end + LEAST] as number);
    panes[to + MAX] = Math.max(states[state + GREATEST] as number, places[end + GREATEST] as number);
    panes[to + START] = Math.min(states[state + EARLIEST] as number, places[end + EARLIEST] as number);
    panes[to + END] = 1 + Math.max(states[state + LATEST] as number, places[end + LATEST] as number);
    panes[to + PANE_INDEX] = index;
    panes[to + PANE_COUNT] = holds;
    panes[to + PANE_WATERMARK] = states[state + WATERMARK] as number;
    states[state + INDEX] = index + 1;
  }

  /** The stream has no disorder: a record past the present minute closes it, and none comes after. */
  function minute(slot: number, state: number, time: number, value: number): void {
    if (time >= (states[state + MINUTE_END] as number)) {
      const records = states[state + MINUTE_COUNT] as number;
      if (records > 0) {
        const sum = (states[state + MINUTE_SUM] as number) + (states[state + MINUTE_LOSS] as number);
        const start = (states[state + MINUTE_END] as number) - MINUTE;
        minutes.push(slot, start, records, sum / records, states[state + MINUTE_MAX] as number);
      }
      states[state + MINUTE_END] = (Math.floor(time / MINUTE) + 1) * MINUTE;
      states[state + MINUTE_COUNT] = 0;
      states[state + MINUTE_SUM] = 0;
      states[state + MINUTE_LOSS] = 0;
      states[state + MINUTE_MAX] = Number.NEGATIVE_INFINITY;
    }
    states[state + MINUTE_COUNT] = (states[state + MINUTE_COUNT] as number) + 1;
    take1(state, MINUTE_SUM, value);
    states[state + MINUTE_MAX] = Math.max(states[state + MINUTE_MAX] as number, value);
  }

  function begin(state: number): void {
    states[state + SUM] = 0;
    states[state + LOSS] = 0;
    states[state + LEAST] = Number.POSITIVE_INFINITY;
    states[state + GREATEST] = Number.NEGATIVE_INFINITY;
    states[state + EARLIEST] = Number.POSITIVE_INFINITY;
    states[state + LATEST] = Number.NEGATIVE_INFINITY;
  }

  /** Makes of each value and time of a block, whose last are at `last`, what is to be said from there to the end. */
  function joinEnds(last: number): void {
    let [sum, loss] = [0, 0];
    let [least, greatest] = [Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY];
    let [earliest, latest] = [Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY];
    for (let at = last; at > last - PLACE_WIDTH * count; at -= PLACE_WIDTH) {
      const value = places[at + SUM] as number;
      const time = places[at + EARLIEST] as number;
      const longer = sum + value;
      const added = longer - sum;
      loss += sum - (longer - added) + (value - added);
      sum = longer;
      least = Math.min(least, value);
      greatest = Math.max(greatest, value);
      earliest = Math.min(earliest, time);
      latest = Math.max(latest, time);
      places[at + SUM] = sum;
      places[at + LOSS] = loss;
      places[at + LEAST] = least;
      places[at + GREATEST] = greatest;
      places[at + EARLIEST] = earliest;
      places[at + LATEST] = latest;
    }
  }

  return {
    prepare: (from, to) => {
      if (batchSlots.length < to - from) batchSlots = new Uint32Array(to - from);
      if (panes.length < PANE_WIDTH * (to - from)) panes = new Float64Array(PANE_WIDTH * (to - from)).fill(0);
      return {
        names: freshKeys(stream, from, to),
        positions: freshPositions(from, to),
        times: stream.at.subarray(from, to),
        values: stream.value.subarray(from, to),
      };
    },
    run: take,
    keep: (from, to) => {
      for (let record = from; record < to; record++) {
        const at = PANE_WIDTH * (record - from);
        summaries.set(
          record,
          panes[at + MEAN] as number,
          panes[at + MIN] as number,
          panes[at + MAX] as number,
        );
      }
    },
    check: (to) => {
      const keyOf = [...slots.keys()].map((name) => Number(name.slice(-6)));
      minutes.key.forEach((slot, at) => {
        minutes.key[at] = keyOf[slot] ?? 0;
      });
      const settings = { size: MINUTE, slide: MINUTE, outOfOrderness: 0 };
      return summaries.check(count, to, checkSliding(stream, settings, minutes, { from: 0, to }, 1e-14));
    },
  };
});
