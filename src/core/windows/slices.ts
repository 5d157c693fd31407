import type { Table } from '../table.ts';

/** The header of a row of partials that is a slice: its start, and how many records it holds. */
export const SLICE = 0;
export const RECORDS = 1;

/** Returns the first row whose first number is `start` or more, in a table that is ordered by that number. */
export function rowFrom({ numbers, width, rows }: Table, start: number): number {
  // Mostly that is the end of the table, or the last row.
  if (rows === 0 || (numbers[(rows - 1) * width] as number) < start) return rows;
  if (rows === 1 || (numbers[(rows - 2) * width] as number) < start) return rows - 1;
  let from = 0;
  let to = rows - 2;
  while (from < to) {
    const middle = (from + to) >> 1;
    if ((numbers[middle * width] as number) < start) from = middle + 1;
    else to = middle;
  }
  return to;
}
