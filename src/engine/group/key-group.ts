import { hash } from 'node:crypto';

/** The most bytes of a key in UTF-8. */
export const MAX_KEY_BYTES = 1_024;

/**
 * Returns the first 32 bits of a key's MD5, which decide its group. A Kinesis shard owns a range of MD5, so
 * it owns whole groups wherever the key is also the partition key.
 */
export const hashOf = (key: string): number => Number.parseInt(hash('md5', key).slice(0, 8), 16);

/**
 * Returns the index of the group that owns a hash.
 *
 * @param groups a power of two, at most 65,536
 */
export const groupOf = (hashed: number, groups: number): number => Math.floor((hashed / 2 ** 32) * groups);
