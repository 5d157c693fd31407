/*
 * Lists in ascending order, without repeats: of numbers by size, of texts by code unit.
 */

/** The place of the first item that is not less, or the end. */
export function lowerBound<Item extends string | number>(items: readonly Item[], item: Item): number {
  let low = 0;
  let high = items.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    const found = items[middle] as Item;
    if (found < item) low = middle + 1;
    else high = middle;
  }
  return low;
}

/** Items, and how often each occurred. */
type Counted<Item> = readonly [items: readonly Item[], counts: readonly number[], ...unknown[]];

/** The items of both, and how often each occurred in all. */
export function unionOf<Item extends string | number>(
  [itemsA, countsA]: Counted<Item>,
  [itemsB, countsB]: Counted<Item>,
): [items: Item[], counts: number[]] {
  const items: Item[] = [];
  const counts: number[] = [];
  for (let a = 0, b = 0; a < itemsA.length || b < itemsB.length; ) {
    const item = lesser(itemsA[a], itemsB[b]);
    let count = 0;
    if (itemsA[a] === item) count += countsA[a++] as number;
    if (itemsB[b] === item) count += countsB[b++] as number;
    items.push(item);
    counts.push(count);
  }
  return [items, counts];
}

/** Past the end of a list there is none. */
const lesser = <Item extends string | number>(a: Item | undefined, b: Item | undefined): Item =>
  (a === undefined || (b !== undefined && b < a) ? b : a) as Item;
