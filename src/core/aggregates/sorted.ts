/*
 * Lists in ascending order without repeats: of numbers by size, of texts by code unit.
 */

/** Returns the place of the first item that is not less than `item`, or the length of the list. */
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

/** Items, and the count of each. */
type Counted<Item> = readonly [items: readonly Item[], counts: readonly number[], ...unknown[]];

/** Returns the items of both lists, and the total count of each. */
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

/** Returns the lesser of two items. Past the end of a list there is no item. */
const lesser = <Item extends string | number>(a: Item | undefined, b: Item | undefined): Item =>
  (a === undefined || (b !== undefined && b < a) ? b : a) as Item;
