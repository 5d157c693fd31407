import { hash } from 'node:crypto';

/**
 * The first 32 bits of a key's MD5. They decide its group, so that a Kinesis shard, which owns a range of MD5, owns whole
 * groups wherever the key is also the partition key.
 */
export const hashOf = (key: string): number => Number.parseInt(hash('md5', key).slice(0, 8), 16);

/** @param groups a power of two, at most 65,536 */
export const groupOf = (hashed: number, groups: number): number => Math.floor((hashed / 2 ** 32) * groups);
