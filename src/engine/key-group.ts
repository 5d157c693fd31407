import { createHash } from 'node:crypto';

/**
 * The group of a key: the top bits of its MD5, so that a Kinesis shard, which owns a range of MD5, owns whole groups
 * wherever the key is also the partition key.
 *
 * @param groups a power of two, at most 65,536
 */
export const groupOf = (key: string, groups: number): number =>
  Math.floor((createHash('md5').update(key).digest().readUInt32BE() / 2 ** 32) * groups);
