/** Enough calls to hide a store's latency, and few enough for a small function's sockets. */
const WIDTH = 16;

/** How many items are in memory at a time, where one may take up tens of megabytes. */
export const FEW = 4;

/**
 * Runs `task` for every item, several at a time, and returns the results in order. It throws the first fault
 * at once.
 *
 * @param width how many tasks run at a time
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

/**
 * Admits tasks that hold something large, one after the other, as long as all that they hold together is
 * below a bound.
 */
export class Budget {
  #left: number;
  readonly #waiting: { readonly bytes: number; readonly begin: (holds: (bytes: number) => void) => void }[] =
    [];

  constructor(bytes: number) {
    this.#left = bytes;
  }

  /**
   * Begins a task once there is room. There always is where no task holds anything.
   *
   * @param bytes what the task will hold, as far as that is known
   * @param begin starts the task; it receives a function by which the task says what it really holds, and 0
   * when it holds nothing any more
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
