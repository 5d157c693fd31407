/** Enough to hide a store's latency, few enough for a small function's sockets. */
const WIDTH = 16;

/** How many of what may take up tens of megabytes are in memory at a time. */
export const FEW = 4;

/**
 * The results of `task` for every item, in order, some of them under way at a time; the first fault is thrown at once.
 *
 * @param width how many are under way at a time
 */
export async function inParallel<Item, Result>(
  items: readonly Item[],
  task: (item: Item) => Promise<Result>,
  width = WIDTH,
): Promise<Result[]> {
  const results: Result[] = [];
  let next = 0;
  const worker = async (): Promise<void> => {
    while (next < items.length) {
      const at = next++;
      results[at] = await task(items[at] as Item);
    }
  };
  await Promise.all(Array.from({ length: Math.min(width, items.length) }, worker));
  return results;
}
