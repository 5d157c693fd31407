import { loggable } from './loggable.ts';
import { isSame } from './plain.ts';
import { type Cut, Table } from './table.ts';

/**
 * Returns how `after` follows from `before`, a table of the same widths. The rows of `after` from `keep` on
 * are the tail, and `patched(before, cutOf(before, after), tail)` equals `after`.
 */
export function cutOf(before: Table, after: Table): Cut {
  return after.cutSince(before) ?? foundCut(before, after);
}

/** Finds such a cut by a look at all rows. It keeps at least as many as a table knows to have stayed. */
export function foundCut(before: Table, after: Table): Cut {
  let drop = 0;
  while (drop < before.rows && !(after.rows > 0 && isSameRow(before, drop, after, 0))) drop++;
  let keep = 0;
  while (drop + keep < before.rows && keep < after.rows && isSameRow(before, drop + keep, after, keep)) {
    keep++;
  }
  return { drop, keep };
}

/** @throws RangeError when the table does not have the rows that are to be kept */
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
  const kept = keep * width;
  for (let at = 0; at < kept; at++) after.numbers[at] = before.numbers[drop * width + at] as number;
  for (let at = 0; at < tail.rows * width; at++) after.numbers[kept + at] = tail.numbers[at] as number;
  if (plainWidth > 0) {
    after.plains = [
      ...before.plains.slice(drop * plainWidth, (drop + keep) * plainWidth),
      ...tail.plains.slice(0, tail.rows * plainWidth),
    ];
  }
  return after;
}

function isSameRow(a: Table, rowA: number, b: Table, rowB: number): boolean {
  for (let i = 0; i < a.width; i++) {
    if (!Object.is(a.numbers[rowA * a.width + i], b.numbers[rowB * a.width + i])) return false;
  }
  for (let i = 0; i < a.plainWidth; i++) {
    if (!isSame(a.plains[rowA * a.plainWidth + i], b.plains[rowB * a.plainWidth + i])) return false;
  }
  return true;
}
