import { Random } from '../../src/simulation/random.ts';

const draw = (seed: number, count: number, one: (random: Random) => number): number[] => {
  const random = new Random(seed);
  return Array.from({ length: count }, () => one(random));
};

/** Box and Muller, "A Note on the Generation of Random Normal Deviates", 1958. */
const normal = (random: Random): number =>
  Math.sqrt(-2 * Math.log(1 - random.next())) * Math.cos(2 * Math.PI * random.next());

/** Whole numbers from 1 of which the k-th is drawn in proportion to 1/k. */
export function zipf(seed: number, count: number, kinds: number): number[] {
  const sums: number[] = [];
  for (let k = 1; k <= kinds; k++) sums.push((sums.at(-1) ?? 0) + 1 / k);
  return draw(seed, count, (random) => {
    const drawn = random.next() * (sums[kinds - 1] as number);
    let [low, high] = [0, kinds - 1];
    while (low < high) {
      const middle = (low + high) >> 1;
      if ((sums[middle] as number) <= drawn) low = middle + 1;
      else high = middle;
    }
    return low + 1;
  });
}

/** Numbers as streams have them, and as they are worst for a sketch. */
export const DISTRIBUTIONS: readonly {
  readonly name: string;
  readonly values: (count: number) => number[];
}[] = [
  { name: 'uniform from 0 to 1,000', values: (count) => draw(1, count, (random) => 1_000 * random.next()) },
  {
    name: 'log-normal, as delays are',
    values: (count) => draw(2, count, (random) => Math.exp(3 + normal(random))),
  },
  {
    name: 'temperatures with a decimal, on both sides of zero',
    values: (count) => draw(3, count, (random) => Math.round(10 * (10 + 12 * normal(random))) / 10),
  },
  { name: 'Zipf', values: (count) => zipf(4, count, 100_000) },
  {
    name: 'ascending',
    values: (count) => draw(5, count, (random) => Math.exp(2 * normal(random))).sort((a, b) => a - b),
  },
  {
    name: 'descending from above zero to below',
    values: (count) => Array.from({ length: count }, (_, at) => count / 2 - at),
  },
  { name: 'all equal', values: (count) => new Array<number>(count).fill(-12.5) },
  {
    name: 'mostly negative, of a heavy tail',
    values: (count) =>
      draw(6, count, (random) => (random.chance(0.9) ? -1 : 1) * (1 - random.next()) ** -1.5),
  },
  {
    name: 'half zeros, half near 10^9',
    values: (count) => draw(7, count, (random) => (random.chance(0.5) ? 0 : 1e9 + normal(random))),
  },
  {
    name: 'over 14 decades',
    values: (count) => draw(8, count, (random) => 10 ** (14 * random.next() - 7)),
  },
];
