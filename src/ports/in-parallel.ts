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

/** Lets those in that hold something large, one after the other, for as long as what they hold together is not too much. */
export class Budget {
  #left: number;
  readonly #waiting: { readonly bytes: number; readonly begin: (holds: (bytes: number) => void) => void }[] =
    [];

  constructor(bytes: number) {
    this.#left = bytes;
  }

  /**
   * Begins once there is room, which there always is where nobody holds anything.
   *
   * @param bytes what it will hold, as far as that is known
   * @param begin is given what it tells what it holds in truth, and 0 when it holds nothing any more
   */
  enter(bytes: number, begin: (holds: (bytes: number) => void) => void): void {
    this.#waiting.push({ bytes, begin });
    this.#admit();
  }

  #admit(): void {
    while (this.#left > 0) {
      const next = this.#waiting.shift();
      if (next === undefined) return;
      let held = next.bytes;
      this.#left -= held;
      next.begin((holds) => {
        this.#left += held - holds;
        held = holds;
        this.#admit();
      });
    }
  }
}
