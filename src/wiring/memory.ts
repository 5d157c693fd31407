/**
 * The share of a function's memory that objects may take up before they are collected. Buffers, code and
 * requests need the rest.
 */
export const HEAP_SHARE = 0.6;

/**
 * The options of Node for a function with so many megabytes. Most objects of a batch are garbage once it is committed:
 * with more room for young ones, which takes three times as much as is said here, fewer are copied before that.
 */
export const heapOptions = (megabytes: number): string =>
  `--max-old-space-size=${Math.floor(HEAP_SHARE * megabytes)} --max-semi-space-size=${Math.floor(megabytes / 32)}`;

/** The memory of each function in MB where nobody says another, and the pipeline needs no more. */
export const DEFAULT_MEMORY = {
  // This memory comes with about 0.6 of a processor. A batch mostly waits for DynamoDB, and is folded in
  // milliseconds.
  handler: 1_024,
  sweeper: 512,
  projector: 512,
  query: 512,
  check: 256,
} as const;

/**
 * The share of a function's memory in which it caches groups. For the handler it is half of what objects may take
 * up, as reading a group anew costs it more than taking in records; the sweeper runs only once a minute.
 */
export const CACHE_SHARE = { handler: 0.3, sweeper: 0.15 } as const;

/** Returns how many bytes of groups an environment caches, by the memory of its function in MB. */
export const cacheBytes = (
  role: keyof typeof CACHE_SHARE,
  megabytes: number = DEFAULT_MEMORY[role],
): number => CACHE_SHARE[role] * megabytes * 1_048_576;
