import { loggable } from './loggable.ts';
import { isSame } from './plain.ts';
import { Table } from './table.ts';

/**
 * What became of a table, in rows: the first `drop` are gone, the next `keep` are as they were, and others, the tail, stand in
 * place of the rest. Windows forget what is oldest and add what is newest, so this is most often little.
 */
export interface Cut {
  readonly drop: number;
  readonly keep: number;
}

/**
 * How `after` came of `before`, a table of the same widths: its rows from `keep` on are the tail, and
 * `patched(before, cutOf(before, after), tail)` is `after`.
 */
export function cutOf(before: Table, after: Table): Cut {
  let drop = 0;
  while (drop < before.rows && !(after.rows > 0 && isSameRow(before, drop, after, 0))) drop++;
  let keep = 0;
  while (drop + keep < before.rows && keep < after.rows && isSameRow(before, drop + keep, after, keep)) {
    keep++;
  }
  return { drop, keep };
}

/** @throws RangeError when the table has not the rows that are kept */
export function patched(before: Table, { drop, keep }: Cut, tail: Table): Table {
  if (drop + keep > before.rows) {
    throw loggable(
      new RangeError(
        `Cannot keep rows ${drop} to ${drop + keep} of a table as it must have them: it has ${before.rows}`,
      ),
    );
  }
  const { width, plainWidth } = tail;
  const after = new Table(width, plainWidth, keep + tail.rows);
  after.rows = keep + tail.rows;
  after.numbers.set(before.numbers.subarray(drop * width, (drop + keep) * width));
  after.numbers.set(tail.numbers.subarray(0, tail.rows * width), keep * width);
  if (plainWidth > 0) {
    after.plains = [
      ...before.plains.slice(drop * plainWidth, (drop + keep) * plainWidth),
      ...tail.plains.slice(0, tail.rows * plainWidth),
    ];
  }
  return after;
}

function isSameRow(a: Table, row: number, b: Table, other: number): boolean {
  for (let i = 0; i < a.width; i++) {
    if (!Object.is(a.numbers[row * a.width + i], b.numbers[other * a.width + i])) return false;
  }
  for (let i = 0; i < a.plainWidth; i++) {
    if (!isSame(a.plains[row * a.plainWidth + i], b.plains[other * a.plainWidth + i])) return false;
  }
  return true;
}
