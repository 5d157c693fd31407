/**
 * The share of a function's memory that objects may take up before they are collected. Buffers, code and
 * requests need the rest.
 */
export const HEAP_SHARE = 0.6;

/**
 * How many bytes of groups an environment of the handler, and of the sweeper, caches. The handler caches a fifth of
 * its default memory, as reading a group anew costs it more than taking in records. The sweeper caches a tenth of its
 * own, which is smaller, as it runs only once a minute.
 */
export const CACHE_BYTES = { handler: 208 * 1_048_576, sweeper: 48 * 1_048_576 } as const;
