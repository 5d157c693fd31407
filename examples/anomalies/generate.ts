import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { Random } from '../../src/simulation/random.ts';
import { isStarted } from '../local-run.ts';

const FIRST = Date.UTC(2026, 0, 5);
const LENGTH = 1_000;
/** How many points before and after an anomaly's beginning are labelled: a tenth of a series, as in NAB, for two of them. */
const AROUND = LENGTH / 40;

type Shape = (at: number, random: Random) => number;

const noise = (random: Random): number => random.next() + random.next() + random.next() - 1.5;
const daily = (at: number): number => Math.sin((2 * Math.PI * at) / 288);

/** Each series by a point in five minutes, with the places at which something begins that is not as before. */
const SERIES: Readonly<Record<string, { readonly begins: readonly number[]; readonly shape: Shape }>> = {
  // A bearing runs hot for a quarter of an hour, and later the pump is throttled for good.
  'generated/pump.csv': {
    begins: [420, 700],
    shape: (at, random) =>
      62 + 3 * daily(at) + noise(random) + (at >= 420 && at < 423 ? 14 : 0) - (at >= 700 ? 9 : 0),
  },
  // Requests stop for half an hour; later they rise so slowly that no point stands out.
  'generated/requests.csv': {
    begins: [300, 800],
    shape: (at, random) => {
      const usual = 400 + 250 * daily(at) + 25 * noise(random);
      return at >= 300 && at < 306 ? 5 : usual * (1 + Math.max(0, Math.min(at - 800, 100)) / 250);
    },
  },
  // Nothing happens.
  'generated/quiet.csv': { begins: [], shape: (at, random) => 20 + daily(at) + noise(random) },
};

const textOf = (at: number): string =>
  new Date(FIRST + at * 300_000).toISOString().slice(0, 19).replace('T', ' ');

/** All files of the corpus by their paths, as NAB lays them out. */
export function corpusFiles(seed = 1): ReadonlyMap<string, string> {
  const files = new Map<string, string>();
  const labels: Record<string, string[][]> = {};
  for (const [name, { begins, shape }] of Object.entries(SERIES)) {
    const random = new Random(seed);
    const rows = Array.from({ length: LENGTH }, (_, at) => `${textOf(at)},${shape(at, random).toFixed(2)}`);
    files.set(`data/${name}`, `timestamp,value\n${rows.join('\n')}\n`);
    labels[name] = begins.map((at) => [textOf(at - AROUND), textOf(at + AROUND)]);
  }
  return files.set('labels/combined_windows.json', `${JSON.stringify(labels, undefined, 2)}\n`);
}

if (isStarted(import.meta.url)) {
  for (const [path, text] of corpusFiles()) {
    const file = new URL(`corpus/${path}`, import.meta.url);
    mkdirSync(dirname(file.pathname), { recursive: true });
    writeFileSync(file, text);
  }
}
