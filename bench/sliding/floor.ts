import { enter } from '../contender.ts';
import { freshKeys, freshPositions } from '../data.ts';
import { checkSliding, PaneColumns } from '../expected.ts';

/** Numbers side by side: of a slice, and of a key. */
const SLICE = 0;
const COUNT = 1;
const SUM = 2;
const LOSS = 3;
const MAX = 4;
const SLICE_WIDTH = 8;
/** The end of the last window that the key's watermark has passed, in slides; of the next, and the key's latest event time. */
const PASSED = 0;
const NEXT_END = 1;
const LATEST = 2;
const KEY_WIDTH = 4;

/**
 * Per record: is its position after the last, which key is it of, which slice; and when the key's watermark passes the end
 * of a window, its slices combined from the earliest on. A key's slices are a ring in arrays, which holds them by their time
 * as a window and the disorder allowed for are shorter than the ring.
 */
enter((stream, { size = 0, slide = 0, outOfOrderness = 0 }) => {
  const { keys } = stream.settings;
  const inWindow = size / slide;
  const panes = new PaneColumns(10_000 * inWindow);
  const all = new PaneColumns(2 * stream.at.length);
  const ring = 2 ** Math.ceil(Math.log2((size + outOfOrderness) / slide + 2));
  const mask = ring - 1;
  const slots = new Map<string, number>();
  const rows = new Float64Array(KEY_WIDTH * keys).fill(Number.NEGATIVE_INFINITY);
  const slices = new Float64Array(SLICE_WIDTH * keys * ring).fill(-1);
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
      const time = times[record] as number;
      const value = values[record] as number;
      if (time > (rows[KEY_WIDTH * slot + LATEST] as number)) {
        rows[KEY_WIDTH * slot + LATEST] = time;
        // Most records pass no end: no division for them.
        if (time - outOfOrderness >= (rows[KEY_WIDTH * slot + NEXT_END] as number)) {
          close(slot, Math.floor((time - outOfOrderness) / slide));
        }
      }
      const slice = Math.floor(time / slide);
      const at = SLICE_WIDTH * (slot * ring + (slice & mask));
      if (slices[at + SLICE] !== slice) {
        slices[at + SLICE] = slice;
        slices[at + COUNT] = 1;
        slices[at + SUM] = value;
        slices[at + LOSS] = 0;
        slices[at + MAX] = value;
        continue;
      }
      const before = slices[at + SUM] as number;
      const sum = before + value;
      const added = sum - before;
      slices[at + COUNT] = (slices[at + COUNT] as number) + 1;
      slices[at + SUM] = sum;
      slices[at + LOSS] = (slices[at + LOSS] as number) + (before - (sum - added) + (value - added));
      if (value > (slices[at + MAX] as number)) slices[at + MAX] = value;
    }
  }

  /** Emits the windows that end in `(passed, reached]`, in slides; before the first record there is nothing to emit. */
  function close(slot: number, reached: number): void {
    const from = rows[KEY_WIDTH * slot + PASSED] as number;
    rows[KEY_WIDTH * slot + PASSED] = reached;
    rows[KEY_WIDTH * slot + NEXT_END] = (reached + 1) * slide;
    if (from === Number.NEGATIVE_INFINITY) return;
    // Past this no slice of the ring lies in a window.
    const until = Math.min(reached, from + ring + inWindow);
    for (let end = from + 1; end <= until; end++) {
      let count = 0;
      let sum = 0;
      let loss = 0;
      let max = Number.NEGATIVE_INFINITY;
      for (let slice = end - inWindow; slice < end; slice++) {
        const at = SLICE_WIDTH * (slot * ring + (slice & mask));
        if (slices[at + SLICE] !== slice) continue;
        const more = slices[at + SUM] as number;
        const total = sum + more;
        const added = total - sum;
        loss += (slices[at + LOSS] as number) + (sum - (total - added) + (more - added));
        sum = total;
        count += slices[at + COUNT] as number;
        max = Math.max(max, slices[at + MAX] as number);
      }
      if (count > 0) panes.push(slot, (end - inWindow) * slide, count, (sum + loss) / count, max);
    }
  }

  return {
    prepare: (from, to) => {
      if (batchSlots.length < to - from) batchSlots = new Uint32Array(to - from);
      return {
        names: freshKeys(stream, from, to),
        positions: freshPositions(from, to),
        times: stream.at.subarray(from, to),
        values: stream.value.subarray(from, to),
      };
    },
    run: take,
    keep: () => {
      for (let at = 0; at < panes.length; at++) {
        all.push(
          panes.key[at] as number,
          panes.start[at] as number,
          panes.count[at] as number,
          panes.mean[at] as number,
          panes.max[at] as number,
        );
      }
      panes.length = 0;
    },
    check: (to) => {
      const keyOf = [...slots.keys()].map((name) => Number(name.slice(-6)));
      all.key.forEach((slot, at) => {
        all.key[at] = keyOf[slot] ?? 0;
      });
      return checkSliding(stream, { size, slide, outOfOrderness }, all, { from: 0, to }, 1e-14);
    },
    note: () => `${(all.length / stream.at.length).toFixed(2)} panes a record`,
  };
});
