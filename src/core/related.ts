import type { Table } from './table.ts';

/**
 * Replaces a column by its difference from another column, `base`, so that it is small where the two go
 * together. It returns false, and changes nothing, where that could not be undone in every bit.
 */
export function relate({ numbers, width, rows }: Table, column: number, base: number): boolean {
  for (let at = 0; at < rows * width; at += width) {
    const [value, from] = [numbers[at + column] as number, numbers[at + base] as number];
    if (!Object.is(from + (value - from), value)) return false;
  }
  for (let at = 0; at < rows * width; at += width) {
    numbers[at + column] = (numbers[at + column] as number) - (numbers[at + base] as number);
  }
  return true;
}

/** Undoes `relate`. */
export function unrelate({ numbers, width, rows }: Table, column: number, base: number): void {
  for (let at = 0; at < rows * width; at += width) {
    numbers[at + column] = (numbers[at + base] as number) + (numbers[at + column] as number);
  }
}
