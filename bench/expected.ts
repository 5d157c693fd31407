import type { Check } from './contender.ts';
import type { Stream } from './data.ts';

/** Which records of a stream a contender knows of, and which of its outputs are compared. */
export interface Span {
  readonly from: number;
  readonly to: number;
  /** Leave out windows that do not hold their `count` records yet: for contenders that give nothing, or something else, then. */
  readonly full: boolean;
}

/**
 * Compares means over each key's last `count` records with their recomputation; `means[record - from]` came of a record. Sums
 * of thousandths are whole numbers, and so exact.
 */
export function checkRollingMean(
  stream: Stream,
  count: number,
  means: Float64Array,
  { from, to, full }: Span,
  tolerance: number,
): Check {
  const sums = Array.from({ length: stream.settings.keys }, () => [0]);
  const comparison = new Comparison(tolerance);
  for (let record = from; record < to; record++) {
    const reached = sums[stream.key[record] as number] as number[];
    reached.push((reached.at(-1) as number) + (stream.thousandths[record] as number));
    const holds = Math.min(count, reached.length - 1);
    if (full && holds < count) continue;
    const sum = (reached.at(-1) as number) - (reached.at(-1 - holds) as number);
    comparison.number(means[record - from], sum / 1_000 / holds, () => `record ${record}`);
  }
  return comparison.check();
}

/** Compares, at some records, greatest values over each key's last `count` with what a look at all of them gives. */
export const checkRollingMax = (stream: Stream, count: number, greatest: Float64Array, span: Span): Check =>
  checkRollingExtreme(stream, count, greatest, span, Math.max);

export const checkRollingMin = (stream: Stream, count: number, least: Float64Array, span: Span): Check =>
  checkRollingExtreme(stream, count, least, span, Math.min);

function checkRollingExtreme(
  stream: Stream,
  count: number,
  extremes: Float64Array,
  { from, to, full }: Span,
  extremeOf: (a: number, b: number) => number,
): Check {
  const values = Array.from({ length: stream.settings.keys }, (): number[] => []);
  const comparison = new Comparison(0);
  const step = Math.max(1, Math.ceil(((to - from) * count) / 20e6));
  for (let record = from; record < to; record++) {
    const held = values[stream.key[record] as number] as number[];
    held.push(stream.value[record] as number);
    if (record % step !== 0 || (full && held.length < count)) continue;
    const expected = held.slice(-count).reduce(extremeOfTwo(extremeOf));
    comparison.number(extremes[record - from], expected, () => `record ${record}`);
  }
  return comparison.check();
}

/** `reduce` hands on more than two arguments, and `Math.max` takes them all. */
const extremeOfTwo =
  (extremeOf: (a: number, b: number) => number) =>
  (a: number, b: number): number =>
    extremeOf(a, b);

/** Several comparisons as one. */
export function allOf(checks: readonly Check[]): Check {
  const differs = checks.find(({ passed }) => !passed)?.differs;
  return {
    passed: checks.every(({ passed }) => passed),
    compared: checks.reduce((total, { compared }) => total + compared, 0),
    worst: Math.max(...checks.map(({ worst }) => worst)),
    ...(differs === undefined ? {} : { differs }),
  };
}

/** Panes of sliding windows, as columns: of which key, from when on, and what they hold. */
export class PaneColumns {
  readonly key: Uint32Array;
  readonly start: Float64Array;
  readonly count: Float64Array;
  readonly mean: Float64Array;
  readonly max: Float64Array;
  length = 0;

  constructor(capacity: number) {
    this.key = new Uint32Array(capacity);
    this.start = new Float64Array(capacity);
    this.count = new Float64Array(capacity);
    this.mean = new Float64Array(capacity);
    this.max = new Float64Array(capacity);
  }

  push(key: number, start: number, count: number, mean: number, max: number): void {
    const at = this.length++;
    this.key[at] = key;
    this.start[at] = start;
    this.count[at] = count;
    this.mean[at] = mean;
    this.max[at] = max;
  }
}

export interface SlidingSettings {
  /** Milliseconds. */
  readonly size: number;
  readonly slide: number;
  /** How far each key's watermark trails; infinite for a batch, which sees all records before it emits anything. */
  readonly outOfOrderness: number;
}

/**
 * Compares the panes of sliding windows with those of a recomputation: all records of each window, whatever their order,
 * for each window that holds any and that the key's watermark has passed; no pane may be missing or too many.
 */
export function checkSliding(
  stream: Stream,
  { size, slide, outOfOrderness }: SlidingSettings,
  panes: PaneColumns,
  { from, to }: Omit<Span, 'full'>,
  tolerance: number,
): Check {
  const windows = Array.from(
    { length: stream.settings.keys },
    () => new Map<number, { count: number; thousandths: number; max: number }>(),
  );
  const latest = new Float64Array(stream.settings.keys).fill(Number.NEGATIVE_INFINITY);
  for (let record = from; record < to; record++) {
    const key = stream.key[record] as number;
    const at = stream.at[record] as number;
    latest[key] = Math.max(latest[key] as number, at);
    for (let start = at - (at % slide); start > at - size; start -= slide) {
      const window = windows[key]?.get(start) ?? { count: 0, thousandths: 0, max: Number.NEGATIVE_INFINITY };
      windows[key]?.set(start, {
        count: window.count + 1,
        thousandths: window.thousandths + (stream.thousandths[record] as number),
        max: Math.max(window.max, stream.value[record] as number),
      });
    }
  }
  const comparison = new Comparison(tolerance);
  for (let at = 0; at < panes.length; at++) {
    const key = panes.key[at] as number;
    const start = panes.start[at] as number;
    const where = () => `key ${key}, window of ${new Date(start).toISOString()}`;
    const expected = windows[key]?.get(start);
    if (expected === undefined) {
      comparison.fault(`${where()}: a window without records, or a second pane`);
      continue;
    }
    windows[key]?.delete(start);
    comparison.number(panes.count[at], expected.count, where);
    comparison.number(panes.mean[at], expected.thousandths / 1_000 / expected.count, where);
    comparison.number(panes.max[at], expected.max, where);
  }
  windows.forEach((left, key) => {
    for (const start of left.keys()) {
      if (start + size <= (latest[key] as number) - outOfOrderness) {
        comparison.fault(`key ${key}, window of ${new Date(start).toISOString()}: no pane`);
      }
    }
  });
  return comparison.check();
}

/** Numbers held against what they should be. */
export class Comparison {
  readonly #tolerance: number;
  #compared = 0;
  #worst = 0;
  #differs: string | undefined;

  constructor(tolerance: number) {
    this.#tolerance = tolerance;
  }

  number(given: number | undefined, expected: number, where: () => string): void {
    this.#compared++;
    // Absolute below 1: a mean near 0 is as exact as the values that it is of.
    const error = Math.abs((given ?? Number.NaN) - expected) / Math.max(Math.abs(expected), 1);
    if (error > this.#worst) this.#worst = error;
    if (!(error <= this.#tolerance)) this.fault(`${where()}: ${given}, not ${expected}`);
  }

  fault(differs: string): void {
    this.#differs ??= differs;
  }

  check(): Check {
    return {
      passed: this.#differs === undefined && this.#compared > 0,
      compared: this.#compared,
      worst: this.#worst,
      ...(this.#differs === undefined ? {} : { differs: this.#differs }),
    };
  }
}
