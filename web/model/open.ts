import { shownValue, type Value } from './wire.ts';

/** A window of a key that is open, with the records in it and its results so far. */
export interface OpenWindow {
  readonly window: string;
  readonly start: number;
  readonly end: number;
  readonly count: number;
  readonly results: Readonly<Record<string, Value>>;
}

/** An open window as the query API answers with it: see docs/query.md. */
interface Answered {
  readonly window: string;
  readonly start: string;
  readonly end: string;
  readonly count: number;
  readonly results: Readonly<Record<string, unknown>> | null;
}

/** Reads the open windows of a key from an answer of the query API. */
export const openOf = ({ windows }: { readonly windows: readonly Answered[] }): readonly OpenWindow[] =>
  windows.map(({ window, start, end, count, results }) => ({
    window,
    start: Date.parse(start),
    end: Date.parse(end),
    count,
    results: Object.fromEntries(
      Object.entries(results ?? {}).map(([name, value]) => [name, shownValue(value)]),
    ),
  }));
