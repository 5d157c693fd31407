import { type Duration, type Millis, millis } from '../time.ts';

/*
 * Weights halve with every half-life. A weight is counted from an epoch, the end of the half-life that holds
 * the latest event time. Then the weight of a record in its own half-life is a function of its time alone,
 * and moving the epoch halves the weight, which loses nothing. So the order of records makes no difference to
 * their weights.
 */

/** @throws RangeError when it is not a positive duration */
export function halfLifeOf(duration: Duration): Millis {
  const halfLife = millis(duration);
  if (halfLife === 0) throw new RangeError(`Cannot decay by "${duration}" as a half-life must be > 0`);
  return halfLife;
}

/**
 * Returns the epoch of a time, in half-lives since 1970: the first whole number of half-lives at or after it.
 */
export const epochOf = (time: number, halfLife: Millis): number => Math.ceil(time / halfLife);

/** Returns the weight of a record in its own epoch: 2^(time / halfLife − epoch + ½), between √½ and √2. */
export const recordWeight = (time: number, epoch: number, halfLife: Millis): number =>
  powerOfTwo((time - epoch * halfLife) / halfLife + 0.5);

/** The coefficients of the series of e^y: 1 / 10! and so on. */
const E10 = 1 / 3_628_800;
const E11 = 1 / 39_916_800;
const E12 = 1 / 479_001_600;
const E13 = 1 / 6_227_020_800;

/**
 * Returns 2^x for x in [-½, ½], within 4e-16 of it, by the Taylor series of e^(x·ln 2) up to the 13th power,
 * even and odd powers apart. It uses only sums and products, which every engine rounds alike, whereas
 * Math.pow may differ between engines.
 */
function powerOfTwo(x: number): number {
  const y = x * Math.LN2;
  const z = y * y;
  const even = 1 + z * (1 / 2 + z * (1 / 24 + z * (1 / 720 + z * (1 / 40_320 + z * (E10 + z * E12)))));
  const odd = 1 + z * (1 / 6 + z * (1 / 120 + z * (1 / 5_040 + z * (1 / 362_880 + z * (E11 + z * E13)))));
  return even + y * odd;
}

/** Returns 2^-times exactly. It is 0 where that is below the smallest double, and where `times` is NaN. */
export function halved(times: number): number {
  if (times === 0) return 1;
  if (!(times <= 1_074)) return 0;
  let power = 1;
  let factor = 0.5;
  for (let rest = times | 0; rest > 0; rest >>= 1) {
    if ((rest & 1) === 1) power *= factor;
    factor *= factor;
  }
  return power;
}
