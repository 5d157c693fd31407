import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { resolve } from 'node:path';

export interface Flight {
  readonly date: string;
  readonly delay: number;
  readonly origin: string;
}

/** The first of the 20,000 flights, in order of departure. */
export function readFlights(limit = 20_000): readonly Flight[] {
  const data = resolve(
    createRequire(import.meta.url).resolve('vega-datasets'),
    '../../data/flights-20k.json',
  );
  return JSON.parse(readFileSync(data, 'utf8')).slice(0, limit);
}
