import type { Figures, WireSample } from './wire.ts';

/** Some of the figures, at one instant. */
export interface Sample {
  readonly at: number;
  readonly committed: number;
  readonly panes: number;
  /** How far the watermark is behind the newest event time, in milliseconds; NaN before both are known. */
  readonly lag: number;
  readonly late: number;
  readonly poison: number;
  /** The median of the first sink's delivery latency so far, in milliseconds; 0 before any delivery. */
  readonly latency: number;
}

const STEP_MILLIS = 500;
const MAX_SAMPLES = 120;
/** Rates are over so many samples, as batches of records commit together. */
const RATE_SAMPLES = 4;

const sum = (counts: Readonly<Record<string, number>>): number =>
  Object.values(counts).reduce((total, count) => total + count, 0);

function sampleOf({ at, committed, panes, watermark, newest, late, poison, latency }: Figures): Sample {
  const lag = watermark === null || newest === null ? Number.NaN : Math.max(0, newest - watermark);
  const [[median] = [0]] = Object.values(latency);
  return { at, committed, panes, lag, late: sum(late), poison, latency: median };
}

/** The last minute of the figures: a sample each half second, and the newest. */
export class Trend {
  #samples: Sample[] = [];

  get samples(): readonly Sample[] {
    return this.#samples;
  }

  /** Takes in figures. The newest sample is replaced as long as its half second lasts. */
  add(figures: Figures): void {
    const sample = sampleOf(figures);
    const slot = ({ at }: Sample) => Math.floor(at / STEP_MILLIS);
    const last = this.#samples.at(-1);
    if (last !== undefined && slot(last) === slot(sample)) this.#samples.pop();
    this.#samples.push(sample);
    if (this.#samples.length > MAX_SAMPLES) this.#samples.shift();
  }

  /** How much a count grew per second, at each sample after the first. */
  rates(of: 'committed' | 'panes'): readonly number[] {
    return this.#samples.slice(1).map((sample, at) => {
      const before = this.#samples[Math.max(0, at + 1 - RATE_SAMPLES)] as Sample;
      return (1_000 * Math.max(0, sample[of] - before[of])) / Math.max(1, sample.at - before.at);
    });
  }

  get wire(): readonly WireSample[] {
    return this.#samples.map(({ at, committed, panes, lag, late, poison, latency }) => [
      at,
      committed,
      panes,
      Number.isNaN(lag) ? -1 : lag,
      late,
      poison,
      latency,
    ]);
  }

  static of(samples: readonly WireSample[]): Trend {
    const trend = new Trend();
    trend.#samples = samples.map(
      ([at = 0, committed = 0, panes = 0, lag = -1, late = 0, poison = 0, latency = 0]) => ({
        at,
        committed,
        panes,
        lag: lag < 0 ? Number.NaN : lag,
        late,
        poison,
        latency,
      }),
    );
    return trend;
  }
}
