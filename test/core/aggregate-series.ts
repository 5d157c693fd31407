import fc from 'fast-check';
import type { Point } from './exact.ts';

/** Numbers in [0, 1), the same for the same seed: Marsaglia, "Xorshift RNGs", 2003. */
export function drawnFrom(seed: number): () => number {
  let state = (seed | 0) === 0 ? 1 : seed | 0;
  return () => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return (state >>> 0) / 2 ** 32;
  };
}

/** What loses most to rounding where it is not kept: `length` values, or a few more. */
export const HARD_SERIES: { readonly [name: string]: (length: number, seed: number) => number[] } = {
  'readings with spikes of 1e15 that come and go'(length, seed) {
    const draw = drawnFrom(seed);
    return Array.from({ length: Math.ceil(length / 3) }, () => {
      const spike = 1e15 + draw();
      return [reading(draw), spike, -spike];
    }).flat();
  },
  'spikes of 1e15 first, and what takes them back last'(length, seed) {
    const draw = drawnFrom(seed);
    const spikes = Array.from({ length: Math.ceil(length / 3) }, () => 1e15 * (1 + draw()));
    return [...spikes, ...spikes.map(() => reading(draw)), ...spikes.map((spike) => -spike)];
  },
  'a spike of 1e15 first, and then one reading over and over'(length, seed) {
    const one = reading(drawnFrom(seed));
    return Array.from({ length }, (_, at) => (at === 0 ? 1e15 : one));
  },
  '1e6 ± 1e-3'(length, seed) {
    const draw = drawnFrom(seed);
    return Array.from({ length }, () => 1e6 + (draw() - 0.5) * 2e-3);
  },
  'epoch milliseconds'(length, seed) {
    const draw = drawnFrom(seed);
    return Array.from({ length }, (_, at) => 1_700_000_000_000 + 1_000 * at + Math.floor(1_000 * draw()));
  },
  'all sizes from 1e-9 to 1e15'(length, seed) {
    const draw = drawnFrom(seed);
    return Array.from({ length }, () => (draw() - 0.3) * 10 ** (24 * draw() - 9));
  },
  'one value over and over, and another'(length, seed) {
    const draw = drawnFrom(seed);
    return Array.from({ length }, (_, at) => (at === length - 1 ? 0.1 + 1e-9 * draw() : 0.1));
  },
};

const reading = (draw: () => number): number => Math.round(20_000 + 5_000 * draw()) / 1_000;

/** The series at epoch milliseconds a second or so apart; for odd seeds, the first value is decades before the others. */
export function timed(values: readonly number[], seed: number): Point[] {
  const draw = drawnFrom(seed);
  return values.map((x, at) => {
    const time = 1_700_000_000_000 + 1_000 * at + Math.floor(900 * draw());
    return [at === 0 && seed % 2 === 1 ? 1_234_567 : time, x];
  });
}

export const hardSeries = (maxLength: number): fc.Arbitrary<number[]> =>
  fc
    .tuple(
      fc.constantFrom(...Object.values(HARD_SERIES)),
      fc.integer({ min: 3, max: maxLength }),
      fc.integer({ min: 1, max: 2 ** 31 - 1 }),
    )
    .map(([series, length, seed]) => series(length, seed));
